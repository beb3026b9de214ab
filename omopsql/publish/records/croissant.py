"""The data set in Croissant 1.1, which machine-learning tools read: files, hashes, and the columns of each table.

Source: Croissant Format Specification 1.1 and its Responsible AI extension 1.0 (MLCommons).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omopsql.publish.facts import Column, Edition, Evidence, Facts, File, Table
from omopsql.publish.said import About

from . import wording

_FORMATS = ["application/vnd.apache.parquet", "application/x-parquet"]  # IANA's name, and the one that tools know
_TYPES = {
    "BOOLEAN": "sc:Boolean",
    "TINYINT": "cr:Int8",
    "SMALLINT": "cr:Int16",
    "INTEGER": "cr:Int32",
    "BIGINT": "cr:Int64",
    "HUGEINT": "sc:Integer",
    "UTINYINT": "cr:UInt8",
    "USMALLINT": "cr:UInt16",
    "UINTEGER": "cr:UInt32",
    "UBIGINT": "cr:UInt64",
    "FLOAT": "cr:Float32",
    "DOUBLE": "cr:Float64",
    "DECIMAL": "sc:Float",
    "DATE": "sc:Date",
    "TIME": "sc:Time",
}
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def describe(about: About, facts: Facts, evidence: Sequence[Evidence], edition: Edition) -> dict[str, Any]:
    """Return the record. Its files stand beside it: their addresses are relative to the folder ``records``."""
    told = {
        "@context": {**_CONTEXT, "@language": about.text_language},
        "@type": "sc:Dataset",
        "@id": about.address,
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": about.title,
        "description": about.description,
        "identifier": edition.identifier,
        "version": edition.version,
        "license": about.licence,
        "url": about.landing_page or about.access_url,
        "creator": _organisation(about),
        "publisher": _organisation(about),
        "datePublished": edition.published.date().isoformat(),
        "dateModified": edition.published.date().isoformat(),
        "keywords": list(dict.fromkeys([*about.keywords, "synthetic data"])),
        "inLanguage": about.text_language,
        "citeAs": f"{about.publisher.name}: {about.title}, version {edition.version} ({edition.published.year}). "
        f"{edition.identifier}",
        "isLiveDataset": False,
        "rai:dataCollection": wording.generation(facts.generation),
        "rai:dataCollectionType": "Synthetic data generation",
        "rai:personalSensitiveInformation": list(about.personal_data) or None,
        "rai:dataUseCases": list(about.purposes) or None,
        "rai:dataLimitations": [one.words for one in evidence if one.words] or None,
        "rai:dataReleaseMaintenancePlan": " ".join(wording.version_notes(edition)) or None,
    }
    if not edition.retracted:
        told["distribution"] = [_file(file) for table in facts.tables for file in table.files]
        told["recordSet"] = [one for table in facts.tables for one in _record_sets(table)]
    return {name: value for name, value in told.items() if value is not None}


def _organisation(about: About) -> dict[str, Any]:
    told = {"@type": "sc:Organization", "name": about.publisher.name, "email": about.publisher.email}
    return {name: value for name, value in {**told, "url": about.publisher.page}.items() if value}


def _file(file: File) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path.rsplit("/", 1)[-1],
        "contentUrl": f"../{file.path}",
        "contentSize": f"{file.bytes} B",
        "encodingFormat": _FORMATS,
        "sha256": file.sha256,
    }


def _record_sets(table: Table) -> list[dict[str, Any]]:
    """Return the records of a table: one set for each file, since readers open no table that lies in several files."""
    if len(table.files) == 1:
        return [_record_set(table, table.name, table.files[0])]
    return [_record_set(table, f"{table.name}/{_stem(file)}", file) for file in table.files]


def _stem(file: File) -> str:
    return file.path.rsplit("/", 1)[-1].removesuffix(".parquet")


def _record_set(table: Table, name: str, file: File) -> dict[str, Any]:
    told: dict[str, Any] = {"@type": "cr:RecordSet", "@id": name, "name": name}
    told["description"] = table.description or f"Table {table.name}, {table.rows:,} rows."
    key = f"{table.name}_id"  # the key of a table of the OMOP CDM
    if key in [column.name for column in table.columns]:
        told["key"] = {"@id": f"{name}/{key}"}
    told["field"] = [_field(name, file, column) for column in table.columns]
    return told


def _field(record_set: str, file: File, column: Column) -> dict[str, Any]:
    kind, is_list = _data_type(column.type)
    told: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "description": column.description or wording.title(column.name),
        "dataType": kind,
        "source": {"fileObject": {"@id": file.path}, "extract": {"column": column.name}},
    }
    return {**told, "isArray": True, "arrayShape": "-1"} if is_list else told


def _data_type(duckdb_type: str) -> tuple[str, bool]:
    kind = duckdb_type.upper()
    is_list = kind.endswith("[]")
    kind = kind.removesuffix("[]").split("(")[0].strip()
    return ("sc:DateTime" if kind.startswith("TIMESTAMP") else _TYPES.get(kind, "sc:Text")), is_list
