"""The layer of observation periods: how many a person has, and how long the gaps between them are, and where.

Who has several is drawn by sex, age and the days from the first to the last; then how many; then each gap's length;
then where in the observed time it lies. What befalls people is made on days of observation (see ``lives.Periods``), so
a gap moves it, and takes nothing away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omopsql.udfs.people import uniforms

from .counting import chosen, counted, put_quantity
from .histograms import PERSONS_A_RUNG, Ladder, Lookup, band_of, shares_of_classes
from .lives import Doubles, Int64s, People, Periods
from .plan import Plan
from .reading import Site
from .release import DROP, POOL, Rule
from .sums import Sums

_LAYER = 3
_GAPS_LAYER = 32  # and those after it: one for each attempt
_ATTEMPTS = 8
_YEAR = 365
_AGES = np.array([18, 40, 65], np.int64) * _YEAR  # bounds of bands of age
_SPANS = np.array([1, 2, 4, 8, 16], np.int64) * _YEAR  # bounds of bands of days from the first to the last
_CLASSES = np.array([3, 4], np.int64)  # two periods, three, more
_MOST = 50  # periods
_PLACES = 1000  # parts of the observed time

# periods of those who have two or more, of: band of days from the first to the last
_NUMBER = {"periods.number.span": (0,), "periods.number": ()}
# days of the one gap that represents the person, of: class of periods, band of days from the first to the last
_GAP = {"periods.gap.span": (0, 1), "periods.gap.number": (0,), "periods.gap": ()}
# thousandths of the observed time before that gap, of: class of periods
_PLACE = {"periods.place.number": (0,), "periods.place": ()}

RULES: dict[str, Rule] = {
    "periods.several": DROP,  # have two or more
    # of the second round
    "periods.class": DROP,  # band of days from the first to the last, band of age, sex
    "periods.several.span": DROP,  # band of days from the first to the last: have two or more
    "periods.several.class": DROP,  # the same, band of age, sex: have two or more
    **dict.fromkeys((*_NUMBER, *_GAP, *_PLACE), POOL),
}
ROUNDED = [*_GAP]


def margins(site: Site) -> Sums:
    """Count who has several periods. The first round."""
    several, found = _several(site.observed), Sums()
    found.put("periods.several", *counted(several[several].astype(np.int64)))
    return found


def sums(site: Site, plan: Plan) -> Sums:
    """Count how many periods people have, and the gaps between them, if enough have any. The second round."""
    found, observed = Sums(), site.observed
    if not len(plan.margins.get("periods.several", 1)[1]):
        return found
    several = _several(observed)
    key = _key(site.people)
    found.put("periods.class", *counted(*key.T))
    found.put("periods.several.span", *counted(key[several, 0]))
    found.put("periods.several.class", *counted(*key[several].T))
    span, number = key[several, 0], np.minimum(_numbers(observed)[several], _MOST)
    put_quantity(found, _NUMBER, span[:, None], number)
    gap, place = _representing(site.people, observed, np.flatnonzero(several))
    of_number = band_of(number, _CLASSES)
    put_quantity(found, _GAP, np.column_stack([of_number, span]), gap)
    put_quantity(found, _PLACE, of_number[:, None], place)
    return found


def _numbers(observed: Periods) -> Int64s:
    return np.diff(observed.offsets)


def _several(observed: Periods) -> np.ndarray:
    return _numbers(observed) > 1


def _key(people: People) -> Int64s:
    """What decides on the periods of each person: bands of the days from the first to the last, and of age; sex."""
    return np.column_stack([band_of(people.end - people.start, _SPANS), band_of(people.start, _AGES), people.sex])


def _representing(people: People, observed: Periods, person: Int64s) -> tuple[Int64s, Int64s]:
    """The length of one gap of each of these persons, chosen by a hash, and the part of the observed time before it."""
    first, number = observed.offsets[person], _numbers(observed)[person]
    spans = (people.birth[person], people.start[person], people.end[person])
    after = first + chosen(number - 1, *spans, number) + 1
    gap = observed.start[after].astype(np.int64) - observed.end[after - 1] - 1
    days = np.append(0, np.cumsum(observed.end.astype(np.int64) - observed.start + 1))
    of_person = days[observed.offsets[person + 1]] - days[first]
    return gap, (days[after] - days[first]) * _PLACES // of_person


@dataclass(frozen=True)
class PeriodModel:
    """Arrays to draw periods from. ``classes`` are bands of days from the first to the last, bands of age, and sex."""

    has_gaps: bool
    classes: Int64s
    several: Doubles  # the share of each class that has several periods
    several_elsewhere: float
    number: Ladder  # given the band of days from the first to the last
    gap: Ladder  # given the class of periods, and that band
    place: Ladder  # given the class of periods


def compiled(released: Sums, plan: Plan) -> PeriodModel:
    """Arrange what was released for drawing. A model without these statistics gives each person one period."""
    least = PERSONS_A_RUNG * plan.min_cell
    classes, several, elsewhere = _shares(released)
    return PeriodModel(
        has_gaps=bool(len(released.get("periods.gap", 2)[1])),
        classes=classes,
        several=several,
        several_elsewhere=elsewhere,
        number=Ladder.of(released, _NUMBER, least),
        gap=Ladder.of(released, _GAP, least),
        place=Ladder.of(released, _PLACE, least),
    )


def _shares(released: Sums) -> tuple[Int64s, Doubles, float]:
    """The classes of people, the share of each that has several periods, and that of all.

    Persons with several that are too few in a class to be released are those that its band of days leaves, or else
    all such persons leave.
    """
    classes, persons = released.get("periods.class", 3)
    several = float(released.get("periods.several", 1)[1].sum())
    of_class, of_span = released.get("periods.several.class", 3), released.get("periods.several.span", 1)
    share = shares_of_classes((classes, persons), of_class, of_span, 0, several)
    return classes, share, min(several / max(float(persons.sum()), 1.0), 1.0)


def generate(model: PeriodModel, people: People, seed: int, numbers: Int64s) -> Periods:
    """Make the observation periods of synthetic people: a pure function of the model, the seed and their numbers."""
    if not model.has_gaps:
        return Periods.whole(people)
    u, key = uniforms(seed, numbers, _LAYER, 3), _key(people)
    length = people.end.astype(np.int64) - people.start + 1
    of_class = Lookup.of(model.classes).find(key, np.arange(len(model.classes)))
    share = np.append(model.several, model.several_elsewhere)[of_class]
    several = np.flatnonzero((u[:, 0] < share) & (length > 2))
    span = key[several, 0]
    drawn = model.number.draw(span[:, None], u[several, 1:3])
    number = np.ones(len(people), np.int64)
    number[several] = np.clip(drawn, 2, np.minimum((length[several] + 1) // 2, _MOST))
    gaps = _gaps(model, seed, numbers[several], number[several], span, length[several])
    return _laid(people, number, several, *gaps)


def _gaps(
    model: PeriodModel, seed: int, numbers: Int64s, number: Int64s, span: Int64s, length: Int64s
) -> tuple[Int64s, Int64s]:
    """The lengths of the gaps of people with several periods (persons, gaps), and the observed days before each.

    Gaps that leave less than a day for each period are drawn again, and at last shortened.
    """
    width = int(number.max(initial=2)) - 1
    is_gap = np.arange(width) < (number - 1)[:, None]
    key = np.column_stack([band_of(number, _CLASSES), span]).repeat(width, axis=0)
    gap, waiting = np.zeros((len(number), width), np.int64), np.arange(len(number))
    most = length - number
    for attempt in range(_ATTEMPTS):
        u = uniforms(seed, numbers[waiting], _GAPS_LAYER + attempt, 2 * (_MOST - 1))[:, : 2 * width].reshape(-1, 2)
        of_waiting = (waiting[:, None] * width + np.arange(width)).reshape(-1)
        gap[waiting] = np.maximum(model.gap.draw(key[of_waiting], u), 0).reshape(-1, width) * is_gap[waiting]
        waiting = waiting[gap[waiting].sum(axis=1) > most[waiting]]
    total = gap.sum(axis=1)
    gap = np.where((total > most)[:, None], gap * most[:, None] // np.maximum(total, 1)[:, None], gap)
    u = uniforms(seed, numbers, _GAPS_LAYER + _ATTEMPTS, 3 * (_MOST - 1))[:, : 3 * width].reshape(-1, 3)
    place = model.place.draw(key, u[:, :2]) + u[:, 2]
    observed = length - gap.sum(axis=1)
    before = (place.reshape(-1, width) / _PLACES * observed[:, None]).astype(np.int64)
    before = np.sort(np.where(is_gap, before, np.iinfo(np.int64).max), axis=1)
    earliest = np.arange(1, width + 1)
    before = np.maximum.accumulate(np.where(is_gap, before - earliest, 0).clip(0), axis=1) + earliest
    return gap, np.minimum(before, (observed - number)[:, None] + earliest)


def _laid(people: People, number: Int64s, several: Int64s, gap: Int64s, before: Int64s) -> Periods:
    """Lay the gaps into the time from the first day to the last."""
    offsets = np.concatenate([[0], np.cumsum(number)]).astype(np.int64)
    start, end = np.repeat(people.start, number), np.repeat(people.end, number)
    row, column = np.nonzero(np.arange(gap.shape[1]) < (number[several] - 1)[:, None])
    at = offsets[several][row] + column
    day = people.start[several][row] + before[row, column] + np.cumsum(gap, axis=1)[row, column]
    start[at + 1] = day
    end[at] = day - gap[row, column] - 1
    return Periods(offsets, start, end)
