"""From released sums to the arrays that stays are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from omopsql.synth.correlation import nearest_correlation
from omopsql.udfs import trajectory
from omopsql.udfs.histograms import Bins
from omopsql.udfs.moments import Times
from omopsql.udfs.outlets import Ends, Outlets, fill_ends, fill_outlets
from omopsql.udfs.trajectory import Counts, Paths

from ..lives import Doubles, Int32s, Int64s
from ..sums import Sums
from .correlations import correlation
from .ends import ends_of, no_ends
from .grid import DIGITS, shares_shown
from .histograms import Histograms, tilts
from .oftener import alike, beside, leveled_counts
from .paths import CLASSES, LAGS, TENTHS, ZONES, count_moves, count_variance, value_scores
from .scores import SCALE, STATICS, dimensions, statics
from .shifts import Shifts, count_bands, of_bands, pulled, shifts
from .source import DAY
from .stays import BANDS, GROUPS, Records, Runs
from .structure import SUMMARIES, Structure, near

_TRIAL_STAYS, _LAST_TRIAL_STAYS = 2400, 24000
# of each trial before the last: times the usual stays, and how much of what is missed it mends
_TRIALS = ((1, 0.7), (1, 0.7), (1, 0.5), (1, 0.35), (1, 0.25), (2, 0.4))
_BOLDEST = max(stride for _, stride in _TRIALS)
_VALUES_A_STAY, _FEWEST_STAYS, _ASKED_STAYS = 450, 160, 1000  # with more values, fewer stays are tried
_COPRIME = 1_000_003
_TRIAL_SEED = 20120101
_HASTE = 4.0  # how a miss of 1 at the long lag moves the logarithm of a path's half-life
_PASSES = 3
_FULL = 0.999  # most of a path that is not noise; above it, it becomes smooth
_HELD = 1.0 + _FULL  # both at most
_STEADY_PACE, _SMOOTH_PACE = 1.5, 8.0  # how a miss of 1 at the short lag moves them
_LONG = 0.3  # of the variance at the short lag, that at the long one says something from here on
_GAINS = (0.7, 1.4)  # of spreads
_STEP, _FAR, _WIDER = 0.5, 2.0, 1.5  # of the normal numbers of means
_SOME = 20  # persons of a histogram of times
_PRIOR = 50
_EAGER = 2.0  # a run of few records correlates less than the normal numbers behind it


@dataclass(frozen=True)
class StayModel:
    """All that stays are drawn from."""

    structure: Structure
    bins: Bins
    counts: Counts
    times: Times
    paths: Paths
    ends: Ends
    outlets: Outlets


class _Shelf:
    """Histograms of several statistics, one after another."""

    def __init__(self) -> None:
        self.parts: list[Histograms] = []
        self.size = 0

    def put(self, histograms: Histograms, table: Int64s) -> Int64s:
        """Add histograms; return ``table`` with their numbers on the shelf."""
        placed = np.where(table >= 0, table + self.size, -1)
        self.parts.append(histograms)
        self.size += len(histograms)
        return np.ascontiguousarray(placed)

    def bins(self) -> Bins:
        """All of them."""
        rows = np.cumsum([0, *(len(part.low) for part in self.parts)])
        starts = [part.starts[:-1] + row for part, row in zip(self.parts, rows, strict=False)]
        return Bins(
            np.concatenate([*starts, rows[-1:]]).astype(np.int64),
            *(np.concatenate([getattr(part, name) for part in self.parts]) for name in ("low", "high", "upto", "tilt")),
        )


def compiled(structure: Structure, sums: Sums) -> StayModel:
    """Compile the released sums of both rounds."""
    shelf, where = _Shelf(), shifts(structure, sums)
    r = correlation(structure, sums, where)
    summaries = len(STATICS) + structure.joined
    where = shifts(structure, sums, r[summaries:, summaries:])
    counts = _counts(structure, sums, shelf, r)
    times = _times(structure, sums, shelf)
    paths = _paths(structure, sums, shelf, where)
    bins = shelf.bins()
    counts = leveled_counts(structure, bins, counts)
    model = StayModel(structure, bins, counts, times, paths, no_ends(structure), _no_outlets(structure))
    return _tuned(model, sums)


def _counts(structure: Structure, sums: Sums, shelf: _Shelf, r: Doubles) -> Counts:
    return Counts(
        factor=np.linalg.cholesky(r),
        statics=np.array([shelf.put(*statics(structure, name)) for name in STATICS]),
        count=shelf.put(structure.counts, structure.count_of),
        order=structure.time_order,
        parent=structure.count_parent,
        along=shelf.put(*beside(structure, sums)),
        level=np.zeros((len(structure.strata[0]), len(structure.hashes))),
        scale=np.ones(len(structure.hashes)),
    )


def _times(structure: Structure, sums: Sums, shelf: _Shelf) -> Times:
    hashes, width = structure.hashes.tolist(), len(structure.hashes)

    first = Histograms.released(sums, "values.first", 2)
    opening, turn, inside = (
        _exact(sums, "values.opening", 2),
        _exact(sums, "values.turn", 3),
        _exact(sums, "values.inside", 1),
    )
    gap = Histograms.released(sums, "values.gap", 2)
    skip = Histograms.released(sums, "values.skip", 3)
    return Times(
        order=structure.time_order,
        parent=structure.moment_parent,
        first=shelf.put(
            first, first.table((width, BANDS), lambda k, b: [(hashes[k], at) for at in near(BANDS, b)], _SOME)
        ),
        opening=shelf.put(
            opening, opening.table((width, BANDS), lambda k, b: [(hashes[k], at) for at in near(BANDS, b)], _SOME)
        ),
        turn=shelf.put(
            turn,
            turn.table(
                (width, BANDS, CLASSES),
                lambda k, b, c: [(hashes[k], band, kind) for kind in near(CLASSES, c) for band in near(BANDS, b)],
                _SOME,
            ),
        ),
        gap=shelf.put(gap, gap.table((width, CLASSES), lambda k, c: [(hashes[k], at) for at in near(CLASSES, c)], 1)),
        inside=shelf.put(inside, inside.table((width,), lambda k: [(hashes[k],)], 1)),
        skip=shelf.put(
            skip,
            skip.table((width, TENTHS, 2), lambda k, t, s: [(hashes[k], at, s) for at in near(TENTHS, t)], _SOME),
        ),
    )


def _exact(sums: Sums, statistic: str, width: int) -> Histograms:
    """Histograms whose bins were not joined."""
    keys, n = sums.get(statistic, width + 1)
    return Histograms.of(keys[:, :width], keys[:, width], keys[:, width], n)


def _paths(structure: Structure, sums: Sums, shelf: _Shelf, where: Shifts) -> Paths:
    hashes = structure.hashes.tolist()
    mean, trend, spread = (
        Histograms.released(sums, f"values.scored_{name}", width)
        for name, width in (("mean", 2), ("trend", 3), ("spread", 2))
    )
    trend = replace(trend, bounded=True)
    mean_of = mean.table((len(hashes), 2), lambda k, steady: [(hashes[k], steady), (hashes[k], 1 - steady)], _SOME)
    trend_of = trend.table(
        (len(hashes), GROUPS, ZONES),
        lambda k, g, zone: [(hashes[k], group, at) for group in near(GROUPS, g) for at in near(ZONES, zone)],
        _SOME,
    )
    spread_of = spread.table((len(hashes), GROUPS), lambda k, g: [(hashes[k], at) for at in near(GROUPS, g)], _SOME)
    shapes = {}
    for name in ("shape", "entry"):
        histograms = Histograms.released(sums, f"values.{name}", 2)
        table = histograms.table(
            (len(hashes), ZONES), lambda k, zone: [(hashes[k], at) for at in (zone, 1, 0, 2)], _PRIOR
        )
        shapes[name] = shelf.put(histograms, table)
    keep = np.full(len(hashes), 0.8)
    steps, noise = _factors(residual_correlation(structure, sums), keep, np.zeros(len(hashes)))
    return Paths(
        level=where.level,
        scale=where.scale,
        band_level=where.band_level,
        band_scale=where.band_scale,
        mean=shelf.put(mean, mean_of),
        trend=shelf.put(trend, trend_of),
        spread=shelf.put(spread, spread_of),
        steady=_steady(spread, spread_of),
        steadier=where.steadier,
        gain=np.ones(len(hashes)),
        shape=shapes["shape"],
        entry=shapes["entry"],
        keep=keep,
        share=np.full(len(hashes), 0.7),
        smooth=np.zeros(len(hashes)),
        steps=steps,
        noise=noise,
    )


def _steady(spread: Histograms, table: Int64s) -> Doubles:
    """The share of each histogram of spreads that has none."""
    share = np.zeros(len(spread) + 1)  # the last one serves cells without a histogram
    begin = spread.starts[:-1]
    share[:-1] = np.where((spread.low[begin] == 0) & (spread.high[begin] == 0), spread.upto[begin], 0.0)
    return np.asarray(share[table])


def residual_correlation(structure: Structure, sums: Sums) -> Doubles:
    """Correlation of two series' centred values at one moment, pulled to 0 where it is told by little."""
    r, told = _residuals(structure, sums)
    joined = structure.joined
    row, column = np.triu_indices(joined, 1)
    found = np.eye(joined)
    found[row, column] = np.clip(pulled(r[row, column], told[row, column]), -0.98, 0.98)
    found[column, row] = found[row, column]
    return found


