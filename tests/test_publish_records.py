"""The records of a release: HealthDCAT-AP against its shapes, Croissant, the Dataspace Protocol, and PROV-O."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import described_release as release
import duckdb
import pytest

from omopsql.errors import OmopsqlError
from omopsql.publish import records
from omopsql.publish.facts import Facts

rdflib = pytest.importorskip("rdflib")
pytest.importorskip("pyshacl")

from omopsql.publish.records import codelists, dataspace, healthdcat, shapes  # noqa: E402
from omopsql.publish.records.rdf import Description, iri  # noqa: E402

ACCESS = ("PUBLIC", "RESTRICTED", "NON_PUBLIC")

# What no record may lack: the class of the thing, the property, and what a missing one is called.
MANDATORY = [
    ("dcat:Dataset", "dct:title", "title"),
    ("dcat:Dataset", "dct:description", "description"),
    ("dcat:Dataset", "dct:identifier", "identifier"),
    ("dcat:Dataset", "dcat:theme", "theme"),
    ("dcat:Dataset", "dct:accessRights", "accessRights"),
    ("dcat:Dataset", "dcatap:applicableLegislation", "applicableLegislation"),
    ("dcat:Dataset", "healthdcatap:healthCategory", "healthCategory"),
    ("dcat:Dataset", "healthdcatap:hdab", "hdab"),
    ("dcat:Dataset", "healthdcatap:hasStructuredData", "hasStructuredData"),
    ("dcat:Dataset", "healthdcatap:hasVariables", "hasVariables"),
    ("dcat:Dataset", "dcat:distribution", "distribution"),
    ("dcat:Distribution", "dcat:accessURL", "accessURL"),
    ("dcat:Distribution", "dcatap:applicableLegislation", "applicableLegislation of a distribution"),
    ("foaf:Agent", "foaf:name", "name of an organisation"),
    ("foaf:Agent", "cv:contactPoint", "contactPoint of an organisation"),
    ("cv:ContactPoint", "cv:email", "email or contactPage"),
    ("csvw:TableGroup", "dct:title", "title of the tables"),
    ("csvw:TableGroup", "csvw:table", "table"),
    ("csvw:Table", "dct:title", "title of a table"),
    ("csvw:Table", "csvw:column", "column"),
    ("csvw:Column", "csvw:name", "name of a column"),
    ("csvw:Column", "csvw:title", "title of a column"),
    ("csvw:Column", "dct:description", "description of a column"),
    ("csvw:Column", "csvw:datatype", "datatype of a column"),
]
MANDATORY_IF_NOT_PUBLIC = [
    ("dcat:Dataset", "dcat:contactPoint", "contactPoint"),
    ("dcat:Dataset", "dcat:keyword", "keyword"),
    ("dcat:Dataset", "dct:type", "type"),
    ("dcat:Dataset", "dct:provenance", "provenance"),
    ("vcard:Kind", "vcard:hasEmail", "hasEmail or hasURL"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("release")


@pytest.fixture(scope="module")
def facts(folder: Path) -> Facts:
    return release.facts(folder)


@pytest.fixture
def written(folder: Path, facts: Facts) -> Path:
    """The release with all its records."""
    records.write(folder, release.full_about("PUBLIC"), facts, release.EVIDENCE, release.edition())
    return folder


def described(facts: Facts, access: str = "NON_PUBLIC", more: str = "") -> Description:
    return healthdcat.describe(release.about(access, more), facts, release.EVIDENCE, release.edition())


def told(record: Description) -> list[str]:
    return [str(one) for one in shapes.violations(record.graph)]


def values(record: Description, name: str) -> set[Any]:
    return {value.toPython() for value in record.graph.objects(iri(record.address), iri(name))}


@pytest.mark.parametrize("access", ACCESS)
def test_least_and_most_that_can_be_said_are_valid(facts: Facts, access: str) -> None:
    assert told(described(facts, access)) == []
    full = healthdcat.describe(release.full_about(access), facts, release.EVIDENCE, release.edition())
    assert told(full) == []
    (dataset,) = full.graph.subjects(iri("rdf:type"), iri("dcat:Dataset"))
    assert list(full.graph.objects(dataset, iri("rdf:type"))) == [iri("dcat:Dataset")]
    assert (None, None, iri("dcat:Catalog")) not in full.graph


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize(("kind", "name", "called"), MANDATORY)
def test_a_missing_mandatory_property_is_named(facts: Facts, access: str, kind: str, name: str, called: str) -> None:
    assert_named_when_missing(described(facts, access), kind, name, called)


@pytest.mark.parametrize(("kind", "name", "called"), MANDATORY_IF_NOT_PUBLIC)
def test_what_is_mandatory_only_when_not_public(facts: Facts, kind: str, name: str, called: str) -> None:
    record = described(facts)
    record.graph.remove((None, iri("vcard:hasURL"), None))
    assert_named_when_missing(record, kind, name, called)
    public = described(facts, "PUBLIC")
    public.graph.remove((iri(public.address), iri(name), None))
    assert told(public) == []


def assert_named_when_missing(record: Description, kind: str, name: str, called: str) -> None:
    """Take one thing's property away: what is told is that, and nothing else."""
    things = list(record.graph.subjects(iri("rdf:type"), iri(kind)))
    thing = next(one for one in things if (one, iri(name), None) in record.graph)
    record.graph.remove((thing, iri(name), None))
    assert [one.split(": ")[1] for one in told(record)] == [f"no {called}"]
    assert len(told(record)[0].split(": ", 2)[2]) > 20  # what to do about it


