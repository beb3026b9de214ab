"""A small hospital that tests make for themselves: a CDM in a schema, its persons, visits, records and deaths.

Everything follows from a person's number by plain arithmetic, so that what must be counted is known.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

MALE, FEMALE = 8507, 8532
OUTPATIENT, INPATIENT = 9202, 9201
COLD, FRACTURE, RARE, RARER, ABOVE_RARE = 1001, 1002, 1003, 1004, 1000
DRUG, WEIGHT = 2001, 3001
VARIANT, RECEPTOR, POSITIVE, NEGATIVE = 3101, 3201, 45884084, 45878583

_TABLES = {
    "person": f"""
        SELECT i AS person_id, CASE i % 2 WHEN 0 THEN {FEMALE} ELSE {MALE} END AS gender_concept_id,
            1930 + i * 7 % 70 AS year_of_birth, 1 + i % 12 AS month_of_birth, 1 + i % 28 AS day_of_birth,
            CASE WHEN i % 3 = 0 THEN 8516 ELSE 8527 END AS race_concept_id, 38003564 AS ethnicity_concept_id
        FROM ids""",
    "observation_period": """
        SELECT i AS observation_period_id, i AS person_id, DATE '2010-01-01' + CAST(i * 13 % 400 AS INTEGER)
            AS observation_period_start_date,
            CASE WHEN i % 10 = 0 THEN DATE '2016-06-01' + CAST(i % 90 AS INTEGER)
            ELSE DATE '2020-12-31' - CAST(i * 11 % 200 AS INTEGER) END AS observation_period_end_date,
            44814724 AS period_type_concept_id
        FROM ids""",
    "death": """
        SELECT i AS person_id, DATE '2016-06-01' + CAST(i % 90 AS INTEGER) AS death_date FROM ids WHERE i % 10 = 0""",
    "visit_occurrence": f"""
        SELECT i * 100 + k AS visit_occurrence_id, i AS person_id,
            CASE WHEN k % 4 = 0 THEN {INPATIENT} ELSE {OUTPATIENT} END AS visit_concept_id,
            DATE '2012-01-01' + CAST(k * 90 + i % 30 AS INTEGER) AS visit_start_date,
            DATE '2012-01-01' + CAST(k * 90 + i % 30 + CASE k % 4 WHEN 0 THEN 3 ELSE 0 END AS INTEGER)
            AS visit_end_date, 44818518 AS visit_type_concept_id
        FROM ids, range(1, 9) AS v (k)""",
    "condition_occurrence": f"""
        SELECT i * 100 + k AS condition_occurrence_id, i AS person_id,
            CASE WHEN k = 1 AND i % 20 = 7 THEN {RARE} WHEN k = 1 AND i % 20 = 13 THEN {RARER}
            WHEN k % 3 = 0 THEN {FRACTURE} ELSE {COLD} END AS condition_concept_id,
            DATE '2012-01-01' + CAST(k * 90 + i % 30 + CASE k WHEN 4 THEN 2 ELSE 0 END AS INTEGER)
            AS condition_start_date, 32020 AS condition_type_concept_id, i * 100 + k AS visit_occurrence_id
        FROM ids, range(1, 7) AS v (k)""",
    "drug_exposure": f"""
        SELECT i AS drug_exposure_id, i AS person_id, {DRUG} AS drug_concept_id,
            DATE '2012-04-05' + CAST(i % 30 AS INTEGER) AS drug_exposure_start_date,
            DATE '2012-04-15' + CAST(i % 30 AS INTEGER) AS drug_exposure_end_date,
            32838 AS drug_type_concept_id, CAST(NULL AS BIGINT) AS visit_occurrence_id
        FROM ids WHERE i % 2 = 0""",
    "measurement": f"""
        SELECT i * 100 + k AS measurement_id, i AS person_id, {WEIGHT} AS measurement_concept_id,
            DATE '2012-01-01' + CAST(k * 90 + i % 30 AS INTEGER) AS measurement_date,
            32856 AS measurement_type_concept_id, 60.0 + i % 40 + k / 2 AS value_as_number, 9529 AS unit_concept_id,
            i * 100 + k AS visit_occurrence_id, CAST(NULL AS VARCHAR) AS measurement_source_value,
            CAST(NULL AS BIGINT) AS value_as_concept_id
        FROM ids, range(1, 9) AS v (k)""",
    "concept": f"""
        SELECT id AS concept_id, 'a concept' AS concept_name, domain AS domain_id, 'S' AS standard_concept
        FROM (VALUES ({ABOVE_RARE}, 'Condition'), ({COLD}, 'Condition'), ({FRACTURE}, 'Condition'),
            ({RARE}, 'Condition'), ({RARER}, 'Condition'), ({DRUG}, 'Drug'), ({WEIGHT}, 'Measurement'))
            AS c (id, domain)""",
    "concept_ancestor": f"""
        SELECT ancestor AS ancestor_concept_id, descendant AS descendant_concept_id,
            levels AS min_levels_of_separation, levels AS max_levels_of_separation
        FROM (VALUES ({ABOVE_RARE}, {RARE}, 1), ({ABOVE_RARE}, {RARER}, 2), ({COLD}, {COLD}, 0))
            AS a (ancestor, descendant, levels)""",
}


def make_hospital(con: duckdb.DuckDBPyConnection, schema: str = "cdm", persons: int = 120, first: int = 1) -> None:
    """Make the schema, with so many persons, numbered from ``first``."""
    con.execute(f"CREATE SCHEMA {schema}")
    for name, select in _TABLES.items():
        con.execute(
            f"CREATE TABLE {schema}.{name} AS "
            f"WITH ids AS (SELECT i FROM range({first}, {first + persons}) AS r (i)) {select}"
        )


def write_hospital(con: duckdb.DuckDBPyConnection, schema: str, folder: Path, kind: str = "parquet") -> None:
    """Write the schema's tables as files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for (name,) in con.execute(f"SELECT table_name FROM duckdb_tables() WHERE schema_name = '{schema}'").fetchall():
        con.execute(f"COPY {schema}.{name} TO '{folder / name}.{kind}' (FORMAT {kind})")


