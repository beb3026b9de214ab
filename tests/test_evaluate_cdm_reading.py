"""CDMs as an evaluation reads them: who is a person, which are drawn, and a person as a vector."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
from hospital_cdm import make_hospital, write_hospital
from named_metrics import by_name
from planted_cdm import FIRST, PRESSURE, WITH_IT, made

from omopsql.evaluate.cdm import persons, whole
from omopsql.evaluate.cdm.histories import GROUPS, TABLES
from omopsql.evaluate.cdm.hospitals import open_hospitals
from omopsql.evaluate.cdm.stories import story
from omopsql.evaluate.metric import to_table
from omopsql.sql_files import sql_folder


def test_the_same_seed_gives_the_same_rows_and_another_seed_other_groups(planted: duckdb.DuckDBPyConnection) -> None:
    with planted.cursor() as cursor:
        first, again, other = (open_hospitals(cursor, "real", "others", seed=seed) for seed in (1, 1, 2))
    assert (first.real.people.group == again.real.people.group).all()
    assert (first.real.people.group != other.real.people.group).any()
    assert set(first.real.people.group) == set(range(GROUPS))
    rows = [to_table(whole.counted(of)) for of in (first, again)]
    assert rows[0] == rows[1]


def test_persons_are_drawn_and_that_is_told(planted: duckdb.DuckDBPyConnection) -> None:
    with planted.cursor() as cursor:
        hospitals = open_hospitals(cursor, "real", "others", persons=200)
    found = by_name(whole.counted(hospitals))
    assert len(hospitals.real.people) == 200
    assert found["persons", ""].note == "real: 200 of 800 persons were drawn; others: 200 of 800 persons were drawn"
    assert found["persons", ""].value == 800


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


# Persons as vectors


def test_persons_have_the_same_columns_on_every_side(planted: duckdb.DuckDBPyConnection) -> None:
    with planted.cursor() as cursor:
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


def test_persons_up_to_a_day_and_without_concepts(planted: duckdb.DuckDBPyConnection) -> None:
    told = made(800, 1)["condition"]
    is_first = told["concept"] == FIRST
    start = int(np.datetime64("2010-01-01").astype(int))
    until = persons.Until(told["person"][is_first], told["day"][is_first] + start)
    with planted.cursor() as cursor:
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
