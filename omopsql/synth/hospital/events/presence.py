"""Who has which driver: a chance for each stratum, a tree of items that lead to others, and factors for the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from omopsql.udfs.tetrachoric import tetrachoric

from ..sums import Ints, Sums
from .structure import Structure, information

RANK = 24
_PRIOR = 0.8  # standard deviation of the inverse hyperbolic tangent of a correlation, before any data
_MOST = 0.97  # of an item's variance may come from factors
_TRUST = 20.0  # information that weighs as much as the factors' own opinion
_STEPS, _RAKINGS = 60, 20
_LEAST_GAIN, _SECOND_GAIN = 0.12, 0.08  # of the entropy of an item's presence that a parent must explain


@dataclass(frozen=True)
class Strata:
    """Persons by sex, death and band of years (rows), and by sex and band of birth (columns)."""

    sexes: int
    years: int
    cohorts: int
    persons: np.ndarray  # (sexes * years, sexes * cohorts)

    @classmethod
    def of(cls, released: Sums, structure: Structure) -> Strata:
        """Read the persons of each stratum."""
        sexes, years, cohorts = len(structure.sexes), structure.outcomes, len(structure.born) + 1
        of_sex = released.get("events.sex", 1)[1].astype(float)
        by_years = _completed(_table(released, "events.persons_years", (sexes, years)), of_sex).ravel()
        by_born = _completed(_table(released, "events.persons_born", (sexes, cohorts)), of_sex).ravel()
        cells = np.zeros((sexes * years, sexes * cohorts))
        keys, n = released.get("events.persons", 3)
        cells[keys[:, 0] * years + keys[:, 1], keys[:, 0] * cohorts + keys[:, 2]] = n
        for sex in range(sexes):  # cells too small to be released: as if years and birth were independent
            rows, columns = slice(sex * years, (sex + 1) * years), slice(sex * cohorts, (sex + 1) * cohorts)
            left = np.maximum(by_years[rows] - cells[rows, columns].sum(1), 0)
            right = np.maximum(by_born[columns] - cells[rows, columns].sum(0), 0)
            empty = cells[rows, columns] == 0
            cells[rows, columns] += _raked(np.where(empty, left[:, None] * right[None, :], 0.0), left, right)
        return cls(sexes, years, cohorts, cells)

    @property
    def sex_of_row(self) -> Ints:
        """The sex of each row."""
        return np.repeat(np.arange(self.sexes), self.years)

    @property
    def sex_of_column(self) -> Ints:
        """The sex of each column."""
        return np.repeat(np.arange(self.sexes), self.cohorts)


def _completed(table: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """A table whose empty cells, too small to be released, share evenly what is left of the total of their row."""
    empty = table == 0
    left = np.maximum(totals - table.sum(1), 0)
    return np.asarray(table + empty * (left / np.maximum(empty.sum(1), 1))[:, None])


def _raked(guess: np.ndarray, of_rows: np.ndarray, of_columns: np.ndarray) -> np.ndarray:
    """A table in proportion to a guess, with these sums of rows and, as far as they agree with these, of columns."""
    table = guess
    for _ in range(_RAKINGS):
        table = table * (of_columns / np.maximum(table.sum(0), 1e-9))[None, :]
        table = table * (of_rows / np.maximum(table.sum(1), 1e-9))[:, None]
    return np.asarray(table)


def _table(released: Sums, statistic: str, shape: tuple[int, ...]) -> np.ndarray:
    table = np.zeros(shape)
    keys, n = released.get(statistic, len(shape))
    table[tuple(keys.T)] = n
    return table


def _logit(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))


def _expit(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def chances(released: Sums, structure: Structure, strata: Strata, items: int, min_cell: int) -> np.ndarray:
    """The chance of each driver in each stratum (sexes * years, sexes * cohorts, items): an additive logit.

    Cells too small to be released share what the released ones leave of the sex's total.
    """
    totals = _by_sex(released, strata, items)
    row_sex, column_sex = strata.sex_of_row, strata.sex_of_column
    rows, columns = strata.persons.sum(1), strata.persons.sum(0)
    of_row = np.ones((items, len(rows)))
    if structure.tells_death:
        of_row = np.tile(_of_outcome(released, structure, strata, totals.sum(1)), strata.sexes)
    by_row = _filled(released, "events.presence_years", totals, row_sex, rows * of_row, strata.years, min_cell)
    of_column = np.broadcast_to(columns, (items, len(columns)))
    by_column = _filled(released, "events.presence_born", totals, column_sex, of_column, strata.cohorts, min_cell)
    base = totals / np.maximum([strata.persons[row_sex == sex].sum() for sex in range(strata.sexes)], 1)
    target_row = np.clip((by_row + 0.5 * base[:, row_sex]) / (rows + 0.5), 1e-6, 1 - 1e-5)
    target_column = np.clip((by_column + 3 * base[:, column_sex]) / (columns + 3), 1e-6, 1 - 1e-5)
    of_row, of_column = _logit(target_row), np.zeros_like(target_column)
    for _ in range(25):
        p = _expit(of_row[:, :, None] + of_column[:, None, :])
        met = np.clip(np.einsum("rc,irc->ic", strata.persons, p) / np.maximum(columns, 1), 1e-7, 1 - 1e-7)
        of_column += np.where(columns > 0, 0.7 * np.clip(_logit(target_column) - _logit(met), -1, 1), 0)
        of_column = np.clip(of_column, -3, 3)
        p = _expit(of_row[:, :, None] + of_column[:, None, :])
        met = np.clip(np.einsum("rc,irc->ir", strata.persons, p) / np.maximum(rows, 1), 1e-8, 1 - 1e-8)
        of_row += np.where(rows > 0, np.clip(_logit(target_row) - _logit(met), -3, 3), 0)
        of_row = np.clip(of_row, -14, 12)
    p = _expit(of_row[:, :, None] + of_column[:, None, :])
    p[totals[:, row_sex] == 0] = 0.0  # no such person, or too few to tell: of that sex nobody has it
    p[base[:, row_sex] >= 1.0] = 1.0
    return np.moveaxis(p, 0, 2)


def _by_sex(released: Sums, strata: Strata, items: int) -> np.ndarray:
    """The persons with each driver by sex; what is not released of one sex is what the others leave of the total."""
    totals = _table(released, "events.presence_sex", (items, strata.sexes))
    left = np.maximum(_table(released, "events.presence", (items,)) - totals.sum(1), 0)
    persons = np.array([strata.persons[strata.sex_of_row == sex].sum() for sex in range(strata.sexes)])
    room = np.where(totals == 0, persons[None, :], 0.0)
    return np.asarray(totals + left[:, None] * room / np.maximum(room.sum(1), 1e-9)[:, None])


def _filled(
    released: Sums, statistic: str, totals: np.ndarray, sex_of: Ints, expected: np.ndarray, bands: int, min_cell: int
) -> np.ndarray:
    """The persons with each item in each cell (items, cells); cells not released share what is left of the total.

    They share it as ``expected`` (items, cells) says. None of them takes as many as would have been released.
    """
    table = _table(released, statistic, (*totals.shape, bands)).reshape(len(totals), totals.shape[1] * bands)
    for sex in range(totals.shape[1]):
        mine = sex_of == sex
        part = table[:, mine]
        left = np.maximum(totals[:, sex] - part.sum(1), 0)
        room = np.where(part == 0, expected[:, mine], 0.0)
        share = left[:, None] * room / np.maximum(room.sum(1), 1e-9)[:, None]
        table[:, mine] = part + np.minimum(share, min_cell - 1)
    return table


def _of_outcome(released: Sums, structure: Structure, strata: Strata, totals: np.ndarray) -> np.ndarray:
    """The share of persons with each item (items, died * bands of years), of all sexes: even within joined bands.

    Of the living and the dead, those who are too few to be released are what the others leave of the item's persons.
    """
    bands = len(structure.years) + 1
    persons = strata.persons.sum(1).reshape(strata.sexes, 2, bands).sum(0)
    share = np.full((len(totals), 2, bands), np.nan)
    told = np.zeros((len(totals), 2))
    keys, counts = released.get("events.presence_outcome", 4)
    for (x, died, low, high), n in zip(keys.tolist(), counts.tolist(), strict=True):
        share[x, died, low : high + 1] = n / max(persons[died, low : high + 1].sum(), 1.0)
        told[x, died] += n
    left = np.maximum(totals[:, None] - told.sum(1)[:, None], 0)
    rest = left / np.maximum((np.isnan(share) * persons).sum((1, 2)), 1.0)[:, None]
    return np.asarray(np.where(np.isnan(share), rest[:, :, None], share).reshape(len(totals), -1))


def shares_of_rows(strata: Strata, chances: np.ndarray) -> np.ndarray:
    """The share of the persons of each row with each driver (rows, items), as its chances say."""
    rows = strata.persons.sum(1)
    return np.asarray(np.einsum("rc,rci->ri", strata.persons, chances) / np.maximum(rows, 1e-9)[:, None])


def loadings(released: Sums, structure: Structure, strata: Strata, p: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """The loadings of items (items, RANK) on factors that explain which of them a person has together.

    ``alone`` marks the items that take part. Correlations are tetrachoric, within strata of sex and years, with a
    normal prior; Hermite and Drezner's integral. Source: K. Pearson, Phil. Trans. A 195 (1900) 1-47.
    """
    items = len(alone)
    found = np.zeros((items, RANK))
    taking = np.flatnonzero(alone)
    if len(taking) < 3:
        return found
    rows = strata.persons.sum(1)
    weight = strata.persons / np.maximum(rows, 1e-9)[:, None]
    share = np.einsum("rc,rci->ri", weight, p)[:, taking]
    often = structure.cut[taking] > 0
    if often.any():
        share[:, often] = _often_share(released, strata, taking[often])
    both = _joint(released, structure, items)[np.ix_(taking, taking)]
    threshold = np.clip(-ndtri(np.clip(share, 1e-12, 1 - 1e-9)), -8, 8)
    correlation, trust = tetrachoric(np.ascontiguousarray(threshold), rows, both, structure.exclusive, _PRIOR)
    found[taking] = _low_rank(correlation, trust, min(RANK, len(taking) - 1))
    return found


def _often_share(released: Sums, strata: Strata, items: Ints) -> np.ndarray:
    """The share of persons of each row who have each item often (rows, items)."""
    every = int(items.max()) + 1
    table = _table_of(released, "events.often_years", (every, strata.sexes, strata.years))[items]
    rows = strata.persons.sum(1)
    total = table.sum((1, 2)) / max(rows.sum(), 1)
    counts = table.reshape(len(items), -1)
    return np.asarray(((counts + 4 * total[:, None]) / (rows + 4)).T)


def _table_of(released: Sums, statistic: str, shape: tuple[int, ...]) -> np.ndarray:
    """A table of the first items only."""
    table = np.zeros(shape)
    keys, n = released.get(statistic, len(shape))
    inside = keys[:, 0] < shape[0]
    table[tuple(keys[inside].T)] = n[inside]
    return table


def matrix(released: Sums, statistic: str, items: int) -> np.ndarray:
    """A symmetric matrix of the persons who have two items."""
    table = np.zeros((items, items))
    keys, n = released.get(statistic, 2)
    table[keys[:, 0], keys[:, 1]] = n
    return np.maximum(table, table.T)


def _joint(released: Sums, structure: Structure, items: int) -> np.ndarray:
    """The persons with both: of items that nearly all have, those who have them often."""
    both = matrix(released, "events.both", items)
    often = matrix(released, "events.both_often", items)
    asked = structure.cut > 0
    return np.where(asked[:, None] | asked[None, :], often, both)


def _low_rank(correlation: np.ndarray, trust: np.ndarray, rank: int) -> np.ndarray:
    """Loadings (items, rank) near a matrix of correlations, each trusted as its weight says; communalities capped."""
    weight = trust / (trust + _TRUST)
    np.fill_diagonal(weight, 0)
    seen = correlation * weight
    np.fill_diagonal(seen, 0)
    filled, own = seen.copy(), np.full(len(seen), 0.5)
    factors = np.zeros((len(seen), rank))
    for _ in range(_STEPS):
        values, vectors = np.linalg.eigh(filled + np.diag(own))
        factors = vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0))
        communality = (factors**2).sum(1)
        own = np.minimum(communality, _MOST)
        factors *= np.sqrt(np.minimum(1, _MOST / np.maximum(communality, 1e-9)))[:, None]
        filled = seen + (1 - weight) * (factors @ factors.T)
        np.fill_diagonal(filled, 0)
    padded = np.zeros((len(seen), RANK))
    largest = factors[np.abs(factors).argmax(0), np.arange(rank)]
    padded[:, :rank] = factors * np.where(largest != 0, np.sign(largest), 1)
    return padded


@dataclass(frozen=True)
class Tree:
    """The items whose presence leads to another's: up to two each (-1: none), and the persons of each state.

    State 0 is neither, 1 the first, 2 the second, 3 both. ``persons`` and ``having`` are (items, 4).
    """

    first: Ints
    second: Ints
    persons: np.ndarray
    having: np.ndarray


def tree(
    released: Sums,
    structure: Structure,
    n: Ints,
    persons: int,
    earlier: list[tuple[int, int]],
    alone: np.ndarray,
    leads: np.ndarray,
) -> Tree:
    """Choose parents by the information they give; ``earlier`` (parent, child) pairs are in the order of time.

    Those that ``leads`` marks have parents among themselves only.
    """
    items = len(n)
    both = matrix(released, "events.both", items)
    gain = information(both, n, persons, structure.exclusive)
    for driver in range(items):
        own = structure.grammar.companions(driver)
        gain[own, driver] = gain[driver, own] = 0.0
    gain[~alone] = gain[:, ~alone] = 0.0
    gain[np.ix_(leads, ~leads)] = 0.0
    reach = np.eye(items, dtype=bool)
    for parent, child in earlier:
        reach |= np.outer(reach[:, parent], reach[child])
        if 0.004 * persons < n[parent] < 0.98 * persons and gain[child, parent] > 0.02:
            gain[child, parent] = max(1.5 * gain[child, parent], _LEAST_GAIN + 0.01)
    first = np.full(items, -1, np.int64)
    for x, a in _by_gain(gain, _LEAST_GAIN):
        if first[x] < 0 and not reach[x, a]:
            first[x] = a
            reach |= np.outer(reach[:, a], reach[x])
    second, three = _second(released, structure, first, both, n, persons, gain, reach)
    return Tree(first, second, *_states(first, second, both, three, n, persons))


def _by_gain(gain: np.ndarray, least: float) -> list[tuple[int, int]]:
    rows, columns = np.nonzero(gain > least)
    order = np.lexsort((columns, rows, -gain[rows, columns]))
    return list(zip(rows[order].tolist(), columns[order].tolist(), strict=True))


def _second(
    released: Sums,
    structure: Structure,
    first: Ints,
    both: np.ndarray,
    n: Ints,
    persons: int,
    gain: np.ndarray,
    reach: np.ndarray,
) -> tuple[Ints, dict[tuple[int, int], float]]:
    """Second parents: those that tell most beyond the first; and the persons who have the child and both."""
    keys, counts = released.get("events.three", 2)
    found: dict[tuple[int, int], dict[int, float]] = {}
    for (x, pair), count in zip(keys.tolist(), counts.tolist(), strict=True):
        a, b = int(structure.first[x, pair]), int(structure.second[x, pair])
        found.setdefault((x, a), {})[b] = float(count)
        found.setdefault((x, b), {})[a] = float(count)
    entropy = _entropy(n / persons)
    wanted = []
    for x in np.flatnonzero(first >= 0):
        a = int(first[x])
        for b in structure.candidates[x]:
            if b < 0 or b in (a, x) or gain[x, b] <= 0.01 or a not in structure.candidates[x]:
                continue
            seen = found.get((int(x), a), {}).get(int(b), 0.0)
            told = _told(both, n, persons, int(x), a, int(b), seen) / max(entropy[x], 1e-9)
            if told > _SECOND_GAIN:
                wanted.append((-told, int(x), int(b)))
    second = np.full(len(n), -1, np.int64)
    three = {}
    for _, x, b in sorted(wanted):
        if second[x] < 0 and not reach[x, b]:
            second[x] = b
            three[x, b] = found.get((x, int(first[x])), {}).get(b, 0.0)
            reach |= np.outer(reach[:, b], reach[x])
    return second, three


def _entropy(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(-(p * np.log(p) + (1 - p) * np.log(1 - p)))


def _told(both: np.ndarray, n: Ints, persons: int, x: int, a: int, b: int, three: float) -> float:
    """The information about x that b adds to a, in persons' share."""
    state_n, state_x = _cells(both, n, persons, x, a, b, three)
    p = state_x / np.maximum(state_n, 1e-9)
    fine = (_entropy(p) * state_n).sum()
    of_a_n, of_a_x = state_n[[0, 1]] + state_n[[2, 3]], state_x[[0, 1]] + state_x[[2, 3]]
    coarse = (_entropy(of_a_x / np.maximum(of_a_n, 1e-9)) * of_a_n).sum()
    return float((coarse - fine) / persons)