def add_findings(con: duckdb.DuckDBPyConnection, schema: str = "cdm") -> None:
    """Add findings to the measurements: unmapped ones with the source's code, and results that are concepts.

    Of each four persons one has TP53 p.R175H, and one a variant of TP53 that nobody else has. Each fortieth has one of
    BRCA1, each tenth a code without a symbol, each third a long text. Half have a positive result, a few another.
    """
    con.execute(
        f"""
        INSERT INTO {schema}.measurement BY NAME
        WITH ids AS (SELECT person_id AS i FROM {schema}.person),
        found AS (
            SELECT i, 0 AS concept, 'TP53 p.R175H' AS code, NULL AS value FROM ids WHERE i % 4 = 0
            UNION ALL SELECT i, 0, 'TP53 p.X' || i, NULL FROM ids WHERE i % 4 = 1
            UNION ALL SELECT i, 0, 'BRCA1 c.' || i, NULL FROM ids WHERE i % 40 = 2
            UNION ALL SELECT i, 0, 'seen by ' || i, NULL FROM ids WHERE i % 10 = 3
            UNION ALL SELECT i, 0, 'NOTE ' || repeat('what a doctor wrote ', 5), NULL FROM ids WHERE i % 3 = 0
            UNION ALL SELECT i, {VARIANT}, 'TP53 p.H' || i, NULL FROM ids WHERE i % 40 = 6
            UNION ALL SELECT i, {RECEPTOR}, 'ER', {POSITIVE} FROM ids WHERE i % 2 = 0
            UNION ALL SELECT i, {RECEPTOR}, 'ER', {NEGATIVE} FROM ids WHERE i % 40 = 7
        )
        SELECT
            1000000 + row_number() OVER () AS measurement_id,
            i AS person_id,
            concept AS measurement_concept_id,
            DATE '2013-01-01' + CAST(i % 30 AS INTEGER) AS measurement_date,
            32856 AS measurement_type_concept_id,
            code AS measurement_source_value,
            value AS value_as_concept_id
        FROM found
        """
    )


