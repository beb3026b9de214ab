"""The SQL functions ``duplicated_events`` and ``duplicated_rows``: events that are recorded more than once."""

from __future__ import annotations

from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm import roles, table
from omopsql.quoting import identifier, literal
from omopsql.registry import expression
from omopsql.session import Caller

from .inputs import Inputs, event_tables
from .stories import rows, story


@expression(
    family="quality",
    examples=(
        "SELECT sum(exact_copies) FROM omopsql.duplicated_events('omopsql_demo/cdm') WHERE cdm_table = 'death' --> 0",
    ),
)
def duplicated_events(caller: Caller, cdm: str, min_cell: int = 10, vocabulary: str | None = None) -> str:
    """Count events that are recorded more than once, by event table and concept.

    Two records are of one event when they have the same person, concept, source value, start (day and time) and value:
    number, unit, quantity, end, route, whatever the table has. One row for each table as a whole (is_total), and one
    for each concept with repeats: records; repeated_events, recorded more than once; repeats, the records beyond the
    first; exact_copies, the repeats that agree in every column but the key; and repeated_share of all records. Concepts
    with fewer than min_cell records are left out. omopsql.duplicated_rows returns the records themselves. cdm is a
    folder of Parquet or CSV files, or a schema; vocabulary is a folder whose concept table names the concepts where the
    CDM has none. Fingerprints of 64 bits stand for the records.
    """
    if min_cell < 0:
        raise OmopsqlError(f"min_cell is {min_cell}; give 0 or more")
    with caller.cursor() as cursor:
        inputs = Inputs(cursor, cdm, vocabulary)
        names = inputs.events("person_id", "concept_id")
        if not names:
            raise OmopsqlError(f"{cdm} has no event table with person_id and a concept, such as condition_occurrence")
        given = {
            "fingerprint": " UNION ALL ".join(_fingerprints(inputs, name) for name in names),
            "settings": f"SELECT {min_cell} AS min_cell",
        }
        return inputs.bind(story("duplicated_events"), given)


@expression(
    family="quality",
    examples=("SELECT count(*) FROM omopsql.duplicated_rows('omopsql_demo/cdm', 'death') --> 0",),
)
def duplicated_rows(caller: Caller, cdm: str, cdm_table: str) -> str:
    """Return the records of events that are recorded more than once, with all columns of their table.

    cdm_table is the event table. The column event comes first: it is the same for the records of one event. What one
    event is, and cdm, are as for omopsql.duplicated_events.
    """
    with caller.cursor() as cursor:
        inputs = Inputs(cursor, cdm)
        if cdm_table not in event_tables():
            raise OmopsqlError(f"{cdm_table!r} is no event table; give one of {', '.join(event_tables())}")
        inputs.need(cdm_table, *(event_tables()[cdm_table][part] for part in ("person_id", "concept_id")))
        source = inputs.rows(cdm_table)
        fingerprint = f"hash({_listed(_identity(inputs, cdm_table))})"
        repeated = f"SELECT {fingerprint} FROM {source} GROUP BY 1 HAVING count(*) > 1"
        return f"SELECT {fingerprint} AS event, * FROM {source} WHERE {fingerprint} IN ({repeated})"


def _fingerprints(inputs: Inputs, name: str) -> str:
    """Fingerprint the events and the records of a table."""
    concept = identifier(event_tables()[name]["concept_id"])
    key = roles("5.4")[name].key_field
    others = [column for column in inputs.columns(name) if column != key or key == "person_id"]
    return (
        f"SELECT {literal(name)} AS cdm_table, {concept} AS concept_id, "
        f"hash({literal(name)}, {_listed(_identity(inputs, name))}) AS event, hash({_listed(others)}) AS record "
        f"FROM {inputs.rows(name)}"
    )


def _identity(inputs: Inputs, name: str) -> list[str]:
    """The columns that make an event what it is, as far as the CDM has them."""
    parts = event_tables()[name]
    told = next(row["columns"].split() for row in rows("event_identity.csv") if row["cdm_table"] == name)
    known = (parts[part] for part in parts if part != "type_concept_id")
    columns = dict.fromkeys([*known, *(column for column in told if column in table("5.4", name))])
    return [column for column in columns if column in inputs.columns(name)]


def _listed(columns: list[str]) -> str:
    return ", ".join(identifier(column) for column in columns)