def _residuals(structure: Structure, sums: Sums) -> tuple[Doubles, Doubles]:
    """Correlation of centred values as they are, 0 on the diagonal; and the squares behind each, about one a moment."""
    joined = structure.joined
    told = np.zeros((3, joined, joined))
    keys, n = sums.get("values.moves", 3)
    for (one, other, part), total in zip(keys.tolist(), n.tolist(), strict=True):
        i, j = structure.place.get(one, joined), structure.place.get(other, joined)
        if i < joined and j < joined:
            told[part, i, j] = total / SCALE
    told += told.transpose(0, 2, 1)
    squares = np.sqrt(np.maximum(told[1] * told[2], 1e-9))
    return told[0] / squares, squares


def _factors(r: Doubles, keep: Doubles, smooth: Doubles) -> tuple[Doubles, Doubles]:
    """Cholesky factors of steps and noise: paths then correlate by ``r``, though they forget at different pace.

    A path and one that follows another correlate less than their steps do.
    """
    joined = len(r)
    own = keep[:joined]
    pace = np.sqrt(np.outer(1 - own**2, 1 - own**2)) / (1 - np.outer(own, own))
    parts = np.stack([1.0 - smooth[:joined], smooth[:joined]])
    within = np.array([[1.0, np.sqrt(0.5)], [np.sqrt(0.5), 1.0]])
    together = parts.T @ within @ parts
    spread = np.sqrt(np.diag(together))
    steps = np.clip(r / np.maximum(pace * together / np.outer(spread, spread), 0.4), -0.98, 0.98)
    np.fill_diagonal(steps, 1.0)
    noise = r.copy()
    np.fill_diagonal(noise, 1.0)
    first, second = (np.linalg.cholesky(nearest_correlation(matrix)) if joined else matrix for matrix in (steps, noise))
    return first, second


