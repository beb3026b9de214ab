"""The tables of events: one record a row, in its visit, with all that is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.harmonize.cdm import Field, Roles, roles, tables

from ..columns import Bools, arrow_type, dates, keys, times, type_holding, whole, within, written
from ..lives import Int64s, Lives, owners
from ..plan import TABLE_NUMBERS
from ..subjects import END, END_MINUTE, MINUTE, TOLD
from .drawn import attributes_of, told_columns, visits_of
from .rows import rows_of
from .visits import DetailTable, Stays

if TYPE_CHECKING:
    from ..generate import Hospital


_OF_SERIES = (  # fields that belong to a value, and what its series calls them
    ("unit_concept_id", "unit"),
    ("unit_source_value", "unit_code"),
    ("{}_source_value", "code"),
    ("{}_source_concept_id", "source_concept"),
)


class RecordTable:
    """The records of one table, with all that is told of them."""

    def __init__(self, name: str, lives: Lives, hospital: Hospital) -> None:
        self.name, self.lives, self.hospital = name, lives, hospital
        self.fields = tables(hospital.version)[name]
        self.parts = _parts(hospital.version, name)
        self.rows = rows_of(name, lives, hospital)
        self.person = owners(self.rows.offsets)
        self.birth = lives.people.birth[self.person]
        self.stays = Stays(lives, hospital)
        self.drawn = attributes_of(hospital).drawn(
            name, hospital.items.concept, self.rows.item, lives, self.rows.offsets
        )

    def table(self) -> pa.Table:
        """The table with all its fields."""
        columns = dict(self._columns())
        columns |= dict(self._of_names(columns))
        return written(self.hospital.version, self.name, len(self.rows.item), columns)

    def _of_names(self, columns: dict[str, pa.Array]) -> Iterator[tuple[str, pa.Array]]:
        """What an item's name tells: its source's code, where no more telling one was drawn; its value as a concept."""
        items, item = self.hospital.items, pa.array(self.rows.item)
        told: dict[str, list[Any]] = {
            self.parts.source_value_field: [items.codes.get(i) or None for i in range(len(items))],
            "value_as_concept_id": [items.valued.get(i, (0, None))[1] for i in range(len(items))],
        }
        for name, of_item in told.items():
            if name in self.fields and any(of_item):
                own = pa.array(of_item, type_holding(self.fields[name], of_item)).take(item)
                yield name, pc.coalesce(columns[name], own) if name in columns else own

    def _columns(self) -> Iterator[tuple[str, pa.Array]]:
        rows, parts = self.rows, self.parts
        told = told_columns(self.drawn, self.fields, self.hospital)
        yield from told.items()
        yield from self._of_series(told)
        numbers = self.lives.numbers[self.person]
        yield parts.key_field, whole(keys(numbers, within(rows.offsets)))
        yield "person_id", whole(numbers)
        concept = self.hospital.items.mapped[rows.item]
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
            told = pa.array([*model.told[key], None], type_holding(field, model.told[key]))
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
        """Ends: after the start, and within the person's time of observation."""
        rows, people = self.rows, self.lives.people
        days, missing = np.zeros(len(rows.item), np.int64), np.ones(len(rows.item), np.bool_)
        if self.drawn is not None and END in self.drawn:
            days, missing = self.drawn.number(END)
        last, death = self.lives.observed.last_day(self.person, rows.day), people.death[self.person]
        limit = np.where(death >= 0, np.minimum(death, last), last)
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
        model = visits_of(self.hospital)
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
        table = DetailTable(self.lives, self.hospital)
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