def add_gaps(con: duckdb.DuckDBPyConnection, schema: str = "cdm") -> None:
    """Observe some persons with gaps: two of ten have one, nearly one of ten has two.

    Visits come every 60 days in between, each with a cold, and a third with a fracture. No record lies in a gap.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TABLE {schema}.observation_period AS
        WITH span AS (
            SELECT person_id AS i, DATE '2010-01-01' + CAST(person_id * 13 % 400 AS INTEGER) AS first_date,
                coalesce(death_date, DATE '2018-12-31' - CAST(person_id * 11 % 200 AS INTEGER)) AS last_date
            FROM {schema}.person LEFT JOIN {schema}.death USING (person_id)
        ),
        gap AS (
            SELECT i, CAST(600 + i * 17 % 900 AS INTEGER) AS after, CAST(100 + i * 37 % 400 AS INTEGER) AS days
            FROM span WHERE i // 10 % 10 BETWEEN 1 AND 3
            UNION ALL
            SELECT i, CAST(2150 + i * 7 % 200 AS INTEGER), CAST(50 + i * 29 % 150 AS INTEGER)
            FROM span WHERE i // 10 % 10 = 3 AND i % 10 > 0
        ),
        begun AS (
            SELECT i, first_date AS begins FROM span
            UNION ALL SELECT i, first_date + after + days FROM span JOIN gap USING (i)
        ),
        ended AS (
            SELECT i, last_date AS ends FROM span
            UNION ALL SELECT i, first_date + after - 1 FROM span JOIN gap USING (i)
        )
        SELECT i * 10 + row_number() OVER (PARTITION BY i ORDER BY begins) AS observation_period_id, i AS person_id,
            begins AS observation_period_start_date, min(ends) AS observation_period_end_date,
            44814724 AS period_type_concept_id
        FROM begun JOIN ended USING (i) WHERE ends >= begins GROUP BY i, begins
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TABLE {schema}.visit_occurrence AS
        SELECT observation_period_id * 1000 + k AS visit_occurrence_id, person_id,
            CASE WHEN k % 4 = 0 THEN {INPATIENT} ELSE {OUTPATIENT} END AS visit_concept_id,
            observation_period_start_date + CAST(10 + person_id % 30 + k * 60 AS INTEGER) AS visit_start_date,
            visit_start_date + CASE k % 4 WHEN 0 THEN 3 ELSE 0 END AS visit_end_date, 44818518 AS visit_type_concept_id
        FROM {schema}.observation_period, range(60) AS v (k)
        WHERE visit_end_date <= observation_period_end_date
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TABLE {schema}.condition_occurrence AS
        SELECT visit_occurrence_id * 2 + second AS condition_occurrence_id, person_id,
            CASE second WHEN 1 THEN {FRACTURE} ELSE {COLD} END AS condition_concept_id,
            visit_start_date AS condition_start_date, 32020 AS condition_type_concept_id, visit_occurrence_id
        FROM {schema}.visit_occurrence, range(2) AS v (second)
        WHERE second = 0 OR visit_occurrence_id % 3 = 0
        """
    )
    for table, day in (("drug_exposure", "drug_exposure_end_date"), ("measurement", "measurement_date")):
        con.execute(
            f"""
            DELETE FROM {schema}.{table} AS record WHERE NOT EXISTS (
                FROM {schema}.observation_period AS period
                WHERE period.person_id = record.person_id
                AND record.{day} BETWEEN observation_period_start_date AND observation_period_end_date)
            """
        )
    con.execute(f"UPDATE {schema}.measurement SET visit_occurrence_id = NULL")