def _no_outlets(structure: Structure) -> Outlets:
    empty = np.zeros(0)
    width = len(structure.hashes)
    none = empty.astype(np.int64)
    return Outlets(np.zeros(width + 1, np.int64), empty, none, none, empty, np.ones((width, DIGITS)))


@dataclass(frozen=True)
class Sketch:
    """Records of stays without values: those of each stay from ``begins`` on, with the level of each."""

    numbers: Int64s
    ordinals: Int64s
    begins: Int64s
    series: Int32s
    minute: Int32s
    level: Doubles

    def values(self, seed: int, ends: Ends, outlets: Outlets) -> Doubles:
        """The value of each record."""
        value = np.empty(len(self.level))
        level = self.brought(ends)
        fill_outlets(outlets, seed, self.numbers, self.ordinals, self.begins, self.series, level, value)
        return value

    def brought(self, ends: Ends) -> Doubles:
        """The levels with the ends of each run where they belong."""
        level = self.level.copy()
        fill_ends(ends, self.begins, self.series, level)
        return level

    @property
    def stay(self) -> Int32s:
        """The stay of each record."""
        return np.repeat(np.arange(len(self.numbers)), np.diff(self.begins)).astype(np.int32)


def sketched(
    model: StayModel, seed: int, numbers: Int64s, ordinals: Int64s, strata: Int64s, given: Int64s, reach: Int64s
) -> Sketch:
    """Draw the records of stays, up to their levels."""
    stays, width = len(numbers), len(model.structure.hashes)
    normals = np.zeros((stays, dimensions(model.structure.joined)))
    found = np.zeros((stays, width), np.int64)
    trajectory.fill_counts(model.bins, model.counts, seed, numbers, ordinals, strata, given, normals, found)
    begins = np.append(0, np.cumsum(found.sum(axis=1))).astype(np.int64)
    size = int(begins[-1])
    series, minute, level = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size)
    trajectory.fill_values(
        model.bins,
        model.times,
        model.paths,
        seed,
        numbers,
        ordinals,
        strata,
        reach,
        normals,
        found,
        begins,
        series,
        minute,
        level,
    )
    return Sketch(numbers, ordinals, begins, series, minute, level)


