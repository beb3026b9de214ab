"""MIMIC-III to a CDM: on a few patients in the release's shape, CSV with names in capitals, and on the demo."""

# ruff: noqa: E501 (the rows of the release are long)

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
320128,Essential hypertension,Condition,SNOMED,Disorder,S,59621000,
44821949,Unspecified essential hypertension,Condition,ICD9CM,4-dig billing code,,401.9,
3027018,Heart rate,Measurement,LOINC,Clinical Observation,S,8867-4,
3004249,Systolic blood pressure,Measurement,LOINC,Clinical Observation,S,8480-6,
3020891,Body temperature,Measurement,LOINC,Clinical Observation,S,8310-5,
3024882,Oxygen/Total gas setting [Volume Fraction] Ventilator,Measurement,LOINC,Clinical Observation,S,19994-3,
3016723,Creatinine [Mass/volume] in Serum or Plasma,Measurement,LOINC,Lab Test,S,2160-0,
3023368,Bacteria identified in Blood by Culture,Measurement,LOINC,Lab Test,S,600-7,
956874,furosemide,Drug,RxNorm,Ingredient,S,4603,
4171047,Intravenous,Route,SNOMED,Qualifier,S,255560000,
4132161,Oral,Route,SNOMED,Qualifier,S,26643006,
45884084,Positive,Meas Value,LOINC,Answer,S,LA6576-8,
8876,millimeter mercury column,Unit,UCUM,Unit,S,mm[Hg],
"""
RELATIONSHIP = """\
concept_id_1,concept_id_2,relationship_id,invalid_reason
44821949,320128,Maps to,
"""
SOURCE = {
    "PATIENTS": """\
ROW_ID,SUBJECT_ID,GENDER,DOB,DOD,DOD_HOSP,DOD_SSN,EXPIRE_FLAG
1,10,F,2075-03-13 00:00:00,2131-01-05 00:00:00,2131-01-05 00:00:00,,1
2,11,M,1844-07-18 00:00:00,2150-02-01 00:00:00,,2150-02-01 00:00:00,1
3,12,,2100-05-05 00:00:00,,,,0
""",
    "ADMISSIONS": """\
ROW_ID,SUBJECT_ID,HADM_ID,ADMITTIME,DISCHTIME,DEATHTIME,ADMISSION_TYPE,ADMISSION_LOCATION,DISCHARGE_LOCATION,INSURANCE,LANGUAGE,RELIGION,MARITAL_STATUS,ETHNICITY,EDREGTIME,EDOUTTIME,DIAGNOSIS
1,10,100,2131-01-01 10:00:00,2131-01-05 09:00:00,2131-01-05 09:00:00,EMERGENCY,EMERGENCY ROOM ADMIT,DEAD/EXPIRED,Medicare,,CATHOLIC,MARRIED,UNKNOWN/NOT SPECIFIED,2130-12-31 23:30:00,2131-01-01 10:00:00,SEPSIS
2,10,101,2130-01-01 10:00:00,2130-01-03 09:00:00,,ELECTIVE,PHYS REFERRAL/NORMAL DELI,HOME,Private,ENGL,CATHOLIC,MARRIED,BLACK/AFRICAN AMERICAN,,,
3,11,102,2144-07-20 10:00:00,2144-07-30 09:00:00,,URGENT,TRANSFER FROM HOSP/EXTRAM,SNF,Medicare,,,,HISPANIC OR LATINO,,,FALL
""",
    "TRANSFERS": """\
ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,EVENTTYPE,CURR_CAREUNIT,CURR_WARDID,INTIME,OUTTIME
1,10,100,900,admit,MICU,23,2131-01-01 10:00:00,2131-01-04 10:00:00
2,10,100,,transfer,,7,2131-01-04 10:00:00,2131-01-05 09:00:00
3,10,100,,discharge,,,2131-01-05 09:00:00,
""",
    "ICUSTAYS": """\
ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,FIRST_CAREUNIT,FIRST_WARDID,INTIME,OUTTIME
1,10,100,900,MICU,23,2131-01-01 10:00:00,2131-01-04 10:00:00
""",
    "CAREGIVERS": "ROW_ID,CGID,LABEL,DESCRIPTION\n1,500,MD,Attending\n2,501,RN,\n",
    "DIAGNOSES_ICD": "ROW_ID,SUBJECT_ID,HADM_ID,SEQ_NUM,ICD9_CODE\n1,10,100,1,4019\n2,10,100,2,XYZ\n3,10,100,3,\n",
    "D_ITEMS": """\
