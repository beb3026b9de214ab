"""How the data were made, as a log in PROV-O: what was learned, the model, the generation, and the files with hashes.

What has no name in PROV-O, such as a seed, stands as a property with a name and a value of schema.org.

Source: PROV-O, the PROV Ontology (W3C).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from omopsql.publish.facts import Edition, Evidence, Facts
from omopsql.publish.said import About

from . import wording

_CONTEXT = {
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "https://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def log(about: About, facts: Facts, evidence: Sequence[Evidence], edition: Edition) -> dict[str, Any]:
    """Return the log: entities, activities and agents."""
    return {
        "@context": _CONTEXT,
        "@graph": [
            _release(about, facts, edition),
            *_files(facts),
            *_reports(about, evidence),
            _generation(facts),
            _model(facts),
            _learning(facts),
            *_policy(facts),
            *_agents(about, facts),
        ],
    }


def _release(about: About, facts: Facts, edition: Edition) -> dict[str, Any]:
    told = _entity(about.address, f"{about.title}, version {edition.version}", "prov:Collection")
    told["prov:wasGeneratedBy"] = {"@id": "#generation"}
    told["prov:wasAttributedTo"] = {"@id": "#publisher"}
    told["prov:generatedAtTime"] = {"@value": edition.published.isoformat(), "@type": "xsd:dateTime"}
    told["prov:hadMember"] = [{"@id": _file_id(file.path)} for table in facts.tables for file in table.files]
    told["schema:version"] = edition.version
    told["rdfs:comment"] = [wording.generation(facts.generation), *wording.version_notes(edition)]
    return told


def _files(facts: Facts) -> list[dict[str, Any]]:
    return [
        _entity(_file_id(file.path), file.path)
        | {"prov:wasGeneratedBy": {"@id": "#generation"}, "schema:sha256": file.sha256}
        for table in facts.tables
        for file in table.files
    ]


def _reports(about: About, evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    return [
        _entity(_file_id(report.path), report.title)
        | {"prov:wasInfluencedBy": {"@id": about.address}, "rdfs:comment": report.words or report.verdict}
        for report in evidence
    ]


def _generation(facts: Facts) -> dict[str, Any]:
    made = facts.generation
    return {
        "@id": "#generation",
        "@type": "prov:Activity",
        "rdfs:label": "Generation of synthetic data",
        "prov:used": {"@id": f"urn:sha256:{made.model_sha256}"},
        "prov:wasAssociatedWith": [{"@id": "#omopsql"}, {"@id": "#publisher"}],
        "schema:additionalProperty": [_property("seed", made.seed), _property("rows", facts.rows)],
    }


def _model(facts: Facts) -> dict[str, Any]:
    model = _entity(f"urn:sha256:{facts.generation.model_sha256}", "Model: statistics, and no row of a person")
    return model | {"prov:wasGeneratedBy": {"@id": "#learning"}, "schema:sha256": facts.generation.model_sha256}


def _learning(facts: Facts) -> dict[str, Any]:
    made = facts.generation
    said = {
        "method": made.method,
        "persons or rows learned": made.learned,
        "min_cell": made.min_cell,
        "epsilon": made.epsilon,
        "delta": made.delta,
    }
    told: dict[str, Any] = {
        "@id": "#learning",
        "@type": "prov:Activity",
        "rdfs:label": "Counting of statistics where the real data are",
        "prov:wasAssociatedWith": [{"@id": "#omopsql"}, {"@id": "#holder"}],
        "schema:additionalProperty": [_property(name, value) for name, value in said.items() if value is not None],
    }
    return told | ({"prov:used": {"@id": f"urn:sha256:{made.policy_sha256}"}} if made.policy_sha256 else {})


def _policy(facts: Facts) -> list[dict[str, Any]]:
    sha256 = facts.generation.policy_sha256
    return [_entity(f"urn:sha256:{sha256}", "Policy: what may be learned", "prov:Plan")] if sha256 else []


def _agents(about: About, facts: Facts) -> list[dict[str, Any]]:
    software = {"@id": "#omopsql", "@type": "prov:SoftwareAgent", "rdfs:label": f"omopsql {facts.generation.omopsql}"}
    roles = {"#publisher": about.publisher, "#holder": about.holder or about.publisher}
    return [
        software,
        *({"@id": role, "@type": "prov:Organization", "rdfs:label": agent.name} for role, agent in roles.items()),
    ]


def _entity(address: str, label: str, *classes: str) -> dict[str, Any]:
    return {"@id": address, "@type": ["prov:Entity", *classes], "rdfs:label": label}


def _property(name: str, value: object) -> dict[str, Any]:
    return {"@type": "schema:PropertyValue", "schema:name": name, "schema:value": value}


def _file_id(path: str) -> str:
    return f"../{quote(path)}"
