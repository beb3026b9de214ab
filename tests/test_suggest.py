"""Suggested concepts: which come first, what is refused, and how often they are right on real codes."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from omopsql.harmonize.suggest_text import wordings

CONCEPTS = """
    SELECT concept_id, concept_name, domain_id, vocabulary_id, 'x' AS concept_code, 'S' AS standard_concept
    FROM (VALUES
        (201826, 'Type 2 diabetes mellitus', 'Condition', 'SNOMED'),
        (201254, 'Type 1 diabetes mellitus', 'Condition', 'SNOMED'),
        (316866, 'Hypertensive disorder', 'Condition', 'SNOMED'),
        (433595, 'Edema', 'Condition', 'SNOMED'),
        (439777, 'Anemia', 'Condition', 'SNOMED'),
        (4058243, 'Anemia screening', 'Procedure', 'SNOMED'),
        (1112807, 'aspirin', 'Drug', 'RxNorm'),
        (19059056, 'aspirin 81 MG Oral Tablet', 'Drug', 'RxNorm'),
        (40231925, 'aspirin 810 MG Oral Tablet', 'Drug', 'RxNorm'),
        (3004410, 'Hemoglobin A1c/Hemoglobin.total in Blood', 'Measurement', 'LOINC'),
        (4184637, 'Hemoglobin A1c measurement', 'Measurement', 'SNOMED'),
        (2107500, 'Glucometer', 'Device', 'SNOMED'),
        (4012222, 'Home CPAP unit', 'Device', 'SNOMED'),
        (4130526, 'Hemoglobin', 'Observation', 'SNOMED'),
        (4000001, 'Latex', 'Observation', 'SNOMED'),
        (4000002, 'Latex', 'Device', 'SNOMED'),
        (4000003, 'latex', 'Drug', 'RxNorm'),
        (32817, 'Hypertension EHR', 'Type Concept', 'Type Concept')
    ) AS concepts (concept_id, concept_name, domain_id, vocabulary_id)
"""


@pytest.fixture
def vocabulary(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> Path:
    """A folder with standard concepts, one that is not, and synonyms."""
    folder = tmp_path / "vocabulary"
    folder.mkdir()
    con.execute(
        f"""
        COPY (
            {CONCEPTS}
            UNION ALL SELECT 45591027, 'Type II diabetes', 'Condition', 'ICD10CM', 'E11', NULL
        ) TO '{folder}/CONCEPT.csv' (DELIMITER '\t', QUOTE '')
        """
    )
    con.execute(
        f"""
        COPY (
            FROM (VALUES
                (2107500, 'Blood glucose meter', 4180186), (316866, 'High blood pressure', 4180186),
                (45591027, 'Sugar disease', 4180186)
            ) AS synonyms (concept_id, concept_synonym_name, language_concept_id)
        ) TO '{folder}/concept_synonym.parquet'
        """
    )
    con.execute(
        f"""
        COPY (SELECT 45591027 AS concept_id_1, 201826 AS concept_id_2, 'Maps to' AS relationship_id)
        TO '{folder}/concept_relationship.parquet'
        """
    )
    return folder


@pytest.fixture
def suggested(con, vocabulary):
    """Suggest for one description: the concepts' names, best first."""

    def suggest(description: str, k: int = 5, **columns: str) -> list[str]:
        table = pa.table({"source_code": ["c"], "description": [description], **{n: [v] for n, v in columns.items()}})
        con.register("codes_here", table)
        con.execute("CREATE OR REPLACE TABLE codes AS FROM codes_here")
        call = f"omopsql.suggest_concepts('codes', k := {k}, vocabulary := '{vocabulary}')"
        return [name for (name,) in con.execute(f"SELECT concept_name FROM {call} ORDER BY rank").fetchall()]

    return suggest


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("diabetes mellitus type 2", "Type 2 diabetes mellitus"),
        ("Diabets melitus typ 1", "Type 1 diabetes mellitus"),
        ("OEDEMA", "Edema"),
        ("Anaemia (disorder)", "Anemia"),
        ("ASA 81mg Tab", "aspirin 81 MG Oral Tablet"),
        ("aspirin 810.0 mg", "aspirin 810 MG Oral Tablet"),
        ("HTN, high blood pressure", "Hypertensive disorder"),
        ("Blood glucose meter (physical object)", "Glucometer"),
        ("Home continuous positive airway pressure unit", "Home CPAP unit"),
        ("Hémoglobine", "Hemoglobin"),
    ],
)
def test_the_meant_concept_comes_first(suggested, description, name):
    assert suggested(description, k=1) == [name]


def test_only_standard_concepts_are_suggested(suggested):
    assert "Type II diabetes" not in suggested("Type II diabetes")
    assert suggested("Sugar disease", k=1) != ["Type 2 diabetes mellitus"]  # a synonym of what is not standard


