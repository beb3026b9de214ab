"""The second round: what happens inside a stay. When series are measured, and how values move around their mean."""

from __future__ import annotations

import numpy as np
from numba import njit

from omopsql.udfs.stay_edges import CELL_EDGES, ZONE_EDGES

from ..lives import Doubles, Int64s
from ..sums import Sums
from .first_round import FEW
from .grid import score_bins, spread_bins, trend_bins, value_bins
from .scores import LARGEST, summary_scores
from .stays import Records, Runs
from .structure import Structure

GAP_EDGES = np.array([7, 22, 52, 67, 130, 260, 520], np.int64)  # minutes; around 1, 2, 4 and 8 hours
CLASSES = len(GAP_EDGES) + 1
CELLS = 11 + len(CELL_EDGES)
ANY_CELL = CELLS  # of counts above 0
ABSENT = -1_000_000  # difference of counts of a series that is not measured
EIGHTHS, TENTHS = 9, 11
LAGS = (1, 4)
ZONES = len(ZONE_EDGES) + 1
SCALE = 1024
_MOST = 128  # what a person adds to a sum of products, or of records, is bounded by
_TURN, _GAP, _SHAPE, _SKIP = 3, 4, 5, 6
_SHAPE_LEAST, _SHAPE_BINS, _SHAPE_FAR = 6, 8, 48


def cells(count: Int64s) -> Int64s:
    """The cell that a parent's count falls in: exact up to 10."""
    return np.where(count <= 10, count, 10 + np.searchsorted(CELL_EDGES, count, "left"))


def count_records(structure: Structure, records: Records, sums: Sums) -> None:
    """Sum the records of each released bin of values, and count their persons; one adds up to 128 to a bin."""
    which, row = _rows(structure, records)
    known = np.flatnonzero(which >= 0)
    key = records.stay[known].astype(np.int64) * max(len(structure.values.n), 1) + row[known]
    cell, n = np.unique(key, return_counts=True)
    bin_ = cell % max(len(structure.values.n), 1)
    values = structure.values
    owner = np.repeat(np.arange(len(values)), np.diff(values.starts))
    keys = np.column_stack([values.key[owner[bin_], 0], values.low[bin_], values.high[bin_]])
    sums.put("values.held", keys, np.ones(len(n)))
    sums.put("values.records", keys, np.minimum(n, _MOST))


def _rows(structure: Structure, records: Records) -> tuple[Int64s, Int64s]:
    """The histogram of each record's values, and its row there."""
    values, at = structure.values, value_bins(records.value)
    which = structure.value_of[records.series] if len(structure.hashes) else np.full(len(at), -1)
    row = np.zeros(len(at), np.int64)
    for series in range(len(structure.hashes)):
        own = np.flatnonzero(records.series == series)
        number = structure.value_of[series]
        if number >= 0 and len(own):
            begin, end = values.starts[number], values.starts[number + 1]
            row[own] = begin + np.searchsorted(values.high[begin : end - 1], at[own], "left")
    return which, row


def value_scores(structure: Structure, records: Records) -> Doubles:
    """The normal score of each value among the released values of its series; 0 without any."""
    scores = structure.values.scores(structure.value_of[records.series], value_bins(records.value))
    return np.nan_to_num(scores)


def count_summaries(structure: Structure, records: Records, sums: Sums) -> None:
    """Count persons by the mean, trend and spread of the normal scores of their values.

    The first round counts them on a public scale, which suffices to see who is high and who is low. A trend is told
    by how large the spread is: who changes much does so in one direction.
    """
    first = summary_scores(structure, records.runs)
    runs = Runs.of(records, value_scores(structure, records))
    series, steady = structure.hashes[runs.series], records.runs.steady
    sums.put("values.scored_mean", np.column_stack([series, steady, score_bins(runs.mean)]), np.ones(len(runs)))
    of_group = np.column_stack([series, runs.group])
    has = runs.count >= FEW
    sums.put("values.scored_spread", np.column_stack([of_group, spread_bins(runs.spread)])[has], np.ones(has.sum()))
    has &= ~steady
    zone = zones(np.nan_to_num(first["spread"]))
    sums.put("values.scored_trend", np.column_stack([of_group, zone, trend_bins(runs.trend)])[has], np.ones(has.sum()))
    count_shapes(structure, records, runs, sums)
    count_variance(structure, runs, sums)


