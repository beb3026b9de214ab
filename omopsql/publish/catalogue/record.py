"""A data set's record in words: what its HealthDCAT-AP description says, read for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omopsql.errors import OmopsqlError

if TYPE_CHECKING:
    from rdflib import Graph

PUBLIC = "PUBLIC"

_DCT = "http://purl.org/dc/terms/"
_DCAT = "http://www.w3.org/ns/dcat#"
_DCATAP = "http://data.europa.eu/r5r/"
_HEALTH = "http://healthdataportal.eu/ns/health#"
_CV = "http://data.europa.eu/m8g/"
_DQV = "http://www.w3.org/ns/dqv#"
_OA = "http://www.w3.org/ns/oa#"
_DPV = "https://w3id.org/dpv#"
_VCARD = "http://www.w3.org/2006/vcard/ns#"
_FOAF = "http://xmlns.com/foaf/0.1/"
_CSVW = "http://www.w3.org/ns/csvw#"
_SKOS = "http://www.w3.org/2004/02/skos/core#"
_RDFS = "http://www.w3.org/2000/01/rdf-schema#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

_NAMES = (
    _SKOS + "prefLabel",
    _DCT + "title",
    _FOAF + "name",
    _VCARD + "fn",
    _VCARD + "organization-name",
    _RDFS + "label",
    _DCT + "description",
)
_WAYS = (
    _VCARD + "hasEmail",
    _CV + "email",
    _FOAF + "mbox",
    _VCARD + "hasURL",
    _CV + "contactPage",
    _FOAF + "homepage",
    _VCARD + "hasTelephone",
)

_ABOUT = (
    ("Health theme", _HEALTH + "healthTheme"),
    ("Publisher", _DCT + "publisher"),
    ("Creator", _DCT + "creator"),
    ("Purpose", _DPV + "hasPurpose"),
    ("Legal basis", _DPV + "hasLegalBasis"),
    ("Population", _HEALTH + "populationCoverage"),
    ("Place", _DCT + "spatial"),
    ("Time", _DCT + "temporal"),
    ("Follows", _DCT + "conformsTo"),
    ("Coding systems", _HEALTH + "hasCodingSystem"),
    ("Provenance", _DCT + "provenance"),
    ("Updated", _DCT + "accrualPeriodicity"),
    ("Language", _DCT + "language"),
    ("Kept", _HEALTH + "retentionPeriod"),
    ("Law that applies", _DCATAP + "applicableLegislation"),
)

# Values of authority lists that a record may name without a label.
_KNOWN = {
    "HEAL": "Health",
    "PUBLIC": "public",
    "NON_PUBLIC": "not public",
    "RESTRICTED": "restricted",
    "SYNTHETIC_DATA": "synthetic data",
    "http://data.europa.eu/eli/reg/2025/327/oj": "Regulation (EU) 2025/327, European Health Data Space",
}
_AUTHORITY = "publications.europa.eu/resource/authority/"
_ABBREVIATION = 4  # letters; a longer code in capitals is words


@dataclass(frozen=True)
class Said:
    """Something that a record says: its words, and the address that it stands for, where there is one."""

    words: str
    address: str | None = None


@dataclass(frozen=True)
class Variable:
    """A column as the record describes it."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Judged:
    """A report that the record cites: its path in the release, what it is called, and what it comes to."""

    path: str
    title: str
    words: str


@dataclass(frozen=True)
class Record:
    """What a record says. ``access`` is a code of the authority list, such as PUBLIC; numbers are None where unsaid."""

    identifier: str
    title: str
    description: str
    access: str
    keywords: tuple[str, ...]
    themes: tuple[str, ...]
    categories: tuple[str, ...]
    licences: tuple[Said, ...]
    contacts: tuple[Said, ...]
    access_body: tuple[Said, ...]
    about: tuple[tuple[str, tuple[Said, ...]], ...]
    persons: int | None
    rows: int | None
    ages: str
    publisher: tuple[str, ...]
    variables: dict[str, tuple[Variable, ...]]
    judged: tuple[Judged, ...]


