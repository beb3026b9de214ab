"""FHIR: how its files become tables, and what the adapter fhir_r4 makes of their resources."""

from __future__ import annotations

import base64
import datetime
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from omopsql.errors import OmopsqlError
from omopsql.harmonize.fhir import create_fhir_tables, is_fhir
from omopsql.harmonize.run import harmonize

SNOMED, LOINC, RXNORM = "http://snomed.info/sct", "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
_MANY = b"".join(b'{"resourceType":"Patient","id":"%d"}\n' % (i * 7919 % 10007) for i in range(5000))
CONCEPT = """\
concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code,invalid_reason
201826,Type 2 diabetes mellitus,Condition,SNOMED,Disorder,S,44054006,
4102123,Allergy to latex,Observation,SNOMED,Disorder,S,300916003,
4144272,Never smoked tobacco,Observation,SNOMED,Finding,S,266919005,
4047494,Biopsy of breast,Procedure,SNOMED,Procedure,S,122548005,
439224,Allergy to drug,Observation,SNOMED,Disorder,S,416098002,
3004249,Systolic blood pressure,Measurement,LOINC,Clinical Observation,S,8480-6,
3012888,Diastolic blood pressure,Measurement,LOINC,Clinical Observation,S,8462-4,
3019550,Sodium,Measurement,LOINC,Lab Test,S,2947-0,
43054909,Tobacco smoking status,Observation,LOINC,Clinical Observation,S,72166-2,
3049187,Basic metabolic panel,Measurement,LOINC,Lab Test,S,51990-0,
40213154,Influenza vaccine,Drug,CVX,CVX,S,140,
1503297,metformin,Drug,RxNorm,Ingredient,S,6809,
1728416,penicillin G,Drug,RxNorm,Ingredient,S,7980,
8876,millimeter mercury column,Unit,UCUM,Unit,S,mm[Hg],
"""


def concept(system: str, code: str, display: str | None = None, **more: Any) -> dict[str, Any]:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]} | more


def bundle(*resources: dict[str, Any]) -> str:
    """A bundle of resources."""
    entries = [{"fullUrl": f"urn:uuid:{r.get('id', 'x')}", "resource": r} for r in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}, ensure_ascii=False, indent=1)


def of(kind: str, key: str, patient: str = "urn:uuid:p1", **more: Any) -> dict[str, Any]:
    """A resource about a patient."""
    owner = "patient" if kind in ("AllergyIntolerance", "Immunization") else "subject"
    return {"resourceType": kind, "id": key, owner: {"reference": patient}, **more}


def observation(key: str, **more: Any) -> dict[str, Any]:
    """A final laboratory result of the first of May 2020."""
    given = {
        "status": "final",
        "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")],
        "code": concept(LOINC, "2947-0", "Sodium"),
        "effectiveDateTime": "2020-05-01T23:30:00-05:00",
    }
    return of("Observation", key, **{**given, **more})


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Çelik", "given": ["Zoë"]}],
    "gender": "female",
    "birthDate": "1960-02-29",
    "address": [{"use": "old", "city": "Würzburg"}, {"use": "home", "line": ["1 Main"], "city": "Łódź", "state": "MA"}],
    "extension": [
        {
            "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
            "extension": [{"url": "ombCategory", "valueCoding": {"code": "2106-3"}}],
        },
        {
            "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
            "extension": [{"url": "ombCategory", "valueCoding": {"code": "2186-5"}}],
        },
    ],
    "deceasedDateTime": "2021-06",
}
STAY = of(
    "Encounter", "stay", status="finished", **{"class": {"code": "IMP"}},
    period={"start": "2020-05-01T08:00:00Z", "end": "2020-05-04T10:00:00Z"},
)  # fmt: skip


@pytest.fixture
def stage(con: duckdb.DuckDBPyConnection) -> Callable[..., list[str]]:
    """Make the tables of some files in the schema ``stage``."""
    con.execute("CREATE SCHEMA stage")
    return lambda *files: create_fhir_tables(con, "stage", list(files))


