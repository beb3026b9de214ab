"""What is counted of events once their structure is decided: presence, numbers, times, company and order of drivers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omopsql.udfs.company import pairs_of_persons, triples_of_persons
from omopsql.udfs.episodes import parsed
from omopsql.udfs.lags import lags_before

from ..counting import Ints, counted
from ..lives import Events, People
from ..release import DROP, POOL
from ..sums import Sums
from .first_round import YEAR, age_band, calendar_band, lustrum_of_birth, visits_of
from .grammar import MOST_COMPANIONS, Grammar
from .series import Series
from .streams import count_streams
from .structure import Structure

MOST_TIMES = 250
LONGEST_LAG = 1095  # days
AGAIN = np.array([14, 45, 90, 180, 270, 365, 1095])  # days between two of the same; the last is for comparison
CLASSES = np.array([2, 4, 10])  # once, twice to thrice, four to nine times, oftener
ALL = -1  # of the classes

RULES = {
    "events.persons": DROP,  # sex, band of years observed, band of birth
    "events.persons_years": DROP,  # sex, band of years observed
    "events.persons_born": DROP,  # sex, band of birth
    "events.presence": DROP,  # driver
    "events.presence_sex": DROP,  # driver, sex
    "events.presence_years": DROP,  # driver, sex, band of years observed
    "events.presence_born": DROP,  # driver, sex, band of birth
    "events.presence_outcome": POOL,  # driver, died (0, 1), band of years observed
    "events.often": DROP,  # driver (had often)
    "events.often_years": DROP,  # driver (had often), sex, band of years observed
    "events.times": POOL,  # driver, times
    "events.times_band": POOL,  # driver, wide band of years observed (of visits, where these lead), times
    "events.birth": POOL,  # driver, class of times, days from birth
    "events.start": POOL,  # driver, class of times, days from the start of observation
    "events.end": POOL,  # driver, class of times, days to the end of observation
    "events.left": POOL,  # driver with a rhythm, class of times, days from the last to the end of observation
    "events.from": POOL,  # driver, class of times, age at the start of observation
    "events.until": POOL,  # driver, class of times, age at its end
    "events.span": POOL,  # driver, class of times, years of observation
    "events.rhythm": POOL,  # driver, class of times, days between two neighbours
    "events.again": DROP,  # driver, band of days between any two
    "events.variant": DROP,  # driver, companions
    "events.variant_age": POOL,  # driver, companions, band of age
    "events.variant_year": POOL,  # driver, companions, calendar band
    "events.moment_age": POOL,  # driver, band of age
    "events.moment_year": POOL,  # driver, calendar band
    "events.member": DROP,  # driver, companion's number
    "events.kept": DROP,  # driver, companion's number, whether it comes with the next episode again (0, 1)
    "events.both": DROP,  # two drivers that a person has
    "events.both_often": DROP,  # two drivers that a person has often
    "events.three": DROP,  # driver, number of the pair that the person has as well
    "events.lag": POOL,  # child, parent, days from the nearest parent before it
}


@dataclass(frozen=True)
class Parsed:
    """The episodes of persons: driver, day and companions."""

    offsets: Ints
    driver: np.ndarray
    day: np.ndarray
    mask: np.ndarray

    @classmethod
    def of(cls, events: Events, grammar: Grammar) -> Parsed:
        """Parse the days of persons."""
        arrays = (grammar.rank, grammar.drivers_of, grammar.driver, grammar.bit)
        return cls(*parsed(events.offsets, events.item, events.day, *arrays))


@dataclass(frozen=True)
class Strata:
    """The bands that persons fall into."""

    sex: Ints
    years: Ints
    wide_years: Ints
    born: Ints

    @classmethod
    def of(cls, people: People, structure: Structure) -> Strata:
        """Place persons into the bands of a structure; an unknown sex counts as the most frequent."""
        years = ((people.end - people.start) / YEAR).astype(np.int64)
        sex = np.searchsorted(structure.sexes, people.sex)
        sex = np.minimum(sex, len(structure.sexes) - 1)
        sex = np.where(structure.sexes[sex] == people.sex, sex, 0)
        died = (people.death >= 0) & structure.tells_death
        return cls(
            sex.astype(np.int64),
            np.searchsorted(structure.years, years, "right") + died * (len(structure.years) + 1),
            np.searchsorted(structure.wide_years, years, "right"),
            np.searchsorted(structure.born, lustrum_of_birth(people), "right"),
        )


def second_round(people: People, events: Events, structure: Structure) -> Sums:
    """Count the second round of a site: see RULES for the statistics and their keys."""
    sums = Sums()
    episodes = Parsed.of(events, structure.grammar)
    series = Series.of(episodes.offsets, episodes.driver, episodes.day)
    strata = Strata.of(people, structure)
    visits = np.searchsorted(structure.visits, visits_of(events, structure.leads), "right")
    _put_presence(sums, series, strata, visits, structure)
    _put_times(sums, people, series, structure)
    _put_variants(sums, people, episodes, series)
    _put_pairs(sums, series, structure)
    _put_lags(sums, episodes, series, structure)
    count_streams(sums, people, strata.born, episodes, structure)
    return sums


def _put_presence(sums: Sums, series: Series, strata: Strata, visits: Ints, structure: Structure) -> None:
    sums.put("events.persons", *counted(strata.sex, strata.years, strata.born))
    sums.put("events.persons_years", *counted(strata.sex, strata.years))
    sums.put("events.persons_born", *counted(strata.sex, strata.born))
    item, person = series.item, series.person
    sex, years, born = strata.sex[person], strata.years[person], strata.born[person]
    sums.put("events.presence", *counted(item))
    sums.put("events.presence_sex", *counted(item, sex))
    sums.put("events.presence_years", *counted(item, sex, years))
    sums.put("events.presence_born", *counted(item, sex, born))
    if structure.tells_death:
        sums.put("events.presence_outcome", *counted(item, *np.divmod(years, len(structure.years) + 1)))
    often = (series.count > structure.cut[item]) & (structure.cut[item] > 0)
    sums.put("events.often", *counted(item[often]))
    sums.put("events.often_years", *counted(item[often], sex[often], years[often]))
    times = np.minimum(series.count, MOST_TIMES)
    sums.put("events.times", *counted(item, times))
    follows = structure.leads.any() & ~structure.leads[item]
    band = np.where(follows, visits[person], strata.wide_years[person])
    sums.put("events.times_band", *counted(item, band, times))


def _put_times(sums: Sums, people: People, series: Series, structure: Structure) -> None:
    """Count when drivers occur: of those with a rhythm the first day, of the others any one.

    Those with a rhythm are counted by class of times, and once more over all classes.
    """
    regular = structure.is_regular[series.item]
    classes = np.where(regular, np.searchsorted(CLASSES, series.count, "right"), ALL)
    _put_days(sums, people, series, np.where(regular, series.first, series.day[series.some]), classes)
    for taken in (classes, np.full_like(classes, ALL)):
        left = people.end[series.person[regular]].astype(np.int64) - series.last[regular]
        sums.put("events.left", *counted(series.item[regular], taken[regular], left))
    entries, gap = series.gaps()
    again = entries[regular[entries]]
    for taken in (classes[entries], np.full(len(entries), ALL)):
        kept = regular[entries]
        sums.put("events.rhythm", *counted(series.item[again], taken[kept], gap[kept]))
    entries, distance = series.distances()
    sums.put("events.again", *counted(series.item[entries], np.searchsorted(AGAIN, distance)))


def _put_days(sums: Sums, people: People, series: Series, day: Ints, classes: Ints) -> None:
    start, end = people.start[series.person].astype(np.int64), people.end[series.person].astype(np.int64)
    for taken, kept in ((classes, classes != ALL), (np.full_like(classes, ALL), np.ones(len(classes), bool))):
        key = (series.item[kept], taken[kept])
        sums.put("events.birth", *counted(*key, day[kept]))
        sums.put("events.start", *counted(*key, (day - start)[kept]))
        sums.put("events.end", *counted(*key, (end - day)[kept]))
        sums.put("events.from", *counted(*key, (start[kept] / YEAR).astype(np.int64)))
        sums.put("events.until", *counted(*key, (end[kept] / YEAR).astype(np.int64)))
        sums.put("events.span", *counted(*key, ((end - start)[kept] / YEAR).astype(np.int64)))


def _put_variants(sums: Sums, people: People, episodes: Parsed, series: Series) -> None:
    some = series.source[series.some]
    item, mask, day = series.item, episodes.mask[some].view(np.int64), series.day[series.some]
    sums.put("events.variant", *counted(item, mask))
    age, year = age_band(day), calendar_band(people.birth[series.person], day)
    sums.put("events.variant_age", *counted(item, mask, age))
    sums.put("events.variant_year", *counted(item, mask, year))
    sums.put("events.moment_age", *counted(item, age))
    sums.put("events.moment_year", *counted(item, year))
    entry, bit = np.nonzero(_bits(mask))
    sums.put("events.member", *counted(item[entry], bit))
    entries, at = series.neighbours()
    now, after = (_bits(episodes.mask[series.source[place]].view(np.int64)) for place in (at, at + 1))
    entry, bit = np.nonzero(now)
    sums.put("events.kept", *counted(item[entries[entry]], bit, after[entry, bit]))


def _bits(mask: Ints) -> Ints:
    """The companions of masks, one column each."""
    return (mask[:, None] >> np.arange(MOST_COMPANIONS)[None, :]) & 1


def _put_pairs(sums: Sums, series: Series, structure: Structure) -> None:
    items = len(structure.cut)
    both = pairs_of_persons(series.offsets, series.item, items)
    sums.put("events.both", *_pairs(np.triu(both, 1)))
    often = series.count > structure.cut[series.item]
    before = np.concatenate([[0], np.cumsum(often)])
    met = np.triu(pairs_of_persons(before[series.offsets], series.item[often], items), 1)
    met[np.ix_(structure.cut == 0, structure.cut == 0)] = 0  # told by the drivers that a person has
    sums.put("events.both_often", *_pairs(met))
    three = triples_of_persons(series.offsets, series.item, structure.first, structure.second, items)
    sums.put("events.three", *_pairs(three))


def _pairs(met: np.ndarray) -> tuple[Ints, Ints]:
    first, second = np.nonzero(met)
    return np.column_stack([first, second]), met[first, second].astype(np.int64)


def _put_lags(sums: Sums, episodes: Parsed, series: Series, structure: Structure) -> None:
    """Count the lags from the nearest parent to the first day of drivers with a rhythm, to any one of the others."""
    anchor = np.where(structure.is_regular[series.item], series.start, series.some)
    bit = companion_numbers(structure.grammar, len(structure.cut))
    mask = episodes.mask[series.source]
    arrays = (series.offsets, series.item, series.start, series.count, series.day, mask, anchor)
    sums.put("events.lag", *counted(*lags_before(*arrays, bit, LONGEST_LAG)))


def companion_numbers(grammar: Grammar, items: int) -> np.ndarray:
    """The number of each companion (column) of each driver (row), -1 where it is none."""
    bit = np.full((items, items), -1, np.int8)
    driver = np.repeat(np.arange(items), np.diff(grammar.companions_of))
    first = np.repeat(grammar.companions_of[:-1], np.diff(grammar.companions_of))
    bit[driver, grammar.companion] = np.arange(len(driver)) - first
    return bit
