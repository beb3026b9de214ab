"""The record of a data set in HealthDCAT-AP, Release 8: a ``dcat:Dataset`` without a catalogue around it.

The profile stands on DCAT-AP 3.0.1. Sizes and checksums of files are not said here, for the shapes of DCAT-AP's
releases disagree about their types; ``manifest.json`` and ``croissant.json`` say them.

Sources: HealthDCAT-AP Release 8 (European Commission, DG SANTE), DCAT-AP 3.0.1 (SEMIC), CSV on the Web (W3C).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from omopsql.publish.facts import Column, Edition, Evidence, Facts, Table
from omopsql.publish.said import About, Agent, Period

from . import codelists, wording
from .rdf import Description, count, day, duration, iri, plain, truth, words

if TYPE_CHECKING:
    from rdflib import URIRef

PARQUET = "http://www.iana.org/assignments/media-types/application/vnd.apache.parquet"
_ASSESSED = ("quality", "fidelity", "utility", "privacy", "fairness")


def describe(about: About, facts: Facts, evidence: Sequence[Evidence], edition: Edition) -> Description:
    """Return the record as a graph."""
    record = Description(about.address)
    dataset = record.node(about.address, "dcat:Dataset")
    _name(record, dataset, about, edition)
    _classify(record, dataset, about, facts)
    _introduce(record, dataset, about)
    _permit(record, dataset, about)
    _count(record, dataset, about, facts)
    _trace(record, dataset, about, facts, edition)
    _code(record, dataset, facts)
    _assess(record, dataset, about, evidence)
    _distribute(record, dataset, about, facts, edition)
    _report(record, dataset, about, evidence, edition)
    _list_variables(record, dataset, about, facts)
    return record


def _name(record: Description, dataset: URIRef, about: About, edition: Edition) -> None:
    published = day(edition.published.date())
    record.say(dataset, "dct:title", words(about.title, about.text_language))
    record.say(dataset, "dct:description", words(about.description, about.text_language))
    record.say(dataset, "dct:identifier", plain(edition.identifier))
    record.say(dataset, "dct:issued", published)
    record.say(dataset, "dct:modified", published)
    record.say(dataset, "dcat:version", plain(edition.version))
    record.say(dataset, "adms:versionNotes", *map(words, wording.version_notes(edition)))
    record.say(dataset, "dcat:keyword", *(words(word, about.text_language) for word in about.keywords))
    if about.landing_page:
        record.say(dataset, "dcat:landingPage", record.node(about.landing_page, "foaf:Document"))
    record.say(dataset, "dct:isReferencedBy", *map(iri, about.references))
    record.say(dataset, "dct:relation", *map(iri, about.related))
    for page in about.documentation:
        record.say(dataset, "foaf:page", record.node(page, "foaf:Document"))


def _classify(record: Description, dataset: URIRef, about: About, facts: Facts) -> None:
    record.say(dataset, "dcat:theme", record.member("data-theme", "HEAL"))
    record.say(dataset, "dct:type", record.member("dataset-type", "SYNTHETIC_DATA"))
    for code in about.health_categories:
        record.say(dataset, "healthdcatap:healthCategory", record.member("healthcategories", code))
    for code in about.health_themes:
        record.say(dataset, "healthdcatap:healthTheme", record.member("health-theme", code))
    for code in about.languages:
        record.say(dataset, "dct:language", record.member("language", code))
    for code in about.countries:
        record.say(dataset, "dct:spatial", record.member("country", code))
    if about.frequency:
        record.say(dataset, "dct:accrualPeriodicity", record.member("frequency", about.frequency))
    if facts.standard and facts.standard.startswith("OMOP"):
        record.say(dataset, "dct:conformsTo", record.member("standard", "OMOP-CDM"))


def _introduce(record: Description, dataset: URIRef, about: About) -> None:
    holder = about.holder or about.publisher
    record.say(dataset, "healthdcatap:hdab", _agent(record, "hdab", about.health_data_access_body, about))
    record.say(dataset, "dct:publisher", _agent(record, "publisher", about.publisher, about))
    record.say(dataset, "geodcatap:custodian", _agent(record, "holder", holder, about))
    if about.contact:
        contact = record.node(record.part("contact"), "vcard:Kind")
        record.say(contact, "vcard:fn", words(about.contact.name, about.text_language))
        record.say(contact, "vcard:hasEmail", about.contact.email and iri(f"mailto:{about.contact.email}"))
        record.say(contact, "vcard:hasURL", about.contact.page and iri(about.contact.page))
        record.say(dataset, "dcat:contactPoint", contact)


def _agent(record: Description, role: str, agent: Agent, about: About) -> URIRef:
    node = record.node(record.part(role), "foaf:Agent")
    record.say(node, "foaf:name", words(agent.name, about.text_language))
    record.say(node, "dct:description", words(agent.note, about.text_language))
    if agent.type:
        record.say(node, "dct:type", record.member("publisher-type", agent.type))
    contact = record.node(record.part(role, "contact"), "cv:ContactPoint")
    record.say(contact, "cv:email", plain(agent.email))
    record.say(contact, "cv:contactPage", agent.page and record.node(agent.page, "foaf:Document"))
    record.say(node, "cv:contactPoint", contact)
    return node


def _permit(record: Description, dataset: URIRef, about: About) -> None:
    record.say(dataset, "dct:accessRights", record.member("access-right", about.access))
    _apply_law(record, dataset, about)
    for number, purpose in enumerate(about.purposes, 1):
        if "://" in purpose:
            node = record.node(purpose, "dpv:Purpose")
        else:
            node = record.node(record.part("purpose", str(number)), "dpv:Purpose")
            record.say(node, "dct:description", words(purpose, about.text_language))
        record.say(dataset, "dpv:hasPurpose", node)
    if about.legal_basis:
        basis = record.node(record.part("legal-basis"), "dpv:LegalBasis")
        record.say(basis, "dct:description", words(about.legal_basis, about.text_language))
        record.say(dataset, "dpv:hasLegalBasis", basis)
    for kind in about.personal_data:
        record.say(dataset, "dpv:hasPersonalData", record.node(f"dpv-pd:{kind}", "dpv:PersonalData"))
    if about.retention:
        record.say(dataset, "healthdcatap:retentionPeriod", _period(record, "retention", about.retention))


def _apply_law(record: Description, node: URIRef, about: About) -> None:
    for law in about.legislation:
        record.say(node, "dcatap:applicableLegislation", record.node(law, "eli:LegalResource"))


def _period(record: Description, name: str, period: Period) -> URIRef:
    node = record.node(record.part(name), "dct:PeriodOfTime")
    record.say(node, "dcat:startDate", day(period.start))
    record.say(node, "dcat:endDate", day(period.end))
    return node


def _count(record: Description, dataset: URIRef, about: About, facts: Facts) -> None:
    record.say(dataset, "healthdcatap:numberOfRecords", count(facts.rows))
    record.say(dataset, "healthdcatap:numberOfUniqueIndividuals", count(facts.persons))
    record.say(dataset, "healthdcatap:minTypicalAge", count(facts.youngest))
    record.say(dataset, "healthdcatap:maxTypicalAge", count(facts.oldest))
    record.say(dataset, "healthdcatap:populationCoverage", words(about.population, about.text_language))
    record.say(dataset, "healthdcatap:populationCoverage", words(wording.coverage(facts)))
    if facts.first_day or facts.last_day:
        covered = _period(record, "coverage", Period(facts.first_day, facts.last_day))
        record.say(dataset, "dct:temporal", covered)
        record.say(dataset, "dcat:temporalResolution", duration("P1D"))  # the OMOP CDM tells days


def _trace(record: Description, dataset: URIRef, about: About, facts: Facts, edition: Edition) -> None:
    provenance = record.node(record.part("provenance"), "dct:ProvenanceStatement")
    record.say(provenance, "rdfs:label", words(about.provenance, about.text_language))
    record.say(provenance, "rdfs:label", words(wording.generation(facts.generation)))
    record.say(dataset, "dct:provenance", provenance)
    activity = record.node(record.part("generation"), "prov:Activity")
    record.say(activity, "rdfs:label", words(f"Generation by omopsql {facts.generation.omopsql}"))
    record.say(activity, "dct:type", record.member("health-activity", "MODELS_SIMULATIONS"))
    record.say(dataset, "prov:wasGeneratedBy", activity)


def _code(record: Description, dataset: URIRef, facts: Facts) -> None:
    for code in sorted({codelists.coding_system(system.vocabulary_id) for system in facts.coding_systems}):
        record.say(dataset, "healthdcatap:hasCodingSystem", record.member("coding-system", code))
    for used in facts.codes:
        record.say(dataset, "healthdcatap:hasCodeValues", plain(f"{used.vocabulary_id}:{used.code} ({used.name})"))


def _assess(record: Description, dataset: URIRef, about: About, evidence: Sequence[Evidence]) -> None:
    if about.quality_certificate:
        _certify(record, dataset, "label", iri(about.quality_certificate))
    for report in evidence:
        if report.kind in _ASSESSED:
            name = f"{report.kind}/{report.path}"  # several reports may share a file
            body = record.node(record.part("report", name), "oa:TextualBody")
            record.say(body, "dct:title", words(report.title))
            record.say(body, "rdf:value", words(report.words or report.verdict))
            record.say(body, "dct:source", plain(report.path))
            _certify(record, dataset, name, body)


def _certify(record: Description, dataset: URIRef, name: str, body: URIRef) -> None:
    certificate = record.node(record.part("certificate", name), "dqv:QualityCertificate")
    record.say(certificate, "oa:hasTarget", dataset)
    record.say(certificate, "oa:hasBody", body)
    record.say(certificate, "oa:motivatedBy", iri("dqv:qualityAssessment"))
    record.say(dataset, "dqv:hasQualityAnnotation", certificate)


def _distribute(record: Description, dataset: URIRef, about: About, facts: Facts, edition: Edition) -> None:
    """Say where the data are: one distribution for access to all, and one for each file that can be downloaded."""
    whole = _distribution(record, "distribution", about, edition)
    tables = "One table" if len(facts.tables) == 1 else f"{len(facts.tables)} tables"
    record.say(whole, "dct:title", words(f"{about.title} (Parquet)", about.text_language))
    record.say(whole, "dct:description", words(f"{tables} in Parquet, {facts.rows:,} rows."))
    _parquet(record, whole)
    record.say(dataset, "dcat:distribution", whole)
    if edition.retracted or not about.download_url:
        return
    for table in facts.tables:
        for file in table.files:
            one = _distribution(record, f"file-{file.path}", about, edition)
            record.say(one, "dct:title", words(f"Table {table.name}, {file.path}"))
            record.say(one, "dcat:downloadURL", iri(_below(about.download_url, file.path)))
            _parquet(record, one)
            record.say(dataset, "dcat:distribution", one)


def _report(record: Description, dataset: URIRef, about: About, evidence: Sequence[Evidence], edition: Edition) -> None:
    """Say where the reports on the data are: beside them."""
    reports = [report.title for report in evidence if report.kind in _ASSESSED]
    if reports:
        analytics = _distribution(record, "evidence", about, edition)
        record.say(analytics, "dct:title", words("Reports on the data"))
        record.say(analytics, "dct:description", words(f"The release carries: {', '.join(reports)}."))
        record.say(dataset, "healthdcatap:analytics", analytics)


def _distribution(record: Description, name: str, about: About, edition: Edition) -> URIRef:
    node = record.node(record.part(name), "dcat:Distribution")
    record.say(node, "dcat:accessURL", iri(about.access_url))
    _apply_law(record, node, about)
    record.say(node, "dct:license", record.node(about.licence, "dct:LicenseDocument"))
    if about.rights:
        rights = record.node(record.part("rights"), "dct:RightsStatement")
        record.say(rights, "rdfs:label", words(about.rights, about.text_language))
        record.say(node, "dct:rights", rights)
    if edition.retracted:
        record.say(node, "adms:status", record.member("distribution-status", "WITHDRAWN"))
    else:
        record.say(node, "adms:status", record.member("distribution-status", "COMPLETED"))
        record.say(node, "dcatap:availability", record.member("planned-availability", "AVAILABLE"))
    return node


def _parquet(record: Description, distribution: URIRef) -> None:
    record.say(distribution, "dct:format", record.member("file-type", "PARQUET"))
    record.say(distribution, "dcat:mediaType", record.node(PARQUET, "dct:MediaType"))


def _below(address: str, path: str) -> str:
    return f"{address.rstrip('/')}/{quote(path)}"


def _list_variables(record: Description, dataset: URIRef, about: About, facts: Facts) -> None:
    record.say(dataset, "healthdcatap:hasStructuredData", truth(True))
    group = record.node(record.part("variables"), "csvw:TableGroup")
    record.say(group, "dct:title", words(f"Tables and columns of {about.title}", about.text_language))
    record.say(dataset, "healthdcatap:hasVariables", group)
    for table in facts.tables:
        node = record.node(record.part("table", table.name), "csvw:Table")
        record.say(group, "csvw:table", node)
        record.say(node, "dct:title", words(table.name))
        record.say(node, "dct:description", words(table.description or None))
        if about.download_url and len(table.files) == 1:
            record.say(node, "csvw:url", iri(_below(about.download_url, table.files[0].path)))
        for column in table.columns:
            record.say(node, "csvw:column", _column(record, table, column))


def _column(record: Description, table: Table, column: Column) -> URIRef:
    node = record.node(record.part("column", f"{table.name}.{column.name}"), "csvw:Column")
    record.say(node, "csvw:name", plain(column.name))
    record.say(node, "csvw:title", words(wording.title(column.name)))
    record.say(node, "csvw:datatype", plain(wording.csvw_type(column.type)))
    record.say(node, "dct:description", words(column.description or f"Column {column.name} of {table.name}."))
    return node
