"""Drift: planted breaks are found at their month, and where nothing changes hardly anything is found."""

import math
from datetime import date, timedelta

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from omopsql.quality.beyond.inputs import Inputs
from omopsql.quality.beyond.stories import story
from omopsql.udfs.breaks import (
    SEGMENT,
    best_split,
    dispersion,
    find_breaks,
    find_segments,
    gain,
    running,
    season,
    seeded_intervals,
)

MONTHS = 120
GROWING = np.linspace(400.0, 1600.0, MONTHS)  # persons under observation: four times as many at the end
CALENDAR = np.arange(MONTHS) % 12


def segments(counts: np.ndarray, level: float = 0.01, exposure: np.ndarray = GROWING) -> dict[str, np.ndarray]:
    """The segments of many series, one a row of ``counts``."""
    series, month = np.nonzero(counts)
    found = find_segments(
        series, month, counts[series, month].astype(np.int64), exposure, CALENDAR[: exposure.size], len(counts), level
    )
    return dict(zip(SEGMENT, found.T, strict=True))


def places(counts: np.ndarray, level: float = 0.01) -> np.ndarray:
    """Where the breaks of many series are."""
    first = segments(counts, level)["first"]
    return first[first > 0].astype(int)


def draw(rate: np.ndarray, series: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(rate * GROWING / GROWING.mean(), (series, MONTHS))


@given(*[st.integers(0, 10**12).map(float)] * 2, *[st.floats(1e-3, 1e9)] * 2)
def test_the_gain_is_that_of_two_poisson_likelihoods(before, after, exposed_before, exposed_after):
    found = gain(before, exposed_before, after, exposed_after)
    rate = (before + after) / (exposed_before + exposed_after)
    expected = sum(
        count * math.log(count / exposed / rate)
        for count, exposed in ((before, exposed_before), (after, exposed_after))
        if count > 0
    )
    assert found >= 0
    assert found == pytest.approx(max(expected, 0), rel=1e-6, abs=1e-9 * (1 + before + after))
    assert found == pytest.approx(gain(after, exposed_after, before, exposed_before))


def test_the_gain_of_equal_rates_is_nothing_however_large_they_are():
    assert gain(7e15, 7.0, 13e15, 13.0) < 1e-9


@given(st.integers(1, 400), st.floats(0.01, 0.99), st.data())
def test_chance_exceeds_a_gain_as_seldom_as_is_said(total, share, data):
    """Given their total, the events before are binomial: both tails together stay under 2 exp(-gain)."""
    before = data.draw(st.integers(0, total))
    bound = 2 * math.exp(-gain(before, share, total - before, 1 - share))
    tail = stats.binom.cdf if before < share * total else stats.binom.sf
    one = tail(before if before < share * total else before - 1, total, share)
    assert one <= bound * (1 + 1e-9)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=40))
def test_the_best_split_is_the_best_of_all(counts):
    counted, exposed = running(np.array(counts, float)), running(np.linspace(1, 2, len(counts)))
    best, place = best_split(counted, exposed, 0, len(counts))
    every = [
        gain(counted[i], exposed[i], counted[-1] - counted[i], exposed[-1] - exposed[i]) for i in range(1, len(counts))
    ]
    assert best == max(every)
    assert place == -1 or every[place - 1] == best


@pytest.mark.parametrize("months", [2, 3, 7, 24, 121, 600])
def test_intervals_are_of_every_length_and_lie_everywhere(months):
    intervals = seeded_intervals(months)
    length = intervals[:, 1] - intervals[:, 0]
    assert intervals.min() == 0
    assert intervals.max() == months
    assert length.max() == months
    assert length.min() == 2
    for split in range(1, months):  # every split lies well inside some short interval
        around = (intervals[:, 0] < split) & (split < intervals[:, 1])
        assert length[around].min() <= 4
    assert len(intervals) < 12 * months


@pytest.mark.parametrize("mean", [0.05, 0.5, 3, 20, 400])
def test_where_nothing_changes_few_series_have_a_break(mean):
    """The population grows fourfold meanwhile."""
    counts = draw(np.full(MONTHS, mean), 3000, seed=int(100 * mean))
    assert len(set(segments(counts, 0.01)["series"])) <= 0.01 * 3000
    assert len(set(segments(counts, 0.2)["series"])) <= 0.2 * 3000


