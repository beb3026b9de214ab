"""Rows of numbers, counted: the step from one row a person to a statistic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from omopsql.udfs.attributes import represent

from .histograms import Rungs
from .lives import People
from .sums import Sums, group_starts, sorted_order

Ints = NDArray[np.int64]


def counted(*columns: NDArray[np.integer]) -> tuple[Ints, Ints]:
    """Count equal rows; return the distinct rows (m, columns), sorted, and how often each occurs (m)."""
    wide = [np.asarray(column, np.int64) for column in columns]
    if len(wide[0]) == 0:
        return np.empty((0, len(wide)), np.int64), np.empty(0, np.int64)
    lows = [int(column.min()) for column in wide]
    spans = [int(column.max()) - low + 1 for column, low in zip(wide, lows, strict=True)]
    if np.prod([float(span) for span in spans]) >= 2.0**62:
        known = [np.unique(column, return_inverse=True) for column in wide]
        if np.prod([float(len(values)) for values, _ in known]) < 2.0**62:
            ranks, n = counted(*(rank for _, rank in known))
            return np.column_stack([values[rank] for (values, _), rank in zip(known, ranks.T, strict=True)]), n
        rows, n = np.unique(np.column_stack(wide), axis=0, return_counts=True)
        return rows, n.astype(np.int64)
    code = np.zeros(len(wide[0]), np.int64)
    for column, low, span in zip(wide, lows, spans, strict=True):
        code = code * span + (column - low)
    codes, n = np.unique(code, return_counts=True)
    keys = np.empty((len(codes), len(wide)), np.int64)
    for position in range(len(wide) - 1, -1, -1):
        codes, keys[:, position] = np.divmod(codes, spans[position])
        keys[:, position] += lows[position]
    return keys, n.astype(np.int64)


def hashed(*columns: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Hash rows of numbers: evenly, and a function of the numbers alone (SplitMix64's mixing)."""
    state = np.full(len(columns[0]), 0x9E3779B97F4A7C15, np.uint64)
    for column in columns:
        state = _mixed(state ^ np.asarray(column, np.int64).view(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
    return _mixed(state)


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def hashed_records(people: People, person: NDArray[np.integer], *said: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Hash records: what each says, and what kind of person has it and how many, but not whose it is."""
    held = np.bincount(person, minlength=len(people))[person]
    return hashed(held, people.birth[person], people.end[person] - people.start[person], *said)


def chosen(among: NDArray[np.integer], *record: NDArray[np.integer]) -> Ints:
    """Choose one of ``among`` things (0 to among - 1) by a hash of the record: evenly, and by nothing else."""
    return (hashed(*record) % np.asarray(among, np.int64).astype(np.uint64)).astype(np.int64)


def representing(person: NDArray[np.integer], hashes: NDArray[np.uint64], *key: NDArray[np.integer]) -> Ints:
    """The place of one row of each person and key, rising: the one with the smallest hash, of equal ones the first."""
    order = sorted_order([np.asarray(person, np.int64)], len(person))
    keys, number = _numbered(key, len(person))
    is_chosen = np.zeros(len(order), np.bool_)
    represent(person[order], number[order], hashes[order], keys, is_chosen)
    return np.sort(order[is_chosen])


def _numbered(columns: Sequence[NDArray[np.integer]], rows: int) -> tuple[int, Ints]:
    """Return how many distinct rows some columns have, and the number of each row among these."""
    distinct, number = 1, np.zeros(rows, np.int64)
    for column in columns:
        values, place = np.unique(column, return_inverse=True)
        found, number = np.unique(number * len(values) + place, return_inverse=True)
        distinct = len(found)
    return distinct, number


def ordinals(*group: NDArray[np.integer]) -> Ints:
    """Number sorted rows from 1 within each group."""
    rows = len(group[0])
    first = group_starts([np.asarray(column, np.int64) for column in group], rows)
    return np.arange(rows) - np.repeat(first, np.diff(np.append(first, rows))) + 1


def put_persons(sums: Sums, statistic: str, person: NDArray[np.integer], *key: NDArray[np.integer]) -> None:
    """Count the persons who have a key, each once."""
    rows, _ = counted(person, *key)
    sums.put(statistic, *counted(*rows[:, 1:].T))


def put_represented(
    sums: Sums,
    statistic: str,
    person: NDArray[np.integer],
    hashes: NDArray[np.uint64],
    key: Sequence[NDArray[np.integer]],
    *told: NDArray[np.integer],
) -> None:
    """Count records by a key and what else is told of them: one record of each person and key, chosen by its hash."""
    rows = representing(person, hashes, *key)
    sums.put(statistic, *counted(*(column[rows] for column in (*key, *told))))


def put_quantity(sums: Sums, rungs: Rungs, cell: Ints, quantity: NDArray[np.integer]) -> None:
    """Count a number of each person for the rungs of a ladder; ``cell`` (persons, columns) is what it is given."""
    for name, columns in rungs.items():
        sums.put(name, *counted(*(cell[:, column] for column in columns), quantity))


def put_quantities(
    sums: Sums,
    rungs: Rungs,
    person: NDArray[np.integer],
    hashes: NDArray[np.uint64],
    cell: Ints,
    quantity: NDArray[np.integer],
) -> None:
    """Count a number of records in cells (records, columns) for the rungs of a ladder, one of each person and cell."""
    for name, columns in rungs.items():
        put_represented(sums, name, person, hashes, [cell[:, column] for column in columns], quantity)
