"""The rules of advice: the rows of ``sql/evaluate/advice.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import pyarrow as pa

from omopsql.sql_files import sql_folder

NO, CARE, TOLD, YES = "no", "care", "told", "yes"  # from the worst to the best
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("rule", "advice", "subject", "evidence", "words")],
)
WORST_FIRST = (NO, CARE, TOLD, YES)


@dataclass(frozen=True)
class Advice:
    """One piece of advice: the rule that applies, to what, and the evidence for it."""

    rule: str
    subject: str = ""
    evidence: str = ""

    @property
    def advice(self) -> str:
        """``no``: do not use; ``care``: use with care; ``told``: to be known; ``yes``."""
        return _rules()[self.rule][0]

    @property
    def about(self) -> str:
        """The subject with its evidence, in one line."""
        return ": ".join(part for part in (self.subject, self.evidence) if part)

    @property
    def words(self) -> str:
        """What the rule says to a clinician."""
        return _rules()[self.rule][1]


@cache
def _rules() -> dict[str, tuple[str, str]]:
    text = sql_folder("evaluate").joinpath("advice.csv").read_text(encoding="utf-8")
    return {row["rule"]: (row["advice"], row["words"]) for row in csv.DictReader(text.splitlines())}


def worst_first(found: Iterable[Advice]) -> list[Advice]:
    """Sort advice; where nothing speaks against use, say so."""
    told = sorted(found, key=lambda one: WORST_FIRST.index(one.advice))
    return told if any(one.advice in (NO, CARE) for one in told) else [*told, Advice("no_objection")]


def by_rule(found: Iterable[Advice]) -> list[list[Advice]]:
    """Put advice of one rule together, in the order of the rules' first."""
    grouped: dict[str, list[Advice]] = {}
    for one in found:
        grouped.setdefault(one.rule, []).append(one)
    return list(grouped.values())


def worst(found: Sequence[Advice]) -> str:
    """Return the worst advice: ``no``, ``care`` or ``yes``."""
    given = {one.advice for one in found}
    return next((level for level in (NO, CARE) if level in given), YES)


def to_table(found: Iterable[Advice]) -> pa.Table:
    """Return advice as rows of ``SCHEMA``."""
    rows = list(found)
    return pa.table({name: pa.array([getattr(one, name) for one in rows], pa.string()) for name in SCHEMA.names})
