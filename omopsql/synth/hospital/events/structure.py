"""What is decided before events are counted a second time: a pure function of the released margins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..plan import PERSONS, TABLE_NUMBERS, Items, Plan
from ..sums import Ints, Sums
from .grammar import ELSEWHERE, LEADING, Grammar, pairs
from .rhythm import rhythms

_BANDS = 8  # of years of observation
_WIDE_BANDS = 6
_COHORT = 0.03  # share of persons that a cohort of birth holds at least
_DEATHS = 4  # times min_cell persons who died, from which on presence depends on it
_OFTEN = 0.7  # an item of so many persons is held to be had when it is had more often than by half of them
_CANDIDATES = 6  # items that may lead to the presence of another
_TOGETHER, _LED = 0.05, 0.3  # share of common days that joins two items to one stream: of two rhythms, of one
_LEAD = 0.5  # the share of contacts, or of an item's days on average, that are visits, from which on visits lead
_COMMON, _TELLING = 0.3, 20  # share of persons, and times min_cell, that one item of a stream must have


@dataclass(frozen=True)
class Structure:
    """What the second round counts by.

    ``years`` and ``wide_years`` are the bounds of bands of observation, ``visits`` those of a person's visits, by which
    the others are counted where visits lead, ``born`` those of birth; where enough persons died, the bands of ``years``
    stand once for the living and once for the dead (``tells_death``). ``cut``: an item counts as had often from more
    than so many days on. ``is_regular`` marks items with a rhythm. ``first`` and ``second`` (items, pairs) are the
    pairs of items asked for each item. ``stream`` numbers the streams, -1 for none. Where most contacts, or most days
    of items, are visits, these lead: ``visited`` (items, items) is the share of a row's days that are visits of the
    column. With so many persons expected as ``exclusive``, two items that nobody is known to have both exclude each
    other.
    """

    grammar: Grammar
    sexes: Ints
    years: Ints
    wide_years: Ints
    visits: Ints
    born: Ints
    tells_death: bool
    cut: Ints
    is_regular: np.ndarray
    candidates: Ints
    first: Ints
    second: Ints
    stream: Ints
    visited: np.ndarray
    exclusive: float

    @property
    def leads(self) -> np.ndarray:
        """Which items are visits that lead."""
        return self.stream == LEADING

    @property
    def outcomes(self) -> int:
        """How many bands of years observed there are, for the living and for the dead."""
        return (len(self.years) + 1) * (1 + self.tells_death)

    @property
    def bands(self) -> int:
        """How many bands there are by which an item's times differ."""
        return max(len(self.wide_years), len(self.visits)) + 1

    @classmethod
    def decided(cls, plan: Plan) -> Structure:
        """Decide the structure of a plan."""
        margins, items = plan.margins, plan.items
        persons_of = _persons_of(margins, items)
        keys, n = margins.get("events.sex", 1)
        persons = int(n.sum())
        is_grid, is_regular = rhythms(margins, items)
        visited = _visited(margins, items, persons_of, persons)
        elsewhere = np.zeros(len(items), np.bool_)
        elsewhere[list(plan.elsewhere)] = True
        is_grid, is_regular = is_grid & ~elsewhere, is_regular & ~elsewhere
        enough = max(_COMMON * persons, _TELLING * plan.min_cell)
        stream = _streams(margins, items, persons_of, enough, is_grid, elsewhere)
        stream[visited.any(0)] = LEADING
        stream[elsewhere] = ELSEWHERE
        grammar = Grammar.decided(margins, items, persons_of, persons, stream, plan.min_cell)
        ever = pairs(margins, "events.ever", items, symmetric=True)
        candidates = _candidates(ever, persons_of, persons, elsewhere, grammar, plan.min_cell)
        first, second = _pairs_of(candidates)
        years, years_n = margins.get("events.years", 2)
        visits, visits_n = margins.get("events.visits", 2)
        return cls(
            grammar=grammar,
            sexes=keys[:, 0],
            years=_bounds(years, years_n, _BANDS),
            wide_years=_bounds(years, years_n, _WIDE_BANDS),
            born=_cohorts(*margins.get("events.born", 1), persons, plan.min_cell),
            visits=_bounds(visits, visits_n, _WIDE_BANDS),
            tells_death=bool(margins.get("people.lag", 2)[1].sum() >= _DEATHS * plan.min_cell),
            cut=_cuts(margins, items, persons_of, persons),
            is_regular=is_regular,
            candidates=candidates,
            first=first,
            second=second,
            stream=stream,
            visited=visited,
            exclusive=exclusive(plan.min_cell),
        )


