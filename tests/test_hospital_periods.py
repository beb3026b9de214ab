"""Persons are observed in several periods as often as in the source, and nothing befalls them in between."""

from __future__ import annotations

from pathlib import Path

import duckdb
import hospital_cdm as made
import numpy as np
import pyarrow as pa
import pytest
from hospital_twins import Twins, halves_add_up, of_layer
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

import omopsql
from omopsql.synth.hospital import periods as layer
from omopsql.synth.hospital import tables
from omopsql.synth.hospital.fit import RULES, first_round, fit, plan_of, released
from omopsql.synth.hospital.generate import Hospital
from omopsql.synth.hospital.lives import Events, People, Periods
from omopsql.synth.hospital.noise.contributions import contributions
from omopsql.synth.hospital.noise.release import binned
from omopsql.synth.hospital.reading import Site
from omopsql.synth.hospital.sums import Sums

SOURCE, SYNTHETIC, SEED = 600, 2000, 11


@pytest.fixture(scope="module")
def twins() -> Twins:
    """A hospital where three of ten persons have gaps in their observation."""
    con = omopsql.connect()
    made.make_hospital(con, persons=SOURCE)
    made.add_gaps(con)
    return Twins(con, SYNTHETIC, SEED)


_GAPS = """
    SELECT observation_period_start_date - lag(observation_period_end_date) OVER (
        PARTITION BY person_id ORDER BY observation_period_start_date) - 1 AS days, person_id
    FROM {}.observation_period QUALIFY days IS NOT NULL
"""


def test_as_many_persons_have_several_periods(twins: Twins) -> None:
    numbers = "SELECT count(*) FROM {}.observation_period GROUP BY person_id"
    of_source, of_made = twins.columns(numbers)
    assert of_made.size == SYNTHETIC
    for number, expected in ((1, 0.7), (2, 0.2), (3, 0.1)):
        assert abs((of_source == number).mean() - expected) < 0.02
        assert abs((of_made == number).mean() - (of_source == number).mean()) < 0.03


def test_gaps_are_as_long_and_lie_where_they_do_in_the_source(twins: Twins) -> None:
    of_source, of_made = twins.columns(f"SELECT days FROM ({_GAPS})")
    assert of_made.min() >= 1
    assert ks_2samp(of_source, of_made).statistic < 0.08
    place = """
        SELECT sum(days) OVER (PARTITION BY person_id ORDER BY start) / sum(days) OVER (PARTITION BY person_id) AS share
        FROM (SELECT person_id, observation_period_start_date AS start,
            observation_period_end_date - observation_period_start_date + 1 AS days FROM {}.observation_period)
        QUALIFY share < 1
    """
    assert ks_2samp(*twins.columns(place)).statistic < 0.08


def test_observation_ends_and_lasts_as_before(twins: Twins) -> None:
    """Gaps lie inside the time from the first day to the last, which stays as long."""
    for span in ("max(observation_period_end_date) - min(observation_period_start_date)",
                 "epoch(max(observation_period_end_date)) / 86400"):  # fmt: skip
        assert (
            ks_2samp(*twins.columns(f"SELECT {span} FROM {{}}.observation_period GROUP BY person_id")).statistic < 0.08
        )


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("table", ["visit_occurrence", "condition_occurrence"])
def test_records_are_as_many_in_the_observed_time(twins: Twins, table: str, several: bool) -> None:
    """Persons with gaps have fewer records, and as many in a year of observation."""
    a_year = f"""
        WITH observed AS (
            SELECT person_id, sum(observation_period_end_date - observation_period_start_date + 1) / 365.25 AS years
            FROM {{0}}.observation_period GROUP BY person_id HAVING (count(*) > 1) = {several}
        )
        SELECT (SELECT count(*) FROM {{0}}.{table} SEMI JOIN observed USING (person_id)) / sum(years) FROM observed
    """
    of_source, of_made = twins.columns(a_year)
    assert abs(of_made[0] / of_source[0] - 1) < 0.06


