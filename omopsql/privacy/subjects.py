"""The persons who are attacked: one row a person on each side, and what makes two persons' records equal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import duckdb
import numpy as np

from omopsql.errors import OmopsqlError
from omopsql.evaluate.encode import label_codes, vectors
from omopsql.evaluate.sides import Doubles, Int64s, Side, Sides, open_sides

from .records import Hashes, Records, mixed, numbered, rows, summed

WHOLE = ""  # the subject of a whole record

MOST_SECRETS = 30

# What others commonly know of a person, by the words in a column's name.
_QUASI = ("sex", "gender", "birth", "age", "race", "ethnic", "zip", "postcode", "postal", "county", "region", "marital")


@dataclass(frozen=True)
class Subjects:
    """The persons of every side.

    ``sides`` holds one row a person, and ``vectors`` (n, d) a side the same for distances. ``records`` are the whole
    records, ``levels`` coarser ones, ``parts`` those of single tables. ``quasi`` are the kinds of persons by what is
    commonly known of them, None where no column is. ``known`` are the columns that an attacker knows (none: all but
    the secret one), ``secrets`` those that he would learn.
    """

    sides: Sides
    vectors: tuple[Doubles, ...]
    whole: Records
    levels: tuple[Records, ...]
    parts: tuple[Records, ...]
    quasi: Records | None
    known: tuple[str, ...]
    secrets: tuple[str, ...]


def open_flat(
    cursor: duckdb.DuckDBPyConnection,
    sources: tuple[str, str, str | None],
    person: str | None,
    known: str | None,
    secret: str | None,
    seed: int,
) -> Subjects:
    """Open flat tables. Where a person has several rows, his record is all of them; other attacks see one of them.

    Raises OmopsqlError when a table cannot be read, or a column is missing.
    """
    sides = open_sides(cursor, *sources, seed=seed)
    owners = _owners(sides, person)
    compared = tuple(name for name in sides.columns if person is None or name.lower() != person.lower())
    if not compared:
        raise OmopsqlError(f"{sides.real.name} has no column but {person}, so there is nothing to attack")
    kept = replace(sides, numeric=_among(sides.numeric, compared), labels=_among(sides.labels, compared))
    records = numbered(WHOLE, _joined(rows(kept, compared), owners))
    every = tuple(_one_row(side, of) for side, of in zip(sides.every, owners, strict=True))
    one_row = replace(kept, real=every[0], synthetic=every[1], holdout=every[2] if len(every) > 2 else None)
    return Subjects(
        sides=one_row,
        vectors=vectors(one_row).sides,
        whole=records,
        levels=(),
        parts=(),
        quasi=_quasi(one_row, known),
        known=columns_of(one_row, known, "known"),
        secrets=columns_of(one_row, secret, "secret") or telling(one_row, compared, MOST_SECRETS),
    )


def columns_of(sides: Sides, listed: str | None, parameter: str) -> tuple[str, ...]:
    """Read a list of columns, ``'sex, age'``. Raises OmopsqlError for one that not every side has."""
    by_name = {name.lower(): name for name in sides.columns}
    wanted = [name.strip() for name in (listed or "").split(",") if name.strip()]
    for name in wanted:
        if name.lower() not in by_name:
            has = ", ".join(sides.columns)
            raise OmopsqlError(f"{parameter}: there is no column {name!r} on every side; there are {has}")
    return tuple(by_name[name.lower()] for name in wanted)


def telling(sides: Sides, columns: tuple[str, ...], most: int) -> tuple[str, ...]:
    """Return at most so many columns, in their order: those whose commonest value the fewest real persons share."""
    if len(columns) <= most:
        return columns
    coded = (label_codes(sides, name).sides[0] if name in sides.labels else _bits(sides, name) for name in columns)
    shares = np.array([np.unique(values, return_counts=True)[1].max() for values in coded])
    chosen = np.sort(np.argsort(shares, kind="stable")[:most])
    return tuple(columns[place] for place in chosen)


def _bits(sides: Sides, name: str) -> Int64s:
    return np.nan_to_num(sides.real.numbers(name), nan=np.inf).view(np.int64)


def is_quasi(column: str) -> bool:
    """Whether a column's name says that others may know it, as birth_date does."""
    return any(word in column.lower().split("_") for word in _QUASI)


def _quasi(sides: Sides, known: str | None) -> Records | None:
    """Kinds of persons by the columns that are given as known, or else by those with a name that says so."""
    names = columns_of(sides, known, "known") or tuple(name for name in sides.columns if is_quasi(name))
    return numbered(", ".join(names), rows(sides, names)) if names else None


def _among(names: Iterable[str], kept: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in set(kept))


def _owners(sides: Sides, person: str | None) -> list[Int64s]:
    """Whose each row is: persons numbered from 0 on each side. Without a key, each row is a person's."""
    if person is None:
        return [np.arange(len(side)) for side in sides.every]
    (key,) = columns_of(sides, person, "person")
    coded = label_codes(sides, key)
    return [np.unique(part, return_inverse=True)[1].ravel().astype(np.int64) for part in coded.sides]


def _joined(hashes: list[Hashes], owners: list[Int64s]) -> list[Hashes]:
    """One hash a person: of all his rows."""
    ends = (np.full(len(part), -1, np.int64) for part in hashes)  # so that a sum of rows is no other row
    closed = [mixed(part, end) for part, end in zip(hashes, ends, strict=True)]
    return [summed(part, of, int(of.max()) + 1) for part, of in zip(closed, owners, strict=True)]


def _one_row(side: Side, owners: Int64s) -> Side:
    """The first row of each person, in the order of their numbers."""
    _, first = np.unique(owners, return_index=True)
    return side if len(first) == len(side) else side.taken(first)
