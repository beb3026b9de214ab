"""Choices among a few things: counted with the cell that each was made in, and drawn again from what was released.

A share counts one record of each person and cell, which a hash chooses, so persons are split among the outcomes; those
of outcomes too rare to be released choose as in a coarser cell. A rate counts every record of a person (so many at
most), which is right for what befalls people again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omopsql.udfs.attributes import uniforms_at

from .counting import counted, representing
from .histograms import Histograms, Rungs
from .lives import Doubles, Int64s
from .release import DROP, Rule, summed
from .sums import Sums

ALL = -1  # in the place of an outcome: all persons of the cell
_REST = 1 << 62  # the outcome of those whose own is not released
_MOST = 100  # records of a person in a cell
_RECORDS = ".records"


def rates(*statistics: str) -> dict[str, Rule]:
    """The rules of rates: how many persons there are in each cell, and how many records they have."""
    return dict.fromkeys(statistics, DROP) | {f"{name}{_RECORDS}": summed(name) for name in statistics}


def put_shares(
    sums: Sums,
    rungs: Rungs,
    person: npt.NDArray[np.integer],
    hashes: npt.NDArray[np.uint64],
    cell: Int64s,
    outcome: Int64s,
) -> None:
    """Count the outcomes (records) of records in cells (records, columns), one of each person and cell."""
    for name, columns in rungs.items():
        own = [cell[:, column] for column in columns]
        rows = representing(person, hashes, *own)
        told = [column[rows] for column in own]
        sums.put(name, *counted(*told, outcome[rows]))
        sums.put(name, *counted(*told, np.full(len(rows), ALL)))


def put_rates(sums: Sums, rungs: Rungs, person: npt.NDArray[np.integer], cell: Int64s, outcome: Int64s) -> None:
    """Count persons and records by outcome in cells (records, columns)."""
    for name, columns in rungs.items():
        rows, n = counted(person, *(cell[:, column] for column in columns), outcome)
        sums.put(name, *counted(*rows[:, 1:].T))
        sums.put(f"{name}{_RECORDS}", rows[:, 1:], np.minimum(n, _MOST))


@dataclass(frozen=True)
class Choices:
    """What is drawn by cells, the finest first; ``columns`` says which columns of the full cell each rung has."""

    rungs: tuple[Histograms, ...]
    columns: tuple[tuple[int, ...], ...]
    least: int = 1  # records of a cell that is trusted

    @classmethod
    def shares(cls, released: Sums, rungs: Rungs) -> Choices:
        """Read shares. Outcomes that are not released are drawn from the next rung."""
        held = tuple(_points(*_with_rest(*released.get(name, len(own) + 1))) for name, own in rungs.items())
        return cls(held, tuple(rungs.values()))

    @classmethod
    def rates(cls, released: Sums, rungs: Rungs, least: int) -> Choices:
        """Read rates. Cells of fewer than ``least`` records are not trusted."""
        held = tuple(_points(*released.get(f"{name}{_RECORDS}", len(own) + 1)) for name, own in rungs.items())
        return cls(held, tuple(rungs.values()), least)

    @classmethod
    def chances(cls, released: Sums, rungs: Rungs, min_cell: int) -> Choices:
        """Read rates of two outcomes, 0 and 1. Where one is missing from a cell, too few persons had it.

        It is then given the records of half as many as would have been released, or fewer where the last rung says so.
        """
        *_, (last, columns) = rungs.items()
        _, every = released.get(f"{last}{_RECORDS}", len(columns) + 1)
        held = []
        for name, own in rungs.items():
            keys, n = released.get(f"{name}{_RECORDS}", len(own) + 1)
            if len(every) > 1:
                keys, n = _with_missing(keys, n, every / every.sum(), (min_cell - 1) / 2)
            held.append(_points(keys, n))
        return cls(tuple(held), tuple(rungs.values()))

    def before(self, other: Choices, columns: tuple[tuple[int, ...], ...]) -> Choices:
        """These, and where they leave an outcome open those of ``other``, whose rungs have ``columns`` of the cell."""
        return Choices((*self.rungs, *other.rungs), (*self.columns, *columns), self.least)

    def draw(self, cell: Int64s, u: Doubles, unknown: int = 0) -> Int64s:
        """Draw an outcome for each cell (rows, columns) by uniform numbers ``u`` (rows, rungs).

        Whoever's outcome a cell leaves open has none of those that it tells. The last rung is for unknown cells only.
        """
        drawn, waiting = np.full(len(cell), unknown, np.int64), np.arange(len(cell))
        excluded: list[Int64s] = [np.zeros(0, np.int64)]
        seen = np.zeros(len(cell), np.int64)
        for rung, (histograms, columns) in enumerate(zip(self.rungs, self.columns, strict=True)):
            is_last = rung == len(self.rungs) - 1
            place = histograms.find(cell[waiting][:, columns], 1 if is_last else self.least)
            these, place = waiting[place >= 0], place[place >= 0]
            pairs, of_pair = counted_places(seen[these], place)
            outcomes, below, starts = [], [], [0]
            for before, at in pairs:
                told, share = _left(histograms, at, excluded[before], rung >= len(self.rungs) - 2)
                outcomes.append(told)
                below.append(len(starts) - 1 + share)
                starts.append(starts[-1] + len(told))
                excluded.append(np.concatenate([excluded[before], told]))
            if not len(pairs):
                continue
            at = np.searchsorted(np.concatenate(below), of_pair + np.minimum(u[these, rung], _LARGEST), side="right")
            found = np.concatenate(outcomes)[at - 1]
            seen[these] = len(excluded) - len(pairs) + of_pair
            is_told = found != _REST
            drawn[these[is_told]] = found[is_told]
            waiting = np.setdiff1d(waiting, these[is_told], assume_unique=True)
        return drawn


def counted_places(*columns: Int64s) -> tuple[list[tuple[int, ...]], Int64s]:
    """The distinct rows of columns of small numbers, and the place of each row among them."""
    rows, _ = counted(*columns)
    code, known = np.zeros(len(columns[0]), np.int64), np.zeros(len(rows), np.int64)
    for column, own in zip(columns, rows.T, strict=True):
        values = np.unique(own)
        code = code * len(values) + np.searchsorted(values, column)
        known = known * len(values) + np.searchsorted(values, own)
    return [tuple(row) for row in rows.tolist()], np.searchsorted(known, code)


def _left(histograms: Histograms, at: int, excluded: Int64s, is_closed: bool) -> tuple[Int64s, Doubles]:
    """The outcomes of a cell without those that are excluded, and the share below each; the rest is last."""
    own = slice(histograms.starts[at], histograms.starts[at + 1])
    told, n = histograms.low[own], histograms.n[own].astype(np.float64)
    kept = ~np.isin(told[:-1] if told[-1] == _REST else told, excluded[excluded != _REST])
    kept = np.append(kept, not is_closed) if told[-1] == _REST else kept
    if not kept.any():
        kept = np.ones(len(told), np.bool_)
    told, n = told[kept], n[kept]
    return told, np.append(0.0, np.cumsum(n)[:-1]) / n.sum()


_LARGEST = 1.0 - 2.0**-30


def _with_missing(keys: Int64s, n: Int64s, share: Doubles, most: float) -> tuple[Int64s, Int64s]:
    """The records of both outcomes in each cell, in hundredths; ``share`` is that of 0 and of 1 in all cells."""
    cells, place = np.unique(keys[:, :-1], axis=0, return_inverse=True)
    held = np.zeros((len(cells), 2))
    held[place.reshape(-1), keys[:, -1]] = n
    other = held[:, ::-1]
    guessed = np.minimum(most, other * share / share[::-1])
    records = np.round(100 * np.where(held > 0, held, guessed)).astype(np.int64)
    both = np.column_stack([np.repeat(cells, 2, axis=0), np.tile([0, 1], len(cells))])
    return both, records.reshape(-1)


def _with_rest(keys: Int64s, n: Int64s) -> tuple[Int64s, Int64s]:
    """The outcomes of each cell, and what is left of all its persons."""
    is_all = keys[:, -1] == ALL
    told = Sums()
    told.put("", keys[~is_all], n[~is_all])
    rest = keys.copy()
    rest[:, -1] = _REST
    told.put("", rest, np.where(is_all, n, -n))
    found, persons = told.get("", keys.shape[1])
    kept = persons > 0
    return found[kept], persons[kept]


def _points(keys: Int64s, n: Int64s) -> Histograms:
    """Histograms of single outcomes."""
    told = Sums()
    told.put("", np.column_stack([keys, keys[:, -1]]), n)
    return Histograms.of(told, "", keys.shape[1] - 1)


def uniforms_of(states: npt.NDArray[np.uint64], person: Int64s, places: Int64s, width: int) -> Doubles:
    """Uniform numbers (rows, width) of places in persons' streams."""
    drawn = np.empty((len(person), width))
    uniforms_at(states, person, places, drawn)
    return drawn
