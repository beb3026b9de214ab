"""The explorer of a catalogue: which data it holds, and the package that it is made of."""

import base64
import contextlib
import gzip
import http.server
import io
import json
import re
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalogued import CLINIC, Page, catalogue
from commands import done, refused
from releases import PATIENTS, hospital, release

from omopsql import OmopsqlError
from omopsql.publish.catalogue import engine
from omopsql.publish.catalogue.explored import write_database
from omopsql.publish.catalogue.pieces import write_pieces

pytest.importorskip("rdflib")


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
