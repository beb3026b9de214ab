"""The tables of a synthetic CDM, written from lives.

A record's key is its person's number times a constant, plus its ordinal in the person, so each table can be made
alone and its keys fit the others. Fields that nothing is known of are NULL, or 0 and '' where the CDM wants a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.harmonize.cdm import VOCABULARY_TABLES, Field, Roles, roles, tables

from . import small_tables
from .attributes import Attributes, Drawn
from .columns import DAY, MOST_INT32, Bools, arrow_type, dates, keys, times, whole, within, written
from .lives import Doubles, Events, Int32s, Int64s, Lives, Values, Visits, offsets_of, owners
from .plan import TABLE_NUMBERS, TABLES
from .small_tables import SMALL_TABLES
from .subjects import BIRTH_TOLD, END, END_MINUTE, MINUTE, TOLD
from .values import SeriesValues
from .visits import Details, VisitModel, details

if TYPE_CHECKING:
    from .generate import Hospital

_NOT_MADE = frozenset({*VOCABULARY_TABLES, "condition_era", "drug_era", "dose_era"})
_PEOPLE_TABLES = ("person", "observation_period", "death")


def made(hospital: Hospital) -> tuple[str, ...]:
    """Return the tables that a model makes, in the order of the CDM: those of its source, if only without rows.

    Eras follow from other tables, and the vocabulary is the source's own.
    """
    attributes = _attributes(hospital)
    found = {"person", "observation_period", *small_tables.ALWAYS, *attributes.tables}
    found |= {name for name in SMALL_TABLES if small_tables.labels(attributes, name)}
    return tuple(name for name in tables(hospital.version) if name in found - _NOT_MADE)


def persons(name: str, rows: pa.Table, hospital: Hospital) -> Int64s:
    """Return the number of the person of each row of a table that ``render`` made."""
    if "person_id" not in rows.column_names:
        return np.zeros(rows.num_rows, np.int64)
    found: Int64s = rows["person_id"].to_numpy().astype(np.int64)
    return found


def render(name: str, lives: Lives, hospital: Hospital) -> pa.Table:
    """Write a table of some lives, by person: the columns of the model's CDM version, in their order and types."""
    if name in small_tables.ALWAYS or name in SMALL_TABLES:
        return small_tables.render(name, _attributes(hospital), hospital)
    if name in _PEOPLE_TABLES:
        return _PEOPLE_WRITERS[name](lives, hospital)
    if lives.events is None or lives.visits is None:
        return written(hospital.version, name, 0, {})
    if name == "visit_occurrence":
        return _Stays(lives, hospital).table()
    if name == "visit_detail":
        return _DetailTable(lives, hospital).table()
    if name in TABLE_NUMBERS:
        return _RecordTable(name, lives, hospital).table()
    return written(hospital.version, name, 0, {})


def _attributes(hospital: Hospital) -> Attributes:
    found: Attributes = hospital.models["attributes"]
    return found


def _visit_model(hospital: Hospital) -> VisitModel:
    found: VisitModel = hospital.models["visits"]
    return found


def _told(drawn: Drawn | None, fields: dict[str, Field], hospital: Hospital) -> dict[str, pa.Array]:
    """The columns of codes and of numbers that were drawn as they stand in the table."""
    columns: dict[str, pa.Array] = {}
    for name, field in fields.items():
        if drawn is None or name not in drawn:
            continue
        if f"{name.removesuffix('_id')}" in SMALL_TABLES:
            columns[name] = _references(drawn, name, hospital)
        elif not (field.type.startswith("VARCHAR") or field.is_concept):
            numbers, missing = drawn.scaled(name)
            is_double = arrow_type(field) == pa.float64()
            columns[name] = pa.array(numbers, mask=missing) if is_double else whole(np.round(numbers), missing, field)
        else:
            columns[name] = drawn.column(name, _code_type(field, drawn, name))
    return columns


def _code_type(field: Field, drawn: Drawn, name: str) -> pa.DataType:
    found = arrow_type(field)
    if pa.types.is_integer(found) and max(drawn.values(name), default=0) > MOST_INT32:
        return pa.int64()
    return found


