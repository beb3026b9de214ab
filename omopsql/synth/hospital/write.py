"""A synthetic hospital on disk: every table as Parquet, sorted by person, marked as synthetic, complete or not at all.

Persons are made in batches, each life once for all tables. A batch is one row group of every table; so many batches
that the largest table reaches the wanted rows are a part, one file of every table. A run that was broken off goes on
after its last whole part, for a person is the same in every run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm import VOCABULARY_TABLES
from omopsql.harmonize.current_vocabulary import folder_in_use
from omopsql.harmonize.folders import refuse_foreign
from omopsql.harmonize.vocabulary import open_vocabulary
from omopsql.harmonize.vocabulary_files import open_files, typed_sql
from omopsql.publish.marking import generation_of_model, marks, marks_sql, sha256_of
from omopsql.quoting import identifier, literal

from .given import read_wishes
from .lives import Int64s
from .served import ERAS, ERAS_OF_DRUGS, WITHOUT_PERSONS, Synthetic, era_sql, open_hospital

EVIDENCE = "_synthesis"  # shows that a folder is a synthetic CDM, and tells how it was made
MANIFEST = "manifest.json"
ROWS_A_FILE = 10_000_000
_ROWS_A_BATCH = 1_000_000
_PROBED = 200  # persons
_PARQUET = {"compression": "zstd", "compression_level": 1}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What was asked for. Equal requests write equal files."""

    model: str
    persons: int
    seed: int
    given: dict[str, Any] | None
    shares: dict[str, Any] | None
    rows_a_file: int
    vocabulary: str | None
    omopsql: str = omopsql.__version__


@dataclass(frozen=True)
class Written:
    """What was written: rows by table, and what is missing, in words."""

    rows: dict[str, int]
    notes: list[str]


def synthesize(
    con: duckdb.DuckDBPyConnection,
    model: str,
    output: Path,
    persons: int,
    seed: int = 0,
    given: dict[str, Any] | None = None,
    shares: dict[str, Any] | None = None,
    vocabulary: str | None = None,
    rows_a_file: int = ROWS_A_FILE,
    progress: Progress = lambda doing: None,
) -> Written:
    """Write all tables of a synthetic hospital to the folder ``output``, or to a DuckDB file if it ends in .duckdb.

    ``model`` is a table or a Parquet file; ``vocabulary`` a folder whose tables come beside the others. An older
    synthetic hospital there is replaced at the end. Raises OmopsqlError when the model is none or private, for wishes
    that it cannot fulfil, and when ``output`` holds something else.
    """
    output = output.resolve()
    is_database = output.suffix.lower() == ".duckdb"
    if not is_database:
        refuse_foreign(output, EVIDENCE, "synthetic hospital of omopsql")
    progress(f"Reading {model}")
    hospital, digest = open_hospital(con, model)
    synthetic = Synthetic(hospital, digest, persons, seed, read_wishes(hospital.items, given, shares))
    request = Request(digest, persons, seed, given, shares, rows_a_file, vocabulary)
    told = marks(generation_of_model(con, model, seed))
    writing = Writing(con, synthetic, request, output.with_name(f".{output.name}.part"), told)
    written = writing.run(progress)
    progress(f"Finishing {output}")
    if is_database:
        _load(con, writing.folder, output, written)
    else:
        _replace(writing.folder, output)
    return written


@dataclass(frozen=True)
class Part:
    """A run of persons whose rows are one file of every table."""

    number: int
    batches: tuple[Int64s, ...]


