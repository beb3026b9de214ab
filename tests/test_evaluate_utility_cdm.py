"""The utility of whole CDMs: an outcome is a query, nothing of the future predicts it, and a careless copy is found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pytest
from named_metrics import told

import omopsql
from omopsql.evaluate.utility.classifiers import LOGISTIC


def hospital(con: duckdb.DuckDBPyConnection, schema: str, seed: int, treated: str = "sick") -> None:
    """600 persons: disease 10 follows long after disease 20; drug 30 is given after disease 10, to ``treated``."""
    con.execute(f"CREATE SCHEMA {schema}")
    con.execute(
        f"""
        CREATE TABLE {schema}.story AS
        SELECT
            i AS person_id,
            i % 2 = 0 AS is_male,
            omopsql.philox_uniform({seed}, i, 1) < 0.4 AS exposed,
            omopsql.philox_uniform({seed}, i, 2) < CASE WHEN exposed THEN 0.6 ELSE 0.15 END AS sick,
            {"sick" if treated == "sick" else f"omopsql.philox_uniform({seed}, i, 3) < 0.3"} AS treated,
            DATE '2010-01-01' + CAST(floor(300 * omopsql.philox_uniform({seed}, i, 4)) AS INTEGER) AS began,
            CASE WHEN omopsql.philox_uniform({seed}, i, 5) < CASE WHEN exposed THEN 0.5 ELSE 0.2 END
                THEN began + CAST(ceil(1500 * omopsql.philox_uniform({seed}, i, 6)) AS INTEGER) + 1500 END AS death_date
        FROM range(1, 601) AS r (i)
        """
    )
    tables = {
        "person": "SELECT person_id, CASE WHEN is_male THEN 8507 ELSE 8532 END AS gender_concept_id, "
        "1940 + person_id % 50 AS year_of_birth, 0 AS race_concept_id, 0 AS ethnicity_concept_id FROM story",
        "observation_period": "SELECT person_id AS observation_period_id, person_id, began AS "
        "observation_period_start_date, began + 3000 AS observation_period_end_date FROM story",
        "death": "SELECT person_id, death_date FROM story WHERE death_date IS NOT NULL",
        "condition_occurrence": "SELECT person_id, 20 AS condition_concept_id, began + 100 AS condition_start_date "
        "FROM story WHERE exposed UNION ALL SELECT person_id, 10, began + 1000 FROM story WHERE sick",
        "drug_exposure": "SELECT person_id, 30 AS drug_concept_id, began + 1010 AS drug_exposure_start_date "
        "FROM story WHERE treated",
    }
    for name, sql in tables.items():
        con.execute(f"CREATE TABLE {schema}.{name} AS {sql.replace('FROM story', f'FROM {schema}.story')}")


@pytest.fixture(scope="module")
def hospitals() -> Iterator[duckdb.DuckDBPyConnection]:
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("SET enable_progress_bar = false")
        hospital(con, "first", 1)
        hospital(con, "second", 2)
        hospital(con, "third", 3)
        hospital(con, "careless", 4, treated="anyone")
        yield con


EVER = "SELECT person_id FROM condition_occurrence WHERE condition_concept_id = 10"


DATED = f"{EVER.replace('person_id', 'person_id, condition_start_date AS index_date')}"


def of_cdms(con: duckdb.DuckDBPyConnection, synthetic: str, outcome: str, more: str = "holdout := 'third'") -> Any:
    return told(con, f"utility('first', '{synthetic}', '{outcome}', {more})")


def test_the_outcome_of_a_cdm_is_a_query_and_its_concept_predicts_nothing(hospitals):
    found = of_cdms(hospitals, "second", EVER)
    assert found["tstr_auroc", LOGISTIC]["value"] > 0.95  # the drug gives it away
    assert found["tstr_auroc", LOGISTIC]["verdict"] == "pass"
    assert ("log_odds_ratio", "drug_exposure 30") in found
    assert not any(subject == "condition_occurrence 10" for _, subject in found)
    assert "the 1 concepts that the outcome names predict nothing" in next(iter(found.values()))["note"]


def test_before_an_index_date_nothing_of_the_future_is_known(hospitals):
    found = of_cdms(hospitals, "second", DATED)
    assert 0.6 < found["trtr_auroc", LOGISTIC]["value"] < 0.85  # the exposure only
    assert found["log_odds_ratio", "condition_occurrence 20"]["value"] == pytest.approx(
        np.log(0.6 / 0.4 / 0.15 * 0.85), abs=0.7
    )
    assert not any(subject == "drug_exposure 30" for _, subject in found)


def test_a_treatment_without_its_disease_is_found(hospitals):
    found = of_cdms(hospitals, "careless", EVER)
    assert found["tstr_auroc", LOGISTIC]["verdict"] == "fail"
    assert found["log_odds_ratio", "drug_exposure 30"]["verdict"] == "fail"


def test_a_query_may_name_all_persons_of_the_question(hospitals):
    women = (
        "SELECT person_id, person_id IN (SELECT person_id FROM condition_occurrence WHERE condition_concept_id = 10) "
        "AS outcome FROM person WHERE gender_concept_id = 8532"
    )
    found = of_cdms(hospitals, "second", women)
    assert found["tstr_auroc", LOGISTIC]["n"] == 300


def test_survival_of_a_cdm_is_replicated(hospitals):
    found = of_cdms(hospitals, "second", EVER)
    assert found["cox_interval_overlap", ""]["verdict"] == "pass"
    assert found["log_hazard_ratio", "condition_occurrence 20"]["value"] > 0.5


def test_cohorts_of_a_cdm_count_persons(hospitals):
    cohorts = (
        "cohorts := {'exposed': 'SELECT person_id FROM condition_occurrence WHERE condition_concept_id = 20', "
        "'twice': 'SELECT person_id FROM person UNION ALL SELECT person_id FROM person'}"
    )
    found = told(hospitals, f"utility('first', 'second', {cohorts})")
    expected = hospitals.execute("SELECT avg(CAST(exposed AS INTEGER)) FROM second.story").fetchall()[0][0]
    assert found["cohort_share", "exposed"]["value"] == pytest.approx(expected)
    assert found["cohort_share", "twice"]["value"] == 1.0


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ("SELECT 1 AS x", "outcome: it returns x; it must return person_id"),
        ("SELECT person_id FROM nowhere", "outcome: it cannot run on first: .*nowhere"),
        ("died", "outcome: 'died' is no query; give one SELECT"),
        ("SELECT person_id FROM person; DROP TABLE first.person", "outcome: .* does more than read|cannot be read"),
        ("DELETE FROM first.person", "outcome: .* is no query"),
    ],
)
def test_a_mistake_in_a_query_is_told_in_one_line(hospitals, outcome, message):
    with pytest.raises(duckdb.Error, match=message):
        of_cdms(hospitals, "second", outcome)
    assert hospitals.execute("SELECT count(*) FROM first.person").fetchall() == [(600,)]


def test_a_cdm_and_a_table_are_not_compared(hospitals):
    with pytest.raises(duckdb.Error, match="is a CDM"):
        hospitals.execute("FROM omopsql.utility('first', 'first.story', 'sick')")