def test_where_months_vary_more_than_poisson_few_series_have_a_break():
    shaken = np.random.default_rng(5).gamma(4, 1 / 4, (2000, MONTHS))
    counts = np.random.default_rng(6).poisson(30 * shaken)
    assert len(set(segments(counts, 0.01, np.ones(MONTHS))["series"])) <= 0.02 * 2000


@pytest.mark.parametrize("at", [6, 40, 60, 100, 114])
def test_a_rate_that_triples_breaks_at_its_month(at):
    rate = np.where(np.arange(MONTHS) < at, 20.0, 60.0)
    found = places(draw(rate, 200))
    assert len(found) == pytest.approx(200, abs=3)
    assert np.mean(found == at) > 0.95


def test_a_concept_that_stops_and_one_that_starts():
    stops = np.where(np.arange(MONTHS) < 70, 5.0, 0.0)
    found = segments(draw(stops, 100))
    assert np.all(abs(found["first"][found["first"] > 0] - 70) <= 2)
    assert np.all(found["count"][found["first"] > 0] == 0)
    starts = places(draw(np.where(np.arange(MONTHS) < 30, 0.0, 5.0), 100))
    assert np.all(abs(starts - 30) <= 2)


def test_three_breaks_are_three():
    rate = np.full(MONTHS, 40.0)
    rate[40:60] *= 2
    rate[80:] = 0
    found = places(draw(rate, 100))
    assert len(found) == pytest.approx(300, abs=6)
    for at in (40, 60, 80):
        assert np.sum(abs(found - at) <= 2) == pytest.approx(100, abs=3)


def test_a_season_is_no_break_and_does_not_hide_one():
    wave = 30 * (1 + 0.6 * np.cos(2 * np.pi * CALENDAR / 12))
    assert len(places(draw(wave, 300))) <= 3
    found = places(draw(wave * np.where(np.arange(MONTHS) < 70, 1, 2), 100))
    assert np.mean(abs(found - 70) <= 1) > 0.95
    assert len(found) >= 100


def test_the_season_is_told():
    exposed = running(np.ones(MONTHS))
    shape = 1 + 0.6 * np.cos(2 * np.pi * np.arange(12) / 12)
    found = season(running(1000 * shape[CALENDAR]), exposed, CALENDAR)
    np.testing.assert_allclose(found, shape, rtol=1e-6)
    assert np.all(season(running(np.full(MONTHS, 50.0)), exposed, CALENDAR) == 1)
    assert np.all(season(running(1000 * shape[CALENDAR[:36]]), running(np.ones(36)), CALENDAR) == 1)  # too short


def test_dispersion_of_poisson_counts_is_one_and_breaks_do_not_count():
    rng = np.random.default_rng(3)
    exposed = running(np.ones(MONTHS))
    calm = [dispersion(running(rng.poisson(50, MONTHS).astype(float)), exposed) for _ in range(200)]
    assert min(calm) == 1
    assert np.mean(calm) < 1.3
    broken = np.where(np.arange(MONTHS) < 60, 50, 5000)
    assert dispersion(running(rng.poisson(broken).astype(float)), exposed) < 2.5
    shaken = running(rng.poisson(50 * rng.gamma(1, 1, MONTHS)).astype(float))
    assert dispersion(shaken, exposed) > 15


@pytest.mark.parametrize("counts", [[], [5], [0, 0, 0], [7] * 30, [10**12] * 30])
def test_series_without_anything_to_tell_have_no_break(counts):
    counted, exposed = running(np.array(counts, float)), running(np.ones(len(counts)))
    assert find_breaks(counted, exposed, 0.01, 1.0)[0].size == 0


def test_huge_counts_and_missing_ones():
    huge = np.array([10.0**15] * 20 + [3 * 10.0**15] * 20)
    found, evidence, p = find_breaks(running(huge), running(np.ones(40)), 0.01, 1.0)
    assert list(found) == [20]
    assert evidence[0] > 1e14
    assert p[0] == 0
    assert find_breaks(running(np.array([1.0, math.nan, 3.0])), running(np.ones(3)), 0.01, 1.0)[0].size == 0


# Through SQL ----------------------------------------------------------------------------------------------------------

