"""Margins under noise: cells are counted on the public edges, joined where noise would drown them, and made to agree.

All that follows the noise is arithmetic on released numbers, and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from omopsql.synth import columns as c
from omopsql.synth.margins import Margin

from .mechanism import Account, scale_of
from .survey import Told

_CLEAR = 1.5  # standard deviations that a cell's rows must be above nothing to be kept
_JOINED = 2.0  # standard deviations that a run which holds rows is above nothing
_HEAVY = 4.0  # standard deviations above which a cell is joined to no other
_ROWS_OF_NOISE = 6.0  # of noise: a joined cell of average size holds so many rows
_ENOUGH, _FULLER = 48, 4.0  # cells beyond which each holds so many times more: noise adds up over them
_FEWEST = 12  # cells of a line that are not joined
_FIRST_SHARE = 0.3  # of rho: which cells are joined
_BY_CELLS = 2.0 / 3.0
_HALVINGS = 60


@dataclass(frozen=True)
class Counted:
    """A margin with its noise taken care of, and the new number of each cell that its column was encoded by."""

    margin: Margin
    cell_of: np.ndarray


def shared_out(told: list[Told], rows: int, account: Account) -> list[Told]:
    """Share out among columns what their cells may cost: so that the error of all cells together is least.

    Noise of a column adds up over its cells, so each gets rho as the 2/3rd power of how many are told apart.
    """
    asking = [k for k, of in enumerate(told) if is_learned(of) and of.counts is None]
    rho = sum(told[k].rho for k in asking)
    cells = np.array([min(len(told[k].margin.n), _most(told[k], rows, account)) for k in asking], float)
    for k, share in zip(asking, cells**_BY_CELLS / (cells**_BY_CELLS).sum(), strict=True):
        told[k] = replace(told[k], rho=float(share * rho))
    return told


def _most(told: Told, rows: int, account: Account) -> int:
    """How many cells of a line are told apart at most."""
    most = rows / (_ROWS_OF_NOISE * scale_of(told.rho, account.rows))
    return max(int(max(min(most, _ENOUGH), most / _FULLER)), _FEWEST)


def counted(told: Told, cells: np.ndarray, rows: int, account: Account) -> Counted:
    """Count a column's cells under noise (unless its labels were counted before) and put them in order.

    ``cells`` are the column's, (rows,); ``rows`` how many there are, as released.
    """
    margin = told.margin
    if told.counts is not None:
        n = fitted(told.counts.astype(float), np.full(len(told.counts), told.scale), rows)
        return Counted(replace(margin, n=whole(n, rows)), np.arange(len(n)))
    counts = np.bincount(cells, minlength=len(margin.n))
    columns = [margin.column.name]
    most = _most(told, rows, account)
    groups, first = np.arange(len(counts)), None
    if margin.numbers > most:
        first = account.sums("margin, to join cells", columns, counts, _FIRST_SHARE * told.rho).astype(float)
        first_scale = account.releases[-1].scale
        groups = _groups(margin, first, first_scale, rows / most)
    width = np.bincount(groups)
    left = told.rho if first is None else (1.0 - _FIRST_SHARE) * told.rho
    joined = account.sums("margin", columns, np.bincount(groups, weights=counts).astype(np.int64), left).astype(float)
    spread = np.full(len(joined), account.releases[-1].scale)
    if first is not None:  # both tell of the same rows: each counts by its precision
        other = first_scale**2 * width
        weight = other / (other + spread**2)
        joined = weight * joined + (1.0 - weight) * np.bincount(groups, weights=first)
        spread = np.sqrt(weight) * spread
    return _kept(margin, groups, whole(_clear(joined, spread, rows), rows))


def _clear(noisy: np.ndarray, scale: np.ndarray, rows: int) -> np.ndarray:
    """Fit to so many rows the counts that are clear of the noise: the others hold nothing, if any are clear."""
    n, clear = np.zeros(len(noisy)), noisy >= _CLEAR * scale
    clear |= not clear.any()
    n[clear] = fitted(noisy[clear], scale[clear], rows)
    return n


def _groups(margin: Margin, noisy: np.ndarray, scale: float, share: float) -> np.ndarray:
    """The joined cell of each cell, in order: neighbouring intervals are joined, whatever else is a cell stays one."""
    is_interval = np.zeros(len(noisy), bool)
    is_interval[: margin.numbers] = margin.low < margin.high
    begins = np.ones(len(noisy), bool)
    run = _runs(noisy[is_interval], scale, share)
    begins[is_interval] = np.diff(run, prepend=-1) > 0
    own = np.cumsum(begins) - 1
    own[is_interval] = own[np.flatnonzero(is_interval & begins)[run]]
    return np.asarray(own)


def _runs(noisy: np.ndarray, scale: float, share: float) -> np.ndarray:
    """Join neighbouring cells until they hold their share of the rows; one that does so alone stands alone.

    Where cells begin or cease to hold rows, a run ends, so that no mass spreads over a gap.
    """
    run, current, held, joined = np.empty(len(noisy), np.int64), 0, 0.0, 0
    for k, n in enumerate(noisy):
        begins = n >= _HEAVY * scale and held < _JOINED * scale * np.sqrt(joined)
        if joined and (begins or n >= 0.7 * share or held + 0.5 * n > share):
            current, held, joined = current + 1, 0.0, 0
        run[k] = current
        held, joined = held + n, joined + 1
    return np.asarray(run)


def fitted(noisy: np.ndarray, scale: np.ndarray, rows: float) -> np.ndarray:
    """Take from noisy counts, in proportion to their noise, what they exceed ``rows`` by; none falls below 0."""
    low, high = -rows - np.abs(noisy).max(), np.abs(noisy).max() + rows
    scale = np.maximum(scale / max(scale.max(), 1e-12), 1e-12)
    low, high = low / scale.min(), high / scale.min()
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.maximum(noisy - middle * scale, 0.0).sum() > rows else (low, middle)
    return np.asarray(np.maximum(noisy - high * scale, 0.0))


def whole(n: np.ndarray, rows: int) -> np.ndarray:
    """Round counts to whole numbers that sum to ``rows``: those with the largest remainders are rounded up."""
    n = n * (rows / max(n.sum(), 1e-12))
    floor = np.floor(n).astype(np.int64)
    up = np.argsort(floor - n, kind="stable")[: rows - int(floor.sum())]
    floor[up] += 1
    return floor


def _kept(margin: Margin, groups: np.ndarray, n: np.ndarray) -> Counted:
    """Leave out what holds nothing at either end of the line, labels and apart cells; inner gaps are kept empty."""
    keep = n > 0
    if not keep.any():
        keep[0] = True
    on_line = np.zeros(len(n), bool)
    on_line[groups[: margin.numbers]] = True
    low, high = np.full(len(n), np.inf), np.full(len(n), -np.inf)
    np.minimum.at(low, groups[: margin.numbers], margin.low)
    np.maximum.at(high, groups[: margin.numbers], margin.high)
    lines = np.flatnonzero(keep & on_line)
    labels, has_rest, has_missing = others_kept(margin, keep[~on_line])
    low, high = low[lines], high[lines]
    if margin.column.unit > 0.0:
        low, high = single(low, high, margin.column.unit)
    kept = replace(margin, low=low, high=high, labels=labels, has_rest=has_rest, has_missing=has_missing, n=n[keep])
    return Counted(kept, nearest_kept(keep, on_line, n)[groups])


def others_kept(margin: Margin, keep: np.ndarray) -> tuple[tuple[str, ...], bool, bool]:
    """The labels that are kept, and whether the rest and the missing are."""
    labels = tuple(label for label, kept in zip(margin.labels, keep, strict=False) if kept)
    return labels, margin.has_rest and bool(keep[len(margin.labels)]), margin.has_missing and bool(keep[-1])


def nearest_kept(keep: np.ndarray, on_line: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The kept cell that each cell counts with: itself; else on the line the nearest, elsewhere the commonest."""
    kept, lines = np.flatnonzero(keep), np.flatnonzero(keep & on_line)
    cell = np.where(keep, np.cumsum(keep) - 1, int(np.argmax(n[kept])))
    lost = np.flatnonzero(~keep & on_line)
    if len(lines) and len(lost):
        cell[lost] = cell[lines[np.abs(lines[None] - lost[:, None]).argmin(axis=1)]]
    return np.asarray(cell)


def single(low: np.ndarray, high: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Make an interval around one multiple of the unit that multiple."""
    alone = (high > low) & (high - low < 1.5 * unit)
    digits = max(0, round(-np.log10(unit))) if unit < 1.0 else 0
    value = np.round(0.5 * (low + high), digits)
    return np.where(alone, value, low), np.where(alone, value, high)


def is_learned(told: Told) -> bool:
    """Whether a column is generated from statistics."""
    return told.margin.column.kind in c.LEARNED
