"""Visits of synthetic people: as many, as long and with as much in them as in the source, and inside a life."""

import duckdb
import numpy as np
import pytest
from hospital_cdm import INPATIENT, make_hospital
from hospital_lives import Learned, learn, relive, site_of

from omopsql.synth.hospital import visits
from omopsql.synth.hospital.lives import Events, Lives, owners
from omopsql.synth.hospital.plan import TABLE_NUMBERS
from omopsql.synth.hospital.reading import Site


@pytest.fixture
def site(con: duckdb.DuckDBPyConnection) -> Site:
    """The small hospital."""
    make_hospital(con, persons=300)
    return site_of(con, "cdm")


@pytest.fixture
def learned(site: Site) -> Learned:
    """What was learned of it."""
    return learn(site, 10)


@pytest.fixture
def lives(site: Site, learned: Learned) -> Lives:
    """Its people with learned visits."""
    return relive(site, learned)


def test_each_event_that_is_a_visit_opens_one(site: Site, learned: Learned, lives: Lives) -> None:
    """Visits are as many as in the source, and of the same concepts."""
    assert lives.visits is not None
    rows = site.rows("visit_occurrence", learned.items)
    concepts, n = np.unique(rows["concept_id"].to_numpy(), return_counts=True)
    made, made_n = np.unique(learned.items.concept[lives.visits.item], return_counts=True)
    assert made.tolist() == concepts.tolist()
    assert made_n.tolist() == n.tolist()


def test_a_stay_is_as_long_as_others_of_its_kind(learned: Learned, lives: Lives) -> None:
    """Inpatients stay three days, outpatients none, unless the person's time ends before."""
    visits_made, people = lives.visits, lives.people
    assert visits_made is not None
    person = owners(visits_made.offsets)
    limit = np.where(people.death >= 0, np.minimum(people.death, people.end), people.end)[person]
    is_inpatient = learned.items.concept[visits_made.item] == INPATIENT
    expected = np.where(is_inpatient, np.minimum(3, limit - visits_made.start), 0)
    assert (visits_made.end - visits_made.start).tolist() == expected.tolist()


@pytest.fixture
def admitted(con: duckdb.DuckDBPyConnection) -> Site:
    """Everyone is admitted once. Of four, one dies in the stay, one after it in the same weeks, one years later."""
    make_hospital(con, persons=1200)
    con.execute(
        f"""
        CREATE TEMP TABLE stay AS
        SELECT
            i AS person_id,
            i % 4 AS fate,
            DATE '2012-01-01' + CAST(i % 30 AS INTEGER) AS admission,
            CAST(CASE i % 4 WHEN 0 THEN 5 + i // 4 % 50 ELSE 1 + i // 4 % 19 END AS INTEGER) AS days,
            CAST(CASE i % 4 WHEN 1 THEN 20 + i // 4 % 35 WHEN 2 THEN 100 + i // 4 * 5 END AS INTEGER) AS lives
        FROM range(1, 1201) AS ids (i);
        DELETE FROM cdm.death;
        INSERT INTO cdm.death (person_id, death_date)
        SELECT person_id, admission + coalesce(lives, days) FROM stay WHERE fate < 3;
        UPDATE cdm.observation_period SET observation_period_end_date = DATE '2020-12-31';
        DELETE FROM cdm.visit_occurrence WHERE visit_occurrence_id % 100 > 1;
        UPDATE cdm.visit_occurrence AS own
        SET visit_concept_id = {INPATIENT}, visit_start_date = admission, visit_end_date = admission + days
        FROM stay
        WHERE own.person_id = stay.person_id
        """
    )
    return site_of(con, "cdm")


def test_who_dies_years_later_does_not_die_in_the_stay(admitted: Site) -> None:
    """Nobody stays longer than the source's patients, and as many die in it of those whom death is near."""
    lives = relive(admitted, learn(admitted, 10))
    made, people = lives.visits, lives.people
    assert made is not None
    person = owners(made.offsets)
    days, left = made.end - made.start, people.death[person] - made.start
    in_stay = (people.death[person] >= 0) & (left <= days)
    assert days.max() <= 60
    assert not in_stay[left > 100].any()
    near = (people.death[person] >= 0) & (left < 60)
    fate = (person + 1) % 4
    assert in_stay[near].mean() == pytest.approx((fate[near] == 0).mean(), abs=0.04)
    assert days[fate == 3].mean() == pytest.approx(10.0, abs=1.0)


def test_no_visit_leaves_the_person_s_time(lives: Lives) -> None:
    """Visits end after they start and before the end of observation and death."""
    made, people = lives.visits, lives.people
    assert made is not None
    person = owners(made.offsets)
    assert (made.start >= people.start[person]).all()
    assert (made.end >= made.start).all()
    assert (made.end <= people.end[person]).all()
    died = people.death[person] >= 0
    assert (made.end <= people.death[person])[died].all()


def test_events_are_linked_as_in_the_source(learned: Learned, lives: Lives) -> None:
    """Conditions and measurements belong to the visit of their day; drugs, recorded apart, to none."""
    assert lives.events is not None
    assert lives.visits is not None
    table, visit = learned.items.table[lives.events.item], lives.visits.of_event
    assert (visit[table == TABLE_NUMBERS["condition_occurrence"]] >= 0).all()
    assert (visit[table == TABLE_NUMBERS["measurement"]] >= 0).all()
    assert (visit[table == TABLE_NUMBERS["drug_exposure"]] == -1).all()


