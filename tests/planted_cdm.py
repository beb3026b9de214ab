"""Persons in whom it is planted what belongs together, as schemas of a database; and ways to take that away."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import numpy as np
import pyarrow as pa

FIRST, THEN, WITH_IT, AGAIN, PRESSURE, PULSE = 101, 102, 201, 202, 301, 302
DAYS = 3650
Records = dict[str, np.ndarray]  # person, concept, day: arrays of one length


def made(people: int, seed: int, noise: float = 1.0) -> dict[str, Records]:
    """Persons of whom some have FIRST, WITH_IT on its day and THEN 20 days later; some get AGAIN every 90 days.

    All have some of ten more conditions, and two measurements that follow a level of their own. Some die.
    """
    rng = np.random.default_rng(seed)
    person = np.arange(people)
    has_first, has_again = rng.random(people) < 0.4, rng.random(people) < 0.3
    day = rng.integers(30, DAYS - 800, people)
    conditions = [(person[has_first], FIRST, day[has_first]), (person[has_first], THEN, day[has_first] + 20)]
    for concept in range(10):
        has = person[rng.random(people) < 0.05 + 0.03 * concept]
        conditions.append((has, 110 + concept, rng.integers(0, DAYS, has.size)))
    drugs = [(person[has_first], WITH_IT, day[has_first])]
    drugs += [(person[has_again], AGAIN, (day + 90 * again)[has_again]) for again in range(4)]
    level, pressures, pulses = rng.standard_normal(people), [], []
    for time in range(8):
        pressures.append(
            (person, PRESSURE, day + 30 * time, 120 + 10 * level + 5 * noise * rng.standard_normal(people))
        )
        pulses.append((person, PULSE, day + 30 * time, 70 + 8 * level + 4 * noise * rng.standard_normal(people)))
    dies = rng.random(people) < np.where(level > 0.5, 0.4, 0.1)
    return {
        "person": {
            "person": person, "sex": rng.choice([8507, 8532], people), "birth": rng.integers(1930, 1990, people),
        },
        "death": {"person": person[dies], "day": rng.integers(1, DAYS, people)[dies]},
        "condition": joined(conditions),
        "drug": joined(drugs),
        "measurement": joined(pressures + pulses),
    }  # fmt: skip


def joined(parts: Iterable[tuple]) -> Records:
    """The records of several concepts, one below the other."""
    columns = zip(*((p, np.full(p.size, c), *rest) for p, c, *rest in parts), strict=True)
    return dict(zip(("person", "concept", "day", "value"), map(np.concatenate, columns), strict=False))


SELECTS = {
    "person": "SELECT person AS person_id, sex AS gender_concept_id, birth AS year_of_birth FROM given",
    "observation_period": f"""SELECT person AS person_id, DATE '2010-01-01' AS observation_period_start_date,
        DATE '2010-01-01' + {DAYS} AS observation_period_end_date FROM given""",
    "death": "SELECT person AS person_id, DATE '2010-01-01' + CAST(day AS INTEGER) AS death_date FROM given",
    "condition_occurrence": """SELECT row_number() OVER () AS condition_occurrence_id, person AS person_id,
        concept AS condition_concept_id, DATE '2010-01-01' + CAST(day AS INTEGER) AS condition_start_date FROM given""",
    "drug_exposure": """SELECT row_number() OVER () AS drug_exposure_id, person AS person_id,
        concept AS drug_concept_id, DATE '2010-01-01' + CAST(day AS INTEGER) AS drug_exposure_start_date FROM given""",
    "measurement": """SELECT row_number() OVER () AS measurement_id, person AS person_id,
        concept AS measurement_concept_id, DATE '2010-01-01' + CAST(day AS INTEGER) AS measurement_date,
        value AS value_as_number, 8876 AS unit_concept_id FROM given""",
}
OF_TABLE = {"observation_period": "person", "condition_occurrence": "condition", "drug_exposure": "drug"}


def put(con: duckdb.DuckDBPyConnection, schema: str, records: dict[str, Records]) -> str:
    """Make a schema of records."""
    con.execute(f"CREATE SCHEMA {schema}")
    for name, select in SELECTS.items():
        con.register("given", pa.table(records[OF_TABLE.get(name, name)]))
        con.execute(f"CREATE TABLE {schema}.{name} AS {select}")
        con.unregister("given")
    return schema


def mixed(records: dict[str, Records], seed: int) -> dict[str, Records]:
    """Each concept's records given to other persons: as many have it, but not the same ones."""
    rng = np.random.default_rng(seed)
    people = records["person"]["person"].size
    changed = dict(records)
    for name in ("condition", "drug"):
        person, concept = records[name]["person"].copy(), records[name]["concept"]
        for one in np.unique(concept):
            person[concept == one] = rng.permutation(people)[person[concept == one]]
        changed[name] = {**records[name], "person": person}
    return changed


def redated(records: dict[str, Records], seed: int) -> dict[str, Records]:
    """Each record of a condition or drug on any day."""
    rng = np.random.default_rng(seed)
    of = {name: records[name] for name in ("condition", "drug")}
    return records | {name: {**one, "day": rng.integers(0, DAYS, one["day"].size)} for name, one in of.items()}


def put_all(con: duckdb.DuckDBPyConnection) -> None:
    """Make schemas of persons, of others of the same kind, and of others of whom something was changed."""
    put(con, "real", made(800, 1))
    put(con, "others", made(800, 2))
    put(con, "third", made(800, 3))
    put(con, "mixed", mixed(made(800, 2), 4))
    put(con, "redated", redated(made(800, 2), 4))
    put(con, "noisy", made(800, 2, noise=2.5))