CLINIC = """
CREATE SCHEMA clinic;
CREATE TABLE clinic.person AS SELECT id AS person_id FROM range(1500) AS ids (id);
-- Persons arrive all the time: at the end there are three times as many as at the beginning.
CREATE TABLE clinic.observation_period AS
SELECT
    person_id,
    DATE '2018-01-01' + CAST(greatest(0, person_id - 500) * 1.8 AS INTEGER) AS observation_period_start_date,
    DATE '2023-12-31' AS observation_period_end_date
FROM clinic.person;
CREATE TABLE clinic.person_month AS
SELECT person_id, CAST(month AS DATE) AS month, row_number() OVER (ORDER BY person_id, month) AS draw
FROM clinic.observation_period, generate_series(DATE '2018-01-01', DATE '2023-12-01', INTERVAL 1 MONTH) AS m (month)
WHERE month >= observation_period_start_date;
CREATE TABLE clinic.code AS
SELECT 1 AS concept_id, 1 AS source_concept_id, DATE '2018-01-01' AS first, DATE '2030-01-01' AS last, 0.03 AS share
UNION ALL VALUES
    (2, 2, DATE '2018-01-01', DATE '2021-03-01', 0.02), (2, 2, DATE '2021-03-01', DATE '2030-01-01', 0.06),
    (3, 3, DATE '2018-01-01', DATE '2022-06-01', 0.03),
    (4, 49, DATE '2018-01-01', DATE '2020-10-01', 0.04), (4, 410, DATE '2020-10-01', DATE '2030-01-01', 0.04);
CREATE TABLE clinic.condition_occurrence AS
SELECT
    row_number() OVER () AS condition_occurrence_id,
    person_id,
    concept_id AS condition_concept_id,
    month + CAST(draw % 28 AS INTEGER) AS condition_start_date,
    source_concept_id AS condition_source_concept_id
FROM clinic.person_month
JOIN clinic.code ON month >= first AND month < last
WHERE omopsql.philox_uniform(1, draw, source_concept_id) < share;
CREATE TABLE clinic.concept AS
SELECT * FROM (VALUES
    (1, 'steady', 'SNOMED'), (2, 'triples', 'SNOMED'), (3, 'stops', 'SNOMED'), (4, 'recoded', 'SNOMED'),
    (49, 'nine', 'ICD9CM'), (410, 'ten', 'ICD10CM')) AS c (concept_id, concept_name, vocabulary_id);
"""


