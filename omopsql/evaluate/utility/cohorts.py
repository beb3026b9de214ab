"""Cohorts that a user defines in SQL, counted on every side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.outcome import OUTCOME, read_expression, with_outcome
from omopsql.quoting import identifier
from omopsql.relation import Relation

from .intervals import Estimate, distance, share

Count = tuple[int, int]  # rows or persons of the cohort, and of all

_SHARE, _DIFFERENCE = "cohort_share", "cohort_share_difference"


def need_texts(cohorts: dict[str, Any]) -> dict[str, str]:
    """Return the definitions by name. Raises OmopsqlError when there is none, or one is no SQL."""
    if not cohorts:
        raise OmopsqlError("cohorts is empty; give SQL by name, as in {'diabetics': 'hba1c >= 6.5'}")
    for name, sql in cohorts.items():
        if not isinstance(sql, str):
            raise OmopsqlError(f"cohorts: {name} is {sql!r}; give SQL, as in {{'diabetics': 'hba1c >= 6.5'}}")
    return cohorts


def flat_counts(
    cursor: duckdb.DuckDBPyConnection, relations: list[Relation], cohorts: dict[str, str]
) -> dict[str, list[Count]]:
    """Count the rows of each side for which an expression holds."""
    found: dict[str, list[Count]] = {}
    for name, sql in cohorts.items():
        asked = read_expression(cursor, f"cohort {name}", sql)
        for relation in relations:
            held = with_outcome(cursor, relation, asked).sql
            counted = f"SELECT count(*) FILTER (WHERE {identifier(OUTCOME)} = 1), count(*) FROM {held}"
            found.setdefault(name, []).append(cursor.execute(counted).fetchall()[0])
    return found


def cohort_metrics(counts: dict[str, list[Count]], table: str = "") -> Iterator[Metric]:
    """Tell the share of each cohort, and how far it is from the real one; the reference is how far the holdout is."""
    for name, sides in counts.items():
        real, synthetic, *holdout = (share(*side) for side in sides)
        rows = min(of for _, of in sides[:2])
        told = f"real: {_told(*sides[0], real)}; synthetic: {_told(*sides[1], synthetic)}"
        yield Metric(_SHARE, synthetic.value, synthetic.low, synthetic.high, real.value, table, name, rows, told)
        apart = distance(synthetic, real)
        reference = distance(holdout[0], real).value if holdout else None
        yield Metric(_DIFFERENCE, apart.value, apart.low, apart.high, reference, table, name, rows, told)


def _told(members: int, of: int, found: Estimate) -> str:
    return f"{members:,} of {of:,}, {found.value:.1%} ({found.low:.1%} to {found.high:.1%})"
