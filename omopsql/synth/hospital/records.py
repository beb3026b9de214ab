"""The records of a subject as whole numbers: each attribute a place in its values, each person represented by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.harmonize.cdm import roles
from omopsql.sql_files import sql_folder
from omopsql.udfs.attributes import represent

from .counting import hashed_records
from .lives import Int32s, Int64s
from .plan import TABLE_NUMBERS, Items
from .reading import Site, longs, minutes_of_day
from .small_tables import reference_labels
from .subjects import END, END_MINUTE, LONGEST, MINUTE, SCALE, TOLD, Subject, subjects

NULL = -1  # the code of a missing value
_FARTHEST = 2.0**53


class Coded(NamedTuple):
    """A column as places in its distinct values; -1 where it is missing."""

    codes: Int64s
    values: list[Any]

    def where(self, kept: npt.NDArray[np.bool_]) -> Coded:
        """The rows that are marked."""
        return Coded(self.codes[kept], self.values)


@dataclass(frozen=True)
class Records:
    """Records of a subject in person order: the person and the concept of each, its codes and numbers by name.

    ``concept`` is the name that a record goes by, and ``wider`` are those that it may count as (0: none).
    """

    subject: Subject
    person: Int32s
    concept: Int64s
    wider: tuple[Int64s, ...]
    codes: dict[str, Coded]
    numbers: dict[str, Coded]
    hashes: npt.NDArray[np.uint64]

    def representing(self) -> Records:
        """One record of each person and concept, chosen by its hash."""
        concepts, item = np.unique(self.concept, return_inverse=True)
        chosen = np.zeros(len(self.person), np.bool_)
        represent(self.person, item, self.hashes, len(concepts), chosen)
        return self._where(chosen, self.concept)

    def named(self) -> Iterator[Records]:
        """The records by name; then some once more by each wider name that they may count as."""
        yield self
        for wider in self.wider:
            if wider.any():
                yield self._where(wider != 0, wider)

    def of_items(self, items: Items) -> Records:
        """The records of the model's items: rarer concepts count as what they are rolled up to, or not at all."""
        if self.subject.name not in TABLE_NUMBERS:
            return self
        concepts, item = items.concepts_of(self.subject.name)
        order = np.argsort(concepts)
        known, counted_as = concepts[order], items.concept[item[order]]
        found, of_item = np.zeros(len(self.person), np.bool_), np.zeros(len(self.person), np.int64)
        for name, is_name in ((self.concept, True), *((wider, wider != 0) for wider in self.wider)):
            here = ~found & is_name & np.isin(name, known)
            of_item[here] = counted_as[np.searchsorted(known, name[here])]
            found |= here
        return self._where(found, of_item)

    def _where(self, kept: npt.NDArray[np.bool_], concept: Int64s) -> Records:
        return Records(
            self.subject,
            self.person[kept],
            concept[kept],
            (),
            {name: column.where(kept) for name, column in self.codes.items()},
            {name: column.where(kept) for name, column in self.numbers.items()},
            self.hashes[kept],
        )


def records_of(site: Site) -> Iterator[Records]:
    """The records of every subject that the CDM has records of."""
    labels = reference_labels(site)
    for subject in subjects(site.version).values():
        if site.has(subject.table):
            rows = _person_rows(site) if subject.table == "person" else site.rows(subject.table)
            if rows.num_rows:
                yield _records(site, subject, rows, labels)


def _person_rows(site: Site) -> pa.Table:
    """The table person beside the persons' places in ``people``, with how exactly each birth is told."""
    inputs = f"WITH people AS (FROM omopsql_people), person AS ({site.typed('person')})"
    return site.cursor.sql(f"{inputs} FROM ({_person_sql()})").to_arrow_table()


@cache
def _person_sql() -> str:
    return sql_folder("synth").joinpath("hospital", "person_rows.sql").read_text(encoding="utf-8")


