"""One number of an evaluation, as every part of it tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from .verdicts import judged

SCHEMA = pa.schema(
    [
        ("family", pa.string()),
        ("metric", pa.string()),
        ("table_name", pa.string()),
        ("subject", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("reference", pa.float64()),
        ("verdict", pa.string()),
        ("n", pa.int64()),
        ("note", pa.string()),
    ]
)


@dataclass(frozen=True)
class Metric:
    """A number: what it measures and of what, its 95 % interval, and what fresh real data would score.

    ``metric`` is a name in the files of ``sql/evaluate/metrics``. ``subject`` is a column, a pair of columns
    (``age, sex``), a concept or a group, or empty for a whole table; ``table`` is empty for a flat table. ``n`` counts
    the rows or persons of the smaller side that it was computed on. A number that could not be computed is None, and
    ``note`` says why.
    """

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    table: str = ""
    subject: str = ""
    n: int | None = None
    note: str = ""


def to_table(metrics: Iterable[Metric]) -> pa.Table:
    """Return metrics as rows of ``SCHEMA``, each with its family and its verdict."""
    told = [(*judged(one), one) for one in metrics]
    columns = {
        "family": [family for family, _, _ in told],
        "metric": [one.metric for *_, one in told],
        "table_name": [one.table for *_, one in told],
        "subject": [one.subject for *_, one in told],
        **{name: [_number(getattr(one, name)) for *_, one in told] for name in ("value", "low", "high", "reference")},
        "verdict": [verdict for _, verdict, _ in told],
        "n": [None if one.n is None else int(one.n) for *_, one in told],
        "note": [one.note for *_, one in told],
    }
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA}, schema=SCHEMA)


def _number(value: float | None) -> float | None:
    """A finite number, or None: a NaN says nothing in SQL."""
    return None if value is None or value != value or value in (float("inf"), float("-inf")) else float(value)
