"""The layer of values: what it counts, that counts add up, and what it makes of them."""

from __future__ import annotations

import numpy as np
import pytest

import omopsql
from omopsql.synth.hospital import values
from omopsql.synth.hospital.fit import released
from omopsql.synth.hospital.lives import Events, People, Visits, offsets_of
from omopsql.synth.hospital.plan import Plan
from omopsql.synth.hospital.reading import Site
from omopsql.synth.hospital.sums import Sums
from omopsql.synth.hospital.values.first_round import count_company, count_runs, count_stays, count_values
from omopsql.synth.hospital.values.stays import Records, Stays

HEART_RATE, LACTATE, WEIGHT, INPATIENT, OUTPATIENT = 3027018, 3047181, 3025315, 9201, 9202
PERSONS, MIN_CELL = 240, 10

PERSON = f"""
    CREATE TABLE person AS SELECT i AS person_id, CASE i % 2 WHEN 0 THEN 8532 ELSE 8507 END AS gender_concept_id,
        1940 + i % 40 AS year_of_birth, 0 AS race_concept_id, 0 AS ethnicity_concept_id
    FROM range(1, {PERSONS + 1}) AS ids (i);
    CREATE TABLE observation_period AS SELECT person_id AS observation_period_id, person_id,
        DATE '2010-01-01' AS observation_period_start_date, DATE '2020-12-31' AS observation_period_end_date,
        0 AS period_type_concept_id FROM person;
    CREATE TABLE death AS SELECT person_id, DATE '2015-03-03' AS death_date FROM person WHERE person_id % 5 = 0;
    CREATE TABLE visit_occurrence AS
    SELECT person_id * 10 AS visit_occurrence_id, person_id, {INPATIENT} AS visit_concept_id,
        DATE '2015-03-01' AS visit_start_date, DATE '2015-03-03' AS visit_end_date, 0 AS visit_type_concept_id
    FROM person
    UNION ALL SELECT person_id * 10 + k, person_id, {OUTPATIENT}, DATE '2012-01-01' + CAST(200 * k AS INTEGER),
        DATE '2012-01-01' + CAST(200 * k AS INTEGER), 0 FROM person, range(1, 4) AS v (k)
"""
# Heart rate every hour of the stay, higher in those who die; lactate in half of the stays; weight of outpatients.
MEASUREMENT = f"""
    CREATE TABLE measurement AS
    WITH measured AS (
        SELECT person_id, person_id * 10 AS visit_occurrence_id, {HEART_RATE} AS measurement_concept_id,
            TIMESTAMP '2015-03-01 00:00:00' + to_hours(CAST(k AS INTEGER)) AS measurement_datetime,
            70 + person_id % 13 + CASE WHEN person_id % 5 = 0 THEN 30 ELSE 0 END + (k * 7 + person_id) % 5
            AS value_as_number, 8541 AS unit_concept_id, 'HR' AS measurement_source_value
        FROM person, range(0, 30) AS h (k)
        UNION ALL
        SELECT person_id, person_id * 10, {LACTATE},
            TIMESTAMP '2015-03-01 00:00:00' + to_hours(CAST(10 * k AS INTEGER)),
            1.5 + person_id % 7 / 10, 8753, 'Lactate'
        FROM person, range(0, 3) AS h (k) WHERE person_id % 2 = 0
        UNION ALL
        SELECT person_id, person_id * 10 + k, {WEIGHT},
            CAST(DATE '2012-01-01' + CAST(200 * k AS INTEGER) AS TIMESTAMP),
            60 + person_id % 40 + k / 10, 9529, 'Weight'
        FROM person, range(1, 4) AS h (k)
    )
    SELECT row_number() OVER () AS measurement_id, *, CAST(measurement_datetime AS DATE) AS measurement_date,
        0 AS measurement_type_concept_id FROM measured
"""


@pytest.fixture(scope="module")
def site() -> Site:
    con = omopsql.connect()
    con.execute("CREATE SCHEMA clinic")
    con.execute("USE clinic")
    con.execute(PERSON)
    con.execute(MEASUREMENT)
    return Site(con, "clinic", MIN_CELL)


@pytest.fixture(scope="module")
def exact(site: Site) -> Sums:
    return Sums.merged([site.raw_items(), values.margins(site)])


