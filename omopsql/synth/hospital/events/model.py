"""The model of events: released sums as arrays to generate from, calibrated so that chances come out as counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri

from omopsql.udfs import life, life_tables
from omopsql.udfs.latents import latents
from omopsql.udfs.life_streams import state_hashes

from ..lives import Events, Int64s, People
from ..plan import Plan
from ..sums import Ints, Sums
from ..visits.statistics import LINK, VISIT
from . import presence as p
from .grammar import pairs
from .second_round import AGAIN, MOST_TIMES
from .second_round import Strata as PersonStrata
from .streams import compiled_streams
from .structure import Structure, exclusive
from .tables import Bins, BinTable, grouped
from .timing import compiled_timing
from .triggers import Triggers, compiled_triggers
from .variants import compiled_variants

_IMAGINED = 20_000  # persons by which chances are calibrated
_CELLS = 8_000_000  # latents of them that are held at once
_QUANTILES = 21
_SMOOTHED = 8.0  # persons by which the numbers of a band are drawn to those of all
_SURELY = 1.5  # times as many persons expected with two items whatever their cohorts
_DISJOINT = 1.0  # if then fewer persons are expected by cohort, none released means never
_FEW = 0.7  # of min_cell: so many persons have two items of which none are released, at most
_FARTHER = 3  # times the largest number in a bin: beyond it nobody stands
_EVEN = 1e-3  # a person's share, so that no number of times is impossible
# Of the persons with two rhythms so many must meet, or they are held to have nothing to do with each other.
_IN_PHASE = 0.3
_FEWEST = 20  # imagined persons that a state must have to be calibrated
_NONE, _RARE = 9.0, 0.5  # shifts of a state in which nobody, or too few to tell, have the item


@dataclass(frozen=True)
class EventModel:
    """What ``udfs.life`` generates from, and how persons fall into strata."""

    structure: Structure
    cohorts: int
    years: int
    streams: life_tables.Streams
    variants: life_tables.Variants
    presence: life_tables.Presence
    times: life_tables.Times
    shares: np.ndarray  # of the persons of each row of strata, with each driver (rows, items), as counted

    def generate(self, people: People, seed: int, numbers: Int64s) -> Events:
        """Make the events of synthetic people: a pure function of the model, the seed and their numbers."""
        return Events.generated(*life.lives(self.tables, seed, self._people(people, numbers)))

    def persons_with(self, people: People, seed: int, numbers: Int64s) -> tuple[Ints, Ints]:
        """Count the persons of each row of strata with each item as a driver, and at all: two tables (items, rows)."""
        rows = len(self.structure.sexes) * self.years
        return life.persons_with(self.tables, seed, self._people(people, numbers), self.row_of(people), rows)

    def row_of(self, people: People) -> Ints:
        """The row of strata of each person: sex, death and years observed."""
        strata = PersonStrata.of(people, self.structure)
        return np.asarray(strata.sex * self.years + strata.years, np.int64)

    @property
    def tables(self) -> life_tables.Tables:
        """What ``udfs.life`` reads."""
        return life_tables.Tables(self.streams, self.variants, self.presence, self.times)

    def _people(self, people: People, numbers: Int64s) -> life_tables.People:
        strata = PersonStrata.of(people, self.structure)
        cells = len(self.structure.sexes) * self.cohorts
        return life_tables.People(
            number=np.asarray(numbers, np.int64),
            cell=self.row_of(people) * cells + strata.sex * self.cohorts + strata.born,
            band=strata.wide_years,
            born=strata.born,
            birth=people.birth.astype(np.int64),
            first_day=people.start.astype(np.int64),
            last_day=people.end.astype(np.int64),
        )


def compiled(released: Sums, plan: Plan) -> EventModel:
    """Turn released sums into a model: a pure function of them."""
    structure = Structure.decided(plan)
    items = len(plan.items)
    strata = p.Strata.of(released, structure)
    n = np.zeros(items, np.int64)
    keys, counts = released.get("events.presence", 1)
    n[keys[:, 0]] = counts
    persons = int(released.get("events.sex", 1)[1].sum())
    alone = (n > 0) & (structure.stream < 0)
    leads = structure.leads
    both = p.matrix(released, "events.both", items)
    triggers = compiled_triggers(released, structure, n, both, alone & ~leads, (n > 0) & ~leads)
    chances = p.chances(released, structure, strata, items, plan.min_cell)
    apart = _Apart.of(plan)
    both = np.where(both > 0, both, apart.few)
    loaded = p.loadings(released, structure, strata, chances, alone, both)
    tree = p.tree(released, structure, n, persons, triggers.order, alone, leads, both)
    order = _order(triggers, tree, alone, leads)
    threshold = -ndtri(np.clip(chances, 1e-12, 1 - 1e-12)).reshape(strata.persons.size, items)
    own = np.sqrt(np.maximum(1 - (loaded**2).sum(1), 0))
    weights = (strata.persons / max(strata.persons.sum(), 1)).ravel()
    shift, quantiles = _calibrated(threshold, weights, loaded, own, tree, order)
    timing = compiled_timing(released, structure, items)
    visited = _visited(released, plan, structure)
    host, hosted = _hosts(plan, structure, order)
    return EventModel(
        structure=structure,
        cohorts=strata.cohorts,
        years=strata.years,
        streams=_streams(released, structure, plan.min_cell),
        variants=compiled_variants(released, plan, structure.grammar),
        presence=life_tables.Presence(
            order=order,
            threshold=np.ascontiguousarray(threshold),
            loadings=np.ascontiguousarray(loaded.T),
            own=own,
            first=tree.first,
            second=tree.second,
            shift=shift,
            quantiles=quantiles,
            times=_times(released, structure, n),
            **apart.tables(),
        ),
        times=life_tables.Times(
            is_regular=structure.is_regular,
            axis=timing.axis,
            when=_bins(timing.when),
            gaps=_bins(timing.gaps),
            again=timing.again,
            again_bounds=AGAIN[:-1],
            trigger=triggers.parent,
            chance=triggers.chance,
            lags=_bins(triggers.lags),
            leads=leads,
            visited=visited,
            on_visit=visited.sum(1),
            bands_of_visits=structure.visits,
            host=host,
            hosted=hosted,
        ),
        shares=p.shares_of_rows(strata, chances),
    )


def _visited(released: Sums, plan: Plan, structure: Structure) -> np.ndarray:
    """The share of each item's days (rows) that are visits of a kind (columns), where visits lead.

    It is that of its records which are linked to them, where this is known.
    """
    keys, n = released.get(LINK, 3)
    if not structure.leads.any() or not len(n):
        return structure.visited
    item = plan.items.find(keys[:, 0], keys[:, 1])
    kind = plan.items.find(np.full(len(keys), VISIT), keys[:, 2])
    known, linked = item >= 0, (item >= 0) & (kind >= 0)
    told, share = np.zeros(len(plan.items)), np.zeros(structure.visited.shape)
    np.add.at(told, item[known], n[known])
    np.add.at(share, (item[linked], kind[linked]), n[linked])
    return np.where((told > 0)[:, None], share / np.maximum(told, 1)[:, None], structure.visited)


def _bins(table: BinTable) -> life_tables.Bins:
    return life_tables.Bins(table.offsets, table.low, table.high, table.cumulative)


def _streams(released: Sums, structure: Structure, min_cell: int) -> life_tables.Streams:
    tables = compiled_streams(released, structure, min_cell)
    hashes = state_hashes(tables.states)
    order = np.argsort(hashes)
    lengths = np.diff(tables.offsets)[order]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    taken = np.repeat(tables.offsets[:-1][order] - offsets[:-1], lengths) + np.arange(lengths.sum())
    return life_tables.Streams(
        states=hashes[order],
        offsets=offsets,
        by_age=tables.by_age[order],
        driver=tables.driver[taken],
        mask=tables.mask[taken],
        low=tables.low[taken],
        high=tables.high[taken],
        weight=tables.weight[taken],
        dosed=tables.dosed,
    )


def _order(triggers: Triggers, tree: p.Tree, alone: np.ndarray, leads: np.ndarray) -> Ints:
    """Drivers in such an order that each comes after all that lead to it; the leading visits come first."""
    items = len(alone)
    before = [
        {int(a) for a in (*triggers.parent[x], tree.first[x], tree.second[x]) if a >= 0 and alone[a]}
        for x in range(items)
    ]
    waiting = [int(x) for x in np.flatnonzero(alone & leads)] + [int(x) for x in np.flatnonzero(alone & ~leads)]
    done, order = set[int](), list[int]()
    while waiting:
        ready = [x for x in waiting if before[x] <= done]
        ready = [x for x in ready if leads[x]] or ready
        order.extend(ready)
        done.update(ready)
        waiting = [x for x in waiting if x not in done]
    return np.array(order, np.int64)


def _hosts(plan: Plan, structure: Structure, order: Ints) -> tuple[Ints, np.ndarray]:
    """The item whose days each rhythm meets, if any (-1: none), and the share of persons with both in whom it does.

    Only what is made before can be met: streams, and drivers that come earlier.
    """
    met = pairs(plan.margins, "events.sameday", plan.items, symmetric=True)
    ever = pairs(plan.margins, "events.ever", plan.items, symmetric=True)
    share = np.where(met > 0, met / np.maximum(ever, 1), 0.0)
    place = np.full(len(plan.items), -1, np.int64)  # -1: made before all, or never
    place[order] = np.arange(len(order))
    is_before = place[None, :] < place[:, None]
    host, hosted = np.full(len(place), -1, np.int64), np.zeros(len(place))
    for x in order[structure.is_regular[order]]:
        can = is_before[x] & (share[x] >= _IN_PHASE) & ((place >= 0) | (structure.stream >= 0))
        can[structure.grammar.companions(x)] = False
        can &= ~np.array([x in structure.grammar.companions(int(h)) for h in range(len(place))]) if can.any() else can
        if can.any():
            host[x] = np.argmax(np.where(can, met[x], 0))
            hosted[x] = share[x, host[x]]
    return host, hosted


def _times(released: Sums, structure: Structure, n: Ints) -> np.ndarray:
    """Cumulative weights of how often a driver occurs: (items, bands, MOST_TIMES). ``n`` persons have each."""
    of_all = grouped(*released.get("events.times", 3), 1)
    of_band = grouped(*released.get("events.times_band", 4), 2)
    most = max((int(bins[1].max()) for bins in of_all.values()), default=1)
    weights = np.zeros((len(n), structure.bands, min(_FARTHER * most, MOST_TIMES)))
    for x in range(len(n)):
        if (x,) not in of_all:
            weights[x, :, 0] = 1.0
            continue
        base = _smooth(of_all[x,], weights.shape[2])
        untold = _untold(of_all[x,], n[x] - of_all[x,][2].sum(), weights.shape[2])
        for band in range(structure.bands):
            weights[x, band] = _SMOOTHED * (base + untold) / (base + untold).sum()
            if (x, band) in of_band:
                bins = of_band[x, band]
                shape = np.sqrt((base + _EVEN) * (_smooth(bins, weights.shape[2]) + _EVEN))
                weights[x, band] += _spread(bins, weights.shape[2], shape) + untold * bins[2].sum() / base.sum()
    return np.cumsum(weights, 2)


def _smooth(bins: Bins, most: int) -> np.ndarray:
    """Persons by number of times, spread inside of each bin as a smooth distribution through all bins would be.

    Source: F. N. Fritsch, J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300-304, applied to the cumulative numbers.
    """
    low, high, n = bins
    edges = np.concatenate([[low[0] - 0.5], (high[:-1] + low[1:]) / 2, [high[-1] + 0.5]])
    cumulative = PchipInterpolator(edges, np.concatenate([[0.0], np.cumsum(n)]))
    shape = np.maximum(np.diff(cumulative(np.clip(np.arange(most + 1) + 0.5, edges[0], edges[-1]))), 0.0)
    return _spread(bins, most, shape + _EVEN)


def _spread(bins: Bins, most: int, shape: np.ndarray) -> np.ndarray:
    """Persons by number of times, spread inside of each bin as ``shape`` is."""
    weights = np.zeros(most)
    for low, high, n in zip(*bins, strict=True):
        inside = slice(low - 1, high)
        weights[inside] += n * shape[inside] / shape[inside].sum()
    return weights


def _untold(bins: Bins, left: float, most: int) -> np.ndarray:
    """Persons by number of times who stand too far from all bins to be in one: above them, and below if there is room.

    Above, numbers are the rarer the larger they are.
    """
    least, largest = int(bins[0][0]), int(bins[1][-1])
    number = np.arange(1, most + 1)
    above = ((number > largest) & (number <= _FARTHER * largest)) / number
    below = (number < least) / max(least - 1, 1)
    share = 1.0 if least == 1 else 0.5
    found = (1 - share) * below
    if above.any():
        found += share * above / above.sum()
    return np.asarray(max(float(left), 0.0) * found)


@dataclass(frozen=True)
class _Apart:
    """Pairs of items (items, items) that many persons were expected with, and none released.

    Companions give way only to those that they would meet in their own cohorts (``in_cohorts``); drivers also to those
    that chance alone would bring, if their cohorts are not the same (``excluded``). Others have ``few`` persons.
    """

    in_cohorts: np.ndarray
    excluded: np.ndarray
    few: np.ndarray

    @classmethod
    def of(cls, plan: Plan) -> _Apart:
        unseen = pairs(plan.margins, "events.ever", plan.items, symmetric=True) == 0
        np.fill_diagonal(unseen, False)
        by_chance, in_cohorts = _expected(plan)
        enough = exclusive(plan.min_cell)
        apart = unseen & (in_cohorts >= enough)
        excluded = apart | (unseen & (by_chance >= _SURELY * enough) & (in_cohorts < _DISJOINT))
        is_few = unseen & ~excluded & (by_chance >= enough)
        return cls(apart, excluded, np.where(is_few, np.minimum(in_cohorts, _FEW * plan.min_cell), 0.0))

    def tables(self) -> dict[str, np.ndarray]:
        """The items that exclude each item, as the kernel reads them."""
        lists = (*_listed(self.excluded), *_listed(self.in_cohorts))
        return dict(zip(("excluded_offsets", "excluded", "apart_offsets", "apart"), lists, strict=True))


def _listed(never: np.ndarray) -> tuple[Ints, Ints]:
    """The items that exclude each item, end to end, and where each item's begin."""
    rows, columns = np.nonzero(never)
    return np.searchsorted(rows, np.arange(len(never) + 1)).astype(np.int64), columns.astype(np.int64)