def test_an_event_lies_inside_its_visit(lives: Lives) -> None:
    """Its own day is between the first and the last day of its visit."""
    events, made = lives.events, lives.visits
    assert events is not None
    assert made is not None
    linked = np.flatnonzero(made.of_event >= 0)
    visit = made.offsets[owners(events.offsets)[linked]] + made.of_event[linked]
    day = events.day[linked] + made.offset[linked]
    assert (day >= made.start[visit]).all()
    assert (day <= made.end[visit]).all()


def test_conditions_lag_behind_an_admission(site: Site, learned: Learned, lives: Lives) -> None:
    """In the small hospital a condition of an inpatient is recorded two days after admission."""
    events, made = lives.events, lives.visits
    assert events is not None
    assert made is not None
    is_condition = learned.items.table[events.item] == TABLE_NUMBERS["condition_occurrence"]
    visit = made.offsets[owners(events.offsets)] + np.maximum(made.of_event, 0)
    inside = is_condition & (made.of_event >= 0) & (made.end[visit] - made.start[visit] == 3)
    assert inside.any()
    assert set(made.offset[inside].tolist()) == {2}


def test_events_that_need_a_visit_open_one(site: Site, learned: Learned) -> None:
    """Where no visit is generated, a condition brings its own, and others of the day share it."""
    events = site.events(learned.items)
    kept = learned.items.table[events.item] != TABLE_NUMBERS["visit_occurrence"]
    person = owners(events.offsets)[kept]
    without = Events.generated(
        np.searchsorted(person, np.arange(len(site.people) + 1)),
        events.item[kept],
        events.day[kept],
        np.zeros(int(kept.sum()), np.int32),
    )
    numbers = np.arange(1, len(site.people) + 1)
    records, made = visits.generate(learned.models["visits"], site.people, without, 1, numbers)
    needing = learned.items.table[without.item] != TABLE_NUMBERS["drug_exposure"]
    days = len(np.unique(person[needing] * 100_000 + without.day[needing]))
    assert len(made) == days
    assert (made.of_event[learned.items.table[records.item] == TABLE_NUMBERS["measurement"]] >= 0).all()


def test_a_person_is_the_same_in_any_batch(site: Site, learned: Learned, lives: Lives) -> None:
    """The visits of the last hundred persons do not depend on the others."""
    part = relive(site, learned, slice(200, 300))
    assert lives.visits is not None
    assert lives.events is not None
    assert part.visits is not None
    assert part.events is not None
    first, record = lives.visits.offsets[200], lives.events.offsets[200]
    assert part.visits.end.tolist() == lives.visits.end[first:].tolist()
    assert part.visits.offset.tolist() == lives.visits.offset[record:].tolist()
    assert part.events.item.tolist() == lives.events.item[record:].tolist()


def test_repeats_are_counted_and_made(con: duckdb.DuckDBPyConnection) -> None:
    """Every record of the small hospital twice: every event is two records."""
    make_hospital(con, persons=100)
    con.execute(
        "INSERT INTO cdm.measurement SELECT measurement_id + 1000000, * EXCLUDE (measurement_id) FROM cdm.measurement"
    )
    site = site_of(con, "cdm")
    learned = learn(site, 10)
    lives = relive(site, learned)
    assert lives.events is not None
    is_measurement = learned.items.table[lives.events.item] == TABLE_NUMBERS["measurement"]
    assert is_measurement.sum() == site.rows("measurement").num_rows


def test_details_fill_their_visits(con: duckdb.DuckDBPyConnection) -> None:
    """Each inpatient visit has two details, the second until the end; other visits have none."""
    make_hospital(con, persons=200)
    con.execute(
        f"""
        CREATE TABLE cdm.visit_detail AS
        SELECT
            visit_occurrence_id * 10 + part AS visit_detail_id,
            person_id,
            CASE part WHEN 0 THEN 581379 ELSE 9201 END AS visit_detail_concept_id,
            visit_start_date + CAST(part AS INTEGER) AS visit_detail_start_date,
            CASE part WHEN 0 THEN visit_start_date + 1 ELSE visit_end_date END AS visit_detail_end_date,
            44818518 AS visit_detail_type_concept_id,
            visit_occurrence_id
        FROM cdm.visit_occurrence, range(2) AS parts (part)
        WHERE visit_concept_id = {INPATIENT}
        """
    )
    site = site_of(con, "cdm")
    learned = learn(site, 10)
    lives = relive(site, learned)
    made = lives.visits
    assert made is not None
    found = visits.details(learned.models["visits"], lives)
    is_inpatient = learned.items.concept[made.item] == INPATIENT
    assert np.bincount(found.visit, minlength=len(made)).tolist() == (2 * is_inpatient).tolist()
    concepts = learned.models["visits"].detail_concepts[found.kind]
    assert concepts.tolist() == [581379, 9201] * int(is_inpatient.sum())
    assert (found.end[1::2] == made.end[found.visit[1::2]]).all()
    assert (found.start >= made.start[found.visit]).all()


def test_a_cdm_without_visits_has_none(con: duckdb.DuckDBPyConnection) -> None:
    """Nothing is linked, and nothing fails."""
    make_hospital(con, persons=60)
    con.execute("DROP TABLE cdm.visit_occurrence")
    site = site_of(con, "cdm")
    lives = relive(site, learn(site, 10))
    assert lives.visits is not None
    assert len(lives.visits) == 0
    assert (lives.visits.of_event == -1).all()
