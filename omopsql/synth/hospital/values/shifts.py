"""Where the stays of a stratum stand among all: who dies has lower pressures, and pressures that vary more.

Histograms of each stratum would need many persons, and lose their ends first. Two sums for each summary need few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ..lives import Doubles
from ..sums import Sums
from .effects import believed
from .first_round import ANY, NO_CARE
from .grid import level_bins
from .scores import LARGEST, SCALE, summary_scores
from .stays import BANDS, Records, Runs, Stays
from .structure import SUMMARIES, Structure, near

_FEWEST, _MOST = 1.0, 300.0  # persons who say that a stratum is as expected
_LARGE = 0.5  # a shift of this size is believed twice as soon
_LEAST = 0.1  # of the variance lies inside strata
_VAGUE = 0.25  # variance of scores that stand for few distinct values; their latents are that much further apart
_HIDDEN = 5  # persons of a cell that is not shown
_STEADY = 30  # persons that say: with the spread of the others


PLACED = (*SUMMARIES, "steady")  # the means of runs whose values are all the same stand apart
_SPREAD, _SAME = PLACED.index("spread"), PLACED.index("steady")


def count_shifts(structure: Structure, stays: Stays, records: Records, sums: Sums) -> None:
    """Sum scores and their squares by kind of care and outcome, by each alone, and over all; and count the persons."""
    runs = records.runs
    count_bands(structure, runs, sums)
    care, died = stays.care[runs.stay], stays.died[runs.stay]
    none, any_ = np.full(len(runs), NO_CARE), np.full(len(runs), ANY)
    for which, score in enumerate(_placed(structure, runs)):
        some = ~np.isnan(score)
        steps = np.floor(np.clip(score[some], -LARGEST, LARGEST) * SCALE + 0.5).astype(np.int64)
        for stratum in ((care, died), (none, died), (care, any_), (none, any_)):
            of_run = [*stratum, structure.hashes[runs.series], np.full(len(runs), which)]
            keys = np.column_stack(of_run)[some]
            sums.put("values.placed", keys, np.ones(len(keys)))
            for part, added in enumerate((steps, steps * steps)):
                sums.put("values.places", np.column_stack([keys, np.full(len(keys), part)]), added)


def _placed(structure: Structure, runs: Runs) -> list[Doubles]:
    found = summary_scores(structure, runs)
    steady = np.where(runs.steady, found["mean"], np.nan)
    return [*(np.where(runs.steady, np.nan, score) for score in found.values()), steady]


def count_bands(structure: Structure, runs: Runs, sums: Sums) -> None:
    """Sum the scores of means, among those of all counts, by band of counts: who is measured often has other values."""
    histograms, table = structure.levels
    kept = np.flatnonzero(~runs.steady & (table[runs.series] >= 0))
    score = histograms.scores(table[runs.series[kept]], level_bins(runs.mean[kept]))
    steps = np.floor(np.clip(score, -LARGEST, LARGEST) * SCALE + 0.5).astype(np.int64)
    keys = np.column_stack([structure.hashes[runs.series[kept]], runs.band[kept]])
    sums.put("values.banded", keys, np.ones(len(keys)))
    for part, added in enumerate((steps, steps * steps)):
        sums.put("values.bands", np.column_stack([keys, np.full(len(keys), part)]), added)


@dataclass(frozen=True)
class Shifts:
    """How scores of a stratum lie: their mean and spread, (strata, series, placed), where all have 0 and 1.

    ``persons`` tells how many are behind each. ``steadier`` (strata, series) is how much higher the normal number is
    below which all values of a run are the same. ``band_level`` and ``band_scale`` (series, bands of counts) are
    those of means among the means of all counts.
    """

    level: Doubles
    scale: Doubles
    persons: Doubles
    steadier: Doubles
    band_level: Doubles
    band_scale: Doubles


def shifts(structure: Structure, sums: Sums, r: Doubles | None = None) -> Shifts:
    """Pull the mean of each stratum towards the sum of what its kind of care and its outcome do on their own.

    With the correlation ``r`` of the summaries of joined series inside a stratum, (3 joined, 3 joined), that of all of
    them at once.
    """
    strata = structure.strata[0].tolist()
    told = _places(structure, sums)
    everyone, none = told[NO_CARE, ANY], np.zeros_like(told[NO_CARE, ANY])
    variance = np.clip(everyone[2] / np.maximum(everyone[0], 1.0) - _mean(everyone) ** 2, _VAGUE, 1.0)
    unit = np.sqrt(variance)
    level, within, persons = (np.zeros((len(strata), *none.shape[1:])) for _ in range(3))
    for at, (care, died) in enumerate(strata):
        own, *alone = (told.get(key, none) for key in ((care, died), (NO_CARE, died), (care, ANY)))
        added = sum(_pulled(_mean(part) / unit, part[0], r) for part in alone)
        level[at] = added + _pulled(_mean(own) / unit - added, own[0], r)
        within[at] = own[2] - own[0] * _mean(own) ** 2
        persons[at] = own[0]
    level /= unit
    weight = structure.alone[:, None, None] * persons
    share = weight / np.maximum(weight.sum(axis=0), 1.0)
    level -= (share * level).sum(axis=0)
    between = (share * level**2).sum(axis=0)
    usual = np.maximum((structure.alone[:, None, None] * within).sum(axis=0) / np.maximum(weight.sum(axis=0), 1), 1e-6)
    spread = (within + _STEADY * usual) / (persons + _STEADY)
    scale = np.sqrt(spread / usual * np.maximum(1.0 - between, _LEAST))
    steadier = _steadier(strata, told, none)
    return Shifts(level, scale, persons, steadier, *of_bands(structure, sums))


def _steadier(strata: list[list[int]], told: dict[tuple[int, int], Doubles], none: Doubles) -> Doubles:
    """Compare the shares of runs whose values are all the same; few such persons are not shown, but were there."""
    share: dict[tuple[int, int], Doubles] = {}
    for care, died in sorted(map(tuple, strata), key=lambda key: (key[0] != NO_CARE, key[1] != ANY)):
        changing, same = (told.get((care, died), none)[0, :, at] for at in (_SPREAD, _SAME))
        if (care, died) == (NO_CARE, ANY):
            share[care, died] = same / np.maximum(changing + same, 1.0)
            continue
        usual = share[NO_CARE, ANY if care == NO_CARE else died]
        hidden = np.minimum(usual * changing / np.maximum(1.0 - usual, 0.5), _HIDDEN)
        same = np.where(same > 0, same, hidden)
        share[care, died] = (same + _STEADY * usual) / (changing + same + _STEADY)
    everyone = share[NO_CARE, ANY]
    number = {key: norm.ppf(np.clip(of, 1e-3, 1 - 1e-3)) for key, of in share.items()}
    return np.array([np.where(everyone > 0, number[care, died] - number[NO_CARE, ANY], 0.0) for care, died in strata])


def of_bands(structure: Structure, sums: Sums) -> tuple[Doubles, Doubles]:
    """The mean and spread of the means of each band of counts; of the nearest band where one has too few persons."""
    told = np.zeros((3, len(structure.hashes), BANDS))
    for name, width in (("values.banded", 2), ("values.bands", 3)):
        keys, n = sums.get(name, width)
        for (series, band, *part), total in zip(keys.tolist(), n.tolist(), strict=True):
            if series in structure.place:
                at = part[0] + 1 if part else 0
                told[at, structure.place[series], band] = total / SCALE**at
    for series, held in enumerate(told[0] > 0):
        nearest = [next((at for at in near(BANDS, band) if held[at]), band) for band in range(BANDS)]
        told[:, series] = told[:, series][:, nearest] * np.where(held, 1.0, 0.5)
    mean = _mean(told)
    within = told[2] - told[0] * mean**2
    usual = np.maximum(within.sum(axis=1) / np.maximum(told[0].sum(axis=1), 1.0), 1e-6)[:, None]
    spread = (within + _STEADY * usual) / (told[0] + _STEADY)
    return pulled(mean, told[0]), np.sqrt(spread)


def _mean(place: Doubles) -> Doubles:
    return np.asarray(place[1] / np.maximum(place[0], 1.0))


def pulled(mean: Doubles, persons: Doubles) -> Doubles:
    """Pull means, (series, ...), to 0 by a number of persons, large means by fewer.

    The more the means of series differ beyond what chance does, the fewer persons these are (empirical Bayes).
    """
    scatter = (persons * mean**2 - (persons > 0)).sum(axis=0) / np.maximum(persons.sum(axis=0), 1.0)
    prior = 1.0 / np.clip(scatter, 1.0 / _MOST, 1.0 / _FEWEST)
    return np.asarray(mean * persons / (persons + prior / (1.0 + (mean / _LARGE) ** 2)))


def _pulled(mean: Doubles, persons: Doubles, r: Doubles | None) -> Doubles:
    """Pull means, (series, placed), to 0: those of joined series at once, with ``r``, all others one by one."""
    found = pulled(mean, persons)
    if r is not None:
        joined, told = len(r) // len(SUMMARIES), slice(len(SUMMARIES))
        at_once = believed(mean[:joined, told].T.reshape(-1), persons[:joined, told].T.reshape(-1), r)
        at_once = at_once.reshape(len(SUMMARIES), joined).T
        found[:joined, told] = np.where(np.isnan(at_once), found[:joined, told], at_once)
    return found


def _places(structure: Structure, sums: Sums) -> dict[tuple[int, int], Doubles]:
    """Persons, sum of scores and sum of their squares of each stratum, (3, series, placed)."""
    empty = np.zeros((3, len(structure.hashes), len(PLACED)))
    found = {(NO_CARE, ANY): empty.copy()}
    keys, n = sums.get("values.placed", 4)
    for (care, died, series, which), persons in zip(keys.tolist(), n.tolist(), strict=True):
        if series in structure.place:
            found.setdefault((care, died), empty.copy())[0, structure.place[series], which] = persons
    keys, n = sums.get("values.places", 5)
    for (care, died, series, which, part), total in zip(keys.tolist(), n.tolist(), strict=True):
        if series in structure.place:
            found[care, died][part + 1, structure.place[series], which] = total / SCALE ** (part + 1)
    return found