def _records(site: Site, subject: Subject, rows: pa.Table, labels: dict[str, dict[int, str]]) -> Records:
    person = rows["person"].to_numpy().astype(np.int32)
    codes = {name: _coded(subject, rows[name], labels.get(name)) for name in subject.codes}
    read = {name: _number(rows, subject, site.version, name) for name in subject.numbers}
    numbers = {name: _coded_numbers(column) for name, column in read.items() if column is not None}
    codes, numbers = _filled(codes), _filled(numbers)
    concept, *wider = _concepts(subject, rows)
    hashes = _hashes(site, person, rows, codes, numbers)
    return Records(subject, person, concept, tuple(wider), codes, numbers, hashes)


def _filled(columns: dict[str, Coded]) -> dict[str, Coded]:
    return {name: column for name, column in columns.items() if column.values}


def _concepts(subject: Subject, rows: pa.Table) -> list[Int64s]:
    """The concept of each record, and the wider names of unmapped ones; 0 where there is none."""
    if subject.concept is None or subject.name == "death":
        return [np.zeros(rows.num_rows, np.int64)]
    names = ("name_id", "wider_id", "widest_id") if subject.name in TABLE_NUMBERS else (subject.concept,)
    return [longs(rows[name]) for name in names]


def _coded(subject: Subject, column: pa.ChunkedArray, labels: dict[int, str] | None) -> Coded:
    """Number the distinct values of a column. Longer texts are free and count as missing."""
    if labels is not None:
        told = subject.name in TABLE_NUMBERS and subject.name != "visit_occurrence"
        labels = dict.fromkeys(labels, TOLD) if told else labels
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    values: list[Any] = coded.dictionary.to_pylist()
    if labels is not None:
        values = [labels.get(value) for value in values]
    values = [
        None if isinstance(value, str) and not 0 < len(value) <= max(LONGEST, _room(labels)) else value
        for value in values
    ]
    distinct = sorted({value for value in values if value is not None})
    places = {value: place for place, value in enumerate(distinct)}
    lookup = np.array([*(places.get(value, NULL) for value in values), NULL], np.int64)
    return Coded(lookup[pc.fill_null(coded.indices, len(values)).to_numpy()], distinct)


def _room(labels: dict[int, str] | None) -> int:
    return max(map(len, labels.values()), default=0) if labels else 0


def _coded_numbers(column: npt.NDArray[np.float64]) -> Coded:
    known = np.isfinite(column) & (np.abs(column) < _FARTHEST)
    values, places = np.unique(column[known].astype(np.int64), return_inverse=True)
    codes = np.full(len(column), NULL, np.int64)
    codes[known] = places
    return Coded(codes, values.tolist())


def _number(rows: pa.Table, subject: Subject, version: str, name: str) -> npt.NDArray[np.float64] | None:
    """A number of each record as a whole number of its steps, NaN where it is missing; None where there is no field."""
    if name in rows.column_names:
        return np.round(_doubles(rows[name]) * SCALE.get(name, 1))
    parts = roles(version).get(subject.table)
    if parts is None:
        return _minutes(rows["note_datetime"])
    if name == MINUTE:
        return _minutes(rows[parts.start_datetime_field])
    if name == END_MINUTE:
        return _minutes(rows[str(parts.end_datetime_field)])
    end = str(parts.end_date_field) if name == END else "verbatim_end_date"
    days = _days(rows[end]) - _days(rows[parts.start_date_field])
    return np.maximum(days, 0.0)


def _doubles(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    return found


def _days(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return _doubles(column.cast(pa.date32()).cast(pa.int32()))


def _minutes(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    minute = minutes_of_day(column)
    return np.where(minute < 0, np.nan, minute)


def _hashes(
    site: Site, person: Int32s, rows: pa.Table, codes: dict[str, Coded], numbers: dict[str, Coded]
) -> npt.NDArray[np.uint64]:
    """Hash each record by all that it says, and when."""
    said = [_words(column) for _, column in sorted((codes | numbers).items())]
    days = rows["own_day"].to_numpy() if "own_day" in rows.column_names else np.zeros(len(person), np.int64)
    return hashed_records(site.people, person, days, *said)


def _words(column: Coded) -> Int64s:
    """A number for each value that depends on the value alone."""
    words = [crc32(value.encode()) if isinstance(value, str) else value for value in column.values]
    return np.array([*words, -1], np.int64)[column.codes]
