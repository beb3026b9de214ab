"""Values of measurements that are taken now and then: a level of each person, and what moves from day to day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from omopsql.synth.correlation import nearest_correlation
from omopsql.udfs.outlets import Outlets

from ..lives import Doubles, Int64s
from ..plan import Plan
from ..sums import Sums
from .grid import DIGITS, decimals, shares_shown, value_bins
from .histograms import Histograms
from .source import Numbers, chances, histories

JOINED = 64  # series whose values are correlated
_SCALE = 1024
_LARGEST = 16
_VALUE, _STEP, _PAIR = 11, 12, 13
_PRIOR = 30
_DEFAULT_SHARE = 0.5


@dataclass(frozen=True)
class SparseModel:
    """Series of each item, values from normal scores, the share of a person's level, and a Cholesky factor.

    Series ``first[item]`` to ``first[item + 1]`` are those of an item, with cumulative shares ``upto``.
    """

    hashes: Int64s
    first: Int64s
    upto: Doubles
    outlets: Outlets
    share: Doubles
    factor: Doubles


def count_margins(numbers: Numbers, sums: Sums) -> None:
    """Count persons by series, by one of their values, by having it on two days, and with another on one day."""
    hashes, found = numbers.series.hashes, histories(numbers)
    series, starts = found.series, found.starts
    keys = np.column_stack([hashes, numbers.series.table, numbers.series.concept, numbers.series.unit])
    held = np.bincount(series, minlength=len(hashes))
    sums.put("values.series", keys.reshape(len(hashes), 4), held, pa.array(numbers.series.labels, pa.string()))
    at = starts + found.picked(_VALUE)
    value = numbers.value[found.order]
    sums.put("values.single", np.column_stack([hashes[series], value_bins(value[at])]), np.ones(len(at)))
    at = starts + found.picked(_STEP)
    sums.put("values.decimals", np.column_stack([hashes[series], decimals(value[at])]), np.ones(len(at)))
    several = np.flatnonzero(found.ends - starts > 1)
    sums.put("values.repeated", hashes[series[several]][:, None], np.ones(len(several)))
    first, second, who, _, _ = _same_days(numbers)
    pairs = np.unique(np.column_stack([who, first, second]), axis=0)
    sums.put("values.same_day", np.column_stack([hashes[pairs[:, 1]], hashes[pairs[:, 2]]]), np.ones(len(pairs)))


def _same_days(numbers: Numbers) -> tuple[Int64s, Int64s, Int64s, Int64s, Int64s]:
    """Pairs of series of one person on one day, on one day a pair: series, series, person and both records."""
    order = np.lexsort((numbers.value, numbers.of_series, numbers.day, numbers.person))
    key = (numbers.person[order].astype(np.int64) << 32) | (numbers.day[order].astype(np.int64) + (1 << 20))
    series = numbers.of_series[order].astype(np.int64)
    fresh = np.ones(len(key), bool)
    fresh[1:] = (key[1:] != key[:-1]) | (series[1:] != series[:-1])
    order, key, series = order[fresh], key[fresh], series[fresh]
    found = []
    for apart in range(1, 1 + _company(key)):
        same = np.flatnonzero(key[apart:] == key[:-apart])
        found.append((series[same], series[same + apart], key[same] >> 32, order[same], order[same + apart]))
    if not found:
        return (np.zeros(0, np.int64),) * 5
    first, second, who, one, other = (np.concatenate(part) for part in zip(*found, strict=True))
    hashes = numbers.series.hashes
    chosen = np.lexsort((chances(numbers.day[one], hashes[first], hashes[second]), second, first, who))
    group = np.column_stack([who[chosen], first[chosen], second[chosen]])
    begins = np.ones(len(group), bool)
    begins[1:] = (group[1:] != group[:-1]).any(axis=1)
    own = chosen[begins]
    return first[own], second[own], who[own], one[own], other[own]


def _company(key: Int64s) -> int:
    """How many series a day holds besides the first, at most 60."""
    if not len(key):
        return 0
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    return int(min(np.diff(np.append(starts, len(key))).max() - 1, 60))


def count_sums(plan: Plan, dense: set[int], numbers: Numbers, sums: Sums) -> None:
    """Sum products of normal scores: of a person's value with his next one, and of two series on one day."""
    place = np.array([int(series) not in dense for series in numbers.series.hashes.tolist()], bool)
    values = Histograms.released(plan.margins, "values.single", 1)
    which = np.array([values.number.get((series,), -1) for series in numbers.series.hashes.tolist()], np.int64)
    which[~place] = -1
    hashes = numbers.series.hashes
    released = {
        name: {tuple(key) for key in plan.margins.get(name, width)[0].tolist()}
        for name, width in (("values.repeated", 1), ("values.same_day", 2))
    }
    score = np.zeros(len(numbers))
    if len(numbers):
        score = np.nan_to_num(values.scores(which[numbers.of_series], value_bins(numbers.value)))
    found = histories(numbers)
    known = np.array([(int(key),) in released["values.repeated"] for key in hashes.tolist()], bool) & (which >= 0)
    own = np.flatnonzero((found.ends - found.starts > 1) & known[found.series])
    at = found.starts[own] + found.picked(_PAIR, 1)[own]
    one, other = score[found.order[at]], score[found.order[at + 1]]
    _put(sums, "values.again", [hashes[found.series[own]]], one, other)
    first, second, _, left, right = _same_days(numbers)
    known = np.array(
        [
            (int(hashes[a]), int(hashes[b])) in released["values.same_day"] and which[a] >= 0 and which[b] >= 0
            for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ],
        bool,
    )
    own = np.flatnonzero(known)
    _put(sums, "values.beside", [hashes[first[own]], hashes[second[own]]], score[left[own]], score[right[own]])


