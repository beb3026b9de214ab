"""Fidelity of whole CDMs: what is alike passes, what is planted is found, and what cannot be computed says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hospital_cdm import make_hospital, write_hospital
from scipy import stats

from omopsql.errors import OmopsqlError
from omopsql.evaluate.cdm import concepts, persons, survival, times, whole
from omopsql.evaluate.cdm.distances import ks as plain_ks
from omopsql.evaluate.cdm.histories import GROUPS, TABLES, Histories, People
from omopsql.evaluate.cdm.hospitals import Hospital, open_hospitals
from omopsql.evaluate.cdm.scores import Sample, Score, each, ks, scored, told
from omopsql.evaluate.cdm.stories import story
from omopsql.evaluate.metric import Metric, to_table
from omopsql.evaluate.verdicts import FAIL, LOOK, NOT_COMPUTED, PASS, TOLD, judged, kinds
from omopsql.sql_files import sql_folder

FIRST, THEN, WITH_IT, AGAIN, PRESSURE, PULSE = 101, 102, 201, 202, 301, 302
DAYS = 3650
Records = dict[str, np.ndarray]  # person, concept, day: arrays of one length


def made(people: int, seed: int, noise: float = 1.0) -> dict[str, Records]:
    """Persons of whom some have FIRST, WITH_IT on its day and THEN 20 days later; some get AGAIN every 90 days.

    All have some of ten more conditions, and two measurements that follow a level of their own. Some die.
    """
    rng = np.random.default_rng(seed)
    person = np.arange(people)
    has_first, has_again = rng.random(people) < 0.4, rng.random(people) < 0.3
    day = rng.integers(30, DAYS - 800, people)
    conditions = [(person[has_first], FIRST, day[has_first]), (person[has_first], THEN, day[has_first] + 20)]
    for concept in range(10):
        has = person[rng.random(people) < 0.05 + 0.03 * concept]
        conditions.append((has, 110 + concept, rng.integers(0, DAYS, has.size)))
    drugs = [(person[has_first], WITH_IT, day[has_first])]
    drugs += [(person[has_again], AGAIN, (day + 90 * again)[has_again]) for again in range(4)]
    level, pressures, pulses = rng.standard_normal(people), [], []
    for time in range(8):
        pressures.append(
            (person, PRESSURE, day + 30 * time, 120 + 10 * level + 5 * noise * rng.standard_normal(people))
        )
        pulses.append((person, PULSE, day + 30 * time, 70 + 8 * level + 4 * noise * rng.standard_normal(people)))
    dies = rng.random(people) < np.where(level > 0.5, 0.4, 0.1)
    return {
        "person": {
            "person": person, "sex": rng.choice([8507, 8532], people), "birth": rng.integers(1930, 1990, people),
        },
        "death": {"person": person[dies], "day": rng.integers(1, DAYS, people)[dies]},
        "condition": joined(conditions),
        "drug": joined(drugs),
        "measurement": joined(pressures + pulses),
    }  # fmt: skip


def joined(parts: Iterable[tuple]) -> Records:
    """The records of several concepts, one below the other."""
    columns = zip(*((p, np.full(p.size, c), *rest) for p, c, *rest in parts), strict=True)
    return dict(zip(("person", "concept", "day", "value"), map(np.concatenate, columns), strict=False))


SELECTS = {
    "person": "SELECT person AS person_id, sex AS gender_concept_id, birth AS year_of_birth FROM given",
    "observation_period": f"""SELECT person AS person_id, DATE '2010-01-01' AS observation_period_start_date,
        DATE '2010-01-01' + {DAYS} AS observation_period_end_date FROM given""",
    "death": "SELECT person AS person_id, DATE '2010-01-01' + CAST(day AS INTEGER) AS death_date FROM given",
    "condition_occurrence": """SELECT row_number() OVER () AS condition_occurrence_id, person AS person_id,
        concept AS condition_concept_id, DATE '2010-01-01' + CAST(day AS INTEGER) AS condition_start_date FROM given""",
    "drug_exposure": """SELECT row_number() OVER () AS drug_exposure_id, person AS person_id,
        concept AS drug_concept_id, DATE '2010-01-01' + CAST(day AS INTEGER) AS drug_exposure_start_date FROM given""",
    "measurement": """SELECT row_number() OVER () AS measurement_id, person AS person_id,
        concept AS measurement_concept_id, DATE '2010-01-01' + CAST(day AS INTEGER) AS measurement_date,
        value AS value_as_number, 8876 AS unit_concept_id FROM given""",
}
OF_TABLE = {"observation_period": "person", "condition_occurrence": "condition", "drug_exposure": "drug"}


def put(con: duckdb.DuckDBPyConnection, schema: str, records: dict[str, Records]) -> str:
    """Make a schema of records."""
    con.execute(f"CREATE SCHEMA {schema}")
    for name, select in SELECTS.items():
        con.register("given", pa.table(records[OF_TABLE.get(name, name)]))
        con.execute(f"CREATE TABLE {schema}.{name} AS {select}")
        con.unregister("given")
    return schema


def mixed(records: dict[str, Records], seed: int) -> dict[str, Records]:
    """Each concept's records given to other persons: as many have it, but not the same ones."""
    rng = np.random.default_rng(seed)
    people = records["person"]["person"].size
    changed = dict(records)
    for name in ("condition", "drug"):
        person, concept = records[name]["person"].copy(), records[name]["concept"]
        for one in np.unique(concept):
            person[concept == one] = rng.permutation(people)[person[concept == one]]
        changed[name] = {**records[name], "person": person}
    return changed


