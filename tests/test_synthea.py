"""The synthea adapter: against the CDM that OHDSI's ETL-Synthea made of the same export, and on rows made here.

That ETL used a vocabulary of its own day. Here the vocabulary gets the concepts, domains and mappings of the codes that
the ETL's own map holds; other codes are left out of the comparison, because that ETL drops them.
"""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from omopsql.harmonize.run import harmonize
from omopsql.quoting import literal

PAIR = "pair/tutorial_synthea"
VOCABULARY = "vocabulary/athena_subset"

# concept as the ETL's map tells it: targets, and sources that are no targets
CONCEPT = """
WITH source AS (
    SELECT
        source_concept_id AS concept_id, any_value(source_code_description) AS concept_name,
        any_value(source_domain_id) AS domain_id, any_value(source_vocabulary_id) AS vocabulary_id,
        any_value(source_concept_class_id) AS concept_class_id, any_value(source_code) AS concept_code
    FROM map GROUP BY ALL
),
target AS (
    SELECT
        target_concept_id AS concept_id, any_value(target_concept_name) AS concept_name,
        any_value(target_domain_id) AS domain_id, any_value(target_vocabulary_id) AS vocabulary_id,
        any_value(target_concept_class_id) AS concept_class_id
    FROM map GROUP BY ALL
),
mapped AS (
    SELECT
        target.*, 'S' AS standard_concept,
        coalesce(source.concept_code, known.concept_code, 'code of ' || concept_id) AS concept_code
    FROM target LEFT JOIN source USING (concept_id) LEFT JOIN known USING (concept_id)
    UNION ALL BY NAME
    SELECT *, NULL AS standard_concept FROM source ANTI JOIN target USING (concept_id)
)
FROM mapped
UNION ALL BY NAME
SELECT * EXCLUDE (valid_start_date, valid_end_date, invalid_reason) FROM known
ANTI JOIN mapped USING (concept_id)
"""

RELATIONSHIP = """
SELECT DISTINCT source_concept_id AS concept_id_1, target_concept_id AS concept_id_2, 'Maps to' AS relationship_id
FROM map
UNION ALL BY NAME
SELECT concept_id_1, concept_id_2, relationship_id FROM known_relationship
WHERE relationship_id <> 'Maps to' OR concept_id_1 NOT IN (SELECT source_concept_id FROM map)
"""

# What is compared: rows of (patient or key, concept, date) of omopsql's and of OHDSI's table
EVENTS = {
    "person": "person_source_value, gender_concept_id, make_date(year_of_birth, month_of_birth, day_of_birth)",
    "observation_period": "person_source_value, observation_period_start_date, observation_period_end_date",
    "death": "person_source_value, cause_concept_id, death_date",
    "visit_occurrence": "person_source_value, visit_concept_id, visit_start_date",
    "visit_detail": "person_source_value, visit_detail_concept_id, visit_detail_start_date",
    "condition_occurrence": "person_source_value, condition_concept_id, condition_start_date",
    "drug_exposure": "person_source_value, drug_concept_id, drug_exposure_start_date",
    "device_exposure": "person_source_value, device_concept_id, device_exposure_start_date",
    "condition_era": "person_source_value, condition_concept_id, condition_era_start_date, condition_era_end_date",
    "drug_era": "person_source_value, drug_concept_id, drug_era_start_date, drug_era_end_date",
    "provider": "provider_source_value, specialty_concept_id, gender_concept_id",
    "care_site": "care_site_source_value, care_site_name",
    "payer_plan_period": "person_source_value, payer_source_value, payer_plan_period_start_date, "
    "payer_plan_period_end_date",
}
SAME = ("person", "observation_period", "death")
WITHOUT_PERSON = ("person", "provider", "care_site")
CODED = {  # the concept of each table whose rows hang on codes
    "visit_occurrence": "visit_concept_id",
    "visit_detail": "visit_detail_concept_id",
    "condition_occurrence": "condition_concept_id",
    "drug_exposure": "drug_concept_id",
    "device_exposure": "device_concept_id",
    "condition_era": "condition_concept_id",
    "drug_era": "drug_concept_id",
}
BY_SOURCE_CODE = {
    "condition_occurrence": "condition_source_value",
    "drug_exposure": "drug_source_value",
    "device_exposure": "device_source_value",
}

_pairs: dict[Path, duckdb.DuckDBPyConnection] = {}


