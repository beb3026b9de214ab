"""A small release to describe: what a steward says of it, and a folder of Parquet files with what is known of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from omopsql.publish import about as about_file
from omopsql.publish.entries import ENTRIES
from omopsql.publish.facts import (
    Code,
    CodingSystem,
    Column,
    Edition,
    Evidence,
    Facts,
    File,
    Generation,
    Table,
)
from omopsql.publish.said import About

MINIMAL = """
title: Synthetic diabetes cohort
description: Synthetic patients of a diabetes clinic.
identifier: https://hospital.example/data/diabetes
access: {access}
access_url: https://hospital.example/data/apply
licence: https://creativecommons.org/licenses/by/4.0/
health_categories: [EHRS]
health_data_access_body: {{name: National Health Data Agency, email: info@hdab.example}}
publisher: {{name: Example Hospital, page: "https://hospital.example", type: healthcare-providers}}
"""
NON_PUBLIC = """
contact: {name: Data office, email: data@hospital.example, page: "https://hospital.example/data"}
keywords: [diabetes, OMOP]
"""
MODEL = "ab" * 32

_PERSON = """
    SELECT
        i AS person_id,
        8507 + i % 2 * 25 AS gender_concept_id,
        CASE WHEN i % 4 <> 0 THEN i END AS provider_id,
        'person ' || i AS person_source_value,
        DATE '1950-01-01' + i::INTEGER AS birth_date,
        TIMESTAMP '1950-01-01 10:00:00' + to_hours(i) AS birth_datetime,
        (i / 8)::DECIMAL(8, 3) AS weight,
        i / 7.0 AS height,
        i % 2 = 0 AS is_alive
    FROM range(20) AS r (i)
"""


def about(access: str = "NON_PUBLIC", more: str = "") -> About:
    """What a steward must say at this access, and more."""
    return about_file.parse(MINIMAL.format(access=access) + (NON_PUBLIC if access == "NON_PUBLIC" else "") + more)


def full_about(access: str = "NON_PUBLIC") -> About:
    """What a steward may say: every entry with its example."""
    answers = {entry.name: entry.example for entry in ENTRIES}
    return about_file.parse(about_file.commented({**answers, "access": access}))


def facts(folder: Path) -> Facts:
    """Write the tables person and visit, the latter in two parts, below a folder, and say what is known of them."""
    (folder / "data" / "visit").mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE person AS {_PERSON}")
        con.execute("CREATE TABLE visit AS SELECT i AS visit_id, i % 20 AS person_id FROM range(30) AS r (i)")
        con.execute(f"COPY person TO '{folder}/data/person.parquet'")
        con.execute(f"COPY (FROM visit WHERE visit_id < 15) TO '{folder}/data/visit/part-0001.parquet'")
        con.execute(f"COPY (FROM visit WHERE visit_id >= 15) TO '{folder}/data/visit/part-0002.parquet'")
        tables = (
            _table(con, folder, "person", ["data/person.parquet"]),
            _table(con, folder, "visit", ["data/visit/part-0001.parquet", "data/visit/part-0002.parquet"]),
        )
    return Facts(
        tables=tables,
        persons=20,
        youngest=18,
        oldest=97,
        first_day=date(2020, 1, 1),
        last_day=date(2024, 12, 31),
        standard="OMOP-CDM 5.4",
        coding_systems=(CodingSystem("SNOMED", "SNOMED", None, 12), CodingSystem("Gender", "OMOP Gender", None, 2)),
        codes=(Code(201826, "SNOMED", "44054006", "Type 2 diabetes mellitus", 12),),
        generation=Generation(MODEL, "hospital", 42, 2000, 10, None, None, "0.9.0"),
    )


def _table(con: duckdb.DuckDBPyConnection, folder: Path, name: str, paths: list[str]) -> Table:
    columns = con.execute(f"DESCRIBE {name}").fetchall()
    (rows,) = con.execute(f"SELECT count(*) FROM {name}").fetchall()[0]
    return Table(
        name,
        f"One row for each {name}.",
        rows,
        tuple(Column(column, kind, f"The {column}.", 0) for column, kind, *_ in columns),
        tuple(_file(folder, path) for path in paths),
    )


def _file(folder: Path, path: str) -> File:
    content = (folder / path).read_bytes()
    return File(path, len(content), hashlib.sha256(content).hexdigest(), "application/vnd.apache.parquet")


EVIDENCE = (
    Evidence("quality", "evidence/quality.html", "Quality of the CDM", "pass", "2,374 checks, none failed"),
    Evidence("privacy", "evidence/evaluation/index.html", "Attacks", "pass", "No attack does better than chance"),
    Evidence("ledger", "evidence/ledger.parquet", "Every source row", "told", ""),
)


def edition(**more: str) -> Edition:
    """The first version of the release, or what else is said of it."""
    return Edition("https://hospital.example/data/diabetes", "1.0.0", datetime(2026, 11, 22, 12, tzinfo=UTC), **more)
