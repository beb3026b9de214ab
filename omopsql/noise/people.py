"""Who is protected: the rows of one person, bounded in SQL before anything is summed."""

from __future__ import annotations

from dataclasses import replace

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier
from omopsql.relation import Relation

USUAL = "person_id"
_BOUNDED = "omopsql_bounded"
_GUESSED = ("read_csv", "read_json")


def person_column(relation: Relation, person: str | None) -> str | None:
    """The column that tells persons apart: the one asked for, else person_id; None where every row is a person.

    Raises OmopsqlError when the source lacks the column that is asked for.
    """
    if person is None:
        return USUAL if USUAL in relation.columns else None
    if person == "":
        return None
    if person not in relation.columns:
        raise OmopsqlError(f"person: {relation.name} has no column {person!r}; it has {', '.join(relation.columns)}")
    return person


def check_types(relation: Relation) -> None:
    """Refuse a file whose types are guessed from its rows: they would tell of the rows without noise."""
    if relation.sql.removeprefix("(FROM ").startswith(_GUESSED):
        raise OmopsqlError(
            f"{relation.name}: the types of its columns are guessed from its rows, which epsilon does not allow; "
            "give a table with types that you declare, or a Parquet file"
        )


def bounded(cursor: duckdb.DuckDBPyConnection, relation: Relation, person: str | None, rows: int) -> Relation:
    """The source with at most ``rows`` rows of each person: the first by a hash of their content.

    Which rows of a person stay depends on that person's rows alone. Rows without a person are left out.
    """
    if person is None:
        return relation
    column = identifier(person)
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_BOUNDED} AS
        SELECT * FROM {relation.sql} AS source
        WHERE {column} IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY {column} ORDER BY md5(CAST(source AS VARCHAR))) <= {int(rows)}
        """
    )
    return replace(relation, sql=_BOUNDED)
