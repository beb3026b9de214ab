"""Chances corrected by what comes of them: lives are imagined, their persons counted, and compared with the source.

What excludes what, which days fit into a life and who comes with whom moves numbers away from the chances that were
set. So chances of drivers are moved until as many persons have them as were counted, and weights of companions until as
many persons have them at all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from omopsql.udfs.life_tables import Presence, Variants

from ..lives import People
from ..plan import PERSONS, Plan
from ..sums import Sums
from .model import EventModel
from .variants import untold

SEED = 1  # of the lives that are imagined
IMAGINED = 10_000  # persons
_ROUNDS = 5
_BOLDNESS = 0.8  # of the step that would put a chance right if nothing else moved
_FARTHEST = 1.5  # a chance is moved, in normal scores
_LIGHTEST, _HEAVIEST = 0.1, 10.0  # a companion's weight is multiplied by
_WANTING = 3.0  # a weight from which on all that could be behind what is not told is
_DOUBT = 0.5  # of a person: no share is 0 or 1
_MOST_STEP = 0.5


def corrected(model: EventModel, released: Sums, plan: Plan, people: People) -> EventModel:
    """Correct a model by lives of imagined people."""
    driven, had = _targets(model, released, plan)
    numbers = np.arange(1, len(people) + 1)
    group_of_row = np.repeat(np.arange(driven.shape[1]), len(model.shares) // driven.shape[1])
    persons = np.bincount(group_of_row[model.row_of(people)], minlength=driven.shape[1])
    moved, lean = np.zeros_like(driven), np.zeros(len(had))
    hidden = untold(released, model.structure.grammar, plan.min_cell)
    found = model
    for _ in range(_ROUNDS):
        of_rows, at_all = found.persons_with(people, SEED, numbers)
        as_driver = np.add.reduceat(of_rows, np.searchsorted(group_of_row, np.arange(driven.shape[1])), axis=1)
        moved += np.where(np.isnan(driven), 0, _BOLDNESS * _steps(driven, as_driver / np.maximum(persons, 1), persons))
        moved = np.clip(moved, -_FARTHEST, _FARTHEST)
        share = at_all.sum(1) / len(people)
        lean += np.where(np.isnan(had), 0, _log_steps(had, share, len(people)))
        lean = np.clip(lean, np.log(_LIGHTEST), np.log(_HEAVIEST))
        found = replace(
            model,
            presence=_moved(model, moved[:, group_of_row]),
            variants=reweighted(model.variants, np.exp(lean), hidden),
        )
    return found


def _targets(model: EventModel, released: Sums, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """The share of persons with each driver by group (items, groups), and with each item (items); NaN: not told.

    A group is a sex or, where enough persons died, a row of strata: death and years observed as well.
    """
    items, sexes = len(plan.items), len(model.structure.sexes)
    of_sex, n_of_sex = released.get("events.sex", 1)
    persons = np.zeros(sexes)
    persons[np.searchsorted(model.structure.sexes, of_sex[:, 0])] = n_of_sex
    driven = np.full((items, sexes), np.nan)
    keys, n = released.get("events.presence_sex", 2)
    driven[keys[:, 0], keys[:, 1]] = n / np.maximum(persons[keys[:, 1]], 1)
    had = np.full(items, np.nan)
    keys, n = released.get(PERSONS, 2)
    own = plan.items.find(keys[:, 0], keys[:, 1])
    had[own[own >= 0]] = n[own >= 0] / max(persons.sum(), 1)
    had[plan.items.rolled_up[:, 2]] = had[plan.items.wider] = had[list(plan.elsewhere)] = np.nan
    if model.structure.tells_death:
        driven = np.where(np.isnan(driven).all(axis=1)[:, None], np.nan, model.shares.T)
    return driven, had


def _steps(wanted: np.ndarray, found: np.ndarray, persons: np.ndarray) -> np.ndarray:
    least = _DOUBT / np.maximum(persons, 1)
    step = ndtri(np.clip(wanted, least, 1 - least)) - ndtri(np.clip(found, least, 1 - least))
    return np.clip(step, -_MOST_STEP, _MOST_STEP)


def _log_steps(wanted: np.ndarray, found: np.ndarray, persons: int) -> np.ndarray:
    least = _DOUBT / max(persons, 1)
    step = np.log(np.maximum(wanted, least) / np.maximum(found, least))
    return np.clip(step, -_MOST_STEP, _MOST_STEP)


def _moved(model: EventModel, moved: np.ndarray) -> Presence:
    """Lower each driver's threshold in a row of strata by so many normal scores (items, rows)."""
    cells = len(model.structure.sexes) * model.cohorts
    lowered = model.presence.threshold - np.repeat(moved.T, cells, axis=0)
    return model.presence._replace(threshold=np.ascontiguousarray(lowered))


def reweighted(variants: Variants, weight: np.ndarray, hidden: np.ndarray) -> Variants:
    """Multiply the weight of each set of companions by those of its members, and each free companion's chance.

    What too many lack for what is told comes, the more they do, with drivers that it is not told of, by the chances
    ``hidden`` (companions) at most.
    """
    log = np.log(weight)
    cumulative = np.empty_like(variants.cumulative)
    for x in range(len(variants.offsets) - 1):
        sets = slice(variants.offsets[x], variants.offsets[x + 1])
        companions = variants.companion[variants.companions_of[x] : variants.companions_of[x + 1]]
        mask = variants.mask[sets]
        holds = ((mask[:, None] >> np.arange(len(companions))[None, :]) & 1) * (mask >= 0)[:, None]
        shares = np.diff(variants.cumulative[sets], axis=0, prepend=0) * np.exp(holds @ log[companions])[:, None]
        total = shares.sum(0)
        cumulative[sets] = np.cumsum(shares / np.where(total > 0, total, 1), 0)
    wanting = np.clip(log / np.log(_WANTING), 0, 1)
    member = np.clip(variants.member * weight[variants.companion][:, None], 0, 1)
    member = np.maximum(member, (hidden * wanting[variants.companion])[:, None])
    return variants._replace(cumulative=cumulative, member=member)
