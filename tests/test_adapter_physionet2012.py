"""The PhysioNet 2012 challenge to a CDM: on a few records, and on the 4,000 of set A."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
from cdm_folder import rows

from omopsql.harmonize.run import harmonize

CONCEPT = """\
concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code,invalid_reason
3027018,Heart rate,Measurement,LOINC,Clinical Observation,S,8867-4,
3024882,Oxygen/Total gas setting [Volume Fraction] Ventilator,Measurement,LOINC,Clinical Observation,S,19994-3,
3025315,Body weight,Measurement,LOINC,Clinical Observation,S,29463-7,
1616328,Sequential Organ Failure Assessment SOFA,Measurement,LOINC,Survey,S,96789-3,
45772969,On ventilator,Observation,SNOMED,Clinical Finding,S,704718009,
"""
RELATIONSHIP = "concept_id_1,concept_id_2,relationship_id,invalid_reason\n"
SERIES = """\
record_id,t,parameter,value
1,00:00,RecordID,1
1,00:00,Age,54
1,00:00,Gender,0
1,00:00,Height,-1
1,00:00,ICUType,4
1,00:00,Weight,-1
1,00:07,HR,73
1,07:30,FiO2,0.4
1,25:37,MechVent,1
1,47:59,Weight,80.6
1,48:00,Pulse,80
2,00:00,RecordID,2
2,00:00,Age,90
2,00:00,Gender,1
2,00:00,ICUType,2
3,00:00,RecordID,3
3,00:00,Age,40
3,00:00,Gender,-1
3,00:00,ICUType,3
"""
OUTCOMES = """\
RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death
1,6,1,5,-1,0
2,-1,-1,-1,12,1
3,20,8,30,700,0
"""


@pytest.fixture(scope="module")
def cdm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("physionet2012")
    vocabulary, source = folder / "vocabulary", folder / "source"
    for made in (vocabulary, source):
        made.mkdir()
    (vocabulary / "concept.csv").write_text(CONCEPT)
    (vocabulary / "concept_relationship.csv").write_text(RELATIONSHIP)
    (source / "set_a.csv").write_text(SERIES)
    (source / "Outcomes-a.txt").write_text(OUTCOMES)
    return harmonize("physionet2012", str(source), str(vocabulary), folder / "cdm").folder


def outcomes(cdm: Path, source_table: str) -> dict[tuple[str, str], int]:
    """(outcome, reason) -> rows, without notes."""
    found = duckdb.sql(f"FROM '{cdm}/_harmonize/report.parquet' WHERE source_table = '{source_table}'").fetchall()
    return {(outcome, reason): n for _, outcome, reason, n, _ in found if n and outcome != "note"}


def test_persons_are_born_as_many_years_before_2000_as_they_are_old(cdm):
    found = rows(cdm, "person", "person_id", "year_of_birth", "gender_concept_id")
    assert found == [(1, 1946, 8532), (2, 1910, 8507), (3, 1960, 0)]


def test_the_stay_is_as_long_as_told_and_at_least_the_record(cdm):
    found = rows(cdm, "visit_occurrence", "visit_occurrence_id", "visit_start_date", "visit_end_date")
    start = date(2000, 1, 1)
    assert found == [(1, start, date(2000, 1, 6)), (2, start, date(2000, 1, 3)), (3, start, date(2000, 1, 31))]


def test_the_stay_in_intensive_care_has_its_unit(cdm):
    joined = f"""
        SELECT visit_occurrence_id, visit_detail_source_value, care_site_name
        FROM '{cdm}/visit_detail.parquet' JOIN '{cdm}/care_site.parquet' USING (care_site_id)
        ORDER BY ALL
    """
    units = ["Surgical ICU", "Cardiac Surgery Recovery Unit", "Medical ICU"]
    assert duckdb.sql(joined).fetchall() == [(i, unit, unit) for i, unit in enumerate(units, 1)]


def test_values_have_their_moment_their_concept_and_their_unit(cdm):
    columns = ("measurement_datetime", "measurement_concept_id", "value_as_number", "unit_source_value")
    assert rows(cdm, "measurement", *columns, where="measurement_source_value <> 'SOFA'") == [
        (datetime(2000, 1, 1, 0, 7), 3027018, 73, "/min"),
        (datetime(2000, 1, 1, 7, 30), 3024882, 40, "%"),
        (datetime(2000, 1, 2, 23, 59), 3025315, 80.6, "kg"),
        (datetime(2000, 1, 3), 0, 80, None),  # a variable that the challenge does not have
    ]


def test_ventilation_is_an_observation(cdm):
    columns = ("observation_datetime", "observation_source_value")
    found = rows(cdm, "observation", *columns, where="observation_concept_id = 45772969")
    assert found == [(datetime(2000, 1, 2, 1, 37), "MechVent")]


def test_missing_values_are_set_aside_and_nothing_vanishes(cdm):
    assert outcomes(cdm, "set_a")["set aside", "missing (-1)"] == 2
    assert sum(outcomes(cdm, "set_a").values()) == len(SERIES.splitlines()) - 1
    assert sum(outcomes(cdm, "outcomes-a").values()) == 3


def test_outcomes_are_observations_and_sofa_a_measurement(cdm):
    columns = ("observation_source_value", "value_as_number")
    assert rows(cdm, "observation", *columns, where="person_id = 2") == [
        ("Age", 90),
        ("In-hospital_death", 1),
        ("Survival", 12),
    ]
    found = rows(cdm, "measurement", "person_id", "value_as_number", where="measurement_concept_id = 1616328")
    assert found == [(1, 1), (3, 8)]


def test_deaths_are_days_after_admission(cdm):
    assert rows(cdm, "death", "person_id", "death_date") == [(2, date(2000, 1, 13)), (3, date(2001, 12, 1))]


def test_set_a_comes_through_whole(data_folder: Callable[[str], Path], tmp_path: Path):
    source, vocabulary = data_folder("source/physionet2012_set_a"), data_folder("vocabulary/athena_subset")
    cdm = harmonize("physionet2012", str(source), str(vocabulary), tmp_path / "cdm").folder
    series = f"'{source}/set_a.parquet'"
    assert len(rows(cdm, "person", "1")) == len(rows(cdm, "visit_detail", "1")) == 4000
    told = outcomes(cdm, "set_a")
    assert sum(told.values()) == duckdb.sql(f"SELECT count(*) FROM {series}").fetchall()[0][0]
    assert told["set aside", "missing (-1)"] == 2220
    assert told["mapped", ""] >= 1_469_678
    urine = duckdb.sql(f"SELECT count(*), median(value) FROM {series} WHERE parameter = 'Urine'").fetchall()[0]
    made = "SELECT count(*), median(value_as_number) FROM '{}' WHERE measurement_source_value = 'Urine'"
    assert duckdb.sql(made.format(cdm / "measurement.parquet")).fetchall()[0] == urine
    assert max(rows(cdm, "measurement", "max(measurement_datetime)"))[0] == datetime(2000, 1, 3)  # 48:00
    known = f"SELECT count(*) FROM read_csv('{source}/Outcomes-a.txt') WHERE Survival >= 0"
    assert len(rows(cdm, "death", "1")) == duckdb.sql(known).fetchall()[0][0]