def test_no_record_lies_in_a_gap(twins: Twins) -> None:
    """Not one date of a record is outside a period, and none ends in another period than it began in."""
    seen = 0
    for name, rows in twins.synthetic.items():
        if "person_id" not in rows.column_names or name in ("person", "observation_period", "death"):
            continue
        dated = [column.name for column in rows.schema if column.type == pa.date32() and "verbatim" not in column.name]
        inside = " AND ".join(
            f"coalesce(record.{day}, observation_period_start_date) BETWEEN observation_period_start_date "
            "AND observation_period_end_date"
            for day in dated
        )
        ((outside,),) = twins.con.execute(
            f"SELECT count(*) FROM made.{name} AS record WHERE NOT EXISTS (FROM made.observation_period AS period "
            f"WHERE period.person_id = record.person_id AND {inside})"
        ).fetchall()
        assert outside == 0, name
        seen += rows.num_rows
    assert seen > 20 * SYNTHETIC


def test_no_check_fails_that_the_source_passes(twins: Twins, tmp_path: Path) -> None:
    assert twins.newly_failed(tmp_path) == []


def test_a_person_is_the_same_alone_and_among_many(twins: Twins) -> None:
    periods = _periods_of(twins.synthetic["observation_period"])
    several = [person for person, keys in periods.items() if len(keys) > 1][:3]
    names = [name for name, rows in twins.synthetic.items() if "person_id" in rows.column_names]
    for numbers in ([several[0]], several, [1, *several]):
        assert twins.same_alone({*numbers}, names).keys() == {*names}


def _periods_of(table: pa.Table) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for person, key in zip(*(table[name].to_pylist() for name in ("person_id", "observation_period_id")), strict=True):
        found.setdefault(person, []).append(key)
    assert len({key for keys in found.values() for key in keys}) == table.num_rows
    return found


def test_gaps_of_few_persons_are_not_released() -> None:
    """Nine persons with gaps leave no row, and each synthetic person has one period with the key of the person."""
    few = omopsql.connect()
    made.make_hospital(few, persons=120)
    made.add_gaps(few)
    few.execute(
        """
        CREATE OR REPLACE TABLE cdm.observation_period AS
        SELECT person_id AS observation_period_id, person_id, min(observation_period_start_date)
            AS observation_period_start_date, max(observation_period_end_date) AS observation_period_end_date
        FROM cdm.observation_period GROUP BY person_id, CASE WHEN person_id BETWEEN 11 AND 19
            THEN observation_period_start_date END
        """
    )
    model = fit(few.cursor(), "cdm")[0]
    assert of_layer(model, "periods") == []
    hospital = Hospital(model)
    period = tables.render("observation_period", hospital.lives(1, np.arange(1, 201)), hospital)
    assert period["observation_period_id"].to_pylist() == list(range(1, 201))


def test_no_small_cell_is_released_and_each_is_told_in_words(twins: Twins) -> None:
    assert twins.released_in_words("periods") == set(layer.RULES)


def test_two_halves_add_up_to_the_whole() -> None:
    assert halves_add_up(made.add_gaps).get("periods.several", 1)[1].sum() == 180


@pytest.mark.parametrize("person", [11, 31, 4])
def test_a_person_changes_no_more_rows_than_is_declared_for_noise(person: int) -> None:
    with omopsql.connect() as con:
        made.make_hospital(con, persons=100)
        made.add_gaps(con)
        site = Site(con.cursor(), "cdm", 1, most_concepts=6)
        plan = plan_of(released(first_round(site), 5), 5)
        every = Sums.merged([layer.margins(site), layer.sums(site, plan)])
        for (table,) in con.execute(
            "SELECT table_name FROM duckdb_columns() WHERE schema_name = 'cdm' AND column_name = 'person_id'"
        ).fetchall():
            con.execute(f"DELETE FROM cdm.{table} WHERE person_id = {person}")
        site = Site(con.cursor(), "cdm", 1, most_concepts=6)
        without = Sums.merged([layer.margins(site), layer.sums(site, plan)])
    touched = 0
    for name in layer.RULES:
        changes = [
            _cells(every, name).get(cell, 0) - _cells(without, name).get(cell, 0) for cell in _cells(every, name)
        ]
        assert set(changes) <= {0, 1}, name
        assert sum(changes) <= contributions()[name].rows(6) == 1, name
        touched += sum(changes)
    assert touched == (1 if person == 4 else len(layer.RULES))


def _cells(sums: Sums, statistic: str) -> dict[tuple[int, ...], int]:
    found = binned(sums.counted(statistic), contributions()[statistic])
    return dict(zip(map(tuple, found.keys.tolist()), found.n.tolist(), strict=True))