@pytest.fixture(scope="module")
def plan(exact: Sums) -> Plan:
    margins = released(exact, MIN_CELL)
    bare = Plan(margins, MIN_CELL)
    found = values.dense_items(margins)
    keys = zip(bare.items.table.tolist(), bare.items.concept.tolist(), strict=True)
    return Plan(margins, MIN_CELL, frozenset(item for item, key in enumerate(keys) if key in found))


@pytest.fixture(scope="module")
def model(site: Site, plan: Plan) -> values.ValuesModel:
    second = released(values.sums(site, plan), MIN_CELL)
    return values.compiled(Sums.merged([plan.margins, second]), plan)


def lives(site: Site, plan: Plan, copies: int) -> tuple[People, Events, Visits]:
    """The site's own people, several times, with their weights and stays as if generated."""
    of = np.tile(np.arange(len(site.people)), copies)
    own = site.people
    people = People(
        *(getattr(own, name)[of] for name in ("sex", "race", "ethnicity", "birth", "start", "end", "death"))
    )
    weight = int(plan.items.find(np.array([4]), np.array([WEIGHT]))[0])
    inpatient = int(plan.items.find(np.array([9]), np.array([INPATIENT]))[0])
    day = np.full(len(of), 800, np.int32) + own.start[of]
    per = np.arange(len(of) + 1)
    events = Events.generated(
        3 * per,
        np.full(3 * len(of), weight, np.int32),
        np.repeat(day, 3) + np.tile([0, 200, 400], len(of)).astype(np.int32),
        np.zeros(3 * len(of), np.int32),
    )
    start = (own.start[of] + (np.datetime64("2015-03-01") - np.datetime64("2010-01-01")).astype(int)).astype(np.int32)
    none = np.full(len(of), -1, np.int32)
    visits = Visits(per, np.full(len(of), inpatient, np.int32), start, start + 2, none, none, none[:0], none[:0])
    return people, events, visits


@pytest.fixture(scope="module")
def made(site: Site, plan: Plan, model: values.ValuesModel) -> tuple[People, values.SeriesValues]:
    people, events, visits = lives(site, plan, 4)
    return people, values.generate(model, people, events, visits, 11, np.arange(1, len(people) + 1))


def series_of(model: values.ValuesModel, concept: int) -> int:
    return next(at for at, label in enumerate(model.labels) if f'"concept": {concept},' in label)


def test_what_lives_in_stays_is_dense(plan: Plan):
    assert {concept for _, concept in values.dense_items(plan.margins)} == {HEART_RATE, LACTATE}


def test_no_released_cell_holds_fewer_persons(plan: Plan, site: Site):
    second = released(values.sums(site, plan), MIN_CELL)
    for sums in (plan.margins, second):
        for name in sums:
            if name.startswith("values.") and values.RULES[name].kind != "keep":
                assert sums.counted(name).n.min(initial=MIN_CELL) >= MIN_CELL, name


def test_a_person_counts_once_in_a_histogram(exact: Sums):
    for name, width in (("values.value", 1), ("values.mean", 4), ("values.count", 3), ("values.single", 1)):
        keys, n = exact.get(name, width + 1)
        _, histogram = np.unique(keys[:, :width], axis=0, return_inverse=True)
        assert np.bincount(histogram.reshape(-1), n).max() <= PERSONS


def test_values_lie_where_the_source_has_them(model, made):
    _, found = made
    for concept, low, high in ((HEART_RATE, 70, 117), (LACTATE, 1.5, 2.2), (WEIGHT, 60, 101)):
        value = found.value[found.series == series_of(model, concept)]
        assert len(value) > 500
        assert low <= value.min()
        assert value.max() <= high


def test_stays_hold_as_many_values_as_those_of_the_source(model, made):
    people, found = made
    assert (found.series == series_of(model, HEART_RATE)).sum() / len(people) == pytest.approx(30, abs=1)
    assert (found.series == series_of(model, LACTATE)).sum() / len(people) == pytest.approx(1.5, abs=0.3)


def test_those_who_die_in_the_stay_have_the_values_of_those_who_die(model, made):
    people, found = made
    own = found.series == series_of(model, HEART_RATE)
    person = np.repeat(np.arange(len(people)), np.diff(found.offsets))[own]
    dead = people.death[person] >= 0
    apart = found.value[own][dead].mean() - found.value[own][~dead].mean()
    assert apart == pytest.approx(30, abs=6)


