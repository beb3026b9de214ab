"""The catalogue of releases: what is on its pages and what is not, what harvesters read, what explorers are made of."""

import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import re
import shutil
import tarfile
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import done, refused
from releases import PATIENTS, hospital, release

from omopsql import OmopsqlError
from omopsql.pages import part
from omopsql.publish.catalogue import engine
from omopsql.publish.catalogue.explored import write_database
from omopsql.publish.catalogue.pieces import write_pieces

rdflib = pytest.importorskip("rdflib")

CLINIC = "clinic.example-data-patients"
EVIL = "<script>alert('1')</script>&\"'"


class Page(HTMLParser):
    """A page's tags with their attributes, and its text; every tag must be closed in its turn."""

    VOID = frozenset({"meta", "link", "br", "input"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data

    def links(self) -> set[str]:
        return {attrs["href"] or "" for tag, attrs in self.tags if tag == "a"}


def catalogue(output: Path, *releases: Path, options: tuple[str, ...] = ("--explorer", "none")) -> Path:
    """Run the command and return the site."""
    done("catalogue", *map(str, releases), "-o", str(output), *options)
    return output


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of four data sets: two versions, a closed and forced one, a retracted one, and one with evil words."""
    folder = tmp_path_factory.mktemp("catalogue")
    earlier = {
        "version": "0.1.0",
        "date": "2025-01-01T00:00:00Z",
        "manifest": "ab" * 32,
        "retracted": "a date too many",
    }
    return catalogue(
        folder / "site",
        release(folder / "new", version="2.0.0", published="2026-06-01T08:00:00+00:00", earlier=[earlier]),
        release(folder / "old", version="1.0.0", published="2026-05-04T10:00:00Z"),
        release(
            folder / "closed",
            "Closed study",
            identifier="https://hospital.example/closed",
            access="NON_PUBLIC",
            forced="needed for teaching",
            reasons=["too few persons", "membership attack succeeds"],
            published="2025-03-01T00:00:00Z",
        ),
        release(
            folder / "gone",
            "Gone",
            identifier="gone",
            retracted="traced back",
            published="2024-03-01T00:00:00Z",
        ),
        release(
            folder / "evil",
            EVIL,
            identifier="evil",
            description=EVIL,
            keywords=[EVIL],
            published="2023-01-01T00:00:00Z",
        ),
        options=("--explorer", "none", "--title", "Example & Co", "--url", "https://data.example.org/sets"),
    )


# The pages


def test_every_data_set_is_listed_once_the_latest_first(site):
    page = Page(site / "index.html")
    hrefs = [attrs["href"] for tag, attrs in page.tags if tag == "a" and str(attrs.get("href")).endswith("/index.html")]
    assert hrefs == [f"{name}/index.html" for name in (CLINIC, "hospital.example-closed", "gone", "evil")]


def test_every_link_of_every_page_leads_somewhere(site):
    pages = list(site.rglob("index.html"))
    assert len(pages) == 11  # the list, five releases, five evaluations
    for path in pages:
        for link in Page(path).links():
            if not link.startswith(("https:", "http:", "mailto:", "#")):
                assert (path.parent / link).is_file(), f"{path}: {link}"


def test_a_page_loads_nothing_and_lets_only_its_own_script_run(site):
    for path in (site / "index.html", site / CLINIC / "index.html"):
        page = Page(path)
        policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
        assert policy is not None and policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "'self'" not in policy and "unsafe" not in policy
        assert not [attrs for _, attrs in page.tags if "src" in attrs]


def test_what_a_record_says_cannot_become_html(site):
    for path in (site / "index.html", site / "evil" / "index.html"):
        page = Page(path)
        assert not [
            tag for tag, attrs in page.tags if tag == "script" and attrs.get("type") not in (None, "application/json")
        ]
        assert "<script>alert" not in path.read_text(encoding="utf-8")
        assert EVIL in page.text


def test_a_release_tells_access_licence_making_and_checksums(site):
    text = Page(site / CLINIC / "index.html").text
    for told in (
        "everybody: access is public",
        "https://creativecommons.org/licenses/by/4.0/",
        "Data office, data@clinic.example",
        "Health Data Access Body, hdab@example.org",
        "2015-01-01 to 2024-12-31",
        "20 to 79 years",
        "learned from 1,234 persons or rows",
        "epsilon 2.0, delta 1e-06",
        "Evaluation: nothing speaks against use",
        "European Health Data Space",
        "The age of a row.",
        "dictionary/columns.csv",
        hashlib.sha256((site / CLINIC / "data" / "patients.parquet").read_bytes()).hexdigest(),
    ):
        assert told in text


def test_versions_are_told_with_their_standing(site):
    page = Page(site / CLINIC / "index.html")
    assert "version-1.0.0/index.html" not in page.links()
    assert f"../{CLINIC}/version-1.0.0/index.html" in page.links()
    assert "retracted: a date too many" in page.text and "ab" * 32 in page.text
    seal = hashlib.sha256((site / CLINIC / "manifest.json").read_bytes()).hexdigest()
    assert seal in page.text
    older = Page(site / CLINIC / "version-1.0.0" / "index.html")
    assert "There is a newer version: 2.0.0" in older.text


def test_a_forced_release_says_so_plainly(site):
    for path in (site / "index.html", site / "hospital.example-closed" / "index.html"):
        assert "published against advice" in Page(path).text.lower()
    text = Page(site / "hospital.example-closed" / "index.html").text
    assert "needed for teaching" in text and "membership attack succeeds" in text


def test_a_retracted_release_is_a_tombstone(site):
    text = Page(site / "gone" / "index.html").text
    assert "This data set was retracted." in text and "traced back" in text
    assert "nobody: the data set was retracted" in text
    assert "retracted" in Page(site / "index.html").text


def test_a_version_that_a_later_history_retracts_is_not_laid_open(tmp_path):
    retracted = {"version": "1.0.0", "date": "2026-05-04T10:00:00Z", "manifest": None, "retracted": "traced back"}
    old = release(tmp_path / "old")
    new = release(tmp_path / "new", version="2.0.0", published="2026-06-01T00:00:00Z", earlier=[retracted])
    site = catalogue(tmp_path / "site", old, new)
    assert (site / CLINIC / "data").is_dir()
    assert not (site / CLINIC / "version-1.0.0" / "data").exists()
    assert "traced back" in Page(site / CLINIC / "version-1.0.0" / "index.html").text


def test_data_that_are_not_public_stay_outside(site, tmp_path):
    assert (site / CLINIC / "data" / "patients.parquet").is_file()
    assert not list((site / "hospital.example-closed").rglob("*.parquet"))
    closed = release(tmp_path / "closed", access="RESTRICTED")
    opened = catalogue(tmp_path / "site", closed, options=("--explorer", "none", "--open-all"))
    assert (opened / CLINIC / "data" / "patients.parquet").is_file()
    assert "who may see this site may have it" in Page(opened / CLINIC / "index.html").text


def test_two_runs_write_the_same_bytes(tmp_path):
    folder = release(tmp_path / "release")
    sites = [catalogue(tmp_path / name, folder) for name in ("one", "two")]
    files = [sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file()) for site in sites]
    assert files[0] == files[1]
    assert all((sites[0] / path).read_bytes() == (sites[1] / path).read_bytes() for path in files[0])


# What must not be written


def test_a_folder_that_is_no_release_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    told = refused(1, "catalogue", str(tmp_path / "empty"), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "is no release: it has no manifest.json" in told
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("record", "told"), [("no Turtle <", "cannot be read as Turtle"), ("", "does not describe one")]
)
def test_a_record_that_cannot_be_read_is_named(tmp_path, record, told):
    folder = release(tmp_path / "release")
    (folder / "records" / "healthdcat.ttl").write_text(record)
    said = refused(1, "catalogue", str(folder), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "healthdcat.ttl" in said and told in said


def test_a_changed_report_is_refused(tmp_path):
    folder = release(tmp_path / "release")
    (folder / "evidence" / "model-card.md").write_text("all is well")
    told = refused(1, "catalogue", str(folder), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "model-card.md is not what its manifest says; run omopsql verify" in told
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


@pytest.mark.parametrize("path", ["evidence/../../secret", "evidence/link"])
def test_a_manifest_cannot_lead_outside_of_the_release(tmp_path, path):
    (tmp_path / "secret").write_text("secret")
    folder = release(tmp_path / "release")
    (folder / "evidence" / "link").symlink_to(tmp_path / "secret")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"].append({"path": path, "bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    told = refused(1, "catalogue", str(folder), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "lies outside of the release" in told


def test_a_version_twice_is_refused(tmp_path):
    one, two = release(tmp_path / "one"), release(tmp_path / "two")
    told = refused(1, "catalogue", str(one), str(two), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "are both version 1.0.0 of https://clinic.example/data/patients" in told


def test_a_foreign_folder_is_not_replaced_and_an_older_site_is(tmp_path):
    folder, output = release(tmp_path / "release"), tmp_path / "site"
    output.mkdir()
    (output / "thesis.doc").write_text("years of work")
    told = refused(1, "catalogue", str(folder), "-o", str(output), "--explorer", "none")
    assert "holds something that is no site of omopsql catalogue" in told
    (output / "thesis.doc").unlink()
    catalogue(output, folder)
    (output / "left.html").write_text("of last year")
    catalogue(output, folder)
    assert not (output / "left.html").exists()


def test_a_release_is_not_overwritten_by_its_site(tmp_path):
    folder = release(tmp_path / "release")
    assert "holds the release" in refused(1, "catalogue", str(folder), "-o", str(folder), "--explorer", "none")
    assert "write the site to another folder" in refused(
        1, "catalogue", str(folder), "-o", str(tmp_path), "--explorer", "none"
    )


# Harvesters


def test_the_catalogue_is_dcat_in_turtle_and_the_same_in_json_ld(site):
    turtle = rdflib.Graph().parse(site / "catalogue.ttl")
    json_ld = rdflib.Graph().parse(site / "catalogue.jsonld", format="json-ld")
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


def test_the_feed_has_an_entry_for_every_version(site):
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ET.parse(site / "feed.xml").getroot()
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


def test_the_sitemap_names_pages_that_are_there(site):
    found = ET.parse(site / "sitemap.xml").getroot().iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    paths = [(node.text or "").removeprefix("https://data.example.org/sets/") for node in found]
    assert len(paths) == 6 and all((site / path).is_file() for path in paths)
    assert "Sitemap: https://data.example.org/sets/sitemap.xml" in (site / "robots.txt").read_text()


def test_without_an_address_there_is_no_sitemap(tmp_path):
    site = catalogue(tmp_path / "site", release(tmp_path / "release"))
    assert not (site / "sitemap.xml").exists() and "Sitemap" not in (site / "robots.txt").read_text()
    assert 'href="index.html"' in (site / "feed.xml").read_text()


def test_an_address_that_is_none_is_refused(tmp_path):
    folder = release(tmp_path / "release")
    assert "say https://" in refused(
        2, "catalogue", str(folder), "-o", str(tmp_path / "site"), "--url", "data.example.org"
    )


# Colours


def _colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", css))


def _schemes() -> Iterator[dict[str, str]]:
    """The colours of the pages in the light and in the dark."""
    sheets = [part("pages", "base.css"), part("publish", "catalogue", "page", "site.css")]
    dark = [re.search(r"prefers-color-scheme: dark\) \{(.*?)\n\}", sheet, re.S) for sheet in sheets]
    light = {name: colour for sheet in sheets for name, colour in _colours(sheet.split("@media")[0]).items()}
    yield light
    yield light | {name: colour for found in dark if found for name, colour in _colours(found[1]).items()}


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", list(_schemes()), ids=["light", "dark"])
def test_words_can_be_read_on_every_ground(scheme):
    for ground in ("ground", "sheet", "chip"):
        for ink in ("ink", "soft", "accent"):
            assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
    for ink in ("failed", "error"):
        assert contrast(scheme[ink], scheme[f"{ink}-ground"]) >= 4.5, ink
        assert contrast(scheme["ink"], scheme[f"{ink}-ground"]) >= 4.5
    for ground in ("ground", "sheet"):
        assert contrast(scheme["edge"], scheme[ground]) >= 3, ground  # of a field, which is no text


# The data of the explorer


def _parquet(folder: Path, **tables: pa.Table) -> dict[str, list[Path]]:
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return {name: [folder / f"{name}.parquet"] for name in tables}


def test_the_explorer_holds_the_tables_that_have_rows(con, tmp_path):
    tables = _parquet(tmp_path / "data", patients=PATIENTS, empty=PATIENTS.slice(0, 0))
    explored = write_database(con, tables, {}, tmp_path / "data.duckdb")
    assert [(table.name, table.rows, table.every) for table in explored.tables] == [("patients", 300, 1)]
    with contextlib.closing(duckdb.connect(tmp_path / "data.duckdb", read_only=True)) as explorer:
        assert explorer.sql("FROM patients").to_arrow_table().equals(PATIENTS)


def test_an_old_duckdb_can_read_the_file(con, tmp_path):
    write_database(con, _parquet(tmp_path / "data", patients=PATIENTS), {}, tmp_path / "data.duckdb")
    header = (tmp_path / "data.duckdb").read_bytes()[:20]
    assert header[8:12] == b"DUCK" and int.from_bytes(header[12:20], "little") == 64  # storage of DuckDB 1.0


def test_of_large_tables_the_same_persons_are_kept(con, tmp_path):
    persons = pa.table({"person_id": pa.array(range(5000), pa.int64())})
    visits = pa.table({"person_id": pa.array([i // 4 for i in range(20_000)], pa.int64())})
    codes = pa.table({"code": [str(i) for i in range(9000)]})
    tables = _parquet(tmp_path / "data", person=persons, visit=visits, codes=codes)
    explored = write_database(con, tables, {}, tmp_path / "data.duckdb", most_rows=4000)
    assert {table.name: table.every for table in explored.tables} == {"person": 5, "visit": 5, "codes": 3}
    with contextlib.closing(duckdb.connect(tmp_path / "data.duckdb", read_only=True)) as explorer:
        assert explorer.execute("SELECT count(*) FROM visit").fetchall() == [
            (4 * explorer.execute("SELECT count(*) FROM person").fetchall()[0][0],)
        ]
        assert (
            800
            < explorer.execute("SELECT count(*) FROM person JOIN visit USING (person_id)").fetchall()[0][0] / 4
            < 1200
        )
        assert explorer.execute("SELECT count(*) FROM codes").fetchall() == [(3000,)]


def test_only_examples_that_answer_something_are_offered(con, tmp_path):
    explored = write_database(con, _parquet(tmp_path / "cdm", **hospital()), {}, tmp_path / "cdm.duckdb")
    titles = [example.title for example in explored.examples]
    assert titles[0] == "Persons by sex and decade of birth" and len(titles) >= 8
    assert "Conditions that most persons have, by name" not in titles  # a CDM without a table of concepts
    odd = pa.table({'a "b"': ["x", "y"] * 50, "value": [float(i) for i in range(100)]})
    explored = write_database(con, _parquet(tmp_path / "data", **{"odd name": odd}), {}, tmp_path / "odd.duckdb")
    assert [example.title for example in explored.examples] == [
        "Every column of odd name at a glance",
        "Rows of odd name",
        'odd name by a "b"',
    ]
    assert 'avg("value") AS "mean_value"' in explored.examples[-1].sql


def test_pieces_give_the_file_back(tmp_path):
    content = (
        duckdb.execute("SELECT string_agg(md5(i::VARCHAR), '') FROM range(400000) AS r (i)").fetchall()[0][0].encode()
    )
    (tmp_path / "file").write_bytes(content)
    names = write_pieces(tmp_path / "file", tmp_path, "file")
    assert len(names) > 1
    given = "".join(
        re.findall(r'^give\("file",\d+,"(.*)"\);$', (tmp_path / name).read_text(), re.M)[0] for name in names
    )
    assert gzip.decompress(base64.b64decode(given)) == content


# Where the explorer comes from


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A package of small files that stands for DuckDB-WASM, with its checksums in their places."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in engine.FILES:
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    monkeypatch.setattr(engine, "FILES", {name: engine._sha512(name.encode()) for name in engine.FILES})
    monkeypatch.setattr(engine, "_PACKAGE_SHA512", engine._sha512(stream.getvalue()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return stream.getvalue()


@contextlib.contextmanager
def registry(content: bytes) -> Iterator[tuple[str, list[str]]]:
    """A registry that answers everything with ``content``, and what it was asked for."""
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *told):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_the_package_is_fetched_once_from_the_registry_that_npm_is_told(package, monkeypatch):
    with registry(package) as (address, asked):
        monkeypatch.setenv("npm_config_registry", f"{address}/npm/")
        first = engine.engine_files()
    assert asked == ["/npm/@duckdb/duckdb-wasm/-/duckdb-wasm-1.32.0.tgz"]
    assert first == {name: name.encode() for name in engine.FILES}
    assert engine.engine_files() == first  # the registry is gone


def test_another_package_is_not_used(package, monkeypatch):
    with registry(package + b"!") as (address, _):
        monkeypatch.setenv("npm_config_registry", address)
        with pytest.raises(OmopsqlError, match="its SHA-512 differs; nothing of it is used"):
            engine.engine_files()
    assert engine.kept() is None


def test_a_package_may_be_given_packed_or_unpacked(package, tmp_path):
    (tmp_path / "wasm.tgz").write_bytes(package)
    shutil.unpack_archive(tmp_path / "wasm.tgz", tmp_path / "unpacked", "gztar")
    for given in ("wasm.tgz", "unpacked", "unpacked/package", "unpacked/package/dist"):
        assert set(engine.engine_files(tmp_path / given)) == set(engine.FILES)
    (tmp_path / "unpacked" / "package" / "dist" / "duckdb-eh.wasm").write_bytes(b"changed")
    with pytest.raises(OmopsqlError, match=r"duckdb-eh\.wasm of .* is not that of @duckdb/duckdb-wasm@1\.32\.0"):
        engine.engine_files(tmp_path / "unpacked")
    with pytest.raises(OmopsqlError, match=r"holds no duckdb-browser-eh\.worker\.js"):
        engine.engine_files(tmp_path)
    with pytest.raises(OmopsqlError, match=r"there is no .*nowhere"):
        engine.engine_files(tmp_path / "nowhere")
    (tmp_path / "wasm.tgz").write_bytes(b"no archive")
    with pytest.raises(OmopsqlError, match="can be read from the package"):
        engine.engine_files(tmp_path / "wasm.tgz")


def test_without_a_network_the_site_is_made_without_explorer_or_not_at_all(package, tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")  # nobody listens
    folder = release(tmp_path / "release")
    made = done("catalogue", str(folder), "-o", str(tmp_path / "site"))
    assert "No SQL in the browser" in made.stderr and "give the file as --explorer" in made.stderr
    assert "without SQL in the browser" in made.stderr
    assert not (tmp_path / "site" / CLINIC / "explore.html").exists()
    assert "cannot be fetched" in refused(
        1, "catalogue", str(folder), "-o", str(tmp_path / "other"), "--explorer", "required"
    )
    assert not (tmp_path / "other").exists()


def test_the_explorer_is_made_of_scripts_with_the_licence_beside_them(package, tmp_path):
    (tmp_path / "wasm.tgz").write_bytes(package)
    folder = release(tmp_path / "release")
    closed = release(tmp_path / "closed", identifier="closed", access="NON_PUBLIC")
    site = catalogue(tmp_path / "site", folder, closed, options=("--explorer", str(tmp_path / "wasm.tgz")))
    assert sorted(path.name for path in (site / "engine").iterdir()) == [
        "LICENSE.txt",
        "engine.000.js",
        "worker.000.js",
    ]
    page = Page(site / CLINIC / "explore.html")
    policy = next(attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv")) or ""
    assert policy.startswith("default-src 'none';") and "connect-src" not in policy
    assert "explore.html" in Page(site / CLINIC / "index.html").links()
    assert not (site / "closed" / "explore.html").exists()
    data = json.loads(re.findall(r'id="data">(.*?)</script>', (site / CLINIC / "explore.html").read_text())[0])
    for file in data["files"].values():
        assert all((site / CLINIC / piece).is_file() for piece in file["pieces"])
    assert data["tables"][0]["columns"][2] == {"name": "age", "type": "INTEGER", "description": "The age of a row."}
