"""The first round: which episodes there are, what lies in what, and which records lie near their first day."""

from __future__ import annotations

import numpy as np

from ..counting import put_persons, representing
from ..lives import Int64s
from ..plan import TABLES
from ..reading import Site
from ..release import DROP, Rule
from ..sums import Sums
from .source import ANY, LINKED, read_episodes, read_links, read_records

LEVEL, KIND, NESTED, NEAR = "episodes.level", "episodes.kind", "episodes.nested", "episodes.near"
JOINED_ITEM, FIELD = "episodes.item", "episodes.field"
RULES: dict[str, Rule] = dict.fromkeys((LEVEL, KIND, NESTED, NEAR, JOINED_ITEM, FIELD), DROP)
NEARNESS = np.array([0, 7, 30], np.int64)  # days from an episode's start to a record, at most, by class
ANCHORS = (
    "condition_occurrence",
    "procedure_occurrence",
    "drug_exposure",
    "device_exposure",
    "measurement",
    "observation",
)


def margins(site: Site) -> Sums:
    """Count the persons by the episodes that they have."""
    found = Sums()
    episodes, keys = read_episodes(site)
    if not len(episodes):
        return found
    items = site.own_items
    records = read_records(site, items, LINKED)
    person, concept, of = episodes.person, episodes.concept, episodes.object
    put_persons(found, LEVEL, person, concept)
    put_persons(found, KIND, person, concept, of)
    put_persons(found, NESTED, person, episodes.parents[0], concept)
    if not len(records):
        return found
    is_anchor = np.isin(items.table, [TABLES.index(name) for name in ANCHORS])
    near = records.where(is_anchor[records.item])
    for objects in (of, np.full(len(of), ANY)):
        chosen = representing(person, episodes.hashes, concept, objects)
        span, record = near.between(person[chosen], *_around(episodes.start[chosen], int(NEARNESS[-1])))
        at, item = chosen[span], near.item[record]
        far = np.searchsorted(NEARNESS, np.abs(near.day[record] - episodes.start[at]))
        nearest = representing(at, far.astype(np.uint64), item)
        at, item, far = at[nearest], item[nearest], far[nearest]
        put_persons(found, NEAR, person[at], concept[at], objects[at], items.table[item], items.concept[item], far)
    links = read_links(site, episodes, keys, records, items)
    item = records.item[links.record]
    put_persons(
        found, JOINED_ITEM, person[links.episode], concept[links.episode], items.table[item], items.concept[item]
    )
    put_persons(found, FIELD, person[links.episode], items.table[item], links.field)
    return found


def _around(day: Int64s, reach: int) -> tuple[Int64s, Int64s]:
    return day - reach, day + reach
