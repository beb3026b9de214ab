"""The tables of a synthetic CDM, written from lives.

A record's key is its person's number times a constant, plus its ordinal in the person, so each table can be made
alone and its keys fit the others. Fields that nothing is known of are NULL, or 0 and '' where the CDM wants a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from omopsql.harmonize.cdm import VOCABULARY_TABLES, tables

from .. import small_tables
from ..columns import ROWS_A_PERSON, written
from ..lives import Int64s, Lives
from ..plan import TABLE_NUMBERS
from ..small_tables import SMALL_TABLES
from . import costs, payers, people
from .drawn import attributes_of
from .episodes import EpisodeTable, makes_episodes
from .records import RecordTable
from .visits import DetailTable, Stays

if TYPE_CHECKING:
    from ..generate import Hospital


_NOT_MADE = frozenset({*VOCABULARY_TABLES, "condition_era", "drug_era", "dose_era"})


def made(hospital: Hospital) -> tuple[str, ...]:
    """Return the tables that a model makes, in the order of the CDM: those of its source, if only without rows.

    Eras follow from other tables, and the vocabulary is the source's own.
    """
    attributes = attributes_of(hospital)
    found = {"person", "observation_period", *small_tables.ALWAYS, *attributes.tables}
    found |= {name for name in SMALL_TABLES if small_tables.labels(attributes, name)}
    return tuple(name for name in tables(hospital.version) if name in found - _NOT_MADE)


def persons(name: str, rows: pa.Table, hospital: Hospital) -> Int64s:
    """Return the number of the person of each row of a table that ``render`` made."""
    if name == "episode_event":
        return rows["episode_id"].to_numpy().astype(np.int64) // ROWS_A_PERSON
    if name == "cost":
        return costs.persons(rows)
    if "person_id" not in rows.column_names:
        return np.zeros(rows.num_rows, np.int64)
    found: Int64s = rows["person_id"].to_numpy().astype(np.int64)
    return found


def render(name: str, lives: Lives, hospital: Hospital) -> pa.Table:
    """Write a table of some lives, by person: the columns of the model's CDM version, in their order and types."""
    if name in small_tables.ALWAYS or name in SMALL_TABLES:
        return small_tables.render(name, attributes_of(hospital), hospital)
    if name in people.WRITERS:
        return people.WRITERS[name](lives, hospital)
    if name == "payer_plan_period":
        return payers.table(lives, hospital)
    if name == "cost":
        return costs.table(lives, hospital)
    if lives.events is None or lives.visits is None:
        return written(hospital.version, name, 0, {})
    if name == "visit_occurrence":
        return Stays(lives, hospital).table()
    if name == "visit_detail":
        return DetailTable(lives, hospital).table()
    if name in ("episode", "episode_event") and makes_episodes(hospital):
        episodes = EpisodeTable(lives, hospital)
        return episodes.table() if name == "episode" else episodes.events()
    if name in TABLE_NUMBERS:
        return RecordTable(name, lives, hospital).table()
    return written(hospital.version, name, 0, {})
