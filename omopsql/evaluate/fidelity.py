"""The SQL function ``fidelity``: how like the real data synthetic ones are."""

from __future__ import annotations

import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.registry import routine
from omopsql.session import Caller

from . import cdm, flat
from .metric import SCHEMA, to_table
from .sides import open_sides
from .sources import all_cdm


@routine(
    family="evaluate",
    schema=SCHEMA,
    examples=(
        "SELECT verdict FROM omopsql.fidelity('omopsql_demo/source/patients.csv', 'omopsql_demo/source/patients.csv') "
        "WHERE metric = 'c2st_auroc' --> pass",
    ),
)
def fidelity(
    caller: Caller,
    real: str,
    synthetic: str,
    holdout: str | None = None,
    person: str | None = None,
    seed: int = 0,
) -> pa.Table:
    """Tell how like the real data synthetic ones are: one row for each metric and what it is of, with an interval.

    real and synthetic are two tables, views or files of the same columns, or two CDMs: schemas or folders. holdout is
    real data that the generator never saw. person is a key column of tables; it is not compared. reference is what
    fresh real data would score, taken from holdout or from halves of the real data, and verdict is pass, look or fail
    beside it. Where subject is empty, the row is about the whole table, or the mean of all subjects. What could not be
    computed has no value and a note.
    """
    with caller.cursor() as cursor:
        if not all_cdm(cursor, (real, synthetic, holdout)):
            without = () if person is None else (person,)
            return to_table(
                flat.metrics(open_sides(cursor, real, synthetic, holdout, without=without, seed=seed), seed)
            )
    if person is not None:
        raise OmopsqlError(
            f"fidelity: person is for tables; leave {person!r} out, {real} is a CDM and knows its persons"
        )
    return to_table(cdm.metrics(caller, real, synthetic, holdout, seed))
