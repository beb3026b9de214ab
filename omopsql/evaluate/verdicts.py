"""What each metric is, and when its number is good: the rows of the files in ``sql/evaluate/metrics``.

``family`` is the family it belongs to, ``better`` says which numbers are better (``lower``, ``higher``, or ``near``
the reference), ``ideal`` what a perfect generator scores where no reference is known. ``good`` and ``poor`` are
distances on the worse side of the reference: up to ``good`` a number passes, beyond ``poor`` it fails, unless its
interval still reaches what passes. Between them it is worth a look. Metrics without these distances inform only. A
number of privacy passes only when its interval excludes what is poor: an attack without power proves nothing.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from omopsql.sql_files import sql_folder

if TYPE_CHECKING:
    from .metric import Metric

PRIVACY = "privacy"
PASS, LOOK, FAIL, TOLD, NOT_COMPUTED = "pass", "look", "fail", "told", "not computed"
LOWER, HIGHER, NEAR = "lower", "higher", "near"


@dataclass(frozen=True)
class Kind:
    """A kind of metric, as its row tells it. ``words`` is for a reader who knows no statistics."""

    metric: str
    family: str
    is_headline: bool
    better: str
    ideal: float | None
    good: float | None
    poor: float | None
    words: str


@cache
def kinds() -> dict[str, Kind]:
    """Return every kind of metric by name."""
    files = sorted(sql_folder("evaluate", "metrics").iterdir(), key=lambda file: file.name)
    texts = (file.read_text(encoding="utf-8") for file in files if file.name.endswith(".csv"))
    return {row["metric"]: _kind(row) for text in texts for row in csv.DictReader(text.splitlines())}


def _kind(row: dict[str, str]) -> Kind:
    ideal, good, poor = (float(row[name]) if row[name] else None for name in ("ideal", "good", "poor"))
    return Kind(row["metric"], row["family"], row["headline"] == "1", row["better"], ideal, good, poor, row["words"])


def judged(metric: Metric) -> tuple[str, str]:
    """Return the family of a metric and its verdict. Raises KeyError for a metric that no file lists."""
    kind = kinds()[metric.metric]
    return kind.family, _verdict(metric, kind)


def _verdict(metric: Metric, kind: Kind) -> str:
    if metric.value is None or metric.value != metric.value:
        return NOT_COMPUTED
    target = kind.ideal if metric.reference is None else metric.reference
    if target is None or kind.good is None or kind.poor is None:
        return TOLD
    bounds = [bound for bound in (metric.low, metric.high) if bound is not None]
    reached = [_worse(bound, target, kind.better) for bound in (metric.value, *bounds)]
    kindest = min(reached)
    if _worse(metric.value, target, kind.better) <= kind.good:
        return LOOK if kind.family == PRIVACY and max(reached) > kind.poor else PASS
    if kind.better == NEAR and bounds and min(bounds) <= target <= max(bounds):
        kindest = 0.0
    return FAIL if _worse(metric.value, target, kind.better) > kind.poor and kindest > kind.good else LOOK


def _worse(value: float, target: float, better: str) -> float:
    """How far a value is on the worse side of the target."""
    if better == NEAR:
        return abs(value - target)
    return value - target if better == LOWER else target - value