def test_a_persons_weight_stays_near_itself(model, made):
    _, found = made
    weights = found.value[found.event >= 0].reshape(-1, 3)
    assert np.corrcoef(weights[:, 0], weights[:, 1])[0, 1] > 0.9


def test_moments_lie_inside_the_stay(made):
    _, found = made
    dense = found.event < 0
    assert (found.minute[dense] >= 0).all()
    assert found.minute[dense].max() <= 3 * 1440
    assert (found.visit[dense] == 0).all()


def test_a_person_is_the_same_whoever_is_made_beside(site: Site, plan: Plan, model):
    people, events, visits = lives(site, plan, 1)
    whole = values.generate(model, people, events, visits, 5, np.arange(1, len(people) + 1))
    part = range(100, 140)
    some = People(
        *(getattr(people, n)[100:140] for n in ("sex", "race", "ethnicity", "birth", "start", "end", "death"))
    )
    few = Events.generated(np.arange(0, 121, 3), events.item[300:420], events.day[300:420], events.episode[300:420])
    stay = Visits(
        np.arange(41),
        *(getattr(visits, n)[100:140] for n in ("item", "start", "end", "start_minute", "end_minute")),
        visits.of_event,
        visits.offset,
    )
    alone = values.generate(model, some, few, stay, 5, np.array(part) + 1)
    run = slice(whole.offsets[100], whole.offsets[140])
    for name in ("series", "event", "visit", "minute", "value"):
        np.testing.assert_array_equal(getattr(whole, name)[run], getattr(alone, name))


def made_stays(seed: int, n: int) -> tuple[Stays, Records]:
    random = np.random.default_rng(seed)
    stays = Stays(
        np.full(n, 77), random.integers(0, 2, n), np.full(n, 8507), random.integers(30, 90, n), np.full(n, 2880)
    )
    stay = np.repeat(np.arange(n, dtype=np.int32), 20)
    series, minute = random.integers(0, 3, 20 * n).astype(np.int32), random.integers(0, 2880, 20 * n).astype(np.int32)
    value = np.round(random.normal(80, 10, 20 * n))
    order = np.lexsort([value, minute, series, stay])
    return stays, Records(np.array([5, 6, 7]), stay[order], series[order], minute[order], value[order])


def counted(stays: Stays, records: Records) -> Sums:
    sums = Sums()
    count_stays(stays, sums)
    count_runs(stays, records, sums)
    count_values(records, sums)
    count_company(stays, records, sums)
    return sums


def test_the_sums_of_two_hospitals_are_those_of_both_together():
    (one, its), (other, theirs) = made_stays(1, 30), made_stays(2, 50)
    both = Stays(
        *(np.concatenate([getattr(one, n), getattr(other, n)]) for n in ("care", "died", "sex", "age", "length"))
    )
    columns = [np.concatenate([its.stay, theirs.stay + 30])]
    columns += [np.concatenate([getattr(its, n), getattr(theirs, n)]) for n in ("series", "minute", "value")]
    pooled = counted(both, Records(its.hashes, *columns))
    added = Sums.merged([counted(other, theirs), counted(one, its)])
    assert added.to_table().equals(pooled.to_table())


def test_a_site_without_measurements_gives_a_model_without_values():
    con = omopsql.connect()
    con.execute("CREATE SCHEMA bare")
    con.execute("USE bare")
    con.execute(PERSON)
    bare = Site(con, "bare", MIN_CELL)
    margins = released(Sums.merged([bare.raw_items(), values.margins(bare)]), MIN_CELL)
    plan = Plan(margins, MIN_CELL)
    model = values.compiled(Sums.merged([margins, released(values.sums(bare, plan), MIN_CELL)]), plan)
    nobody = np.zeros(PERSONS + 1, np.int64)
    none = np.zeros(0, np.int32)
    events = Events.generated(nobody, none, none, none)
    found = values.generate(model, bare.people, events, None, 1, np.arange(PERSONS))
    assert len(found) == 0
    assert found.offsets.tolist() == offsets_of(none, PERSONS).tolist()