def read_record(path: Path) -> tuple[Record, Graph]:
    """Read a record from Turtle, which names no other file, as JSON-LD may.

    Raises OmopsqlError when rdflib is missing or the file does not describe one data set.
    """
    graph = new_graph()
    try:
        graph.parse(path, format="turtle")
    except Exception as error:  # rdflib raises whatever its parser meets
        raise OmopsqlError(f"{path} cannot be read as Turtle: {str(error).splitlines()[0]}") from error
    return _Reader(graph, _data_set(graph, path)).record(), graph


def new_graph() -> Graph:
    """Return an empty graph. Raises OmopsqlError when rdflib is missing."""
    try:
        import rdflib
    except ImportError:
        raise OmopsqlError("a catalogue needs rdflib: pip install 'omopsql[publish]'") from None
    return rdflib.Graph(bind_namespaces="none")


def data_set(graph: Graph) -> Any:
    """Return the node of the one data set that a graph describes, or None."""
    from rdflib import URIRef

    found = set(graph.subjects(URIRef(_RDF + "type"), URIRef(_DCAT + "Dataset")))
    found -= set(graph.objects(None, URIRef("http://www.w3.org/ns/adms#sample")))
    return found.pop() if len(found) == 1 else None


def access_words(code: str) -> str:
    """Say an access right in words."""
    return _tidy(code)


def _data_set(graph: Graph, path: Path) -> Any:
    node = data_set(graph)
    if node is None:
        raise OmopsqlError(f"{path} does not describe one dcat:Dataset; omopsql publish writes records that do")
    return node