def add_payers(con: duckdb.DuckDBPyConnection, schema: str = "cdm") -> None:
    """Insure nine of ten persons, from the first to the last day of observation, two years at a time.

    Under 65 by ACME or, each third, by Beta, who each year changes to ACME for one of ten; from the first period after
    the 65th birthday on by Medicare. Each fourth has a gap after the first period. One of 50 has a plan of his own.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TABLE {schema}.payer_plan_period AS
        WITH period AS (
            SELECT i, k, closes, make_date(year_of_birth, month_of_birth, day_of_birth) AS birth,
                opens + CAST(k * 730 + CASE WHEN i % 4 = 0 AND k > 0 THEN 90 + i % 60 ELSE 0 END AS INTEGER) AS begins
            FROM (
                SELECT person_id AS i, observation_period_start_date AS opens, observation_period_end_date AS closes
                FROM {schema}.observation_period WHERE person_id % 10 <> 9
            )
            JOIN {schema}.person ON person_id = i, range(6) AS r (k)
            WHERE begins <= closes
        ),
        insured AS (
            SELECT *, CASE WHEN begins >= birth + INTERVAL 65 YEAR THEN 3
                WHEN i % 3 = 0 AND i // 3 % 10 > k THEN 2 ELSE 1 END AS payer
            FROM period
        )
        SELECT i * 10 + k AS payer_plan_period_id, i AS person_id, begins AS payer_plan_period_start_date,
            least(begins + 729, closes) AS payer_plan_period_end_date, 280 + payer AS payer_concept_id,
            CASE payer WHEN 1 THEN 'ACME' WHEN 2 THEN 'Beta' ELSE 'Medicare' END AS payer_source_value,
            CASE WHEN i % 50 = 3 THEN 'plan of ' || i WHEN payer = 1 AND i % 7 < 3 THEN 'Gold' ELSE 'Silver' END
                AS plan_source_value,
            'family ' || i AS family_source_value,
            CASE WHEN begins + 729 >= closes THEN 'left' END AS stop_reason_source_value
        FROM insured
        """
    )


def add_costs(con: duckdb.DuckDBPyConnection, schema: str = "cdm") -> None:
    """Let nine of ten visits and all drugs cost something, conditions nothing. ``add_payers`` comes first.

    Inpatient visits cost thousands, others a hundred to 300. What is paid is nine tenths of a charge. The insured pay
    25 of a visit and their payers the rest; the uninsured pay all. A drug's cost is its ingredient's and a fee of 2.5.
    The visit of one person costs millions.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TABLE {schema}.cost AS
        WITH event AS (
            SELECT 'Visit' AS domain, visit_occurrence_id AS event_id, person_id AS i, visit_start_date AS day,
                CASE WHEN person_id = 17 THEN 7654321.0 WHEN visit_concept_id = {INPATIENT}
                    THEN 5000 + person_id * 37 % 3000 + visit_occurrence_id % 97 ELSE 100 + person_id * 7 % 21 * 10 END
                    AS charge
            FROM {schema}.visit_occurrence WHERE (visit_occurrence_id + person_id) % 10 <> 0
            UNION ALL
            SELECT 'Drug', drug_exposure_id, person_id, drug_exposure_start_date, 12.5 + person_id * 3 % 40
            FROM {schema}.drug_exposure
        ),
        paid AS (
            SELECT *, round(charge * 0.9, 2) AS total, CASE domain WHEN 'Drug' THEN 0.2 * total ELSE 25 END AS own
            FROM event
        ),
        told AS (
            SELECT paid.*, payer_plan_period_id,
                CASE WHEN payer_plan_period_id IS NULL THEN total ELSE round(own, 2) END AS patient
            FROM paid LEFT JOIN {schema}.payer_plan_period AS period ON period.person_id = i
                AND day BETWEEN payer_plan_period_start_date AND payer_plan_period_end_date
        )
        SELECT row_number() OVER (ORDER BY domain, event_id) AS cost_id, event_id AS cost_event_id,
            domain AS cost_domain_id, 32814 AS cost_type_concept_id, 44818668 AS currency_concept_id,
            charge AS total_charge, total AS total_paid, total AS amount_allowed, patient AS paid_by_patient,
            round(total - patient, 2) AS paid_by_payer,
            CASE WHEN domain = 'Visit' AND payer_plan_period_id IS NOT NULL THEN patient END AS paid_patient_copay,
            CASE domain WHEN 'Drug' THEN charge - 2.5 END AS paid_ingredient_cost,
            CASE domain WHEN 'Drug' THEN 2.5 END AS paid_dispensing_fee, payer_plan_period_id,
            CASE WHEN i % 200 = 5 THEN 'ward ' || i END AS revenue_code_source_value
        FROM told
        """
    )
