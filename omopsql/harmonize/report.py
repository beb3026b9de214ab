"""What became of every source row and every code: the evidence that stands beside a harmonized CDM, in SQL."""

from __future__ import annotations

from pathlib import Path

from omopsql.errors import OmopsqlError
from omopsql.quoting import literal
from omopsql.registry import expression
from omopsql.session import Caller

from .export import EVIDENCE


def _evidence(cdm: str, name: str) -> str:
    path = Path(cdm) / EVIDENCE / f"{name}.parquet"
    if not path.is_file():
        raise OmopsqlError(f"{cdm} is no CDM that omopsql harmonized: there is no {path}")
    return f"read_parquet({literal(str(path))})"


@expression(
    family="harmonize",
    examples=("SELECT sum(rows) FROM omopsql.harmonize_report('omopsql_demo/cdm') WHERE outcome = 'unmapped' --> 8",),
)
def harmonize_report(caller: Caller, cdm: str) -> str:
    """Tell what became of every row of every source table: mapped, unmapped, or set aside with the reason.

    The rows of a source table sum to the rows it has. Lines of outcome 'note' tell what was left out of rows that were
    loaded. cdm is the folder that harmonize wrote.
    """
    return f"SELECT source_table, outcome, reason, rows, example FROM {_evidence(cdm, 'report')}"


@expression(
    family="harmonize",
    examples=("SELECT source_code FROM omopsql.unmapped_codes('omopsql_demo/cdm') --> KI67",),
)
def unmapped_codes(caller: Caller, cdm: str) -> str:
    """List the source codes without a standard concept, the most frequent first.

    is_known tells whether the vocabulary, or the source's own map, holds the code at all.
    """
    return f"""
        SELECT source_vocabulary_id, source_code, max(source_code_description) AS source_code_description,
            CAST(sum(n) AS BIGINT) AS frequency, bool_or(is_known) AS is_known
        FROM {_evidence(cdm, "codes")} WHERE NOT is_mapped
        GROUP BY source_vocabulary_id, source_code
        ORDER BY frequency DESC, source_vocabulary_id, source_code
    """


@expression(
    family="harmonize",
    examples=(
        "SELECT rows_mapped FROM omopsql.mapping_coverage('omopsql_demo/cdm') WHERE source_vocabulary_id = 'ICD10CM' "
        "--> 40153",
    ),
)
def mapping_coverage(caller: Caller, cdm: str) -> str:
    """Tell for each vocabulary how many codes, and how many rows, have a standard concept."""
    return f"""
        WITH codes AS (
            SELECT source_vocabulary_id, source_code, sum(n) AS n, bool_or(is_mapped) AS is_mapped
            FROM {_evidence(cdm, "codes")} GROUP BY source_vocabulary_id, source_code
        )
        SELECT source_vocabulary_id, count(*) AS codes, count(*) FILTER (WHERE is_mapped) AS codes_mapped,
            CAST(sum(n) AS BIGINT) AS rows, CAST(coalesce(sum(n) FILTER (WHERE is_mapped), 0) AS BIGINT) AS rows_mapped
        FROM codes GROUP BY source_vocabulary_id ORDER BY rows DESC, source_vocabulary_id
    """


@expression(
    family="harmonize",
    examples=(
        "SELECT source_table FROM omopsql.lineage('omopsql_demo/cdm') WHERE cdm_table = 'person' LIMIT 1 --> patients",
    ),
)
def lineage(caller: Caller, cdm: str) -> str:
    """Lead from each row of a CDM to the source table and row that it comes from.

    cdm_table and cdm_key name the row; source_row counts from 1.
    """
    return f"SELECT cdm_table, cdm_key, source_table, source_row, adapter_file FROM {_evidence(cdm, 'lineage')}"
