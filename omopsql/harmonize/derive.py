"""The tables that a CDM derives from its others: observation_period, condition_era, drug_era, dose_era.

Each is one SELECT, ``sql/harmonize/derived/<table>.sql``, over the CDM's tables by their plain names. Here it is bound
to the tables of a CDM, wherever they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier
from omopsql.registry import expression
from omopsql.session import Caller
from omopsql.sql_files import sql_folder

from .cdm import VOCABULARY_TABLES, Field, storage_type, table
from .cdm_source import need_tables, open_cdm
from .vocabulary import open_vocabulary

_READS = re.compile(r"^-- @reads (?P<table>\w+)(?P<optional>\??) \((?P<columns>[^)]*)\)", re.M)
_SETTINGS = "WITH settings (gap) AS (VALUES (30))"  # how a file that has a gap begins
_GAP = 30  # days


@dataclass(frozen=True)
class _Reads:
    """A CDM table that a derived table reads, and the columns it takes. An optional one may be absent."""

    table: str
    columns: tuple[str, ...]
    is_optional: bool


@cache
def derived_sql(name: str) -> str:
    """Return the SELECT of a derived table. It reads CDM tables by their plain names."""
    return sql_folder("harmonize", "derived").joinpath(f"{name}.sql").read_text(encoding="utf-8").strip()


@expression(
    family="harmonize",
    examples=(
        "SELECT count(*) = count(DISTINCT person_id) FROM omopsql.observation_period('omopsql_demo/cdm') --> True",
    ),
)
def observation_period(caller: Caller, cdm: str) -> str:
    """Derive one observation period a person: from the first event to the last.

    Events are visits with their ends, and conditions, drugs, procedures, devices, measurements, observations and death
    on the day they start. cdm is a folder of Parquet or CSV files, or a schema.
    """
    with caller.cursor() as cursor:
        return _bound(cursor, "observation_period", cdm)


@expression(
    family="harmonize",
    examples=(
        "SELECT min(condition_occurrence_count) FROM omopsql.condition_era('omopsql_demo/cdm', gap := 30) --> 1",
    ),
)
def condition_era(caller: Caller, cdm: str, gap: int = _GAP) -> str:
    """Derive condition eras: records of one condition, joined over gaps of at most gap days.

    A record without an end lasts until the next day. Records without a standard concept make no era. cdm is a folder
    of Parquet or CSV files, or a schema.
    """
    with caller.cursor() as cursor:
        return _bound(cursor, "condition_era", cdm, gap)


@expression(
    family="harmonize",
    examples=(
        "SELECT min(gap_days) FROM omopsql.drug_era('omopsql_demo/cdm', gap := 30, "
        "vocabulary := 'omopsql_demo/vocabulary') --> 0",
    ),
)
def drug_era(caller: Caller, cdm: str, gap: int = _GAP, vocabulary: str | None = None) -> str:
    """Derive drug eras: exposures to one RxNorm ingredient, joined over gaps of at most gap days.

    Ingredients come from concept and concept_ancestor of the vocabulary's folder, or else of the CDM. An exposure
    without an end lasts for its days of supply, else until the next day. cdm is a folder of Parquet or CSV files, or a
    schema.
    """
    with caller.cursor() as cursor:
        return _bound(cursor, "drug_era", cdm, gap, vocabulary)


@expression(
    family="harmonize",
    examples=(
        "SELECT count(*) FROM omopsql.dose_era('omopsql_demo/cdm', vocabulary := 'omopsql_demo/vocabulary') --> 11119",
    ),
)
def dose_era(caller: Caller, cdm: str, gap: int = _GAP, vocabulary: str | None = None) -> str:
    """Derive dose eras: exposures to one ingredient at one daily dose, joined over gaps of at most gap days.

    The strength comes from drug_strength of the vocabulary's folder, or else of the CDM; without that table there are
    no dose eras. Exposures without a quantity are left out. cdm is a folder of Parquet or CSV files, or a schema.
    """
    with caller.cursor() as cursor:
        return _bound(cursor, "dose_era", cdm, gap, vocabulary)


def _bound(
    cursor: duckdb.DuckDBPyConnection, name: str, cdm: str, gap: int = _GAP, vocabulary: str | None = None
) -> str:
    """Write a derived table's SELECT after a WITH that gives it the tables of the CDM, in the CDM's types."""
    relations = open_cdm(cursor, cdm)
    if vocabulary is not None:
        opened = open_vocabulary(cursor, vocabulary)
        relations |= {table_name: opened.relation(table_name) for table_name in VOCABULARY_TABLES}
    sql = derived_sql(name)
    reads = [
        _Reads(found["table"], tuple(found["columns"].split(", ")), bool(found["optional"]))
        for found in _READS.finditer(sql)
    ]
    need_tables(relations, cdm, [read.table for read in reads if not read.is_optional])
    inputs = []
    for read in reads:
        rows = _typed(cursor, relations[read.table], read, cdm) if read.table in relations else _none(read)
        inputs.append(f"{read.table} AS ({rows})")
    return f"WITH {', '.join(inputs)} FROM ({_with_gap(sql, gap)})"


def _with_gap(sql: str, gap: int) -> str:
    if gap < 0:
        raise OmopsqlError(f"gap is {gap}; give 0 or more days")
    return sql.replace(_SETTINGS, _SETTINGS.replace(str(_GAP), str(gap)))


def _typed(cursor: duckdb.DuckDBPyConnection, relation: str, read: _Reads, cdm: str) -> str:
    """Select the columns of a table, cast where a file holds them in another type. Columns' case does not count."""
    types = {row[0].lower(): row[1] for row in cursor.execute(f"DESCRIBE FROM {relation}").fetchall()}
    for column in read.columns:
        if column not in types:
            raise OmopsqlError(f"{cdm}: table {read.table} has no column {column}; it has {', '.join(types)}")
    fields = table("5.4", read.table)
    selected = [f"{_cast(fields[column], types[column])} AS {identifier(column)}" for column in read.columns]
    return f"SELECT {', '.join(selected)} FROM {relation}"


def _cast(field: Field, found: str) -> str:
    column, wanted = identifier(field.name), storage_type(field)
    if found == wanted:
        return column
    if wanted == "DATE" and found in ("BIGINT", "INTEGER"):  # 20261231
        return f"CAST(strptime(CAST({column} AS VARCHAR), '%Y%m%d') AS DATE)"
    return f"CAST({column} AS {wanted})"


def _none(read: _Reads) -> str:
    """A table without rows, in the place of one that is absent."""
    fields = table("5.4", read.table)
    nulls = (f"CAST(NULL AS {storage_type(fields[column])}) AS {identifier(column)}" for column in read.columns)
    return f"SELECT {', '.join(nulls)} WHERE false"
