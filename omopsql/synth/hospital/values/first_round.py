"""The first round: which series there are, and how many persons have which values, summaries and company."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import sparse

from ..lives import Int64s
from ..sums import Sums
from .grid import decimals, level_bins, spread_bins, trend_bins, value_bins
from .stays import Records, Stays

NO_CARE, ANY = 0, -1
FEW, MANY = 2, 3  # records that a trend and a spread need
_VALUE, _STEP = 1, 2  # what a record is chosen for
_NEAR = 0.1  # counts that differ by no more than this share go together; up to 9 they must be equal


def strata(stays: Stays) -> list[Int64s]:
    """The strata of each stay, from fine to coarse: (care, died), (any care, died), all; (stays, 2) each."""
    same = np.full(len(stays), ANY)
    none = np.full(len(stays), NO_CARE)
    return [np.column_stack(pair) for pair in ((stays.care, stays.died), (none, stays.died), (none, same))]


def count_stays(stays: Stays, sums: Sums) -> None:
    """Count persons by stratum, and by age, length and sex in each."""
    for stratum in strata(stays):
        told = {"age": stays.age, "length": spread_bins(stays.length.astype(float)), "sex": stays.sex}
        sums.put("values.stays", stratum, np.ones(len(stays)))
        for name, bins in told.items():
            sums.put(f"values.{name}", np.column_stack([stratum, bins]), np.ones(len(stays)))


def count_runs(stays: Stays, records: Records, sums: Sums) -> None:
    """Count persons by how often they have each series and, given that, by the mean, trend and spread of the values."""
    runs = records.runs
    series, count, band = records.hashes[runs.series], runs.count, runs.band
    told = {
        "mean": (level_bins(runs.mean), 1),
        "trend": (trend_bins(runs.trend), FEW),
        "spread": (spread_bins(runs.spread), FEW),
    }
    for stratum in strata(stays):
        of_run = np.column_stack([stratum[runs.stay], series])
        sums.put("values.ever", of_run, np.ones(len(runs)))
        sums.put("values.count", np.column_stack([of_run, count]), np.ones(len(runs)))
        for name, (bins, least) in told.items():
            has = count >= least
            sums.put(f"values.{name}", np.column_stack([of_run, band, bins])[has], np.ones(has.sum()))


def count_values(records: Records, sums: Sums) -> None:
    """Count persons by one value of each series, and by how many decimals one shows."""
    runs = records.runs
    series = records.hashes[runs.series]
    _, at = runs.chosen(_VALUE)
    sums.put("values.value", np.column_stack([series, value_bins(records.value[at])]), np.ones(len(runs)))
    _, at = runs.chosen(_STEP)
    sums.put("values.step", np.column_stack([series, decimals(records.value[at])]), np.ones(len(runs)))


def count_company(stays: Stays, records: Records, sums: Sums) -> None:
    """Count persons who have two series: at all, often enough for trends and spreads, equally often, at one moment."""
    runs, width = records.runs, len(records.hashes)
    has = [_members(runs.stay[some], runs.series[some], len(stays), width) for some in _levels(runs.count)]
    for first, members in enumerate(has):
        for second, others in enumerate(has):
            _put_pairs(sums, "values.both", records.hashes, members.T @ others, first + 1, second + 1)
    counts = sparse.csr_matrix((runs.count, (runs.stay, runs.series)), shape=(len(stays), width)).toarray()
    near = np.zeros((width, width), np.int64)
    for one in range(width):
        held = counts[:, one] >= MANY
        apart = np.abs(counts[held] - counts[held, one][:, None])
        near[one] = ((apart <= _NEAR * counts[held, one][:, None]) & (counts[held] > 0)).sum(axis=0)
    _put_pairs(sums, "values.alike", records.hashes, near)
    moment = records.stay.astype(np.int64) * (1 << 32) + records.minute
    moments, place = np.unique(moment, return_inverse=True)
    measured = _members(place, records.series, len(moments), width)
    of_run, at = runs.chosen(_STEP)
    pick = _members(np.arange(len(at)), runs.series[of_run], len(at), width)
    _put_pairs(sums, "values.together", records.hashes, pick.T @ measured[place[at]])
    several = np.repeat(runs.count >= FEW, runs.count)
    order = np.lexsort((records.minute[several], records.stay[several]))
    met = np.zeros((width, width), np.int64)
    _meet(*(column[several][order] for column in (records.stay, records.minute, records.series)), met)
    _put_pairs(sums, "values.met", records.hashes, met)


@njit(cache=True, nogil=True)
def _meet(stay, minute, series, met):
    """Count persons who have two series at one moment, among series that they have more than once."""
    own = np.zeros(met.shape, np.bool_)
    begin = 0
    while begin < stay.size:
        person = stay[begin]
        own[:] = False
        while begin < stay.size and stay[begin] == person:
            end = begin
            while end < stay.size and stay[end] == person and minute[end] == minute[begin]:
                end += 1
            for i in range(begin, end):
                for j in range(begin, end):
                    own[series[i], series[j]] = True
            begin = end
        for i in range(met.shape[0]):
            for j in range(met.shape[1]):
                met[i, j] += own[i, j]


def _levels(count: Int64s) -> list[np.ndarray]:
    return [count >= least for least in (1, FEW, FEW)]


def _members(row: np.ndarray, series: np.ndarray, rows: int, width: int) -> sparse.csr_matrix:
    found = sparse.csr_matrix((np.ones(len(row), np.int64), (row, series)), shape=(rows, width))
    found.data[:] = 1
    return found


def _put_pairs(sums: Sums, name: str, hashes: Int64s, n: object, *suffix: int) -> None:
    held = sparse.coo_matrix(n)
    keys = [hashes[held.row], hashes[held.col], *(np.full(held.nnz, number) for number in suffix)]
    sums.put(name, np.column_stack(keys), held.data)
