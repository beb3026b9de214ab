"""What a classifier sees of a person: what and how much; and for the rich one when, how far apart and together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from .event_metrics import Observed

_NEVER = -9999.0
_TEN_YEARS = 3652


def person_features(of: Observed, top: np.ndarray) -> np.ndarray:
    """Records by item, sex, year of birth, years observed, records, items and days with records."""
    h = of.histories
    days = np.bincount(h.contacts[0], minlength=of.persons)
    totals = of.counts.sum(axis=1), of.ever.sum(axis=1), days
    return np.column_stack([of.counts[:, top], h.sex, h.by, h.len / 365.25, *totals])


def lag_features(
    of: Observed, top: np.ndarray, together: list[tuple[int, int]], ordered: list[tuple[int, int]]
) -> np.ndarray:
    """First days of items from birth and to the end, the rhythm of days, days of pairs together, lags of pairs."""
    first = of.first_days[:, top]
    columns = [first, of.histories.len[:, None] - first, _rhythm(of), _days_together(of, together), _lags(of, ordered)]
    return np.nan_to_num(np.column_stack(columns), nan=_NEVER)


def _rhythm(of: Observed) -> np.ndarray:
    """Records a day (mean, largest, share above one), gaps of days (median, SD), share of records in the last years."""
    h, everyone = of.histories, np.arange(of.persons)
    person, day, records = h.contacts
    again = person[1:] == person[:-1]
    gap, of_whom = np.diff(day)[again].astype(float), person[1:][again]
    late = (h.t > h.len[h.person] - _TEN_YEARS).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        summaries = [
            _by_person(ndimage.mean, records.astype(float), person, everyone),
            _by_person(ndimage.maximum, records.astype(float), person, everyone),
            _by_person(ndimage.median, gap, of_whom, everyone),
            _by_person(ndimage.standard_deviation, gap, of_whom, everyone),
            _by_person(ndimage.mean, late, h.person, everyone),
            _by_person(ndimage.mean, (records > 1).astype(float), person, everyone),
        ]
    return np.column_stack(summaries)


def _by_person(summary, values: np.ndarray, person: np.ndarray, everyone: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Summarise the values of each person; NaN for who has none."""
    known = np.bincount(person, minlength=everyone.size) > 0
    summarised = np.full(everyone.size, np.nan)
    if known.any():
        summarised[known] = summary(values, person, everyone[known])
    return summarised


def _days_together(of: Observed, pairs: list[tuple[int, int]]) -> np.ndarray:
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


def _lags(of: Observed, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Days from the first record of one item to the next later one of the other; NaN where none is."""
    h = of.histories
    lags = np.full((len(pairs), of.persons), np.inf)
    for lag, (a, b) in zip(lags, pairs, strict=True):
        after = (h.item == b) & (h.t > of.first_days[h.person, a])
        np.minimum.at(lag, h.person[after], h.t[after] - of.first_days[h.person[after], a])
    return np.where(np.isinf(lags), np.nan, lags).T
