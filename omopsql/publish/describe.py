"""The data of a release, copied and described: a file is read once to copy, mark and hash it, and SQL counts the rest.

Rows, types and NULLs come from the footers of the Parquet files. Persons, ages, days and concepts are counted by the
queries of ``sql/publish/facts``, which read no column but those they name.
"""

from __future__ import annotations

import csv
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.harmonize import cdm
from omopsql.harmonize.current_vocabulary import folder_in_use
from omopsql.harmonize.vocabulary import open_vocabulary
from omopsql.quoting import identifier, literal
from omopsql.relation import describe as columns_of
from omopsql.sql_files import sql_folder

from .facts import Code, CodingSystem, Column, Facts, File, Generation, Table
from .marking import Copied, copy_marked
from .synthetic import Held, Synthetic, hashes, tables_in
from .wording import column_words, table_words

DATA = "data"
PARQUET = "application/vnd.apache.parquet"
PERSONS_AT_A_TIME = 100_000
_MOST_RUNS = 1000  # where keys have gaps


Persons = tuple[int, int]  # the keys of the first and the last of a run


@dataclass(frozen=True)
class Release:
    """The data below ``folder``/data: each table, and the size and SHA-256 of each file by its path in the release."""

    folder: Path
    tables: tuple[Held, ...]
    files: Mapping[str, File]

    @classmethod
    def written(cls, folder: Path) -> Release:
        """Read what stands in a release, and hash it."""
        tables = tuple(tables_in(folder / DATA))
        paths = [file for held in tables for file in held.files]
        digests = zip(paths, hashes(paths), strict=True)
        files = [_file(folder, path, path.stat().st_size, digest) for path, digest in digests]
        return cls(folder, tables, {file.path: file for file in files})


def copy(synthetic: Synthetic, folder: Path, marks: Mapping[str, str]) -> tuple[Release, dict[Path, Copied]]:
    """Copy the tables to ``folder``/data, marked. Returns them there, and what was copied by the file it came from."""
    targets = {file: folder / DATA / target for held in synthetic.tables for file, target in _targets(held)}
    for target in targets.values():
        target.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        copied = list(pool.map(lambda file: copy_marked(file, targets[file], dict(marks)), targets))
    done = dict(zip(targets, copied, strict=True))
    files = [_file(folder, targets[file], one.bytes, one.sha256) for file, one in done.items()]
    tables = tuple(Held(held.table, tuple(targets[file] for file in held.files)) for held in synthetic.tables)
    return Release(folder, tables, {file.path: file for file in files}), done


def _targets(held: Held) -> Iterator[tuple[Path, str]]:
    """A table of one file is that file; one of several a folder of parts."""
    if len(held.files) == 1:
        yield held.files[0], f"{held.table}.parquet"
        return
    for number, file in enumerate(held.files, 1):
        yield file, f"{held.table}/part-{number:04d}.parquet"


def _file(folder: Path, path: Path, size: int, digest: str) -> File:
    return File(path.relative_to(folder).as_posix(), size, digest, PARQUET)


def describe(
    con: duckdb.DuckDBPyConnection, release: Release, generation: Generation, vocabulary: str | None = None
) -> Facts:
    """Count what the data of a release are.

    ``vocabulary`` is the folder of one, for the names of concepts; without it the one in use, or none. Raises
    OmopsqlError when a file cannot be read.
    """
    with con.cursor() as cursor:  # its views are its own
        version = _version(cursor, release)
        tables = tuple(_table(cursor, release, held, version) for held in release.tables)
        if version is None:
            return Facts(tables, None, None, None, None, None, None, (), (), generation)
        _create_views(cursor, release, version)
        ((persons, youngest, oldest, first_day, last_day),) = cursor.execute(_query("people")).fetchall()
        systems, codes = _coded(cursor, release, version, vocabulary)
    standard = f"OMOP-CDM {version}"
    return Facts(tables, persons, youngest, oldest, first_day, last_day, standard, systems, codes, generation)


@cache
def _query(name: str) -> str:
    return sql_folder("publish", "facts").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def _reader(files: Iterable[Path], function: str = "read_parquet") -> str:
    return f"{function}([{', '.join(literal(str(file)) for file in files)}])"


def _version(cursor: duckdb.DuckDBPyConnection, release: Release) -> str | None:
    """The version of the CDM that the data tell, else the newest; None for flat tables."""
    held = {one.table.lower(): one for one in release.tables}
    if "person" not in held:
        return None
    if "cdm_source" not in held:
        return cdm.VERSIONS[-1]
    told = cursor.execute(f"SELECT cdm_version FROM {_reader(held['cdm_source'].files)}").fetchall()
    return next((v for v in cdm.VERSIONS for (text,) in told if v in str(text)), cdm.VERSIONS[-1])


