"""What a classifier sees of a person's records: what and how much; when, how far apart and together."""

from __future__ import annotations

import numpy as np

from .histories import YEAR, Doubles, Ints
from .observed import Observed

_NEVER = -9999.0
_TEN_YEARS = 3652


def person_features(of: Observed, top: Ints) -> Doubles:
    """Records by item, sex, year of birth, years observed, records, items and days with records."""
    people = of.histories.people
    days = np.bincount(of.histories.contacts[0], minlength=of.persons)
    totals = of.counts.sum(axis=1), of.ever.sum(axis=1), days
    return np.column_stack([of.counts[:, top], people.sex, people.by, people.len / YEAR, *totals])


def lag_features(of: Observed, top: Ints, together: list[tuple[int, int]], ordered: list[tuple[int, int]]) -> Doubles:
    """First days of items from birth and to the end, the rhythm of days, days of pairs together, lags of pairs."""
    first = of.first_days[:, top]
    to_the_end = of.histories.people.len[:, None] - first
    columns = [first, to_the_end, _rhythm(of), _days_together(of, together), _lags(of, ordered)]
    return np.nan_to_num(np.column_stack(columns), nan=_NEVER)


def sequence_features(real: Observed, synthetic: Observed) -> tuple[Doubles, Doubles]:
    """Both kinds of features of both sides, of the items and pairs that are most frequent on the real one."""
    top = np.argsort(-real.prevalence, kind="stable")[:100]
    together = _spaced(np.triu(real.same_day, 1), 300, 6)
    ordered = _spaced(real.followed(365)[1], 200, 4)
    a, b = (
        np.column_stack([person_features(of, top), lag_features(of, top[:50], together, ordered)])
        for of in (real, synthetic)
    )
    return a, b


def _spaced(counts: Ints, most: int, step: int) -> list[tuple[int, int]]:
    """Every so manieth of the most frequent pairs."""
    order = np.argsort(-counts.ravel(), kind="stable")[:most:step]
    order = order[counts.ravel()[order] > 0]
    return [(int(cell) // len(counts), int(cell) % len(counts)) for cell in order]


def _rhythm(of: Observed) -> Doubles:
    """Records a day (mean, largest, share above one), gaps of days (median, SD), share of records in the last years."""
    h = of.histories
    person, day, records = h.contacts
    again = person[1:] == person[:-1]
    gap, of_whom = np.diff(day)[again].astype(float), person[1:][again]
    late = (h.t > h.people.len[h.person] - _TEN_YEARS).astype(float)
    number = records.astype(float)
    largest = np.full(of.persons, -np.inf)
    np.maximum.at(largest, person, number)
    return np.column_stack(
        [
            _means(number, person, of.persons),
            np.where(np.isinf(largest), np.nan, largest),
            _medians(gap, of_whom, of.persons),
            _deviations(gap, of_whom, of.persons),
            _means(late, h.person, of.persons),
            _means((records > 1).astype(float), person, of.persons),
        ]
    )


def _means(numbers: Doubles, person: Ints, persons: int) -> Doubles:
    """Mean of each person's numbers; NaN for who has none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(person, numbers, persons) / np.bincount(person, minlength=persons)


def _deviations(numbers: Doubles, person: Ints, persons: int) -> Doubles:
    """Standard deviation of each person's numbers; NaN for who has none."""
    apart = numbers - _means(numbers, person, persons)[person]
    return np.sqrt(_means(apart**2, person, persons))


def _medians(numbers: Doubles, person: Ints, persons: int) -> Doubles:
    """Median of each person's numbers; NaN for who has none."""
    ordered = numbers[np.lexsort((numbers, person))]
    size = np.bincount(person, minlength=persons)
    start, known = np.cumsum(size) - size, size > 0
    medians = np.full(persons, np.nan)
    lower, upper = (start + (size - 1) // 2)[known], (start + size // 2)[known]
    medians[known] = (ordered[lower] + ordered[upper]) / 2
    return medians


def _days_together(of: Observed, pairs: list[tuple[int, int]]) -> Doubles:
    """On how many days a person has both items of each pair."""
    h = of.histories
    person, _, records = h.contacts
    contact = np.repeat(np.arange(person.size), records)
    days = np.zeros((of.persons, len(pairs)))
    marks: dict[int, np.ndarray] = {}
    for item in {item for pair in pairs for item in pair}:
        marks[item] = np.zeros(person.size, dtype=bool)
        marks[item][contact[h.item == item]] = True
    for column, (a, b) in enumerate(pairs):
        days[:, column] = np.bincount(person[marks[a] & marks[b]], minlength=of.persons)
    return days


def _lags(of: Observed, pairs: list[tuple[int, int]]) -> Doubles:
    """Days from the first record of one item to the next later one of the other; NaN where none is."""
    h = of.histories
    lags = np.full((len(pairs), of.persons), np.inf)
    for lag, (a, b) in zip(lags, pairs, strict=True):
        after = (h.item == b) & (h.t > of.first_days[h.person, a])
        np.minimum.at(lag, h.person[after], h.t[after] - of.first_days[h.person[after], a])
    return np.asarray(np.where(np.isinf(lags), np.nan, lags).T)