def test_a_domain_is_kept_to(suggested):
    assert suggested("Anemia screening", k=1) == ["Anemia screening"]
    assert suggested("Anemia screening", k=1, domain_id="Condition") == ["Anemia"]
    with pytest.raises(duckdb.Error, match=r"'Conditions' of code 'c' is no domain .* Condition, Device"):
        suggested("Anemia", domain_id="Conditions")


def test_a_semantic_tag_and_a_vocabulary_decide_between_likes(con, suggested, vocabulary):
    def first_domain(description: str, **columns: str) -> str:
        suggested(description, **columns)
        call = f"omopsql.suggest_concepts('codes', vocabulary := '{vocabulary}')"
        return con.execute(f"SELECT domain_id FROM {call} WHERE rank = 1").fetchall()[0][0]

    assert first_domain("Latex") == "Observation"  # the lowest concept_id
    assert first_domain("Latex (physical object)") == "Device"
    assert first_domain("Latex (product)") == "Device"
    assert first_domain("Latex (product)", source_vocabulary_id="RxNorm") == "Drug"
    assert first_domain("Latex (product)", source_vocabulary_id="UNKNOWN") == "Device"


def test_the_types_of_the_cdm_are_no_suggestion(suggested):
    assert "Hypertension EHR" not in suggested("Hypertension EHR")
    assert suggested("Hypertension EHR", k=1, domain_id="Type Concept") == ["Hypertension EHR"]


def test_columns_order_and_scores(con, vocabulary):
    con.execute(
        """
        CREATE TABLE codes AS FROM (VALUES
            ('R1', 'Anemia', 3), ('R2', 'type 2 Diabetes Mellitus', 70), ('R2', 'type 2 Diabetes Mellitus', 30),
            ('R3', NULL, 900), ('R4', '§', 800)
        ) AS codes (SOURCE_CODE, Source_Name, frequency)
        """
    )
    relation = con.sql(f"FROM omopsql.suggest_concepts('codes', k := 2, vocabulary := '{vocabulary}')")
    assert relation.columns == [
        "source_code",
        "source_code_description",
        "rank",
        "score",
        "concept_id",
        "concept_name",
        "domain_id",
        "vocabulary_id",
    ]
    rows = relation.fetchall()
    assert [(row[0], row[2], row[4]) for row in rows] == [
        ("R2", 1, 201826),
        ("R2", 2, 201254),
        ("R1", 1, 439777),
        ("R1", 2, 4058243),
    ]
    assert [row[3] for row in rows][::2] == [1.0, 1.0]
    assert all(0 < row[3] < 1 for row in rows[1::2])


def test_the_vocabulary_in_use_is_read(con, vocabulary):
    con.execute("CREATE TABLE codes AS SELECT 1 AS code, 'Anemia' AS description")
    with pytest.raises(duckdb.Error, match="no vocabulary is in use"):
        con.execute("FROM omopsql.suggest_concepts('codes')")
    con.execute(f"FROM omopsql.use_vocabulary('{vocabulary}')").fetchall()
    assert con.execute("SELECT concept_id FROM omopsql.suggest_concepts('codes', k := 1)").fetchall() == [(439777,)]


@pytest.mark.parametrize("k", [0, 101])
def test_bad_k_is_refused(con, k):
    with pytest.raises(duckdb.Error, match=f"k is {k}"):
        con.execute(f"FROM omopsql.suggest_concepts('codes', k := {k})")


def test_a_missing_column_is_named(con, vocabulary):
    con.execute("CREATE TABLE codes AS SELECT 1 AS source_code, 'x' AS label")
    with pytest.raises(
        duckdb.Error, match=r"codes has no column source_code_description or .*; it has source_code, label"
    ):
        con.execute(f"FROM omopsql.suggest_concepts('codes', vocabulary := '{vocabulary}')")


def test_no_codes_no_suggestions(con, vocabulary):
    con.execute("CREATE TABLE codes (source_code VARCHAR, description VARCHAR)")
    assert con.execute(f"FROM omopsql.suggest_concepts('codes', vocabulary := '{vocabulary}')").fetchall() == []


