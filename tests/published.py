"""Data that can be published, and what a release of them needs: made by hand, so that no model must be fitted."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import omopsql
from omopsql.publish import keys
from omopsql.publish.facts import Generation
from omopsql.publish.marking import copy_marked, marks
from omopsql.publish.release import Asked, publish
from omopsql.publish.synthetic import judged

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MADE = Generation("ab" * 32, "copula", 42, 2000, 10, None, None, "0.1.0")
MADE_CDM = replace(MADE, method="hospital")
ABOUT = """\
title: Synthetic clinic
description: Synthetic patients of a simulated clinic, for teaching.
identifier: https://hospital.example/data/clinic
access: NON_PUBLIC
access_url: https://hospital.example/data/apply
licence: https://creativecommons.org/licenses/by/4.0/
health_categories: [EHRS]
health_data_access_body: {name: Access body, email: access@body.example}
publisher: {name: Example Hospital, email: data@hospital.example}
contact: {name: Data office, email: data@hospital.example}
keywords: [synthetic]
provenance: Made from a simulated clinic.
"""


def write_table(path: Path, rows: int = 300, generation: Generation | None = MADE) -> Path:
    """Write a flat table that is marked as synthetic, unless no generation is given."""
    table = pa.table(
        {
            "patient_id": pa.array(range(1, rows + 1), pa.int64()),
            "weight": pa.array([60.0 + i % 40 for i in range(rows)]),
            "ward": pa.array([None if i % 5 == 0 else f"ward {i % 3}" for i in range(rows)]),
        }
    )
    plain = path.with_name(f"{path.stem}.plain")
    pq.write_table(table, plain, row_group_size=100)
    if generation is None:
        return plain.rename(path)
    copy_marked(plain, path, marks(generation))
    plain.unlink()
    return path


def write_cdm(folder: Path, generation: Generation = MADE_CDM) -> Path:
    """Write a small CDM of two persons as omopsql synthesize would: marked files, one table in two parts, hashes."""
    (folder / "_synthesis").mkdir(parents=True)
    (folder / "measurement").mkdir()
    tables = {
        "person": "SELECT i AS person_id, 8507 AS gender_concept_id, 1950 + 30 * (i - 1) AS year_of_birth "
        "FROM range(1, 3) AS r (i)",
        "observation_period": "SELECT i AS observation_period_id, i AS person_id, "
        "DATE '2010-01-01' AS observation_period_start_date, "
        "DATE '2019-12-31' + CAST(i AS INTEGER) AS observation_period_end_date FROM range(1, 3) AS r (i)",
        "condition_occurrence": "SELECT i AS condition_occurrence_id, 1 + i // 3 AS person_id, "
        "CASE WHEN i % 3 = 0 THEN 201826 ELSE 0 END AS condition_concept_id FROM range(1, 6) AS r (i)",
        "measurement/part-0001": "SELECT 1::BIGINT AS measurement_id, 1::BIGINT AS person_id, "
        "3004410 AS measurement_concept_id, 6.5 AS value_as_number",
        "measurement/part-0002": "SELECT 2::BIGINT AS measurement_id, 2::BIGINT AS person_id, "
        "3004410 AS measurement_concept_id, NULL::DOUBLE AS value_as_number",
        "cdm_source": "SELECT 'Synthetic data' AS cdm_source_name, '5.4' AS cdm_version",
    }
    hashes = {}
    for name, sql in tables.items():
        plain, path = folder / "plain", folder / f"{name}.parquet"
        duckdb.execute(f"COPY ({sql}) TO '{plain}' (FORMAT parquet)")
        hashes[path.relative_to(folder).as_posix()] = copy_marked(plain, path, marks(generation)).sha256
        plain.unlink()
    told = {"model": generation.model_sha256, "seed": generation.seed, "files": hashes}
    (folder / "_synthesis/manifest.json").write_text(json.dumps(told))
    return folder


def write_vocabulary(folder: Path) -> Path:
    """Write the concepts of ``write_cdm``."""
    folder.mkdir()
    columns = (
        "concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code,"
        "valid_start_date,valid_end_date,invalid_reason"
    )
    rows = (
        "201826,Type 2 diabetes mellitus,Condition,SNOMED,Clinical Finding,S,44054006,1970-01-01,2099-12-31,",
        "3004410,Hemoglobin A1c,Measurement,LOINC,Lab Test,S,4548-4,1970-01-01,2099-12-31,",
        "8507,MALE,Gender,Gender,Gender,S,M,1970-01-01,2099-12-31,",
    )
    (folder / "concept.csv").write_text("\n".join((columns, *rows)) + "\n")
    header = "concept_id_1,concept_id_2,relationship_id,valid_start_date,valid_end_date,invalid_reason"
    (folder / "concept_relationship.csv").write_text(header + "\n")
    (folder / "vocabulary.csv").write_text(
        "vocabulary_id,vocabulary_name,vocabulary_reference,vocabulary_version,vocabulary_concept_id\n"
        "SNOMED,Systematic Nomenclature of Medicine,,,0\n"
    )
    return folder


def write_evaluation(
    folder: Path, synthetic: Path, evaluated: datetime = NOW, advice: tuple[str, ...] = (), **changed: object
) -> Path:
    """Write what omopsql evaluate would about these very bytes. ``advice`` names rules."""
    folder.mkdir()
    told = {
        "omopsql": "0.1.0",
        "evaluated": evaluated.isoformat(),
        "judged": judged(str(synthetic)),
        "advice": [{"rule": rule, "subject": "", "evidence": "seen"} for rule in advice],
        "metrics": [
            {"family": "fidelity", "metric": "ks_distance", "table_name": "", "subject": "", "value": 0.04, "low": 0.0,
             "high": 0.1, "reference": 0.05, "verdict": "pass", "n": 2000, "note": ""}
        ],
    }  # fmt: skip
    (folder / "evaluation.json").write_text(json.dumps(told | changed))
    (folder / "index.html").write_text("<!doctype html><title>Evaluation</title>")
    return folder


def write_quality(path: Path, **failed: str) -> Path:
    """Write what omopsql check -o would; ``failed`` are checks by name with their severity."""
    checks = [{"checkId": "table_person", "checkName": "cdmTable", "severity": "fatal", "failed": 0}]
    checks += [
        {"checkId": name, "checkName": name, "severity": severity, "failed": 1} for name, severity in failed.items()
    ]
    path.write_text(json.dumps({"CheckResults": checks}))
    return path


def write_about(path: Path) -> Path:
    """Write what a steward says."""
    path.write_text(ABOUT)
    return path


def write_release(synthetic: Path, release: Path) -> None:
    """Publish data without an evaluation, by force. Where there is nothing to sign with, there is no release."""
    if any(importlib.util.find_spec(name) is None for name in ("cryptography", "rdflib", "pyshacl", "yaml")):
        return
    with contextlib.closing(omopsql.connect()) as con:
        about = write_about(release.with_name("about.yaml"))
        key = keys.make_private(release.with_name("signing-key.pem"))
        publish(con, Asked(synthetic, release, about, force="An example"), key)


def prepare_examples(demo_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put what the examples about releases read into a folder, and keys into a home of their own."""
    if not (demo_folder / "release").exists():
        return
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "home"))
    write_about(folder / "about.yaml")
    shutil.copytree(demo_folder / "release", folder / "release")
    shutil.copytree(folder / "release", folder / "releases/clinic")
    shutil.copyfile(folder / "release/public-key.pem", folder / "hospital-public-key.pem")
    write_evaluation(folder / "report", demo_folder / "synthetic/cdm", datetime.now(UTC))


def contents(folder: Path) -> dict[str, str]:
    """The hash of each file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