def set_to(record: Description, kind: str, name: str, *objects: Any) -> None:
    thing = next(iter(record.graph.subjects(iri("rdf:type"), iri(kind))))
    record.graph.remove((thing, iri(name), None))
    for one in objects:
        record.graph.add((thing, iri(name), one))


@pytest.mark.parametrize(
    ("name", "value", "called"),
    [
        ("healthdcatap:hasStructuredData", rdflib.Literal("true"), "hasStructuredData"),
        ("healthdcatap:numberOfRecords", rdflib.Literal(50), "numberOfRecords"),
        ("healthdcatap:minTypicalAge", rdflib.Literal("eighteen"), "minTypicalAge"),
        ("dct:issued", rdflib.Literal("22 November 2026"), "issued"),
        ("dct:accessRights", rdflib.URIRef("https://hospital.example/open"), "accessRights"),
        ("healthdcatap:healthCategory", rdflib.URIRef("https://hospital.example/EHR"), "healthCategory"),
        ("dcat:theme", rdflib.URIRef("http://publications.europa.eu/resource/authority/data-theme/TECH"), "theme"),
        ("healthdcatap:hdab", rdflib.Literal("the agency"), "hdab"),
        ("dcatap:applicableLegislation", rdflib.Literal("EHDS"), "applicableLegislation"),
        ("healthdcatap:hasCodingSystem", rdflib.Literal("SNOMED"), "hasCodingSystem"),
        ("dct:conformsTo", rdflib.URIRef("https://ohdsi.org"), "conformsTo"),
        ("dct:provenance", rdflib.Literal("the hospital"), "provenance"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(facts: Facts, name: str, value: Any, called: str) -> None:
    record = described(facts)
    set_to(record, "dcat:Dataset", name, value)
    assert called in {one.name for one in shapes.violations(record.graph)}


def test_exactly_one_body_and_one_way_to_reach_it(facts: Facts) -> None:
    record = described(facts)
    record.say(iri(record.address), "healthdcatap:hdab", iri(record.part("publisher")))
    assert [one.name for one in shapes.violations(record.graph)] == ["hdab"]
    record = described(facts)
    body = iri(record.part("hdab"))
    record.say(body, "cv:contactPoint", iri(record.part("publisher", "contact")))
    assert [one.name for one in shapes.violations(record.graph)] == ["contactPoint of an organisation"]


def test_what_is_missing_is_told_to_a_steward(facts: Facts) -> None:
    record = described(facts)
    record.graph.remove((None, iri("healthdcatap:hdab"), None))
    words = "healthdcat: no hdab: say in about.yaml (health_data_access_body) who decides on access: exactly one body"
    assert told(record) == [words]


def test_no_record(tmp_path: Path) -> None:
    path = tmp_path / "record.ttl"
    path.write_text("<https://hospital.example> a <http://www.w3.org/ns/dcat#Catalog> .", encoding="utf-8")
    assert [one.name for one in records.validate(path)] == ["Dataset"]
    path.write_text("{", encoding="utf-8")
    with pytest.raises(OmopsqlError, match="no record in Turtle or JSON-LD"):
        records.validate(path)
    with pytest.raises(OmopsqlError, match="no record"):
        records.validate(tmp_path / "other.jsonld")


def test_counts_come_from_the_data(facts: Facts) -> None:
    record = described(facts)
    assert values(record, "healthdcatap:numberOfRecords") == {50}
    assert values(record, "healthdcatap:numberOfUniqueIndividuals") == {20}
    assert values(record, "healthdcatap:minTypicalAge") == {18}
    assert values(record, "healthdcatap:maxTypicalAge") == {97}
    assert values(record, "healthdcatap:hasCodeValues") == {"SNOMED:44054006 (Type 2 diabetes mellitus)"}
    systems = {str(one).rsplit("/", 1)[-1] for one in values(record, "healthdcatap:hasCodingSystem")}
    assert systems == {"SNOMED-CT", "OHDSI-VOCAB"}
    assert {str(one).rsplit("/", 1)[-1] for one in values(record, "dct:conformsTo")} == {"OMOP-CDM"}
    assert {str(one).rsplit("/", 1)[-1] for one in values(record, "dct:type")} == {"SYNTHETIC_DATA"}
    (number,) = record.graph.objects(iri(record.address), iri("healthdcatap:numberOfRecords"))
    assert number.datatype == iri("xsd:nonNegativeInteger")
    (period,) = record.graph.objects(iri(record.address), iri("dct:temporal"))
    (start,) = record.graph.objects(period, iri("dcat:startDate"))
    assert str(start) == "2020-01-01" and start.datatype == iri("xsd:date")


def test_what_is_unknown_is_not_said(facts: Facts) -> None:
    flat = dataclasses.replace(
        facts, persons=None, youngest=None, oldest=None, first_day=None, last_day=None, standard=None,
        coding_systems=(), codes=(),
    )  # fmt: skip
    record = described(flat)
    assert told(record) == []
    for name in ("numberOfUniqueIndividuals", "minTypicalAge", "hasCodingSystem", "hasCodeValues"):
        assert values(record, f"healthdcatap:{name}") == set()
    assert values(record, "dct:conformsTo") == values(record, "dct:temporal") == set()


def test_every_column_is_listed(facts: Facts) -> None:
    record = described(facts)
    query = """
        SELECT ?table ?name ?datatype WHERE {
            ?group csvw:table ?node . ?node dct:title ?table ; csvw:column ?column .
            ?column csvw:name ?name ; csvw:datatype ?datatype }"""
    found = {tuple(map(str, row)) for row in record.graph.query(query)}
    assert {(table, name) for table, name, _ in found} == {
        (table.name, column.name) for table in facts.tables for column in table.columns
    }
    assert {
        ("person", "birth_date", "date"),
        ("person", "weight", "decimal"),
        ("person", "is_alive", "boolean"),
    } <= found
    assert ("person", "person_source_value", "string") in found


def test_reports_become_annotations_of_quality(facts: Facts) -> None:
    record = described(facts, more="quality_certificate: https://hospital.example/label")
    query = "SELECT ?body WHERE { ?certificate a dqv:QualityCertificate ; oa:hasTarget ?data ; oa:hasBody ?body }"
    bodies = {str(row[0]) for row in record.graph.query(query)}
    assert "https://hospital.example/label" in bodies
    words = {str(one) for one in record.graph.objects(None, iri("rdf:value"))}
    assert words == {"2,374 checks, none failed", "No attack does better than chance"}


def test_an_edition_says_what_became_of_it(facts: Facts) -> None:
    edition = release.edition(replaces="0.9.0", forced="asked for by the board", retracted="a wrong unit")
    record = healthdcat.describe(release.full_about("PUBLIC"), facts, (), edition)
    assert told(record) == []
    assert values(record, "adms:versionNotes") == {
        "Replaces version 0.9.0.",
        "Published against advice: asked for by the board",
        "Retracted: a wrong unit",
    }
    statuses = {str(one).rsplit("/", 1)[-1] for one in record.graph.objects(None, iri("adms:status"))}
    assert statuses == {"WITHDRAWN"}
    assert (None, iri("dcat:downloadURL"), None) not in record.graph


def test_files_for_everyone_have_addresses(facts: Facts) -> None:
    record = healthdcat.describe(release.full_about("PUBLIC"), facts, (), release.edition())
    found = {str(one) for one in record.graph.objects(None, iri("dcat:downloadURL"))}
    assert found == {f"https://hospital.example/data/diabetes/1.0.0/{f.path}" for t in facts.tables for f in t.files}


def test_turtle_and_json_ld_say_the_same(written: Path) -> None:
    turtle = rdflib.Graph().parse(written / "records" / "healthdcat.ttl")
    json_ld = rdflib.Graph().parse(written / "records" / "healthdcat.jsonld")
    assert set(turtle) == set(json_ld) and len(turtle) > 300
    assert records.validate(written / "records" / "healthdcat.ttl") == []
    assert records.validate(written / "records" / "healthdcat.jsonld") == []


def test_every_code_of_the_lists_has_an_address() -> None:
    for name, scheme in codelists.schemes().items():
        assert codelists.labels(name), name
        for code in codelists.labels(name):
            assert codelists.member(name, code).address == f"{scheme.address}/{code}"
            assert codelists.code_of(name, f"{scheme.address}/{code}") == code
    assert codelists.code_of("language", "KLINGON") is None
    assert codelists.coding_system("RxNorm Extension") == "RXNORM"
    assert codelists.coding_system("Visit") == "OHDSI-VOCAB"
    for system in ("SNOMED", "LOINC", "RxNorm", "ICD10CM", "CPT4"):
        assert codelists.coding_system(system) in codelists.labels("coding-system")


@pytest.mark.parametrize(("module", "words"), [("rdflib", "needs rdflib"), ("pyshacl", "needs pySHACL")])
def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, facts: Facts, tmp_path: Path, module: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(OmopsqlError, match=rf"{words}: pip install 'omopsql\[publish\]'"):
        records.write(tmp_path, release.about(), facts, (), release.edition())


def test_write_refuses_before_it_writes(facts: Facts, tmp_path: Path) -> None:
    empty = dataclasses.replace(facts, tables=())
    with pytest.raises(OmopsqlError, match="healthdcat: no table: there must be at least one table") as error:
        records.write(tmp_path, release.about(), empty, (), release.edition())
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


_WRITE = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import described_release as release
from omopsql.publish import records
folder = Path({folder!r})
paths = records.write(folder, release.full_about(), release.facts(folder), release.EVIDENCE, release.edition())
for path in paths:
    print(path.relative_to(folder), hashlib.sha256(path.read_bytes()).hexdigest())
"""


def test_two_runs_write_the_same_bytes(python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    lists = []
    for seed in ("1", "2"):
        code = _WRITE.format(tests=str(Path(__file__).parent), folder=str(tmp_path / seed))
        ran = python(code, PYTHONHASHSEED=seed)
        assert ran.returncode == 0, ran.stderr
        lists.append(ran.stdout.splitlines())
    assert lists[0] == lists[1]
    assert [line.split()[0] for line in lists[0]] == [
        "records/healthdcat.ttl",
        "records/healthdcat.jsonld",
        "records/croissant.json",
        "records/dataspace.json",
        "records/edc/asset.json",
        "records/edc/policy.json",
        "records/edc/contract-definition.json",
        "evidence/generation.jsonld",
    ]


# Croissant


def croissant_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "records" / "croissant.json").read_text(encoding="utf-8"))


def test_croissant_names_files_keys_and_types(written: Path, facts: Facts) -> None:
    told = croissant_of(written)
    assert "http://mlcommons.org/croissant/1.1" in told["conformsTo"]
    hashes = {file.path: file.sha256 for table in facts.tables for file in table.files}
    assert {one["@id"]: one["sha256"] for one in told["distribution"]} == hashes
    person, *visits = told["recordSet"]
    assert person["key"] == {"@id": "person/person_id"}
    assert [one["@id"] for one in visits] == ["visit/part-0001", "visit/part-0002"]
    types = {field["name"]: field["dataType"] for field in person["field"]}
    assert types == {
        "person_id": "cr:Int64",
        "gender_concept_id": "cr:Int64",
        "provider_id": "cr:Int64",
        "person_source_value": "sc:Text",
        "birth_date": "sc:Date",
        "birth_datetime": "sc:DateTime",
        "weight": "sc:Float",
        "height": "cr:Float64",
        "is_alive": "sc:Boolean",
    }


def test_what_was_retracted_is_not_offered(facts: Facts, tmp_path: Path) -> None:
    records.write(tmp_path, release.about(), facts, (), release.edition(retracted="a wrong unit"))
    told = croissant_of(tmp_path)
    assert "distribution" not in told and "recordSet" not in told
    assert "dataset" not in json.loads((tmp_path / "records" / "dataspace.json").read_text(encoding="utf-8"))
    assert not (tmp_path / "records" / "edc").exists()
    assert told["rai:dataReleaseMaintenancePlan"] == "Retracted: a wrong unit"


def test_mlcroissant_reads_the_rows(written: Path, facts: Facts) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(jsonld=written / "records" / "croissant.json")
    assert dataset.metadata.name == "Synthetic diabetes cohort"
    assert not dataset.metadata.issues.errors
    for name, path in {
        "person": "data/person.parquet",
        "visit/part-0001": "data/visit/part-0001.parquet",
        "visit/part-0002": "data/visit/part-0002.parquet",
    }.items():
        read = [{key.rsplit("/", 1)[-1]: _plain(value) for key, value in row.items()} for row in dataset.records(name)]
        assert read == _rows(written / path)


def test_names_with_blanks(tmp_path: Path) -> None:
    facts = release.facts(tmp_path)
    person = facts.tables[0]
    (tmp_path / person.files[0].path).rename(tmp_path / "data" / "my persons, ä.parquet")
    named = dataclasses.replace(
        person,
        name="my persons, ä",
        columns=(dataclasses.replace(person.columns[0], name='"% of <all>"'),),
        files=(dataclasses.replace(person.files[0], path="data/my persons, ä.parquet"),),
    )
    records.write(
        tmp_path, release.full_about("PUBLIC"), dataclasses.replace(facts, tables=(named,)), (), release.edition()
    )
    for name in ("healthdcat.ttl", "healthdcat.jsonld"):
        assert records.validate(tmp_path / "records" / name) == []
    record = rdflib.Graph().parse(tmp_path / "records" / "healthdcat.ttl")
    assert rdflib.Literal('"% of <all>"') in set(record.objects(None, iri("csvw:name")))
    (address,) = record.objects(None, iri("dcat:downloadURL"))
    assert str(address).endswith("/data/my%20persons%2C%20%C3%A4.parquet")
    (file,) = croissant_of(tmp_path)["distribution"]
    assert (tmp_path / "records" / file["contentUrl"]).resolve().is_file()


def test_texts_in_another_language(facts: Facts, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    about = release.about(more="text_language: de\npopulation: Erwachsene mit Diabetes")
    records.write(tmp_path, about, facts, release.EVIDENCE, release.edition())
    record = rdflib.Graph().parse(tmp_path / "records" / "healthdcat.ttl")
    assert {one.language for one in record.objects(iri(about.address), iri("dct:title"))} == {"de"}
    assert rdflib.Literal("Erwachsene mit Diabetes", lang="de") in set(record.objects())
    metadata = mlcroissant.Dataset(jsonld=tmp_path / "records" / "croissant.json").metadata
    assert metadata.name == {"de": about.title} or metadata.name == about.title
    assert not metadata.issues.errors


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return value.isoformat() if hasattr(value, "isoformat") else getattr(value, "item", lambda: value)()


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file as Croissant's reader tells them: a day begins at midnight, a decimal is a float."""
    table = duckdb.sql(f"FROM '{path}'")
    names = table.columns
    kinds = dict(zip(names, map(str, table.types), strict=True))

    def seen(name: str, value: Any) -> Any:
        if value is not None and kinds[name] in ("DATE", "TIMESTAMP"):
            return value.isoformat() + ("T00:00:00" if kinds[name] == "DATE" else "")
        return float(value) if kinds[name].startswith("DECIMAL") else value

    return [{name: seen(name, value) for name, value in zip(names, row, strict=True)} for row in table.fetchall()]


# Dataspace Protocol and PROV-O


def test_dataspace_offer(written: Path) -> None:
    told = json.loads((written / "records" / "dataspace.json").read_text(encoding="utf-8"))
    assert told["@context"] == ["https://w3id.org/dspace/2025/1/context.jsonld"]
    assert told["@type"] == "Catalog" and told["participantId"] == "did:web:hospital.example"
    (service,) = told["service"]
    assert service["@type"] == "DataService" and service["endpointURL"].endswith("/api/dsp") and service["@id"]
    (dataset,) = told["dataset"]
    assert dataset["@type"] == "Dataset" and dataset["@id"] == "https://hospital.example/data/diabetes#dataset"
    (distribution,) = dataset["distribution"]
    assert distribution["format"] == "HttpData-PULL" and distribution["accessService"] == service
    (offer,) = dataset["hasPolicy"]
    assert offer["@type"] == "Offer" and offer["@id"] and "target" not in offer
    (permission,) = offer["permission"]
    assert permission["action"] == "use"
    purpose, start, end = permission["constraint"]
    assert purpose == {
        "leftOperand": "purpose",
        "operator": "isAnyOf",
        "rightOperand": ["Scientific research", "Teaching"],
    }
    assert (start["operator"], start["rightOperand"]["@value"]) == ("gteq", "2026-01-01")
    assert (end["operator"], end["rightOperand"]["@value"]) == ("lteq", "2031-12-31")
    assert [one["action"] for one in offer["prohibition"]] == ["use"]


def test_dataspace_without_conditions_or_connector() -> None:
    told = dataspace.catalog(release.about("PUBLIC", "prohibited: [distribution]"), release.edition())
    (offer,) = told["dataset"][0]["hasPolicy"]
    assert offer["permission"] == [{"action": "use"}]
    assert offer["prohibition"] == [{"action": "distribute"}]
    assert told["participantId"] == "https://hospital.example"
    assert told["service"][0]["endpointURL"] == "https://hospital.example/data/apply"


def test_generation_log(written: Path, facts: Facts) -> None:
    path = written / "evidence" / "generation.jsonld"
    log = rdflib.Graph().parse(path, publicID="https://hospital.example/release/evidence/generation.jsonld")
    prefixes = "PREFIX prov: <http://www.w3.org/ns/prov#> PREFIX schema: <https://schema.org/> "
    files = """
        SELECT ?file ?sha256 ?model WHERE {
            ?release prov:hadMember ?file . ?file schema:sha256 ?sha256 ; prov:wasGeneratedBy/prov:used ?model }"""
    hashes = {f"https://hospital.example/release/{f.path}": f.sha256 for t in facts.tables for f in t.files}
    assert {tuple(map(str, row)) for row in log.query(prefixes + files)} == {
        (file, sha256, f"urn:sha256:{release.MODEL}") for file, sha256 in hashes.items()
    }
    properties = (
        "SELECT ?name ?value WHERE { ?activity schema:additionalProperty [ schema:name ?name ; schema:value ?value ] }"
    )
    said = {tuple(map(str, row)) for row in log.query(prefixes + properties)}
    assert {("seed", "42"), ("min_cell", "10"), ("method", "hospital"), ("persons or rows learned", "2000")} <= said
    assert not any(name == "epsilon" for name, _ in said)
