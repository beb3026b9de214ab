"""Stories: SQL files that run as they stand over the tables which they say they read, and rows of data beside them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from functools import cache

from omopsql.sql_files import sql_folder

_READS = re.compile(r"^-- @reads (?P<table>\w+)(?P<optional>\??) \((?P<columns>[^)]*)\)", re.M)


@dataclass(frozen=True)
class Reads:
    """A table that a story reads, and its columns.

    An optional table may be absent: it has no rows then. An optional column may be absent: it is NULL then. Without any
    other column or table the story has no answer.
    """

    table: str
    is_optional: bool
    required: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """One SQL file and what it reads."""

    name: str
    sql: str
    reads: tuple[Reads, ...]


@cache
def read_story(folder: str, name: str) -> Story:
    """Return the file ``sql/quality/<folder>/<name>.sql``."""
    return parse_story(name, _text(folder, f"{name}.sql"))


def parse_story(name: str, text: str) -> Story:
    """Read a SQL file and the lines that say what it reads: ``-- @reads person (person_id, birth_datetime?)``."""
    sql = text.strip()
    return Story(name, sql, tuple(_reads(found) for found in _READS.finditer(sql)))


@cache
def read_rows(folder: str, name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of the CSV file ``sql/quality/<folder>/<name>``."""
    return tuple(csv.DictReader(io.StringIO(_text(folder, name))))


def _text(folder: str, name: str) -> str:
    return sql_folder("quality", folder).joinpath(name).read_text(encoding="utf-8")


def _reads(found: re.Match[str]) -> Reads:
    told = re.findall(r"\w+\??", found["columns"])
    required = tuple(column for column in told if not column.endswith("?"))
    return Reads(found["table"], bool(found["optional"]), required, tuple(column.rstrip("?") for column in told))
