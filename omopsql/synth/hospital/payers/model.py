"""The model of payer plan periods, compiled from what was released."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..choices import Choices
from ..histograms import PERSONS_A_RUNG, Histograms, Ladder, band_of
from ..lives import Int64s
from ..plan import Plan
from ..sums import Sums
from ..told import fields_of
from .statistics import (
    AFTER_DEATH,
    ALL_OTHERS,
    ANY,
    BEGIN_DAYS,
    BEGINS,
    BEYOND,
    DAYS,
    ENDS,
    FIRST,
    GAP,
    GAP_DAYS,
    HAS,
    HELD,
    KIND,
    LASTS,
    LEFT,
    NEXT,
    REASON,
    STAYS,
    STOPS,
)


@dataclass(frozen=True)
class PayerModel:
    """What periods are drawn from. ``kinds`` tells the fields of each kind, by its number; ``is_made`` if any are."""

    is_made: bool
    kinds: dict[int, dict[str, Any]]
    has: Choices
    begins: Choices
    begin_days: Ladder
    first: Choices
    ends: Choices
    lengths: Ladder
    stops: Choices
    beyond: Choices
    gap: Choices
    gap_days: Ladder
    stays: Choices
    next: Choices
    reasons: tuple[Reasons, Reasons]
    after_death: bool
    is_late: bool  # some periods begin after observation


@dataclass(frozen=True)
class Reasons:
    """Why periods end, with cumulative shares."""

    told: tuple[dict[str, Any], ...]
    cumulative: Int64s

    def draw(self, u: npt.NDArray[np.float64]) -> Int64s:
        """The place of a reason for each uniform number; -1 where none is known."""
        if not len(self.told):
            return np.full(len(u), -1, np.int64)
        return np.searchsorted(self.cumulative, u * self.cumulative[-1], side="right").astype(np.int64)


def compiled(released: Sums, plan: Plan) -> PayerModel:
    """Arrange what was released for drawing. A model without these statistics makes no periods."""
    least = PERSONS_A_RUNG * plan.min_cell
    held = Choices.shares(released, HELD)
    return PayerModel(
        is_made=bool(len(released.get(ANY, 1)[1])) and "payers.has" in released,
        kinds=fields_of(released, KIND),
        has=Choices.shares(released, HAS),
        begins=Choices.shares(released, BEGINS),
        begin_days=Ladder.of(released, BEGIN_DAYS, least),
        first=Choices.shares(released, FIRST).before(held, ((0,), ())),
        ends=Choices.rates(released, ENDS, 1),
        lengths=_lengths(released, least),
        stops=Choices.chances(released, STOPS, plan.min_cell),
        beyond=Choices.shares(released, BEYOND),
        gap=Choices.rates(released, GAP, least),
        gap_days=Ladder.of(released, GAP_DAYS, least),
        stays=Choices.chances(released, STAYS, plan.min_cell),
        next=Choices.shares(released, NEXT).before(held, ((3,), ())),
        reasons=(_reasons(released, 0), _reasons(released, 1)),
        after_death=bool(released.get(AFTER_DEATH, 1)[1].sum()),
        is_late=bool((released.get("payers.ends.left", 2)[0][:, 0] < band_of(np.zeros(1, np.int64), LEFT)).any()),
    )


def _reasons(released: Sums, is_last: int) -> Reasons:
    keys, n = released.get(REASON, 2)
    here = keys[:, 0] == is_last
    labels = [json.loads(str(label)) for label, own in zip(released.labels(REASON), here, strict=True) if own]
    return Reasons(tuple(labels), np.cumsum(n[here]))


def _lengths(released: Sums, least: int) -> Ladder:
    """Frequent lengths by their records, and the others by the persons whose periods last so long."""
    rungs = []
    for (lasts, columns), name in zip(LASTS.items(), DAYS, strict=True):
        keys, n = released.get(f"{lasts}.records", len(columns) + 1)
        spread, persons = released.get(name, len(columns) + 2)
        is_other = keys[:, -1] == ALL_OTHERS
        told = Sums()
        told.put("", np.column_stack([keys[~is_other], keys[~is_other, -1]]), n[~is_other])
        for cell, records in zip(keys[is_other, :-1].tolist(), n[is_other].tolist(), strict=True):
            own = (spread[:, : len(columns)] == cell).all(axis=1)
            of_cell = keys[~is_other][(keys[~is_other, :-1] == cell).all(axis=1), -1]
            blocks, weights = _between(spread[own, -2:], persons[own], of_cell)
            weights = np.maximum(np.round(weights * (records / max(weights.sum(), 1.0))), 1)
            told.put("", np.column_stack([np.tile(cell, (len(blocks), 1)), blocks]), weights.astype(np.int64))
        rungs.append(Histograms.of(told, "", len(columns)))
    return Ladder(tuple(rungs), tuple(LASTS.values()), least)


def _between(blocks: Int64s, persons: Int64s, points: Int64s) -> tuple[Int64s, npt.NDArray[np.float64]]:
    """Blocks of days cut at single days that they must not hold, and the persons of each piece."""
    pieces, weights = [], []
    for (low, high), n in zip(blocks.tolist(), persons.tolist(), strict=True):
        inside = points[(points >= low) & (points <= high)].tolist()
        edges = zip([low, *(point + 1 for point in inside)], [*(point - 1 for point in inside), high], strict=True)
        own = [(first, last) for first, last in edges if first <= last]
        pieces += own
        weights += [n * (last - first + 1) / (high - low + 1) for first, last in own]
    return np.array(pieces, np.int64).reshape(-1, 2), np.array(weights, np.float64)
