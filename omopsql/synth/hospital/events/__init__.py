"""What befalls people, as events on their days of contact: which concepts, how often, when, and with which others."""

from __future__ import annotations

from ..lives import Events, Int64s, People
from ..plan import Plan
from ..reading import Site
from ..sums import Sums
from . import first_round, second_round, streams
from .model import EventModel, compiled
from .structure import Structure

__all__ = ["RULES", "EventModel", "compiled", "generate", "margins", "sums"]

RULES = {**first_round.RULES, **second_round.RULES, **streams.RULES}


def margins(site: Site) -> Sums:
    """Count the first round of a site."""
    items = site.own_items
    return first_round.first_round(site.people, site.events(items), items)


def sums(site: Site, plan: Plan) -> Sums:
    """Count the second round of a site."""
    return second_round.second_round(site.people, site.events(plan.items, without=plan.dense), Structure.decided(plan))


def generate(model: EventModel, people: People, seed: int, numbers: Int64s) -> Events:
    """Make the events of synthetic people: a pure function of the model, the seed and their numbers."""
    return model.generate(people, seed, numbers)
