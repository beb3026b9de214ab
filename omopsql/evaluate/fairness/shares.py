"""How large each subgroup is, and how faithful it is: how far its columns are from those of real persons like it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate import encode
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.outcome import OUTCOME
from omopsql.evaluate.sides import Doubles, Int64s, Sides
from omopsql.evaluate.utility.intervals import NORMAL, share

from .groups import Groups

LEAST_ROWS = 20  # of a subgroup on each side, for a distance to say anything
_MOST_ROWS = 5_000
_MOST_CELLS = 200  # of a column; one with more is a key or a free text
_MOST_COLUMNS = 200
_RESAMPLES = 30
_SHARE, _DISTANCE, _GAP = "group_share", "group_total_variation", "group_fidelity_gap"


@dataclass(frozen=True)
class Cells:
    """Columns as whole numbers from 0: (n, columns) a side, and how many cells each column has."""

    sides: tuple[Int64s, ...]
    sizes: tuple[int, ...]


def flat_cells(sides: Sides, left_out: tuple[str, ...]) -> Cells:
    """Number the cells of all columns but those left out: their values, or bins of their numbers."""
    columns = [name for name in sides.columns if name not in (*left_out, OUTCOME)]
    coded = [codes for codes in (encode.codes(sides, name) for name in columns) if codes.size <= _MOST_CELLS]
    every = range(len(sides.every))
    matrices = (np.column_stack([codes.sides[i] for codes in coded] or [_one_cell(sides, i)]) for i in every)
    return Cells(tuple(matrices), tuple(codes.size for codes in coded) or (1,))


def _one_cell(sides: Sides, place: int) -> Int64s:
    """What stands for columns where there is none to compare: all rows are the same."""
    return np.zeros(len(sides.every[place]), np.int64)


def vector_cells(matrices: tuple[Doubles, ...], bins: int = 10) -> Cells:
    """Number the cells of the columns that vary most: quantile bins, cut on the real side; missing ones are bin 0."""
    spread = np.nanvar(matrices[0], axis=0) / (np.nanmax(np.abs(matrices[0]), axis=0) ** 2 + 1e-9)
    chosen = np.sort(np.argsort(-np.nan_to_num(spread), kind="stable")[:_MOST_COLUMNS])
    cuts = [_cuts(matrices[0][:, column], bins) for column in chosen]
    coded = tuple(
        np.column_stack([_binned(matrix[:, column], cut) for column, cut in zip(chosen, cuts, strict=True)])
        for matrix in matrices
    )
    return Cells(coded, tuple(len(cut) + 2 for cut in cuts))


def _cuts(numbers: Doubles, bins: int) -> Doubles:
    known = numbers[~np.isnan(numbers)]
    if not known.size:
        return np.zeros(0)
    values = np.unique(known)
    if values.size <= bins:
        return values[1:]
    return np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))


def _binned(numbers: Doubles, cuts: Doubles) -> Int64s:
    return np.where(np.isnan(numbers), 0, 1 + np.searchsorted(cuts, numbers, "right")).astype(np.int64)


def group_shares(groups: Groups, table: str = "") -> Iterator[Metric]:
    """Tell the share of each subgroup among the synthetic rows; the reference is its share of the real ones."""
    real, synthetic = groups.sides[:2]
    for number, name in enumerate(groups.names):
        ours, theirs = int((synthetic == number).sum()), int((real == number).sum())
        found = share(ours, len(synthetic))
        told = f"{ours:,} of {len(synthetic):,} synthetic rows, {theirs:,} of {len(real):,} real ones"
        yield Metric(
            _SHARE, found.value, found.low, found.high, theirs / len(real), table, name, min(ours, theirs), told
        )


def group_fidelity(groups: Groups, cells: Cells, seed: int, table: str = "") -> Iterator[Metric]:
    """Tell how far the columns of each subgroup are from the real ones: their mean total variation.

    Samples that are compared have as many rows as those of the reference, real against real, for a distance grows as
    samples shrink. Intervals are normal, with the standard error of 30 resamples of both.
    """
    found = []
    for number, name in enumerate(groups.names):
        metric = _distance(groups, cells, number, name, seed, table)
        found.append(metric)
        yield metric
    excess = [(m.value - m.reference, m.subject) for m in found if m.value is not None and m.reference is not None]
    if len(excess) < 2:
        yield Metric(_GAP, None, table=table, subject=groups.by, note="fewer than two subgroups are large enough")
        return
    gap = max(excess)[0] - min(excess)[0]
    told = f"farthest from the real data, beyond its reference: {max(excess)[1]}"
    fewest = min(m.n for m in found if m.n is not None)
    yield Metric(_GAP, gap, table=table, subject=groups.by, n=fewest, note=told)


def _distance(groups: Groups, cells: Cells, number: int, name: str, seed: int, table: str) -> Metric:
    first, second = _halves(groups, cells, number, seed)
    synthetic = cells.sides[1][groups.sides[1] == number]
    rows = min(len(first), len(second), len(synthetic), _MOST_ROWS)
    if rows < LEAST_ROWS:
        smallest = f"{len(synthetic)} synthetic rows; real: {len(first)} to compare with {len(second)} others"
        told = f"the subgroup has too few rows ({smallest}); at least {LEAST_ROWS} are needed"
        return Metric(_DISTANCE, None, table=table, subject=name, note=told)
    random = np.random.Generator(np.random.Philox(seed + number))
    drawn = [side[random.permutation(len(side))[:rows]] for side in (first, second, synthetic)]
    value, reference = (_total_variation(drawn[0], other, cells.sizes) for other in (drawn[2], drawn[1]))
    resamples = [
        _total_variation(_resampled(drawn[0], random), _resampled(drawn[2], random), cells.sizes)
        for _ in range(_RESAMPLES)
    ]
    half, told = NORMAL * float(np.std(resamples, ddof=1)), f"{rows:,} rows on each side"
    return Metric(_DISTANCE, value, max(value - half, 0.0), value + half, reference, table, name, rows, told)


def _resampled(rows: Int64s, random: np.random.Generator) -> Int64s:
    return rows[random.integers(0, len(rows), len(rows))]


def _halves(groups: Groups, cells: Cells, number: int, seed: int) -> tuple[Int64s, Int64s]:
    """Real rows of a subgroup, and other real ones: of the holdout, or of the other half."""
    real = cells.sides[0][groups.sides[0] == number]
    if len(groups.sides) > 2:
        return real, cells.sides[2][groups.sides[2] == number]
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(real))
    middle = len(order) // 2
    return real[order[:middle]], real[order[middle:]]


def _total_variation(first: Int64s, second: Int64s, sizes: tuple[int, ...]) -> float:
    """The mean over columns of half the summed differences of shares; both have the same number of rows."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    counts = (np.bincount((side + starts).reshape(-1), minlength=sum(sizes)) for side in (first, second))
    return float(np.abs(np.subtract(*counts)).sum() / (2 * len(first) * len(sizes)))
