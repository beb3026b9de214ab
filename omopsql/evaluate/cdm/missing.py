"""Missingness: the share of rows in which a column is NULL, of every column of every table."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .histories import GROUPS, Doubles
from .hospitals import Comparison, Filled
from .scores import Score, averaged, scored

_EMPTY = Filled(np.zeros(GROUPS, np.int64), {})
NEEDS = {"missing_difference": "needs a table with rows on both sides"}


def scores(of: Comparison) -> Iterator[Score]:
    """Score the difference of NULL shares: the mean over columns, and each column. Tables of one side are told."""
    real, synthetic = of.sides
    found = []
    for table in sorted(real.filled.keys() | synthetic.filled.keys()):
        a, b = (side.filled.get(table, _EMPTY) for side in of.sides)
        if not (a.rows.any() or b.rows.any()):
            continue
        lacking = [side.name for side, own in ((real, a), (synthetic, b)) if not own.rows.any()]
        if lacking:
            note = f"{lacking[0]} has no rows of {table}"
            yield Score("missing_difference", math.nan, table=table, note=note)
            continue
        each_column = [_of_column(table, column, a, b, of.groups) for column in dict.fromkeys([*a.values, *b.values])]
        found += [np.append(score.value, score.without) for score in each_column]
        yield from each_column
    yield scored("missing_difference", averaged(found), of.persons)


def _of_column(table: str, column: str, real: Filled, synthetic: Filled, groups: int) -> Score:
    """The difference of the shares of NULL; its interval is that of the signed one. An absent column is all NULL."""
    shares = [_null_shares(of, column, groups) for of in (real, synthetic)]
    apart = shares[1] - shares[0]
    note = f"real {shares[0][0]:.4f}, synthetic {shares[1][0]:.4f}"
    n = int(min(real.rows.sum(), synthetic.rows.sum()))
    return scored("missing_difference", apart * (-1 if apart[0] < 0 else 1), n, table, column, note)


def _null_shares(of: Filled, column: str, groups: int) -> Doubles:
    """Share of NULL in all rows, and without each group of persons."""
    nulls = of.rows - of.values.get(column, np.zeros(GROUPS, np.int64))
    without = [nulls.sum() - nulls, of.rows.sum() - of.rows] if groups else [np.zeros(0)] * 2
    left = np.append(nulls.sum(), without[0]), np.append(of.rows.sum(), without[1])
    return np.asarray(left[0] / np.where(left[1] > 0, left[1], np.nan))
