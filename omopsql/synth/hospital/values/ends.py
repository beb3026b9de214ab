"""Where the highest and the lowest values of stays lie: the drawn ones are brought to where the source has them.

How far a path strays says little of how far it strays at most: one slip of a probe is far out, and most stays have
none. The released histograms of each person's highest and lowest value tell.
"""

from __future__ import annotations

import numpy as np

from omopsql.udfs.outlets import Ends, Outlets

from ..lives import Doubles, Int32s, Int64s
from ..sums import Sums
from .structure import Structure

_KNOTS = 65
_FEWEST = 100  # drawn long runs of a series that tell where its ends are
_MOSTLY = 0.5  # share of a series' runs that are long, below which the released ends tell little of them
_SHORT = 3  # records up to which the ends of a run follow from its mean and spread


def no_ends(structure: Structure) -> Ends:
    """Ends that stay where they are."""
    same = np.tile(np.linspace(-4.0, 4.0, _KNOTS), (len(structure.hashes), 1))
    return Ends(same, same, same, same)


def ends_of(structure: Structure, sums: Sums, outlets: Outlets, begins: Int64s, series: Int32s, level: Doubles) -> Ends:
    """Where the ends of drawn runs have to be brought so that they fall into values as often as in the source."""
    starts = np.unique(np.concatenate([begins[:-1][np.diff(begins) > 0], 1 + np.flatnonzero(np.diff(series))]))
    count = np.diff(np.append(starts, len(series)))
    found = []
    for name, ufunc in (("highest", np.maximum), ("lowest", np.minimum)):
        keys, n = sums.get(f"values.{name}", 3)
        end = ufunc.reduceat(level, starts) if len(starts) else np.zeros(0)
        since, to = (part.copy() for part in no_ends(structure)[:2])
        for one, hash_ in enumerate(structure.hashes.tolist()):
            of_series, own = keys[:, 0] == hash_, series[starts] == one
            long, short = end[own & (count > _SHORT)], end[own & (count <= _SHORT)]
            told = len(long) >= max(_FEWEST, _MOSTLY * own.sum())
            if of_series.any() and told and outlets.starts[one] < outlets.starts[one + 1]:
                reach = level[series == one]
                edges = np.column_stack([keys[of_series, 1], keys[of_series, 2] + 1])
                places = _levels(outlets, one, edges.reshape(-1), reach.min(), reach.max())
                since[one], to[one] = _line(places.reshape(-1, 2), n[of_series], long, np.sort(short))
        found += [since, to]
    return Ends(*found)


def _levels(outlets: Outlets, one: int, bins: Int64s, lowest: float, highest: float) -> Doubles:
    """The levels at which bins of values begin."""
    begin, end = outlets.starts[one], outlets.starts[one + 1]
    first, size = outlets.first[begin:end], outlets.size[begin:end]
    upto = np.append(outlets.upto[begin : end - 1], highest)
    row = np.clip(np.searchsorted(first, bins, "right") - 1, 0, len(first) - 1)
    below = np.where(row > 0, upto[row - 1], lowest)
    return np.asarray(below + np.clip((bins - first[row]) / size[row], 0.0, 1.0) * (upto[row] - below))


def _line(places: Doubles, n: Int64s, long: Doubles, short: Doubles) -> tuple[Doubles, Doubles]:
    """Knots at quantiles of the ends of long runs, and where these belong: what short runs leave of all persons."""
    upto = np.cumsum(n) / n.sum()
    edges = np.concatenate([places[:1, 0], places.reshape(-1)])
    share = np.concatenate([[0.0], np.column_stack([upto - n / n.sum(), upto]).reshape(-1)])
    edges = np.maximum.accumulate(edges)
    left = (len(long) + len(short)) * share - np.searchsorted(short, edges, "right")
    left = np.maximum.accumulate(np.clip(left, 0.0, None))
    at = (np.arange(_KNOTS) + 0.5) / _KNOTS
    since = np.quantile(long, at)
    return since, np.maximum.accumulate(np.interp(at * left[-1], left, edges)) if left[-1] > 0 else since