@pytest.fixture
def cdm(tmp_path: Path) -> Callable[..., Callable[..., list[tuple[Any, ...]]]]:
    """Harmonize a bundle of resources; the answer reads columns of the CDM's tables, sorted."""

    def run(*resources: dict[str, Any]) -> Callable[..., list[tuple[Any, ...]]]:
        for name, text in {
            "source/patients.json": bundle(*resources),
            "vocabulary/concept.csv": CONCEPT,
            "vocabulary/concept_relationship.csv": "concept_id_1,concept_id_2,relationship_id,invalid_reason\n",
        }.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        made = harmonize("fhir_r4", str(tmp_path / "source"), str(tmp_path / "vocabulary"), tmp_path / "cdm")

        def read(table: str, *columns: str) -> list[tuple[Any, ...]]:
            if table == "report":
                return [
                    line[:4]
                    for line in zip(*(c.to_pylist() for c in made.report.columns), strict=True)
                    if line[1] != "note"
                ]
            found = f"SELECT {', '.join(columns)} FROM '{made.folder}/{table}.parquet' ORDER BY ALL"
            return duckdb.sql(found).fetchall()

        return read

    return run


# The files


def test_bundles_and_bulk_exports_become_tables_by_type(con, stage, tmp_path):
    (tmp_path / "b [1].json").write_text(bundle({"resourceType": "Patient", "id": "Zoë"}, STAY), encoding="utf-8")
    (tmp_path / "a.ndjson").write_text('{"resourceType":"Patient","id":"1"}\n{"resourceType":"Patient","id":"2"}\n')
    with gzip.open(tmp_path / "c.json.gz", "wt") as file:
        file.write(bundle({"resourceType": "Patient", "id": "last"}))
    made = stage(*(tmp_path / name for name in ("c.json.gz", "b [1].json", "a.ndjson")))
    assert made == ["Encounter", "Patient"]
    found = con.execute("SELECT source_row, resource ->> '$.id' FROM stage.Patient ORDER BY 1").fetchall()
    assert found == [(1, "1"), (2, "2"), (3, "Zoë"), (4, "last")]
    assert con.execute("SELECT DISTINCT typeof(resource) FROM stage.Encounter").fetchall() == [("JSON",)]


def test_rows_keep_the_order_of_the_file(con, stage, tmp_path):
    path = tmp_path / "Observation.ndjson"
    lines = (json.dumps({"resourceType": "Observation", "id": str(i), "pad": "x" * 100}) for i in range(60_000))
    path.write_text("\n".join(lines))
    con.execute("SET threads = 4")
    stage(path)
    wrong = con.execute(
        "SELECT count(*) FROM stage.Observation WHERE CAST(resource ->> '$.id' AS BIGINT) <> source_row - 1"
    ).fetchall()
    assert wrong == [(0,)]


