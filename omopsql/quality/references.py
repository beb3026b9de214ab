"""References to persons and visits: what a join of their dates finds needs no second search.

Where the keys of a person or visit differ, each row finds at most one. So the rows with a key that found none are those
with a key, less those that the join holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from . import conditions as c
from .checks import Check
from .counts import Counts
from .rules import JOINED, Rows, Rule

_ROWS_OF = {JOINED[rows].table: rows for rows in (Rows.PERSON, Rows.VISIT)}


def is_joined_key(check: Check) -> bool:
    """Whether a check tells that the keys differ by which rows are joined."""
    rows = _ROWS_OF.get(check.cdm_table)
    return check.kind.check_name == "isPrimaryKey" and rows is not None and check.cdm_field == JOINED[rows].key


def references(ruled: Mapping[Check, Rule], unique: Collection[str]) -> dict[Check, Rule]:
    """Return the references that a join answers, with a rule that counts the rows that it finds.

    ``unique`` are the tables whose keys differ. The values of the field must be counted too, and the join be made.
    """
    joined = {(check.cdm_table, rule.rows) for check, rule in ruled.items() if rule.rows in _ROWS_OF.values()}
    filled = {_place(check) for check in ruled if check.kind.check_name == "measureValueCompleteness"}
    found = {}
    for check in ruled:
        rows = _ROWS_OF.get(check.other_table)
        if check.kind.check_name != "isForeignKey" or rows is None or check.other_table not in unique:
            continue
        is_key = check.cdm_field == check.other_field == JOINED[rows].key
        if is_key and (check.cdm_table, rows) in joined and _place(check) in filled:
            found[check] = Rule(c.every_row, c.every_row, rows)
    return found


def missing(check: Check, counts: Mapping[Check, Counts]) -> Counts:
    """Turn the rows that a reference found into those that it did not find."""
    found = counts[check]
    completeness = next(counted for other, counted in counts.items() if _is_completeness_of(other, check))
    if found.violated is None or found.examined is None or completeness.violated is None:
        return Counts(error=found.error or completeness.error)
    return Counts(found.examined - completeness.violated - found.violated, found.examined)


def _place(check: Check) -> tuple[str, str]:
    return check.cdm_table, check.cdm_field


def _is_completeness_of(other: Check, check: Check) -> bool:
    return other.kind.check_name == "measureValueCompleteness" and _place(other) == _place(check)
