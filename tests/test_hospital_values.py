"""The layer of values: what it counts, that counts add up, and what it makes of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

import omopsql
from omopsql.synth.hospital import values
from omopsql.synth.hospital.describe import words
from omopsql.synth.hospital.fit import released
from omopsql.synth.hospital.lives import Events, People, Visits, offsets_of
from omopsql.synth.hospital.plan import Plan
from omopsql.synth.hospital.reading import Site
from omopsql.synth.hospital.sums import Sums
from omopsql.synth.hospital.values.first_round import count_company, count_runs, count_stays, count_values
from omopsql.synth.hospital.values.frequency import PARTS, frequencies
from omopsql.synth.hospital.values.source import Numbers, Series, at_moments
from omopsql.synth.hospital.values.stays import Records, Stays
from omopsql.synth.hospital.values.ways import Ways, count_ways

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
def model(exact: Sums, site: Site, plan: Plan) -> values.ValuesModel:
    return values.compiled(released(Sums.merged([exact, values.sums(site, plan)]), MIN_CELL), plan)


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


def test_no_released_cell_holds_fewer_persons(exact: Sums, plan: Plan, site: Site):
    both = released(Sums.merged([exact, values.sums(site, plan)]), MIN_CELL)
    for name in values.RULES.keys() & set(both):
        rule, told = values.RULES[name], both.counted(name)
        if rule.counts_persons:
            assert told.n.min(initial=MIN_CELL) >= MIN_CELL, name
        else:
            behind = {tuple(key) for key in both.counted(rule.persons).keys.tolist()}
            width = both.counted(rule.persons).width
            assert {tuple(key[:width]) for key in told.keys.tolist()} <= behind, name


def test_words_tell_every_number_of_a_key(exact: Sums, plan: Plan, site: Site):
    both = released(Sums.merged([exact, values.sums(site, plan)]), MIN_CELL)
    for name in values.RULES.keys() & set(both):
        fields = [field for field in re.findall(r"\{(\w+)\}", words()[name]) if field != "label"]
        assert len(fields) == both.counted(name).width, name


def test_sums_of_scores_need_persons_too():
    """Nine persons have two values of one series, and ten of another: only the sums of these are released."""
    sums = Sums()
    for series, persons in ((1, 9), (2, 10)):
        for _ in range(persons):
            sums.put("values.repeated", [[series]], [1])
            sums.put("values.again", [[series, 0], [series, 1], [series, 2]], [1000, -700, 4000])
    shown = released(sums, MIN_CELL)
    assert shown.get("values.repeated", 1)[0].tolist() == [[2]]
    assert shown.get("values.again", 2)[0].tolist() == [[2, 0], [2, 1], [2, 2]]
    assert shown.get("values.again", 2)[1].tolist() == [10000, -7000, 40000]


def test_persons_behind_a_sum_are_those_who_add_to_it(site: Site, plan: Plan):
    counted = values.sums(site, plan)
    for name, rule in values.RULES.items():
        if rule.kind == "sum" and name in counted and rule.persons in counted:
            keys, width = counted.counted(name).keys, counted.counted(rule.persons).width
            heads = {tuple(key[:width]) for key in keys.tolist()}
            assert heads == {tuple(key) for key in counted.counted(rule.persons).keys.tolist()}, name


def test_a_person_counts_once_in_a_histogram(exact: Sums):
    for name, width in (("values.value", 1), ("values.mean", 3), ("values.count", 3), ("values.single", 1)):
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


# Ways, strata and frequencies


def _told(code: str) -> str:
    return f'{{"code": "{code}", "concept": 9, "table": 4, "unit": 0}}'


def _numbers(
    person: list[int], minute: list[int], label: list[str], value: list[float], others: tuple[str, ...] = ()
) -> Numbers:
    told = sorted({*label, *others})
    n = len(person)
    columns = (np.array(person, np.int32), *(np.zeros(n, np.int32) for _ in range(3)), np.array(minute, np.int32))
    of_label = np.array([told.index(one) for one in label], np.int32)
    series = Series(np.array([5]), np.array([4]), np.array([9]), np.array([0]), ["heart rate"])
    return at_moments(series, told, *columns, of_label, np.array(value))


def test_two_values_of_one_moment_are_one_in_a_way_of_its_own():
    cuff, line = _told("cuff"), _told("line")
    found = _numbers([0, 0, 0], [10, 20, 20], [cuff, cuff, line], [80.0, 85.0, 90.0])
    assert found.minute.tolist() == [10, 20]
    assert found.value[0] == 80.0
    assert found.value[1] in (85.0, 90.0)
    assert [found.ways.labels[way] for way in found.of_way] == [f"[{cuff}]", f"[{cuff}, {line}]"]


def test_what_represents_a_moment_does_not_depend_on_what_else_a_hospital_has():
    label, minute = [_told("cuff"), _told("line")] * 50, np.repeat(np.arange(50), 2).tolist()
    value = [80.0, 90.0] * 50
    alone = _numbers([0] * 100, minute, label, value)
    beside = _numbers([0] * 100, minute, label, value, others=(_told("arm"), _told("leg")))
    assert set(alone.value.tolist()) == {80.0, 90.0}
    assert alone.value.tolist() == beside.value.tolist()
    assert alone.ways.labels == beside.ways.labels


def test_ways_are_kept_as_long_as_in_the_source():
    """Half of the persons have one way for ten values and then the other; nobody goes back."""
    cuff, line, persons = _told("cuff"), _told("line"), 400
    person = np.repeat(np.arange(persons), 20)
    minute = np.tile(np.arange(20), persons)
    label = [line if at < 10 and who % 2 else cuff for who, at in zip(person.tolist(), minute.tolist(), strict=True)]
    sums = Sums()
    count_ways(_numbers(person.tolist(), minute.tolist(), label, (60.0 + person).tolist()), sums)
    ways = Ways.released(released(sums, MIN_CELL), np.array([5]), [cuff])
    drawn = ways.drawn(1, np.arange(1, persons + 1), person, np.zeros(len(person), np.int64))
    found = np.array([ways.labels[at] for at in ways.label(drawn, np.zeros(len(drawn), np.int64))]) == line
    assert found[minute == 0].mean() == pytest.approx(0.5, abs=0.1)
    assert 0 < found[minute == 19].mean() < 0.3
    assert not (found[1:] & ~found[:-1])[minute[1:] > 0].any()


def test_strata_that_do_not_show_a_count_share_what_is_left():
    margins = Sums()
    for stratum, persons, ever in (((7, 0), 100, 30), ((8, 0), 60, 0), ((0, 0), 160, 36), ((0, -1), 160, 36)):
        margins.put("values.stays", [stratum], [persons])
        if ever:
            margins.put("values.ever", [(*stratum, 5)], [ever])
            margins.put("values.count", [(*stratum, 5, 1, 1)], [ever])
    found = frequencies(margins, {(7, 0): 100, (8, 0): 60, (0, 0): 160, (0, -1): 160})
    shares = {key: 1 - found.upto[found.starts[at]] for at, key in enumerate(map(tuple, found.key.tolist()))}
    assert shares[7, 0, 5] == pytest.approx(0.3)
    assert shares[8, 0, 5] == pytest.approx(6 / 60)
    assert found.total[found.number[8, 0, 5]] == 60 * PARTS
