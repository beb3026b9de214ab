"""``omopsql.characterize``: every analysis of a CDM. A story is run once for each event table that it serves."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from omopsql import __version__
from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier, literal
from omopsql.registry import routine
from omopsql.session import Caller

from .analyses import Analysis, chosen_analyses
from .inputs import Inputs
from .stories import story

DISTRIBUTION = ("min", "max", "avg", "stdev", "median", "p10", "p25", "p75", "p90")
STRATA = tuple(f"stratum_{place}" for place in range(1, 6))
SCHEMA = pa.schema(
    [
        ("analysis_id", pa.int64()),
        ("analysis_name", pa.string()),
        *((stratum, pa.string()) for stratum in STRATA),
        ("count_value", pa.int64()),
        *((f"{measure}_value", pa.float64()) for measure in DISTRIBUTION),
    ]
)

_RUN_TIME = 2_000_000  # Achilles tells how long analysis 401 took as analysis 2000401


@routine(
    family="quality",
    schema=SCHEMA,
    examples=(
        "SELECT count_value FROM omopsql.characterize('omopsql_demo/cdm', analyses := [1]) --> 2000",
        "SELECT count(*) FROM omopsql.characterize('omopsql_demo/cdm') WHERE count_value < 10 --> 0",
    ),
)
def characterize(
    caller: Caller, cdm: str, min_cell: int = 10, analyses: str | None = None, default_only: bool = True
) -> pa.Table:
    """Characterize a CDM as OHDSI Achilles does: persons, periods, visits, all domains, values, distributions.

    One row for each analysis and stratum: count_value, and for distributions least, greatest and mean value, standard
    deviation and percentiles. Rows that count fewer than min_cell are left out; 0 keeps all that count any. cdm is a
    folder of Parquet or CSV files, or a schema; what needs a table or column that is not there has no rows. analyses
    takes numbers as in [401, 402]; without it the analyses run that Achilles runs by default, with default_only :=
    false all that omopsql.achilles_analysis() lists. With a min_cell of 0 or 1 there are also Achilles' run times: the
    seconds of analysis 401 stand in stratum_1 of 2000401.
    """
    if min_cell < 0:
        raise OmopsqlError(f"min_cell is {min_cell}; give 0 or more")
    chosen = chosen_analyses(analyses, default_only)
    with caller.cursor() as cursor:
        inputs = Inputs(cursor, cdm)
        answers, seconds = _run(cursor, cdm, inputs, chosen, min_cell)
    if min_cell <= 1:
        answers.append(_run_times(chosen, seconds))
    return pa.concat_tables([SCHEMA.empty_table(), *answers]).sort_by("analysis_id")


@dataclass(frozen=True)
class _Run:
    """A story, the event table that it is run for, and the analyses that it answers so."""

    story: str
    event: str | None
    analyses: tuple[Analysis, ...]


def _runs(inputs: Inputs, chosen: list[Analysis]) -> Iterator[_Run]:
    """Yield one run for each story and event table, as far as the CDM has what they need."""
    together: dict[tuple[str, str | None], list[Analysis]] = defaultdict(list)
    for analysis in chosen:
        for event in analysis.events or (None,):
            if all(inputs.has(needed, event) for needed in analysis.needs):
                together[analysis.story, event].append(analysis)
    for (name, event), analyses in together.items():
        if inputs.answers(story(name), event):
            yield _Run(name, event, tuple(analyses))


def _run(
    cursor: duckdb.DuckDBPyConnection, cdm: str, inputs: Inputs, chosen: list[Analysis], min_cell: int
) -> tuple[list[pa.Table], dict[int, float]]:
    """Run all stories. Returns their rows, and the seconds of each analysis: its share of those of its story."""
    answers, seconds = [], dict.fromkeys((analysis.id for analysis in chosen), 0.0)
    for run in _runs(inputs, chosen):
        start = time.perf_counter()
        try:
            answers.append(cursor.sql(_statement(inputs, run, min_cell)).to_arrow_table().cast(SCHEMA))
        except duckdb.Error as error:
            of_table = f" of {run.event}" if run.event else ""
            raise OmopsqlError(f"{cdm}: {run.story}{of_table} cannot be counted: {first_line(error)}") from error
        for analysis in run.analyses:
            seconds[analysis.id] += (time.perf_counter() - start) / len(run.analyses)
    return answers, seconds


def _statement(inputs: Inputs, run: _Run, min_cell: int) -> str:
    """Write the statement of a run: its inputs, its story as the tally, and the summary of the tally."""
    told, summary = story(run.story), story("summary")
    named = ", ".join(f"({a.id}, {literal(a.name)}, {literal(a.shape)})" for a in run.analyses)
    settings = f"SELECT {min_cell} AS min_cell, {literal(__version__)} AS version, '{date.today()}' AS day"
    inputs_sql = "".join(
        f"{identifier(name)} AS NOT MATERIALIZED ({select}\n), "
        for name, select in inputs.bound(told, run.event).items()
    )
    return (
        f"WITH settings AS ({settings}), analysis (analysis_id, analysis_name, shape) AS (VALUES {named}), "
        f"{inputs_sql}tally AS ({told.sql}\n) FROM ({summary.sql}\n)"
    )


def _run_times(chosen: list[Analysis], seconds: dict[int, float]) -> pa.Table:
    rows = [
        {
            "analysis_id": _RUN_TIME + analysis.id,
            "analysis_name": f"Seconds: {analysis.name}",
            "stratum_1": f"{seconds[analysis.id]:.3f}",
            "count_value": 1,
        }
        for analysis in chosen
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
