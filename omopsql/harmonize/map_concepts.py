"""The SQL function ``map_concepts``: a table's codes as standard concepts, with the vocabulary in use."""

from __future__ import annotations

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier, literal
from omopsql.registry import expression
from omopsql.relation import resolve
from omopsql.session import Caller

_ADDED = ("source_concept_id", "concept_id", "concept_name", "domain_id", "value_as_concept_id")


@expression(
    family="harmonize",
    examples=(
        "SELECT count(*) FILTER (WHERE concept_id <> 0) FROM omopsql.map_concepts('omopsql_demo/source/diagnoses.csv', "
        "code := 'icd_code', vocabulary := 'ICD10CM') --> 8684",
    ),
)
def map_concepts(caller: Caller, source: str, code: str, vocabulary: str) -> str:
    """Add to every row of a table the standard concepts of its code, by the vocabulary in use.

    code is the name of the column that holds codes, vocabulary the vocabulary_id that they belong to. A code of several
    concepts gives several rows; a code without one keeps its row, with concept_id 0. Codes are compared as
    omopsql.clean_code writes them. omopsql.use_vocabulary('FOLDER') sets the vocabulary in use.
    """
    with caller.cursor() as cursor:
        relation = resolve(cursor, source)
    by_name = {name.lower(): name for name in relation.columns}
    if code.lower() not in by_name:
        raise OmopsqlError(f"{source} has no column {code}; it has {', '.join(relation.columns)}")
    taken = [name for name in _ADDED if name in by_name]
    if taken:
        raise OmopsqlError(f"{source} has a column {taken[0]} already; rename it first")
    column = f"s.{identifier(by_name[code.lower()])}"
    return f"""
        WITH codes AS (
            SELECT DISTINCT {column} AS code, omopsql.clean_code({column}, {literal(vocabulary)}) AS clean_code
            FROM {relation.sql} AS s
        ),
        targets AS (
            SELECT codes.code, m.source_concept_id, m.target_concept_id, m.target_domain_id, m.value_concept_id,
                c.concept_name
            FROM codes
            JOIN omopsql.vocabulary.code_map AS m
                ON m.vocabulary_id = {literal(vocabulary)} AND m.clean_code = codes.clean_code
            LEFT JOIN omopsql.vocabulary.concept AS c ON c.concept_id = m.target_concept_id
        )
        SELECT s.*, coalesce(t.source_concept_id, 0) AS source_concept_id,
            coalesce(t.target_concept_id, 0) AS concept_id, t.concept_name,
            t.target_domain_id AS domain_id, t.value_concept_id AS value_as_concept_id
        FROM {relation.sql} AS s
        LEFT JOIN targets AS t ON t.code = {column}
    """