def redated(records: dict[str, Records], seed: int) -> dict[str, Records]:
    """Each record of a condition or drug on any day."""
    rng = np.random.default_rng(seed)
    of = {name: records[name] for name in ("condition", "drug")}
    return records | {name: {**one, "day": rng.integers(0, DAYS, one["day"].size)} for name, one in of.items()}


def compared(
    con: duckdb.DuckDBPyConnection, real: str, synthetic: str, holdout: str | None = None, classify: bool = True
) -> dict[tuple[str, str], Metric]:
    """Metrics by name and subject."""
    with con.cursor() as cursor:
        hospitals = open_hospitals(cursor, real, synthetic, holdout, with_filled=True)
    return by_name(whole.compared(hospitals) if classify else whole.counted(hospitals))


def by_name(metrics: Iterable[Metric]) -> dict[tuple[str, str], Metric]:
    found = list(metrics)
    to_table(found)  # every metric is a known one
    return {(one.metric, one.subject if one.subject or not one.table else one.table): one for one in found}


def verdict(metric: Metric) -> str:
    return judged(metric)[1]


def verdicts(metrics: dict[tuple[str, str], Metric], *names: str) -> set[str]:
    """The verdicts of metrics, of the whole and of each subject."""
    return {verdict(one) for (name, _), one in metrics.items() if name in names}


@pytest.fixture(scope="module")
def hospital() -> Iterable[duckdb.DuckDBPyConnection]:
    """A database of schemas: persons, others of the same kind, and others of whom something was changed."""
    con = duckdb.connect()
    put(con, "real", made(800, 1))
    put(con, "others", made(800, 2))
    put(con, "third", made(800, 3))
    put(con, "mixed", mixed(made(800, 2), 4))
    put(con, "redated", redated(made(800, 2), 4))
    put(con, "noisy", made(800, 2, noise=2.5))
    yield con
    con.close()


@pytest.fixture(scope="module")
def alike(hospital: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Metric]:
    return compared(hospital, "real", "others")


def test_others_of_the_same_kind_fail_in_nothing(alike: dict[tuple[str, str], Metric]) -> None:
    failed = [one for one in alike.values() if verdict(one) == FAIL]
    assert not failed
    headline = [one for one in alike.values() if not one.subject and kinds()[one.metric].is_headline]
    assert len(headline) >= 12
    assert {verdict(one) for one in headline if one.metric != "visits_per_person_ks"} == {PASS}


def test_every_number_stands_in_its_interval_beside_a_reference(alike: dict[tuple[str, str], Metric]) -> None:
    with_interval = [one for one in alike.values() if one.value is not None and one.low is not None]
    assert len(with_interval) > 60
    for one in with_interval:
        assert one.low <= one.value <= one.high
        assert one.reference is not None, one
        assert one.n > 0


