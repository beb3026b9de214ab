"""The vocabulary as the tables of one run: what codes map to, and the views that derived tables read."""

from __future__ import annotations

from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier

from .vocabulary import Vocabulary
from .vocabulary_files import CODE_MAP, VocabularyFile, open_file, typed_sql

_VIEWED = ("concept", "concept_ancestor", "concept_relationship", "drug_strength", "vocabulary")
_CODE_COUNTS = (
    "cdm_table VARCHAR, source_table VARCHAR, source_vocabulary_id VARCHAR, source_code VARCHAR, "
    "source_code_description VARCHAR, n BIGINT, is_mapped BOOLEAN, is_known BOOLEAN"
)
_CONCEPT_MAP = "source_to_concept_map"
_MAPPED_BY = ("source_code", "source_vocabulary_id", "source_concept_id", "target_concept_id")


def create_vocabulary(
    con: duckdb.DuckDBPyConnection, vocabulary: Vocabulary, build: str, cdm: str, concept_map: str | None
) -> None:
    """Create views of the vocabulary in the schema ``cdm``; concept, code_map and concept_map in ``build``.

    ``concept_map`` is the adapter's own source_to_concept_map (CSV); its codes hide those of the vocabulary's. Raises
    OmopsqlError when it cannot be read, lacks a column, or a concept in it is no number.
    """
    for name in _VIEWED:
        con.execute(f"CREATE VIEW {identifier(cdm, name)} AS FROM {vocabulary.relation(name)}")
    con.execute(
        f"CREATE TABLE {build}.concept AS SELECT concept_id, domain_id, vocabulary_id, concept_code, standard_concept "
        f"FROM {vocabulary.relation('concept')}"
    )
    con.execute(f"CREATE TABLE {build}.code_map AS FROM {vocabulary.relation(CODE_MAP)}")
    _create_concept_map(con, vocabulary, build, concept_map)
    con.execute(f"CREATE TABLE {build}.code_counts ({_CODE_COUNTS})")


def _create_concept_map(
    con: duckdb.DuckDBPyConnection, vocabulary: Vocabulary, build: str, concept_map: str | None
) -> None:
    columns = ", ".join(_MAPPED_BY)
    theirs = f"SELECT {columns} FROM {vocabulary.relation(_CONCEPT_MAP)} AS theirs"
    if concept_map is None:
        con.execute(f"CREATE TABLE {build}.concept_map AS {theirs}")
        return
    file = open_file(con, _CONCEPT_MAP, Path(concept_map))
    try:
        _refuse_unreadable_concepts(con, file)
        con.execute(f"CREATE TABLE {build}.concept_map AS SELECT {columns} FROM ({typed_sql(file)})")
    except duckdb.Error as error:
        raise OmopsqlError(f"{concept_map} cannot be read: {first_line(error)}") from error
    con.execute(
        f"INSERT INTO {build}.concept_map {theirs} "
        f"WHERE NOT EXISTS (FROM {build}.concept_map AS own WHERE own.source_code = theirs.source_code "
        "AND own.source_vocabulary_id = theirs.source_vocabulary_id)"
    )


def _refuse_unreadable_concepts(con: duckdb.DuckDBPyConnection, file: VocabularyFile) -> None:
    """A concept may be missing, but what stands there must be one."""
    for column in ("source_concept_id", "target_concept_id"):
        if column in file.columns:
            unreadable = con.execute(
                f"SELECT source_code, {column} FROM (FROM {file.sql} LIMIT ALL) "
                f"WHERE {column} IS NOT NULL AND TRY_CAST({column} AS INTEGER) IS NULL LIMIT 1"
            ).fetchall()
            for code, concept in unreadable:
                raise OmopsqlError(f"{file.path}: {column} {concept!r} of the code {code} is no concept_id")
