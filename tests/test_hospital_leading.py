"""Where most of what befalls people happens in stays, stays lead: the rest happens in them, and opens no others."""

import duckdb

PERSONS, ITEMS, LABORATORY = 200, 30, 3999
_DATE = "DATE '2015-01-01' + CAST(hash(i) % 1000 AS INTEGER)"
_TABLES = {
    "person": "SELECT i AS person_id, 8507 AS gender_concept_id, 1940 + i % 40 AS year_of_birth FROM ids",
    "observation_period": """
        SELECT i AS observation_period_id, i AS person_id, DATE '2015-01-01' AS observation_period_start_date,
            DATE '2019-12-31' AS observation_period_end_date, 1 AS period_type_concept_id
        FROM ids""",
    # one stay of five days each, in one of two kinds of wards
    "visit_occurrence": f"""
        SELECT i AS visit_occurrence_id, i AS person_id, CASE WHEN i % 8 = 0 THEN 262 ELSE 9201 END AS visit_concept_id,
            {_DATE} AS visit_start_date, {_DATE} + 4 AS visit_end_date, 1 AS visit_type_concept_id
        FROM ids""",
    # in it about a third of the items
    "procedure_occurrence": f"""
        SELECT i * 1000 + item AS procedure_occurrence_id, i AS person_id, 2000 + item AS procedure_concept_id,
            {_DATE} + CAST(hash(i, item, 'day') % 5 AS INTEGER) AS procedure_date, 1 AS procedure_type_concept_id,
            i AS visit_occurrence_id
        FROM ids, range({ITEMS}) AS items (item)
        WHERE hash(i, item) % 3 = 0""",
    # and on six days of later years a test outside of it
    "measurement": f"""
        SELECT i * 1000 + k AS measurement_id, i AS person_id, {LABORATORY} AS measurement_concept_id,
            {_DATE} + CAST(30 + k * 40 + hash(i, k) % 20 AS INTEGER) AS measurement_date,
            1 AS measurement_type_concept_id, CAST(NULL AS BIGINT) AS visit_occurrence_id
        FROM ids, range(6) AS days (k)""",
}  # fmt: skip


def _ratio(con: duckdb.DuckDBPyConnection, table: str) -> float:
    """Records a person, over those of the source."""
    made = f"FROM omopsql.cdm_sample('m', '{table}', persons := {4 * PERSONS}, seed := 1)"
    query = f"SELECT (SELECT count(*) {made}) / (SELECT 4 * count(*) FROM ward.{table})"
    return float(con.execute(query).fetchall()[0][0])


def test_stays_are_as_many_though_most_days_are_outside_of_them(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE SCHEMA ward")
    for name, select in _TABLES.items():
        con.execute(f"CREATE TABLE ward.{name} AS WITH ids AS (FROM range(1, {PERSONS + 1}) AS r (i)) {select}")
    con.execute("CREATE TABLE m AS FROM omopsql.cdm_fit('ward')")
    assert 0.9 < _ratio(con, "visit_occurrence") < 1.1
    assert 0.9 < _ratio(con, "procedure_occurrence") < 1.1
    assert 0.9 < _ratio(con, "measurement") < 1.1
    outside = "SELECT count(*) FROM omopsql.cdm_sample('m', 'procedure_occurrence', persons := 800, seed := 1)"
    assert con.execute(f"{outside} WHERE visit_occurrence_id IS NULL").fetchall() == [(0,)]
