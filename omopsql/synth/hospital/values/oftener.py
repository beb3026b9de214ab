"""How often a series is measured beside its parent, by stratum: who dies is not counted breathing on his own.

What a count says beyond its parent's needs many persons, so it is released for all strata together. The counts of each
stratum are released too: they tell where its persons stand on the normal number of such a series, found by trial.
"""

from __future__ import annotations

import math

import numpy as np

from omopsql.udfs import trajectory
from omopsql.udfs.histograms import Bins
from omopsql.udfs.trajectory import Counts

from ..lives import Doubles, Int64s
from ..sums import Sums
from .first_round import NO_CARE
from .frequency import PARTS
from .histograms import Histograms
from .paths import ABSENT, ANY_CELL, CELLS
from .scores import STATICS, dimensions, statics
from .structure import Structure, near

_STAYS, _ROUNDS, _SEED = 10000, 5, 20120102
_SOME = 20  # persons of a histogram of differences
_STEADY = 60  # persons who say: as all of this outcome, and those say: as everyone
_FLAT = 0.15  # change of a mean score with the normal number behind it, below which the number is not believed to move
_FARTHEST = 1.0  # normal numbers that a stratum can be away

_Cell = tuple[int, int]  # a series, and a cell of its parent's counts
_Times = list[tuple[int, int, float]]  # from, to, and persons


def beside(structure: Structure, sums: Sums) -> tuple[Histograms, Int64s]:
    """How much more often than its parent each series is measured: histograms, and those of (series, parent's cell).

    Never is ``ABSENT``. What few persons of a cell do is not shown; it is what those of all cells leave.
    """
    often, never = _shown(sums)
    hashes = structure.hashes.tolist()
    children = np.flatnonzero(structure.count_parent >= 0)
    for child, both, *alone in zip(children.tolist(), *_company(structure, children), strict=True):
        some, none = [(hashes[child], cell) for cell in range(1, CELLS)], (hashes[child], 0)
        every, (with_, without, neither) = (hashes[child], ANY_CELL), alone
        _complete(often, never, [every], both, without, [])
        _complete(often, never, some, both, without, often.get(every, []))
        _complete(often, never, [none], with_, neither, [])
    rows = [(*cell, *times) for cell, shown in often.items() for times in shown]
    rows += [(*cell, ABSENT, ABSENT, persons) for cell, persons in never.items()]
    told = [(*row[:4], math.floor(row[4] * PARTS + 0.5)) for row in sorted(rows)]
    found = np.array([row for row in told if row[4] > 0], np.int64).reshape(-1, 5)
    histograms = Histograms.of(found[:, :2], found[:, 2], found[:, 3], found[:, 4])

    def nearest(child: int, cell: int) -> list[tuple[int, ...]]:
        cells = [other for other in near(CELLS, cell) if (other == 0) == (cell == 0)]
        return [(hashes[child], other) for other in ([*cells, ANY_CELL] if cell else cells)]

    table = histograms.table((len(hashes), CELLS), nearest, _SOME * PARTS)
    table[structure.count_parent < 0] = -1
    return histograms, table


def _shown(sums: Sums) -> tuple[dict[_Cell, _Times], dict[_Cell, float]]:
    """How often persons of a cell have the series, and how many never have it, as far as it was released."""
    often: dict[_Cell, _Times] = {}
    never: dict[_Cell, float] = {}
    keys, n = sums.get("values.along", 5)
    for (series, cell, has, low, high), persons in zip(keys.tolist(), n.tolist(), strict=True):
        if has:
            often.setdefault((series, cell), []).append((low, high, persons))
        else:
            never[series, cell] = persons
    return often, never


def _company(structure: Structure, children: Int64s) -> tuple[list[int], ...]:
    """Persons with each series and its parent, with it alone, with the parent alone, and with neither."""
    pairs, parents = structure.pairs("values.both"), structure.count_parent[children]
    both, own, others = pairs[children, parents], structure.persons[children], structure.persons[parents]
    everyone = structure.strata[1][-1]
    return tuple(part.tolist() for part in (both, own - both, others - both, everyone - own - others + both))


def _complete(
    often: dict[_Cell, _Times],
    never: dict[_Cell, float],
    cells: list[_Cell],
    has: float,
    lacks: float,
    usual: _Times,
) -> None:
    """Put in what cells do not show: persons who have the series (as often as ``usual``), or those who lack it.

    There are as many of them to each that is shown as there are in all cells that do not show both.
    """
    shown = {cell: sum(persons for *_, persons in often[cell]) for cell in cells if cell in often}
    lacking = {cell: never[cell] for cell in cells if cell in never}
    has = max(has - sum(shown[cell] for cell in shown.keys() & lacking), 0.0)
    lacks = max(lacks - sum(lacking[cell] for cell in shown.keys() & lacking), 0.0)
    total = sum(persons for *_, persons in usual)
    for cell in sorted(lacking.keys() - shown):
        each = lacking[cell] * has / lacks / total if lacks and total else 0.0
        often[cell] = [(low, high, persons * each) for low, high, persons in usual]
    for cell in sorted(shown.keys() - lacking):
        never[cell] = shown[cell] * lacks / has if has else 0.0


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
        level = counts.level / counts.scale
        level[:, of] += missing * steep / (steep**2 + _FLAT**2)
        level = np.clip(level, -_FARTHEST, _FARTHEST)
        scale = 1.0 / np.sqrt(1.0 + share @ (level - share @ level) ** 2)  # all strata together vary as they did
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
    held = np.flatnonzero(structure.strangers)
    upto = np.cumsum(structure.strangers[held])
    strata = held[np.searchsorted(upto / upto[-1], (np.arange(stays) + 0.5) / stays)]
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
