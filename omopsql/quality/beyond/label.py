"""The SQL function ``quality_label``: what the European data quality and utility label asks, as far as data tell it."""

from __future__ import annotations

import csv
import io
from functools import cache

from omopsql.quoting import literal
from omopsql.registry import expression
from omopsql.session import Caller
from omopsql.sql_files import sql_folder

from .inputs import Inputs
from .stories import story

_TEXTS = ("element", "dimension", "metric", "unit", "better", "how")
_BOUNDS = ("a", "b", "c")


@expression(
    family="quality",
    examples=(
        "SELECT value FROM omopsql.quality_label('omopsql_demo/cdm') WHERE metric = 'persons' --> 2000.0",
        "SELECT level FROM omopsql.quality_label('omopsql_demo/cdm') "
        "WHERE metric = 'review and audit' --> to be declared",
    ),
)
def quality_label(caller: Caller, cdm: str, version: str | None = None, today: str | None = None) -> str:
    """Describe a CDM by the elements of the European data quality and utility label: one row for each metric.

    Elements are the letters of Article 78(3) of Regulation (EU) 2025/327 (European Health Data Space): documentation,
    technical quality, quality management, coverage, access and provision, modifications. Each row has dimension,
    metric, value, unit, level and how it was measured. level is A (best) to D by the bounds in sql/quality/label.csv,
    which are omopsql's proposal and no part of the regulation; described, where more is not better; not measured, where
    the CDM lacks what is needed; and to be declared, where no database can tell. It is a draft for the holder of the
    data, not the label itself. cdm, version and today are as for omopsql.check_cdm.
    """
    with caller.cursor() as cursor:
        inputs = Inputs(cursor, cdm)
        return inputs.bind(story("label"), _answers(inputs, cdm, version, today))


def _answers(inputs: Inputs, cdm: str, version: str | None, today: str | None) -> dict[str, str]:
    """The answers of other functions that the label builds on, each once."""
    told = ((name, value) for name, value in (("version", version), ("today", today)) if value is not None)
    options = "".join(f", {name} := {literal(value)}" for name, value in told)
    place = literal(cdm)
    period = ("person_id", "observation_period_start_date", "observation_period_end_date")
    drift = ("cdm_table", "concept_id", "ratio", "rate_before", "rate_after")
    return {
        "metric": _metrics(),
        "checked": f"FROM omopsql.check_cdm({place}{options})",
        "duplicate": _if(
            bool(inputs.events("person_id", "concept_id")),
            f"FROM omopsql.duplicated_events({place})",
            ("is_total", "records", "repeats"),
        ),
        "mixture": _if(
            inputs.has("measurement", "person_id", "measurement_concept_id", "value_as_number"),
            f"FROM omopsql.unit_mixtures({place})",
            ("measurement_concept_id", "factor"),
        ),
        "rate_break": _if(inputs.has("observation_period", *period), f"FROM omopsql.concept_drift({place})", drift),
    }


def _if(is_there: bool, select: str, columns: tuple[str, ...]) -> str:
    """A function's answer, or no rows where the CDM lacks what it needs."""
    return select if is_there else f"SELECT {', '.join(f'NULL AS {column}' for column in columns)} WHERE false"


@cache
def _metrics() -> str:
    """Write the metrics and their bounds, ``sql/quality/label.csv``, as a SELECT."""
    text = sql_folder("quality").joinpath("label.csv").read_text(encoding="utf-8")
    listed = []
    for place, row in enumerate(csv.DictReader(io.StringIO(text))):
        texts = (literal(row[name]) if row[name] else "CAST(NULL AS VARCHAR)" for name in _TEXTS)
        bounds = (f"CAST({row[name] or 'NULL'} AS DOUBLE)" for name in _BOUNDS)
        listed.append(f"({place}, {', '.join([*texts, *bounds])})")
    return f"FROM (VALUES {', '.join(listed)}) AS metric (place, {', '.join([*_TEXTS, *_BOUNDS])})"
