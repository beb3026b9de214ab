"""The payer plan periods of synthetic people: a function of the lives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..attributes import states_of
from ..choices import uniforms_of
from ..histograms import band_of
from ..lives import Int64s, Lives, is_last_of, offsets_of
from ..told import UNKNOWN
from .covering import covering
from .model import PayerModel
from .statistics import (
    AFTER,
    AGES,
    BEFORE,
    FARTHEST,
    LATER,
    LEFT,
    MOST,
    NEXT_DAY,
    ON,
    OVERLAPS,
    class_of,
    turn_of,
)

_STREAM = 101  # of random numbers; subjects of attributes have the smaller ones
_REASONS, _CHANGES = 1_000, 2_000  # places in a stream: of the reasons of periods, and of the kinds that follow
_ATTEMPTS = 6  # to draw another kind than the one before


@dataclass(frozen=True)
class Plans:
    """The payer plan periods of synthetic people: of person p from ``offsets[p]`` to ``offsets[p + 1]``, by start."""

    offsets: Int64s
    person: Int64s
    start: Int64s
    end: Int64s
    kind: Int64s
    reason: Int64s  # its place among the reasons of periods that are, or are not, the last one; -1: none

    def covering(self, person: npt.NDArray[np.integer], day: npt.NDArray[np.integer]) -> Int64s:
        """The period that covers a day of a person, the latest to begin; -1 where none does."""
        return covering(self.person, self.start, self.end, person, day)

    @property
    def is_last(self) -> npt.NDArray[np.bool_]:
        """Whether each is the last period of its person."""
        return is_last_of(self.person)


def plans_of(model: PayerModel, lives: Lives) -> Plans:
    """Make the payer plan periods of lives: a function of the model and of each life alone."""
    if not model.is_made:
        nothing = np.zeros(0, np.int64)
        return Plans(np.zeros(len(lives) + 1, np.int64), nothing, nothing, nothing, nothing, nothing)
    making = _Making(model, lives)
    rows = making.run()
    person = np.concatenate([row[0] for row in rows])
    order = np.argsort(person, kind="stable")
    person, start, end, kind = (np.concatenate([row[k] for row in rows])[order] for k in range(4))
    is_last = is_last_of(person)
    u = making.uniforms(person, _REASONS + np.arange(len(person)) - np.searchsorted(person, person), 1)[:, 0]
    reason = np.where(is_last, model.reasons[1].draw(u), model.reasons[0].draw(u))
    return Plans(offsets_of(person, len(lives)), person, start, end, kind, reason)


_Row = tuple[Int64s, Int64s, Int64s, Int64s]


class _Making:
    """One period after the other, of all people at once."""

    def __init__(self, model: PayerModel, lives: Lives) -> None:
        self.model, self.people = model, lives.people
        self.states = states_of(lives, _STREAM)
        people = self.people
        self.opens, self.closes = people.start.astype(np.int64), people.end.astype(np.int64)
        death = people.death.astype(np.int64)
        self.limit = np.where((death < 0) | model.after_death, FARTHEST, death)
        self.latest = self.limit if model.is_late else np.minimum(self.limit, self.closes)

    def uniforms(self, person: Int64s, places: Int64s, width: int) -> npt.NDArray[np.float64]:
        return uniforms_of(self.states, person, places, width)

    def run(self) -> list[_Row]:
        """The periods: person, start, end and kind of each, by their place in the person."""
        person, start, kind = self._first()
        further = np.full(len(self.people), -1, np.int64)  # periods after observation; -1: none has reached its end
        rows: list[_Row] = []
        for step in range(1, MOST + 1):
            alive = start <= self.latest[person]
            person, start, kind = person[alive], start[alive], kind[alive]
            u = self.uniforms(person, np.full(len(person), step), 20)
            end = self._ends(person, start, kind, u[:, :3])
            rows.append((person, start, end, kind))
            if not len(person):
                break
            goes_on = self._goes_on(person, end, kind, further, u[:, 3:7])
            person, start, end, kind, u = person[goes_on], start[goes_on], end[goes_on], kind[goes_on], u[goes_on]
            start, kind = self._next(step, person, start, end, kind, u[:, 7:])
        return rows

    def _first(self) -> tuple[Int64s, Int64s, Int64s]:
        """Who has periods, when the first begins, and of which kind it is."""
        model, cell = self.model, class_of(self.people)
        u = self.uniforms(np.arange(len(self.people)), np.zeros(len(self.people), np.int64), 10)
        person = np.flatnonzero(model.has.draw(cell, u[:, :3]))
        cell, u = cell[person], u[person]
        opens, closes = self.opens[person], self.closes[person]
        begins = model.begins.draw(cell, u[:, 3:6], unknown=ON)
        most = np.where(begins == BEFORE, opens, closes - opens - 1)
        days = model.begin_days.draw_within(
            np.column_stack([begins, cell[:, 1]]), u[:, 6], (begins == BEFORE).astype(np.int64), np.maximum(most, 0)
        )
        days = np.maximum(days, begins == BEFORE)
        start = np.where(begins == BEFORE, opens - days, np.where(begins == AFTER, closes - days, opens))
        start = np.where((begins == AFTER) & (closes <= opens), opens, np.maximum(start, 0))
        return person, start, model.first.draw(band_of(start, AGES)[:, None], u[:, 7:10])

    def _ends(self, person: Int64s, start: Int64s, kind: Int64s, u: npt.NDArray[np.float64]) -> Int64s:
        """The last day of periods: before, on or after the last of observation."""
        left = self.closes[person] - start
        ends = self.model.ends.draw(band_of(left, LEFT)[:, None], u[:, :2], unknown=ON)
        ends = np.where(left < 0, AFTER, np.where((left == 0) & (ends == BEFORE), ON, ends))
        length = self._lengths(left, ends, kind, u[:, 2])
        unheard = (length < 0) & (ends == BEFORE)  # of so short a length
        ends = np.where(unheard, AFTER if AFTER in self.model.ends.rungs[-1].low else ON, ends)
        length = np.where(unheard, self._lengths(left, ends, kind, u[:, 2]), length)
        length = np.where((ends == ON) | (length < 0), np.maximum(left, 0), length)
        return np.maximum(np.minimum(start + length, self.limit[person]), start)

    def _lengths(self, left: Int64s, ends: Int64s, kind: Int64s, u: npt.NDArray[np.float64]) -> Int64s:
        """How long periods last that end before or after observation; -1 where none is known to."""
        low = np.where(ends == AFTER, np.maximum(left + 1, 0), 0)
        high = np.where(ends == BEFORE, left - 1, np.where(ends == AFTER, FARTHEST, -1))
        return self.model.lengths.draw_within(kind[:, None], u, low, high)

    def _goes_on(
        self, person: Int64s, end: Int64s, kind: Int64s, further: Int64s, u: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.bool_]:
        """Whether another period follows. ``further`` is brought up to date."""
        left = self.closes[person] - end
        stops = self.model.stops.draw(np.column_stack([kind, band_of(left, LEFT)]), u[:, :3], unknown=1) == 1
        crosses = np.flatnonzero((left <= 0) & (further[person] < 0))
        on = (left[crosses] == 0).astype(np.int64)[:, None]
        further[person[crosses]] = self.model.beyond.draw(on, u[crosses, 3:]) + 1
        has_crossed = further[person] >= 0
        further[person[has_crossed]] -= 1
        return np.where(has_crossed, further[person] > 0, ~stops)

    def _next(
        self, step: int, person: Int64s, before: Int64s, end: Int64s, kind: Int64s, u: npt.NDArray[np.float64]
    ) -> tuple[Int64s, Int64s]:
        """When another period begins, and of which kind it is."""
        model = self.model
        of_gap = model.gap.draw(kind[:, None], u[:, :2], unknown=NEXT_DAY)
        least = np.where(of_gap == LATER, 2, 1)
        days = model.gap_days.draw_within(of_gap[:, None], u[:, 2], least, np.full(len(person), FARTHEST))
        days = np.maximum(days, least)
        gap = np.choose(of_gap, [-days, np.zeros_like(days), np.ones_like(days), days])
        after = np.maximum(end + gap, before + (of_gap != OVERLAPS))
        turn = turn_of(before, after)
        cell = np.column_stack([kind, turn, of_gap == LATER, turn // 2])
        changes = np.flatnonzero(model.stays.draw(cell, u[:, 3:7], unknown=1) == 0)
        for attempt in range(_ATTEMPTS):
            own = self.uniforms(person[changes], np.full(len(changes), _CHANGES + attempt * MOST + step), 4)
            drawn = model.next.draw(cell[changes], own, unknown=UNKNOWN)
            other = drawn != cell[changes, 0]
            kind[changes[other]] = drawn[other]
            changes = changes[~other]
        return after, kind
