"""Duplicated events, unmapped values and code systems, on a small CDM whose every answer is plain to see."""

from pathlib import Path

import duckdb
import pytest

from omopsql.harmonize.cdm import table
from omopsql.quality.beyond.inputs import coded_fields, event_tables
from omopsql.quality.beyond.stories import rows

CDM = """
CREATE SCHEMA ward;
CREATE TABLE ward.measurement (
    measurement_id BIGINT, person_id BIGINT, measurement_concept_id INTEGER, measurement_date DATE,
    measurement_datetime TIMESTAMP, measurement_type_concept_id INTEGER, value_as_number DOUBLE,
    unit_concept_id INTEGER, unit_source_value VARCHAR, measurement_source_value VARCHAR,
    measurement_source_concept_id INTEGER, provider_id BIGINT
);
-- Twenty values of one day; the first of them three times, one of these by another provider.
INSERT INTO ward.measurement
SELECT id, id, 21, '2020-05-01', NULL, 1, 5 + id, 9, 'mg', 'glu', 210, 1 FROM range(20) AS ids (id);
INSERT INTO ward.measurement VALUES
    (100, 0, 21, '2020-05-01', NULL, 1, 5, 9, 'mg', 'glu', 210, 1),
    (101, 0, 21, '2020-05-01', NULL, 1, 5, 9, 'mg', 'glu', 210, 2),
    -- No repeats: another value, another time, another unit, another code, another person.
    (102, 0, 21, '2020-05-01', NULL, 1, 6, 9, 'mg', 'glu', 210, 1),
    (103, 0, 21, '2020-05-01', '2020-05-01 08:00:00', 1, 5, 9, 'mg', 'glu', 210, 1),
    (104, 0, 21, '2020-05-01', NULL, 1, 5, 8, 'mg', 'glu', 210, 1),
    (105, 0, 21, '2020-05-01', NULL, 1, 5, 9, 'mg', 'glucose', 211, 1),
    (106, 77, 21, '2020-05-01', NULL, 1, 5, 9, 'mg', 'glu', 210, 1);
CREATE TABLE ward.condition_occurrence (
    condition_occurrence_id BIGINT, person_id BIGINT, condition_concept_id INTEGER, condition_start_date DATE,
    condition_type_concept_id INTEGER, condition_source_value VARCHAR, condition_source_concept_id INTEGER
);
INSERT INTO ward.condition_occurrence
SELECT id, id, 31, DATE '2019-06-01' + CAST(id AS INTEGER), 2, '250.00', 319 FROM range(30) AS ids (id)
UNION ALL SELECT id, id, 31, DATE '2020-06-01' + CAST(id AS INTEGER), 2, 'E11', 3110 FROM range(40) AS ids (id)
UNION ALL SELECT id, id, 31, DATE '2020-06-01' + CAST(id AS INTEGER), 2, '250.00', 319 FROM range(100, 110) AS ids (id)
UNION ALL SELECT id, id, 0, DATE '2020-08-01', 2, 'local', 0 FROM range(200, 215) AS ids (id)
UNION ALL SELECT id, id, 0, DATE '2020-08-01', 2, 'rare', 0 FROM range(300, 309) AS ids (id)
UNION ALL SELECT id, 1, 0, DATE '2020-08-01', 2, 'of one person', 0 FROM range(400, 500) AS ids (id)
UNION ALL SELECT 500, 1, NULL, DATE '2020-08-01', 2, NULL, NULL;
CREATE TABLE ward.concept AS
SELECT * FROM (VALUES
    (0, 'No matching concept', 'None'), (1, 'EHR', 'Type Concept'), (2, 'Claim', 'Type Concept'),
    (21, 'Glucose', 'LOINC'), (31, 'Diabetes', 'SNOMED'), (319, 'Diabetes', 'ICD9CM'), (3110, 'Diabetes', 'ICD10CM'),
    (9, 'milligram', 'UCUM'), (210, 'glu', 'LOINC'), (211, 'glucose', 'LOINC')
) AS c (concept_id, concept_name, vocabulary_id);
"""


