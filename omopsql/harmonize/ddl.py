"""The SQL function ``create_cdm``: the statements that make the tables of a CDM version."""

from __future__ import annotations

from omopsql.quoting import literal
from omopsql.registry import expression
from omopsql.session import Caller

from . import cdm


@expression(
    family="harmonize",
    examples=(
        "SELECT count(*) FROM omopsql.create_cdm('5.3') --> 38",
        "SELECT trim(split_part(ddl, chr(10), 3)) FROM omopsql.create_cdm(schema := 'cdm') WHERE cdm_table = 'person' "
        '--> "gender_concept_id" INTEGER NOT NULL,',
    ),
)
def create_cdm(caller: Caller, version: str = "5.4", schema: str | None = None) -> str:
    """Write the statements that create the tables of a CDM version, one row a table.

    Each ddl holds CREATE TABLE with required fields and the primary key, and a comment on every field that refers to
    another table, with the domain of its concepts. Foreign keys are told in comments only, so that tables can be
    filled in any order. To run them, execute each ddl in your program, or write them to a file with COPY (SELECT ddl
    FROM omopsql.create_cdm()) TO 'cdm.sql' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '') and .read it in the DuckDB
    shell. version is 5.3 or 5.4, which has the tables of the imaging extension; schema names the schema.
    """
    rows = [
        f"({position}, {literal(name)}, {literal(_ddl(version, name, schema))})"
        for position, name in enumerate(cdm.tables(version))
    ]
    listed = ", ".join(rows)
    return f"SELECT cdm_table, ddl FROM (VALUES {listed}) AS tables (position, cdm_table, ddl) ORDER BY position"


def _ddl(version: str, name: str, schema: str | None) -> str:
    return "\n".join(
        filter(None, (cdm.create_table_sql(version, name, schema), cdm.comment_sql(version, name, schema)))
    )
