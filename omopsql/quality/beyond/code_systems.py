"""The SQL function ``code_systems``: which vocabularies the concepts of each field come from, year by year."""

from __future__ import annotations

from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm import tables
from omopsql.quoting import identifier, literal
from omopsql.registry import expression
from omopsql.session import Caller

from .inputs import Inputs, event_tables
from .stories import story


@expression(
    family="quality",
    examples=(
        "SELECT DISTINCT vocabulary_id FROM omopsql.code_systems('omopsql_demo/cdm', "
        "vocabulary := 'omopsql_demo/vocabulary') WHERE cdm_field = 'condition_concept_id' --> SNOMED",
    ),
)
def code_systems(caller: Caller, cdm: str, min_cell: int = 10, vocabulary: str | None = None) -> str:
    """Tell from which vocabularies the concepts of each field come, year by year: mixtures and switches are seen.

    One row for each field of an event table that holds concepts (source and standard ones, units, types, values), each
    vocabulary and year: records, and their share of the records that have a concept there in that year. The year is
    that of the start. Concept 0 has the vocabulary None. Rows of fewer than min_cell records are left out. cdm is a
    folder of Parquet or CSV files, or a schema; vocabulary is a folder whose concept table is taken where the CDM has
    none.
    """
    if min_cell < 0:
        raise OmopsqlError(f"min_cell is {min_cell}; give 0 or more")
    with caller.cursor() as cursor:
        inputs = Inputs(cursor, cdm, vocabulary)
        used = [_used(inputs, name) for name in inputs.events("start_date")]
        if not used:
            raise OmopsqlError(f"{cdm} has no event table with a start date, such as condition_occurrence")
        given = {"used": " UNION ALL ".join(used), "settings": f"SELECT {min_cell} AS min_cell"}
        return inputs.bind(story("code_systems"), given)


def _used(inputs: Inputs, name: str) -> str:
    """Count the concepts of every field of an event table, by year, in one scan."""
    fields = tables("5.4")[name]
    present = [column for column, field in fields.items() if field.is_concept and column in inputs.columns(name)]
    columns = ", ".join(f"{inputs.typed(name, column)} AS {identifier(column)}" for column in present)
    year = f"year({inputs.typed(name, event_tables()[name]['start_date'])}) AS year"
    counted = f"SELECT {', '.join([columns, year])}, count(*) AS n FROM {inputs.rows(name)} GROUP BY ALL"
    used = ", ".join(f"{{'cdm_field': {literal(column)}, 'concept_id': {identifier(column)}}}" for column in present)
    each = f"SELECT year, n, unnest([{used}], max_depth := 2) FROM ({counted})"
    return (
        f"SELECT {literal(name)} AS cdm_table, cdm_field, year, CAST(concept_id AS BIGINT) AS concept_id, n "
        f"FROM ({each}) WHERE concept_id IS NOT NULL AND year IS NOT NULL"
    )
