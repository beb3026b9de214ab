"""The tables visit_occurrence and visit_detail."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from omopsql.harmonize.cdm import tables

from ..attributes import Drawn
from ..columns import dates, keys, times, whole, within, written
from ..lives import Int32s, Int64s, Lives, offsets_of, owners
from ..plan import TABLE_NUMBERS, TABLES
from ..values import SeriesValues
from ..visits import Details, VisitModel, details
from .drawn import attributes_of, references, told_columns, visits_of

if TYPE_CHECKING:
    from ..generate import Hospital


class Stays:
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
        return attributes_of(self.hospital).drawn(
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
        return references(self.drawn, "provider_id", self.hospital)

    def table(self) -> pa.Table:
        """The table visit_occurrence."""
        visits, fields = self.visits, tables(self.hospital.version)["visit_occurrence"]
        birth = self.lives.people.birth[self.person]
        concept = self.hospital.items.concept[visits.item]
        columns = told_columns(self.drawn, fields, self.hospital) | {
            "visit_occurrence_id": whole(self.keys),
            "person_id": whole(self.lives.numbers[self.person]),
            "visit_concept_id": whole(concept, field=fields["visit_concept_id"]),
            "visit_start_date": dates(birth + visits.start),
            "visit_start_datetime": times(birth + visits.start, visits.start_minute, visits.start_minute < 0),
            "visit_end_date": dates(birth + visits.end),
            "visit_end_datetime": times(birth + visits.end, visits.end_minute, visits.end_minute < 0),
        }
        if visits_of(self.hospital).preceding.get(TABLE_NUMBERS["visit_occurrence"]):
            columns["preceding_visit_occurrence_id"] = whole(self.keys - 1, self.ordinal == 0)
        return written(self.hospital.version, "visit_occurrence", len(visits), columns)


class DetailTable:
    """The details of visits."""

    def __init__(self, lives: Lives, hospital: Hospital) -> None:
        self.stays = Stays(lives, hospital)
        self.lives, self.hospital = lives, hospital
        self.details: Details = details(visits_of(hospital), lives)
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
        fields, model = tables(version)["visit_detail"], visits_of(self.hospital)
        drawn = self._drawn(model)
        visits, birth = self.stays.visits, self.lives.people.birth[self.person]
        begin, end = self._minutes(visits.start, visits.start_minute), self._minutes(visits.end, visits.end_minute)
        columns = told_columns(drawn, fields, self.hospital) | {
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
        drawn = attributes_of(self.hospital).drawn(
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
