"""The site: each release gets its page and its explorer, and all of them the list and the files to harvest."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.harmonize.folders import completed_folder
from omopsql.pages import GENERATOR, embedded, page, part

from . import harvest
from .engine import FILES, VERSION
from .explored import MOST_ROWS, Explored, write_database
from .pages import EXPLORER_PAGE, PAGES, index_page, release_page
from .pieces import write_pieces
from .released import DataSet, Release, data_sets, read_release

MARK = "catalogue.jsonld"  # shows that a folder is a site of ours
TITLE = "Synthetic data sets"
_ENGINE, _DATA = "engine", "explorer"  # folders of scripts
_LICENCE = "LICENSE.txt"
_LOADS = "'self' 'wasm-unsafe-eval'; worker-src blob:"

Tell = Callable[[str], None]
Pieces = dict[str, list[str]]


@dataclass(frozen=True)
class Asked:
    """What a site shall be: of which folders, its title, its address with a slash at the end, how open it is."""

    folders: tuple[Path, ...]
    title: str = TITLE
    publisher: str | None = None
    url: str | None = None
    open_all: bool = False
    most_rows: int = MOST_ROWS


@dataclass(frozen=True)
class Built:
    """What a site has: its data sets, and how many releases can be explored."""

    data_sets: int
    explorers: int


def build(con: duckdb.DuckDBPyConnection, asked: Asked, output: Path, engine: Mapping[str, bytes], tell: Tell) -> Built:
    """Write the site of releases to the folder ``output``, complete or not at all; an older site there is replaced.

    ``engine`` are the files of DuckDB-WASM by name; without them there is no explorer. Raises OmopsqlError when a
    folder is no release, when a file is not what its manifest says, or when ``output`` holds something else.
    """
    if not asked.folders:
        raise OmopsqlError("a catalogue needs at least one release; omopsql publish makes one")
    for folder in asked.folders:
        if output.resolve() in (folder.resolve(), *folder.resolve().parents):
            raise OmopsqlError(f"{output} holds the release {folder}; write the site to another folder")
    tell("Reading the releases")
    found = data_sets(map(read_release, asked.folders))
    with completed_folder(output, MARK, "site of omopsql catalogue") as site:
        engine_pieces = _write_engine(site, engine) if engine else None
        explorers = 0
        for data_set in found:
            for release in data_set.releases:
                tell(f"Writing {release.record.title}, version {release.version}")
                explorers += _write_release(con, _Place(site, data_set, release), asked, engine_pieces)
        _write_text(site / "index.html", index_page(asked.title, found))
        publisher = asked.publisher or _one_publisher(found)
        harvest.write_dcat(site, asked.title, publisher, asked.url, found)
        harvest.write_feed(site, asked.title, publisher, asked.url, found)
        harvest.write_addresses(site, asked.url, found)
    return Built(len(found), explorers)


def _write_engine(site: Path, engine: Mapping[str, bytes]) -> Pieces:
    folder = site / _ENGINE
    folder.mkdir()
    written = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, file in zip(("worker", "engine"), FILES, strict=True):
            source = Path(scratch) / file
            source.write_bytes(engine[file])
            written[name] = write_pieces(source, folder, name)
    _write_text(folder / _LICENCE, part(*PAGES, "duckdb-wasm-license.txt"))
    return written


@dataclass(frozen=True)
class _Place:
    """A release and where it stands in the site."""

    site: Path
    data_set: DataSet
    release: Release

    @property
    def folder(self) -> Path:
        return self.site / self.data_set.folder_of(self.release)

    @property
    def root(self) -> str:
        """The way from the folder up to the site."""
        return "../" * (self.data_set.folder_of(self.release).count("/") + 1)


def _write_release(con: duckdb.DuckDBPyConnection, place: _Place, asked: Asked, engine: Pieces | None) -> bool:
    """Write the folder of a release; return whether it can be explored."""
    release = place.release
    place.folder.mkdir(parents=True, exist_ok=True)
    is_open = (release.is_public or asked.open_all) and release.retracted is None
    paths = {path for _, path in release.records()} | set(release.seals())
    paths |= (
        {report.path for report in release.reports()}
        | set(release.dictionary())
        | set(release.earlier_records().values())
    )
    if is_open:
        paths |= {file.path for files in release.tables().values() for file in files}
    release.copy(sorted(paths), place.folder)
    has_explorer = is_open and engine is not None and _write_explorer(con, place, asked, engine)
    page_of_it = release_page(asked.title, place.data_set, release, paths, has_explorer)
    _write_text(place.folder / "index.html", page_of_it)
    return has_explorer


def _write_explorer(con: duckdb.DuckDBPyConnection, place: _Place, asked: Asked, engine: Pieces) -> bool:
    """Write the explorer of a release; return whether there is anything to explore."""
    release = place.release
    tables = {name: [release.folder / file.path for file in files] for name, files in release.tables().items()}
    with tempfile.TemporaryDirectory() as scratch:
        database = Path(scratch) / "data.duckdb"
        explored = write_database(con, tables, release.record.variables, database, asked.most_rows)
        if not explored.tables:
            return False
        (place.folder / _DATA).mkdir()
        data = write_pieces(database, place.folder / _DATA, "data")
    pieces = {name: [f"{place.root}{_ENGINE}/{piece}" for piece in written] for name, written in engine.items()}
    pieces["data"] = [f"{_DATA}/{piece}" for piece in data]
    files = {name: {"name": name, "pieces": written} for name, written in pieces.items()}
    _write_text(place.folder / EXPLORER_PAGE, _explorer_page(asked.title, release, place.root, explored, files))
    return True


def _explorer_page(title: str, release: Release, root: str, explored: Explored, files: Mapping[str, object]) -> str:
    body = Template(part(*PAGES, "explorer.html")).substitute(
        home=f"{root}index.html",
        catalogue=html.escape(title),
        title=html.escape(release.record.title),
        notice=_left_out(explored),
        engine=html.escape(f"(DuckDB-WASM {VERSION})"),
        generator=html.escape(GENERATOR),
        data=embedded({**explored.as_json(), "files": files}),
    )
    style = part(*PAGES, "site.css") + part(*PAGES, "explorer.css")
    return page(f"SQL: {release.record.title}", body, style, part(*PAGES, "explorer.js"), loads=_LOADS)


def _one_publisher(found: Sequence[DataSet]) -> str:
    """Return the publisher of all data sets where it is the same, else an empty text."""
    named = {", ".join(data_set.newest.record.publisher) for data_set in found}
    return named.pop() if len(named) == 1 else ""


def _left_out(explored: Explored) -> str:
    most = max(table.every for table in explored.tables)
    if most == 1:
        return ""
    return (
        f'<p class="notice" role="note">The tables are large: here is about one person, or row, in {most:,}. '
        "Counts are smaller than those of the data set; the files to download hold all.</p>"
    )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
