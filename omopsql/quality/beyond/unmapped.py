"""The SQL functions ``unmapped_share`` and ``unmapped_values``: what no concept was found for."""

from __future__ import annotations

from omopsql.errors import OmopsqlError
from omopsql.registry import expression
from omopsql.session import Caller

from .inputs import Inputs
from .stories import story


@expression(
    family="quality",
    examples=(
        "SELECT unmapped_share FROM omopsql.unmapped_share('omopsql_demo/cdm') "
        "WHERE cdm_field = 'gender_concept_id' --> 0.0",
    ),
)
def unmapped_share(caller: Caller, cdm: str, min_cell: int = 10, vocabulary: str | None = None) -> str:
    """Tell which share of the records has no concept, by field, vocabulary of the source value and type of record.

    A record is unmapped in a field when its concept is 0 or missing. Looked at is every field with a source value
    beside it: what the event is, and units, routes, genders, as far as the source tells them. source_vocabulary_id is
    that of the source concept, NULL where there is none. Rows of fewer than min_cell records are left out. cdm is a
    folder of Parquet or CSV files, or a schema; vocabulary is a folder whose concept table is taken where the CDM has
    none.
    """
    return _coded(caller, "coded_share", cdm, min_cell, vocabulary)


@expression(
    family="quality",
    examples=("SELECT count(*) FROM omopsql.unmapped_values('omopsql_demo/cdm') WHERE persons < 10 --> 0",),
)
def unmapped_values(caller: Caller, cdm: str, min_cell: int = 10, vocabulary: str | None = None) -> str:
    """List the source values that have no concept, the most frequent first: what to map next.

    Columns are cdm_table, cdm_field, source_vocabulary_id, source_value, records and persons. Values of fewer than
    min_cell persons are withheld: a source value may be free text. cdm and vocabulary are as for
    omopsql.unmapped_share.
    """
    return _coded(caller, "unmapped_values", cdm, min_cell, vocabulary)


def _coded(caller: Caller, name: str, cdm: str, min_cell: int, vocabulary: str | None) -> str:
    if min_cell < 0:
        raise OmopsqlError(f"min_cell is {min_cell}; give 0 or more")
    with caller.cursor() as cursor:
        inputs = Inputs(cursor, cdm, vocabulary)
        return inputs.bind(story(name), {"settings": f"SELECT {min_cell} AS min_cell"})