def test_accepted_suggestions_become_a_source_to_concept_map(con, vocabulary, tmp_path):
    con.execute("CREATE TABLE codes AS SELECT 'B1' AS source_code, 'anaemia' AS description")
    con.execute(
        f"""
        CREATE TABLE reviewed AS
        FROM omopsql.suggest_concepts('codes', vocabulary := '{vocabulary}') WHERE rank = 1
        """
    )
    con.execute(f"COPY (FROM omopsql.accepted_mappings('reviewed', 'OWN')) TO '{tmp_path}/source_to_concept_map.csv'")
    fields = con.execute(
        """
        SELECT cdm_field FROM omopsql.cdm_fields
        WHERE cdm_table = 'source_to_concept_map' AND cdm_version = '5.4' ORDER BY position
        """
    ).fetchall()
    saved = con.sql(f"FROM read_csv('{tmp_path}/source_to_concept_map.csv', all_varchar = true)")
    assert saved.columns == [name for (name,) in fields]
    assert saved.fetchall() == [
        ("B1", "0", "OWN", "anaemia", "439777", "SNOMED", "1970-01-01", "2099-12-31", None),
    ]


def test_wordings_are_plain_and_told_once():
    pairs = [(row["written"], row["means"]) for row in wordings().to_pylist()]
    assert len({written for written, _ in pairs}) == len(pairs)
    assert pairs == sorted(pairs)
    assert all(text == text.lower().strip() and text for pair in pairs for text in pair)
    assert not {(means, written) for written, means in pairs} & set(pairs)


SOURCES = {
    "conditions": "'SNOMED'",
    "encounters": "'SNOMED'",
    "devices": "'SNOMED'",
    "careplans": "'SNOMED'",
    "immunizations": "'CVX'",
    "medications": "'RxNorm'",
    "allergies": "CASE WHEN SYSTEM = 'RxNorm' THEN 'RxNorm' ELSE 'SNOMED' END",
}


def test_synthea_descriptions_find_their_concepts(con, data_folder, tmp_path):
    """Of the codes that occur and are mapped, by their descriptions alone: the mapping itself is never seen."""
    pair, athena = data_folder("pair/tutorial_synthea"), data_folder("vocabulary/athena_subset")
    distinct = " UNION ".join(
        f"SELECT CODE AS code, DESCRIPTION AS description, {vocabulary} AS vocabulary_id "
        f"FROM read_csv('{pair}/syntheaRaw/{file}.csv', all_varchar = true)"
        for file, vocabulary in SOURCES.items()
    )
    con.execute(
        f"""
        CREATE TABLE mapped AS
        SELECT source_vocabulary_id, source_code, CAST(target_concept_id AS INTEGER) AS concept_id,
            target_concept_name AS concept_name, target_domain_id AS domain_id, target_vocabulary_id AS vocabulary_id
        FROM read_csv('{pair}/syntheaCDM/source_to_standard_vocab_map.csv', all_varchar = true)
        WHERE target_standard_concept = 'S';
        CREATE TABLE occurring AS SELECT * FROM ({distinct}) AS extracts;
        CREATE TABLE gold AS
        SELECT vocabulary_id || ' ' || code AS source_code, description, concept_id, domain_id
        FROM occurring JOIN (SELECT * EXCLUDE (vocabulary_id) FROM mapped) AS targets
            ON source_vocabulary_id = vocabulary_id AND targets.source_code = code;
        CREATE TABLE codes AS SELECT DISTINCT source_code, description FROM gold;
        COPY (
            SELECT concept_id, concept_name, domain_id, vocabulary_id, standard_concept, concept_code
            FROM '{athena}/concept.parquet' WHERE standard_concept = 'S'
            UNION
            SELECT DISTINCT ON (concept_id) concept_id, concept_name, domain_id, vocabulary_id, 'S', '' FROM mapped
            WHERE concept_id NOT IN (SELECT concept_id FROM '{athena}/concept.parquet' WHERE standard_concept = 'S')
        ) TO '{tmp_path}/concept.parquet';
        COPY (SELECT concept_id_1, concept_id_2, relationship_id FROM '{athena}/concept_relationship.parquet' LIMIT 0)
        TO '{tmp_path}/concept_relationship.parquet';
        CREATE TABLE suggested AS FROM omopsql.suggest_concepts('codes', vocabulary := '{tmp_path}');
        """
    )
    reached = con.execute(
        """
        WITH ranked AS (
            SELECT source_code, domain_id, min(rank) AS rank
            FROM gold LEFT JOIN (SELECT source_code, concept_id, rank FROM suggested) AS found
                USING (source_code, concept_id)
            GROUP BY ALL
        )
        SELECT domain_id, count(*), avg((rank = 1 IS TRUE)::INT), avg((rank <= 5 IS TRUE)::INT)
        FROM ranked GROUP BY ROLLUP (domain_id)
        """
    ).fetchall()
    by_domain = {domain: (n, first, among_five) for domain, n, first, among_five in reached}
    n, first, among_five = by_domain[None]
    assert n == 368
    assert among_five >= 0.97
    assert first >= 0.92
    assert min(figures[2] for domain, figures in by_domain.items() if domain) >= 0.9
