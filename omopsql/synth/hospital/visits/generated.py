"""Visits made out of the model: which contacts are visits, what lies in them, and their details."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from omopsql.udfs import visits as kernel

from ..attributes import states_of
from ..lives import Events, Int32s, Int64s, Lives, People, Periods, Visits, owners
from .model import VisitModel
from .statistics import BANDS, DETAIL, EDGES, TIMES_LEFT, limits

_LAYER = 16


class Details(NamedTuple):
    """Details of visits: the visit of each (its place in the batch), its kind (likewise), first and last day."""

    visit: Int64s
    kind: Int32s
    start: Int32s
    end: Int32s


def generate(
    model: VisitModel, people: People, events: Events, seed: int, numbers: Int64s, observed: Periods | None = None
) -> tuple[Events, Visits]:
    """Make the visits of some people, and the records of their events.

    A visit ends in the observation period that it begins in; without ``observed`` each person has one. Returns events
    in which each record stands on its own, by person and contact day, and the visits by person.
    """
    states = np.empty(len(numbers), np.uint64)
    kernel.start_streams(seed, numbers, _LAYER, states)
    own = events.offsets, events.item, events.day
    made, kind = np.zeros(len(events), np.int32), np.zeros(len(events), np.int32)
    kernel.open_visits(
        *own, model.visit_of, model.needs_visit, model.links.states, model.repeats, BANDS, states, made, kind
    )
    span = limits(people, observed or Periods.whole(people), owners(events.offsets), events.day)
    visits, kinds = _visits(model, events, made, kind, span, states)
    of_event, count = np.empty(len(events), np.int32), np.empty(len(events), np.int32)
    spans = visits.start, visits.end
    kernel.link_events(
        *own,
        made,
        model.visit_of,
        visits.offsets,
        (kinds, *spans),
        model.links.states,
        model.repeats,
        BANDS,
        EDGES,
        states,
        (of_event, count),
    )
    records = tuple(np.empty(int(count.sum()), np.int32) for _ in range(5))
    kernel.fill_records(
        *own,
        events.episode,
        of_event,
        count,
        model.visit_of,
        visits.offsets,
        spans,
        model.lags,
        BANDS,
        EDGES,
        states,
        records,
    )
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(count, dtype=np.int64)])[events.offsets]
    item, day, episode, visit, offset = records
    return Events.generated(offsets, item, day, episode), replace(visits, of_event=visit, offset=offset)


def _visits(
    model: VisitModel,
    events: Events,
    made: Int32s,
    kind: Int32s,
    span: tuple[Int64s, Int64s],
    states: npt.NDArray[np.uint64],
) -> tuple[Visits, Int32s]:
    """The visits without what lies in them, and their kinds. ``span``: of each event, what ``limits`` says."""
    columns = tuple(np.empty(int(made.sum()), np.int32) for _ in range(5))
    kernel.fill_visits(
        events.offsets,
        events.day,
        made,
        kind,
        *span,
        TIMES_LEFT,
        model.stays,
        model.reaches.states,
        model.told.states,
        model.start_minutes,
        model.spans,
        model.end_minutes,
        states,
        columns,
    )
    kinds, start, end, start_minute, end_minute = columns
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(made, dtype=np.int64)])[events.offsets]
    nothing = np.zeros(0, np.int32)
    visits = Visits(offsets, model.items[kinds], start, end, start_minute, end_minute, nothing, nothing)
    return visits, kinds


def details(model: VisitModel, lives: Lives) -> Details:
    """Make the details of the visits of some lives, one after the other within each."""
    visits, states = lives.visits, states_of(lives, DETAIL)
    assert visits is not None
    kinds = model.visit_of[visits.item]
    count = np.zeros(len(visits), np.int64)
    if len(model.detail_concepts):
        kernel.count_details(kinds, model.details, states, visits.offsets, count)
    columns = tuple(np.empty(int(count.sum()), np.int32) for _ in range(3))
    kernel.fill_details(
        kinds,
        visits.start,
        visits.end,
        count,
        model.follows.states,
        model.waits,
        model.lengths,
        states,
        visits.offsets,
        columns,
    )
    kind, start, end = columns
    return Details(np.repeat(np.arange(len(visits)), count), kind - np.int32(len(model.items)), start, end)