def trial(model: StayModel, stays: int, seed: int) -> Sketch:
    """Draw stays as the source had them: what the model is tuned on."""
    numbers, ordinals, strata, given = alike(model.structure, stays, seed)
    return sketched(model, seed, numbers, ordinals, strata, given, _reaches(model.structure, stays))


def _tried(model: StayModel) -> float:
    """The share of the usual number of stays that trials take: less where stays hold many values."""
    numbers, ordinals, strata, given = alike(model.structure, _ASKED_STAYS, _TRIAL_SEED)
    normals = np.zeros((_ASKED_STAYS, dimensions(model.structure.joined)))
    found = np.zeros((_ASKED_STAYS, len(model.structure.hashes)), np.int64)
    trajectory.fill_counts(model.bins, model.counts, _TRIAL_SEED, numbers, ordinals, strata, given, normals, found)
    return float(np.clip(_VALUES_A_STAY * _ASKED_STAYS / max(found.sum(), 1), _FEWEST_STAYS / _TRIAL_STAYS, 1.0))


def _reaches(structure: Structure, stays: int) -> Int64s:
    """How long into a stay values reach, in minutes, for stays as the source had them."""
    keys, n = structure.margins.get("values.reach", 3)
    if not len(n):
        return np.full(stays, DAY, np.int64)
    middle = (keys[:, 1] + keys[:, 2] + 1) // 2 + 1
    turn = np.arange(stays, dtype=np.int64) * _COPRIME % stays  # not in the order of the strata
    return middle[np.searchsorted(np.cumsum(n) / n.sum(), (turn + 0.5) / stays)]