def _table(cursor: duckdb.DuckDBPyConnection, release: Release, held: Held, version: str | None) -> Table:
    reader = _reader(held.files)
    types = columns_of(cursor, str(held.files[0]), reader).columns
    ((rows,),) = cursor.execute(f"SELECT count(*) FROM {reader}").fetchall()
    nulls = _nulls(cursor, held, types, rows)
    name = held.table.lower()
    columns = tuple(Column(c, kind, column_words(version, name, c.lower()), nulls[c]) for c, kind in types.items())
    files = tuple(release.files[file.relative_to(release.folder).as_posix()] for file in held.files)
    return Table(held.table, table_words(name), rows, columns, files)


def _nulls(cursor: duckdb.DuckDBPyConnection, held: Held, types: Mapping[str, str], rows: int) -> dict[str, int]:
    """Sum up what the footers tell; where they do not, count."""
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW chunk AS FROM {_reader(held.files, 'parquet_metadata')}")
    told = dict(cursor.execute(_query("columns")).fetchall())
    found = {column: told.get(column) for column in types}
    if not rows:
        return dict.fromkeys(types, 0)
    for column in [column for column, n in found.items() if n is None]:
        counted = f"SELECT count(*) - count({identifier(column)}) FROM {_reader(held.files)}"
        ((found[column],),) = cursor.execute(counted).fetchall()
    return {column: int(n or 0) for column, n in found.items()}


def _create_views(
    cursor: duckdb.DuckDBPyConnection, release: Release, version: str, persons: Persons | None = None
) -> None:
    """Make a view of each table of the CDM with all its columns: what the release lacks is empty, or NULL.

    Tables that only another version has are there too, for the queries name them. ``persons`` are the first and last
    whose rows are seen; None for all.
    """
    held = {one.table.lower(): _reader(one.files) for one in release.tables}
    for name, fields in (cdm.tables(cdm.VERSIONS[-1]) | cdm.tables(version)).items():
        if name in cdm.VOCABULARY_TABLES:
            continue
        source = held.get(name)
        present = {} if source is None else columns_of(cursor, name, source).columns
        columns = ", ".join(_column_sql(field, {column.lower() for column in present}) for field in fields.values())
        rows = "WHERE false" if source is None else f"FROM {source}"
        if persons is not None and "person_id" in {column.lower() for column in present}:
            rows += f" WHERE person_id BETWEEN {persons[0]} AND {persons[1]}"
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS SELECT {columns} {rows}")


def _column_sql(field: cdm.Field, present: Container[str]) -> str:
    value = identifier(field.name) if field.name in present else "NULL"
    stored = "BIGINT" if field.is_concept else cdm.storage_type(field)  # some sites have concepts beyond 32 bits
    return f"CAST({value} AS {stored}) AS {identifier(field.name)}"


def _count_persons(cursor: duckdb.DuckDBPyConnection, release: Release, version: str) -> None:
    """Make the table ``had``: how many persons have each concept."""
    cursor.execute("CREATE OR REPLACE TEMP TABLE part_had (concept_id BIGINT, persons BIGINT)")
    for persons in _runs_of_persons(cursor):
        _create_views(cursor, release, version, persons)
        cursor.execute(f"INSERT INTO part_had {_query('concepts')}")
    _create_views(cursor, release, version)
    summed = "SELECT concept_id, CAST(sum(persons) AS BIGINT) AS persons FROM part_had GROUP BY concept_id"
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE had AS {summed}")


def _runs_of_persons(cursor: duckdb.DuckDBPyConnection) -> Iterator[Persons]:
    """Divide the persons by their keys, which a synthetic CDM counts up from 1."""
    ((first, last),) = cursor.execute("SELECT min(person_id), max(person_id) FROM person").fetchall()
    if first is not None:
        for start in range(first, last + 1, max(PERSONS_AT_A_TIME, (last - first) // _MOST_RUNS + 1)):
            yield start, start + max(PERSONS_AT_A_TIME, (last - first) // _MOST_RUNS + 1) - 1


def _coded(
    cursor: duckdb.DuckDBPyConnection, release: Release, version: str, vocabulary: str | None
) -> tuple[tuple[CodingSystem, ...], tuple[Code, ...]]:
    """The coding systems and the most frequent codes; none without a vocabulary."""
    folder = vocabulary or _in_use(cursor)
    if folder is None:
        return (), ()
    opened = open_vocabulary(cursor, folder)
    for name in ("concept", "vocabulary"):
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS FROM {opened.relation(name)}")
    _count_persons(cursor, release, version)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE used AS SELECT concept_id FROM had UNION {_query('other_concepts')}")
    addresses = _addresses()
    systems = cursor.execute(_query("coding_systems")).fetchall()
    codes = cursor.execute(_query("codes")).fetchall()
    return (
        tuple(CodingSystem(name, words, addresses.get(name), n) for name, words, n in systems),
        tuple(Code(*row) for row in codes),
    )


def _in_use(cursor: duckdb.DuckDBPyConnection) -> str | None:
    try:
        return folder_in_use(cursor)
    except OmopsqlError:
        return None


@cache
def _addresses() -> dict[str, str]:
    text = sql_folder("publish").joinpath("coding_systems.csv").read_text(encoding="utf-8")
    return {row["vocabulary_id"]: row["uri"] for row in csv.DictReader(text.splitlines())}