def count_variance(structure: Structure, runs: Runs, sums: Sums) -> None:
    """Sum what an analysis of variance needs: records, scores, squares of means, and squares around them.

    ``runs`` are those of normal scores. A run counts as at most 128 records, and a square as at most 16.
    """
    series, count = structure.hashes[runs.series], np.minimum(runs.count, _MOST)
    sums.put("values.varied", series[:, None], np.ones(len(runs)))
    mean = np.clip(runs.mean, -LARGEST, LARGEST)
    for part, told in enumerate((np.ones(len(runs)), mean, mean**2, np.minimum(runs.spread**2, LARGEST**2))):
        steps = np.floor(count * told * SCALE + 0.5).astype(np.int64)
        sums.put("values.variance", np.column_stack([series, np.full(len(runs), part)]), steps)


def centred(scores: Doubles, runs: Runs) -> Doubles:
    """Scores less the mean of their run."""
    if not len(runs):
        return scores
    mean = np.add.reduceat(scores, runs.start) / runs.count
    return scores - np.repeat(mean, runs.count)


def count_moves(structure: Structure, records: Records, sums: Sums) -> None:
    """Sum products of centred scores: of a series with itself later, and of two series at one moment."""
    runs = records.runs
    rest = centred(value_scores(structure, records), runs)
    for lag in LAGS:
        longer = runs.count > lag
        told = np.zeros((len(runs), 2))
        _lagged(runs.start, runs.end, rest, lag, told)
        head = np.column_stack([structure.hashes[runs.series], np.full(len(runs), lag)])[longer]
        sums.put("values.later", head, np.ones(len(head)))
        for part in (0, 1):
            keys = np.column_stack([head, np.full(len(head), part)])
            sums.put("values.lags", keys, _bounded(told[longer, part]))
    joined = structure.joined
    order = np.lexsort([records.series, records.minute, records.stay])
    several = np.repeat(runs.count > 1, runs.count)
    order = order[several[order] & (records.series[order] < joined)]
    total = np.zeros((3, joined, joined), np.int64)
    _together(records.stay[order], records.minute[order], records.series[order], rest[order], _MOST * SCALE, total)
    known = structure.pairs("values.met")[:joined, :joined]
    first, second = np.nonzero(np.triu(known, 1))
    for part in range(3):
        pair = np.column_stack([structure.hashes[first], structure.hashes[second], np.full(len(first), part)])
        sums.put("values.moves", pair, total[part, first, second])


def _bounded(told: Doubles) -> Int64s:
    return np.floor(np.clip(told, -_MOST, _MOST) * SCALE + 0.5).astype(np.int64)


@njit(cache=True, nogil=True)
def _lagged(start, end, rest, lag, told):
    for run in range(start.size):
        for i in range(start[run], end[run] - lag):
            told[run, 0] += rest[i] * rest[i + lag]
            told[run, 1] += 0.5 * (rest[i] ** 2 + rest[i + lag] ** 2)


@njit(cache=True, nogil=True)
def _together(stay, minute, series, rest, most, total):
    own = np.zeros(total.shape)
    begin = 0
    while begin < stay.size:
        person = stay[begin]
        own[:] = 0.0
        while begin < stay.size and stay[begin] == person:
            end = begin
            while end < stay.size and stay[end] == person and minute[end] == minute[begin]:
                end += 1
            for i in range(begin, end):
                for j in range(i + 1, end):
                    own[0, series[i], series[j]] += rest[i] * rest[j]
                    own[1, series[i], series[j]] += rest[i] * rest[i]
                    own[2, series[i], series[j]] += rest[j] * rest[j]
            begin = end
        for part in range(3):
            for i in range(total.shape[1]):
                for j in range(i + 1, total.shape[2]):
                    if own[part, i, j] != 0.0:
                        steps = np.floor(own[part, i, j] * 1024.0 + 0.5)
                        total[part, i, j] += np.int64(min(max(steps, -most), most))


def count_shapes(structure: Structure, records: Records, runs: Runs, sums: Sums) -> None:
    """Count persons by how far one of their values lies from their own line, in their own spreads, given their mean.

    Near an end of a scale values can leave the mean in one direction only.
    """
    of_run, at = runs.chosen(_SHAPE)
    around = runs.spread * np.sqrt(np.maximum(1.0 - runs.trend**2, 0.0))
    use = (runs.count[of_run] >= _SHAPE_LEAST) & (around[of_run] > 1e-6)
    of_run = of_run[use]
    for name, record in (("shape", at[use]), ("entry", runs.start[of_run])):
        far = np.floor(runs.rest[record] / around[of_run] * _SHAPE_BINS).astype(np.int64)
        bins = np.clip(far, -_SHAPE_FAR, _SHAPE_FAR)
        keys = np.column_stack([structure.hashes[runs.series[of_run]], zones(runs.mean[of_run]), bins])
        sums.put(f"values.{name}", keys, np.ones(len(bins)))


