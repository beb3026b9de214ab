"""The SQL files of ``sql/quality/beyond``: each runs as it stands over the tables that it says it reads."""

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
    """A table that a story reads, and its columns. An optional table may be absent, and an optional column NULL."""

    table: str
    is_optional: bool
    required: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """One SQL file and what it reads."""

    sql: str
    reads: tuple[Reads, ...]


@cache
def story(name: str) -> Story:
    """Return the file ``sql/quality/beyond/<name>.sql``."""
    sql = read_text(f"{name}.sql").strip()
    return Story(sql, tuple(_reads(found) for found in _READS.finditer(sql)))


def _reads(found: re.Match[str]) -> Reads:
    told = re.findall(r"\w+\??", found["columns"])
    required = tuple(column for column in told if not column.endswith("?"))
    return Reads(found["table"], bool(found["optional"]), required, tuple(column.rstrip("?") for column in told))


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of a CSV file beside the stories."""
    return tuple(csv.DictReader(io.StringIO(read_text(name))))


def read_text(name: str) -> str:
    """Read a file beside the stories."""
    return sql_folder("quality", "beyond").joinpath(name).read_text(encoding="utf-8")
