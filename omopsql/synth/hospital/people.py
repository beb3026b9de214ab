"""The layer of people: sex, race, ethnicity, birth, observation and death.

A person is drawn in an order that suits claims, records of care and simulated lives alike: sex; race and ethnicity; the
first day of observation; the age on it; whether he died; the last day of observation, as a date or as a length,
whichever tells more; the days from there to death. Each is drawn given what came before, as finely as enough persons
allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

from omopsql.udfs.people import uniforms

from .counting import counted, put_quantity
from .histograms import PERSONS_A_RUNG, Histograms, Ladder, Lookup, band_of, bands, shares_of_classes
from .lives import Doubles, Int64s, People
from .plan import Plan
from .reading import Site
from .release import DROP, POOL, WHOLE, Rule
from .sums import Sums

_LAYER = 1
_PERSONS_A_CLASS = 150
_YEAR = 365
_MOST_STARTS, _MOST_AGES = 16, 8

RULES: dict[str, Rule] = {
    "people.sex": DROP,
    "people.origin": DROP,  # race, ethnicity
    "people.group": DROP,  # sex, race, ethnicity
    "people.start": POOL,  # first day of observation, since 1970-01-01
    "people.age": POOL,  # age on that day, in days
    "people.last": POOL,  # last day of observation, since 1970-01-01
    "people.birthday": POOL,  # day of the year
    "people.periods": POOL,  # observation periods of a person
    "people.lag": POOL,  # days from the last day of observation to death
    # of the second round; a class is a band of the first day and a band of the age on it
    "people.start.sex": POOL,
    "people.age.start": POOL,  # band of the first day
    "people.age.sex": POOL,  # band of the first day, sex
    "people.class": DROP,  # class, sex
    "people.dead": DROP,
    "people.dead.age": DROP,  # band of age
    "people.dead.class": DROP,  # class, sex
    "people.end": WHOLE,  # last day of observation, of the living or the dead
    "people.length": WHOLE,  # days from the first to it: survivors of many years are few, and count
}
_END, _LENGTH = (  # of: dead, band of the first day, band of the age, sex
    {
        f"people.{axis}.class.sex": (0, 1, 2, 3),
        f"people.{axis}.class": (0, 1, 2),
        f"people.{axis}.age.sex": (0, 2, 3),
        f"people.{axis}.sex": (0, 3),
        f"people.{axis}": (0,),
    }
    for axis in ("end", "length")
)
_CLASS_RUNG = 1
RULES |= dict.fromkeys((*_END, *_LENGTH), WHOLE)
_SMALL = ("people.birthday", "people.periods")
ROUNDED = [name for name, rule in RULES.items() if rule.kind == "pool" and name not in _SMALL]


def margins(site: Site) -> Sums:
    """Count what is there of each quantity alone. The first round."""
    people, sums = site.people, Sums()
    first = people.birth.astype(np.int64) + people.start
    sums.put("people.sex", *counted(people.sex))
    sums.put("people.origin", *counted(people.race, people.ethnicity))
    sums.put("people.group", *counted(people.sex, people.race, people.ethnicity))
    sums.put("people.start", *counted(first))
    sums.put("people.age", *counted(people.start))
    sums.put("people.last", *counted(people.birth + people.end))
    sums.put("people.birthday", *counted(_day_of_year(people.birth)))
    sums.put("people.periods", *counted(site.periods))
    dead = people.death >= 0
    sums.put("people.lag", *counted((people.death - people.end)[dead]))
    return sums


def sums(site: Site, plan: Plan) -> Sums:
    """Count each quantity given what came before it. The second round."""
    people, found = site.people, Sums()
    first = people.birth.astype(np.int64) + people.start
    era, stage = (band_of(value, edges) for value, edges in zip((first, people.start), _bands(plan), strict=True))
    sex, dead = people.sex, (people.death >= 0).astype(np.int64)
    found.put("people.start.sex", *counted(sex, first))
    found.put("people.age.start", *counted(era, people.start))
    found.put("people.age.sex", *counted(era, sex, people.start))
    found.put("people.class", *counted(era, stage, sex))
    gone = dead == 1
    found.put("people.dead", *counted(dead[gone]))
    found.put("people.dead.age", *counted(stage[gone]))
    found.put("people.dead.class", *counted(era[gone], stage[gone], sex[gone]))
    key = np.column_stack([dead, era, stage, sex])
    put_quantity(found, _END, key, people.birth + people.end)
    put_quantity(found, _LENGTH, key, people.end - people.start)
    return found


def _day_of_year(birth: np.ndarray) -> np.ndarray:
    days = birth.astype("datetime64[D]")
    return (days - days.astype("datetime64[Y]")).astype(np.int64) + 1


def _bands(plan: Plan) -> tuple[Int64s, Int64s]:
    """Where the bands of the first day of observation, and of the age on it, begin.

    What one axis leaves of the classes that there may be, for lack of values, the other takes.
    """
    start, age = (Histograms.of(plan.margins, name, 0) for name in ("people.start", "people.age"))
    classes = max(int(start.n.sum()) // _PERSONS_A_CLASS, 1)
    stages = _apart(bands(age, min(isqrt(classes), _MOST_AGES)))
    eras = bands(start, min(classes // (len(stages) + 1), _MOST_STARTS))
    return eras, _apart(bands(age, min(classes // (len(eras) + 1), _MOST_AGES)))


def _apart(ages: Int64s) -> Int64s:
    """Ages that bands begin at, a year or more apart: the first days of life are one age."""
    return ages[np.diff(ages, prepend=0) >= _YEAR]


@dataclass(frozen=True)
class PeopleModel:
    """Arrays to draw people from. ``eras`` and ``stages`` are where the bands of the first day and age begin."""

    groups: Int64s  # (groups, 3): sex, race, ethnicity
    group_ends: Doubles  # cumulative shares of the groups
    eras: Int64s
    stages: Int64s
    start: Ladder
    age: Ladder
    classes: Int64s  # (classes, 3): band of the first day, band of the age, sex
    dead: Doubles  # the share of each class that died
    dead_elsewhere: float
    end: Ladder
    length: Ladder
    is_end_a_date: tuple[bool, bool]  # of the living, of the dead
    lag: Ladder
    birthdays: Int64s  # days of the year that stand for an unknown one
    birthday_ends: Doubles  # their cumulative shares; the last is below 1 where other days occur
    last: int  # the last day that anyone was observed on


def compiled(released: Sums, plan: Plan) -> PeopleModel:
    """Arrange what was released for drawing."""
    least = PERSONS_A_RUNG * plan.min_cell
    groups, group_ends = _groups(released)
    eras, stages = _bands(plan)
    classes, dead, dead_elsewhere = _deaths(released)
    end, length = (Ladder.of(released, rungs, least) for rungs in (_END, _LENGTH))
    birthdays, birthday_ends = _birthdays(Histograms.of(released, "people.birthday", 0))
    return PeopleModel(
        groups=groups,
        group_ends=group_ends,
        eras=eras,
        stages=stages,
        start=Ladder.of(released, {"people.start.sex": (0,), "people.start": ()}, 1),
        age=Ladder.of(released, {"people.age.sex": (0, 1), "people.age.start": (0,), "people.age": ()}, least),
        classes=classes,
        dead=dead,
        dead_elsewhere=dead_elsewhere,
        end=end,
        length=length,
        is_end_a_date=(_tells_more(end, length, 0), _tells_more(end, length, 1)),
        lag=Ladder.of(released, {"people.lag": ()}, 1),
        birthdays=birthdays,
        birthday_ends=birthday_ends,
        last=int(Histograms.of(released, "people.last", 0).high.max(initial=0)),
    )


def _tells_more(end: Ladder, length: Ladder, dead: int) -> bool:
    """Whether dates say more about the ends of the living (0) or the dead (1) than lengths do."""
    of_class = [ladder.rungs[_CLASS_RUNG].only(0, dead) for ladder in (end, length)]
    return of_class[0].spread <= of_class[1].spread


def _groups(released: Sums) -> tuple[Int64s, Doubles]:
    """The groups of sex, race and ethnicity, and their cumulative shares.

    Persons of a sex whose group is too small to be released are spread over the origins that lack persons.
    """
    (sexes, of_sex), (origins, of_origin) = released.get("people.sex", 1), released.get("people.origin", 2)
    sexes, of_sex = (sexes, of_sex) if len(sexes) else (np.zeros((1, 1), np.int64), np.ones(1, np.int64))
    origins, of_origin = (origins, of_origin) if len(origins) else (np.zeros((1, 2), np.int64), np.ones(1, np.int64))
    shares = np.zeros((len(sexes), len(origins)))
    for (sex, *origin), n in zip(*(column.tolist() for column in released.get("people.group", 3)), strict=True):
        shares[sexes[:, 0] == sex, (origins == origin).all(axis=1)] = n
    lacking = np.maximum(of_origin - shares.sum(axis=0), 0) + _TRACE * of_origin
    shares += np.maximum(of_sex - shares.sum(axis=1), 0)[:, None] * (lacking / lacking.sum())
    groups = np.column_stack([np.repeat(sexes, len(origins), axis=0), np.tile(origins, (len(sexes), 1))])
    ends = np.cumsum(shares.reshape(-1))
    return groups, ends / ends[-1]


_TRACE = 1e-9


def _deaths(released: Sums) -> tuple[Int64s, Doubles, float]:
    """The classes, the share of each that died, and that of all persons.

    Deaths that are too few in a class to be released are those that its band of age leaves, or else all deaths leave.
    """
    classes = released.get("people.class", 3)
    deaths, everyone = released.get("people.dead", 1)[1].sum(), released.get("people.start", 2)[1].sum()
    of_class, of_age = released.get("people.dead.class", 3), released.get("people.dead.age", 1)
    share = shares_of_classes(classes, of_class, of_age, 1, float(deaths))
    return classes[0], share, float(deaths / max(everyone, 1))


def _birthdays(histogram: Histograms) -> tuple[Int64s, Doubles]:
    """Days of the year with many more births than a day can have: they stand for unknown ones."""
    total = histogram.n.sum()
    is_heap = (histogram.low == histogram.high) & (histogram.n > _HEAP * total)
    return histogram.low[is_heap], np.cumsum(histogram.n[is_heap] / max(total, 1))


_HEAP = 0.05
_DRAWS = 11


def generate(model: PeopleModel, seed: int, numbers: Int64s) -> People:
    """Make the persons of these numbers."""
    u = uniforms(seed, numbers, _LAYER, _DRAWS)
    sex, race, ethnicity = model.groups[np.searchsorted(model.group_ends, u[:, 0], side="right")].T
    first = np.minimum(model.start.draw(sex[:, None], u[:, 1:3]), model.last)
    era = band_of(first, model.eras)
    age = model.age.draw(np.column_stack([era, sex]), u[:, 3:5])
    stage = band_of(age, model.stages)
    dead = u[:, 5] < _share_dead(model, np.column_stack([era, stage, sex]))
    key = np.column_stack([dead.astype(np.int64), era, stage, sex])
    is_date = np.where(dead, model.is_end_a_date[1], model.is_end_a_date[0])
    last = first + model.length.draw(key, u[:, 6:8])
    last[is_date] = model.end.draw(key[is_date], u[is_date, 6:8], first[is_date])
    last = np.clip(last, first, model.last)
    birth = _on_birthday(model, first - age, first, u[:, 8])
    end = last - birth
    lag = model.lag.draw(key, u[:, 9:11])
    return People(
        sex=sex.copy(),
        race=race.copy(),
        ethnicity=ethnicity.copy(),
        birth=birth.astype(np.int32),
        start=(first - birth).astype(np.int32),
        end=end.astype(np.int32),
        death=np.where(dead, end + lag, -1).astype(np.int32),
    )


def _share_dead(model: PeopleModel, key: Int64s) -> Doubles:
    """The share of a person's class that died; that of all persons where the class is too small to be released."""
    at = Lookup.of(model.classes).find(key, np.arange(len(model.classes)))
    return np.append(model.dead, model.dead_elsewhere)[at]


def _on_birthday(model: PeopleModel, birth: Int64s, first: Int64s, u: Doubles) -> Int64s:
    """Move births to the day of the year that stands for an unknown one, as often as in the source."""
    moved = np.searchsorted(model.birthday_ends, u, side="right")
    is_moved = moved < len(model.birthdays)
    year = birth[is_moved].astype("datetime64[D]").astype("datetime64[Y]")
    day = model.birthdays[moved[is_moved]] - 1
    same_year = year.astype("datetime64[D]").astype(np.int64) + day
    year_before = (year - 1).astype("datetime64[D]").astype(np.int64) + day
    on = birth.copy()
    on[is_moved] = np.where(same_year <= first[is_moved], same_year, year_before)
    return on