def test_records_of_other_persons_keep_prevalence_and_lose_company(hospital: duckdb.DuckDBPyConnection) -> None:
    found = compared(hospital, "real", "mixed")
    assert verdicts(found, "prevalence_r2", "prevalence_max_difference", "value_ks", "survival_distance") == {PASS}
    assert FAIL in verdicts(found, "pair_log_lift_r2")
    assert verdicts(found, "same_day_persons_r2", "transition_persons_r2") == {FAIL}
    assert verdicts(found, "sequence_c2st_auroc") == {FAIL}


def test_records_on_other_days_keep_company_in_persons_and_lose_order(hospital: duckdb.DuckDBPyConnection) -> None:
    found = compared(hospital, "real", "redated", classify=False)
    assert verdicts(found, "prevalence_r2", "pair_joint_r2", "pair_log_lift_r2") == {PASS}
    assert verdicts(found, "same_day_persons_r2", "same_day_log_r2", "transition_log_r2") == {FAIL}
    assert verdict(found["transition_persons_r2", "within 365 days"]) == FAIL
    assert verdict(found["gap_ks", ""]) == FAIL
    assert verdict(found["gap_ks", str(AGAIN)]) == FAIL


def test_noisier_measurements_are_seen_where_they_show(hospital: duckdb.DuckDBPyConnection) -> None:
    found = compared(hospital, "real", "noisy", classify=False)
    assert verdict(found["person_variability_ks", f"{PRESSURE} 8876"]) == FAIL
    assert verdict(found["autocorrelation_difference", ""]) == FAIL
    assert verdict(found["measurement_correlation_difference", ""]) == FAIL
    assert verdicts(found, "prevalence_r2", "pair_log_lift_r2", "transition_r2", "same_day_r2") == {PASS}


def test_real_persons_drawn_again_are_perfect(hospital: duckdb.DuckDBPyConnection) -> None:
    hospital.execute("CREATE SCHEMA drawn")
    drawn = np.random.default_rng(1).integers(0, 800, 800)
    hospital.register("given", pa.table({"person_id": drawn, "number": np.arange(800)}))
    for name in SELECTS:
        hospital.execute(f"""CREATE TABLE drawn.{name} AS
            SELECT number AS person_id, a.* EXCLUDE (person_id) FROM real.{name} AS a JOIN given USING (person_id)""")
    found = compared(hospital, "real", "drawn")
    said = [verdict(one) for one in found.values()]
    assert FAIL not in said
    assert said.count(LOOK) < 0.05 * len(said)
    perfect = "prevalence_r2", "pair_joint_r2", "same_day_persons_r2", "transition_persons_r2", "gap_ks", "value_ks"
    assert verdicts(found, *perfect, "person_c2st_auroc", "sequence_c2st_auroc") == {PASS}


def test_a_holdout_is_the_reference(hospital: duckdb.DuckDBPyConnection) -> None:
    found = compared(hospital, "real", "others", "third", classify=False)
    other_way = compared(hospital, "real", "third", "others", classify=False)
    for key in (("pair_joint_r2", ""), ("value_ks", ""), ("survival_distance", "death")):
        assert found[key].reference == other_way[key].value
        assert found[key].value == other_way[key].reference


def test_equal_sides_score_the_best_there_is(hospital: duckdb.DuckDBPyConnection) -> None:
    with hospital.cursor() as cursor:
        hospitals = open_hospitals(cursor, "real", "real", with_filled=True)
    comparison = hospitals.comparison()
    for topic in whole._TOPICS:
        for score in topic.scores(comparison):
            ideal = kinds()[score.metric].ideal
            assert ideal is None or np.isnan(score.value) or score.value == pytest.approx(ideal, abs=1e-12), score


def test_the_same_seed_gives_the_same_rows_and_another_seed_other_groups(hospital: duckdb.DuckDBPyConnection) -> None:
    with hospital.cursor() as cursor:
        first, again, other = (open_hospitals(cursor, "real", "others", seed=seed) for seed in (1, 1, 2))
    assert (first.real.people.group == again.real.people.group).all()
    assert (first.real.people.group != other.real.people.group).any()
    assert set(first.real.people.group) == set(range(GROUPS))
    rows = [to_table(whole.counted(of)) for of in (first, again)]
    assert rows[0] == rows[1]