def _expected(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """The persons expected with two items if these had nothing to do with each other: by chance, and by cohort."""
    keys, n = plan.margins.get("events.cohort", 4)
    item = plan.items.find(keys[:, 0], keys[:, 1])
    born, persons = _lustra(plan.margins, keys[:, 2:])
    of_cohort = np.zeros((len(plan.items), len(born)))
    for x, low, high, count in zip(item, keys[:, 2], keys[:, 3], n, strict=True):
        inside = (born >= low) & (born <= high)
        of_cohort[x, inside] += count * persons[inside] / max(persons[inside].sum(), 1)
    total = of_cohort.sum(1)
    by_chance = np.outer(total, total) / max(persons.sum(), 1)
    return by_chance, np.asarray((of_cohort / np.maximum(persons, 1)) @ of_cohort.T)


def _lustra(margins: Sums, told: Ints) -> tuple[Ints, np.ndarray]:
    """Five years of birth from the first to the last that anything is told of, and the persons born in each.

    Those too few to be released share evenly what is left of all persons. ``told`` are bins (first, last) of them.
    """
    keys, n = margins.get("events.born", 1)
    every = np.concatenate([keys.ravel(), told.ravel()])
    if not len(every):
        return np.zeros(0, np.int64), np.zeros(0)
    persons = np.zeros(int(every.max() - every.min()) + 1)
    persons[keys[:, 0] - every.min()] = n
    empty = persons == 0
    left = max(float(margins.get("events.sex", 1)[1].sum() - n.sum()), 0.0)
    persons[empty] = left / max(int(empty.sum()), 1)
    return np.arange(every.min(), every.max() + 1), persons


def _calibrated(
    threshold: np.ndarray, weights: np.ndarray, loaded: np.ndarray, own: np.ndarray, tree: p.Tree, order: Ints
) -> tuple[np.ndarray, np.ndarray]:
    """Shifts of the latent by the state of the parents, so that each state has the share that was counted.

    Returns shifts (items, 4), and for each state quantiles (items, 4, _QUANTILES) of the latent's rank among those
    above the threshold: whatever the stratum, ranks are those of its own persons.
    """
    items = len(own)
    persons = int(min(_IMAGINED, max(_CELLS // max(items, 1), 2_000)))
    z = latents(loaded, own, persons)
    cell = np.searchsorted(np.cumsum(weights), (np.arange(persons) + 0.5) / persons)
    cell = np.minimum(cell, len(weights) - 1)
    shift = np.zeros((items, 4))
    quantiles = np.tile(np.linspace(0, 1, _QUANTILES), (items, 4, 1))
    has = np.zeros((persons, items), bool)
    at = np.linspace(0, 1, _QUANTILES)
    for x in order:
        above = z[:, x] - threshold[cell, x]
        a, b = tree.first[x], tree.second[x]
        if a < 0:
            has[:, x] = above > 0
            continue
        state = has[:, a] + 2 * (has[:, b] if b >= 0 else np.zeros(persons, np.int64))
        for s in range(4):
            shift[x, s] = _shift(above[state == s], tree.persons[x, s], tree.having[x, s], shift[x, s % 2])
        cut = threshold[cell, x] - shift[x][state]
        has[:, x] = z[:, x] > cut
        rank = 1 - ndtr(-z[:, x]) / np.maximum(ndtr(-cut), 1e-300)
        for s in range(4):
            rows = (state == s) & has[:, x]
            if rows.sum() < _FEWEST:
                rows = has[:, x]
            if rows.any():
                quantiles[x, s] = np.quantile(rank[rows], at)
    return shift, quantiles


def _shift(above: np.ndarray, persons: float, having: float, coarser: float) -> float:
    """The shift by which the counted share of a state stands above its threshold."""
    if persons < 8:
        return coarser
    if len(above) < _FEWEST:
        return 0.0
    share = min(having / persons, 1.0)
    if having <= 0:
        return -_NONE
    return float(np.clip(-np.quantile(above, 1 - share), -_NONE, _NONE))
