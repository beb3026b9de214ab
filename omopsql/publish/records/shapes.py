"""Whether a record keeps to HealthDCAT-AP: what is missing or wrong, in a steward's words.

The shapes are ours, written from the specification: ``sql/publish/shapes/healthdcat.ttl`` for every record, and
``non-public.ttl`` besides for what is not public. pySHACL applies them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omopsql.errors import OmopsqlError, first_line
from omopsql.sql_files import sql_folder

from .rdf import PREFIXES, empty_graph, iri

if TYPE_CHECKING:
    from rdflib import Graph

_SHACL = "http://www.w3.org/ns/shacl#"
_NON_PUBLIC = "http://publications.europa.eu/resource/authority/access-right/NON_PUBLIC"


@dataclass(frozen=True, order=True)
class Violation:
    """Something that a record lacks or says wrongly: the property, the part of the record, and what to do."""

    name: str
    node: str
    words: str
    is_missing: bool

    def __str__(self) -> str:
        fault = f"no {self.name}" if self.is_missing else f"{self.name} of {self.node} is not as it must be"
        return f"healthdcat: {fault}: {self.words}"


def validate(path: Path) -> list[Violation]:
    """Return what a record lacks or says wrongly; it is a file of Turtle (``.ttl``) or JSON-LD (``.jsonld``).

    Raises OmopsqlError when there is no such record, or it cannot be read.
    """
    graph = empty_graph()
    try:
        graph.parse(data=path.read_text(encoding="utf-8"), format="turtle" if path.suffix == ".ttl" else "json-ld")
    except Exception as error:  # rdflib's parsers raise errors of many kinds
        raise OmopsqlError(f"{path} is no record in Turtle or JSON-LD: {first_line(error)}") from error
    return violations(graph)


def violations(record: Graph) -> list[Violation]:
    """Return what a record lacks or says wrongly, in the order of the properties' names."""
    if (None, iri("rdf:type"), iri("dcat:Dataset")) not in record:
        return [Violation("Dataset", "the record", "a record describes a data set (dcat:Dataset)", True)]
    try:
        import pyshacl
    except ImportError as error:
        raise OmopsqlError("validating a record needs pySHACL: pip install 'omopsql[publish]'") from error
    is_non_public = (None, iri("dct:accessRights"), iri(_NON_PUBLIC)) in record
    shapes = _shapes("healthdcat.ttl", *(["non-public.ttl"] if is_non_public else []))
    _, report, _ = pyshacl.validate(record, shacl_graph=shapes, inference="none")
    results = report.subjects(iri("rdf:type"), iri(f"{_SHACL}ValidationResult"))
    return sorted({_told(report, shapes, result) for result in results})


def _told(report: Graph, shapes: Graph, result: Any) -> Violation:
    def value(name: str) -> Any:
        return report.value(result, iri(_SHACL + name))

    kind = str(value("sourceConstraintComponent")).removeprefix(_SHACL)
    is_missing = kind in ("MinCountConstraintComponent", "OrConstraintComponent") or (
        kind == "HasValueConstraintComponent" and value("value") is None
    )
    return Violation(
        name=str(shapes.value(value("sourceShape"), iri(f"{_SHACL}name"), default=value("resultPath"))),
        node=_short(str(value("focusNode"))),
        words=str(value("resultMessage")),
        is_missing=is_missing,
    )


def _short(address: str) -> str:
    for name, start in PREFIXES.items():
        if address.startswith(start):
            return f"{name}:{address.removeprefix(start)}"
    return address


@cache
def _shapes(*names: str) -> Graph:
    graph = empty_graph()
    for name in names:
        graph.parse(data=sql_folder("publish", "shapes").joinpath(name).read_text(encoding="utf-8"), format="turtle")
    return graph
