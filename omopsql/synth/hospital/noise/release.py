"""Noise on the sums of a hospital: discrete Gaussian, and rows that few persons may stand behind are left out.

A statistic to which a person adds 1 in at most r rows has the L2 sensitivity sqrt(r). Its rows get noise of scale
sqrt(r / 2 rho), r rounded up to a square, which is rho-zCDP. Which rows there are at all is hidden by a threshold, at a
chance of delta.
Source: M. Bun, T. Steinke, Concentrated differential privacy, TCC 2016; C. Canonne, G. Kamath, T. Steinke, The
discrete Gaussian for differential privacy, NeurIPS 2020.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from math import ceil, isqrt, sqrt
from typing import Any

import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError

from ..sums import Counted, Sums
from .contributions import Contribution, contributions
from .grids import GRIDS

LEDGER = "ledger"
_SHARE_OF_THRESHOLDS = 0.5  # of delta
_PUBLIC = ("attributes.tables",)  # which tables a CDM has is no secret
_PRECISION = 60  # halvings in the search of rho


@dataclass(frozen=True)
class Spent:
    """One release: its statistic, how many rows a person adds to, the scale of the noise, the threshold, its cost."""

    statistic: str
    rows: int
    scale: float
    threshold: int
    rho: float
    delta: float


@dataclass(frozen=True)
class Budget:
    """What may be spent in all: ``epsilon`` at ``delta``, and how many concepts of a person are counted."""

    epsilon: float
    delta: float
    most_concepts: int

    @cached_property
    def rho(self) -> float:
        """The zCDP that is epsilon at the part of delta that thresholds leave."""
        left, low, high = self.delta * (1 - _SHARE_OF_THRESHOLDS), 0.0, max(self.epsilon, 1.0)
        for _ in range(_PRECISION):
            middle = (low + high) / 2
            low, high = (middle, high) if epsilon_of(middle, left) <= self.epsilon else (low, middle)
        return low

    def spent_on(self, statistic: str) -> Spent:
        """The noise of one statistic."""
        known = contributions()
        own = known[statistic]
        share = own.weight / sum(one.weight for one in known.values())
        rows, rho = own.rows(self.most_concepts), self.rho * share
        delta = self.delta * _SHARE_OF_THRESHOLDS / len(known)
        scale = _l2(rows) / sqrt(2 * rho)
        return Spent(statistic, rows, scale, _threshold(rows, scale, delta), rho, delta)


def ledger(spent: Iterable[Spent]) -> Sums:
    """Write what was spent as facts of the model: one row a statistic; ``n`` is its threshold."""
    rows = list(spent)
    told = Sums()
    labels = pa.array([json.dumps(asdict(one), sort_keys=True) for one in rows], pa.string())
    told.put(LEDGER, np.zeros((len(rows), 0)), [one.threshold for one in rows], labels)
    return told


def epsilon_of(rho: float, delta: float) -> float:
    """The epsilon at ``delta`` of what is ``rho``-zCDP."""
    dp = _opendp()
    if rho <= 0:
        return 0.0
    space = dp.atom_domain(T="i64"), dp.absolute_distance(T="i64")
    curve = dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*space, scale=1 / sqrt(2 * rho)))
    return float(curve.map(1).epsilon(delta))


def _l2(rows: int) -> int:
    """What a person changes in all, in L2, rounded up: the library counts in whole numbers."""
    return isqrt(rows - 1) + 1


def _threshold(rows: int, scale: float, delta: float) -> int:
    """The threshold that a row of one person passes, in any of so many rows, with a chance of delta at most."""
    from scipy.stats import norm

    dp = _opendp()
    threshold = max(ceil(1 + scale * norm.isf(delta / rows)) - 1, 2)
    while True:
        try:
            spent = _mechanism(dp, scale, threshold).map((rows, _l2(rows), 1))
        except dp.OpenDPException:
            spent = (0.0, 1.0)
        if spent[1] <= delta:
            return threshold
        threshold += max(1, int(scale / 50))


def _mechanism(dp: Any, scale: float, threshold: int) -> Any:
    space = (
        dp.map_domain(dp.atom_domain(T="i64"), dp.atom_domain(T="i64")),
        dp.l02inf_distance(dp.absolute_distance(T="i64")),
    )
    return dp.m.make_gaussian_threshold(*space, scale=scale, threshold=threshold)


def _opendp() -> Any:
    try:
        import opendp.prelude as dp
    except ImportError as error:
        raise OmopsqlError("epsilon needs the library opendp: pip install 'omopsql[noise]'") from error
    dp.enable_features("contrib")
    return dp


def noised(exact: Sums, budget: Budget) -> tuple[Sums, list[Spent]]:
    """Add noise to every statistic that has a contribution; leave out the others, but for which tables there are.

    Pooled statistics are counted in public bins; their keys end in the first and the last number of a bin.
    """
    found, spent = Sums(), []
    for statistic in exact:
        if statistic not in contributions():
            if statistic in _PUBLIC:
                told = exact.counted(statistic)
                found.put(statistic, told.keys, told.n, told.labels)
            continue
        own = budget.spent_on(statistic)
        cells = binned(exact.counted(statistic), contributions()[statistic])
        kept, n = _noise(cells.n, own)
        labels = None if cells.labels is None else cells.labels.take(pa.array(kept))
        found.put(statistic, cells.keys[kept], n, labels)
        spent.append(own)
    return found, spent


def without_orphans(noisy: Sums) -> Sums:
    """Leave out the rows that are part of rows which the noise hid."""
    whole = Sums.merged([noisy])
    for statistic in noisy:
        parent = contributions()[statistic].part_of if statistic in contributions() else ""
        if parent:
            cells, own = noisy.counted(statistic), noisy.counted(parent).keys if parent in noisy else None
            width = _KNOWN_BY[parent]
            known = np.zeros((0, width), np.int64) if own is None else own[:, :width]
            kept = np.flatnonzero(_among(cells.keys[:, :width], known))
            whole.drop(statistic)
            labels = None if cells.labels is None else cells.labels.take(pa.array(kept))
            whole.put(statistic, cells.keys[kept], cells.n[kept], labels)
    return whole


_KNOWN_BY = {"attributes.persons": 2, "values.series": 1}  # how many numbers of a key name the row


def _among(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    place = np.unique(np.concatenate([known, rows]), axis=0, return_inverse=True)[1].reshape(-1)
    return np.isin(place[len(known) :], place[: len(known)])


def binned(counted: Counted, contribution: Contribution) -> Counted:
    """Count in public bins. A person adds to one number of a histogram only, so none counts twice in a bin."""
    if not contribution.grid:
        return counted
    low, high = GRIDS[contribution.grid](counted.keys[:, -1])
    return Counted.summed(np.column_stack([counted.keys[:, :-1], low, high]), counted.n, counted.labels)


def _noise(n: np.ndarray, spent: Spent) -> tuple[np.ndarray, np.ndarray]:
    mechanism = _mechanism(_opendp(), spent.scale, spent.threshold)
    released = mechanism(dict(enumerate(n.tolist())))
    kept = np.array(sorted(released), np.int64)
    return kept, np.array([released[place] for place in kept.tolist()], np.int64)
