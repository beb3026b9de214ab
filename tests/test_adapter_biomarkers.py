"""Any wide table and a mapping of its columns to a CDM: on tables made here, and on the breast tumours of WDBC."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest
from cdm_folder import rows

from omopsql.harmonize.run import harmonize

CONCEPT = """\
concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code,invalid_reason
3020460,C reactive protein [Mass/volume] in Serum or Plasma,Measurement,LOINC,Lab Test,S,1988-5,
3016723,Creatinine [Mass/volume] in Serum or Plasma,Measurement,LOINC,Lab Test,S,2160-0,
45884084,Positive,Meas Value,LOINC,Answer,S,LA6576-8,
4112853,Malignant tumor of breast,Condition,SNOMED,Disorder,S,254837009,
320128,Essential hypertension,Condition,SNOMED,Disorder,S,59621000,
44821949,Essential (primary) hypertension,Condition,ICD10CM,3-char billing code,,I10,
4300757,Computed tomography,Procedure,SNOMED,Procedure,S,77477000,
1147138,measurement.measurement_id,Metadata,CDM,Field,S,CDM194,
8751,milligram per liter,Unit,UCUM,Unit,S,mg/L,
"""
RELATIONSHIP = "concept_id_1,concept_id_2,relationship_id,invalid_reason\n44821949,320128,Maps to,\n"

SAMPLES = """\
Patient No,Sex,Born,Taken on,Stay,CRP (mg/L),Creatinine,HER2,Main diagnosis,Comment,Unlisted marker
P1,F,1950-04-02,2020-05-05,S1,12.5,<0.3,pos,I10,seen twice,7
P1,F,1950-04-02,2020-05-07,S1,NA,0.9,neg,X99,,8
P2,2,1961-01-30,2020-06-01,S2,3,1.1,,,,
P3,M,,2020-06-01,S3,4,1.1,,,,
P2,2,1961-01-30,yesterday,S2,3,1.1,,,,
"""
MAPPING = """\
column,role,value,vocabulary_id,code,concept_id,unit
patient no,person,,,,,
Sex,sex,,,,,
Sex,sex,2,,,8507,
Born,birth_date,,,,,
Taken on,date,,,,,
Stay,visit,,,,,
CRP (mg/L),measurement,,LOINC,1988-5,,mg/L
Creatinine,measurement,,,,3016723,mg/dL
HER2,measurement,,,,,
HER2,measurement,pos,,,45884084,
Main diagnosis,diagnosis,,ICD10CM,,,
Comment,ignore,,,,,
"""
RADIOMICS = "id,age,tumour,study,firstorder_Mean,glcm_Contrast\n1,60,M,1.2.3,0.5,12\n2,71,B,1.2.4,0.7,\n"
RADIOMICS_MAPPING = """\
column,role,value,vocabulary_id,code,concept_id,unit
id,person,,,,,
age,age,,,,,
tumour,diagnosis,M,,,4112853,
tumour,ignore,B,,,,
study,study,,,,,
*,feature,,,,,
,date,2021-03-04,,,,
,imaging,CT of the chest,SNOMED,77477000,,
"""


def made(folder: Path, table: str, mapping: str) -> Path:
    """The CDM of a wide table and a mapping, both as CSV texts."""
    vocabulary, source = folder / "vocabulary", folder / "source"
    for part in (vocabulary, source):
        part.mkdir()
    (vocabulary / "concept.csv").write_text(CONCEPT)
    (vocabulary / "concept_relationship.csv").write_text(RELATIONSHIP)
    (source / "biomarkers.csv").write_text(table)
    (source / "mapping.csv").write_text(mapping)
    return harmonize("biomarkers", str(source), str(vocabulary), folder / "cdm").folder


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("laboratory"), SAMPLES, MAPPING)


@pytest.fixture(scope="module")
def radiomics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("radiomics"), RADIOMICS, RADIOMICS_MAPPING)


def outcomes(cdm: Path, table: str = "biomarkers") -> dict[tuple[str, str], int]:
    """(outcome, reason) -> rows of the wide table, without notes."""
    found = duckdb.sql(f"FROM '{cdm}/_harmonize/report.parquet' WHERE source_table = '{table}'").fetchall()
    return {(outcome, reason): n for _, outcome, reason, n, _ in found if n and outcome != "note"}


def test_a_person_has_one_row_and_the_sex_that_the_mapping_tells(laboratory):
    found = rows(laboratory, "person", "person_source_value", "year_of_birth", "month_of_birth", "gender_concept_id")
    assert found == [("P1", 1950, 4, 8532), ("P2", 1961, 1, 8507)]


def test_a_visit_lasts_from_its_first_sample_to_its_last(laboratory):
    columns = ("visit_source_value", "visit_start_date", "visit_end_date")
    found = rows(laboratory, "visit_occurrence", *columns, where="visit_source_value = 'S1'")
    assert found == [("S1", date(2020, 5, 5), date(2020, 5, 7))]


def test_each_filled_cell_is_a_measurement_of_its_concept(laboratory):
    columns = ("measurement_source_value", "measurement_concept_id", "value_as_number", "unit_concept_id")
    assert rows(laboratory, "measurement", *columns, where="measurement_source_value ILIKE 'crp%'") == [
        ("CRP (mg/L)", 3020460, 3, 8751),
        ("CRP (mg/L)", 3020460, 12.5, 8751),
    ]


def test_a_limit_is_a_number_with_an_operator(laboratory):
    columns = ("measurement_concept_id", "operator_concept_id", "value_as_number", "value_source_value")
    found = rows(laboratory, "measurement", *columns, where="value_source_value LIKE '<%'")
    assert found == [(3016723, 4171756, 0.3, "<0.3")]


def test_a_text_has_the_concept_that_the_mapping_gives_it(laboratory):
    columns = ("value_source_value", "value_as_concept_id", "value_as_number")
    found = rows(laboratory, "measurement", *columns, where="measurement_source_value = 'HER2'")
    assert [row for row in found if row[0] == "pos"] == [("pos", 45884084, None)]
    assert [row[1] for row in found if row[0] == "neg"] in ([None], [0])


def test_a_column_of_codes_gives_diagnoses(laboratory):
    found = rows(laboratory, "condition_occurrence", "condition_concept_id", "condition_start_date")
    assert found == [(0, date(2020, 5, 7)), (320128, date(2020, 5, 5))]


def test_a_column_that_the_mapping_leaves_out_is_kept_and_an_ignored_one_is_not(laboratory):
    columns = ("measurement_source_value", "measurement_concept_id", "value_as_number")
    found = rows(
        laboratory, "measurement", *columns, where="measurement_source_value IN ('Unlisted marker', 'Comment')"
    )
    assert found == [("Unlisted marker", 0, 7), ("Unlisted marker", 0, 8)]


def test_rows_without_a_date_or_a_year_of_birth_are_set_aside(laboratory):
    told = outcomes(laboratory)
    assert sum(told.values()) == 5
    assert told["mapped", ""] == 3
    assert {reason for outcome, reason in told if outcome == "set aside"} == {
        "measurement_date is no date",
        "no year of birth: no role birth_year, birth_date or age",
    }


def test_every_other_column_is_a_feature_of_the_image(radiomics):
    joined = f"""
        SELECT person_source_value, measurement_source_value, value_as_number, image_study_uid, procedure_concept_id
        FROM '{radiomics}/image_feature.parquet' AS feature
        JOIN '{radiomics}/measurement.parquet' ON image_feature_event_id = measurement_id
        JOIN '{radiomics}/image_occurrence.parquet' AS image USING (image_occurrence_id)
        JOIN '{radiomics}/procedure_occurrence.parquet' USING (procedure_occurrence_id)
        JOIN '{radiomics}/person.parquet' AS person ON person.person_id = feature.person_id
        WHERE image_feature_event_field_concept_id = 1147138
        ORDER BY ALL
    """
    assert duckdb.sql(joined).fetchall() == [
        ("1", "firstorder_Mean", 0.5, "1.2.3", 4300757),
        ("1", "glcm_Contrast", 12, "1.2.3", 4300757),
        ("2", "firstorder_Mean", 0.7, "1.2.4", 4300757),
    ]


def test_what_no_column_tells_is_told_for_every_row(radiomics):
    assert rows(radiomics, "person", "year_of_birth") == [(1950,), (1961,)]
    assert set(rows(radiomics, "measurement", "measurement_date")) == {(date(2021, 3, 4),)}


def test_a_value_means_a_diagnosis_or_none(radiomics):
    assert rows(radiomics, "condition_occurrence", "condition_concept_id") == [(4112853,)]


def test_the_tumours_of_wdbc(data_folder: Callable[[str], Path], tmp_path: Path):
    source = tmp_path / "wdbc"
    source.mkdir()
    wide = data_folder("tabular") / "wdbc.csv"
    shutil.copy(wide, source)
    (source / "mapping.csv").write_text(
        "column,role,value,vocabulary_id,code,concept_id\n"
        ",date,1995-01-01,,,\n"
        ",birth_year,1940,,,\n"
        ",imaging,fine needle aspirate,SNOMED,48635004,\n"
        "target,diagnosis,0,,,4112853\n"
        "target,diagnosis,1,,,72576\n"
        "*,feature,,,,\n"
    )
    vocabulary = data_folder("vocabulary/athena_subset")
    cdm = harmonize("biomarkers", str(source), str(vocabulary), tmp_path / "cdm").folder
    assert outcomes(cdm, "wdbc") == {("mapped", ""): 569}
    diagnoses = duckdb.sql(
        f"SELECT condition_concept_id, count(*) FROM '{cdm}/condition_occurrence.parquet' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert diagnoses == [(72576, 357), (4112853, 212)]
    made_of = duckdb.sql(
        f"""SELECT count(*), avg(value_as_number) FROM '{cdm}/measurement.parquet'
        WHERE measurement_source_value = 'mean radius'"""
    ).fetchall()[0]
    told = duckdb.sql(f"SELECT count(*), avg(\"mean radius\") FROM '{wide}'").fetchall()[0]
    assert made_of == pytest.approx(told)
    assert len(rows(cdm, "image_feature", "1")) == 569 * 30
