"""What befalls people, as events on their days of contact: which concepts, how often, when, and with which others.

Days are counted as if people were observed without a break, so that rates are rates of the observed time.
"""

from __future__ import annotations

import numpy as np

from .. import people as people_layer
from .. import periods as periods_layer
from ..lives import Events, Int64s, People
from ..plan import Plan
from ..reading import Site
from ..sums import Sums
from . import feedback, first_round, model, second_round, streams
from .model import EventModel
from .structure import Structure

__all__ = ["RULES", "EventModel", "compiled", "generate", "margins", "sums"]

RULES = {**first_round.RULES, **second_round.RULES, **streams.RULES}


def margins(site: Site) -> Sums:
    """Count the first round of a site."""
    items, observed = site.own_items, site.observed
    events = site.events(items, without=items.episodes)
    return first_round.first_round(observed.people(site.people), observed.folded(events), items)


def sums(site: Site, plan: Plan) -> Sums:
    """Count the second round of a site."""
    events = site.observed.folded(site.events(plan.items, without=plan.elsewhere))
    return second_round.second_round(site.observed.people(site.people), events, Structure.decided(plan))


def compiled(released: Sums, plan: Plan, imagined: People | None = None) -> EventModel:
    """Make the model of events, corrected by the lives of ``imagined`` people: by default as that layer makes them."""
    if imagined is None:
        numbers = np.arange(1, feedback.IMAGINED + 1)
        imagined = people_layer.generate(people_layer.compiled(released, plan), feedback.SEED, numbers)
        observed = periods_layer.generate(periods_layer.compiled(released, plan), imagined, feedback.SEED, numbers)
        imagined = observed.people(imagined)
    return feedback.corrected(model.compiled(released, plan), released, plan, imagined)


def generate(model: EventModel, people: People, seed: int, numbers: Int64s) -> Events:
    """Make the events of synthetic people, observed without a break, from the model, the seed and their numbers."""
    return model.generate(people, seed, numbers)