def test_a_resource_without_an_id_takes_that_of_its_entry(con, stage, tmp_path):
    entry = {"fullUrl": "urn:uuid:7a", "resource": {"resourceType": "Patient", "gender": "male"}}
    (tmp_path / "b.json").write_text(json.dumps({"resourceType": "Bundle", "entry": [entry, {"fullUrl": "urn:x"}]}))
    stage(tmp_path / "b.json")
    assert con.execute("SELECT resource ->> '$.id', resource ->> '$.gender' FROM stage.Patient").fetchall() == [
        ("7a", "male")
    ]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("cut.json", b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"', "Malformed JSON"),
        ("line.ndjson", b'{"resourceType":"Patient","id":"1"}\n{"resourceType":\n', "Malformed JSON"),
        ("latin.ndjson", b'{"resourceType":"Patient","id":"Jos\xe9"}\n', "UTF-8"),
        ("mixed.ndjson", b'{"resourceType":"Patient"}\n{"id":"2"}\n', "1 object without a resourceType"),
        ("cut.ndjson.gz", gzip.compress(_MANY, mtime=0)[: len(_MANY) // 20], "cut.ndjson.gz"),
    ],
)
def test_a_bad_file_is_named(con, stage, tmp_path, name, content, told):
    (tmp_path / "good.ndjson").write_text('{"resourceType":"Patient","id":"1"}\n')
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OmopsqlError, match=told) as caught:
        stage(tmp_path / "good.ndjson", tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert stage(tmp_path / "good.ndjson") == ["Patient"]  # nothing is left behind


def test_a_bundle_larger_than_the_readers_buffer(con, stage, tmp_path):
    pad = "x" * 1_000_000
    resources = [{"resourceType": "Patient", "id": str(i), "text": {"div": pad}} for i in range(40)]
    with gzip.open(tmp_path / "large.json.gz", "wt", compresslevel=1) as file:
        file.write(bundle(*resources))
    assert stage(tmp_path / "large.json.gz") == ["Patient"]
    assert con.execute("SELECT count(*) FROM stage.Patient").fetchall() == [(40,)]


def test_what_looks_like_fhir(tmp_path):
    (tmp_path / "bundle.json").write_text(bundle(PATIENT))
    (tmp_path / "laboratory.ndjson").write_text('{"patient": 1, "code": "2947-0"}\n')
    (tmp_path / "torn.json.gz").write_bytes(b"no gzip")
    assert is_fhir(tmp_path / "bundle.json")
    assert not is_fhir(tmp_path / "laboratory.ndjson")
    with pytest.raises(OmopsqlError, match=r"torn\.json\.gz"):
        is_fhir(tmp_path / "torn.json.gz")


# The functions


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("fhir_reference('urn:uuid:a-1')", "a-1"),
        ("fhir_reference('https://s.org/fhir/Patient/7/_history/2', resource_type := 'Patient')", "7"),
        ("fhir_reference('https://s.org/fhir/Organization/7', resource_type := 'Patient')", None),
        ("fhir_reference('Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|99')", "99"),
        ("fhir_reference('#med')", "#med"),
        ("fhir_reference('')", None),
        ("fhir_reference(NULL)", None),
        ("fhir_datetime('2019')", "2019-01-01"),
        ("fhir_datetime('2019-05')", "2019-05-01"),
        ("fhir_datetime('2019-05-06')", "2019-05-06"),
        ("fhir_datetime('2019-05-06T23:59:59.123+05:30')", "2019-05-06T23:59:59.123"),
        ("fhir_datetime('last week')", "last week"),
        ("fhir_vocabulary('HTTPS://LOINC.ORG/')", "LOINC"),
        ("fhir_vocabulary('http://snomed.info/sct/900000000000207008/version/20240101')", "SNOMED"),
        ("fhir_vocabulary(NULL)", None),
        ("preferred_coding('{\"coding\": []}').code", None),
        ("preferred_coding(NULL).code", None),
    ],
)
def test_functions(con, call, answer):
    assert con.execute(f"SELECT omopsql.{call}").fetchall() == [(answer,)]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0]])
