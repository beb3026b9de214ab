"""Lives of a real CDM in the place of generated ones: for tests of the layers that come after people and events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np

from omopsql.synth.hospital import attributes, costs, episodes, payers, visits
from omopsql.synth.hospital.lives import Lives
from omopsql.synth.hospital.plan import RULES, Items, Plan, rolled_up, shown
from omopsql.synth.hospital.reading import Site
from omopsql.synth.hospital.release import release
from omopsql.synth.hospital.sums import Header, Sums

LAYERS = {"visits": visits, "attributes": attributes, "episodes": episodes, "payers": payers, "costs": costs}
ALL_RULES = RULES | {name: rule for layer in LAYERS.values() for name, rule in layer.RULES.items()}


@dataclass(frozen=True)
class Learned:
    """What tables are written by: the compiled layers, and what they were learned from."""

    version: str
    plan: Plan
    header: Header
    models: dict[str, Any]
    released: Sums

    @property
    def items(self) -> Items:
        """The items of the model."""
        return self.plan.items


def first_round(site: Site) -> Sums:
    """The margins of the layers, exact."""
    return Sums.merged([site.raw_items(), *(layer.margins(site) for layer in LAYERS.values())])


def plan_of(margins: Sums, min_cell: int) -> Plan:
    """The plan that follows from exact margins."""
    released = release(shown(margins, min_cell), ALL_RULES, min_cell)
    return Plan(Sums.merged([released, rolled_up(margins, min_cell)]), min_cell)


def second_round(site: Site, plan: Plan) -> Sums:
    """The sums of the layers, exact."""
    return Sums.merged([layer.sums(site, plan) for layer in LAYERS.values()])


def learn(site: Site, min_cell: int) -> Learned:
    """Learn all that follows from events."""
    plan = plan_of(first_round(site), min_cell)
    released = Sums.merged([plan.margins, release(second_round(site, plan), ALL_RULES, min_cell)])
    header = Header(len(site.people), site.version, min_cell, private=False, round=2)
    models = {name: layer.compiled(released, plan) for name, layer in LAYERS.items()}
    return Learned(site.version, plan, header, models, released)


def relive(site: Site, learned: Learned, persons: slice = slice(None), seed: int = 1) -> Lives:
    """The lives of the site's people with visits as they were learned. ``persons`` chooses some of them."""
    events, chosen = site.events(learned.items), np.arange(len(site.people))[persons]
    people = replace(site.people, **{name: column[chosen] for name, column in vars(site.people).items()})
    lengths = np.diff(events.offsets)[chosen]
    rows = np.concatenate([np.arange(*events.offsets[[p, p + 1]]) for p in chosen])
    own = replace(
        events,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        item=events.item[rows],
        day=events.day[rows],
        row=events.row[rows],
        episode=np.zeros(len(rows), np.int32),
    )
    numbers = chosen + 1
    records, placed = visits.generate(learned.models["visits"], people, own, seed, numbers)
    return Lives(numbers, people, records, placed, None)


def site_of(con: duckdb.DuckDBPyConnection, cdm: str, min_cell: int = 10) -> Site:
    """Open a CDM on a cursor of its own."""
    return Site(con.cursor(), cdm, min_cell)
