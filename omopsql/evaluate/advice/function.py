"""The SQL function ``advise``: when not to use synthetic data."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.evaluate import metric
from omopsql.registry import routine
from omopsql.relation import resolve
from omopsql.session import Caller
from omopsql.synth import model as of_one_table
from omopsql.synth.hospital import sums as of_hospital

from . import of_model, of_report
from .rules import SCHEMA, Advice, to_table, worst_first


@routine(
    family="evaluate",
    schema=SCHEMA,
    examples=(
        "SELECT advice FROM omopsql.advise('hospital_model') WHERE rule = 'without_noise' --> told",
        "SELECT rule FROM omopsql.advise('hospital_model') ORDER BY rule LIMIT 1 --> left_out",
    ),
)
def advise(caller: Caller, source: str) -> pa.Table:
    """Tell when not to use synthetic data: one row for each rule that speaks against a use, the worst first.

    source is a model (of copula_fit or cdm_fit), or a table or file with the rows of an evaluation (of fidelity,
    utility, privacy and fairness, one below the other). advice is no, care or told; yes when nothing speaks against
    use. subject says what a rule is about, evidence why it applies, and words what it means, for a clinician.
    """
    with caller.cursor() as cursor:
        return to_table(worst_first(advice_on(cursor, source)))


def advice_on(cursor: duckdb.DuckDBPyConnection, source: str) -> Iterator[Advice]:
    """Yield advice on a model or a report. Raises OmopsqlError when the source is neither."""
    relation = resolve(cursor, source)
    readers = {
        tuple(metric.SCHEMA.names): lambda table, name: of_report.advice(table),
        tuple(of_hospital.SCHEMA.names): of_model.of_hospital,
        tuple(of_one_table.SCHEMA.names): of_model.of_table,
    }
    for columns, read in readers.items():
        if set(columns) <= set(relation.columns):
            return read(cursor.sql(f"FROM {relation.sql}").to_arrow_table().select(columns), source)
    raise OmopsqlError(
        f"{source} is neither a model nor an evaluation: give what copula_fit or cdm_fit returned, or rows of "
        "fidelity, utility, privacy and fairness"
    )
