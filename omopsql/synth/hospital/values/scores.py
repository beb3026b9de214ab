"""The second round: how the summaries of a stay go together, as sums of products of their normal scores."""

from __future__ import annotations

import numpy as np

from ..lives import Doubles, Int64s
from ..sums import Sums
from .first_round import FEW
from .grid import level_bins, spread_bins
from .histograms import Histograms
from .stays import Records, Runs, Stays
from .structure import SUMMARIES, Structure

SCALE = 1024
LARGEST = 4.0
STATICS = ("age", "length", "sex")
_LEAST = {"mean": 1, "change": FEW, "spread": FEW}


def dimensions(joined: int) -> int:
    """How many numbers describe a stay: its statics, then count, mean, change and spread of each joined series."""
    return len(STATICS) + 4 * joined


def scores(structure: Structure, stays: Stays, records: Records) -> Doubles:
    """Normal scores of what describes each stay, (stays, dimensions); NaN where it has none."""
    joined, stratum = structure.joined, structure.stratum_of(stays)
    found = np.full((len(stays), dimensions(joined)), np.nan)
    for place, (name, at) in enumerate(static_bins(stays).items()):
        histograms, table = statics(structure, name)
        found[:, place] = histograms.scores(table[stratum], at)
    runs = records.runs
    count = np.zeros((len(stays), joined), np.int64)
    kept = np.flatnonzero(runs.series < joined)
    stay, series = runs.stay[kept], runs.series[kept]
    count[stay, series] = runs.count[kept]
    which = structure.count_of[stratum][:, :joined]
    offset = len(STATICS)
    found[:, offset : offset + joined] = structure.counts.scores(which.reshape(-1), count.reshape(-1)).reshape(
        count.shape
    )
    for place, score in enumerate(summary_scores(structure, runs).values(), 1):
        found[stay, offset + place * joined + series] = score[kept]
    return found


def summary_scores(structure: Structure, runs: Runs) -> dict[str, Doubles]:
    """Normal scores of the mean, change and spread of each run, among all of its group; NaN with too few records."""
    bins = {"mean": level_bins(runs.mean), "change": spread_bins(runs.change), "spread": spread_bins(runs.spread)}
    found = {}
    for name in SUMMARIES:
        histograms, table = structure.summaries[name]
        which = table[runs.series, runs.steady.astype(np.int64), runs.group]
        found[name] = histograms.scores(np.where(runs.count >= _LEAST[name], which, -1), bins[name])
    return found


def static_bins(stays: Stays) -> dict[str, Int64s]:
    """The bins of what is given of a stay."""
    return {"age": stays.age, "length": spread_bins(stays.length.astype(float)), "sex": stays.sex}


def statics(structure: Structure, name: str) -> tuple[Histograms, Int64s]:
    """The histograms of a static by stratum, and which serves each stratum."""
    if name == "sex":
        keys, n = structure.margins.get("values.sex", 3)
        histograms = Histograms.of(keys[:, :2], keys[:, 2], keys[:, 2], n)
    else:
        histograms = Histograms.released(structure.margins, f"values.{name}", 2)
    table = histograms.table((len(structure.strata[0]),), lambda stratum: list(structure.coarser(stratum)), 30)
    return histograms, table


def count_products(structure: Structure, stays: Stays, records: Records, sums: Sums) -> None:
    """Sum the products of scores over persons, times 1024 each, and count the persons; a score counts up to 4."""
    told = np.clip(scores(structure, stays, records), -LARGEST, LARGEST)
    known = ~np.isnan(told)
    whole = np.where(known, np.floor(told * SCALE + 0.5), 0.0)  # integers, so that sums are exact
    persons = known.T.astype(float) @ known
    first, second = np.nonzero(np.triu(persons))
    hashes = structure.hashes[: structure.joined]
    keys = np.column_stack([*names(hashes, first), *names(hashes, second)])
    sums.put("values.scored", keys, persons[first, second])
    sums.put("values.products", keys, (whole.T @ whole)[first, second])


def names(hashes: Int64s, dimension: Int64s) -> tuple[Int64s, Int64s]:
    """What a dimension is about: the series (0: none), and which of its numbers (or which static)."""
    place = dimension - len(STATICS)
    own = place >= 0
    if not len(hashes):
        return np.zeros_like(dimension), dimension
    return np.where(own, hashes[place % len(hashes)], 0), np.where(own, place // len(hashes), dimension)


def pairs(structure: Structure, sums: Sums, statistic: str) -> Doubles:
    """A released statistic of pairs of dimensions as a symmetric matrix; 0 where nothing was released."""
    joined, size = structure.joined, dimensions(structure.joined)
    matrix = np.zeros((size, size))
    keys, n = sums.get(statistic, 4)

    def dimension(name: int, number: int) -> int:
        if name == 0:
            return number
        place = structure.place.get(name, joined)
        return -1 if place >= joined else len(STATICS) + number * joined + place

    for (one, which, other, what), total in zip(keys.tolist(), n.tolist(), strict=True):
        i, j = dimension(one, which), dimension(other, what)
        if i >= 0 and j >= 0:
            matrix[i, j] = matrix[j, i] = total
    return matrix
