"""How often a series is measured beside its parent, by stratum: who dies is not counted breathing on his own.

What a count says beyond its parent's needs many persons, so it is released for all strata together. The counts of each
stratum are released too: they tell where its persons stand on the normal number of such a series, found by trial.
"""

from __future__ import annotations

import numpy as np

from omopsql.udfs import trajectory
from omopsql.udfs.trajectory import Bins, Counts

from ..lives import Doubles, Int64s
from .first_round import NO_CARE
from .scores import STATICS, dimensions, statics
from .structure import Structure

_STAYS, _ROUNDS, _SEED = 16000, 3, 20120102
_STEADY = 60  # persons who say: as all of this outcome, and those say: as everyone
_FLAT = 0.15  # change of a mean score with the normal number behind it, below which the number is not believed to move
_FARTHEST = 1.0  # normal numbers that a stratum can be away


def leveled_counts(structure: Structure, bins: Bins, counts: Counts) -> Counts:
    """Move the normal numbers of series with a parent until each stratum has as many values as in the source."""
    of = np.flatnonzero(structure.count_parent[: structure.joined] >= 0)
    if not len(of):
        return counts
    numbers, ordinals, strata, given = alike(structure, _STAYS, _SEED)
    share = np.bincount(strata, minlength=len(counts.level)) / len(strata)
    for _ in range(_ROUNDS):
        normals = np.zeros((len(numbers), dimensions(structure.joined)))
        found = np.zeros((len(numbers), len(structure.hashes)), np.int64)
        trajectory.fill_counts(bins, counts, _SEED, numbers, ordinals, strata, given, normals, found)
        missing, steep = _missing(structure, of, strata, found[:, of], normals[:, len(STATICS) + of])
        missing -= share @ missing  # what all strata miss is not a matter of strata
        level = counts.level / counts.scale
        level[:, of] += missing * steep / (steep**2 + _FLAT**2)
        level = np.clip(level, -_FARTHEST, _FARTHEST)
        level -= share @ level
        scale = 1.0 / np.sqrt(1.0 + share @ level**2)  # all strata together stay as they are
        counts = counts._replace(level=level * scale, scale=scale)
    return counts


def _missing(
    structure: Structure, of: Int64s, strata: Int64s, found: Int64s, normals: Doubles
) -> tuple[Doubles, Doubles]:
    """How far the mean score of drawn counts, by stratum, is from that of the source's, and how it moves with normals.

    Scored by a stratum's own histogram, the source's mean is 0.
    """
    keys, persons = structure.strata
    place = {tuple(key): stratum for stratum, key in enumerate(keys.tolist())}
    care, died = keys[strata].T
    missing, steep = np.zeros((len(keys), len(of))), np.zeros(len(of))
    for stratum in reversed(range(len(keys) - 1)):
        kind, outcome = keys[stratum].tolist()
        own = (died == outcome) & ((care == kind) | (kind == NO_CARE))
        coarser = place.get((NO_CARE, outcome), stratum) if kind != NO_CARE else stratum
        belief = persons[stratum] / (persons[stratum] + _STEADY)
        usual = missing[coarser] if coarser != stratum else np.zeros(len(of))
        for at, series in enumerate(of.tolist()):
            number = structure.counts.number.get((kind, outcome, int(structure.hashes[series])), -1)
            missing[stratum, at] = usual[at]
            if number >= 0 and own.any():
                score = structure.counts.scores(np.full(own.sum(), number), found[own, at])
                missing[stratum, at] += belief * (-score.mean() - usual[at])
                if coarser == stratum:  # how a mean moves with its normal number (Stein's lemma)
                    steep[at] += ((score - score.mean()) * normals[own, at]).sum() / len(strata)
    return missing, steep


def alike(structure: Structure, stays: int, seed: int) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """Stays as the source had them: their numbers, ordinals, strata, and the bins of what is given of each."""
    n, finest = structure.strata[1], np.flatnonzero(structure.finest)
    upto = np.cumsum(n[finest]) / n[finest].sum()
    strata = finest[np.searchsorted(upto, (np.arange(stays) + 0.5) / stays)]
    even, inside = np.random.Generator(np.random.Philox(seed)).random((2, stays, len(STATICS)))
    given = np.zeros((stays, len(STATICS)), np.int64)
    for place, name in enumerate(STATICS):
        histograms, table = statics(structure, name)
        for stratum in np.unique(strata):
            own = np.flatnonzero(strata == stratum)
            if table[stratum] >= 0:
                begin, end = histograms.starts[table[stratum]], histograms.starts[table[stratum] + 1]
                row = begin + np.searchsorted(histograms.upto[begin : end - 1], even[own, place])
                width = histograms.high[row] - histograms.low[row] + 1
                given[own, place] = histograms.low[row] + (width * inside[own, place]).astype(np.int64)
    return np.arange(1, stays + 1, dtype=np.int64), np.zeros(stays, np.int64), strata, given
