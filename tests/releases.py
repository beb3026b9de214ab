"""Release folders as ``omopsql publish`` lays them out, small and of the test's own making."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

AUTHORITY = "http://publications.europa.eu/resource/authority"
EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"
PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "csvw": "http://www.w3.org/ns/csvw#",
    "cv": "http://data.europa.eu/m8g/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dqv": "http://www.w3.org/ns/dqv#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "health": "http://healthdataportal.eu/ns/health#",
    "oa": "http://www.w3.org/ns/oa#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
PATIENTS = pa.table(
    {
        "patient": pa.array(range(1, 301), pa.int64()),
        "sex": ["F", "M", "F"] * 100,
        "age": pa.array([20 + i % 60 for i in range(300)], pa.int32()),
        "note": pa.array(["<b>x</b>", None, 'a "b", c\nd'] * 100),
    }
)
REPORT = "<!DOCTYPE html><title>Evaluation</title><h1>Evaluation of the synthetic data</h1>"


def hospital(persons: int = 120, measured: int = 20) -> dict[str, pa.Table]:
    """The tables of a small CDM."""
    sql = {
        "person": """SELECT i AS person_id, (8507 + 25 * (i % 2))::INTEGER AS gender_concept_id,
            (1940 + i % 60)::INTEGER AS year_of_birth FROM range($persons) AS r (i)""",
        "observation_period": """SELECT i AS person_id, DATE '2010-01-01' AS observation_period_start_date,
            DATE '2020-12-31' AS observation_period_end_date FROM range($persons) AS r (i)""",
        "visit_occurrence": """SELECT i AS person_id, 9202 AS visit_concept_id, DATE '2012-03-01' + i::INTEGER
            AS visit_start_date, DATE '2012-03-02' + i::INTEGER AS visit_end_date FROM range($persons) AS r (i)""",
        "condition_occurrence": """SELECT i AS person_id, (201826 + i % 3)::INTEGER AS condition_concept_id,
            'E1' || i % 3 AS condition_source_value, DATE '2012-03-01' AS condition_start_date
            FROM range($persons) AS r (i)""",
        "drug_exposure": """SELECT i AS person_id, 1503297 AS drug_concept_id, 'metformin' AS drug_source_value,
            DATE '2012-04-01' AS drug_exposure_start_date FROM range($persons // 2) AS r (i)""",
        "measurement": """SELECT i // $measured AS person_id, (3000000 + i % 40)::INTEGER AS measurement_concept_id,
            8840 AS unit_concept_id, 'test ' || i % 40 AS measurement_source_value,
            DATE '2012-05-01' + (i % 3000)::INTEGER AS measurement_date,
            (i * 7919 % 1000) / 10.0::DOUBLE AS value_as_number
            FROM range($persons * $measured) AS r (i)""",
        "death": """SELECT i * 10 AS person_id, DATE '2021-01-01' AS death_date FROM range($persons // 10) AS r (i)""",
        "note": "SELECT i AS person_id, 'x' AS note_text FROM range(0) AS r (i)",
    }
    sizes = {"persons": str(persons), "measured": str(measured)}
    return {name: duckdb.sql(Template(text).substitute(sizes)).to_arrow_table() for name, text in sql.items()}


