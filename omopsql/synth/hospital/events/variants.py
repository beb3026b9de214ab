"""The companions that a driver comes with: whole sets where enough persons stand behind them, else one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omopsql.udfs.life_tables import Variants

from ..plan import Items, Plan
from ..sums import Ints, Sums
from .first_round import AGES, YEAR
from .grammar import Grammar, pairs
from .second_round import companion_numbers
from .tables import NO_BINS, Bins, grouped

_FREE = -1  # companions are drawn one by one
_BY_AGE, _BY_YEAR = 2.0, 1.0  # persons by which a band is drawn to all bands
_UNTOLD = 5.0  # persons, where too few for a release stand in a cell
_SELDOM = 0.02  # of its usual rate, where an item is too rare in a band to be released
_DRAWN = 1.0  # persons by which a driver is drawn to where its item is wont to be
_RAKINGS = 12
_AGE_BANDS = len(AGES) + 1


def compiled_variants(released: Sums, plan: Plan, grammar: Grammar) -> Variants:
    """Turn released sets of companions into weights by band of age and calendar."""
    items = len(plan.items)
    meets = pairs(plan.margins, "events.sameday", plan.items, symmetric=True) > 0
    np.fill_diagonal(meets, True)
    bands = _Bands.of(plan)
    sets = _Sets(released, bands)
    total = np.zeros(items)
    keys, n = released.get("events.presence", 1)
    total[keys[:, 0]] = n
    member = np.zeros((len(grammar.companion), _AGE_BANDS))
    offsets, masks = np.zeros(items + 1, np.int64), [np.zeros(0, np.int64)]
    weights = [np.zeros((0, _AGE_BANDS * bands.years))]
    for x in range(items):
        companions = grammar.companions(x)
        rows = sets.of(x)
        left = max(total[x] - sets.n[rows].sum(), 0.0)
        share_left = left / max(total[x], 1.0)
        weight = sets.weights(x, rows, companions) * (1 - share_left)
        if left > 0:
            mine = slice(grammar.companions_of[x], grammar.companions_of[x + 1])
            member[mine] = sets.members(x, rows, companions, left)
            weight = np.vstack([weight, np.full(weight.shape[1], share_left)])
        masks.append(np.append(sets.mask[rows], [_FREE] * int(left > 0)))
        weights.append(np.cumsum(weight, 0))
        offsets[x + 1] = offsets[x] + len(weight)
    return Variants(
        offsets=offsets,
        mask=np.concatenate(masks).astype(np.int64),
        cumulative=np.concatenate(weights),
        member=member,
        kept=_kept(released, grammar, total),
        apart=_apart(meets, grammar),
        meets=meets,
        companions_of=grammar.companions_of,
        companion=grammar.companion,
        bit=companion_numbers(grammar, items),
        ages=AGES * YEAR,
        first_calendar=bands.first_year,
        calendars=bands.years,
    )


def untold(released: Sums, grammar: Grammar, min_cell: int) -> np.ndarray:
    """The largest chance of each companion that too few persons have with its driver to be released; 0 for others."""
    total = np.zeros(len(grammar.rank))
    keys, n = released.get("events.presence", 1)
    total[keys[:, 0]] = n
    chance = np.repeat((min_cell - 1) / np.maximum(total, min_cell), np.diff(grammar.companions_of))
    members, _ = released.get("events.member", 2)
    chance[grammar.companions_of[members[:, 0]] + members[:, 1]] = 0.0
    return chance


@dataclass(frozen=True)
class _Bands:
    """How much oftener than usual each item stands in a band of age (items, ages) and of years (items, years)."""

    first_year: int
    age: np.ndarray
    year: np.ndarray

    @property
    def years(self) -> int:
        return self.year.shape[1]

    @classmethod
    def of(cls, plan: Plan) -> _Bands:
        margins, items = plan.margins, plan.items
        years = margins.get("events.calendar", 3)[0][:, 2]
        first, last = int(years.min(initial=0)), int(years.max(initial=0))
        return cls(
            first,
            _relative(margins, "events.age", items, 0, _AGE_BANDS),
            _relative(margins, "events.calendar", items, first, last - first + 1),
        )


def _relative(margins: Sums, statistic: str, items: Items, first: int, bands: int) -> np.ndarray:
    """The share of each band among an item's days, over its share among all items' days."""
    table = np.zeros((len(items), bands))
    keys, n = margins.get(statistic, 3)
    table[items.find(keys[:, 0], keys[:, 1]), keys[:, 2] - first] = n
    overall = table.sum(0) / max(table.sum(), 1)
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    return np.asarray(np.where(table > 0, share / np.maximum(overall, 1e-9), _SELDOM))


class _Sets:
    """Released sets of companions: driver, mask, persons ``n``, and these by band."""

    def __init__(self, released: Sums, bands: _Bands) -> None:
        keys, self.n = released.get("events.variant", 2)
        self.mask = keys[:, 1]
        self._bands = bands
        items = len(bands.age)
        self._bounds = np.searchsorted(keys[:, 0], np.arange(items + 1))
        self._age = _Axis(released, "age", 0, bands.age)
        self._year = _Axis(released, "year", bands.first_year, bands.year)
        self._members = released.get("events.member", 2)
        self._member_bounds = np.searchsorted(self._members[0][:, 0], np.arange(items + 1))

    def of(self, x: int) -> Ints:
        """The sets of a driver."""
        return np.arange(self._bounds[x], self._bounds[x + 1])

    def weights(self, x: int, rows: Ints, companions: Ints) -> np.ndarray:
        """The shares of sets in each band of age and calendar (sets, ages * years), as if the two acted apart.

        They are raked so that each set keeps its share of all the driver's episodes.
        """
        if not len(rows):
            return np.zeros((0, _AGE_BANDS * self._bands.years))
        n, mask = self.n[rows].astype(float), self.mask[rows]
        share = n / n.sum()
        of_age = self._age.shares(x, mask, n, companions, _BY_AGE)
        of_year = self._year.shares(x, mask, n, companions, _BY_YEAR)
        weights = (of_age[:, :, None] * of_year[:, None, :] / share[:, None, None]).reshape(len(n), -1)
        mass = np.outer(self._age.mass(x), self._year.mass(x)).ravel()
        for _ in range(_RAKINGS):
            weights /= np.maximum(weights.sum(0), 1e-12)
            weights *= (share / np.maximum(weights @ mass, 1e-12))[:, None]
        return np.asarray(weights / np.maximum(weights.sum(0), 1e-12))

    def members(self, x: int, rows: Ints, companions: Ints, left: float) -> np.ndarray:
        """The chance of each companion by age (companions, ages) where the set is not released."""
        mine = slice(self._member_bounds[x], self._member_bounds[x + 1])
        of_bit = np.zeros(len(companions))
        of_bit[self._members[0][mine, 1]] = self._members[1][mine]
        told = ((self.mask[rows][:, None] >> np.arange(len(companions))[None, :]) & 1) * self.n[rows][:, None]
        chance = np.clip((of_bit - told.sum(0)) / left, 0, 1)
        usual = self._age.mass(x)
        lean = self._bands.age[companions]
        return np.asarray(np.clip(chance[:, None] * lean / np.maximum(lean @ usual, 1e-9)[:, None], 0, 1))


class _Axis:
    """One axis of bands: how drivers and their sets are spread over it."""

    def __init__(self, released: Sums, name: str, first: int, relative: np.ndarray) -> None:
        self._first, self._relative = first, relative
        self._of_set = grouped(*released.get(f"events.variant_{name}", 4), 2)
        self._of_driver = grouped(*released.get(f"events.moment_{name}", 3), 1)

    def mass(self, x: int) -> np.ndarray:
        """The share of a driver's episodes in each band."""
        usual = self._relative[x] + 1e-9
        spread = self._spread(self._of_driver.get((x,), NO_BINS), usual)
        spread += _DRAWN * usual / usual.sum()
        return np.asarray(spread / spread.sum())

    def shares(self, x: int, mask: Ints, n: np.ndarray, companions: Ints, drawn: float) -> np.ndarray:
        """The share of each set in each band (sets, bands); in a bin, a set lies where its companions are wont to."""
        holds = (mask[:, None] >> np.arange(len(companions))[None, :]) & 1
        lean = np.clip(holds @ np.log(self._relative[companions]), -12, 12)
        likely = self.mass(x)[None, :] * np.exp(lean)
        likely /= likely.sum(1, keepdims=True)
        counted = np.array(
            [self._spread(self._of_set.get((x, int(m)), NO_BINS), row) for m, row in zip(mask, likely, strict=True)]
        )
        counted += np.maximum(n - counted.sum(1), 0)[:, None] * likely
        prior = likely * (n / n.sum())[:, None]
        mixed = counted + drawn * prior / np.maximum(prior.sum(0), 1e-12)
        return np.asarray(mixed / np.maximum(mixed.sum(0), 1e-12))

    def _spread(self, bins: Bins, shape: np.ndarray) -> np.ndarray:
        """Persons of pooled bins, each bin's spread as ``shape`` is."""
        spread = np.zeros(len(shape))
        for low, high, n in zip(*bins, strict=True):
            inside = slice(max(int(low) - self._first, 0), max(int(high) - self._first + 1, 0))
            room = shape[inside].sum()
            if room > 0:
                spread[inside] += n * shape[inside] / room
        return spread