def test_persons_are_drawn_and_that_is_told(hospital: duckdb.DuckDBPyConnection) -> None:
    with hospital.cursor() as cursor:
        hospitals = open_hospitals(cursor, "real", "others", persons=200)
    found = by_name(whole.counted(hospitals))
    assert len(hospitals.real.people) == 200
    assert found["persons", ""].note == "real: 200 of 800 persons were drawn; others: 200 of 800 persons were drawn"
    assert found["persons", ""].value == 800


def test_missing_values_are_counted_by_column(hospital: duckdb.DuckDBPyConnection) -> None:
    hospital.execute("CREATE SCHEMA holes")
    for name in SELECTS:
        hospital.execute(f"CREATE TABLE holes.{name} AS FROM others.{name}")
    hospital.execute("UPDATE holes.measurement SET value_as_number = NULL WHERE measurement_id % 4 = 0")
    hospital.execute("ALTER TABLE holes.measurement DROP unit_concept_id")
    hospital.execute("DROP TABLE holes.drug_exposure")
    found = compared(hospital, "real", "holes", classify=False)
    assert found["missing_difference", "value_as_number"].value == pytest.approx(0.25)
    assert found["missing_difference", "unit_concept_id"].value == 1.0
    assert found["missing_difference", "measurement_date"].value == 0.0
    assert found["missing_difference", "drug_exposure"].note.endswith("holes has no rows of drug_exposure")
    assert found["missing_difference", "drug_exposure"].value is None


def test_few_persons_and_empty_tables_are_told_and_nothing_is_raised(con: duckdb.DuckDBPyConnection) -> None:
    put(con, "ten", made(10, 1))
    put(con, "others", made(10, 2))
    con.execute("CREATE SCHEMA bare")
    con.execute("CREATE TABLE bare.person AS SELECT person_id FROM ten.person")
    for synthetic in ("others", "bare"):
        found = compared(con, "ten", synthetic)
        assert found["pair_log_lift_r2", ""].value is None
        assert "20 real persons" in found["pair_log_lift_r2", ""].note
        assert "20 persons on both sides" in found["person_c2st_auroc", ""].note
        assert "5 died" in found["survival_distance", "death"].note
        assert found["value_ks", ""].value is None
    assert compared(con, "bare", "ten")["prevalence_r2", ""].value is None
    assert compared(con, "bare", "bare")["prevalence_r2", ""].value is None


