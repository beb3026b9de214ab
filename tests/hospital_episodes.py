"""Cancers for the small hospital of the tests: diseases, regimens in cycles of 21 days, drugs, and what links them.

Of two persons one has a cancer. Four of five of these have a disease episode, from the first record on or six days
later; a third of them is ongoing. Regimens follow, one line or two, numbered; a cycle begins with its drugs.
"""

from __future__ import annotations

import duckdb

COLON, BREAST = 7001, 7002
FOLFOX, FOLFIRI, AC, PACLITAXEL = 8001, 8002, 8003, 8004
DISEASE, REGIMEN, CYCLE = 32533, 32531, 32532
MARKER, SURGERY = 5001, 6001
CONDITION_ID, DRUG_ID, PROCEDURE_ID, MEASUREMENT_ID = 1147127, 1147094, 1147082, 1147138
DRUGS = {FOLFOX: (4001, 4002, 4003), FOLFIRI: (4004, 4002, 4003), AC: (4005, 4006), PACLITAXEL: (4007,)}

_PATIENT = f"""
    CREATE TEMP TABLE patient AS
    SELECT person_id AS i, CASE WHEN person_id % 4 = 0 THEN {COLON} ELSE {BREAST} END AS disease,
        DATE '2013-01-01' + CAST(person_id * 7 % 700 AS INTEGER) AS first_date,
        person_id // 2 % 5 < 4 AS has_episode,
        CASE person_id // 2 % 8 WHEN 3 THEN 6 ELSE 0 END AS delay,
        CASE WHEN person_id // 4 % 3 > 0
        THEN least(first_date + CAST(500 + person_id * 13 % 600 AS INTEGER), death_date) END AS last_date
    FROM {{schema}}.person LEFT JOIN {{schema}}.death USING (person_id) WHERE person_id % 2 = 0
"""
_LINE = f"""
    CREATE TEMP TABLE line AS
    WITH one AS (
        SELECT i, 1 AS line, CASE WHEN disease = {COLON} THEN CASE WHEN i // 4 % 10 < 7 THEN {FOLFOX} ELSE {FOLFIRI} END
            WHEN i // 4 % 10 < 8 THEN {AC} ELSE {PACLITAXEL} END AS regimen,
            first_date + CAST(20 + i % 15 AS INTEGER) AS line_date, 4 + i // 2 % 5 AS cycles
        FROM patient WHERE has_episode OR i // 2 % 10 = 4
    )
    FROM one
    UNION ALL
    SELECT i, 2, CASE regimen WHEN {FOLFOX} THEN {FOLFIRI} WHEN {FOLFIRI} THEN {FOLFOX} WHEN {AC} THEN {PACLITAXEL}
        ELSE {AC} END, line_date + CAST(cycles * 21 + 60 + i % 30 AS INTEGER), 3 + i // 2 % 4
    FROM one WHERE i // 2 % 5 < 2
"""
_CYCLE = """
    CREATE TEMP TABLE cycle AS
    SELECT i, line, regimen, k, line_date + CAST((k - 1) * 21 AS INTEGER) AS cycle_date
    FROM line, range(1, 10) AS c (k) WHERE k <= cycles
"""
_RECORDS = {
    "condition_occurrence": """
        SELECT 100000000 + i * 10 + k AS condition_occurrence_id, i AS person_id, disease AS condition_concept_id,
            first_date + CAST(k * 90 AS INTEGER) AS condition_start_date, 32020 AS condition_type_concept_id
        FROM patient, range(4) AS v (k)""",
    "drug_exposure": f"""
        SELECT 100000000 + i * 10000 + line * 1000 + k * 100 + drug % 100 AS drug_exposure_id, i AS person_id,
            drug AS drug_concept_id, cycle_date AS drug_exposure_start_date, cycle_date AS drug_exposure_end_date,
            32838 AS drug_type_concept_id
        FROM cycle JOIN (VALUES {", ".join(f"({r}, {d})" for r, of in DRUGS.items() for d in of)}) AS d (regimen, drug)
            USING (regimen)""",
    "measurement": f"""
        SELECT 100000000 + i * 100 + line * 10 + k AS measurement_id, i AS person_id,
            {MARKER} AS measurement_concept_id, cycle_date AS measurement_date, 32856 AS measurement_type_concept_id,
            3.0 + i % 17 + k AS value_as_number
        FROM cycle WHERE (i // 2 + k) % 3 > 0""",
}
_SURGERY = f"""
    CREATE TABLE {{schema}}.procedure_occurrence AS
    SELECT i AS procedure_occurrence_id, i AS person_id, {SURGERY} AS procedure_concept_id,
        first_date + 10 AS procedure_date, 32817 AS procedure_type_concept_id
    FROM patient WHERE i // 2 % 3 = 0
"""
_EPISODE = f"""
    CREATE TABLE {{schema}}.episode AS
    SELECT i * 1000 AS episode_id, i AS person_id, {DISEASE} AS episode_concept_id,
        first_date + CAST(delay AS INTEGER) AS episode_start_date, last_date AS episode_end_date,
        CAST(NULL AS BIGINT) AS episode_parent_id, CAST(NULL AS INTEGER) AS episode_number,
        disease AS episode_object_concept_id, 32880 AS episode_type_concept_id,
        'cancer ' || disease AS episode_source_value
    FROM patient WHERE has_episode
    UNION ALL
    SELECT i * 1000 + line * 100, i, {REGIMEN}, line_date,
        line_date + CAST(cycles * 21 - 1 - CASE i % 16 WHEN 0 THEN 20 ELSE 0 END AS INTEGER), i * 1000, line, regimen,
        32880, 'regimen ' || regimen
    FROM line JOIN patient USING (i) WHERE has_episode
    UNION ALL
    SELECT i * 1000 + line * 100 + k, i, {CYCLE}, cycle_date, cycle_date + 20, i * 1000 + line * 100, k, regimen,
        32880, NULL
    FROM cycle JOIN patient USING (i) WHERE has_episode
"""
_EPISODE_EVENT = f"""
    CREATE TABLE {{schema}}.episode_event AS
    SELECT i * 1000 AS episode_id, condition_occurrence_id AS event_id, {CONDITION_ID} AS episode_event_field_concept_id
    FROM patient JOIN {{schema}}.condition_occurrence ON person_id = i AND condition_concept_id = disease
    WHERE has_episode
    UNION ALL
    SELECT i * 1000, procedure_occurrence_id, {PROCEDURE_ID}
    FROM patient JOIN {{schema}}.procedure_occurrence ON person_id = i WHERE has_episode AND i // 2 % 6 = 0
    UNION ALL
    SELECT i * 1000 + drug_exposure_id // 1000 % 10 * 100, drug_exposure_id, {DRUG_ID}
    FROM patient JOIN {{schema}}.drug_exposure ON person_id = i WHERE has_episode AND drug_exposure_id > 100000000
    UNION ALL
    SELECT i * 1000 + drug_exposure_id // 1000 % 10 * 100 + drug_exposure_id // 100 % 10, drug_exposure_id, {DRUG_ID}
    FROM patient JOIN {{schema}}.drug_exposure ON person_id = i WHERE has_episode AND drug_exposure_id > 100000000
    UNION ALL
    SELECT i * 1000 + measurement_id // 10 % 10 * 100 + measurement_id % 10, measurement_id, {MEASUREMENT_ID}
    FROM patient JOIN {{schema}}.measurement ON person_id = i
    WHERE has_episode AND measurement_id > 100000000 AND measurement_id % 2 = 0
"""


def add_episodes(con: duckdb.DuckDBPyConnection, schema: str = "cdm") -> None:
    """Add cancers, their treatment, and the tables episode and episode_event, to a hospital of ``hospital_cdm``."""
    for sql in (_PATIENT, _LINE, _CYCLE):
        con.execute(sql.format(schema=schema))
    for table, select in _RECORDS.items():
        con.execute(f"INSERT INTO {schema}.{table} BY NAME {select}")
    for sql in (_SURGERY, _EPISODE, _EPISODE_EVENT):
        con.execute(sql.format(schema=schema))
    for table in ("patient", "line", "cycle"):
        con.execute(f"DROP TABLE {table}")