@dataclass(frozen=True)
class _Reader:
    graph: Graph
    node: Any

    def record(self) -> Record:
        titles, descriptions = self._texts(_DCT + "title"), self._texts(_DCT + "description")
        identifiers = self._texts(_DCT + "identifier") or [str(self.node)]
        return Record(
            identifier=identifiers[0],
            title=titles[0] if titles else identifiers[0],
            description="\n\n".join(descriptions),
            access=next((_last(str(node)) for node in self._of(self.node, _DCT + "accessRights")), "NON_PUBLIC"),
            keywords=tuple(sorted(self._texts(_DCAT + "keyword"))),
            themes=self._words(_DCAT + "theme"),
            categories=self._words(_HEALTH + "healthCategory"),
            licences=self._licences(),
            contacts=tuple(self._said(_DCAT + "contactPoint")),
            access_body=tuple(self._said(_HEALTH + "hdab")),
            about=self._about(),
            persons=self._number(_HEALTH + "numberOfUniqueIndividuals"),
            rows=self._number(_HEALTH + "numberOfRecords"),
            ages=self._ages(),
            publisher=tuple(self._publishers()),
            variables=dict(self._tables()),
            judged=tuple(self._judged()),
        )

    def _of(self, node: Any, predicate: str) -> list[Any]:
        from rdflib import URIRef

        return sorted(self.graph.objects(node, URIRef(predicate)), key=str)

    def _texts(self, predicate: str, node: Any = None) -> list[str]:
        """The texts of a property, in English where there are some."""
        found = self._of(self.node if node is None else node, predicate)
        english = [text for text in found if (getattr(text, "language", None) or "en").startswith("en")]
        return [str(text) for text in english or found]

    def _words(self, predicate: str) -> tuple[str, ...]:
        return tuple(sorted({one.words for one in self._said(predicate)}))

    def _said(self, predicate: str, node: Any = None) -> Iterator[Said]:
        for found in self._of(self.node if node is None else node, predicate):
            yield self._in_words(found)

    def _in_words(self, node: Any) -> Said:
        """Say a value in words: its own name, the span of a period, or what its address says."""
        from rdflib import Literal, URIRef

        if isinstance(node, Literal):
            return Said(_duration(str(node)))
        address = str(node) if isinstance(node, URIRef) and str(node).startswith(("http:", "https:")) else None
        names = next(filter(None, (self._texts(predicate, node) for predicate in _NAMES)), [])
        ways = self._ways(node)
        period = self._period(node)
        if names or ways or period:  # it is described here, and an address with # is that of this description
            address = next(iter(ways), None if "#" in (address or "") else address)
        name = "\n".join(names) or period or ("" if ways else _of_address(str(node)))
        return Said(", ".join([*filter(None, [name]), *(way.removeprefix("mailto:") for way in ways)]), address)

    def _ways(self, node: Any) -> list[str]:
        """How to reach somebody: addresses that a browser opens."""
        places = [node, *self._of(node, _CV + "contactPoint")]
        found = [str(way) for place in places for predicate in _WAYS for way in self._of(place, predicate)]
        return [f"mailto:{way}" if "@" in way and ":" not in way else way for way in found]

    def _period(self, node: Any) -> str:
        days = [self._of(node, _DCAT + end) for end in ("startDate", "endDate")]
        first, last = (str(found[0])[:10] if found else "" for found in days)
        return f"{first} to {last}" if first and last else first or last

    def _publishers(self) -> Iterator[str]:
        for node in self._of(self.node, _DCT + "publisher"):
            yield from self._texts(_FOAF + "name", node)[:1]

    def _licences(self) -> tuple[Said, ...]:
        found = {one.address or one.words: one for one in self._said(_DCT + "license")}
        for distribution in self._of(self.node, _DCAT + "distribution"):
            found |= {one.address or one.words: one for one in self._said(_DCT + "license", distribution)}
        return tuple(found.values())

    def _about(self) -> tuple[tuple[str, tuple[Said, ...]], ...]:
        told: dict[str, dict[str, Said]] = {}
        for heading, predicate in _ABOUT:
            for one in self._said(predicate):
                told.setdefault(heading, {})[one.words] = one
        return tuple((heading, tuple(values.values())) for heading, values in told.items())

    def _number(self, predicate: str) -> int | None:
        return next((int(str(text)) for text in self._of(self.node, predicate) if str(text).isdecimal()), None)

    def _ages(self) -> str:
        ends = (self._number(_HEALTH + end) for end in ("minTypicalAge", "maxTypicalAge"))
        youngest, oldest = ends
        return "" if youngest is None or oldest is None else f"{youngest} to {oldest} years"

    def _tables(self) -> Iterator[tuple[str, tuple[Variable, ...]]]:
        for group in self._of(self.node, _HEALTH + "hasVariables"):
            for table in self._of(group, _CSVW + "table"):
                name = self._one(table, _CSVW + "name", _DCT + "title", _CSVW + "title", _CSVW + "url")
                yield name, tuple(self._variables(table))

    def _variables(self, table: Any) -> Iterator[Variable]:
        for schema in self._of(table, _CSVW + "tableSchema") or [table]:
            for column in self._of(schema, _CSVW + "column"):
                yield Variable(
                    self._one(column, _CSVW + "name", _CSVW + "title"),
                    _last(self._one(column, _CSVW + "datatype")),
                    self._one(column, _DCT + "description", _CSVW + "description", _CSVW + "title"),
                )

    def _judged(self) -> Iterator[Judged]:
        for certificate in self._of(self.node, _DQV + "hasQualityAnnotation"):
            for body in self._of(certificate, _OA + "hasBody"):
                titles, told = self._of(body, _DCT + "title"), self._of(body, _RDF + "value")
                if len(titles) == len(told) == 1:  # else nobody can tell which words belong to which title
                    yield Judged(self._one(body, _DCT + "source"), str(titles[0]), str(told[0]))

    def _one(self, node: Any, *predicates: str) -> str:
        return next((str(text) for predicate in predicates for text in self._of(node, predicate)), "")


def _of_address(address: str) -> str:
    """Words of a value that the record does not name: the code of an authority list, else its address."""
    if address in _KNOWN or not address.startswith(("http:", "https:")):
        return _KNOWN.get(address, "")
    return _tidy(_last(address)) if _AUTHORITY in address else address


def _last(address: str) -> str:
    return re.split(r"[/#]", address.rstrip("/#"))[-1]


def _tidy(code: str) -> str:
    """Words of a code: NON_PUBLIC, ElectronicHealthRecords, HEAL."""
    if code in _KNOWN:
        return _KNOWN[code]
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", code.replace("_", " ").replace("-", " "))
    return spaced.lower() if len(code) > _ABBREVIATION and (code.isupper() or " " in spaced) else spaced


def _duration(text: str) -> str:
    """An ISO 8601 duration of one unit in words, another text as it is."""
    found = re.fullmatch(r"P(\d+)([YMD])", text)
    if found is None:
        return text
    unit = {"Y": "year", "M": "month", "D": "day"}[found[2]]
    return f"{found[1]} {unit}{'' if found[1] == '1' else 's'}"
