"""The grammar of a day: which items accompany which drivers, decided by the released margins alone.

A day's records are not independent: a throat culture belongs to a sore throat, a blood count has eight members. Items
are ranked; an item may join a driver of a higher rank with which it meets far more often than by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..plan import Items
from ..sums import Ints, Sums

LEADING = -2  # the stream of visits that all else happens on
ELSEWHERE = -3  # that of items which other layers make
MOST_COMPANIONS = 62  # bits of a mask
_LIFT, _ERRORS = 1.4, 3.0  # how far above chance, in times and in standard errors
_OF_DRIVER, _OF_COMPANION = 0.05, 0.30  # the share of days that one must have of the other's
_SAME_RANK = 0.5  # the same between two items of one table
_FIRM = 1.5  # times min_cell that a driver brings a companion, so that what is counted of it can be released
_EVERYONE = 0.9  # share of persons who have a day that tells who a person is
_SELDOM, _FEW_DAYS = 0.8, 3  # share of an item's persons who have it on so few days
_IDENTICAL = 0.9  # two conditions are one unit when this share of their days is common


@dataclass(frozen=True)
class Grammar:
    """Who may join whom. Item c may join ``driver[drivers_of[c]:drivers_of[c + 1]]``, the strongest first.

    ``companion[companions_of[d]:companions_of[d + 1]]`` are the companions of driver d; ``bit`` is their number there.
    """

    rank: Ints
    drivers_of: Ints
    driver: Ints
    bit: Ints
    companions_of: Ints
    companion: Ints

    @classmethod
    def decided(
        cls, margins: Sums, items: Items, persons_of: Ints, persons: int, stream: Ints, min_cell: int
    ) -> Grammar:
        """Decide the grammar of items that ``persons_of`` of all ``persons`` have.

        ``stream`` numbers the streams (-1: none); their items accompany and are accompanied within the stream only, and
        those of LEADING and ELSEWHERE not at all.
        """
        rank = np.empty(len(items), np.int64)
        rank[np.lexsort((np.arange(len(items)), -persons_of, items.table))] = np.arange(len(items))
        return cls._of(rank, _strength(margins, items, rank, persons_of, persons, stream, min_cell))

    @classmethod
    def _of(cls, rank: Ints, strength: dict[tuple[int, int], float]) -> Grammar:
        """Keep of each driver its strongest companions, and number them."""
        items = len(rank)
        ranked = sorted(strength, key=lambda pair: (pair[1], -strength[pair], pair[0]))
        of_driver: list[list[int]] = [[] for _ in range(items)]
        for companion, driver in ranked:
            of_driver[driver].append(companion)
        of_driver = [companions[:MOST_COMPANIONS] for companions in of_driver]
        numbers = {(c, d): bit for d, companions in enumerate(of_driver) for bit, c in enumerate(companions)}
        of_companion: list[list[int]] = [[] for _ in range(items)]
        for companion, driver in sorted(numbers, key=lambda pair: (-strength[pair], pair[1])):
            of_companion[companion].append(driver)
        return cls(
            rank=rank,
            drivers_of=_offsets(of_companion),
            driver=_flat(of_companion),
            bit=np.array([numbers[c, d] for c, drivers in enumerate(of_companion) for d in drivers], np.int64),
            companions_of=_offsets(of_driver),
            companion=_flat(of_driver),
        )

    def companions(self, driver: int) -> Ints:
        """The companions of a driver, in the order of their bits."""
        return self.companion[self.companions_of[driver] : self.companions_of[driver + 1]]


def _strength(
    margins: Sums, items: Items, rank: Ints, persons_of: Ints, persons: int, stream: Ints, min_cell: int
) -> dict[tuple[int, int], float]:
    """How strongly item c is drawn to driver d, for those pairs where it is."""
    met = pairs(margins, "events.sameday", items, symmetric=True)
    with_other = pairs(margins, "events.company", items)
    by_chance = np.zeros(len(items))
    keys, on_contact = margins.get("events.contact", 2)
    by_chance[items.find(keys[:, 0], keys[:, 1])] = on_contact / max(persons, 1)
    n = np.maximum(persons_of, 1).astype(float)
    share = with_other / n[:, None]  # of the days of c, those with d
    expected = n[:, None] * by_chance[None, :]
    above = (with_other > _LIFT * expected) & (with_other - expected > _ERRORS * np.sqrt(expected + 1e-9))
    above |= above.T
    often = (share >= _OF_COMPANION) | (share.T >= _OF_DRIVER)
    jaccard = met / np.maximum(n[:, None] + n[None, :] - met, 1.0)
    is_first = items.table == 0
    same = items.table[:, None] == items.table[None, :]
    close = np.where(is_first[:, None], jaccard >= _IDENTICAL, (share >= _SAME_RANK) | (share.T >= _SAME_RANK))
    joins = (rank[:, None] > rank[None, :]) & (_FIRM * min_cell <= with_other.T) & above & np.where(same, close, often)
    joins &= (stream[:, None] == stream[None, :]) & ~np.isin(stream, (LEADING, ELSEWHERE))[:, None]
    if not (stream == LEADING).any():
        joins[_of_baseline(margins, items, persons_of, persons, share)] = False
    strength = met / np.sqrt(n)[None, :]
    return {(int(c), int(d)): float(strength[c, d]) for c, d in zip(*np.nonzero(joins), strict=True)}


def _of_baseline(margins: Sums, items: Items, persons_of: Ints, persons: int, share: np.ndarray) -> np.ndarray:
    """Which items are told seldom, on days that nearly everyone has: a diagnosis that led to the register, a sample.

    They tell who a person is, not what a day brings, and are nobody's companions: sets of them are as many as persons.
    """
    keys, n = margins.get("events.days", 4)
    few = keys[:, 3] <= _FEW_DAYS
    seldom = np.bincount(items.find(keys[few, 0], keys[few, 1]), n[few], minlength=len(items))
    is_seldom = seldom >= _SELDOM * np.maximum(persons_of, 1)
    days = is_seldom & (persons_of >= _EVERYONE * persons)
    return np.asarray(is_seldom & (days | (share[:, days] >= _OF_COMPANION).any(axis=1)))


def pairs(sums: Sums, statistic: str, items: Items, symmetric: bool = False) -> np.ndarray:
    """The persons of a statistic of two items of the first round, as a matrix (items, items)."""
    matrix = np.zeros((len(items), len(items)))
    keys, n = sums.get(statistic, 4)
    first, second = items.find(keys[:, 0], keys[:, 1]), items.find(keys[:, 2], keys[:, 3])
    matrix[first, second] = n
    return np.maximum(matrix, matrix.T) if symmetric else matrix


def _offsets(lists: list[list[int]]) -> Ints:
    return np.concatenate([[0], np.cumsum([len(entries) for entries in lists])]).astype(np.int64)


def _flat(lists: list[list[int]]) -> Ints:
    return np.array([entry for entries in lists for entry in entries], np.int64)
