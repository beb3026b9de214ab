"""What is to be released: a folder that ``omopsql synthesize`` wrote, or one or more flat tables as Parquet files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm import VOCABULARY_TABLES

from .facts import Generation
from .marking import generation_of_marks, read_marks, sha256_of

EVIDENCE = "_synthesis/manifest.json"  # what omopsql synthesize says of a CDM that it wrote
_SUFFIX = ".parquet"


@dataclass(frozen=True)
class Held:
    """A table, and the Parquet files that hold it."""

    table: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Synthetic:
    """Data to be released. ``told`` is what ``omopsql synthesize`` says of a CDM; empty for flat tables."""

    path: Path
    tables: tuple[Held, ...]
    told: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> Synthetic:
        """Find the tables. Raises OmopsqlError when there are none, or files that are no Parquet."""
        tables = tuple(tables_in(path))
        if not tables:
            raise OmopsqlError(f"{path} holds no Parquet file: give the folder or file that omopsql synthesize wrote")
        told = path / EVIDENCE
        return cls(path, tables, json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {})

    @property
    def files(self) -> list[Path]:
        """The files of all tables."""
        return [file for held in self.tables for file in held.files]

    @property
    def is_cdm(self) -> bool:
        """Whether it is a CDM: it has the table person."""
        return any(held.table.lower() == "person" for held in self.tables)

    @property
    def vocabulary(self) -> Path | None:
        """The folder itself where a vocabulary stands beside the data."""
        return self.path if any((self.path / name).exists() for name in ("concept", f"concept{_SUFFIX}")) else None

    def generations(self) -> set[Generation | None]:
        """How the files say that they were made; None is among them where one does not say it."""
        return {generation_of_marks(read_marks(file)) for file in self.files}

    def name_of(self, file: Path) -> str:
        """The path of a file inside the folder, with slashes."""
        return file.relative_to(self.path).as_posix() if self.path.is_dir() else file.name


def tables_in(path: Path) -> list[Held]:
    """Find the tables of a folder, ``<table>.parquet`` or ``<table>/*.parquet``, or the one of a file.

    The tables of a vocabulary are left out: they are not synthetic, and their licences are not ours to give.
    """
    if path.is_file():
        if path.suffix.lower() != _SUFFIX:
            raise OmopsqlError(f"{path} is no Parquet file: let omopsql synthesize write one, with -o NAME.parquet")
        return [Held(path.stem, (path,))]
    if not path.is_dir():
        raise OmopsqlError(f"there is no file or folder {path}")
    found = (_held(entry) for entry in sorted(path.iterdir()) if not entry.name.startswith((".", "_")))
    return [held for held in found if held is not None and held.table.lower() not in VOCABULARY_TABLES]


def _held(entry: Path) -> Held | None:
    files = tuple(sorted(entry.glob(f"*{_SUFFIX}"))) if entry.is_dir() else (entry,)
    if not files or not all(file.suffix.lower() == _SUFFIX for file in files):
        return None
    return Held(entry.name if entry.is_dir() else entry.stem, files)


def hashes(files: Iterable[Path]) -> list[str]:
    """Hash files, several at a time."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(sha256_of, files))


def judged(source: str) -> dict[str, Any]:
    """Say which bytes an evaluation judges: each file with its SHA-256, and how the files say that they were made.

    A table or view of a database has no files, so the list is empty, and no release can rest on the evaluation.
    """
    path = Path(source)
    files = [file for held in tables_in(path) for file in held.files] if path.is_dir() else _single(path)
    made = [read_marks(file) for file in files if file.suffix.lower() == _SUFFIX]
    synthetic = dict(zip(files, hashes(files), strict=True))
    root = path if path.is_dir() else path.parent
    return {
        "files": [
            {"path": file.relative_to(root).as_posix(), "bytes": file.stat().st_size, "sha256": digest}
            for file, digest in synthetic.items()
        ],
        "model_sha256": next((told["omopsql.model_sha256"] for told in made if "omopsql.model_sha256" in told), None),
    }


def _single(path: Path) -> list[Path]:
    return [path] if path.is_file() else []