def test_a_person_alone(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE SCHEMA one")
    con.execute("CREATE TABLE one.person AS SELECT 7 AS person_id, 8507 AS gender_concept_id")
    put(con, "ten", made(10, 1))
    assert compared(con, "one", "ten")
    assert compared(con, "ten", "one")


def test_no_person_is_an_error_with_one_line(con: duckdb.DuckDBPyConnection) -> None:
    put(con, "ten", made(10, 1))
    con.execute("CREATE SCHEMA nobody")
    con.execute("CREATE TABLE nobody.person AS FROM ten.person WHERE false")
    with pytest.raises(OmopsqlError, match="nobody has no persons"):
        compared(con, "ten", "nobody")
    con.execute("CREATE SCHEMA strange")
    con.execute("CREATE TABLE strange.person AS SELECT 1 AS id")
    with pytest.raises(OmopsqlError, match="table person has no column person_id"):
        compared(con, "strange", "ten")


def test_a_folder_of_csv_files_and_a_schema_are_read_alike(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    make_hospital(con)
    write_hospital(con, "cdm", tmp_path, "csv")
    with con.cursor() as cursor:
        hospitals = open_hospitals(cursor, "cdm", str(tmp_path), with_filled=True)
    for field in ("person_id", "sex", "by", "origin", "start", "len", "death"):
        of_schema, of_files = (getattr(side.people, field) for side in hospitals.every)
        assert (of_schema == of_files).all(), field
    assert (hospitals.real.histories.item == hospitals.synthetic.histories.item).all()
    assert (hospitals.real.measured.value == hospitals.synthetic.measured.value).all()
    assert (
        hospitals.real.filled["measurement"].rows.sum() == hospitals.synthetic.filled["measurement"].rows.sum() == 960
    )


def test_who_is_not_observed_or_has_no_birth_is_read_from_the_records(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE SCHEMA odd")
    con.execute("""CREATE TABLE odd.person AS SELECT * FROM (VALUES
        (3, 8507, 1950), (1, 8532, NULL), (2, 8521, 1960), (1, 8532, NULL)) AS p (person_id, gender_concept_id,
        year_of_birth)""")
    con.execute("""CREATE TABLE odd.condition_occurrence AS SELECT * FROM (VALUES
        (1, 9, DATE '2000-01-11'), (1, NULL, DATE '2000-01-01'), (3, 9, NULL), (8, 9, DATE '2000-01-01'))
        AS c (person_id, condition_concept_id, condition_start_date)""")
    con.execute("CREATE TABLE odd.death AS SELECT 2 AS person_id, DATE '1959-01-01' AS death_date")
    with con.cursor() as cursor:
        side = open_hospitals(cursor, "odd", "odd").real
    people = side.people
    assert people.person_id.tolist() == [1, 2, 3]
    assert people.sex.tolist() == [0, 2, 1]
    assert np.isnan(people.by).tolist() == [True, False, False]
    assert (people.start[0], people.len[0], people.death.tolist()) == (0, 10, [-1, 0, -1])
    assert side.histories.t.tolist() == [0, 10]


def test_every_story_runs_as_it_stands(con: duckdb.DuckDBPyConnection) -> None:
    make_hospital(con)
    con.execute("USE memory.cdm")
    con.execute("CREATE TABLE settings AS SELECT 0 AS seed, 100 AS most, 20 AS number_of_groups")
    con.execute("ALTER TABLE person ADD birth_datetime TIMESTAMP")
    con.execute("ALTER TABLE measurement ADD measurement_datetime TIMESTAMP")
    con.execute("""CREATE VIEW event AS SELECT person_id, condition_concept_id AS concept_id,
        condition_start_date AS start_date FROM condition_occurrence""")
    con.execute("CREATE VIEW source AS FROM measurement")
    answers = {}
    for name in ("people", "records", "measured", "present"):
        answers[name] = con.sql(story(name).sql).to_arrow_table()
        if name == "people":
            con.register("read", answers[name])
            con.execute("CREATE TABLE people AS FROM read")
    assert {file.name for file in sql_folder("evaluate", "cdm").iterdir()} == {f"{name}.sql" for name in answers}
    assert {name: rows.num_rows for name, rows in answers.items()} == {
        "people": 100, "records": 600, "measured": 800, "present": len(np.unique(answers["people"]["group_number"])),
    }  # fmt: skip


def test_scores_say_what_they_need(alike: dict[tuple[str, str], Metric]) -> None:
    always = {"prevalence_difference", "person_c2st_auroc", "sequence_c2st_auroc"}
    assert set(whole._NEEDS) | always == {name for name, _ in alike} | {"visits_per_person_ks"}


def test_fidelity_tells_of_cdms(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    put(con, "real", made(120, 1))
    put(con, "made_up", made(120, 2))
    write_hospital(con, "made_up", tmp_path / "folder")
    answers = [
        con.execute(f"FROM omopsql.fidelity('real', '{synthetic}') ORDER BY ALL").fetchall()
        for synthetic in ("made_up", tmp_path / "folder")
    ]
    assert len(answers[0]) > 90
    assert {row[0] for row in answers[0]} == {"fidelity"}
    assert [row[1:6] for row in answers[0]] == [row[1:6] for row in answers[1]]


# Persons as vectors


def test_persons_have_the_same_columns_on_every_side(hospital: duckdb.DuckDBPyConnection) -> None:
    with hospital.cursor() as cursor:
        read = persons.read(cursor, "real", "others", "third")
    assert [side.shape for side in read.sides] == [(800, len(read.names))] * 3
    assert len(set(read.names)) == len(read.names)
    assert read.person_ids[1].tolist() == list(range(800))
    column = {name: read.sides[0][:, place] for place, name in enumerate(read.names)}
    told = made(800, 1)
    assert column["male"].sum() == (told["person"]["sex"] == 8507).sum()
    assert column["died"].sum() == told["death"]["person"].size
    assert column[f"condition_occurrence {FIRST}"].sum() == (told["condition"]["concept"] == FIRST).sum()
    assert column["drug_exposure records"].sum() == told["drug"]["person"].size
    pressure = told["measurement"]["value"][: 8 * 800].reshape(8, 800)
    for what, expected in (
        ("mean", pressure.mean(axis=0)),
        ("smallest", pressure.min(axis=0)),
        ("largest", pressure.max(axis=0)),
        ("last", pressure[-1]),
    ):
        assert column[f"measurement {PRESSURE} 8876 {what}"] == pytest.approx(expected)


def test_rare_concepts_are_others(con: duckdb.DuckDBPyConnection) -> None:
    make_hospital(con, "real")
    make_hospital(con, "synthetic", 60)
    with con.cursor() as cursor:
        read = persons.read(cursor, "real", "synthetic")
    assert "condition_occurrence 1001" not in read.names  # everyone has it
    assert "condition_occurrence 1002" not in read.names
    assert "condition_occurrence other" in read.names
    rare = read.sides[0][:, read.names.index("condition_occurrence other")]
    assert rare.sum() == 12  # 6 have 1003, 6 have 1004


def test_persons_up_to_a_day_and_without_concepts(hospital: duckdb.DuckDBPyConnection) -> None:
    told = made(800, 1)["condition"]
    is_first = told["concept"] == FIRST
    start = int(np.datetime64("2010-01-01").astype(int))
    until = persons.Until(told["person"][is_first], told["day"][is_first] + start)
    with hospital.cursor() as cursor:
        read = persons.read(cursor, "real", "others", until=(until, None), without=[WITH_IT])
    column = {name: [side[:, place] for side in read.sides] for place, name in enumerate(read.names)}
    assert f"condition_occurrence {FIRST}" not in column or not column[f"condition_occurrence {FIRST}"][0].any()
    assert f"drug_exposure {WITH_IT}" not in column
    assert "died" not in column
    cut = np.isin(read.person_ids[0], until.person_id)
    assert np.isnan(column[f"measurement {PRESSURE} 8876 mean"][0][cut]).all()
    assert not np.isnan(column[f"measurement {PRESSURE} 8876 mean"][0][~cut]).any()
    assert (column["years observed"][0][cut] < 9).any()
    drugs = column["drug_exposure records"]
    everything = (made(800, 2)["drug"]["concept"] != WITH_IT).sum()
    assert drugs[1].sum() == everything


def test_records_of_a_side(con: duckdb.DuckDBPyConnection) -> None:
    make_hospital(con, "real")
    make_hospital(con, "synthetic", 60)
    with con.cursor() as cursor:
        read = persons.read(cursor, "real", "synthetic")
    records = read.events(1)
    assert records.person.size == 60 * (8 + 6 + 8) + 30
    assert records.person.max() == 59
    assert (np.diff(records.person) >= 0).all()
    drugs = records.table == TABLES.index("drug_exposure")
    assert drugs.sum() == 30
    assert set(records.concept[drugs]) == {2001}


# Scores


def test_ks_without_each_group_is_that_of_the_others() -> None:
    rng = np.random.default_rng(1)
    a = Sample(np.round(rng.standard_normal(300), 1), rng.integers(0, GROUPS, 300))
    b = Sample(np.round(rng.standard_normal(200) + 0.2, 1), rng.integers(0, GROUPS, 200))
    b.value[:5] = np.nan
    found = ks([a, b], GROUPS)
    assert found[0] == pytest.approx(stats.ks_2samp(a.value, b.value[5:]).statistic)
    for group in range(GROUPS):
        assert found[1 + group] == plain_ks(a.value[a.group != group], b.value[b.group != group])
    empty = Sample(np.zeros(0), np.zeros(0, np.int64))
    assert ks([a, empty], 0).tolist() == [1.0]
    assert np.isnan(ks([empty, a], 0)).all()


def test_the_jackknife_covers_as_often_as_it_says() -> None:
    """Intervals of the difference of two prevalences hold the true one, .1, about 95 times in a hundred."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(300):
        sides = []
        for share in (0.3, 0.4):
            group = rng.integers(0, GROUPS, 500)
            ever = np.array([(rng.random((group == g).sum()) < share).sum() for g in range(GROUPS)])
            size = np.bincount(group, minlength=GROUPS)
            sides.append(
                [concepts.Prevalence(n, e[None], n[None], e[None, None]) for n, e in zip(size, ever, strict=True)]
            )
        found = each(concepts.prevalence, *sides)["prevalence_max_difference"]
        (metric,) = told([scored("prevalence_max_difference", found, 500)], [], {})
        covered += metric.low <= 0.1 <= metric.high
    assert 0.91 <= covered / 300 <= 0.985


def test_an_interval_stays_within_what_a_metric_can_be() -> None:
    wide = np.linspace(0.5, 1.0, 20)
    (metric,) = told([Score("prevalence_r2", 0.99, wide)], [Score("prevalence_r2", 0.9)], {})
    assert metric.high == 1.0
    assert metric.low < 0.0
    assert metric.reference == 0.9
    (metric,) = told([Score("value_ks", 0.9, wide)], [], {})
    assert (metric.low, metric.high) == (0.0, 1.0)


# Survival and incidence


def exits(days: list[int], died: list[bool], width: int = 0) -> survival.Exits:
    width = max([width, *(day + 1 for day in days)])
    dead = [day for day, is_dead in zip(days, died, strict=True) if is_dead]
    return survival.Exits(np.bincount(dead, minlength=width), np.bincount(days, minlength=width))


def test_kaplan_meier_of_freireichs_leukaemia_patients() -> None:
    """Remission under 6-MP in weeks (Freireich et al., Blood 21, 1963), as in every textbook."""
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    going_on = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    curve = exits(ended + going_on, [True] * 9 + [False] * 12).surviving()
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448, 35: 0.448}
    assert {week: curve[week] for week in expected} == pytest.approx(expected, abs=5e-4)
    placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    treated, untreated = exits(ended + going_on, [True] * 9 + [False] * 12), exits(placebo, [True] * 21, 36)
    assert survival.logrank(treated, untreated) == pytest.approx(16.79, abs=0.01)


def test_survival_agrees_with_scipy() -> None:
    rng = np.random.default_rng(1)
    samples = [(rng.integers(0, 60, 80), rng.random(80) < 0.6), (rng.integers(0, 80, 70), rng.random(70) < 0.5)]
    sides = [exits(days.tolist(), died.tolist(), 80) for days, died in samples]
    data = [stats.CensoredData(uncensored=days[died], right=days[~died]) for days, died in samples]
    for side, known in zip(sides, data, strict=True):
        curve = stats.ecdf(known).sf
        assert side.surviving()[curve.quantiles.astype(int)] == pytest.approx(curve.probabilities)
    expected = stats.logrank(*data)
    assert survival.logrank(*sides) == pytest.approx(expected.statistic**2)
    assert survival.chance_above(survival.logrank(*sides)) == pytest.approx(expected.pvalue)


def test_survival_agrees_with_lifelines() -> None:
    lifelines = pytest.importorskip("lifelines", reason="lifelines, a peer, is not installed")
    rng = np.random.default_rng(2)
    days, died = rng.integers(1, 200, 150), rng.random(150) < 0.5
    fitted = lifelines.KaplanMeierFitter().fit(days, died)
    curve = exits(days.tolist(), died.tolist()).surviving()
    assert fitted.predict(np.arange(days.max() + 1)).to_numpy() == pytest.approx(curve)


def test_nobody_dies_or_nobody_is_left() -> None:
    alive, dead = exits([3, 3], [False, False]), exits([1, 2], [True, True], 4)
    assert alive.surviving().tolist() == [1.0] * 4
    assert dead.surviving().tolist() == [1.0, 0.5, 0.0, 0.0]
    assert np.isnan(survival.logrank(alive, alive))
    assert np.isnan(survival.chance_above(np.nan))


def test_curves_for_a_picture(hospital: duckdb.DuckDBPyConnection) -> None:
    with hospital.cursor() as cursor:
        curves = survival.curves(open_hospitals(cursor, "real", "others"))
    assert [curve.subject for curve in curves][:3] == ["", "female", "male"]
    assert all((np.diff(curve.real) <= 0).all() and curve.real[0] <= 1 for curve in curves)


def lives(births: list[int], starts: list[int], ends: list[int], records: list[tuple[int, int]]) -> Hospital:
    """Persons observed from ``starts`` to ``ends`` with records (person, day) of item 0."""
    n = len(births)
    none = np.zeros(n, np.int64)
    people = People(np.arange(n), none, none, none, none, np.array(births, float), none, np.array(starts),
                    np.array(ends), none - 1)  # fmt: skip
    person, day = (np.array(column, np.int64) for column in zip(*sorted(records), strict=True))
    histories = Histories(people, np.searchsorted(person, np.arange(n + 1)), np.zeros(day.size, np.int64), day)
    return Hospital("lives", n, histories, None)  # type: ignore[arg-type]


def test_incidence_counts_new_cases_and_years_without_one() -> None:
    year = 365.25
    of = lives([1950] * 3, [0, int(10.5 * year), 0], [int(40 * year)] * 3, [(0, int(30.5 * year)), (2, 0)])
    firsts = times._Firsts(of.histories, 1)
    (counted,) = times._cases(firsts, 0, 0)
    assert counted.cases.sum() == 1
    assert counted.cases[30] == 1
    assert counted.years.sum() == pytest.approx(30.5 + 29.5, abs=0.01)  # the third has it from the first day
    assert counted.years[10] == pytest.approx(1.5, abs=0.01)
    assert counted.years[30] == pytest.approx(1.5, abs=0.01)
    assert counted.years[39] == pytest.approx(1.0, abs=0.01)
    assert counted.years[40] == pytest.approx(0.0, abs=0.01)


def test_twice_the_incidence_is_a_distance_of_one() -> None:
    one = times.Incidence(np.array([5, 10]), np.array([100.0, 100.0]))
    twice = times.Incidence(np.array([10, 20]), np.array([100.0, 100.0]))
    assert times._rate_distance(one, twice)["distance"] == pytest.approx(1.0)
    assert times._rate_distance(one, one)["distance"] == 0.0


# Real data


def test_halves_of_real_records_are_alike(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    cdm = data_folder("cdm/gibleed_5.3")
    with duckdb.connect() as con:
        for schema, chosen in (("one", "="), ("other", "<>")):
            con.execute(f"CREATE SCHEMA {schema}")
            for file in cdm.glob("*.parquet"):
                columns = {row[0] for row in con.execute(f"DESCRIBE FROM '{file}'").fetchall()}
                if "person_id" in columns:
                    con.execute(
                        f"CREATE VIEW {schema}.{file.stem} AS FROM '{file}' WHERE hash(person_id) % 2 {chosen} 0"
                    )
        found = compared(con, "one", "other")
    counted = [verdict(one) for one in found.values()]
    assert counted.count(FAIL) == 0
    assert counted.count(LOOK) < 0.05 * len(counted)
    headline = {
        one.metric: verdict(one) for one in found.values() if kinds()[one.metric].is_headline and not one.subject
    }
    assert {name for name, said in headline.items() if said == NOT_COMPUTED} == {
        "value_ks", "person_variability_ks", "survival_distance",
    }  # fmt: skip
    assert set(headline.values()) == {PASS, NOT_COMPUTED}
    assert TOLD in counted


def test_a_cdm_of_53_against_one_of_54(data_folder: Callable[[str], Path]) -> None:
    cdms = [str(data_folder(f"cdm/{name}")) for name in ("gibleed_5.3", "synthea27nj_5.4")]
    with duckdb.connect() as con:
        found = compared(con, *cdms)
    assert verdict(found["prevalence_r2", ""]) == FAIL
    assert verdict(found["person_c2st_auroc", ""]) == FAIL
    assert found["persons", ""].value == 28
