"""Schedules such as vaccinations: as many doses as the source has, also where few persons follow them."""

import duckdb
import numpy as np
import pytest

from omopsql.synth.hospital.events.streams import _chances

VACCINES = (40213281, 40213160, 40213314)
YEARLY = 40213154


def _schedule(con: duckdb.DuckDBPyConnection, persons: int) -> None:
    """Visits every half year: grown-ups are vaccinated at every other, children (a quarter) at the first four.

    Children get some of three vaccines, and some the yearly one as well, so that no two have the same.
    """
    con.execute("CREATE SCHEMA cdm")
    con.execute(
        f"""
        CREATE TABLE cdm.person AS
        SELECT p AS person_id, 8507 + 25 * (p % 2) AS gender_concept_id,
            IF(p % 4 = 0, 2010, 1940 + p % 40) AS year_of_birth, 1 AS month_of_birth, 1 + p % 28 AS day_of_birth,
            0 AS race_concept_id, 0 AS ethnicity_concept_id
        FROM range(1, {persons + 1}) AS r (p);
        CREATE TABLE cdm.observation_period AS
        SELECT person_id AS observation_period_id, person_id, DATE '2010-02-01' AS observation_period_start_date,
            DATE '2022-01-01' AS observation_period_end_date, 44814724 AS period_type_concept_id
        FROM cdm.person;
        CREATE TABLE cdm.visit_occurrence AS
        SELECT row_number() OVER (ORDER BY person_id, k) AS visit_occurrence_id, person_id, k,
            9202 AS visit_concept_id, day AS visit_start_date, day AS visit_end_date, 44818517 AS visit_type_concept_id
        FROM (
            SELECT person_id, k, DATE '2010-03-01' + CAST(182 * k AS INTEGER) AS day
            FROM cdm.person, range(20) AS r (k)
        );
        CREATE TABLE cdm.drug_exposure AS
        SELECT row_number() OVER (ORDER BY person_id, k, v) AS drug_exposure_id, person_id, visit_occurrence_id,
            [{", ".join(map(str, (*VACCINES, YEARLY)))}][v] AS drug_concept_id,
            visit_start_date AS drug_exposure_start_date,
            visit_start_date AS drug_exposure_end_date, 32869 AS drug_type_concept_id
        FROM cdm.visit_occurrence, range(1, 5) AS r (v)
        WHERE CASE
            WHEN person_id % 4 > 0 THEN v = 4 AND k % 2 = 1
            WHEN v = 4 THEN k IN (1, 3) AND hash(person_id, k) % 10 < 3
            ELSE k < 4 AND hash(person_id, k, v, 1) % 4 > 0
        END
        """
    )


@pytest.mark.parametrize("persons", [64, 108])
def test_few_persons_get_as_many_doses(con: duckdb.DuckDBPyConnection, persons: int) -> None:
    """No schedule leads on for ever, and none is lost, though its steps are too various to be released."""
    _schedule(con, persons)
    con.execute("CREATE TABLE m AS FROM omopsql.cdm_fit('cdm')")
    con.execute("CREATE TABLE made AS FROM omopsql.cdm_sample('m', 'drug_exposure', persons := 1000, seed := 1)")
    for vaccine, least, most in (*((vaccine, 0.6, 1.5) for vaccine in VACCINES), (YEARLY, 0.85, 1.15)):
        told = [
            con.execute(
                f"SELECT count(DISTINCT person_id) / {of}.0, count(*) / count(DISTINCT person_id) FROM {table} "
                f"WHERE drug_concept_id = {vaccine}"
            ).fetchone()
            for table, of in (("cdm.drug_exposure", persons), ("made", 1000))
        ]
        (share, doses), (made_share, made_doses) = told
        assert abs(made_share - share) < 0.12
        assert least * doses < made_doses < most * doses


STEPPING = np.array([[0, 6, 0, -1, 0, 0, 0, 3, 0, 100, 200]])
STAYING = np.array([[0, 6, 0, -1, 0, 0, 0, -1, 0, 300, 400]])


def test_who_took_no_step_is_not_forgotten_where_they_are_too_few_to_be_told() -> None:
    """Of 26 persons 20 are known to step on, and nobody to stay: the other six stay."""
    assert _chances(STEPPING, np.array([20]), 6, 6)[1].tolist() == [20 / 26]


def test_steps_too_various_to_be_told_are_taken_all_the_same() -> None:
    """Of 40 persons 20 are known to step on and 10 to stay: the other ten step on, as the 20 do."""
    keys, weight = _chances(np.concatenate([STEPPING, STAYING]), np.array([20, 10]), 10, 9)
    assert keys.tolist() == [[3, 0, 100, 200]]
    np.testing.assert_allclose(weight, [30 / 40])


def test_steps_too_various_to_be_told_are_as_those_that_are() -> None:
    """Two steps share the ten whose own is not told; who is cut off before the second is not at its risk."""
    later = np.array([[0, 6, 0, -1, 0, 0, 0, 4, 0, 500, 600]])
    told = np.concatenate([STEPPING, STAYING, later])
    _, weight = _chances(told, np.array([20, 10, 20]), 10, 0)
    np.testing.assert_allclose(weight, [25 / 60, 25 / 60 + 35 / 60])