@dataclass(frozen=True)
class Writing:
    """One run: what is written, the folder where it grows, and what each file says of itself."""

    con: duckdb.DuckDBPyConnection
    synthetic: Synthetic
    request: Request
    folder: Path
    marks: dict[str, str]

    def run(self, progress: Progress) -> Written:
        """Write what is not there yet, and return what there is then."""
        self._begin()
        for part in self._parts():
            if not self._is_done(part):
                self._write_part(part, progress)
        for name in self._tables_without_persons:
            with _Growing(self.folder / f"{name}.parquet", self.marks) as file:
                file.write(self.synthetic.rows(name, np.zeros(0, np.int64)))
        self._write_vocabulary(progress)
        self._name_single_files()
        return self._finish()

    def _begin(self) -> None:
        """Open the folder of a run of the same request that was broken off, else a new one."""
        told = json.dumps(asdict(self.request), sort_keys=True)
        mark = self.folder / EVIDENCE / "request.json"
        if not mark.is_file() or mark.read_text(encoding="utf-8") != told:
            shutil.rmtree(self.folder, ignore_errors=True)
            mark.parent.mkdir(parents=True)
            mark.write_text(told, encoding="utf-8")

    @cached_property
    def _tables_of_persons(self) -> list[str]:
        return [name for name in self.synthetic.tables if name not in WITHOUT_PERSONS and name not in ERAS]

    @cached_property
    def _tables_without_persons(self) -> list[str]:
        return [name for name in self.synthetic.tables if name in WITHOUT_PERSONS]

    @cached_property
    def _eras(self) -> list[str]:
        """The derived tables that can be made: those of drugs need a vocabulary."""
        eras = [name for name in self.synthetic.tables if name in ERAS]
        return [name for name in eras if name not in ERAS_OF_DRUGS or self._vocabulary is not None]

    @cached_property
    def _vocabulary(self) -> str | None:
        if self.request.vocabulary is not None:
            return self.request.vocabulary
        try:
            return folder_in_use(self.con)
        except OmopsqlError:
            return None

    def _parts(self) -> Iterator[Part]:
        """Divide the persons by how many rows the first of them have."""
        persons = self.request.persons
        probed = self.synthetic.lives(np.arange(1, min(_PROBED, persons) + 1))
        made = [self.synthetic.rendered(name, probed) for name in self._tables_of_persons]
        rows = [len(table) / max(len(probed), 1) for table in made]
        a_batch = max(1, int(_ROWS_A_BATCH / max(sum(rows), 1.0)))
        a_part = max(1, int(self.request.rows_a_file / max(*rows, 1.0) / a_batch)) * a_batch
        for number, first in enumerate(range(1, max(persons, 1) + 1, a_part), 1):
            last = min(first + a_part - 1, persons)
            starts = range(first, max(last, first) + 1, a_batch)
            yield Part(number, tuple(np.arange(start, min(start + a_batch - 1, last) + 1) for start in starts))

    def _is_done(self, part: Part) -> bool:
        return self._mark(part).is_file()

    def _mark(self, part: Part) -> Path:
        return self.folder / EVIDENCE / f"part-{part.number:04d}.json"

    def _file(self, name: str, part: Part) -> Path:
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name / f"part-{part.number:04d}.parquet"

    def _write_part(self, part: Part, progress: Progress) -> None:
        rows = self._write_persons(part, progress)
        for name in self._eras:
            rows[name] = self._write_era(name, part)
        self._mark(part).write_text(json.dumps(rows), encoding="utf-8")

    def _write_persons(self, part: Part, progress: Progress) -> dict[str, int]:
        """Write the tables of persons, all at a time: the next lives are made while the last ones are written."""
        with ExitStack() as stack, ThreadPoolExecutor() as pool:
            files = {
                name: stack.enter_context(_Growing(self._file(name, part), self.marks))
                for name in self._tables_of_persons
            }
            pending: list[Any] = []
            for numbers in part.batches:
                progress(f"Making person {numbers[0] if len(numbers) else 0:,} of {self.request.persons:,}")
                lives = self.synthetic.lives(numbers)
                for future in pending:
                    future.result()
                pending = [
                    pool.submit(
                        lambda name, lives: files[name].write(self.synthetic.rendered(name, lives)), name, lives
                    )
                    for name in files
                ]
            for future in pending:
                future.result()
            return {name: file.rows for name, file in files.items()}

    def _write_era(self, name: str, part: Part) -> int:
        reads = {ERAS[name]: f"FROM read_parquet({literal(str(self._file(ERAS[name], part)))})"}
        if name in ERAS_OF_DRUGS:
            opened = open_vocabulary(self.con, str(self._vocabulary))
            reads |= {table: f"FROM {opened.relation(table)}" for table in ERAS_OF_DRUGS[name]}
        inputs = ", ".join(f"{identifier(table)} AS ({sql})" for table, sql in reads.items())
        query = f"WITH {inputs} FROM ({era_sql(name)})"
        return _copy(self.con, query, self._file(name, part), self.marks)

    def _write_vocabulary(self, progress: Progress) -> None:
        """Link the Parquet files of the vocabulary, where the disk can, and convert others."""
        if self.request.vocabulary is None:
            return
        for name, file in open_files(self.con, Path(self.request.vocabulary)).items():
            target = self.folder / f"{name}.parquet"
            if name in VOCABULARY_TABLES and not target.exists():
                progress(f"Taking over {name}")
                if file.is_text or not _linked(file.path, target):
                    _copy(self.con, typed_sql(file), target, {})

    def _name_single_files(self) -> None:
        """A table of one file is that file, and no folder."""
        for folder in [path for path in self.folder.iterdir() if path.is_dir() and path.name != EVIDENCE]:
            files = list(folder.iterdir())
            if len(files) == 1:
                files[0].rename(self.folder / f"{folder.name}.parquet")
                folder.rmdir()

    def _finish(self) -> Written:
        marks = sorted((self.folder / EVIDENCE).glob("part-*.json"))
        rows: dict[str, int] = {}
        for mark in marks:
            for name, n in json.loads(mark.read_text(encoding="utf-8")).items():
                rows[name] = rows.get(name, 0) + n
        for name in self._tables_without_persons:
            rows[name] = pq.read_metadata(self.folder / f"{name}.parquet").num_rows
        missing = [name for name in self.synthetic.tables if name not in rows]
        notes = [f"without a vocabulary there is no {name}" for name in missing]
        told = {**asdict(self.request), "rows": rows, "notes": notes, "files": self._hashes()}
        (self.folder / EVIDENCE / MANIFEST).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        return Written(rows, notes)

    def _hashes(self) -> dict[str, str]:
        """The SHA-256 of each file of synthetic data: a later change shows."""
        made = [path for path in sorted(self.folder.rglob("*.parquet")) if self._is_made(path)]
        with ThreadPoolExecutor() as pool:
            return {
                path.relative_to(self.folder).as_posix(): digest
                for path, digest in zip(made, pool.map(sha256_of, made), strict=True)
            }

    def _is_made(self, path: Path) -> bool:
        return path.relative_to(self.folder).parts[0].removesuffix(".parquet") in self.synthetic.tables