def _references(drawn: Drawn, name: str, hospital: Hospital) -> pa.Array:
    """Keys of a small table."""
    known = small_tables.numbered(_attributes(hospital), name.removesuffix("_id"))
    codes = drawn.codes(name)
    numbers = np.array([*(known.get(label, 0) for label in drawn.values(name)), 0], np.int64)[codes]
    return pa.array(numbers, mask=(codes < 0) | (numbers == 0))


# People


def _person(lives: Lives, hospital: Hospital) -> pa.Table:
    people, rows = lives.people, len(lives)
    each = np.arange(rows + 1)
    fields = tables(hospital.version)["person"]
    drawn = {
        name: _attributes(hospital).drawn(name, concepts, np.arange(rows), lives, each)
        for name, concepts in (
            ("gender", people.sex),
            ("race", people.race),
            ("ethnicity", people.ethnicity),
            ("home", people.sex),
        )
    }
    columns: dict[str, pa.Array] = {}
    for found in drawn.values():
        columns |= _told(found, fields, hospital)
    year, month, day = _calendar(people.birth)
    exact = _exactness(drawn["home"], rows)
    return written(
        hospital.version,
        "person",
        rows,
        columns
        | {
            "person_id": whole(lives.numbers),
            "gender_concept_id": whole(people.sex, field=fields["gender_concept_id"]),
            "race_concept_id": whole(people.race, field=fields["race_concept_id"]),
            "ethnicity_concept_id": whole(people.ethnicity, field=fields["ethnicity_concept_id"]),
            "year_of_birth": whole(year, field=fields["year_of_birth"]),
            "month_of_birth": whole(month, exact < 1, fields["month_of_birth"]),
            "day_of_birth": whole(day, exact < 2, fields["day_of_birth"]),
            "birth_datetime": times(people.birth, np.zeros(rows, np.int64), exact < 3),
        },
    )


def _calendar(days: Int32s) -> tuple[Int64s, Int64s, Int64s]:
    """The year, month and day of days since 1970-01-01."""
    dated = days.astype("datetime64[D]")
    months = dated.astype("datetime64[M]")
    month = months.astype(np.int64)
    day = (dated - months.astype("datetime64[D]")).astype(np.int64) + 1
    return 1970 + month // 12, month % 12 + 1, day


def _exactness(home: Drawn | None, rows: int) -> Int64s:
    """How exactly each birth is told: 0 the year, 1 the month, 2 the day, 3 the time."""
    if home is None or BIRTH_TOLD not in home:
        return np.full(rows, 2)
    grades = [["year", "month", "day", "time"].index(told) for told in home.values(BIRTH_TOLD)]
    return np.array([*grades, 0], np.int64)[home.codes(BIRTH_TOLD)]


def _observation_period(lives: Lives, hospital: Hospital) -> pa.Table:
    people, rows = lives.people, len(lives)
    zeros = np.zeros(rows, np.int64)
    drawn = _attributes(hospital).drawn("observation_period", zeros, np.arange(rows), lives, np.arange(rows + 1))
    columns = _told(drawn, tables(hospital.version)["observation_period"], hospital) | {
        "observation_period_id": whole(lives.numbers),
        "person_id": whole(lives.numbers),
        "observation_period_start_date": dates(people.birth + people.start),
        "observation_period_end_date": dates(people.birth + people.end),
    }
    return written(hospital.version, "observation_period", rows, columns)


def _death(lives: Lives, hospital: Hospital) -> pa.Table:
    people = lives.people
    died = np.flatnonzero(people.death >= 0)
    offsets = offsets_of(died, len(lives))
    zeros = np.zeros(len(died), np.int64)
    drawn = _attributes(hospital).drawn("death", zeros, np.arange(len(died)), lives, offsets)
    columns = _told(drawn, tables(hospital.version)["death"], hospital) | {
        "person_id": whole(lives.numbers[died]),
        "death_date": dates((people.birth + people.death)[died]),
    }
    return written(hospital.version, "death", len(died), columns)


_PEOPLE_WRITERS: dict[str, Callable[[Lives, Hospital], pa.Table]] = {
    "person": _person,
    "observation_period": _observation_period,
    "death": _death,
}


