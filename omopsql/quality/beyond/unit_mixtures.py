"""The SQL function ``unit_mixtures``: measurements whose values stand in more than one unit."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import literal
from omopsql.registry import routine
from omopsql.session import Caller
from omopsql.udfs.valleys import BINS, find_all_valleys

from .inputs import Inputs
from .stories import rows, story

SCHEMA = pa.schema(
    [
        ("measurement_concept_id", pa.int64()),
        ("concept_name", pa.string()),
        ("unit", pa.string()),
        ("records", pa.int64()),
        ("lower_share", pa.float64()),
        ("upper_share", pa.float64()),
        ("lower_persons", pa.int64()),
        ("upper_persons", pa.int64()),
        ("lower_median", pa.float64()),
        ("upper_median", pa.float64()),
        ("ratio", pa.float64()),
        ("factor", pa.float64()),
        ("lower_unit", pa.string()),
        ("upper_unit", pa.string()),
        ("evidence", pa.float64()),
        ("p_value", pa.float64()),
    ]
)
_VALLEY = "omopsql_valley"


@routine(
    family="quality",
    schema=SCHEMA,
    examples=("SELECT count(*) FROM omopsql.unit_mixtures('omopsql_demo/cdm') WHERE ratio < 1 --> 0",),
)
def unit_mixtures(
    caller: Caller, cdm: str, level: float = 0.01, min_cell: int = 10, vocabulary: str | None = None
) -> pa.Table:
    """Find measurements whose values under one unit, or under none, have two modes: most likely two units.

    One row for each valley between two modes of the logarithm of the values: measurement_concept_id, unit as recorded,
    and of both modes the share of records, the persons and the median. ratio is the upper median over the lower.
    lower_unit and upper_unit are the units suspected, and factor what lies between them there: by the name of the
    measurement (glucose in mmol/L and mg/dL), by its unit, or a power of ten. Where no conversion fits, factor is NULL
    and the two modes may be two kinds of persons. A measurement with one mode, of whatever shape, is listed with a
    probability of at most level: p_value is adjusted for every place looked at, and rounding and preferred digits are
    allowed for. The records are taken as independent. Modes of fewer than min_cell persons are left out, as are values
    of 0 and below. Units that differ by less than about three times leave no valley and are not found. cdm and
    vocabulary are as for omopsql.concept_drift.

    Sources: a test of unimodality after Hartigan and Hartigan (Annals of Statistics 13, 1985), on counts in windows.
    """
    if not 0 < level < 1:
        raise OmopsqlError(f"level is {level}; give a probability above 0 and below 1, such as 0.01")
    if min_cell < 0:
        raise OmopsqlError(f"min_cell is {min_cell}; give 0 or more")
    with caller.cursor() as cursor:
        inputs = Inputs(cursor, cdm, vocabulary)
        inputs.need("measurement", "person_id", "measurement_concept_id", "value_as_number")
        try:
            histogram = cursor.sql(inputs.bind(story("value_histogram"))).to_arrow_table()
            cursor.register(_VALLEY, _valleys(histogram, level))
            given = {
                "valley": f"FROM {_VALLEY}",
                "conversion": _conversions(),
                "settings": f"SELECT {min_cell} AS min_cell",
            }
            return cursor.sql(inputs.bind(story("mixtures"), given)).to_arrow_table().cast(SCHEMA)
        except duckdb.Error as error:
            raise OmopsqlError(f"{cdm}: the units of its measurements cannot be told: {first_line(error)}") from error


def _valleys(histogram: pa.Table, level: float) -> pa.Table:
    """Find the valleys of every measurement and unit, and the bounds of the modes on their sides, as values."""
    series, bins, count, grain, heap = (histogram[name].to_numpy() for name in ("series", "bin", "n", "grain", "heap"))
    number = int(series.max(initial=-1)) + 1
    owner, first, end, evidence, p_value = find_all_valleys(series, bins, count, grain, heap, number, level).T
    middle = np.exp((first + end) / 2 / BINS)
    lowest, highest = np.zeros(middle.size), np.full(middle.size, np.inf)
    is_next = owner[1:] == owner[:-1]  # the mode between two valleys ends at both
    lowest[1:][is_next] = middle[:-1][is_next]
    highest[:-1][is_next] = middle[1:][is_next]
    of_series = histogram.take(pa.array(np.searchsorted(series, owner)))
    return pa.table(
        {
            **{name: of_series[name] for name in ("measurement_concept_id", "unit_concept_id", "unit_source_value")},
            "lowest": lowest,
            "valley": middle,
            "highest": highest,
            "evidence": evidence,
            "p_value": p_value,
        }
    )


def _conversions() -> str:
    """Write the rows of ``conversions.csv`` as a SELECT."""
    names = ("analyte", "lower_unit", "upper_unit")
    numbers = ("molar_mass", "slope", "intercept")
    listed = (
        ", ".join([*(literal(row[name]) for name in names), *(row[number] or "NULL" for number in numbers)])
        for row in rows("conversions.csv")
    )
    typed = ", ".join([*names, *(f"CAST({number} AS DOUBLE) AS {number}" for number in numbers)])
    values = ", ".join(f"({row})" for row in listed)
    return f"SELECT {typed} FROM (VALUES {values}) AS conversion ({', '.join([*names, *numbers])})"
