"""The SQL function ``concept_drift``: the months in which the rate of a concept breaks."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.errors import OmopsqlError, first_line
from omopsql.registry import routine
from omopsql.session import Caller
from omopsql.udfs.breaks import SEGMENT, find_segments

from .inputs import EVENT, Inputs
from .stories import story

SCHEMA = pa.schema(
    [
        ("cdm_table", pa.string()),
        ("concept_id", pa.int64()),
        ("concept_name", pa.string()),
        ("vocabulary_id", pa.string()),
        ("month", pa.int64()),
        ("rate_before", pa.float64()),
        ("rate_after", pa.float64()),
        ("ratio", pa.float64()),
        ("persons_before", pa.int64()),
        ("persons_after", pa.int64()),
        ("dispersion", pa.float64()),
        ("evidence", pa.float64()),
        ("p_value", pa.float64()),
    ]
)
_MONTHLY = pa.schema(
    [("cdm_table", pa.int64()), ("concept_id", pa.int64()), ("month", pa.int32()), ("persons", pa.int64())]
)
_PERSONS = pa.schema(
    [("cdm_table", pa.int64()), ("concept_id", pa.int64()), ("first_month", pa.int64()), ("persons", pa.int64())]
)
_SEGMENT = pa.schema(
    [
        *((name, pa.int64()) for name in ("cdm_table", "concept_id", "first_month", "last_month")),
        *((name, pa.float64()) for name in ("count", "person_months", "dispersion", "evidence", "p_value")),
    ]
)
_PERIOD = "observation_period"
_DAYS_A_MONTH = 365.25 / 12
_NEVER = 999_999  # a month after all others


@routine(
    family="quality",
    schema=SCHEMA,
    examples=("SELECT count(*) FROM omopsql.concept_drift('omopsql_demo/cdm') WHERE p_value > 0.01 --> 0",),
)
def concept_drift(
    caller: Caller,
    cdm: str,
    source: bool = False,
    level: float = 0.01,
    min_cell: int = 10,
    vocabulary: str | None = None,
) -> pa.Table:
    """Find the months in which the rate of a concept breaks: it starts, stops, or changes for good.

    One row a break: cdm_table, concept_id, month (202407 is the first of the new rate), and the rates before and after:
    persons with a record in a month, per 1,000 persons under observation, so that a growing population is no drift.
    ratio is after over before. evidence is the gain in log likelihood of two Poisson rates over one, divided by the
    dispersion of the series; p_value is adjusted for every split that was looked at. A concept whose rate is constant
    has a break with a probability of at most level. Where the year repeats itself, rates are adjusted for season.
    source looks at source concepts, which show a change of code system. Sides with fewer than min_cell persons, but
    some, are withheld. cdm is a folder of Parquet or CSV files, or a schema; vocabulary is a folder whose concept table
    names the concepts where the CDM has none.

    Sources: seeded binary segmentation (Kovacs, Bühlmann, Li, Munk, Biometrika 110, 2023) of Poisson series with
    Chernoff's bound; dispersion from differences (Rice, Annals of Statistics 12, 1984).
    """
    if not 0 < level < 1:
        raise OmopsqlError(f"level is {level}; give a probability above 0 and below 1, such as 0.01")
    if min_cell < 0:
        raise OmopsqlError(f"min_cell is {min_cell}; give 0 or more")
    with caller.cursor() as cursor:
        inputs = Inputs(cursor, cdm, vocabulary)
        inputs.need(_PERIOD, "person_id", "observation_period_start_date", "observation_period_end_date")
        try:
            return _Series(cursor, inputs, "source_concept_id" if source else "concept_id").breaks(level, min_cell)
        except duckdb.Error as error:
            raise OmopsqlError(f"{cdm}: the drift of its concepts cannot be told: {first_line(error)}") from error


@dataclass(frozen=True)
class _Series:
    """The series of a CDM's concepts, and which of a record's concepts it is."""

    cursor: duckdb.DuckDBPyConnection
    inputs: Inputs
    concept: str

    def breaks(self, level: float, min_cell: int) -> pa.Table:
        """Find the breaks of every series, as rows of ``SCHEMA``."""
        names = self.inputs.events("person_id", self.concept, "start_date")
        monthly = [self._answer("monthly_persons", name) for name in names]
        counted = pa.concat_tables(
            [_MONTHLY.empty_table(), *(_of_table(place, rows) for place, rows in enumerate(monthly))]
        )
        segments = _segments(counted, self._answer("observed_days"), level)
        persons = [_PERSONS.empty_table()]
        for place, name in enumerate(names):
            mine = segments.filter(pc.equal(segments["cdm_table"], place))
            if mine.num_rows:
                persons.append(_of_table(place, self._answer("persons_of_segments", name, segment=mine)))
        listed = pa.table({"cdm_table": pa.array(range(len(names)), pa.int64()), "name": pa.array(names, pa.string())})
        found = self._answer(
            "breaks", segment=segments, persons=pa.concat_tables(persons), event_table=listed, min_cell=min_cell
        )
        return found.cast(SCHEMA)

    def _answer(self, name: str, event: str | None = None, min_cell: int = 0, **tables: pa.Table) -> pa.Table:
        """Run a story, of one event table, on Arrow tables beside those of the CDM."""
        columns = {"person_id": "person_id", "concept_id": self.concept, "start_date": "start_date"}
        given = {"settings": f"SELECT {min_cell} AS min_cell"}
        if event is not None:
            given[EVENT] = self.inputs.event([event], columns)
        for told, rows in tables.items():
            self.cursor.register(f"omopsql_{told}", rows)
            given[told] = f"FROM omopsql_{told}"
        return self.cursor.sql(self.inputs.bind(story(name), given)).to_arrow_table()


def _of_table(place: int, rows: pa.Table) -> pa.Table:
    """Say of which event table rows are, by its place."""
    return rows.add_column(0, "cdm_table", pa.repeat(pa.scalar(place, pa.int64()), rows.num_rows))


def _segments(counted: pa.Table, observed: pa.Table, level: float) -> pa.Table:
    """Cut the series of each event table and concept into segments of one rate. Only series with a break have any."""
    table, concept, month, persons = (column.to_numpy() for column in counted.columns)
    months, days = (column.to_numpy() for column in observed.columns)
    within = (months >= month.min(initial=_NEVER)) & (months <= month.max(initial=0))
    months, days = months[within], days[within]
    is_new = np.ones(table.size, bool)
    is_new[1:] = (table[1:] != table[:-1]) | (concept[1:] != concept[:-1])
    series = np.cumsum(is_new) - 1
    first = np.flatnonzero(is_new)
    found = find_segments(
        series, np.searchsorted(months, month), persons, days / _DAYS_A_MONTH, months % 100 - 1, first.size, level
    )
    segment = dict(zip(SEGMENT, found.T, strict=True))
    owner, begin, end = (segment[name].astype(np.int64) for name in ("series", "first", "end"))
    return pa.table(
        {
            "cdm_table": table[first][owner],
            "concept_id": concept[first][owner],
            "first_month": months[begin],
            "last_month": months[end - 1],
            "count": segment["count"],
            "person_months": segment["exposure"],
            **{name: segment[name] for name in ("dispersion", "evidence", "p_value")},
        },
        schema=_SEGMENT,
    )
