"""A graph in the making: nodes and what is said of them, by the short names of the vocabularies."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from omopsql.errors import OmopsqlError

from . import codelists

if TYPE_CHECKING:
    from rdflib import Graph, Literal, URIRef

PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "csvw": "http://www.w3.org/ns/csvw#",
    "cv": "http://data.europa.eu/m8g/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "dpv-pd": "https://w3id.org/dpv/dpv-pd#",
    "dqv": "http://www.w3.org/ns/dqv#",
    "eli": "http://data.europa.eu/eli/ontology#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geodcatap": "http://data.europa.eu/930/",
    "healthdcatap": "http://healthdataportal.eu/ns/health#",
    "oa": "http://www.w3.org/ns/oa#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


class Description:
    """A graph about one thing at ``address``; its parts have addresses of their own, so that two runs agree."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.graph = empty_graph()

    def part(self, *names: str) -> str:
        """Return the address of a part of the thing, as ``…#column-person.person_id``."""
        return part_of(self.address, *names)

    def node(self, address: str, *classes: str) -> URIRef:
        """Return a node, and say of which classes it is."""
        node = iri(address)
        for name in classes:
            self.say(node, "rdf:type", iri(name))
        return node

    def say(self, node: URIRef, about: str, *values: Any) -> None:
        """Say something of a node, once for each value; None says nothing."""
        for value in values:
            if value is not None:
                self.graph.add((node, iri(about), value))

    def member(self, codelist: str, code: str) -> URIRef:
        """Return a member of an EU list, with what validators ask of it: its class, its label and its list."""
        one = codelists.member(codelist, code)
        node = self.node(one.address, "skos:Concept", one.scheme.member_class)
        self.say(node, "skos:prefLabel", words(one.label))
        self.say(node, "skos:inScheme", self.node(one.scheme.address, "skos:ConceptScheme"))
        self.say(iri(one.scheme.address), "dct:title", words(one.scheme.title))
        return node

    def turtle(self) -> str:
        """Return the graph as Turtle."""
        return str(self.graph.serialize(format="turtle"))

    def json_ld(self) -> str:
        """Return the graph as JSON-LD. Nodes and values are in an order of their own, so that two runs agree."""
        context = {name: address for name, address in PREFIXES.items() if name != "rdf"}
        told = json.loads(self.graph.serialize(format="json-ld", context=context, auto_compact=True))
        return json.dumps(_ordered(told), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def part_of(address: str, *names: str) -> str:
    """Return the address of a part of what is at an address, as ``…#offer``."""
    joint = "-" if "#" in address else "#"
    return address + joint + "-".join(quote(name, safe="") for name in names)


def empty_graph() -> Graph:
    """Return a graph that knows the prefixes. Raises OmopsqlError without rdflib."""
    try:
        import rdflib
    except ImportError as error:
        raise OmopsqlError("describing a release needs rdflib: pip install 'omopsql[publish]'") from error
    graph = rdflib.Graph(bind_namespaces="none")
    for name, address in PREFIXES.items():
        graph.bind(name, address)
    return graph


def iri(name: str) -> URIRef:
    """Return the node of a short name, as ``dcat:Dataset``, or of an address."""
    from rdflib import URIRef

    prefix, _, rest = name.partition(":")
    return URIRef(PREFIXES[prefix] + rest if prefix in PREFIXES else name)


def words(text: str | None, language: str = "en") -> Literal | None:
    """Return a text in a language."""
    from rdflib import Literal

    return None if text is None else Literal(text, lang=language)


def plain(text: str | None) -> Literal | None:
    """Return a text of no language, such as an identifier."""
    from rdflib import Literal

    return None if text is None else Literal(text)


def count(number: int | None) -> Literal | None:
    """Return a number that is never negative."""
    from rdflib import Literal

    return None if number is None else Literal(str(number), datatype=iri("xsd:nonNegativeInteger"))


def day(when: date | None) -> Literal | None:
    """Return a day."""
    from rdflib import Literal

    return None if when is None else Literal(when.isoformat(), datatype=iri("xsd:date"))


def duration(text: str) -> Literal:
    """Return a length of time, as ``P1D``."""
    from rdflib import Literal

    return Literal(text, datatype=iri("xsd:duration"))


def truth(value: bool) -> Literal:
    """Return true or false."""
    from rdflib import Literal

    return Literal(value)


def _ordered(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _ordered(value) for name, value in told.items()}
    if isinstance(told, list):
        return sorted((_ordered(value) for value in told), key=lambda value: json.dumps(value, sort_keys=True))
    return told