ROW_ID,ITEMID,LABEL
1,220045,Heart Rate
2,51,Arterial BP [Systolic]
3,223835,Inspired O2 Fraction
4,223761,Temperature Fahrenheit
5,212,Heart Rhythm
6,221794,Furosemide (Lasix)
""",
    "D_LABITEMS": "ROW_ID,ITEMID,LABEL,FLUID,LOINC_CODE\n1,50912,Creatinine,Blood,2160-0\n2,50800,SPECIMEN TYPE,BLOOD,\n",
    "CHARTEVENTS": """\
ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,ITEMID,CHARTTIME,CGID,VALUE,VALUENUM,VALUEUOM,ERROR
1,10,100,900,220045,2131-01-01 11:00:00,501,84,84,bpm,0
2,10,100,900,51,2131-01-01 11:00:00,501,118,118,mmHg,
3,10,100,900,223835,2131-01-01 11:00:00,501,0.5,0.5,torr,0
4,10,100,900,223835,2131-01-01 12:00:00,501,60,60,,0
5,10,100,900,223761,2131-01-01 12:00:00,501,98.2,98.2,?F,0
6,10,100,900,212,2131-01-01 12:00:00,999,SR (Sinus Rhythm),,,0
7,10,100,900,220045,2131-01-01 13:00:00,501,8400,8400,bpm,1
8,99,100,900,220045,2131-01-01 13:00:00,501,84,84,bpm,0
""",
    "LABEVENTS": """\
