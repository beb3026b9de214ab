"""The SQL files of the characterization, and what each says that it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from omopsql.sql_files import sql_folder

_READS = re.compile(r"^-- @reads (?P<table>\w+)(?P<optional>\??) \((?P<columns>[^)]*)\)", re.M)


@dataclass(frozen=True)
class Reads:
    """A table that a file reads, and its columns.

    An optional table may be absent: it has no rows then. An optional column may be absent: it is NULL then. Without any
    other column or table the file has no answer.
    """

    table: str
    is_optional: bool
    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        return self.required + self.optional


@dataclass(frozen=True)
class Story:
    """One SQL file, which runs as it stands over the tables that it reads."""

    name: str
    sql: str
    reads: tuple[Reads, ...]


@cache
def story(name: str) -> Story:
    """Return the file ``sql/quality/characterize/<name>.sql``."""
    sql = sql_folder("quality", "characterize").joinpath(f"{name}.sql").read_text(encoding="utf-8").strip()
    return Story(name, sql, tuple(_reads(found) for found in _READS.finditer(sql)))


def _reads(found: re.Match[str]) -> Reads:
    columns = re.findall(r"\w+\??", found["columns"])
    return Reads(
        table=found["table"],
        is_optional=bool(found["optional"]),
        required=tuple(column for column in columns if not column.endswith("?")),
        optional=tuple(column[:-1] for column in columns if column.endswith("?")),
    )