def test_of_several_codings_one_is_taken_whatever_their_order(con, order):
    codings = [
        {"system": "http://hospital.example/codes", "code": "H1"},
        {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"},
        {"system": SNOMED, "code": "44054006", "display": "Diabetes"},
        {"system": SNOMED, "display": "without a code"},
    ]
    text = json.dumps({"coding": [codings[i] for i in order], "text": "sugar"})
    found = con.execute("SELECT omopsql.preferred_coding($text)", {"text": text}).fetchall()[0][0]
    assert found == {"vocabulary_id": "SNOMED", "code": "44054006", "name": "Diabetes"}


# The adapter


def test_a_patient_becomes_a_person_with_a_place_and_a_death(cdm):
    read = cdm(PATIENT)
    assert read("person", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth", "race_concept_id",
                "ethnicity_concept_id", "person_source_value") == [
        (8532, 1960, 2, 29, 8527, 38003564, "p1")
    ]  # fmt: skip
    assert read("location", "address_1", "city", "state") == [("1 Main", "Łódź", "MA")]
    assert read("death", "death_date") == [(datetime.date(2021, 6, 1),)]


def test_missing_elements_of_a_patient(cdm):
    read = cdm(
        {"resourceType": "Patient", "id": "year", "birthDate": "1950"},
        {"resourceType": "Patient", "id": "none", "gender": "male"},
    )
    assert read("person", "gender_concept_id", "year_of_birth", "month_of_birth", "race_concept_id") == [
        (0, 1950, None, 0)
    ]
    assert read("report") == [("Patient", "mapped", "", 1), ("Patient", "set aside", "no birth date", 1)]


def test_an_encounter_within_another_is_a_detail_of_its_visit(cdm):
    ward = of(
        "Encounter", "ward", status="finished", partOf={"reference": "Encounter/stay"}, **{"class": {"code": "IMP"}},
        period={"start": "2020-05-02", "end": "2020-05-03"},
    )  # fmt: skip
    bed = {**ward, "id": "bed", "partOf": {"reference": "urn:uuid:ward"}}
    clinic = of("Encounter", "clinic", period={"start": "2020-06-01"}, **{"class": {"code": "AMB"}})
    read = cdm(PATIENT, STAY, ward, bed, clinic, observation("o", encounter={"reference": "Encounter/bed"}))
    assert read("visit_occurrence", "visit_concept_id", "visit_start_date", "visit_end_date") == [
        (9201, datetime.date(2020, 5, 1), datetime.date(2020, 5, 4)),
        (9202, datetime.date(2020, 6, 1), datetime.date(2020, 6, 1)),
    ]
    stay = read("visit_occurrence", "visit_start_date", "visit_occurrence_id")[0][1]
    details = read("visit_detail", "visit_detail_id", "visit_occurrence_id", "parent_visit_detail_id")
    assert [visit for _, visit, _ in details] == [stay, stay]
    (ward_id,) = {key for key, _, parent in details if parent is None}
    (bed_id,) = {key for key, _, parent in details if parent == ward_id}
    assert read("measurement", "visit_occurrence_id", "visit_detail_id") == [(stay, bed_id)]


def test_conditions_and_procedures_keep_their_days(cdm):
    diabetes = concept(SNOMED, "44054006", "Diabetes")
    read = cdm(
        PATIENT,
        STAY,
        of("Condition", "c1", code=diabetes, onsetDateTime="2019-05", encounter={"reference": "Encounter/stay"},
           category=[concept("x", "problem-list-item")], abatementDateTime="2020-01-02T01:00:00+09:00"),
        of("Condition", "c2", code=diabetes, recordedDate="2020-05-01"),
        of("Condition", "c3", code=diabetes, onsetDateTime="2019", verificationStatus=concept("x", "entered-in-error")),
        of("Condition", "c4", patient="Patient/nobody", code=diabetes, onsetDateTime="2019"),
        of("Procedure", "r1", status="completed", code=concept(SNOMED, "122548005"),
           performedPeriod={"start": "2020-05-02T10:00:00Z", "end": "2020-05-02T11:00:00Z"}),
        of("Procedure", "r2", status="not-done", code=concept(SNOMED, "122548005"), performedDateTime="2020-05-02"),
    )  # fmt: skip
    assert read("condition_occurrence", "condition_concept_id", "condition_start_date", "condition_end_date",
                "condition_type_concept_id", "visit_occurrence_id IS NULL") == [
        (201826, datetime.date(2019, 5, 1), datetime.date(2020, 1, 2), 32840, False),
        (201826, datetime.date(2020, 5, 1), None, 32817, True),
    ]  # fmt: skip
    assert read("procedure_occurrence", "procedure_concept_id", "procedure_date", "procedure_end_date") == [
        (4047494, datetime.date(2020, 5, 2), datetime.date(2020, 5, 2))
    ]
    report = read("report")
    assert ("Condition", "set aside", "entered in error", 1) in report
    assert ("Condition", "set aside", "unknown person", 1) in report
    assert ("Procedure", "set aside", "not done", 1) in report


def test_values_of_observations(cdm):
    pressure = observation(
        "bp", code=concept(LOINC, "85354-9"), category=[concept("x", "vital-signs")],
        component=[
            {"code": concept(LOINC, "8480-6"), "valueQuantity": {"value": 120, "unit": "mmHg", "code": "mm[Hg]"}},
            {"code": concept(LOINC, "8462-4"), "valueQuantity": {"value": 80.5, "unit": "mmHg", "code": "mm[Hg]"}},
        ],
    )  # fmt: skip
    sodium = observation(
        "na",
        valueQuantity={"value": 120, "comparator": "<", "unit": "mmol/L"},
        referenceRange=[{"low": {"value": 135}}],
    )
    smoking = observation(
        "smoking", code=concept(LOINC, "72166-2"), category=[concept("x", "social-history")],
        valueCodeableConcept=concept(SNOMED, "266919005", "Never smoker"),
    )  # fmt: skip
    wrong = observation("wrong", status="entered-in-error", valueQuantity={"value": 1})
    read = cdm(PATIENT, pressure, sodium, smoking, wrong)
    assert read("measurement", "measurement_concept_id", "value_as_number", "unit_source_value", "unit_concept_id",
                "operator_concept_id", "range_low", "measurement_type_concept_id") == [
        (3004249, 120.0, "mm[Hg]", 8876, None, None, 32817),
        (3012888, 80.5, "mm[Hg]", 8876, None, None, 32817),
        (3019550, 120.0, "mmol/L", 0, 4171756, 135.0, 32856),
    ]  # fmt: skip
    assert read("measurement", "DISTINCT measurement_date") == [(datetime.date(2020, 5, 1),)]  # of the hospital's clock
    assert read("observation", "observation_concept_id", "value_as_concept_id", "value_as_string") == [
        (43054909, 4144272, "Never smoker")
    ]
    assert ("Observation", "mapped", "", 3) in read("report")
    assert ("Observation", "set aside", "entered in error", 1) in read("report")


def test_drugs_by_code_reference_and_containment(cdm):
    request = {"status": "active", "authoredOn": "2020-05-01"}
    metformin = concept(RXNORM, "6809", "metformin")
    read = cdm(
        PATIENT,
        {"resourceType": "Medication", "id": "m", "code": metformin},
        of("MedicationRequest", "r1", **request, medicationReference={"reference": "Medication/m"},
           dispenseRequest={"expectedSupplyDuration": {"value": 2, "code": "wk"}, "quantity": {"value": 28}}),
        of("MedicationRequest", "r2", **request, medicationReference={"reference": "#in"},
           contained=[{"resourceType": "Medication", "id": "in", "code": metformin}]),
        of("MedicationRequest", "r3", status="cancelled", authoredOn="2020-05-01", medicationCodeableConcept=metformin),
        of("MedicationAdministration", "a1", status="completed", medicationCodeableConcept=metformin,
           effectivePeriod={"start": "2020-05-02", "end": "2020-05-03"}),
        of("Immunization", "i1", status="completed", occurrenceDateTime="2020-10",
           vaccineCode=concept("http://hl7.org/fhir/sid/cvx", "140")),
    )  # fmt: skip
    assert read("drug_exposure", "drug_concept_id", "drug_exposure_start_date", "drug_exposure_end_date",
                "drug_type_concept_id", "quantity") == [
        (1503297, datetime.date(2020, 5, 1), datetime.date(2020, 5, 1), 32838, None),
        (1503297, datetime.date(2020, 5, 1), datetime.date(2020, 5, 14), 32838, 28.0),
        (1503297, datetime.date(2020, 5, 2), datetime.date(2020, 5, 3), 32818, None),
        (40213154, datetime.date(2020, 10, 1), datetime.date(2020, 10, 1), 32818, None),
    ]  # fmt: skip


def test_an_allergy_to_a_drug_is_no_exposure_to_it(cdm):
    read = cdm(
        PATIENT,
        of("AllergyIntolerance", "a1", code=concept(RXNORM, "7980", "penicillin G"), recordedDate="2020-05-01"),
        of("AllergyIntolerance", "a2", code=concept(SNOMED, "300916003", "Latex allergy"), recordedDate="2020-05-01"),
    )
    assert read("drug_exposure", "*") == []
    assert read("observation", "observation_concept_id", "value_as_concept_id", "observation_source_value") == [
        (439224, 1728416, "7980"),
        (4102123, None, "300916003"),
    ]


def test_a_report_is_a_measurement_and_its_text_a_note(cdm):
    text = "Befund: unauffällig"
    read = cdm(
        PATIENT,
        of("DiagnosticReport", "d1", status="final", code=concept(LOINC, "51990-0", "Panel"),
           effectiveDateTime="2020-05-01", presentedForm=[
               {"contentType": "application/pdf", "data": "AAAA"},
               {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(text.encode()).decode()},
           ]),
        of("DiagnosticReport", "d2", status="final", code=concept(LOINC, "51990-0"), effectiveDateTime="2020-05-02"),
    )  # fmt: skip
    assert read("measurement", "measurement_concept_id", "measurement_date") == [
        (3049187, datetime.date(2020, 5, 1)),
        (3049187, datetime.date(2020, 5, 2)),
    ]
    assert read("note", "note_text", "note_title", "note_date") == [(text, "Panel", datetime.date(2020, 5, 1))]


def test_an_organization_in_many_bundles_is_one_care_site(cdm):
    clinic = {"resourceType": "Organization", "id": "o", "name": "Klinik Süd"}
    doctor = {"resourceType": "Practitioner", "id": "d", "gender": "male",
              "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "99"}]}  # fmt: skip
    seen = {**STAY, "serviceProvider": {"reference": "Organization/o"},
            "participant": [{"individual": {"reference": "urn:uuid:d"}}]}  # fmt: skip
    read = cdm(PATIENT, clinic, clinic, doctor, doctor, seen)
    assert read("care_site", "care_site_name", "care_site_source_value") == [("Klinik Süd", "o")]
    assert read("provider", "npi", "gender_concept_id") == [("99", 8507)]
    assert read("visit_occurrence", "provider_id IS NULL", "care_site_id IS NULL") == [(False, False)]
    assert not [line for line in read("report") if line[1] == "set aside"]


def test_synthea_bundles(data_folder, tmp_path):
    source = data_folder("source/synthea_fhir_r4")
    made = harmonize("fhir_r4", str(source), str(data_folder("vocabulary/athena_subset")), tmp_path / "cdm")
    rows: dict[tuple[str, str], int] = {}
    for table, outcome, _, n, _ in zip(*(c.to_pylist() for c in made.report.columns), strict=True):
        if outcome != "note":
            rows[table.lower(), outcome] = rows.get((table.lower(), outcome), 0) + n
    assert made.rows["person"] == 60
    assert made.rows["visit_occurrence"] == 1081
    assert made.rows["death"] == 8
    assert made.rows["care_site"] == made.rows["provider"] == 53
    assert rows["condition", "mapped"] == 350
    assert rows["observation", "mapped"] + rows["observation", "unmapped"] == 6752
    assert rows["observation", "mapped"] >= 6638
    assert rows["immunization", "mapped"] >= 678
    assert rows["medicationrequest", "mapped"] >= 273
    assert rows["diagnosticreport", "mapped"] == 439
