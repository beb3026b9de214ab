"""The tables episode and episode_event."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from omopsql.harmonize.cdm import tables
from omopsql.udfs import courses as kernel
from omopsql.udfs.courses import OPEN

from .. import episodes as layer
from ..attributes import Drawn, states_of
from ..columns import dates, keys, times, whole, within, written
from ..counting import ordinals
from ..episodes.source import LINKED, Records
from ..lives import Int64s, Lives, offsets_of
from ..plan import TABLE_NUMBERS
from ..records import NULL
from ..subjects import END_MINUTE, MINUTE
from .drawn import attributes_of, told_columns
from .rows import keyed

if TYPE_CHECKING:
    from ..generate import Hospital

_OBJECT = "episode_object_concept_id"
_NUMBERS = 2003  # a stream of random numbers


def makes_episodes(hospital: Hospital) -> bool:
    """Whether the model knows of kinds of episodes. Older ones have them among the events."""
    return len(hospital.models["episodes"]) > 0


class EpisodeTable:
    """The episodes of lives, and the records that belong to them."""

    def __init__(self, lives: Lives, hospital: Hospital) -> None:
        self.lives, self.hospital = lives, hospital
        self.model: layer.EpisodeModel = hospital.models["episodes"]
        self.fields = tables(hospital.version)["episode"]
        self.records = _records(lives, hospital, self.model)
        self.made = layer.generate(self.model, lives, self.records)

    @cached_property
    def keys(self) -> Int64s:
        """The key of each episode."""
        return keys(self.lives.numbers[self.made.person], within(self.made.offsets))

    def table(self) -> pa.Table:
        """The table episode."""
        made, kinds, fields = self.made, self.model.kinds, self.fields
        birth, goes_on = self.lives.people.birth[made.person], made.end == OPEN
        end = np.where(goes_on, made.start, made.end)
        drawn = self._drawn
        parent = np.maximum(made.parent, 0)
        columns = told_columns(drawn, fields, self.hospital) | {
            "episode_id": whole(self.keys),
            "person_id": whole(self.lives.numbers[made.person]),
            "episode_concept_id": whole(kinds.concept[made.kind], field=fields["episode_concept_id"]),
            _OBJECT: whole(kinds.object[made.kind], field=fields[_OBJECT]),
            "episode_start_date": dates(birth + made.start),
            "episode_end_date": dates(birth + end, goes_on),
            "episode_parent_id": whole(self.keys[parent] if len(parent) else parent, made.parent < 0),
            "episode_number": whole(made.number, ~self._is_numbered, fields["episode_number"]),
        }
        minute = np.zeros(len(made), np.int64)
        if drawn is not None and MINUTE in drawn:
            minute, unsaid = drawn.number(MINUTE)
            columns["episode_start_datetime"] = times(birth + made.start, minute, unsaid)
        if drawn is not None and END_MINUTE in drawn:
            last, unsaid = drawn.number(END_MINUTE)
            last = np.where(end == made.start, np.maximum(last, minute), last)
            columns["episode_end_datetime"] = times(birth + end, last, unsaid | goes_on)
        return written(self.hospital.version, "episode", len(made), columns)

    def events(self) -> pa.Table:
        """The table episode_event."""
        episode, record = layer.linked(self.model, self.lives, self.made, self.records)
        table = self.hospital.items.table[self.records.item[record]]
        concepts = np.zeros(len(TABLE_NUMBERS), np.int64)
        for number, concept in self.model.kinds.fields.items():
            concepts[number] = concept
        fields = tables(self.hospital.version)["episode_event"]
        columns = {
            "episode_id": whole(self.keys[episode]),
            "event_id": whole(self.records.key[record]),
            "episode_event_field_concept_id": whole(concepts[table], field=fields["episode_event_field_concept_id"]),
        }
        return written(self.hospital.version, "episode_event", len(episode), columns)

    @property
    def _drawn(self) -> Drawn | None:
        """What else is told of each episode: as of those of its object, where there are any."""
        made, kinds = self.made, self.model.kinds
        drawn = attributes_of(self.hospital).drawn("episode", kinds.concept, made.kind, self.lives, made.offsets)
        if drawn is not None and _OBJECT in drawn and len(made):
            place = {value: at for at, value in enumerate(drawn.values(_OBJECT))}
            wanted = np.array([place.get(of, NULL) for of in kinds.object.tolist()], np.int64)
            drawn.give_codes(_OBJECT, np.arange(len(made)), wanted[made.kind])
        return drawn

    @property
    def _is_numbered(self) -> np.ndarray:
        made, model = self.made, self.model
        numbered = np.zeros(len(made), np.bool_)
        share = model.numbered[model.kinds.level[made.kind]]
        kernel.joined(made.person, ordinals(made.person), states_of(self.lives, _NUMBERS), share, numbered)
        return numbered


def _records(lives: Lives, hospital: Hospital, model: layer.EpisodeModel) -> Records:
    """The records of lives that episodes could begin on or hold, by person, day and item."""
    asked = model.kinds.begins | model.kinds.joined.any(axis=0)
    held = set(np.unique(hospital.items.table[asked]).tolist())
    parts = [keyed(name, lives, hospital) for name in LINKED if TABLE_NUMBERS[name] in held]
    person, item, day, key = (
        np.concatenate([np.zeros(0, np.int64), *columns])
        for columns in (zip(*parts, strict=True) if parts else [()] * 4)
    )
    kept = np.flatnonzero(asked[item])
    order = kept[np.lexsort((key[kept], item[kept], day[kept], person[kept]))]
    own = person[order].astype(np.int32)
    return Records(offsets_of(own, len(lives)), own, day[order], item[order], key[order])
