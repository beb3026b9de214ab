"""The first round: which series there are, and how many persons have which values, summaries and company."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import sparse

from ..lives import Int64s
from ..sums import Sums
from .grid import decimals, level_bins, spread_bins, value_bins
from .stays import Records, Stays

NO_CARE, ANY = 0, -1
FEW, MANY = 2, 3  # records that a spread needs, and a count that goes with others
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
    """Count persons by how often they have each series and, given that, by what sums up its values."""
    runs = records.runs
    series, count, group = records.hashes[runs.series], runs.count, runs.group
    for stratum in strata(stays):
        of_run = np.column_stack([stratum[runs.stay], series])
        sums.put("values.ever", of_run, np.ones(len(runs)))
        sums.put("values.count", np.column_stack([of_run, count]), np.ones(len(runs)))
    of_run, steady = np.column_stack([series, group]), runs.steady
    levels = level_bins(runs.mean)
    sums.put("values.level", np.column_stack([series, steady, levels]), np.ones(len(runs)))
    sums.put("values.mean", np.column_stack([series, steady, group, levels]), np.ones(len(runs)))
    has = count >= FEW
    for name, sizes in (("change", runs.change), ("spread", runs.spread)):
        sums.put(f"values.{name}", np.column_stack([of_run, spread_bins(sizes)])[has], np.ones(has.sum()))


def count_values(records: Records, sums: Sums) -> None:
    """Count persons by one value of each series, by the lowest and highest, and by how many decimals one shows."""
    runs = records.runs
    series = records.hashes[runs.series]
    _, at = runs.chosen(_VALUE)
    sums.put("values.value", np.column_stack([series, value_bins(records.value[at])]), np.ones(len(runs)))
    for name, ufunc in (("lowest", np.minimum), ("highest", np.maximum)):
        ends = ufunc.reduceat(records.value, runs.start) if len(runs) else records.value
        sums.put(f"values.{name}", np.column_stack([series, value_bins(ends)]), np.ones(len(runs)))
    _, at = runs.chosen(_STEP)
    sums.put("values.step", np.column_stack([series, decimals(records.value[at])]), np.ones(len(runs)))


def count_company(stays: Stays, records: Records, sums: Sums) -> None:
    """Count persons who have two series: at all, equally often, at one moment."""
    runs, width = records.runs, len(records.hashes)
    has = _members(runs.stay, runs.series, len(stays), width)
    _put_pairs(sums, "values.both", records.hashes, has.T @ has)
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


def _members(row: np.ndarray, series: np.ndarray, rows: int, width: int) -> sparse.csr_matrix:
    found = sparse.csr_matrix((np.ones(len(row), np.int64), (row, series)), shape=(rows, width))
    found.data[:] = 1
    return found


def _put_pairs(sums: Sums, name: str, hashes: Int64s, n: object) -> None:
    held = sparse.coo_matrix(n)
    sums.put(name, np.column_stack([hashes[held.row], hashes[held.col]]), held.data)