@pytest.fixture
def clinic(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A schema ``clinic`` of a growing population, in which one rate triples, one stops, and codes change."""
    con.execute(CLINIC)
    return con


def test_planted_breaks_are_found_at_their_month(clinic):
    found = clinic.execute(
        "SELECT concept_name, month, rate_before, rate_after, ratio, persons_after, p_value "
        "FROM omopsql.concept_drift('clinic') ORDER BY concept_id"
    ).fetchall()
    assert [(row[0], row[1]) for row in found] == [("triples", 202103), ("stops", 202206)]
    _, _, before, after, ratio, persons, p = found[0]
    assert before == pytest.approx(20, rel=0.1)
    assert after == pytest.approx(60, rel=0.1)
    assert ratio == pytest.approx(after / before)
    assert persons > 500
    assert 0 <= p < 1e-9
    assert (found[1][3], found[1][4], found[1][5]) == (0, 0, 0)


def test_a_switch_of_codes_shows_in_the_source_concepts_only(clinic):
    found = clinic.execute(
        "SELECT vocabulary_id, month, rate_before > rate_after FROM omopsql.concept_drift('clinic', source := true) "
        "WHERE concept_id > 9 ORDER BY ALL"
    ).fetchall()
    assert found == [("ICD10CM", 202010, False), ("ICD9CM", 202010, True)]


def test_records_outside_observation_do_not_count(clinic):
    before = clinic.execute("FROM omopsql.concept_drift('clinic')").fetchall()
    clinic.execute(
        "INSERT INTO clinic.condition_occurrence SELECT -id, 1400, 1, DATE '2018-03-05', 1 FROM range(1000) AS r (id)"
    )
    clinic.execute(
        "INSERT INTO clinic.condition_occurrence SELECT -id, 99999, 1, '2020-03-05', 1 FROM range(9) AS r (id)"
    )
    assert clinic.execute("FROM omopsql.concept_drift('clinic')").fetchall() == before


def test_a_side_of_few_persons_is_withheld(clinic):
    """All records of a new concept are of three persons, who have them each month; another one's stop after two."""
    clinic.execute(
        """
        INSERT INTO clinic.condition_occurrence
        SELECT -draw, person_id, 5, month + 1, 5 FROM clinic.person_month WHERE person_id < 3 AND month >= '2021-01-01';
        INSERT INTO clinic.condition_occurrence
        SELECT -draw, person_id, 6, month + 1, 6 FROM clinic.person_month
        WHERE person_id < 50 AND month < '2021-01-01' OR person_id < 2;
        """
    )
    columns = "rate_before > 0, rate_after, ratio, persons_before, persons_after, evidence, p_value"
    found = dict.fromkeys((5, 6)) | {
        row[0]: row[1:]
        for row in clinic.execute(
            f"SELECT concept_id, month, {columns} FROM omopsql.concept_drift('clinic') "
            "WHERE concept_id IN (5, 6) AND month = 202101"
        ).fetchall()
    }
    assert found == {5: None, 6: (202101, True, None, None, 50, None, None, None)}
    told = clinic.execute(
        "SELECT concept_id, persons_after FROM omopsql.concept_drift('clinic', min_cell := 0) "
        "WHERE concept_id IN (5, 6) AND month = 202101 ORDER BY 1"
    ).fetchall()
    assert told == [(5, 3), (6, 2)]


def test_person_days_of_overlapping_periods_count_once(con):
    rng = np.random.default_rng(2)
    periods = [
        (int(rng.integers(1, 6)), date(2019, 11, 1) + timedelta(int(start)), int(length))
        for start, length in zip(rng.integers(0, 400, 40), rng.integers(-3, 200, 40), strict=True)
    ]
    con.execute(
        "CREATE SCHEMA h; CREATE TABLE h.observation_period (person_id BIGINT, observation_period_start_date DATE, "
        "observation_period_end_date DATE)"
    )
    con.executemany(
        "INSERT INTO h.observation_period VALUES (?, ?, ?)",
        [(person, start, start + timedelta(length)) for person, start, length in periods],
    )
    days = {(person, start + timedelta(day)) for person, start, length in periods for day in range(max(length + 1, 0))}
    expected: dict[int, float] = {}
    for _, day in days:
        expected[100 * day.year + day.month] = expected.get(100 * day.year + day.month, 0) + 1
    with con.cursor() as cursor:
        told = cursor.execute(Inputs(cursor, "h").bind(story("observed_days"))).fetchall()
    assert dict(told) == expected


def test_a_cdm_without_what_is_needed(con):
    con.execute("CREATE SCHEMA bare; CREATE TABLE bare.person (person_id BIGINT)")
    with pytest.raises(duckdb.Error, match="bare has no table observation_period"):
        con.execute("FROM omopsql.concept_drift('bare')").fetchall()
    con.execute(
        "CREATE TABLE bare.observation_period (person_id BIGINT, observation_period_start_date DATE, "
        "observation_period_end_date DATE)"
    )
    assert con.execute("FROM omopsql.concept_drift('bare')").fetchall() == []
    con.execute(
        "CREATE TABLE bare.measurement (person_id VARCHAR, measurement_concept_id VARCHAR, measurement_date VARCHAR)"
    )
    con.execute("INSERT INTO bare.measurement VALUES ('x', 'y', 'z'), (NULL, NULL, NULL)")
    con.execute("INSERT INTO bare.observation_period VALUES (1, '2020-01-01', '2020-12-31')")
    assert con.execute("FROM omopsql.concept_drift('bare')").fetchall() == []
    with pytest.raises(duckdb.Error, match="level is 2"):
        con.execute("FROM omopsql.concept_drift('bare', level := 2)").fetchall()
    with pytest.raises(duckdb.Error, match="min_cell is -1"):
        con.execute("FROM omopsql.concept_drift('bare', min_cell := -1)").fetchall()


@pytest.mark.parametrize("name", ["cdm/gibleed_5.3", "cdm/synthea27nj_5.4"])
def test_on_real_cdms(con, data_folder, name):
    found = con.execute(
        "SELECT count(*), bool_and(p_value <= 0.01), bool_and(persons_after = 0 OR persons_after >= 10), "
        f"count(concept_name) FROM omopsql.concept_drift('{data_folder(name)}')"
    ).fetchall()[0]
    assert found[0] > 20
    assert found[1:3] == (True, True)
    assert found[3] == found[0]