def _cells(
    both: np.ndarray, n: Ints, persons: int, x: int, a: int, b: int, three: float
) -> tuple[np.ndarray, np.ndarray]:
    """Persons, and those of them with x, by state: neither, a alone, b alone, both."""
    ab = both[a, b]
    state_n = np.array([persons - n[a] - n[b] + ab, n[a] - ab, n[b] - ab, ab], float)
    state_x = np.array([n[x] - both[x, a] - both[x, b] + three, both[x, a] - three, both[x, b] - three, three], float)
    state_n = np.maximum(state_n, 0)
    return state_n, np.clip(state_x, 0, state_n)


def _states(
    first: Ints, second: Ints, both: np.ndarray, three: dict[tuple[int, int], float], n: Ints, persons: int
) -> tuple[np.ndarray, np.ndarray]:
    state_n, state_x = np.zeros((len(n), 4)), np.zeros((len(n), 4))
    for x in np.flatnonzero(first >= 0):
        a, b = int(first[x]), int(second[x])
        if b >= 0:
            state_n[x], state_x[x] = _cells(both, n, persons, int(x), a, b, three[int(x), b])
        else:
            state_n[x, :2] = persons - n[a], n[a]
            state_x[x, :2] = n[x] - both[x, a], both[x, a]
    return state_n, np.clip(state_x, 0, state_n)
