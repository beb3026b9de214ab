"""The OMOP Common Data Model as data: tables, fields, keys and domains of each version, read from ``sql/cdm``.

``fields.csv`` holds every field of every table as the specification of OHDSI declares it, and of the two tables of
the imaging extension (Park et al. 2024, doi:10.1007/s10278-024-00982-6). ``domains.csv`` says which field of an event
table plays which part: its concept, its source value, its start.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, fields, replace
from functools import cache

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier, literal
from omopsql.sql_files import sql_folder

VERSIONS = ("5.3", "5.4")

VOCABULARY_TABLES = (
    "concept",
    "vocabulary",
    "domain",
    "concept_class",
    "concept_relationship",
    "relationship",
    "concept_synonym",
    "concept_ancestor",
    "source_to_concept_map",
    "drug_strength",
)
RESULTS_TABLES = ("cohort", "cohort_definition", "attribute_definition")
IMAGING_TABLES = ("image_occurrence", "image_feature")


_LISTED = {
    "cdm_version": "VARCHAR",
    "cdm_table": "VARCHAR",
    "cdm_field": "VARCHAR",
    "position": "INTEGER",
    "type": "VARCHAR",
    "is_required": "BOOLEAN",
    "is_primary_key": "BOOLEAN",
    "foreign_table": "VARCHAR",
    "foreign_field": "VARCHAR",
    "domain": "VARCHAR",
}


@dataclass(frozen=True)
class Field:
    """One field of a table. ``type`` is the declared one, with its length: ``VARCHAR(50)``."""

    table: str
    name: str
    position: int
    type: str
    is_required: bool
    is_primary_key: bool
    foreign_table: str | None
    foreign_field: str | None
    domain: str | None

    @property
    def is_concept(self) -> bool:
        """Whether it holds concepts."""
        return self.foreign_table == "concept"


@dataclass(frozen=True)
class Roles:
    """The main fields of an event table, by the part they play. None where the table has no such field."""

    cdm_table: str
    concept_field: str
    source_value_field: str
    source_concept_field: str | None
    type_field: str
    start_date_field: str
    start_datetime_field: str
    end_date_field: str | None
    end_datetime_field: str | None
    key_field: str
    domain: str | None


def read_text(name: str) -> str:
    """Read a file of ``sql/cdm``, from a checkout or from an installed package."""
    return sql_folder("cdm").joinpath(name).read_text(encoding="utf-8")


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read_text(name))))


@cache
def tables(version: str) -> dict[str, dict[str, Field]]:
    """Return the fields of each table of a CDM version, both in the order of the specification.

    Raises OmopsqlError for a version that is not in ``VERSIONS``.
    """
    if version not in VERSIONS:
        raise OmopsqlError(f"CDM version {version!r} is unknown; known are {', '.join(VERSIONS)}")
    found: dict[str, dict[str, Field]] = {}
    for row in _rows("fields.csv"):
        if row["cdm_version"] == version:
            field = _field(row)
            found.setdefault(field.table, {})[field.name] = field
    return found


def _field(row: dict[str, str]) -> Field:
    return Field(
        table=row["cdm_table"],
        name=row["cdm_field"],
        position=int(row["position"]),
        type=row["type"],
        is_required=row["is_required"] == "true",
        is_primary_key=row["is_primary_key"] == "true",
        foreign_table=row["foreign_table"] or None,
        foreign_field=row["foreign_field"] or None,
        domain=row["domain"] or None,
    )


def table(version: str, name: str) -> dict[str, Field]:
    """Return the fields of one table. Raises OmopsqlError for a table that the version does not have."""
    known = tables(version)
    if name not in known:
        raise OmopsqlError(f"CDM {version} has no table {name!r}; it has {', '.join(known)}")
    return known[name]


@cache
def roles(version: str) -> dict[str, Roles]:
    """Return the roles of the fields of each event table that the version has. Fields it lacks are None."""
    known = tables(version)
    return {
        row["cdm_table"]: _roles(row, known[row["cdm_table"]])
        for row in _rows("domains.csv")
        if row["cdm_table"] in known
    }


def _roles(row: dict[str, str], known: dict[str, Field]) -> Roles:
    found = Roles(**{name: value or None for name, value in row.items()})  # type: ignore[arg-type]
    absent = {f.name: None for f in fields(Roles) if f.name.endswith("_field") and row[f.name] not in known}
    return replace(found, **absent)  # type: ignore[arg-type]


@cache
def table_of_domain(version: str) -> dict[str, str]:
    """Return the table that the events of a domain go to: Condition to condition_occurrence, and so on.

    The first table of a domain in ``domains.csv`` is the one; so Visit leads to visit_occurrence.
    """
    found: dict[str, str] = {}
    for name, parts in roles(version).items():
        if parts.domain is not None:
            found.setdefault(parts.domain, name)
    return found


def storage_type(field: Field) -> str:
    """Return the type that omopsql stores: as declared, but texts without a length, which DuckDB would not check."""
    return "VARCHAR" if field.type.startswith("VARCHAR") else field.type


def create_table_sql(version: str, name: str, schema: str | None = None) -> str:
    """Write CREATE TABLE for one table, with its required fields and its primary key.

    Raises OmopsqlError for an unknown version or table.
    """
    columns = [_column_sql(field) for field in table(version, name).values()]
    return f"CREATE TABLE {_qualified(schema, name)} (\n    " + ",\n    ".join(columns) + "\n);"


def _column_sql(field: Field) -> str:
    needed = " PRIMARY KEY" if field.is_primary_key else " NOT NULL" if field.is_required else ""
    return f"{identifier(field.name)} {field.type}{needed}"


def comment_sql(version: str, name: str, schema: str | None = None) -> str:
    """Write COMMENT ON for the fields of a table that refer to another: which field, of which domain."""
    owner = _qualified(schema, name)
    return "\n".join(
        f"COMMENT ON COLUMN {owner}.{identifier(field.name)} IS {literal(_reference(field))};"
        for field in table(version, name).values()
        if field.foreign_table
    )


def _reference(field: Field) -> str:
    of_domain = f", domain {field.domain}" if field.domain else ""
    return f"{field.foreign_table}.{field.foreign_field}{of_domain}"


def _qualified(schema: str | None, name: str) -> str:
    return identifier(schema, name) if schema else identifier(name)


def list_fields(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table ``omopsql.cdm_fields``: every field of every version, as ``fields.csv`` holds them.

    The fields travel as a parameter, so that a connection without access to files has them too.
    """
    listed = json.dumps([{name: value or None for name, value in row.items()} for row in _rows("fields.csv")])
    con.execute(
        "CREATE OR REPLACE TABLE omopsql.cdm_fields AS SELECT unnest(from_json($1, $2), recursive := true)",
        [listed, json.dumps([_LISTED])],
    )
