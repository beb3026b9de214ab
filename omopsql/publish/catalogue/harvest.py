"""What harvesters read: the catalogue as DCAT, news as an Atom feed, and the addresses of the pages."""

from __future__ import annotations

import json
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .record import data_set as described_in
from .record import new_graph
from .released import DataSet, Release, Version

if TYPE_CHECKING:
    from rdflib import Graph

_ATOM = "http://www.w3.org/2005/Atom"
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "omopsql catalogue")


def write_dcat(folder: Path, title: str, publisher: str, url: str | None, data_sets: Sequence[DataSet]) -> None:
    """Write catalogue.ttl and catalogue.jsonld: a dcat:Catalog with the record of the newest release of each data set.

    ``url`` is where the site will stand; without it, landing pages are left out and the catalogue has no address.
    """
    graph = _catalogue(title, publisher, url, data_sets)
    graph.serialize(folder / "catalogue.ttl", format="turtle", encoding="utf-8")
    told = json.loads(graph.serialize(format="json-ld", auto_compact=True))
    text = json.dumps(_ordered(told), indent=2, ensure_ascii=False, sort_keys=True)
    (folder / "catalogue.jsonld").write_text(f"{text}\n", encoding="utf-8", newline="\n")


def _catalogue(title: str, publisher: str, url: str | None, data_sets: Sequence[DataSet]) -> Graph:
    from rdflib import Literal, URIRef
    from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, XSD

    graph = new_graph()
    for prefix, namespace in (("dcat", DCAT), ("dct", DCTERMS), ("foaf", FOAF), ("xsd", XSD)):
        graph.bind(prefix, namespace)
    node: Any = URIRef(url) if url else URIRef(_urn(title))
    agent = URIRef(f"{node}#publisher")
    words = "Synthetic data sets, each with its record, its reports and, where access is public, its data."
    graph.add((node, RDF.type, DCAT.Catalog))
    graph.add((node, DCTERMS.title, Literal(title, lang="en")))
    graph.add((node, DCTERMS.description, Literal(words, lang="en")))
    graph.add((node, DCTERMS.publisher, agent))
    graph.add((agent, RDF.type, FOAF.Agent))
    graph.add((agent, FOAF.name, Literal(publisher or title)))
    graph.add((node, DCTERMS.modified, Literal(_newest(data_sets), datatype=XSD.dateTime)))
    if url:
        graph.add((node, FOAF.homepage, URIRef(url)))
    for data_set in data_sets:
        _add_record(graph, data_set.newest.graph)
        described = described_in(data_set.newest.graph)
        graph.add((node, DCAT.dataset, described))
        if url:
            page = URIRef(f"{url}{data_set.slug}/index.html")
            graph.add((described, DCAT.landingPage, page))
            graph.add((page, RDF.type, FOAF.Document))
    return graph


def _ordered(told: Any) -> Any:
    """Put the values of JSON-LD in an order, of which it has none, so that two runs agree."""
    if isinstance(told, dict):
        return {name: value if name in ("@context", "@list") else _ordered(value) for name, value in told.items()}
    if isinstance(told, list):
        return sorted(map(_ordered, told), key=lambda value: json.dumps(value, sort_keys=True))
    return told


def _add_record(graph: Graph, record: Graph) -> None:
    for prefix, namespace in record.namespaces():
        graph.bind(prefix, namespace, override=False)
    for triple in record:
        graph.add(triple)


def write_feed(folder: Path, title: str, publisher: str, url: str | None, data_sets: Sequence[DataSet]) -> None:
    """Write feed.xml: an Atom feed with an entry for every version of every data set, the newest first."""
    entries = [
        (version, data_set, place or data_set.slug) for data_set in data_sets for version, place in data_set.versions()
    ]
    entries.sort(key=lambda entry: entry[0].published, reverse=True)
    ET.register_namespace("", _ATOM)
    feed = ET.Element(f"{{{_ATOM}}}feed")
    _text(feed, "id", url or _urn(title))
    _text(feed, "title", title)
    _text(feed, "updated", _newest(data_sets))
    _text(_under(feed, "author"), "name", publisher or title)
    if url:
        _under(feed, "link", rel="self", href=f"{url}feed.xml")
    _under(feed, "link", rel="alternate", href=url or "index.html")
    for version, data_set, place in entries:
        entry = _under(feed, "entry")
        record = data_set.newest.record
        _text(entry, "id", _urn(f"{record.identifier} {version.version}"))
        _text(entry, "title", f"{record.title}, version {version.version}{_standing(version)}")
        _text(entry, "updated", _moment(version.published))
        _under(entry, "link", rel="alternate", href=f"{url or ''}{place}/index.html")
        _text(entry, "summary", version.retracted or version.forced or record.description)
    _write(feed, folder / "feed.xml")


def write_addresses(folder: Path, url: str | None, data_sets: Sequence[DataSet]) -> None:
    """Write robots.txt and, where the site's address is known, sitemap.xml."""
    robots = "User-agent: *\nAllow: /\n"
    if url:
        robots += f"Sitemap: {url}sitemap.xml\n"
        ET.register_namespace("", _SITEMAP)
        addresses = ET.Element(f"{{{_SITEMAP}}}urlset")
        pages = [("", _newest(data_sets))]
        pages += [(f"{data_set.folder_of(one)}/", one.published) for data_set in data_sets for one in data_set.releases]
        for place, published in pages:
            address = ET.SubElement(addresses, f"{{{_SITEMAP}}}url")
            ET.SubElement(address, f"{{{_SITEMAP}}}loc").text = f"{url}{place}index.html"
            ET.SubElement(address, f"{{{_SITEMAP}}}lastmod").text = published[:10]
        _write(addresses, folder / "sitemap.xml")
    (folder / "robots.txt").write_text(robots, encoding="ascii")


def _standing(version: Version) -> str:
    return " (retracted)" if version.retracted else " (published against advice)" if version.forced else ""


def _newest(data_sets: Sequence[DataSet]) -> str:
    releases: list[Release] = [data_set.newest for data_set in data_sets]
    return max(_moment(release.published) for release in releases)


def _moment(published: str) -> str:
    """A date, or a moment without an offset, as Atom and DCAT want it: with one."""
    if len(published) <= len("2026-01-01"):
        return f"{published}T00:00:00Z"
    return published if published.endswith("Z") or "+" in published[10:] else f"{published}Z"


def _urn(name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_SPACE, name)}"


def _under(parent: ET.Element, name: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)


def _text(parent: ET.Element, name: str, text: str) -> None:
    _under(parent, name).text = text


def _write(tree: ET.Element, path: Path) -> None:
    ET.indent(tree)
    ET.ElementTree(tree).write(path, encoding="utf-8", xml_declaration=True)