# Reading, and days of observation


def _site(con: duckdb.DuckDBPyConnection, periods: str) -> Site:
    con.execute("CREATE SCHEMA cdm")
    con.execute(
        "CREATE TABLE cdm.person AS SELECT i AS person_id, 1980 AS year_of_birth, 1 AS month_of_birth, "
        "1 AS day_of_birth, 8507 AS gender_concept_id FROM range(1, 4) AS r (i)"
    )
    con.execute(
        "CREATE TABLE cdm.observation_period AS SELECT person_id, start::DATE AS observation_period_start_date, "
        f"stop::DATE AS observation_period_end_date FROM (VALUES {periods}) AS p (person_id, start, stop)"
    )
    con.execute("CREATE TABLE cdm.death AS SELECT 2 AS person_id, DATE '2001-06-01' AS death_date")
    return Site(con.cursor(), "cdm")


def _dates(site: Site) -> list[list[tuple[str, str]]]:
    observed, birth = site.observed, site.people.birth
    return [
        [
            (
                str(np.datetime64(int(birth[p] + observed.start[k]), "D")),
                str(np.datetime64(int(birth[p] + observed.end[k]), "D")),
            )
            for k in range(observed.offsets[p], observed.offsets[p + 1])
        ]
        for p in range(len(site.people))
    ]


def test_overlapping_periods_are_one_and_none_begins_after_death() -> None:
    with omopsql.connect() as con:
        site = _site(
            con,
            "(1, '2000-03-01', '2000-09-01'), (1, '2000-01-01', '2000-12-31'), (1, '2001-01-01', '2001-02-01'), "
            "(1, '2002-01-01', '2001-01-01'), (2, '2000-01-01', '2000-12-31'), (2, '2001-05-01', '2001-12-31'), "
            "(2, '2003-01-01', '2003-12-31'), (3, '2010-01-01', NULL), (3, NULL, '2012-01-01')",
        )
        assert _dates(site) == [
            [("2000-01-01", "2000-12-31"), ("2001-01-01", "2001-02-01")],
            [("2000-01-01", "2000-12-31"), ("2001-05-01", "2001-06-01")],
            [("2010-01-01", "2010-01-01")],
        ]


_PERSONS = st.lists(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=4), max_size=4)


@given(_PERSONS)
def test_days_of_observation_are_numbered_without_gaps(persons: list[list[tuple[int, int]]]) -> None:
    """Each observed day has its number and comes back from it; a day in a gap counts as the last one before it."""
    spans, people = [], []
    for parts in persons:
        day, own = 100, []
        for length, gap in parts:
            own.append((day, day + length - 1))
            day += length + gap
        spans.append(own)
        people.append((100, own[-1][1]))
    flat = np.array([span for own in spans for span in own], np.int32).reshape(-1, 2)
    offsets = np.concatenate([[0], np.cumsum([len(own) for own in spans])]).astype(np.int64)
    observed = Periods(offsets, flat[:, 0], flat[:, 1])
    days = [[day for first, last in own for day in range(first, last + 1)] for own in spans]
    events = _events(days)
    folded = observed.folded(events)
    assert folded.day.tolist() == [100 + k for own in days for k in range(len(own))]
    assert observed.unfolded(folded).day.tolist() == events.day.tolist()
    every = _events([list(range(first, last + 1)) for first, last in people])
    assert observed.folded(every).day.tolist() == folded.day.tolist()
    zeros = np.zeros(len(people), np.int64)
    start, end = (np.array([person[k] for person in people], np.int32) for k in (0, 1))
    seen = observed.people(People(zeros, zeros, zeros, start, start, end, np.where(zeros, 0, end + 3).astype(np.int32)))
    assert (seen.end - seen.start + 1).tolist() == [len(own) for own in days]
    assert (seen.death - seen.end).tolist() == [3] * len(people)


def _events(days: list[list[int]]) -> Events:
    day = np.array([day for own in days for day in own], np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(own) for own in days])]).astype(np.int64)
    return Events(offsets, np.zeros(len(day), np.int32), day, np.arange(len(day)), np.zeros(0, np.int32))


def test_every_statistic_counts_persons() -> None:
    assert all(RULES[name].counts_persons for name in layer.RULES)
    assert set(layer.RULES) <= set(contributions())
