"""What harvesters read of a catalogue: DCAT, a feed of its versions, a map of its pages."""

import xml.etree.ElementTree as ET

import pytest
from catalogued import CLINIC, catalogue
from commands import refused
from releases import release

rdflib = pytest.importorskip("rdflib")


def test_the_catalogue_is_dcat_in_turtle_and_the_same_in_json_ld(catalogue_site):
    turtle = rdflib.Graph().parse(catalogue_site / "catalogue.ttl")
    json_ld = rdflib.Graph().parse(catalogue_site / "catalogue.jsonld", format="json-ld")
    assert set(turtle) == set(json_ld)  # there is no blank node
    dcat, dct = rdflib.Namespace("http://www.w3.org/ns/dcat#"), rdflib.Namespace("http://purl.org/dc/terms/")
    (node,) = turtle.subjects(rdflib.RDF.type, dcat.Catalog)
    assert str(node) == "https://data.example.org/sets/"
    assert len(list(turtle.objects(node, dcat.dataset))) == 4
    for needed in (dct.title, dct.description, dct.publisher, dct.modified):
        assert len(list(turtle.objects(node, needed))) == 1
    (publisher,) = turtle.objects(node, dct.publisher)
    assert str(turtle.value(publisher, rdflib.FOAF.name)) == "Example Clinic"
    clinic = rdflib.URIRef("https://clinic.example/data/patients")
    assert (node, dcat.dataset, clinic) in turtle
    assert (clinic, dct.title, rdflib.Literal("Patients of a clinic", lang="en")) in turtle
    page = rdflib.URIRef(f"https://data.example.org/sets/{CLINIC}/index.html")
    assert (clinic, dcat.landingPage, page) in turtle


def test_the_feed_has_an_entry_for_every_version(catalogue_site):
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ET.parse(catalogue_site / "feed.xml").getroot()
    assert feed.tag == f"{atom}feed"
    entries = feed.findall(f"{atom}entry")
    assert len(entries) == 6
    assert len({entry.findtext(f"{atom}id") for entry in entries}) == 6
    updated = [entry.findtext(f"{atom}updated") or "" for entry in entries]
    assert updated == sorted(updated, reverse=True)
    titles = [entry.findtext(f"{atom}title") or "" for entry in entries]
    assert titles[0] == "Patients of a clinic, version 2.0.0"
    assert any(title.endswith("version 0.1.0 (retracted)") for title in titles)
    assert any(title.endswith("(published against advice)") for title in titles)
    assert all(feed.find(f"{atom}{name}") is not None for name in ("id", "title", "updated", "author"))


def test_the_sitemap_names_pages_that_are_there(catalogue_site):
    found = ET.parse(catalogue_site / "sitemap.xml").getroot().iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    paths = [(node.text or "").removeprefix("https://data.example.org/sets/") for node in found]
    assert len(paths) == 6 and all((catalogue_site / path).is_file() for path in paths)
    assert "Sitemap: https://data.example.org/sets/sitemap.xml" in (catalogue_site / "robots.txt").read_text()


def test_without_an_address_there_is_no_sitemap(tmp_path):
    site = catalogue(tmp_path / "site", release(tmp_path / "release"))
    assert not (site / "sitemap.xml").exists() and "Sitemap" not in (site / "robots.txt").read_text()
    assert 'href="index.html"' in (site / "feed.xml").read_text()


def test_an_address_that_is_none_is_refused(tmp_path):
    folder = release(tmp_path / "release")
    assert "say https://" in refused(
        2, "catalogue", str(folder), "-o", str(tmp_path / "site"), "--url", "data.example.org"
    )
