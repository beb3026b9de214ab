"""Who dies depends on what was found in him: in synthetic people as in those that were counted."""

from __future__ import annotations

import duckdb
import hospital_cdm as made
import pytest


@pytest.fixture
def mortal(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Of the half with a positive result 60 % die, and 20 % of the others; the former within three years."""
    made.make_hospital(con, persons=600)
    made.add_findings(con)
    con.execute("DELETE FROM cdm.death")
    con.execute(
        """
        INSERT INTO cdm.death BY NAME
        SELECT
            person_id,
            DATE '2014-01-01' + CAST(person_id % 300 + 900 * (person_id % 2) AS INTEGER) AS death_date
        FROM cdm.person
        WHERE (person_id % 2 = 0 AND person_id % 5 < 3) OR (person_id % 2 = 1 AND person_id % 5 = 1)
        """
    )
    con.execute(
        """
        UPDATE cdm.observation_period SET observation_period_end_date = death_date
        FROM cdm.death WHERE death.person_id = observation_period.person_id
        """
    )
    con.execute("CREATE TABLE model AS FROM omopsql.cdm_fit('cdm')")
    for name in ("person", "observation_period", "death", "measurement"):
        con.execute(
            f"CREATE TABLE made_{name} AS FROM omopsql.cdm_sample('model', '{name}', persons := 3000, seed := 1)"
        )
    return con


def _dead(con: duckdb.DuckDBPyConnection, code: str) -> list[float]:
    """The share that died of persons without the finding and of those with it."""
    return [
        share
        for (share,) in con.execute(
            f"""
            SELECT avg(CAST(death.person_id IS NOT NULL AS INTEGER))
            FROM made_person AS person
            LEFT JOIN made_death AS death USING (person_id)
            GROUP BY person.person_id IN (SELECT person_id FROM made_measurement WHERE {code})
            ORDER BY person.person_id IN (SELECT person_id FROM made_measurement WHERE {code})
            """
        ).fetchall()
    ]


def test_death_given_a_result(mortal: duckdb.DuckDBPyConnection) -> None:
    without, with_result = _dead(mortal, f"value_as_concept_id = {made.POSITIVE}")
    assert without == pytest.approx(0.2, abs=0.06)
    assert with_result == pytest.approx(0.6, abs=0.06)


def test_when_they_die_given_a_result(mortal: duckdb.DuckDBPyConnection) -> None:
    """Those with the result die in 2014, the others in 2016 and 2017: of all who die, a quarter."""
    late = mortal.execute(
        f"""
        SELECT avg(CAST(year(death_date) >= 2016 AS INTEGER))
        FROM made_death
        GROUP BY person_id IN (SELECT person_id FROM made_measurement WHERE value_as_concept_id = {made.POSITIVE})
        ORDER BY person_id IN (SELECT person_id FROM made_measurement WHERE value_as_concept_id = {made.POSITIVE})
        """
    ).fetchall()
    assert late[0][0] > 0.5
    assert late[1][0] < 0.2


def test_a_finding_that_tells_nothing_of_death(mortal: duckdb.DuckDBPyConnection) -> None:
    """TP53 p.R175H is found in each fourth person, all of them with the result: 60 % of them die, too."""
    _, with_variant = _dead(mortal, "measurement_source_value = 'TP53 p.R175H'")
    assert with_variant == pytest.approx(0.6, abs=0.1)