def zones(scores: Doubles) -> Int64s:
    """Whether each score is low (0), usual (1) or high (2)."""
    return np.searchsorted(ZONE_EDGES, scores)


def count_times(structure: Structure, records: Records, sums: Sums) -> None:
    """Count persons by the first moment of each series, and by one of the gaps that follow."""
    runs = records.runs
    series = structure.hashes[runs.series]
    of_band = np.column_stack([series, runs.band])
    sums.put("values.first", np.column_stack([of_band, records.minute[runs.start]]), np.ones(len(runs)))
    several, at = runs.chosen(_GAP, 1)
    gap = (records.minute[at] - records.minute[at - 1]).astype(np.int64)
    keys = [series[several], np.searchsorted(GAP_EDGES, gap), gap]
    sums.put("values.gap", np.column_stack(keys), np.ones(len(gap)))
    opening = (records.minute[runs.start[several] + 1] - records.minute[runs.start[several]]).astype(np.int64)
    sums.put(
        "values.opening", np.column_stack([of_band[several], np.searchsorted(GAP_EDGES, opening)]), np.ones(len(gap))
    )
    many, at = runs.chosen(_TURN, 2)
    minute = records.minute
    before, after = minute[at - 1] - minute[at - 2], minute[at] - minute[at - 1]
    turn = np.column_stack([np.searchsorted(GAP_EDGES, before), np.searchsorted(GAP_EDGES, after)])
    sums.put("values.turn", np.column_stack([of_band[many], turn]), np.ones(len(many)))


def count_children(structure: Structure, stays: int, records: Records, sums: Sums) -> None:
    """Count persons by how a series goes with its parent: in number, in its moments."""
    runs = records.runs
    width = len(structure.hashes)
    run_of = np.full((stays, width), -1, np.int64)
    run_of[runs.stay, runs.series] = np.arange(len(runs))
    count = np.where(run_of >= 0, runs.count[run_of] if len(runs) else 0, 0)
    for child in range(width):
        parent = structure.count_parent[child]
        if parent >= 0:
            has = count[:, child] > 0  # stands before the bin: those without are not pooled with others
            apart = np.where(has, count[:, child] - count[:, parent], 0)
            cell = cells(count[:, parent])
            keys = np.column_stack([np.full(stays, structure.hashes[child]), cell, has, apart])
            some = keys[cell > 0]
            some[:, 1] = ANY_CELL
            sums.put("values.along", np.concatenate([keys, some]), np.ones(len(keys) + len(some)))
        parent = structure.moment_parent[child]
        if parent >= 0:
            _count_moments(structure, records, child, run_of[:, child], run_of[:, parent], sums)


def _count_moments(structure: Structure, records: Records, child: int, own: Int64s, others: Int64s, sums: Sums) -> None:
    runs, hash_ = records.runs, structure.hashes[child]
    both = np.flatnonzero((own >= 0) & (others >= 0))
    own, others = own[both], others[both]
    inside, opening, skip = (np.zeros(len(both), np.int64) for _ in range(3))
    _skips(runs.start, runs.end, records.minute, runs.chance, own, others, inside, opening, skip)
    eighth = np.minimum(8 * inside // np.maximum(runs.count[own], 1), 8)
    sums.put("values.inside", np.column_stack([np.full(len(both), hash_), eighth]), np.ones(len(both)))
    tenth = np.minimum(10 * inside // np.maximum(runs.count[others], 1), 10)
    for state, skipped in enumerate((opening, skip)):
        has = np.flatnonzero(inside > state)
        keys = [np.full(len(has), hash_), tenth[has], np.full(len(has), state), skipped[has]]
        sums.put("values.skip", np.column_stack(keys), np.ones(len(has)))


@njit(cache=True, nogil=True)
def _skips(start, end, minute, chance, own, others, inside, opening, skip):
    """Moments in common; how many of the parent's come before the first, and between two of them, chosen by chance."""
    for pair in range(own.size):
        i, stop = start[own[pair]], end[own[pair]]
        chosen = np.int64(chance[own[pair]] % np.uint64(1 << 20))
        for turn in range(2):
            i, hits, skipped = start[own[pair]], 0, 0
            target = 0 if inside[pair] < 2 else 1 + chosen % (inside[pair] - 1)
            for j in range(start[others[pair]], end[others[pair]]):
                while i < stop and minute[i] < minute[j]:
                    i += 1
                if i < stop and minute[i] == minute[j]:
                    if turn == 0 and hits == 0:
                        opening[pair] = skipped
                    if turn == 1 and hits == target and hits > 0:
                        skip[pair] = skipped
                    hits += 1
                    skipped = 0
                else:
                    skipped += 1
            inside[pair] = hits
