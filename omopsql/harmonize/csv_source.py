"""CSV files as hospitals write them: any delimiter, mixed line ends, broken lines. Every column is read as text.

A file that keeps to the rules is read by several threads. One that does not is read once more, leniently; a line that
then has fewer or more cells than the header is told from the others by the cells that are absent, and set aside like
any other that cannot be read.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier, literal

from .paths import compression, open_text, path_list

Rejected = tuple[int, str]  # how many lines could not be read, and one of them with what is wrong

CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_DELIMITERS = "\t,;|"
_LOOKED_AT = 200  # lines
_LONGEST_LINE = 1 << 25  # bytes
_SHOWN = 80  # characters of a line
_REJECTS, _SCANS = "omopsql_rejects", "omopsql_reject_scans"
_LENIENT, _COUNTED = "omopsql_lenient_lines", "omopsql_counted_lines"
_ABSENT = "\ue000"  # stands for a cell that the line does not have; no text holds this character
_BEYOND = "omopsql cells beyond the header"  # a column more than the header has


def create_csv_table(con: duckdb.DuckDBPyConnection, target: str, paths: list[Path]) -> Rejected:
    """Load files of one shape into the table ``target`` (quoted), after a column ``source_row``.

    Returns how many lines could not be read, and one of them with its error. Raises OmopsqlError for an empty file, or
    one of another shape.
    """
    files = _Files.of(paths)
    try:
        return _load(con, target, files)
    except duckdb.InvalidInputException:  # mixed line ends, unbalanced quotes
        return _load_leniently(con, target, files)


def count_csv_rows(con: duckdb.DuckDBPyConnection, paths: list[Path]) -> tuple[int, Rejected]:
    """Count the rows that files of one shape hold, and the lines that cannot be read, without keeping them.

    Raises OmopsqlError for an empty file, or one of another shape.
    """
    files = _Files.of(paths)
    try:
        _forget_rejects(con)
        return _count(con, files.read()), _rejected(con)
    except duckdb.InvalidInputException:
        rejected = _load_leniently(con, _COUNTED, files)
        rows = _count(con, _COUNTED)
        con.execute(f"DROP TABLE {_COUNTED}")
        return rows, rejected


def _load(con: duckdb.DuckDBPyConnection, target: str, files: _Files) -> Rejected:
    _forget_rejects(con)
    con.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT row_number() OVER () AS source_row, * FROM {files.read()}")
    return _rejected(con)


def _load_leniently(con: duckdb.DuckDBPyConnection, target: str, files: _Files) -> Rejected:
    _forget_rejects(con)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {_LENIENT} AS FROM {files.read_leniently()}")
    names = [identifier(name) for name in files.names]
    is_whole = f"({names[-1]} IS NOT NULL AND {identifier(_BEYOND)} IS NULL)"
    cells = ", ".join(f"nullif({name}, '') AS {name}" for name in names)
    con.execute(
        f"CREATE OR REPLACE TABLE {target} AS "
        f"SELECT row_number() OVER () AS source_row, {cells} FROM {_LENIENT} WHERE {is_whole}"
    )
    line = f"left(concat_ws({literal(files.delimiter)}, *COLUMNS(*)), {_SHOWN})"
    uneven, example = con.execute(
        f"SELECT count(*), min_by({line}, rowid) FROM {_LENIENT} WHERE NOT {is_whole}"
    ).fetchall()[0]
    con.execute(f"DROP TABLE {_LENIENT}")
    unread, error = _rejected(con)
    return unread + uneven, error or (f"not {len(names)} cells: {first_line(example)}" if uneven else "")


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _forget_rejects(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"DROP TABLE IF EXISTS {_REJECTS}")
    con.execute(f"DROP TABLE IF EXISTS {_SCANS}")


def _rejected(con: duckdb.DuckDBPyConnection) -> Rejected:
    """What DuckDB's reader could not read."""
    lines = con.execute(
        f"SELECT count(DISTINCT (file_id, line)), min_by((line, error_message), line) FROM {_REJECTS}"
    ).fetchall()[0]
    if not lines[0]:
        return 0, ""
    line, message = lines[1].values() if isinstance(lines[1], dict) else lines[1]
    return int(lines[0]), f"line {line}: {first_line(message)}"


@dataclass(frozen=True)
class _Files:
    """Files of one shape: their delimiter, their quote or none, the lines before the header, and their columns."""

    paths: list[Path]
    delimiter: str
    quote: str
    skipped: int
    names: list[str]

    @classmethod
    def of(cls, paths: list[Path]) -> _Files:
        first, *others = (cls._described(path) for path in paths)
        for path, other in zip(paths[1:], others, strict=True):
            if other.names != first.names:
                raise OmopsqlError(f"{path} has other columns than {paths[0]}, but is the same table")
        return cls(paths, first.delimiter, first.quote, first.skipped, first.names)

    @classmethod
    def _described(cls, path: Path) -> _Files:
        with open_text(path) as file:
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
        return cls([path], delimiter, quote, skipped, _distinct(names))

    def read(self) -> str:
        """Write the call that reads whole lines; those that cannot be read go to the table of rejects."""
        return self._call(self.names, "nullstr = '', strict_mode = true")

    def read_leniently(self) -> str:
        """Write the call that reads any line. Cells that it does not have are NULL, empty ones empty texts."""
        return self._call(
            [*self.names, _BEYOND],
            f"nullstr = {literal(_ABSENT)}, allow_quoted_nulls = false, strict_mode = false, null_padding = true, "
            "parallel = false",
        )

    def _call(self, names: list[str], options: str) -> str:
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        return f"""read_csv(
            {path_list(self.paths)}, auto_detect = false, header = true, columns = {{{columns}}},
            delim = {literal(self.delimiter)}, quote = {literal(self.quote)}, escape = {literal(self.quote)},
            skip = {self.skipped}, max_line_size = {_LONGEST_LINE}, {options}{compression(self.paths)},
            store_rejects = true, rejects_table = '{_REJECTS}', rejects_scan = '{_SCANS}'
        )"""


def _distinct(names: list[str]) -> list[str]:
    """Names as they stand, trimmed; empty and repeated ones numbered by position."""
    found: list[str] = []
    for position, name in enumerate(names, 1):
        plain = name.strip() or f"column{position}"
        found.append(f"{plain}_{position}" if plain.lower() in map(str.lower, found) else plain)
    return found