def _tuned(model: StayModel, sums: Sums) -> StayModel:
    """Fit what has no formula by trial: levels to values, and how fast a path forgets.

    Each trial draws other stays. The later ones mend less, or draw more of them, so that chance cancels out.
    """
    structure = model.structure
    lags, company = _lag_target(structure, sums), residual_correlation(structure, sums)
    unrest, by_band = _unrest(structure, sums), of_bands(structure, sums)
    weights, r = _record_weights(structure, sums), residual_correlation(structure, sums)
    latent = model.counts.factor @ model.counts.factor.T
    changes, spreads = (
        len(STATICS) + (1 + SUMMARIES.index(name)) * structure.joined + np.arange(structure.joined)
        for name in ("change", "spread")
    )
    tried = _tried(model)
    for turn, (times, stride) in enumerate(_TRIALS):
        sketch = trial(model, int(times * _TRIAL_STAYS * tried), _TRIAL_SEED + turn)
        model = fitted(model, weights, sums, sketch, 1)
        reached = Sums()
        value = sketch.values(_TRIAL_SEED, model.ends, model.outlets)
        records = Records(structure.hashes, sketch.stay, sketch.series, sketch.minute, value)
        count_moves(structure, records, reached)
        count_variance(structure, Runs.of(records, value_scores(structure, records)), reached)
        found = _unrest(structure, reached)
        count_bands(structure, records.runs, reached)
        band_level, band_scale = _in_bands(model.paths, by_band, of_bands(structure, reached), stride)
        wider = np.where((unrest > 0) & (found > 0), unrest / np.where(found > 0, found, 1.0), 1.0)
        gain = np.clip(model.paths.gain * wider ** (0.5 * stride), *_GAINS)
        keep, share, smooth = _nearer(model.paths, lags, _lag_target(structure, reached), stride)
        missing = stride * _missing(company, *_residuals(structure, reached))
        r = np.clip(r + missing, -0.98, 0.98)
        latent[np.ix_(changes, changes)] = np.clip(latent[np.ix_(changes, changes)] + missing, -0.98, 0.98)
        latent[np.ix_(spreads, spreads)] = np.clip(latent[np.ix_(spreads, spreads)] + missing * company, -0.98, 0.98)
        np.fill_diagonal(latent, 1.0)
        latent = nearest_correlation(latent)
        steps, noise = _factors(r, keep, smooth)
        model = replace(
            model,
            counts=model.counts._replace(factor=np.linalg.cholesky(latent)),
            paths=model.paths._replace(
                band_level=band_level,
                band_scale=band_scale,
                gain=gain,
                keep=keep,
                share=share,
                smooth=smooth,
                steps=steps,
                noise=noise,
            ),
        )
    last = trial(model, int(_LAST_TRIAL_STAYS * tried), _TRIAL_SEED + len(_TRIALS))
    return fitted(model, weights, sums, last, _PASSES)


def fitted(
    model: StayModel, weights: dict[tuple[int, int, int], int], sums: Sums, sketch: Sketch, passes: int
) -> StayModel:
    """Fit the outlets, and the ends of stays, to what was drawn; each depends on the other."""
    for _ in range(passes):
        outlets = outlets_of(model.structure, weights, sums, sketch.series, sketch.brought(model.ends))
        model = replace(
            model,
            outlets=outlets,
            ends=ends_of(model.structure, sums, outlets, sketch.begins, sketch.series, sketch.level),
        )
    outlets = outlets_of(model.structure, weights, sums, sketch.series, sketch.brought(model.ends))
    return replace(model, outlets=outlets)


def _lag_target(structure: Structure, sums: Sums) -> Doubles:
    """The lagged correlations of centred values, (lags, series); NaN where they are not known."""
    told = np.zeros((len(LAGS), 2, len(structure.hashes)))
    keys, n = sums.get("values.lags", 3)
    for (series, lag, part), total in zip(keys.tolist(), n.tolist(), strict=True):
        if series in structure.place:
            told[LAGS.index(lag), part, structure.place[series]] = total
    found = np.where(told[:, 1] > 50 * SCALE, told[:, 0] / np.maximum(told[:, 1], 1), np.nan)
    found[1, told[1, 1] < _LONG * told[0, 1]] = np.nan
    return found


def _unrest(structure: Structure, sums: Sums) -> Doubles:
    """The variance of values within a person over that between persons, by series; 0 where few persons tell it."""
    told, persons = np.zeros((4, len(structure.hashes))), np.zeros(len(structure.hashes))
    keys, n = sums.get("values.varied", 1)
    for (series,), number in zip(keys.tolist(), n.tolist(), strict=True):
        if series in structure.place:
            persons[structure.place[series]] = number
    keys, n = sums.get("values.variance", 2)
    for (series, part), total in zip(keys.tolist(), n.tolist(), strict=True):
        if series in structure.place:
            told[part, structure.place[series]] = total / SCALE
    records, score, between, within = told
    between = (between - score**2 / np.maximum(records, 1.0)) / np.maximum(persons - 1.0, 1.0)
    within = within / np.maximum(records - persons, 1.0)
    known = (persons >= _PRIOR) & (records > 1.2 * persons) & (between > 0.0)
    return np.asarray(np.where(known, within / np.where(known, between, 1.0), 0.0))


