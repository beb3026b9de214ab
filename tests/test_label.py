"""The label: every metric with a level by its bounds, and nothing invented that a database cannot tell."""

import csv
from pathlib import Path

import duckdb
import pytest

from omopsql.sql_files import sql_folder

METRICS = list(csv.DictReader(sql_folder("quality").joinpath("label.csv").read_text(encoding="utf-8").splitlines()))
DECLARED = [row["metric"] for row in METRICS if not row["unit"]]

CDM = """
CREATE SCHEMA house;
CREATE TABLE house.person AS
SELECT id AS person_id, CASE WHEN id % 4 = 0 THEN 8532 ELSE 8507 END AS gender_concept_id, 1960 AS year_of_birth,
    1 AS month_of_birth, 1 AS day_of_birth, TIMESTAMP '1960-01-01' AS birth_datetime,
    0 AS race_concept_id, 0 AS ethnicity_concept_id
FROM range(1, 101) AS ids (id);
CREATE TABLE house.observation_period AS
SELECT person_id AS observation_period_id, person_id, DATE '2015-01-01' AS observation_period_start_date,
    DATE '2019-12-31' AS observation_period_end_date, 32817 AS period_type_concept_id
FROM house.person WHERE person_id <= 96;
CREATE TABLE house.condition_occurrence AS
SELECT person_id AS condition_occurrence_id, person_id,
    CASE WHEN person_id > 10 THEN 31 ELSE 0 END AS condition_concept_id,
    DATE '2019-01-01' AS condition_start_date, 32817 AS condition_type_concept_id,
    CASE WHEN person_id > 3 THEN 'E11' END AS condition_source_value
FROM house.person;
CREATE TABLE house.cdm_source AS
SELECT 'House' AS cdm_source_name, 'A house' AS source_description, NULL::VARCHAR AS source_documentation_reference,
    '' AS cdm_etl_reference, DATE '2019-06-01' AS source_release_date, DATE '2019-07-01' AS cdm_release_date,
    'v5.4' AS cdm_version, 'v5' AS vocabulary_version;
"""


@pytest.fixture
def house(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A schema ``house`` of a hundred persons with one condition each."""
    con.execute(CDM)
    return con


def label(con: duckdb.DuckDBPyConnection, cdm: str = "house") -> dict[str, tuple]:
    """Value and level of each metric."""
    found = con.execute(
        f"SELECT metric, value, level FROM omopsql.quality_label('{cdm}', today := '2026-01-01')"
    ).fetchall()
    assert [row[0] for row in found] == [row["metric"] for row in METRICS]
    return {row[0]: row[1:] for row in found}


def test_metrics_are_measured(house):
    found = label(house)
    assert found["persons"] == (100, "described")
    assert found["women"] == (25, "described")
    assert found["persons with observation"] == (96, "B")
    assert found["mapped records"] == (90, "C")
    assert found["provenance of records"] == (97, "B")
    assert found["description of the source"] == (75, "B")
    assert found["data dictionary and data model"] == (5.4, "described")
    assert found["unique keys"] == (100, "A")
    assert found["events recorded once"] == (100, "A")
    assert found["age of the latest record"] == (pytest.approx(181 / 30.4375, abs=0.01), "B")
    assert found["period covered"] == (5.0, "C")
    assert found["time a person is observed"] == (5.0, "B")
    assert found["kinds of data"] == (1, "D")
    assert found["measurements in one unit"] == (None, "not measured")


def test_planted_faults_move_their_metric(house):
    before = label(house)
    house.execute(
        "INSERT INTO house.condition_occurrence SELECT * FROM house.condition_occurrence WHERE person_id = 50"
    )
    after = label(house)
    assert after["unique keys"][0] < before["unique keys"][0]
    assert after["events recorded once"] == (99.01, "B")
    house.execute("UPDATE house.condition_occurrence SET condition_start_date = DATE '1950-01-01' WHERE person_id < 20")
    assert label(house)["dates in order"][0] < after["dates in order"][0]


def test_drift_and_mixed_units_move_their_metric(house):
    house.execute(
        """
        CREATE TABLE house.measurement AS
        SELECT row_number() OVER () AS measurement_id, person_id, 1 AS measurement_concept_id,
            CAST(month AS DATE) AS measurement_date, 0 AS measurement_type_concept_id,
            round(CASE WHEN person_id > 70 THEN 18.0156 ELSE 1 END
                * (5.3 + 0.5 * omopsql.philox_normal(1, row_number() OVER (), 0)), 1) AS value_as_number,
            'mg/dl' AS unit_source_value
        FROM house.person, generate_series(DATE '2017-06-01', DATE '2019-12-01', INTERVAL 1 MONTH) AS m (month);
        """
    )
    found = label(house)
    assert found["measurements in one unit"][0] == 0
    assert found["stable concepts"][0] < 100  # measured from one month on
    assert found["stable concepts"][1] == "D"


def test_what_no_database_can_tell_is_to_be_declared(house):
    found = label(house)
    assert {metric for metric, (_, level) in found.items() if level == "to be declared"} == set(DECLARED)
    assert all(found[metric][0] is None for metric in DECLARED)
    assert {"review and audit", "time from permit to data", "linked and merged data"} <= set(DECLARED)


def test_a_cdm_of_almost_nothing_is_not_judged(con):
    con.execute("CREATE SCHEMA bare; CREATE TABLE bare.person (person_id BIGINT)")
    found = label(con, "bare")
    told = {
        metric: value for metric, (value, level) in found.items() if level not in ("to be declared", "not measured")
    }
    assert set(told) <= {"checks passed", "required values", "valid references", "kinds of data"}
    with pytest.raises(duckdb.Error, match="no schema or folder 'nowhere'"):
        con.execute("FROM omopsql.quality_label('nowhere')").fetchall()


def test_every_element_of_the_article_is_there():
    assert [*dict.fromkeys(row["element"] for row in METRICS)] == list("abcdef")
    technical = {row["dimension"] for row in METRICS if row["element"] == "b"}
    assert technical == {"completeness", "uniqueness", "accuracy", "validity", "timeliness", "consistency"}
    assert len({row["metric"] for row in METRICS}) == len(METRICS)


@pytest.mark.parametrize("row", [row for row in METRICS if row["better"]], ids=lambda row: row["metric"])
def test_bounds_are_in_order(row):
    bounds = [float(row[name]) for name in "abc"]
    assert bounds == sorted(bounds, reverse=row["better"] == "high")
    assert len(set(bounds)) == 3
    assert row["better"] in ("high", "low")


@pytest.mark.parametrize("name", ["cdm/gibleed_5.3", "cdm/synthea27nj_5.4"])
def test_real_cdms(con, data_folder, name):
    folder: Path = data_folder(name)
    found = label(con, str(folder))
    assert all(
        value is not None for metric, (value, _) in found.items() if metric in ("required values", "checks passed")
    )
    persons = con.execute(f"SELECT count(*) FROM '{folder}/person.parquet'").fetchall()[0][0]
    assert found["persons"] == (persons, "described")