ROW_ID,SUBJECT_ID,HADM_ID,ITEMID,CHARTTIME,VALUE,VALUENUM,VALUEUOM,FLAG
1,10,100,50912,2131-01-01 11:00:00,1.4,1.4,mg/dL,abnormal
2,10,,50912,2131-01-02 11:00:00,<0.2,,mg/dL,
3,10,100,50912,2131-01-03 11:00:00,>=25,,mg/dL,
4,10,100,50800,2131-01-03 11:00:00,ART,,,
5,10,100,50912,2131-01-04 11:00:00,POS,,,
""",
    "PRESCRIPTIONS": """\
ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,STARTDATE,ENDDATE,DRUG,NDC,DOSE_VAL_RX,DOSE_UNIT_RX,ROUTE
1,10,100,900,2131-01-02 00:00:00,2131-01-03 00:00:00,Furosemide,0,40,mg,IV
2,10,100,900,2131-01-02 00:00:00,2131-01-03 00:00:00,Aspirin,00904404073,81,mg,PO
3,10,100,900,2131-01-03 00:00:00,2131-01-02 00:00:00,Aspirin,00904404073,81,mg,PO
""",
    "INPUTEVENTS_MV": """\
ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,STARTTIME,ENDTIME,ITEMID,AMOUNT,AMOUNTUOM,RATE,RATEUOM,CGID,ORDERCATEGORYDESCRIPTION,STATUSDESCRIPTION
1,10,100,900,2131-01-02 01:00:00,2131-01-02 03:00:00,221794,20,mg,10,mg/hour,501,Continuous Med,FinishedRunning
2,10,100,900,2131-01-02 01:00:00,2131-01-02 03:00:00,221794,20,mg,10,mg/hour,501,Continuous Med,Rewritten
""",
    "MICROBIOLOGYEVENTS": """\
ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE,CHARTTIME,SPEC_ITEMID,SPEC_TYPE_DESC,ORG_ITEMID,ORG_NAME,ISOLATE_NUM,AB_ITEMID,AB_NAME,DILUTION_TEXT,DILUTION_COMPARISON,DILUTION_VALUE,INTERPRETATION
1,10,100,2131-01-01 00:00:00,2131-01-01 11:00:00,70012,BLOOD CULTURE,80002,ESCHERICHIA COLI,1,90019,CIPROFLOXACIN,=>4,=>,4,R
2,10,100,2131-01-01 00:00:00,2131-01-01 11:00:00,70012,BLOOD CULTURE,80002,ESCHERICHIA COLI,1,90012,GENTAMICIN,<=1,<=,1,S
3,10,100,2131-01-02 00:00:00,,70012,BLOOD CULTURE,,,,,,,,,
4,10,100,2131-01-02 00:00:00,,70012,BLOOD CULTURE,,,,,,,,,
""",
    "NOTEEVENTS": """\
ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE,CHARTTIME,CGID,CATEGORY,DESCRIPTION,ISERROR,TEXT
1,10,100,2131-01-05,,500,Discharge summary,Report,,"Admitted with sepsis.
Died."
""",
    "CALLOUT": "ROW_ID,SUBJECT_ID\n1,10\n",
}


@pytest.fixture(scope="module")
def cdm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mimic3")
    vocabulary, source = folder / "vocabulary", folder / "source"
    for made in (vocabulary, source):
        made.mkdir()
    (vocabulary / "concept.csv").write_text(CONCEPT)
    (vocabulary / "concept_relationship.csv").write_text(RELATIONSHIP)
    for name, text in SOURCE.items():
        (source / f"{name}.csv").write_text(text)
    return harmonize("mimic3", str(source), str(vocabulary), folder / "cdm").folder


def outcomes(cdm: Path, source_table: str) -> dict[tuple[str, str], int]:
    """(outcome, reason) -> rows."""
    found = duckdb.sql(f"FROM '{cdm}/_harmonize/report.parquet' WHERE source_table = '{source_table}'").fetchall()
    return {(outcome, reason): n for _, outcome, reason, n, _ in found if n}


def accounted(cdm: Path) -> dict[str, int]:
    report = f"FROM '{cdm}/_harmonize/report.parquet' WHERE outcome <> 'note' GROUP BY ALL"
    return dict(duckdb.sql(f"SELECT source_table, sum(rows)::BIGINT {report}").fetchall())


def test_persons_with_a_hidden_age_are_91_at_their_first_admission(cdm):
    found = rows(cdm, "person", "person_id", "gender_concept_id", "year_of_birth", "month_of_birth")
    assert found == [(10, 8532, 2075, 3), (11, 8507, 2053, None), (12, 0, 2100, 5)]


def test_race_and_ethnicity_are_those_of_the_first_admission_that_tells_them(cdm):
    found = rows(cdm, "person", "person_id", "race_concept_id", "ethnicity_concept_id")
    assert found == [(10, 8516, 0), (11, 0, 38003563), (12, 0, 0)]


def test_an_admission_through_the_emergency_department_begins_there(cdm):
    columns = ("visit_occurrence_id", "visit_concept_id", "visit_start_datetime", "preceding_visit_occurrence_id")
    assert rows(cdm, "visit_occurrence", *columns) == [
        (100, 262, datetime(2130, 12, 31, 23, 30), 101),
        (101, 9201, datetime(2130, 1, 1, 10), None),
        (102, 9201, datetime(2144, 7, 20, 10), None),
    ]


def test_deaths_have_the_moment_where_the_hospital_tells_it(cdm):
    found = rows(cdm, "death", "person_id", "death_datetime", "death_type_concept_id")
    assert found == [(10, datetime(2131, 1, 5, 9), 32817), (11, datetime(2150, 2, 1), 32885)]


def test_wards_in_intensive_care_belong_to_the_stay_there(cdm):
    joined = f"""
        SELECT inner_stay.visit_detail_source_value, outer_stay.visit_detail_source_value, care_site_name
        FROM '{cdm}/visit_detail.parquet' AS inner_stay
        LEFT JOIN '{cdm}/visit_detail.parquet' AS outer_stay
            ON inner_stay.parent_visit_detail_id = outer_stay.visit_detail_id
        JOIN '{cdm}/care_site.parquet' AS care_site ON inner_stay.care_site_id = care_site.care_site_id
        ORDER BY ALL
    """
    assert duckdb.sql(joined).fetchall() == [
        ("MICU", "MICU", "MICU, ward 23"),
        ("MICU", None, "MICU, ward 23"),
        ("ward 7", None, "ward 7"),
    ]


def test_diagnoses_have_their_place_among_those_of_the_stay(cdm):
    columns = ("condition_source_value", "condition_concept_id", "condition_status_concept_id", "condition_start_date")
    coded = rows(cdm, "condition_occurrence", *columns, where="condition_type_concept_id = 32821")
    assert coded == [("4019", 320128, 32903, date(2131, 1, 1)), ("XYZ", 0, 32909, date(2131, 1, 1))]
    assert outcomes(cdm, "diagnoses_icd")["set aside", "no code"] == 1


def test_the_diagnosis_on_admission_is_kept_as_text(cdm):
    columns = ("visit_occurrence_id", "condition_source_value", "condition_concept_id")
    found = rows(cdm, "condition_occurrence", *columns, where="condition_type_concept_id = 32819")
    assert found == [(100, "SEPSIS", 0), (102, "FALL", 0)]


def test_charted_items_have_the_concept_of_what_they_measure(cdm):
    columns = ("measurement_source_value", "measurement_concept_id", "value_as_number", "value_source_value")
    assert rows(cdm, "measurement", *columns, where="visit_detail_id IS NOT NULL") == [
        ("Arterial BP [Systolic]", 3004249, 118, "118"),
        ("Heart Rate", 3027018, 84, "84"),
        ("Heart Rhythm", 0, None, "SR (Sinus Rhythm)"),
        ("Inspired O2 Fraction", 3024882, 50, "0.5"),  # all in percent
        ("Inspired O2 Fraction", 3024882, 60, "60"),
        ("Temperature Fahrenheit", 3020891, 98.2, "98.2"),
    ]


def test_charted_errors_and_unknown_patients_are_set_aside(cdm):
    assert outcomes(cdm, "chartevents") == {
        ("mapped", ""): 5,
        ("unmapped", "no standard concept for its code"): 1,
        ("set aside", "marked as an error in the chart"): 1,
        ("set aside", "unknown person"): 1,
        ("note", "code not in the vocabulary MIMIC-III item"): 1,
    }


def test_units_lead_to_ucum(cdm):
    found = rows(cdm, "measurement", "unit_source_value", "unit_concept_id", where="measurement_concept_id = 3004249")
    assert found == [("mmHg", 8876)]
    assert rows(cdm, "measurement", "unit_source_value", where="measurement_concept_id = 3020891") == [("°F",)]


def test_limits_of_laboratory_values_become_a_number_and_an_operator(cdm):
    columns = ("value_source_value", "value_as_number", "operator_concept_id", "value_as_concept_id")
    assert set(rows(cdm, "measurement", *columns, where="measurement_concept_id = 3016723")) == {
        ("1.4", 1.4, None, None),
        ("<0.2", 0.2, 4171756, None),
        (">=25", 25, 4171755, None),
        ("POS", None, None, 45884084),
    }


def test_a_prescription_without_ndc_is_mapped_by_its_name(cdm):
    columns = ("drug_source_value", "drug_concept_id", "route_concept_id", "sig", "drug_exposure_end_date")
    found = rows(cdm, "drug_exposure", *columns, where="drug_type_concept_id = 32838")
    assert found == [
        ("Aspirin", 0, 4132161, "81 mg", date(2131, 1, 3)),
        ("Furosemide", 956874, 4171047, "40 mg", date(2131, 1, 3)),
    ]


def test_a_rewritten_infusion_is_set_aside(cdm):
    columns = ("drug_concept_id", "quantity", "sig", "drug_exposure_end_datetime")
    found = rows(cdm, "drug_exposure", *columns, where="drug_type_concept_id = 32818")
    assert found == [(956874, 20, "10 mg/hour", datetime(2131, 1, 2, 3))]
    assert outcomes(cdm, "inputevents_mv")["set aside", "rewritten: another row stands in its place"] == 1


def test_a_culture_names_its_organism_once_and_each_antibiotic(cdm):
    columns = ("measurement_source_value", "measurement_concept_id", "value_source_value", "operator_concept_id")
    found = rows(cdm, "measurement", *columns, where="regexp_matches(measurement_source_value, 'CULTURE|COLI')")
    assert sorted(found, key=str) == sorted(
        [
            ("BLOOD CULTURE", 3023368, "ESCHERICHIA COLI", None),
            ("BLOOD CULTURE", 3023368, None, None),
            ("BLOOD CULTURE", 3023368, None, None),
            ("CIPROFLOXACIN, ESCHERICHIA COLI", 0, "R", 4171755),
            ("GENTAMICIN, ESCHERICHIA COLI", 0, "S", 4171754),
        ],
        key=str,
    )
    assert rows(cdm, "specimen", "specimen_date") == [(date(2131, 1, 1),), (date(2131, 1, 2),)]


def test_what_an_admission_tells_of_the_person_is_an_observation(cdm):
    found = rows(cdm, "observation", "observation_source_value", "value_as_string", where="visit_occurrence_id = 100")
    assert found == [("insurance", "Medicare"), ("marital_status", "MARRIED"), ("religion", "CATHOLIC")]


def test_notes_are_read_where_the_release_has_them(cdm):
    assert rows(cdm, "note", "note_source_value", "note_text") == [
        ("Discharge summary", "Admitted with sepsis.\nDied.")
    ]


def test_a_caregiver_whom_nobody_defines_is_left_out_of_the_row(cdm):
    found = rows(cdm, "measurement", "provider_id", where="measurement_source_value = 'Heart Rhythm'")
    assert found == [(None,)]


def test_nothing_vanishes(cdm):
    expected = {name.lower(): int(duckdb.sql(f"SELECT count(*) FROM read_csv('{cdm.parent}/source/{name}.csv')")
                                  .fetchall()[0][0]) for name in SOURCE}  # fmt: skip
    assert accounted(cdm) == expected


@pytest.fixture(scope="module")
def demo_of() -> dict[str, Path]:
    return {}


@pytest.fixture
def demo(
    data_folder: Callable[[str], Path], demo_of: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The demo as a CDM, made once."""
    source, vocabulary = data_folder("source/mimic3_demo"), data_folder("vocabulary/athena_subset")
    if "cdm" not in demo_of:
        folder = tmp_path_factory.mktemp("demo")
        demo_of["cdm"] = harmonize("mimic3", str(source), str(vocabulary), folder / "cdm").folder
    return demo_of["cdm"]


