"""The vocabulary as the tables of one run: what codes map to, and the views that derived tables read."""

from __future__ import annotations

import duckdb

from omopsql.quoting import identifier, literal

from .vocabulary import Vocabulary
from .vocabulary_files import CODE_MAP

_VIEWED = ("concept", "concept_ancestor", "concept_relationship", "drug_strength", "vocabulary")
_CODE_COUNTS = (
    "cdm_table VARCHAR, source_table VARCHAR, source_vocabulary_id VARCHAR, source_code VARCHAR, "
    "source_code_description VARCHAR, n BIGINT, is_mapped BOOLEAN, is_known BOOLEAN"
)
_CONCEPT_MAP = ("source_code", "source_vocabulary_id", "source_concept_id", "target_concept_id")


def create_vocabulary(
    con: duckdb.DuckDBPyConnection, vocabulary: Vocabulary, build: str, cdm: str, concept_map: str | None
) -> None:
    """Create views of the vocabulary in the schema ``cdm``; concept, code_map and concept_map in ``build``.

    ``concept_map`` is the adapter's own source_to_concept_map (CSV); its codes hide those of the vocabulary's.
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
    columns = ", ".join(_CONCEPT_MAP)
    con.execute(
        f"CREATE TABLE {build}.concept_map "
        "(source_code VARCHAR, source_vocabulary_id VARCHAR, source_concept_id BIGINT, target_concept_id BIGINT)"
    )
    if concept_map is not None:
        read = f"read_csv({literal(concept_map)}, header = true, all_varchar = true)"
        con.execute(f"INSERT INTO {build}.concept_map BY NAME SELECT * FROM (SELECT {_present(con, read)} FROM {read})")
    con.execute(
        f"INSERT INTO {build}.concept_map "
        f"SELECT {columns} FROM {vocabulary.relation('source_to_concept_map')} AS theirs "
        f"WHERE NOT EXISTS (FROM {build}.concept_map AS own WHERE own.source_code = theirs.source_code "
        "AND own.source_vocabulary_id = theirs.source_vocabulary_id)"
    )


def _present(con: duckdb.DuckDBPyConnection, read: str) -> str:
    """Of the map's columns, those that the file has, typed."""
    found = [row[0] for row in con.execute(f"DESCRIBE FROM {read}").fetchall()]
    return ", ".join(
        f"CAST({name} AS BIGINT) AS {name}" if name.endswith("concept_id") else name
        for name in _CONCEPT_MAP
        if name in found
    )
