"""CSV files as hospitals write them: any delimiter, mixed line ends, broken lines. Every column is read as text."""

from __future__ import annotations

import csv
import gzip
from glob import escape
from itertools import islice
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import literal

CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_DELIMITERS = "\t,;|"
_LOOKED_AT = 200  # lines
_REJECTS, _SCANS = "omopsql_rejects", "omopsql_reject_scans"


def create_csv_table(con: duckdb.DuckDBPyConnection, target: str, paths: list[Path]) -> tuple[int, str]:
    """Load files of one shape into the table ``target`` (quoted), after a column ``source_row``.

    Returns how many lines could not be read, and one of them with its error. Raises OmopsqlError for an empty file.
    """
    reads = []
    for path in paths:
        reads.append(_Dialect.of(path))
    names = reads[0].names
    for path, dialect in zip(paths, reads, strict=True):
        if dialect.names != names:
            raise OmopsqlError(f"{path} has other columns than {paths[0]}, but is the same table")
    listed = _listed(paths)
    try:
        return _load(con, target, listed, reads[0], is_strict=True)
    except duckdb.InvalidInputException:  # mixed line ends, unbalanced quotes
        return _load(con, target, listed, reads[0], is_strict=False)


def count_csv_rows(con: duckdb.DuckDBPyConnection, paths: list[Path]) -> int:
    """Count the rows that files of one shape hold and that can be read, without loading them."""
    dialect = _Dialect.of(paths[0])
    for is_strict in (True, False):
        try:
            return int(
                con.execute(f"SELECT count(*) FROM {_read(_listed(paths), dialect, is_strict=is_strict)}").fetchall()[
                    0
                ][0]
            )
        except duckdb.InvalidInputException:
            if not is_strict:
                raise
    raise AssertionError("unreachable")


def _listed(paths: list[Path]) -> str:
    return "[" + ", ".join(literal(escape(str(path))) for path in paths) + "]"


def _read(listed: str, dialect: _Dialect, *, is_strict: bool) -> str:
    """Write the call that reads files; lines that cannot be read go to the table of rejects."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in dialect.names)
    return f"""read_csv(
        {listed}, auto_detect = false, header = true, columns = {{{columns}}}, delim = {literal(dialect.delimiter)},
        quote = {literal(dialect.quote)}, escape = {literal(dialect.quote)}, skip = {dialect.skipped}, nullstr = '',
        strict_mode = {str(is_strict).lower()}, max_line_size = 33554432,
        store_rejects = true, rejects_table = '{_REJECTS}', rejects_scan = '{_SCANS}'
    )"""


def _load(
    con: duckdb.DuckDBPyConnection, target: str, listed: str, dialect: _Dialect, *, is_strict: bool
) -> tuple[int, str]:
    con.execute(f"DROP TABLE IF EXISTS {_REJECTS}")
    con.execute(f"DROP TABLE IF EXISTS {_SCANS}")
    con.execute(
        f"CREATE OR REPLACE TABLE {target} AS SELECT row_number() OVER () AS source_row, * "
        f"FROM {_read(listed, dialect, is_strict=is_strict)}"
    )
    lines = con.execute(
        f"SELECT count(DISTINCT (file_id, line)), min_by((line, error_message), line) FROM {_REJECTS}"
    ).fetchall()[0]
    if not lines[0]:
        return 0, ""
    line, message = lines[1].values() if isinstance(lines[1], dict) else lines[1]
    return int(lines[0]), f"line {line}: {first_line(message)}"


class _Dialect:
    """How a file is written: its delimiter, whether texts are quoted, the lines before its header, its columns."""

    def __init__(self, delimiter: str, quote: str, skipped: int, names: list[str]) -> None:
        self.delimiter, self.quote, self.skipped, self.names = delimiter, quote, skipped, names

    @classmethod
    def of(cls, path: Path) -> _Dialect:
        opened = gzip.open if path.name.lower().endswith(".gz") else open
        with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = [line.rstrip("\r\n") for line in islice(file, _LOOKED_AT)]
        skipped = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
        if skipped == len(lines) or not lines[skipped].strip():
            raise OmopsqlError(f"{path} is empty: a header with the names of the columns is needed")
        header = lines[skipped]
        delimiter = max(_DELIMITERS, key=header.count)
        # Tab-separated exports seldom quote, and then a quote is part of the text.
        is_quoted = delimiter != "\t" or any(f'{delimiter}"' in line or line.startswith('"') for line in lines)
        quote = '"' if is_quoted else ""
        names = next(csv.reader([header], delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE))
        return cls(delimiter, quote, skipped, _distinct(names))


def _distinct(names: list[str]) -> list[str]:
    """Names as they stand, trimmed; empty and repeated ones numbered by position."""
    found: list[str] = []
    for position, name in enumerate(names, 1):
        plain = name.strip() or f"column{position}"
        found.append(f"{plain}_{position}" if plain.lower() in map(str.lower, found) else plain)
    return found