def test_every_row_of_the_demo_is_accounted_for(demo, data_folder):
    source = data_folder("source/mimic3_demo")
    found = accounted(demo)
    for file in sorted(source.glob("*.parquet")):
        count = duckdb.sql(f"SELECT count(*) FROM '{file}'").fetchall()[0][0]
        assert found[file.stem] == count, file.stem


def test_the_demo_keeps_its_patients_stays_and_charted_values(demo):
    counts = {table: len(rows(demo, table, "1")) for table in ("person", "visit_occurrence", "visit_detail", "death")}
    assert counts == {"person": 100, "visit_occurrence": 129, "visit_detail": 531, "death": 100}
    assert outcomes(demo, "chartevents")["set aside", "marked as an error in the chart"] == 648
    charted = outcomes(demo, "chartevents")
    assert charted["mapped", ""] + charted["unmapped", "no standard concept for its code"] == 758355 - 648


def test_half_of_the_laboratory_values_of_the_demo_map_with_the_small_vocabulary(demo):
    assert outcomes(demo, "labevents")["mapped", ""] >= 47927
    assert outcomes(demo, "chartevents")["mapped", ""] >= 136782


def test_vital_signs_of_the_demo_are_plausible(demo, data_folder):
    vocabulary = data_folder("vocabulary/athena_subset")
    medians = dict(
        duckdb.sql(f"""
        SELECT concept_name, median(value_as_number)
        FROM '{demo}/measurement.parquet'
        JOIN '{vocabulary}/concept.parquet' ON measurement_concept_id = concept_id
        WHERE visit_detail_id IS NOT NULL
        GROUP BY ALL
    """).fetchall()
    )
    assert 80 < medians["Heart rate"] < 95
    assert 105 < medians["Systolic blood pressure"] < 125
    assert 50 < medians["Diastolic blood pressure"] < 65
    assert 35 < medians["Oxygen/Total gas setting [Volume Fraction] Ventilator"] < 60


def test_ages_in_the_demo_are_those_of_people(demo):
    ages = duckdb.sql(f"""
        SELECT min(year(visit_start_date) - year_of_birth), max(year(visit_start_date) - year_of_birth)
        FROM '{demo}/visit_occurrence.parquet' JOIN '{demo}/person.parquet' USING (person_id)
    """).fetchall()[0]
    assert ages[0] >= 15 and ages[1] <= 96