def _kept(released: Sums, grammar: Grammar, total: np.ndarray) -> np.ndarray:
    """The share of a driver's next episodes that take each companion over as it was, with it or without."""
    keys, n = released.get("events.kept", 3)
    members, with_member = released.get("events.member", 2)
    first = grammar.companions_of
    usual, again, gone = (np.zeros(len(grammar.companion)) for _ in range(3))
    usual[first[members[:, 0]] + members[:, 1]] = with_member / np.maximum(total[members[:, 0]], 1)
    place = first[keys[:, 0]] + keys[:, 1]
    again[place[keys[:, 2] == 1]] = n[keys[:, 2] == 1]
    gone[place[keys[:, 2] == 0]] = n[keys[:, 2] == 0]
    chance = again / np.maximum(again + np.where(gone > 0, gone, _UNTOLD), 1)
    return np.asarray(np.clip((chance - usual) / np.maximum(1 - usual, 1e-9), 0, 1))


def _apart(meets: np.ndarray, grammar: Grammar) -> Ints:
    """For each companion, the mask of those of the same driver that it never meets on a day."""
    apart = np.zeros(len(grammar.companion), np.int64)
    for x in range(len(meets)):
        companions = grammar.companions(x)
        first = grammar.companions_of[x]
        for place, row in enumerate(~meets[np.ix_(companions, companions)]):
            apart[first + place] = sum(1 << int(bit) for bit in np.flatnonzero(row))
    return apart