class _Growing:
    """A Parquet file that grows by row groups. Concepts and texts are kept as dictionaries, keys and times as steps."""

    def __init__(self, path: Path, marks: dict[str, str]) -> None:
        self._path = path
        self._marks = marks
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def __enter__(self) -> _Growing:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, rows: pa.Table) -> None:
        """Add a row group; the first decides the columns."""
        if self._writer is None:
            repeated = [f.name for f in rows.schema if pa.types.is_int32(f.type) or pa.types.is_string(f.type)]
            rising = {f.name: "DELTA_BINARY_PACKED" for f in rows.schema if _is_stepped(f.type)}
            self._writer = pq.ParquetWriter(
                self._path, rows.schema, use_dictionary=repeated, column_encoding=rising, **_PARQUET
            )
            self._writer.add_key_value_metadata(self._marks)
        self._writer.write_table(rows, row_group_size=max(len(rows), 1))
        self.rows += len(rows)


def _is_stepped(arrow_type: pa.DataType) -> bool:
    return pa.types.is_int64(arrow_type) or pa.types.is_date32(arrow_type) or pa.types.is_timestamp(arrow_type)


def _copy(con: duckdb.DuckDBPyConnection, query: str, path: Path, marks: dict[str, str]) -> int:
    told = f", {marks_sql(marks)}" if marks else ""
    written = con.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd{told})").fetchall()
    return int(written[0][0])


def _linked(path: Path, target: Path) -> bool:
    """Make a hard link; False where the file is on another disk."""
    try:
        os.link(path, target)
    except OSError:
        return False
    return True


def _replace(folder: Path, output: Path) -> None:
    """Give a folder the place of an older one."""
    old = output.with_name(f".{output.name}.{os.getpid()}.old")
    if output.exists():
        output.rename(old)
    folder.rename(output)
    shutil.rmtree(old, ignore_errors=True)


def _load(con: duckdb.DuckDBPyConnection, folder: Path, database: Path, written: Written) -> None:
    """Make one DuckDB file of the tables in a folder, and remove the folder."""
    part = database.with_name(f".{database.name}.{os.getpid()}.part")
    try:
        con.execute(f"ATTACH {literal(str(part))} AS omopsql_synthetic")
        for path in sorted(folder.iterdir()):
            if path.name != EVIDENCE:
                files = path / "*.parquet" if path.is_dir() else path
                name = identifier("omopsql_synthetic", path.name.removesuffix(".parquet"))
                con.execute(f"CREATE TABLE {name} AS FROM read_parquet({literal(str(files))})")
        con.execute("DETACH omopsql_synthetic")
        part.replace(database)
    finally:
        part.unlink(missing_ok=True)
    shutil.rmtree(folder)
