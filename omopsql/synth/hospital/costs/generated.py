"""The costs of synthetic records: a function of what is recorded, who pays, and random numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..lives import Doubles, Int64s
from ..payers import UNCOVERED
from .model import CostModel
from .patterns import AMOUNTS, EQUAL, FREE, MINUS, MISSING, PARTS, REST, first_of
from .statistics import (
    LARGEST,
    MOST_RATIO,
    NOTHING,
    OF_PATTERN,
    PERMILLE,
    SPREAD,
    STEP,
    band_of_amount,
)

NUMBER_DRAWS, DRAWS = 3, 100  # random numbers of a record, and of a cost


def numbers_of(model: CostModel, domain: int, concept: Int64s, is_covered: npt.NDArray[np.bool_], u: Doubles) -> Int64s:
    """How many costs records have, by uniform numbers ``u`` (records, NUMBER_DRAWS)."""
    return model.number.draw(np.column_stack([np.full(len(concept), domain), concept, is_covered]), u)


@dataclass(frozen=True)
class Drawn:
    """Costs that were drawn: amounts in hundredths (costs, amounts), which are missing, the number of what else is
    told, and whether they refer to the payer plan period that covers their day.
    """

    amounts: Int64s
    missing: npt.NDArray[np.bool_]
    told: Int64s
    is_linked: npt.NDArray[np.bool_]


def drawn(model: CostModel, domain: Int64s, concept: Int64s, kind: Int64s, u: Doubles) -> Drawn:
    """Draw costs of records of domains, concepts and kinds of payers, by uniform numbers ``u`` (costs, DRAWS)."""
    cell = np.column_stack([domain, domain, concept, kind])
    base = _first_amounts(model, cell, u[:, :4])
    cell = np.column_stack([cell, band_of_amount(base)])
    of_pattern = cell[:, OF_PATTERN]
    number = model.chosen.draw(of_pattern, u[:, 4:8], unknown=0)
    at = np.searchsorted(model.patterns, number)
    known = (at < len(model.patterns)) & (number > 0)
    at = np.where(known, at, 0)
    none = np.full((len(cell), len(AMOUNTS)), MISSING)
    letters = np.where(known[:, None], model.letters[at], none) if len(model.patterns) else none
    named = model.named[at] if len(model.patterns) else np.zeros(none.shape, np.int64)
    amounts = _amounts(model, cell, base, letters, named, u[:, 16:])
    said = model.said.draw(of_pattern, u[:, 8:10], unknown=0)
    is_linked = (model.link.draw(of_pattern, u[:, 10:11]) == 1) & (kind != UNCOVERED)
    return Drawn(amounts, letters == MISSING, said, is_linked)


def _first_amounts(model: CostModel, cell: Int64s, u: Doubles) -> Int64s:
    """The first free amount of each cost; 0 without one."""
    outcome = model.first.draw(cell, u[:, :2], unknown=NOTHING)
    highest = np.full(len(cell), 1 << 20)
    size = model.sizes.draw_within(cell, u[:, 2], np.zeros(len(cell), np.int64), highest)
    spread = np.floor(np.exp((np.maximum(size, 0) + u[:, 3]) * STEP)).astype(np.int64)
    return np.where(outcome == SPREAD, np.maximum(spread, 1), np.where(outcome == NOTHING, 0, outcome))


def _amounts(
    model: CostModel, cell: Int64s, base: Int64s, letters: npt.NDArray[np.str_], named: Int64s, u: Doubles
) -> Int64s:
    """All amounts, each after those that it depends on."""
    found = np.zeros(letters.shape, np.int64)
    rows = np.arange(len(cell))
    is_free = (letters == FREE) | (letters == MINUS)
    first = first_of(is_free)
    for place in range(len(AMOUNTS)):
        letter, other = letters[:, place], named[:, place]
        own = found[:, place]
        own[first == place] = np.maximum(base, 1)[first == place]
        free = np.flatnonzero(is_free[:, place] & (first != place))
        own[free] = _other_amounts(model, cell[free], base[free], place, u[free, 5 * place : 5 * place + 5])
        own[:] = np.minimum(own, _bound(found, letters, named, place))
        own[letter == MINUS] *= -1
        equal, rest = letter == EQUAL, letter == REST
        own[equal] = found[rows[equal], other[equal]]
        held = found[:, list(PARTS.get(place, ()))].sum(axis=1)
        own[rest] = np.maximum(found[rows[rest], other[rest]] - held[rest], 0)
    return found


def _other_amounts(model: CostModel, cell: Int64s, base: Int64s, place: int, u: Doubles) -> Int64s:
    cell = cell.copy()
    cell[:, 1] = place
    outcome = model.value.draw(cell, u[:, :3], unknown=SPREAD)
    ratio = model.ratios.draw_within(cell, u[:, 3], np.zeros(len(cell), np.int64), np.full(len(cell), MOST_RATIO))
    spread = np.round(base * ((np.maximum(ratio, 0) + u[:, 4]) / PERMILLE)).astype(np.int64)
    return np.where(outcome == SPREAD, np.maximum(spread, 1), outcome)


def _bound(found: Int64s, letters: npt.NDArray[np.str_], named: Int64s, place: int) -> Int64s:
    """The most that a part of another amount may be, so that something or nothing is left."""
    bound = np.full(len(found), LARGEST)
    rows = np.arange(len(found))
    for rest, parts in PARTS.items():
        if place in parts:
            others = found[:, [part for part in parts if part < place]].sum(axis=1)
            left = np.maximum(found[rows, np.maximum(named[:, rest], 0)] - others, 0)
            bound = np.where(letters[:, rest] == REST, np.minimum(bound, left), bound)
    return bound