def release(
    folder: Path,
    title: str = "Patients of a clinic",
    *,
    tables: Mapping[str, pa.Table] | None = None,
    description: str = "Synthetic patients.",
    identifier: str = "https://clinic.example/data/patients",
    keywords: Sequence[str] = ("diabetes",),
    categories: Sequence[str] = ("Electronic health data from EHRs",),
    access: str = "PUBLIC",
    version: str = "1.0.0",
    published: str = "2026-05-04T10:00:00Z",
    forced: str | None = None,
    reasons: Sequence[str] = (),
    retracted: str | None = None,
    earlier: Sequence[Mapping[str, Any]] = (),
    publisher: str = "Example Clinic",
) -> Path:
    """Write a release and return its folder."""
    tables = {"patients": PATIENTS} if tables is None else tables
    folder.mkdir(parents=True)
    if retracted is None:
        (folder / "data").mkdir()
        for name, table in tables.items():
            pq.write_table(table, folder / "data" / f"{name}.parquet", compression="zstd")
    record = _record(identifier, title, description, keywords, categories, access, tables, publisher)
    _write(folder / "records" / "healthdcat.jsonld", json.dumps(record))
    _write(folder / "records" / "healthdcat.ttl", _turtle(record))
    _write(folder / "records" / "croissant.json", json.dumps({"@type": "sc:Dataset", "name": title}))
    _write(folder / "evidence" / "evaluation" / "index.html", REPORT)
    _write(folder / "evidence" / "model-card.md", f"# {title}\n")
    _write(folder / "README.md", f"# {title}\n")
    _write(folder / "dictionary" / "columns.csv", "table,column,type\n")
    mine = {"identifier": identifier, "version": version, "date": published, "manifest": None}
    _write(folder / "history.json", json.dumps([*earlier, mine | {"forced": forced, "retracted": retracted}]))
    manifest = {
        "format": 1,
        "identifier": identifier,
        "version": version,
        "published": published,
        "omopsql": "1.0",
        "synthetic": True,
        "decision": {"verdict": "forced" if forced else "published", "reasons": list(reasons), "force": forced},
        "model": {
            "sha256": "0" * 64,
            "method": "tree",
            "seed": 7,
            "learned": 1234,
            "min_cell": 10,
            "epsilon": 2.0,
            "delta": 1e-6,
        },
        "policy": None,
        "files": [
            {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": sha256(path)}
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ],
    }
    _write(folder / "manifest.json", json.dumps(manifest, sort_keys=True))
    return folder


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _turtle(record: dict[str, Any]) -> str:
    import rdflib

    return rdflib.Graph().parse(data=json.dumps(record), format="json-ld").serialize(format="turtle")


def _record(
    identifier: str,
    title: str,
    description: str,
    keywords: Sequence[str],
    categories: Sequence[str],
    access: str,
    tables: Mapping[str, pa.Table],
    publisher: str,
) -> dict[str, Any]:
    def part(name: str) -> str:
        return f"{identifier}#{name}"

    def member(codelist: str, code: str, label: str) -> dict[str, Any]:
        return {"@id": f"{AUTHORITY}/{codelist}/{code}", "@type": "skos:Concept", "skos:prefLabel": _words(label)}

    law = {"@id": EHDS, "@type": "http://data.europa.eu/eli/ontology#LegalResource"}
    return {
        "@context": PREFIXES,
        "@id": identifier,
        "@type": "dcat:Dataset",
        "dct:title": _words(title),
        "dct:description": _words(description),
        "dct:identifier": identifier,
        "dcat:keyword": [_words(keyword) for keyword in keywords],
        "dcat:theme": member("data-theme", "HEAL", "Health"),
        "dct:accessRights": member("access-right", access, access.lower().replace("_", " ")),
        "health:healthCategory": [
            {"@id": part(f"category-{i}"), "skos:prefLabel": _words(name)} for i, name in enumerate(categories)
        ],
        "dcatap:applicableLegislation": law,
        "health:hdab": {
            "@id": part("hdab"),
            "@type": "foaf:Agent",
            "foaf:name": _words("Health Data Access Body"),
            "cv:contactPoint": {"@id": part("hdab-contact"), "cv:email": "hdab@example.org"},
        },
        "dct:publisher": {"@id": part("publisher"), "@type": "foaf:Agent", "foaf:name": _words(publisher)},
        "dcat:contactPoint": {
            "@id": part("contact"),
            "vcard:fn": _words("Data office"),
            "vcard:hasEmail": {"@id": "mailto:data@clinic.example"},
        },
        "health:hasStructuredData": True,
        "health:numberOfRecords": _number(sum(len(table) for table in tables.values())),
        "health:numberOfUniqueIndividuals": _number(max((len(table) for table in tables.values()), default=0)),
        "health:minTypicalAge": _number(20),
        "health:maxTypicalAge": _number(79),
        "dct:temporal": {
            "@id": part("coverage"),
            "@type": "dct:PeriodOfTime",
            "dcat:startDate": {"@type": "xsd:date", "@value": "2015-01-01"},
            "dcat:endDate": {"@type": "xsd:date", "@value": "2024-12-31"},
        },
        "dct:provenance": {"@id": part("provenance"), "rdfs:label": [_words("Drawn from a model.")]},
        "dqv:hasQualityAnnotation": {
            "@id": part("certificate"),
            "@type": "dqv:QualityCertificate",
            "oa:hasBody": {
                "@id": part("report"),
                "dct:title": _words("Evaluation"),
                "rdf:value": _words("nothing speaks against use"),
                "dct:source": "evidence/evaluation/index.html",
            },
        },
        "dcat:distribution": {
            "@id": part("distribution"),
            "@type": "dcat:Distribution",
            "dcat:accessURL": {"@id": identifier},
            "dct:license": {"@id": "https://creativecommons.org/licenses/by/4.0/"},
            "dcatap:applicableLegislation": law,
        },
        "health:hasVariables": {
            "@id": part("variables"),
            "@type": "csvw:TableGroup",
            "csvw:table": [
                {
                    "@id": part(f"table-{name}"),
                    "@type": "csvw:Table",
                    "dct:title": _words(name),
                    "csvw:column": [
                        {
                            "@id": part(f"column-{name}.{column}"),
                            "@type": "csvw:Column",
                            "csvw:name": column,
                            "csvw:datatype": "string",
                            "dct:description": _words(f"The {column} of a row."),
                        }
                        for column in table.column_names
                    ],
                }
                for name, table in tables.items()
            ],
        },
    }


def _words(text: str) -> dict[str, str]:
    return {"@language": "en", "@value": text}


def _number(value: int) -> dict[str, str]:
    return {"@type": "xsd:nonNegativeInteger", "@value": str(value)}