def _nearer(paths: Paths, target: Doubles, reached: Doubles, stride: float) -> tuple[Doubles, Doubles, Doubles]:
    """Move the half-life by the error at the long lag, the noise by that at the short one.

    Where no noise is left and values still follow each other more closely, the path becomes smooth.
    """
    short, long = target - reached
    short = np.nan_to_num(short)
    held = paths.share + paths.smooth
    free = ~np.isnan(long) & (held < _HELD)  # else the short lag has to decide alone
    drive = np.clip(np.where(free, long, short), -0.2, 0.2)
    half = np.clip(np.log(0.5) / np.log(paths.keep) * np.exp(stride / _BOLDEST * _HASTE * drive), 0.2, 60.0)
    pace = np.where(held < _FULL, _STEADY_PACE, _SMOOTH_PACE)
    held = np.clip(held + stride / _BOLDEST * pace * (short - np.where(free, 0.4 * drive, 0.0)), 0.02, _HELD)
    share = np.minimum(held, _FULL)
    return 0.5 ** (1.0 / half), share, held - share


def _missing(target: Doubles, reached: Doubles, told: Doubles) -> Doubles:
    """What is missing of correlations, the less the fewer moments of a trial tell of it."""
    found = _EAGER * (target - reached) * told / (told + _PRIOR)
    np.fill_diagonal(found, 0.0)
    return found


def _in_bands(
    paths: Paths, target: tuple[Doubles, Doubles], reached: tuple[Doubles, Doubles], stride: float
) -> tuple[Doubles, Doubles]:
    """Move the means of each band of counts by what was missed: who is measured often differs in other ways too."""
    level = paths.band_level + stride * np.clip(target[0] - reached[0], -_STEP, _STEP)
    scale = paths.band_scale * np.clip(target[1] / np.maximum(reached[1], 1e-6), 1 / _WIDER, _WIDER) ** (0.5 * stride)
    return np.clip(level, -_FAR, _FAR), np.clip(scale, 1 / _FAR, _FAR)


def _record_weights(structure: Structure, sums: Sums) -> dict[tuple[int, int, int], int]:
    keys, n = sums.get("values.records", 3)
    return {tuple(key): total for key, total in zip(keys.tolist(), n.tolist(), strict=True)}


def outlets_of(
    structure: Structure, weights: dict[tuple[int, int, int], int], sums: Sums, of_series: Int32s, level: Doubles
) -> Outlets:
    """Cut the drawn levels of each series so that its values fall into cells as often as in the source."""
    starts, uptos, firsts, sizes, leans, shown = [0], [], [], [], [], []
    steps, persons = structure.margins.get("values.step", 2)
    values = structure.values
    for series, hash_ in enumerate(structure.hashes.tolist()):
        number = int(structure.value_of[series])
        own = np.sort(level[of_series == series])
        begin, end = (values.starts[number], values.starts[number + 1]) if number >= 0 else (0, 0)
        held = np.array(
            [
                weights.get((hash_, low, high), 0)
                for low, high in zip(values.low[begin:end].tolist(), values.high[begin:end].tolist(), strict=True)
            ],
            float,
        )
        told = steps[:, 0] == hash_
        if len(held) and len(own) and held.sum() > 0:
            first, size = values.low[begin:end], values.high[begin:end] - values.low[begin:end] + 1
            share = np.cumsum(held) / held.sum()
            at = np.minimum((share * len(own)).astype(np.int64), len(own) - 1)
            upto = own[at]
            upto[-1] = np.inf
            uptos.append(upto)
            firsts.append(first)
            sizes.append(size)
            leans.append(tilts(np.array([0, len(held)]), first, values.high[begin:end], held, False))
        starts.append(starts[-1] + (len(held) if len(held) and len(own) and held.sum() > 0 else 0))
        shown.append(shares_shown(steps[told, 1], persons[told]))
    joined = [np.concatenate(part) if part else np.zeros(0) for part in (uptos, firsts, sizes, leans)]
    first, size = joined[1].astype(np.int64), joined[2].astype(np.int64)
    return Outlets(np.array(starts, np.int64), joined[0], first, size, joined[3], np.array(shown).reshape(-1, DIGITS))
