"""The second round: how the summaries of a stay go together, as sums of products of their normal scores."""

from __future__ import annotations

import numpy as np

from ..lives import Doubles, Int64s
from ..sums import Sums
from .first_round import FEW
from .grid import level_bins, spread_bins, trend_bins
from .histograms import Histograms
from .stays import Records, Stays
from .structure import SUMMARIES, Structure

SCALE = 1024
_LARGEST = 4.0
STATICS = ("age", "length", "sex")
_LEAST = {"mean": 1, "trend": FEW, "spread": FEW}


def dimensions(joined: int) -> int:
    """How many numbers describe a stay: its statics, then count, mean, trend and spread of each joined series."""
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
    bins = {"mean": level_bins(runs.mean), "trend": trend_bins(runs.trend), "spread": spread_bins(runs.spread)}
    for place, name in enumerate(SUMMARIES, 1):
        some = runs.count[kept] >= _LEAST[name]
        which = structure.summary_tables[name][stratum[stay[some]], series[some], runs.band[kept][some]]
        score = structure.summaries[name].scores(which, bins[name][kept][some])
        found[stay[some], offset + place * joined + series[some]] = score
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
    """Sum the products of scores over persons, times 1024 each; a score counts up to 4.

    Only pairs that the margins show to be those of enough persons are summed.
    """
    told = np.clip(scores(structure, stays, records), -_LARGEST, _LARGEST)
    whole = np.where(np.isnan(told), 0.0, np.floor(told * SCALE + 0.5))  # integers, so that sums are exact
    products = (whole.T @ whole).astype(np.int64)
    first, second = np.nonzero(np.triu(persons(structure)))
    hashes = structure.hashes[: structure.joined]
    keys = np.column_stack([*names(hashes, first), *names(hashes, second)])
    sums.put("values.products", keys, products[first, second])


def names(hashes: Int64s, dimension: Int64s) -> tuple[Int64s, Int64s]:
    """What a dimension is about: the series (0: none), and which of its numbers (or which static)."""
    place = dimension - len(STATICS)
    own = place >= 0
    if not len(hashes):
        return np.zeros_like(dimension), dimension
    return np.where(own, hashes[place % len(hashes)], 0), np.where(own, place // len(hashes), dimension)


def persons(structure: Structure) -> Int64s:
    """For each pair of dimensions, the released number of persons who have both; 0 where it is too small."""
    joined, everyone = structure.joined, int(structure.strata[1][-1])
    both = np.zeros((4, joined, 4, joined), np.int64)
    keys, n = structure.margins.get("values.both", 4)
    for (first, second, one, other), held in zip(keys.tolist(), n.tolist(), strict=True):
        i, j = structure.place.get(first, joined), structure.place.get(second, joined)
        if i < joined and j < joined:
            both[one, i, other, j] = held
    for level in (1, 2, 3):
        own = np.diagonal(both[level, :, level, :])
        both[0, :, level, :] = own[None, :]
        both[level, :, 0, :] = own[:, None]
    both[0, :, 0, :] = everyone
    size = dimensions(joined)
    matrix = np.full((size, size), everyone, np.int64)
    offset = len(STATICS)
    matrix[offset:, offset:] = both.reshape(4 * joined, 4 * joined)
    own = np.diagonal(matrix)[offset:]
    matrix[:offset, offset:] = own[None, :]
    matrix[offset:, :offset] = own[:, None]
    return matrix