def _put(sums: Sums, name: str, keys: list[Int64s], one: Doubles, other: Doubles) -> None:
    for part, product in enumerate((one * other, one * one, other * other)):
        whole = np.floor(np.clip(product, -_LARGEST, _LARGEST) * _SCALE + 0.5).astype(np.int64)
        sums.put(name, np.column_stack([*keys, np.full(len(whole), part)]), whole)


def compiled(sums: Sums, plan: Plan, dense: set[int]) -> SparseModel:
    """Compile the released sums of series that are not of stays."""
    keys, n = sums.get("values.series", 4)
    item = plan.items.find(keys[:, 1], keys[:, 2])
    kept = np.array([int(key) not in dense for key in keys[:, 0].tolist()], bool) & (item >= 0)
    order = np.flatnonzero(kept)[np.lexsort((keys[kept, 0], item[kept]))]
    hashes, item, n = keys[order, 0], item[order], n[order]
    first = np.searchsorted(item, np.arange(len(plan.items) + 1))
    held = np.append(0, np.cumsum(n))
    before = held[first[item]] if len(item) else held[:0]
    total = held[first[item + 1]] - before if len(item) else held[:0]
    upto = (held[1:] - before) / np.maximum(total, 1)
    return SparseModel(hashes, first, upto, _outlets(sums, hashes), _shares(sums, hashes), _factor(sums, hashes))


def _outlets(sums: Sums, hashes: Int64s) -> Outlets:
    values = Histograms.released(sums, "values.single", 1)
    keys, n = sums.get("values.decimals", 2)
    starts, rows, shown = [0], list[int](), list[Doubles]()
    for series in hashes.tolist():
        number = values.number.get((series,), -1)
        begin, end = (values.starts[number], values.starts[number + 1]) if number >= 0 else (0, 0)
        rows.extend(range(begin, end))
        starts.append(len(rows))
        own = keys[:, 0] == series
        shown.append(shares_shown(keys[own, 1], n[own]))
    row = np.array(rows, np.int64)
    size = values.high[row] - values.low[row] + 1
    shares = np.array(shown).reshape(-1, DIGITS)
    return Outlets(np.array(starts, np.int64), values.upto[row], values.low[row], size, values.tilt[row], shares)


def _shares(sums: Sums, hashes: Int64s) -> Doubles:
    """The share of the variance that lies between persons."""
    told = np.zeros((3, len(hashes)))
    place = {series: at for at, series in enumerate(hashes.tolist())}
    keys, n = sums.get("values.again", 2)
    for (series, part), total in zip(keys.tolist(), n.tolist(), strict=True):
        if series in place:
            told[part, place[series]] = total
    variance = np.sqrt(told[1] * told[2])
    return np.where(variance > 0, np.clip(told[0] / np.maximum(variance, 1), 0.0, 0.99), _DEFAULT_SHARE)


def _factor(sums: Sums, hashes: Int64s) -> Doubles:
    joined = min(len(hashes), JOINED)
    told = np.zeros((3, joined, joined))
    place = {series: at for at, series in enumerate(hashes[:joined].tolist())}
    keys, n = sums.get("values.beside", 3)
    for (one, other, part), total in zip(keys.tolist(), n.tolist(), strict=True):
        if one in place and other in place:
            told[part, place[one], place[other]] = total
    held = np.zeros((joined, joined))
    keys, n = sums.get("values.same_day", 2)
    for (one, other), persons in zip(keys.tolist(), n.tolist(), strict=True):
        if one in place and other in place:
            held[place[one], place[other]] = persons
    r = told[0] / np.sqrt(np.maximum(told[1] * told[2], 1.0)) * held / (held + _PRIOR)
    r = np.clip(r + r.T, -0.98, 0.98)
    np.fill_diagonal(r, 1.0)
    return np.linalg.cholesky(nearest_correlation(r)) if joined else r
