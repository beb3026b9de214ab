"""The vocabulary in use on a database: the views ``omopsql.vocabulary.concept`` and so on, and how to choose it."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier, literal
from omopsql.registry import routine
from omopsql.session import CATALOG, Caller

from .cdm import VOCABULARY_TABLES
from .vocabulary import Vocabulary, open_vocabulary
from .vocabulary_files import CODE_MAP, types_of

VARIABLE = "OMOPSQL_VOCABULARY"
SCHEMA = "vocabulary"
_COMPUTED = "computed_code_map"
_IN_USE = "in_use"  # one row: the folder
_NONE = f"no vocabulary is in use; run FROM omopsql.use_vocabulary('FOLDER'), or set {VARIABLE} before connecting"


def declare(con: duckdb.DuckDBPyConnection) -> None:
    """Make the views of a new database, before the macros that read them: each says that no vocabulary is in use."""
    con.execute(f"CREATE SCHEMA {identifier(CATALOG, SCHEMA)}")
    for name in (*VOCABULARY_TABLES, CODE_MAP):
        con.execute(f"CREATE VIEW {_view(name)} AS {_missing_sql(name)}")
    con.execute(f"CREATE TABLE {_view(_IN_USE)} (folder VARCHAR)")


def folder_in_use(con: duckdb.DuckDBPyConnection) -> str:
    """Return the folder of the vocabulary in use. Raises OmopsqlError when there is none."""
    found = con.execute(f"SELECT folder FROM {_view(_IN_USE)}").fetchall()
    if not found:
        raise OmopsqlError(_NONE)
    return str(found[0][0])


def use_configured(con: duckdb.DuckDBPyConnection) -> None:
    """Use the folder that the environment variable ``OMOPSQL_VOCABULARY`` names, if it is set.

    Raises OmopsqlError when that folder is no vocabulary.
    """
    folder = os.environ.get(VARIABLE)
    if folder:
        try:
            use(con, folder)
        except OmopsqlError as error:
            raise OmopsqlError(f"{VARIABLE}: {error}") from error


def _missing_sql(name: str) -> str:
    """No rows, but an error when they are asked for; its columns are known before."""
    told = f"error({literal(_NONE)})"
    columns = ", ".join(f"CAST({told} AS {kind}) AS {identifier(column)}" for column, kind in types_of(name).items())
    return f"SELECT {columns} WHERE {told} IS NULL"


def _view(name: str) -> str:
    return identifier(CATALOG, SCHEMA, name)


def use(con: duckdb.DuckDBPyConnection, folder: str | Path) -> None:
    """Make a vocabulary the one in use on a database. The code map of plain files is computed here, once.

    Raises OmopsqlError when the folder is no vocabulary; the one that was in use stays then.
    """
    vocabulary = open_vocabulary(con, folder)
    con.execute("BEGIN")
    try:
        for name in VOCABULARY_TABLES:
            con.execute(f"CREATE OR REPLACE VIEW {_view(name)} AS FROM {vocabulary.relation(name)}")
        con.execute(f"CREATE OR REPLACE VIEW {_view(CODE_MAP)} AS FROM {_stored_code_map(con, vocabulary)}")
        con.execute(f"DELETE FROM {_view(_IN_USE)}")
        con.execute(f"INSERT INTO {_view(_IN_USE)} VALUES (?)", [str(Path(folder).resolve())])
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise


def _stored_code_map(con: duckdb.DuckDBPyConnection, vocabulary: Vocabulary) -> str:
    if vocabulary.is_loaded:
        con.execute(f"DROP TABLE IF EXISTS {_view(_COMPUTED)}")
        return vocabulary.relation(CODE_MAP)
    con.execute(f"CREATE OR REPLACE TABLE {_view(_COMPUTED)} AS FROM {vocabulary.relation(CODE_MAP)}")
    return _view(_COMPUTED)


@routine(
    family="harmonize",
    schema=pa.schema([("vocabulary_table", pa.string()), ("rows", pa.int64())]),
    examples=(
        "SELECT rows FROM omopsql.use_vocabulary('omopsql_demo/vocabulary') WHERE vocabulary_table = 'concept' --> 268",
    ),
)
def use_vocabulary(caller: Caller, folder: str) -> pa.Table:
    """Make a vocabulary the one in use on this database, and tell how many rows its tables have.

    folder is one that omopsql vocabulary load made, or holds CSV or Parquet files of an Athena download. The functions
    concept, standard_concept and descendants read the vocabulary in use, and so can you: FROM
    omopsql.vocabulary.concept. With the environment variable OMOPSQL_VOCABULARY every new connection uses the folder
    that it names.
    """
    with caller.cursor() as cursor:
        use(cursor, folder)
        counted = [(name, _rows(cursor, name)) for name in (*VOCABULARY_TABLES, CODE_MAP)]
    names, rows = zip(*counted, strict=True)
    return pa.table({"vocabulary_table": names, "rows": pa.array(rows, pa.int64())})


def _rows(cursor: duckdb.DuckDBPyConnection, name: str) -> int:
    return int(cursor.execute(f"SELECT count(*) FROM {_view(name)}").fetchall()[0][0])