# Visits


class _Stays:
    """The visits of lives, and what is told of each."""

    def __init__(self, lives: Lives, hospital: Hospital) -> None:
        assert lives.visits is not None
        self.lives, self.hospital, self.visits = lives, hospital, lives.visits
        self.person = owners(self.visits.offsets)
        self.ordinal = within(self.visits.offsets)

    @cached_property
    def drawn(self) -> Drawn | None:
        """The attributes of each visit."""
        items, visits = self.hospital.items, self.visits
        return _attributes(self.hospital).drawn(
            "visit_occurrence", items.concept, visits.item, self.lives, visits.offsets
        )

    @cached_property
    def keys(self) -> Int64s:
        """The key of each visit."""
        return keys(self.lives.numbers[self.person], self.ordinal)

    @cached_property
    def providers(self) -> pa.Array:
        """The provider of each visit."""
        if self.drawn is None or "provider_id" not in self.drawn:
            return pa.nulls(len(self.visits), pa.int64())
        return _references(self.drawn, "provider_id", self.hospital)

    def table(self) -> pa.Table:
        """The table visit_occurrence."""
        visits, fields = self.visits, tables(self.hospital.version)["visit_occurrence"]
        birth = self.lives.people.birth[self.person]
        concept = self.hospital.items.concept[visits.item]
        columns = _told(self.drawn, fields, self.hospital) | {
            "visit_occurrence_id": whole(self.keys),
            "person_id": whole(self.lives.numbers[self.person]),
            "visit_concept_id": whole(concept, field=fields["visit_concept_id"]),
            "visit_start_date": dates(birth + visits.start),
            "visit_start_datetime": times(birth + visits.start, visits.start_minute, visits.start_minute < 0),
            "visit_end_date": dates(birth + visits.end),
            "visit_end_datetime": times(birth + visits.end, visits.end_minute, visits.end_minute < 0),
        }
        if _visit_model(self.hospital).preceding.get(TABLE_NUMBERS["visit_occurrence"]):
            columns["preceding_visit_occurrence_id"] = whole(self.keys - 1, self.ordinal == 0)
        return written(self.hospital.version, "visit_occurrence", len(visits), columns)


class _DetailTable:
    """The details of visits."""

    def __init__(self, lives: Lives, hospital: Hospital) -> None:
        self.stays = _Stays(lives, hospital)
        self.lives, self.hospital = lives, hospital
        self.details: Details = details(_visit_model(hospital), lives)
        self.person = self.stays.person[self.details.visit]
        self.offsets = offsets_of(self.person, len(lives))
        self.ordinal = within(self.offsets)

    @cached_property
    def keys(self) -> Int64s:
        """The key of each detail."""
        return keys(self.lives.numbers[self.person], self.ordinal)

    def table(self) -> pa.Table:
        """The table visit_detail."""
        found, version = self.details, self.hospital.version
        fields, model = tables(version)["visit_detail"], _visit_model(self.hospital)
        drawn = self._drawn(model)
        visits, birth = self.stays.visits, self.lives.people.birth[self.person]
        begin, end = self._minutes(visits.start, visits.start_minute), self._minutes(visits.end, visits.end_minute)
        columns = _told(drawn, fields, self.hospital) | {
            "visit_detail_id": whole(self.keys),
            "person_id": whole(self.lives.numbers[self.person]),
            "visit_detail_concept_id": whole(
                model.detail_concepts[found.kind], field=fields["visit_detail_concept_id"]
            ),
            "visit_detail_start_date": dates(birth + found.start),
            "visit_detail_start_datetime": times(birth + found.start, begin, begin < 0),
            "visit_detail_end_date": dates(birth + found.end),
            "visit_detail_end_datetime": times(birth + found.end, end, end < 0),
            "visit_occurrence_id": whole(self.stays.keys[found.visit]),
        }
        if model.preceding.get(len(TABLES)):
            columns["preceding_visit_detail_id"] = whole(self.keys - 1, self.ordinal == 0)
        return written(version, "visit_detail", len(found.kind), columns)

    def _drawn(self, model: VisitModel) -> Drawn | None:
        """The attributes of each detail. The first of a visit with many values is of the care that these are of."""
        drawn = _attributes(self.hospital).drawn(
            "visit_detail", model.detail_concepts, self.details.kind, self.lives, self.offsets
        )
        values, visit = self.lives.values, self.details.visit
        if drawn is None or "visit_detail_source_value" not in drawn or not isinstance(values, SeriesValues):
            return drawn
        codes = self.hospital.models["values"].first_detail
        opens = np.flatnonzero(np.append(True, visit[1:] != visit[:-1])) if len(visit) else visit
        told = [codes.get(care) for care in values.care[visit[opens]].tolist()]
        known = np.array([code is not None for code in told], np.bool_)
        drawn.give("visit_detail_source_value", opens[known], [code for code in told if code is not None])
        return drawn

    def _minutes(self, day: Int32s, minute: Int32s) -> Int32s:
        """The minute of the visit's start or end, where the detail shares it; elsewhere midnight, if any is told."""
        edge = self.details.start if day is self.stays.visits.start else self.details.end
        own_day, own_minute = day[self.details.visit], minute[self.details.visit]
        return np.where(edge == own_day, own_minute, np.minimum(own_minute, 0)).astype(np.int32)


