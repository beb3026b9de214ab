"""A clinic of a few patients with an adapter and a vocabulary, as files: what the tests of harmonizing run on."""

from __future__ import annotations

from pathlib import Path

CONCEPT = """\
concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code,invalid_reason
201826,Type 2 diabetes mellitus,Condition,SNOMED,Disorder,S,44054006,
45763582,E11.9 source,Condition,ICD10CM,5-char,,E11.9,
4214956,History of clinical finding,Observation,SNOMED,Context,S,417662000,
1572190,Z87 source,Observation,ICD10CM,3-char,,Z87,
3004410,Hemoglobin A1c,Measurement,LOINC,Lab Test,S,4548-4,
8554,percent,Unit,UCUM,Unit,S,%,
1503297,metformin,Drug,RxNorm,Ingredient,S,6809,
40163924,metformin 500 MG Oral Tablet,Drug,RxNorm,Clinical Drug,S,860975,
44000001,metformin package,Drug,NDC,11-digit NDC,,00093104801,
4181412,Positive,Meas Value,SNOMED,Qualifier,S,10828004,
3000963,Hemoglobin,Measurement,LOINC,Lab Test,S,718-7,
35206881,Old code,Condition,ICD10CM,3-char,,I99,D
35206882,New code,Condition,ICD10CM,3-char,,I98,
316139,Heart failure,Condition,SNOMED,Disorder,S,84114007,
35206883,Two things,Condition,ICD10CM,3-char,,T22,
"""
RELATIONSHIP = """\
concept_id_1,concept_id_2,relationship_id,invalid_reason
45763582,201826,Maps to,
1572190,4214956,Maps to,
44000001,40163924,Maps to,
201826,201826,Maps to,
35206881,35206882,Concept replaced by,
35206882,316139,Maps to,
35206883,201826,Maps to,
35206883,316139,Maps to,
"""
ANCESTOR = """\
ancestor_concept_id,descendant_concept_id,min_levels_of_separation,max_levels_of_separation
1503297,40163924,2,2
1503297,1503297,0,0
40163924,40163924,0,0
"""

PATIENTS = """\
patient_no,sex,born,died
A1,F,1950-03-02,
B2,M,1961-07-15,2020-05-05
A1,F,1950-03-02,
,M,1970-01-01,
C3,M,unknown,
"""
STAYS = """\
stay_no,patient_no,admitted,discharged
10,A1,2019-01-01,2019-01-05
11,B2,2020-05-01,2020-05-05
12,Z9,2020-01-01,2020-01-02
13,A1,2019-03-05,2019-03-01
"""
DIAGNOSES = """\
patient_no,stay_no,icd_code,coded_on
A1,10, e119 ,2019-01-02
A1,10,Z87,2019-01-02
B2,11,X99,2020-05-02
B2,11,E11.9,2020-02-30
B2,99,I99,2020-05-02
A1,10,T22,2019-01-03
B2,11,LOCAL,2020-05-03
"""
LABORATORY = """\
patient_no,loinc,value,unit,taken
A1,4548-4,7.9,%,2019-01-02 08:30:00
A1,4548-4,haemolysed,%,2019-01-03 08:30:00
B2,718-7,13.1,g/dl,2020-05-02 07:00:00
"""
DRUGS = """\
patient_no,ndc,given,days
A1,0093-1048-01,2019-01-02,30
A1,0093104801,2019-02-20,30
A1,00093104801,2019-06-01,
"""

ADAPTER = {
    "person.sql": """\
-- Patients of the clinic.
-- @reads patients (patient_no, sex, born, died)
SELECT source_row, patient_no AS person_id, patient_no AS person_source_value, born AS birth_datetime,
    CASE sex WHEN 'F' THEN 8532 WHEN 'M' THEN 8507 ELSE 0 END AS gender_concept_id, sex AS gender_source_value
FROM patients
""",
    "death.sql": """\
-- Deaths.
-- @reads patients (patient_no, died)
SELECT source_row, patient_no AS person_id, died AS death_date FROM patients WHERE died IS NOT NULL
""",
    "visit_occurrence.sql": """\
-- Stays.
-- @reads stays (stay_no, patient_no, admitted, discharged)
SELECT source_row, stay_no AS visit_occurrence_id, patient_no AS person_id, 9201 AS visit_concept_id,
    admitted AS visit_start_date, discharged AS visit_end_date, stay_no AS visit_source_value
FROM stays
""",
    "condition_occurrence.sql": """\
-- Diagnoses.
-- @reads diagnoses (patient_no, stay_no, icd_code, coded_on, kind?)
SELECT source_row, patient_no AS person_id, stay_no AS visit_occurrence_id, icd_code AS condition_source_value,
    'ICD10CM' AS source_vocabulary_id, coded_on AS condition_start_date, kind AS condition_status_source_value
FROM diagnoses
""",
    "measurement.sql": """\
-- Laboratory values.
-- @reads laboratory (patient_no, loinc, value, unit, taken)
SELECT source_row, patient_no AS person_id, loinc AS measurement_source_value, 'LOINC' AS source_vocabulary_id,
    TRY_CAST(value AS DOUBLE) AS value_as_number, value AS value_source_value, unit AS unit_source_value,
    taken AS measurement_datetime
FROM laboratory
""",
    "drug_exposure.sql": """\
-- Drugs given.
-- @reads drugs? (patient_no, ndc, given, days)
SELECT source_row, patient_no AS person_id, ndc AS drug_source_value, 'NDC' AS source_vocabulary_id,
    given AS drug_exposure_start_date, days AS days_supply
FROM drugs
""",
    "source_to_concept_map.csv": """\
source_code,source_vocabulary_id,target_concept_id
LOCAL,ICD10CM,316139
""",
}
EXTRACTS = {
    "patients.csv": PATIENTS,
    "stays.csv": STAYS,
    "diagnoses.csv": DIAGNOSES,
    "laboratory.csv": LABORATORY,
    "drugs.csv": DRUGS,
}
VOCABULARY = {"concept.csv": CONCEPT, "concept_relationship.csv": RELATIONSHIP, "concept_ancestor.csv": ANCESTOR}


def write(folder: Path, files: dict[str, str]) -> str:
    """Write texts as the files of a folder; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder)


def write_clinic(folder: Path) -> tuple[str, str, str]:
    """Write all three folders: the adapter, the extracts and the vocabulary."""
    return (
        write(folder / "clinic", ADAPTER),
        write(folder / "extracts", EXTRACTS),
        write(folder / "vocabulary", VOCABULARY),
    )