def _visited(margins: Sums, items: Items, persons_of: Ints, persons: int) -> np.ndarray:
    """The share of each item's days (rows) that are visits of a kind (columns): all 0 where visits do not lead."""
    is_visit = items.table == TABLE_NUMBERS["visit_occurrence"]
    with_visits = pairs(margins, "events.company", items)[:, is_visit] / np.maximum(persons_of, 1)[:, None]
    keys, n = margins.get("events.contact", 2)
    of_contacts = n[is_visit[items.find(keys[:, 0], keys[:, 1])]].sum() / max(persons, 1)
    others = np.where(is_visit, 0, persons_of)
    of_days = others @ with_visits.sum(1) / max(others.sum(), 1)
    share = np.zeros((len(items), len(items)))
    if max(of_contacts, of_days) >= _LEAD:
        share[:, is_visit] = with_visits
        share[np.ix_(is_visit, is_visit)] = np.eye(int(is_visit.sum()))
    return share


def _persons_of(margins: Sums, items: Items) -> Ints:
    keys, n = margins.get(PERSONS, 2)
    persons_of = np.zeros(len(items), np.int64)
    persons_of[items.find(keys[:, 0], keys[:, 1])] = n
    return persons_of


def _bounds(bins: Ints, n: Ints, bands: int) -> Ints:
    """Bounds that cut pooled bins (low, high) into bands of about equal persons: values below the first are band 0."""
    if not len(n):
        return np.zeros(0, np.int64)
    before = (np.cumsum(n) - n) / n.sum()
    asked = np.searchsorted(before, np.arange(1, bands) / bands)
    return np.unique(bins[np.minimum(asked, len(bins) - 1), 0])


def _cohorts(born: Ints, n: Ints, persons: int, min_cell: int) -> Ints:
    """Bounds of birth that part persons into cohorts of enough persons each."""
    least = max(_COHORT * persons, 4 * min_cell)
    bounds, held = [], 0
    for place, count in enumerate(n):
        if held >= least and n[place:].sum() >= least:
            bounds.append(born[place, 0])
            held = 0
        held += count
    return np.array(bounds, np.int64)


def _cuts(margins: Sums, items: Items, persons_of: Ints, persons: int) -> Ints:
    """From how many days on an item counts as had often: 0 for most, the median for those that nearly all have."""
    cut = np.zeros(len(items), np.int64)
    keys, n = margins.get("events.days", 4)
    item = items.find(keys[:, 0], keys[:, 1])
    for x in np.flatnonzero(persons_of > _OFTEN * persons):
        mine = item == x
        without = persons - n[mine].sum()
        reached = np.searchsorted(without + np.cumsum(n[mine]), persons / 2)
        cut[x] = keys[mine, 2][min(reached, mine.sum() - 1)] if mine.any() else 0
    return cut


def _candidates(
    ever: np.ndarray, persons_of: Ints, persons: int, elsewhere: np.ndarray, grammar: Grammar, min_cell: int
) -> Ints:
    """For each item those that tell most about its presence (items, candidates), -1 where there are fewer."""
    gain = information(ever, persons_of, persons, exclusive(min_cell))
    for driver in range(len(ever)):
        own = grammar.companions(driver)
        gain[own, driver] = gain[driver, own] = 0.0  # they come along anyhow
    gain[elsewhere] = 0.0
    gain[:, elsewhere] = 0.0
    best = np.argsort(-gain, axis=1, kind="stable")[:, :_CANDIDATES]
    return np.where(np.take_along_axis(gain, best, 1) > 0, best, -1).astype(np.int64)