# Records


@dataclass(frozen=True)
class _Rows:
    """The records of one table by person: item, day since birth, visit (-1: none), minute (-1: to be drawn), value.

    ``series`` tells what the value is of, -1 without one.
    """

    offsets: Int64s
    item: Int32s
    day: Int32s
    visit: Int32s
    minute: Int32s
    value: Doubles
    series: Int32s


_OF_SERIES = (  # fields that belong to a value, and what its series calls them
    ("unit_concept_id", "unit"),
    ("unit_source_value", "unit_code"),
    ("{}_source_value", "code"),
    ("{}_source_concept_id", "source_concept"),
)


class _RecordTable:
    """The records of one table, with all that is told of them."""

    def __init__(self, name: str, lives: Lives, hospital: Hospital) -> None:
        self.name, self.lives, self.hospital = name, lives, hospital
        self.fields = tables(hospital.version)[name]
        self.parts = _parts(hospital.version, name)
        self.rows = _rows_of(name, lives, hospital)
        self.person = owners(self.rows.offsets)
        self.birth = lives.people.birth[self.person]
        self.stays = _Stays(lives, hospital)
        self.drawn = _attributes(hospital).drawn(name, hospital.items.concept, self.rows.item, lives, self.rows.offsets)

    def table(self) -> pa.Table:
        """The table with all its fields."""
        return written(self.hospital.version, self.name, len(self.rows.item), dict(self._columns()))

    def _columns(self) -> Iterator[tuple[str, pa.Array]]:
        rows, parts = self.rows, self.parts
        told = _told(self.drawn, self.fields, self.hospital)
        yield from told.items()
        yield from self._of_series(told)
        numbers = self.lives.numbers[self.person]
        yield parts.key_field, whole(keys(numbers, within(rows.offsets)))
        yield "person_id", whole(numbers)
        concept = self.hospital.items.concept[rows.item]
        yield parts.concept_field, whole(concept, field=self.fields[parts.concept_field])
        yield parts.start_date_field, dates(self.birth + rows.day)
        minute = self._minute
        yield parts.start_datetime_field, times(self.birth + rows.day, minute, minute < 0)
        if parts.end_date_field is not None:
            yield from self._ends(parts)
        if "value_as_number" in self.fields:
            yield "value_as_number", pa.array(rows.value, mask=np.isnan(rows.value))
        if "visit_occurrence_id" in self.fields:
            yield from self._of_visit()

    def _of_series(self, drawn: dict[str, pa.Array]) -> Iterator[tuple[str, pa.Array]]:
        """The unit and the source's code of records with a value, in the place of those that were drawn.

        A code that its series does not name stays as it was drawn.
        """
        model = self.hospital.models.get("values")
        if model is None or "value_as_number" not in self.fields:
            return
        series = np.where(self.rows.series >= 0, self.rows.series, len(model.labels))
        named = np.array([*(code is not None for code in model.told["code"]), False])[series]
        for pattern, key in _OF_SERIES:
            field = self.fields[pattern.format(self.name)]
            told = pa.array([*model.told[key], None], pa.int64() if field.is_concept else pa.string())
            if field.is_concept and (pc.max(told).as_py() or 0) <= MOST_INT32:
                told = told.cast(arrow_type(field))
            is_ours = named if "{}" in pattern else self.rows.series >= 0
            yield field.name, _replaced(drawn.get(field.name), told.take(pa.array(series)), is_ours, field)

    @cached_property
    def _minute(self) -> Int64s:
        """The minute of the day of each record, inside its visit's; -1 where none is told."""
        rows, visits = self.rows, self.stays.visits
        if self.drawn is None or MINUTE not in self.drawn:
            return rows.minute.astype(np.int64)
        drawn, missing = self.drawn.number(MINUTE, shared=rows.day)
        minute = np.where(rows.minute >= 0, rows.minute, np.where(missing, -1, drawn))
        if not len(visits):
            return minute
        place = np.maximum(self._visit, 0)
        timed = (self._visit >= 0) & (minute > 0)
        opens = timed & (visits.start[place] == rows.day)
        minute = np.where(opens, np.maximum(minute, visits.start_minute[place]), minute)
        closes = timed & (visits.end[place] == rows.day) & (visits.end_minute[place] > 0)
        return np.where(closes, np.minimum(minute, visits.end_minute[place]), minute)

    @cached_property
    def _visit(self) -> Int64s:
        """The place of each record's visit in the batch, -1 without one."""
        return np.where(self.rows.visit >= 0, self.stays.visits.offsets[self.person] + self.rows.visit, -1)

    def _ends(self, parts: Roles) -> Iterator[tuple[str, pa.Array]]:
        """Ends: after the start, and within the person's time."""
        rows, people = self.rows, self.lives.people
        days, missing = np.zeros(len(rows.item), np.int64), np.ones(len(rows.item), np.bool_)
        if self.drawn is not None and END in self.drawn:
            days, missing = self.drawn.number(END)
        limit = np.where(people.death >= 0, np.minimum(people.death, people.end), people.end)[self.person]
        end = np.maximum(np.minimum(rows.day + days, limit), rows.day)
        end_date = str(parts.end_date_field)
        missing = np.zeros_like(missing) if self.fields[end_date].is_required else missing
        end = np.where(missing, 0, end)
        yield end_date, dates(self.birth + end, missing)
        if self.drawn is not None and "verbatim_end" in self.drawn:
            _, unsaid = self.drawn.number("verbatim_end")
            yield "verbatim_end_date", dates(self.birth + end, unsaid | missing)
        if self.drawn is not None and END_MINUTE in self.drawn:
            minute, unsaid = self.drawn.number(END_MINUTE)
            minute = np.where(end == rows.day, np.maximum(minute, self._minute), minute)
            yield str(parts.end_datetime_field), times(self.birth + end, minute, unsaid | missing)

    def _of_visit(self) -> Iterator[tuple[str, pa.Array]]:
        """The visit, its detail and its provider."""
        stays, apart = self.stays, self._visit < 0
        number = TABLE_NUMBERS[self.name]
        if not len(stays.visits):
            yield "provider_id", pa.nulls(len(apart), pa.int64())
            return
        place = np.maximum(self._visit, 0)
        yield "visit_occurrence_id", whole(stays.keys[place], apart)
        model = _visit_model(self.hospital)
        if model.in_detail.get(number) and len(model.detail_concepts):
            yield "visit_detail_id", self._of_detail()
        told = self._provider_is_told
        providers = stays.providers.take(pa.array(place, mask=apart | ~told))
        yield "provider_id", providers

    @property
    def _provider_is_told(self) -> Bools:
        if self.drawn is None or "provider_id" not in self.drawn or TOLD not in self.drawn.values("provider_id"):
            return np.zeros(len(self.rows.item), np.bool_)
        return self.drawn.codes("provider_id") >= 0

    def _of_detail(self) -> pa.Array:
        """The last detail of the visit that began by the record's day, if it had not ended."""
        table = _DetailTable(self.lives, self.hospital)
        found = table.details
        if not len(found.kind):
            return pa.nulls(len(self.rows.item), pa.int64())
        span = 1 << 20
        begins = found.visit * span + found.start
        wanted = self._visit * span + self.rows.day
        place = np.maximum(np.searchsorted(begins, wanted, side="right") - 1, 0)
        fits = (self._visit >= 0) & (found.visit[place] == self._visit) & (found.end[place] >= self.rows.day)
        return whole(table.keys[place], ~fits)