@pytest.fixture
def pair(data_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """A database with the schemas ``ours`` and ``theirs``, made once: each table as rows to compare."""
    folder = data_folder(PAIR)
    if folder not in _pairs:
        _pairs[folder] = make_pair(folder, data_folder(VOCABULARY), tmp_path_factory.mktemp("synthea"))
    return _pairs[folder]


def make_pair(folder: Path, vocabulary: Path, work: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    read_map(con, folder / "syntheaCDM" / "source_to_standard_vocab_map.csv")
    write_vocabulary(con, vocabulary, work / "vocabulary")
    harmonize("synthea", str(folder / "syntheaRaw"), str(work / "vocabulary"), work / "cdm")
    con.execute("CREATE SCHEMA ours")
    con.execute("CREATE SCHEMA theirs")
    for table in EVENTS:
        con.execute(f"CREATE TABLE ours.{table} AS FROM {literal(str(work / 'cdm' / f'{table}.parquet'))}")
        con.execute(
            f"CREATE TABLE theirs.{table} AS "
            f"FROM read_csv({literal(str(folder / 'syntheaCDM' / f'{table}.csv'))}, dateformat = '%Y%m%d', "
            "timestampformat = '%Y-%m-%d %H:%M:%S.%f', sample_size = -1)"
        )
    return con


def read_map(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    con.execute(
        f"CREATE TABLE map AS FROM read_csv({literal(str(path))}, types = {{'source_code': 'VARCHAR'}}, "
        "sample_size = -1) WHERE target_standard_concept = 'S'"
    )


def write_vocabulary(con: duckdb.DuckDBPyConnection, vocabulary: Path, target: Path) -> None:
    target.mkdir()
    con.execute(f"CREATE VIEW known AS FROM {literal(str(vocabulary / 'concept.parquet'))}")
    con.execute(f"CREATE VIEW known_relationship AS FROM {literal(str(vocabulary / 'concept_relationship.parquet'))}")
    con.execute(f"COPY ({CONCEPT}) TO {literal(str(target / 'concept.parquet'))}")
    con.execute(f"COPY ({RELATIONSHIP}) TO {literal(str(target / 'concept_relationship.parquet'))}")
    ancestors = literal(str(vocabulary / "concept_ancestor.parquet"))
    con.execute(f"COPY (FROM {ancestors}) TO {literal(str(target / 'concept_ancestor.parquet'))}")


def rows(schema: str, table: str) -> str:
    """The rows of a table to compare: those whose codes the ETL's map holds."""
    person = "" if table in WITHOUT_PERSON else f"JOIN {schema}.person USING (person_id)"
    known = ["true"]
    if table in CODED:
        known.append(f"{CODED[table]} IN (SELECT target_concept_id FROM map)")
    if table in BY_SOURCE_CODE:
        known.append(f"CAST({BY_SOURCE_CODE[table]} AS VARCHAR) IN (SELECT source_code FROM map)")
    return f"SELECT {EVENTS[table]} FROM {schema}.{table} {person} WHERE {' AND '.join(known)}"


def shares(con: duckdb.DuckDBPyConnection, table: str) -> tuple[float, float, int]:
    """The share of our rows that are theirs, of their rows that are ours, and the number of theirs."""
    ours, theirs = rows("ours", table), rows("theirs", table)
    counts = con.execute(
        f"SELECT (SELECT count(*) FROM ({ours})), (SELECT count(*) FROM ({theirs})), "
        f"(SELECT count(*) FROM ({ours} EXCEPT ALL {theirs})), (SELECT count(*) FROM ({theirs} EXCEPT ALL {ours}))"
    ).fetchall()[0]
    n_ours, n_theirs, only_ours, only_theirs = counts
    return 1 - only_ours / n_ours, 1 - only_theirs / n_theirs, n_theirs


@pytest.mark.parametrize("table", EVENTS)
def test_it_agrees_with_etl_synthea(pair, table: str):
    of_ours, of_theirs, number = shares(pair, table)
    assert number > 0
    least = 1 if table in SAME else 0.99
    assert min(of_ours, of_theirs) >= least, f"{of_ours:.4f} of our rows, {of_theirs:.4f} of theirs"


# A small export: the files that must be there, and as many columns as the adapter reads.
EXPORT = {
    "patients": """
Id,BIRTHDATE,DEATHDATE,RACE,ETHNICITY,GENDER,CITY,STATE,COUNTY,ZIP
anna,1950-02-03,2020-05-01,white,nonhispanic,F,Avenel,New Jersey,Middlesex County,07001
bert,2001-12-31,2021-01-01,hawaiian,hispanic,M,Avenel,New Jersey,Middlesex County,07001
""",
    "organizations": """
Id,NAME,ADDRESS,CITY,STATE,ZIP
clinic,CITY CLINIC,1 MAIN ST,TRENTON,NJ,08608
""",
    "providers": """
Id,ORGANIZATION,NAME,GENDER,SPECIALITY
doctor,clinic,A B,F,GENERAL PRACTICE
surgeon,clinic,C D,M,THORACIC SURGERY
""",
    "encounters": """
Id,START,STOP,PATIENT,ORGANIZATION,PROVIDER,ENCOUNTERCLASS,CODE,REASONCODE
e1,2020-03-01T22:00:00Z,2020-03-04T08:00:00Z,anna,clinic,doctor,inpatient,1,
e2,2020-03-04T20:00:00Z,2020-03-06T08:00:00Z,anna,clinic,surgeon,inpatient,1,
e3,2020-03-05T10:00:00Z,2020-03-05T11:00:00Z,anna,clinic,doctor,ambulatory,1,
e4,2020-03-05T12:00:00Z,2020-03-05T13:00:00Z,anna,clinic,doctor,emergency,1,
e5,2020-03-07T09:00:00Z,2020-03-07T10:00:00Z,anna,clinic,doctor,ambulatory,1,
e6,2020-03-07T10:00:00Z,2020-03-07T12:00:00Z,anna,clinic,doctor,ambulatory,1,
e7,2020-03-07T11:00:00Z,2020-03-07T11:30:00Z,anna,clinic,doctor,urgentcare,1,
e8,2020-05-06T11:00:00Z,2020-05-06T11:30:00Z,anna,clinic,doctor,wellness,308646001,22298006
e9,2020-06-01T11:00:00Z,2020-06-01T11:30:00Z,bert,clinic,doctor,wellness,1,
""",
    "conditions": """
START,STOP,PATIENT,ENCOUNTER,SYSTEM,CODE,DESCRIPTION
2020-03-01,2020-03-06,anna,e1,SNOMED-CT,22298006,Myocardial infarction
2020-06-01,,bert,e9,ICD10,I10,Hypertension
""",
    "medications": """
START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION,DISPENSES
2020-03-01T22:10:00Z,2020-03-31T22:10:00Z,anna,e3,1191,Aspirin,3
2020-06-01T11:10:00Z,,bert,e9,1191,Aspirin,1
""",
    "allergies": """
START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION,CATEGORY
2020-06-01,,bert,e9,1191,Aspirin,medication
2020-06-01,,bert,e9,84489001,Mold (organism),environment
""",
    "procedures": """
DATE,PATIENT,ENCOUNTER,CODE,DESCRIPTION
2020-03-05T10:30:00Z,anna,e3,710824005,Assessment
""",
    "payer_transitions": """
PATIENT,START_YEAR,END_YEAR,PAYER
bert,2019,2020,p1
""",
    "payers": """
Id,NAME
p1,Humana
""",
}

CONCEPTS = """
concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code
312327,Acute myocardial infarction,Condition,SNOMED,Disorder,S,22298006
320128,Essential hypertension,Condition,SNOMED,Disorder,S,59621000
35207668,Essential hypertension,Condition,ICD10CM,3-char billing code,,I10
1112807,aspirin,Drug,RxNorm,Ingredient,S,1191
439224,Allergy to drug,Observation,SNOMED,Clinical Finding,S,416098002
4221994,Assessment,Procedure,SNOMED,Procedure,S,710824005
"""

MAPPED = """
concept_id_1,concept_id_2,relationship_id
312327,312327,Maps to
320128,320128,Maps to
35207668,320128,Maps to
1112807,1112807,Maps to
439224,439224,Maps to
4221994,4221994,Maps to
"""


@pytest.fixture
def small(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """The CDM of the small export, a view a table."""
    for folder in ("export", "vocabulary"):
        (tmp_path / folder).mkdir()
    for table, text in EXPORT.items():
        (tmp_path / "export" / f"{table}.csv").write_text(text.lstrip(), encoding="utf-8")
    (tmp_path / "vocabulary" / "CONCEPT.csv").write_text(CONCEPTS.lstrip(), encoding="utf-8")
    (tmp_path / "vocabulary" / "CONCEPT_RELATIONSHIP.csv").write_text(MAPPED.lstrip(), encoding="utf-8")
    made = harmonize("synthea", str(tmp_path / "export"), str(tmp_path / "vocabulary"), tmp_path / "cdm")
    con = duckdb.connect()
    for table in made.rows:
        con.execute(f"CREATE VIEW {table} AS FROM {literal(str(tmp_path / 'cdm' / f'{table}.parquet'))}")
    return con


def test_encounters_of_a_stay_are_one_visit(small):
    visits = small.execute(
        "SELECT visit_source_value, visit_concept_id, CAST(visit_start_date AS VARCHAR), "
        "CAST(visit_end_date AS VARCHAR) FROM visit_occurrence ORDER BY visit_source_value"
    ).fetchall()
    assert visits == [
        ("e1", 9201, "2020-03-01", "2020-03-06"),
        ("e4", 9203, "2020-03-05", "2020-03-05"),
        ("e5", 9202, "2020-03-07", "2020-03-07"),
        ("e7", 0, "2020-03-07", "2020-03-07"),
        ("e8", 9202, "2020-05-06", "2020-05-06"),
        ("e9", 9202, "2020-06-01", "2020-06-01"),
    ]


def test_visit_details_are_the_encounters_of_a_day(small):
    details = small.execute(
        "SELECT visit_detail_source_value, visit_source_value FROM visit_detail JOIN visit_occurrence "
        "USING (visit_occurrence_id) ORDER BY ALL"
    ).fetchall()
    assert details == [
        ("e1", "e1"), ("e2", "e1"), ("e3", "e1"), ("e4", "e4"), ("e5", "e5"), ("e7", "e7"), ("e8", "e8"), ("e9", "e9")
    ]  # fmt: skip


def test_visits_follow_each_other(small):
    preceding = small.execute(
        "SELECT v.visit_source_value, p.visit_source_value FROM visit_occurrence AS v LEFT JOIN visit_occurrence AS p "
        "ON v.preceding_visit_occurrence_id = p.visit_occurrence_id WHERE v.visit_source_value IN ('e1', 'e4', 'e9') "
        "ORDER BY ALL"
    ).fetchall()
    assert preceding == [("e1", None), ("e4", "e1"), ("e9", None)]


def test_an_event_stands_in_the_visit_of_its_encounter(small):
    found = small.execute(
        "SELECT visit_source_value, visit_detail_source_value, provider_source_value, days_supply, refills, "
        "CAST(drug_exposure_end_date AS VARCHAR) FROM drug_exposure JOIN visit_occurrence USING (visit_occurrence_id) "
        "JOIN visit_detail USING (visit_detail_id) JOIN provider ON provider.provider_id = drug_exposure.provider_id "
        "ORDER BY ALL"
    ).fetchall()
    assert found == [("e1", "e3", "doctor", 30, 2, "2020-03-31"), ("e9", "e9", "doctor", None, 0, "2020-06-01")]


def test_a_death_is_dated_by_its_certificate_where_there_is_one(small):
    deaths = small.execute(
        "SELECT person_source_value, CAST(death_date AS VARCHAR), cause_concept_id FROM death JOIN person "
        "USING (person_id) ORDER BY ALL"
    ).fetchall()
    assert deaths == [("anna", "2020-05-06", 312327), ("bert", "2021-01-01", 0)]


def test_conditions_are_snomed_or_icd10(small):
    found = small.execute(
        "SELECT condition_source_value, condition_concept_id FROM condition_occurrence ORDER BY ALL"
    ).fetchall()
    assert found == [("22298006", 312327), ("I10", 320128)]


def test_an_allergy_to_a_drug_is_no_exposure(small):
    found = small.execute(
        "SELECT observation_source_value, observation_concept_id, value_as_concept_id FROM observation ORDER BY ALL"
    ).fetchall()
    assert found == [("1191", 439224, 1112807), ("84489001", 0, None)]


def test_older_exports_are_read(small):
    assert small.execute("SELECT CAST(procedure_date AS VARCHAR) FROM procedure_occurrence").fetchall() == [
        ("2020-03-05",)
    ]
    periods = small.execute(
        "SELECT CAST(payer_plan_period_start_date AS VARCHAR), CAST(payer_plan_period_end_date AS VARCHAR), "
        "plan_source_value FROM payer_plan_period"
    ).fetchall()
    assert periods == [("2019-01-01", "2020-12-31", "Humana")]


def test_specialties_and_races_that_are_known_have_concepts(small):
    specialties = small.execute(
        "SELECT provider_source_value, coalesce(specialty_concept_id, 0) FROM provider ORDER BY ALL"
    ).fetchall()
    assert specialties == [("doctor", 38004446), ("surgeon", 0)]
    assert small.execute("SELECT race_concept_id, location_id IS NOT NULL FROM person ORDER BY ALL").fetchall() == [
        (8527, True),
        (8557, True),
    ]