def information(both: np.ndarray, n: np.ndarray, persons: int, exclusive: float) -> np.ndarray:
    """Mutual information of the presence of two items, as a share of the row's entropy; 0 where it cannot be told.

    Where none with both was released, it can be told if ``exclusive`` persons are expected.
    """
    p = np.clip(n / max(persons, 1), 0, 1)
    by_chance = p[:, None] * p[None, :]
    most = np.minimum(p[:, None], p[None, :])
    shared = np.zeros_like(by_chance)
    for cell, of_chance in zip(
        _fourfold(p, np.minimum(both / max(persons, 1), most)), _fourfold(p, by_chance), strict=True
    ):
        shared += _cross(cell, of_chance)
    entropy = -_cross(p, np.ones_like(p)) - _cross(1 - p, np.ones_like(p))
    gain = shared / np.maximum(entropy, 1e-9)[:, None]
    gain[(both == 0) & (by_chance * persons < exclusive)] = 0.0
    np.fill_diagonal(gain, 0.0)
    return np.maximum(gain, 0.0)


def _fourfold(p: np.ndarray, together: np.ndarray) -> tuple[np.ndarray, ...]:
    """The shares of both, of one alone, of the other alone, and of neither."""
    only_a, only_b = p[:, None] - together, p[None, :] - together
    return together, only_a, only_b, np.clip(1 - together - only_a - only_b, 0, 1)


_EXCLUSIVE, _TIMES = 20.0, 2  # so many persons, and times min_cell, expected with both, and none released


def exclusive(min_cell: int) -> float:
    """How many persons must be expected with two items, so that none released says that they exclude each other."""
    return max(_EXCLUSIVE, float(_TIMES * min_cell))


def _cross(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.where(observed > 0, observed * np.log(np.maximum(observed, 1e-12) / np.maximum(expected, 1e-12)), 0.0)


def _pairs_of(candidates: Ints) -> tuple[Ints, Ints]:
    """All pairs of the candidates of each item, -1 where one is missing."""
    one, other = np.triu_indices(candidates.shape[1], 1)
    first, second = candidates[:, one], candidates[:, other]
    missing = (first < 0) | (second < 0)
    return np.where(missing, -1, first), np.where(missing, -1, second)


def _streams(
    margins: Sums, items: Items, persons_of: Ints, enough: float, is_grid: np.ndarray, elsewhere: np.ndarray
) -> Ints:
    """Number the streams: items of one table, not conditions, that share days and a rhythm (vaccinations, cycles).

    One of a stream's items has ``enough`` persons: the steps of fewer are too various to be released. None is of those
    that are made ``elsewhere``.
    """
    met = pairs(margins, "events.sameday", items, symmetric=True)
    least = np.minimum(persons_of[:, None], persons_of[None, :])
    share = met / np.maximum(least, 1)
    joined = (share > _TOGETHER) & is_grid[:, None] & is_grid[None, :]
    joined |= (share > _LED) & (is_grid[:, None] | is_grid[None, :])
    joined &= (items.table[:, None] == items.table[None, :]) & (items.table != 0)[:, None]
    joined &= ~(elsewhere[:, None] | elsewhere[None, :])
    root = np.arange(len(items))
    for a, b in zip(*np.nonzero(joined), strict=True):
        root[root == root[a]] = root[b]
    stream = np.full(len(items), -1, np.int64)
    number = 0
    for top in np.unique(root):
        members = np.flatnonzero(root == top)
        if len(members) > 1 and persons_of[members].max() >= enough:
            stream[members] = number
            number += 1
    return stream