def _replaced(drawn: pa.Array | None, told: pa.Array, is_told: Bools, field: Field) -> pa.Array:
    """A column that tells some rows, and has drawn the others. Nothing told is 0 where 0 was drawn."""
    drawn = pa.nulls(len(told), arrow_type(field)) if drawn is None else drawn
    if field.is_concept:
        told = pc.if_else(pc.fill_null(pc.equal(drawn, 0), False), pc.fill_null(told, 0), told)
    return pc.if_else(pa.array(is_told), told, drawn)


def _parts(version: str, name: str) -> Roles:
    """The roles of a table's fields; a note has them too."""
    if name != "note":
        return roles(version)[name]
    return Roles(
        cdm_table="note",
        concept_field="note_type_concept_id",
        source_value_field="note_source_value",
        source_concept_field=None,
        type_field="note_type_concept_id",
        start_date_field="note_date",
        start_datetime_field="note_datetime",
        end_date_field=None,
        end_datetime_field=None,
        key_field="note_id",
        domain=None,
    )


def _rows_of(name: str, lives: Lives, hospital: Hospital) -> _Rows:
    events, visits, values = lives.events, lives.visits, lives.values
    assert events is not None and visits is not None
    placed = np.flatnonzero(hospital.items.table[events.item] == TABLE_NUMBERS[name])
    person = np.searchsorted(events.offsets, placed, side="right") - 1
    rows = (
        person,
        events.item[placed],
        events.day[placed] + visits.offset[placed],
        visits.of_event[placed],
        np.full(len(placed), -1, np.int32),
        *_values_of_events(events, values, placed),
    )
    if values is not None:
        rows = _with_dense(name, rows, values, lives, visits, hospital)
    person, item, day, visit, minute, value, series = rows
    return _Rows(offsets_of(person, len(lives)), item, day.astype(np.int32), visit, minute, value, series)