@pytest.fixture
def ward(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A schema ``ward`` with repeats, unmapped values, and a change from ICD-9 to ICD-10."""
    con.execute(CDM)
    return con


def test_repeats_are_counted_by_table_and_concept(ward):
    found = ward.execute(
        "SELECT cdm_table, concept_id, concept_name, is_total, records, repeated_events, repeats, exact_copies "
        "FROM omopsql.duplicated_events('ward') WHERE cdm_table = 'measurement'"
    ).fetchall()
    assert found == [
        ("measurement", None, None, True, 27, 1, 2, 1),
        ("measurement", 21, "Glucose", False, 27, 1, 2, 1),
    ]


def test_a_table_without_repeats_has_its_total_only(ward):
    found = ward.execute(
        "SELECT is_total, repeats, repeated_share FROM omopsql.duplicated_events('ward') "
        "WHERE cdm_table = 'condition_occurrence' AND (is_total OR concept_id = 31)"
    ).fetchall()
    assert found == [(True, 99, pytest.approx(99 / 205))]  # one person's hundred records of one day


def test_the_rows_of_repeats_can_be_had(ward):
    found = ward.execute(
        "SELECT measurement_id, provider_id, count(*) OVER (PARTITION BY event) "
        "FROM omopsql.duplicated_rows('ward', 'measurement') ORDER BY 1"
    ).fetchall()
    assert found == [(0, 1, 3), (100, 1, 3), (101, 2, 3)]
    with pytest.raises(duckdb.Error, match="'person' is no event table; give one of condition_occurrence"):
        ward.execute("FROM omopsql.duplicated_rows('ward', 'person')").fetchall()
    with pytest.raises(duckdb.Error, match="ward has no table death"):
        ward.execute("FROM omopsql.duplicated_rows('ward', 'death')").fetchall()


@pytest.mark.parametrize("column", ["person_id", "measurement_concept_id", "measurement_date", "value_as_number"])
def test_one_planted_repeat_is_one_more(ward, column):
    def total() -> tuple[int, int]:
        return ward.execute(
            "SELECT repeats, exact_copies FROM omopsql.duplicated_events('ward') "
            "WHERE cdm_table = 'measurement' AND is_total"
        ).fetchall()[0]

    ward.execute(
        "INSERT INTO ward.measurement SELECT * REPLACE (900 AS measurement_id) FROM ward.measurement "
        "WHERE measurement_id = 7"
    )
    assert total() == (3, 2)
    other = "DATE '2021-01-01'" if column == "measurement_date" else "4711"
    ward.execute(f"UPDATE ward.measurement SET {column} = {other} WHERE measurement_id = 900")
    assert total() == (2, 1)


def test_identity_names_columns_of_the_cdm():
    listed = {row["cdm_table"]: row["columns"].split() for row in rows("event_identity.csv")}
    assert set(listed) == set(event_tables())
    for name, columns in listed.items():
        known = {**table("5.4", name), **(table("5.3", name) if name != "episode" else {})}
        assert [column for column in columns if column not in known] == []


def test_the_unmapped_share_by_vocabulary_and_type(ward):
    found = ward.execute(
        "SELECT cdm_field, source_vocabulary_id, type_concept_name, records, unmapped, unmapped_share "
        "FROM omopsql.unmapped_share('ward') WHERE cdm_table = 'condition_occurrence' ORDER BY ALL"
    ).fetchall()
    assert found == [
        ("condition_concept_id", "ICD10CM", "Claim", 40, 0, 0),
        ("condition_concept_id", "ICD9CM", "Claim", 40, 0, 0),
        ("condition_concept_id", None, "Claim", 125, 125, 1),
    ]


def test_a_unit_that_is_not_told_is_not_unmapped(ward):
    ward.execute("UPDATE ward.measurement SET unit_concept_id = 0, unit_source_value = NULL WHERE person_id > 5")
    share = "SELECT records, unmapped FROM omopsql.unmapped_share('ward') WHERE cdm_field = 'unit_concept_id'"
    assert ward.execute(share).fetchall() == [(12, 0)]
    ward.execute("UPDATE ward.measurement SET unit_source_value = 'mgg' WHERE person_id > 15")
    assert ward.execute(share).fetchall() == [(17, 5)]


def test_unmapped_values_of_few_persons_are_withheld(ward):
    columns = "cdm_table, cdm_field, source_value, records, persons"
    found = ward.execute(f"SELECT {columns} FROM omopsql.unmapped_values('ward')").fetchall()
    assert found == [("condition_occurrence", "condition_concept_id", "local", 15, 15)]
    found = ward.execute("SELECT source_value, records, persons FROM omopsql.unmapped_values('ward', min_cell := 0)")
    assert found.fetchall() == [("of one person", 100, 1), ("local", 15, 15), ("rare", 9, 9)]


def test_a_switch_of_code_systems_is_seen(ward):
    found = ward.execute(
        "SELECT vocabulary_id, year, records, round(share, 4) FROM omopsql.code_systems('ward') "
        "WHERE cdm_field = 'condition_source_concept_id' ORDER BY year, vocabulary_id"
    ).fetchall()
    assert found == [
        ("ICD9CM", 2019, 30, 1),
        ("ICD10CM", 2020, 40, round(40 / 174, 4)),
        ("ICD9CM", 2020, 10, round(10 / 174, 4)),
        ("None", 2020, 124, round(124 / 174, 4)),
    ]
    found = ward.execute(
        "SELECT DISTINCT cdm_field, vocabulary_id FROM omopsql.code_systems('ward') WHERE cdm_table = 'measurement' "
        "ORDER BY ALL"
    ).fetchall()
    assert found == [
        ("measurement_concept_id", "LOINC"),
        ("measurement_source_concept_id", "LOINC"),
        ("measurement_type_concept_id", "Type Concept"),
        ("unit_concept_id", "UCUM"),
    ]


def test_shares_of_a_field_and_year_add_up(ward):
    found = ward.execute(
        "SELECT max(abs(total - 1)) FROM (SELECT sum(share) AS total FROM omopsql.code_systems('ward', min_cell := 0) "
        "GROUP BY cdm_table, cdm_field, year)"
    ).fetchall()
    assert found[0][0] < 1e-12


def test_coded_fields_are_of_the_cdm():
    fields = {(field.cdm_table, field.concept_id) for field in coded_fields()}
    assert {("condition_occurrence", "condition_concept_id"), ("measurement", "unit_concept_id")} <= fields
    assert ("person", "gender_concept_id") in fields


FUNCTIONS = ("duplicated_events", "unmapped_share", "unmapped_values", "code_systems")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_cdm_without_a_vocabulary_or_without_columns(con, function):
    con.execute("CREATE SCHEMA bare; CREATE TABLE bare.death (person_id BIGINT)")
    if function in ("duplicated_events", "code_systems"):
        with pytest.raises(duckdb.Error, match="bare has no event table"):
            con.execute(f"FROM omopsql.{function}('bare')").fetchall()
    else:
        assert con.execute(f"FROM omopsql.{function}('bare')").fetchall() == []
    con.execute(
        "CREATE TABLE bare.observation (person_id BIGINT, observation_concept_id BIGINT, observation_date VARCHAR)"
    )
    assert con.execute(f"FROM omopsql.{function}('bare')").fetchall() == []
    con.execute(
        "INSERT INTO bare.observation "
        "SELECT id, 7, CASE WHEN id < 5 THEN 'x' ELSE '2020-01-01' END FROM range(50) AS r (id)"
    )
    con.execute(f"FROM omopsql.{function}('bare')").fetchall()
    with pytest.raises(duckdb.Error, match="min_cell is -1; give 0 or more"):
        con.execute(f"FROM omopsql.{function}('bare', min_cell := -1)").fetchall()
    with pytest.raises(duckdb.Error, match="no schema or folder 'nowhere'"):
        con.execute(f"FROM omopsql.{function}('nowhere')").fetchall()


@pytest.mark.parametrize("function", [*FUNCTIONS, "concept_drift", "unit_mixtures"])
def test_a_folder_answers_as_the_schema_does(ward, function, tmp_path: Path):
    ward.execute(
        "CREATE TABLE ward.observation_period AS SELECT DISTINCT person_id, DATE '2019-01-01' AS "
        "observation_period_start_date, DATE '2020-12-31' AS observation_period_end_date FROM ward.condition_occurrence"
    )
    for name in ("measurement", "condition_occurrence", "observation_period", "concept"):
        suffix = "csv" if name == "measurement" else "parquet"
        ward.execute(f"COPY ward.{name} TO '{tmp_path}/{name}.{suffix}'")
    in_schema = ward.execute(f"FROM omopsql.{function}('ward')").fetchall()
    assert ward.execute(f"FROM omopsql.{function}('{tmp_path}')").fetchall() == in_schema


@pytest.mark.parametrize("name", ["cdm/gibleed_5.3", "cdm/synthea27nj_5.4"])
def test_real_cdms(con, data_folder, name):
    cdm = data_folder(name)
    totals = con.execute(
        f"SELECT cdm_table, records, repeats FROM omopsql.duplicated_events('{cdm}') WHERE is_total AND records > 0"
    ).fetchall()
    for cdm_table, records, repeats in totals:
        assert con.execute(f"SELECT count(*) FROM '{cdm}/{cdm_table}.parquet'").fetchall() == [(records,)]
        rows = f"SELECT count(*) - count(DISTINCT event) FROM omopsql.duplicated_rows('{cdm}', '{cdm_table}')"
        assert con.execute(rows).fetchall() == [(repeats,)]
    unmapped = con.execute(
        f"SELECT sum(unmapped) FROM omopsql.unmapped_share('{cdm}', min_cell := 0) WHERE cdm_field = 'race_concept_id'"
    ).fetchall()
    told = f"SELECT count(*) FROM '{cdm}/person.parquet' WHERE race_concept_id = 0 AND race_source_value <> ''"
    assert unmapped == con.execute(told).fetchall()