def _values_of_events(events: Events, values: Values | None, placed: Int64s) -> tuple[Doubles, Int32s]:
    """The value of each of the placed events, NaN without one, and its series."""
    value, series = np.full(len(events), np.nan), np.full(len(events), -1, np.int32)
    if values is not None:
        sparse = values.event >= 0
        place = events.offsets[owners(values.offsets)[sparse]] + values.event[sparse]
        value[place], series[place] = values.value[sparse], _series_of(values)[sparse]
    return value[placed], series[placed]


def _series_of(values: Values) -> Int32s:
    return values.series if isinstance(values, SeriesValues) else np.full(len(values), -1, np.int32)


def _with_dense(
    name: str, rows: tuple[Any, ...], values: Values, lives: Lives, visits: Visits, hospital: Hospital
) -> tuple[Any, ...]:
    """Add the records whose times come with their values, after each person's others."""
    dense = np.flatnonzero((values.event < 0) & (hospital.items.table[values.item] == TABLE_NUMBERS[name]))
    if not len(dense):
        return rows
    person = owners(values.offsets)[dense]
    visit, minute = values.visit[dense], values.minute[dense].astype(np.int64)
    place = np.where(visit >= 0, visits.offsets[person] + visit, 0)
    start = np.where(visit >= 0, visits.start[place], lives.people.start[person])
    opening = np.where(visit >= 0, np.maximum(visits.start_minute[place], 0), 0)
    moment = opening + minute
    last = lives.people.end[person]
    day = np.minimum(start + moment // DAY, last)
    minute = (moment % DAY).astype(np.int32)
    added = (person, values.item[dense], day, visit, minute, values.value[dense], _series_of(values)[dense])
    joined = [np.concatenate([own, more]) for own, more in zip(rows, added, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return tuple(column[order] for column in joined)
