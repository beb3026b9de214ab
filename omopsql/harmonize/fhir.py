"""FHIR files, bundles or bulk exports, as one table for each type of resource."""

from __future__ import annotations

import glob
import gzip
import re
import zlib
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier

_LOOKED_AT = 1 << 16  # bytes
_RESOURCE_TYPE = re.compile(rb'"resourceType"\s*:\s*"[A-Za-z]+"')
_LINES = (".ndjson", ".jsonl")
_LONGEST_LINE = 1 << 26  # bytes: a resource with its attachments
_RESOURCES = "fhir_resource"  # temporary


def is_fhir(file: Path) -> bool:
    """Whether a JSON or NDJSON file, gzipped or not, holds FHIR resources: a ``resourceType`` stands near its start.

    Raises OmopsqlError for a file that cannot be opened or unpacked.
    """
    opened = gzip.open if _is_gzipped(file) else open
    try:
        with opened(file, "rb") as stream:
            return _RESOURCE_TYPE.search(stream.read(_LOOKED_AT)) is not None
    except (OSError, EOFError, zlib.error) as error:
        raise OmopsqlError(f"{file} cannot be read: {error}") from error


def create_fhir_tables(con: duckdb.DuckDBPyConnection, schema: str, files: list[Path]) -> list[str]:
    """Create a table in ``schema`` for each type of resource in ``files``; return their names, such as ``Patient``.

    Each has the columns ``source_row`` (from 1, by the path of the file and the position in it) and ``resource``
    (JSON). ``con`` must have the functions of omopsql. Raises OmopsqlError, naming the file, for one that is not JSON
    or that holds an object without a resourceType.
    """
    if not files:
        return []
    ordered = sorted(files)
    _read(con, ordered)
    try:
        _refuse_untyped(con)
        found = con.execute(f"SELECT DISTINCT resource_type FROM temp.{_RESOURCES} ORDER BY ALL").fetchall()
        names = [str(name) for (name,) in found]
        for name in names:
            con.execute(
                f"CREATE TABLE {identifier(schema, name)} AS SELECT row_number() OVER () AS source_row, resource "
                f"FROM temp.{_RESOURCES} WHERE resource_type = ?",
                [name],
            )
    finally:
        con.execute(f"DROP TABLE temp.{_RESOURCES}")
    return names


def _read(con: duckdb.DuckDBPyConnection, files: list[Path]) -> None:
    paths = [glob.escape(str(file)) for file in files]
    try:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {_RESOURCES} AS FROM omopsql.fhir_resources($files, largest := $largest)",
            {"files": paths, "largest": max(_largest_object(file) for file in files)},
        )
    except duckdb.Error as error:
        raise OmopsqlError(_told(str(error), files)) from error


def _told(message: str, files: list[Path]) -> str:
    """One line that names the file at fault."""
    reason = first_line(message).partition("Error: ")[2] or message
    if any(str(file) in reason for file in files):
        return f"{reason.rstrip('. ')}; mend the file, or take it out"
    return f"the FHIR files from {files[0]} cannot be read: {reason}"


def _refuse_untyped(con: duckdb.DuckDBPyConnection) -> None:
    untyped = con.execute(
        f"SELECT filename, count(*) FROM temp.{_RESOURCES} WHERE resource_type IS NULL "
        "GROUP BY ALL ORDER BY ALL LIMIT 1"
    ).fetchall()
    for filename, count in untyped:
        objects = "1 object" if count == 1 else f"{count} objects"
        raise OmopsqlError(f"{filename}: {objects} without a resourceType; keep other JSON in files of its own")


def _largest_object(file: Path) -> int:
    """Bytes that one JSON object of the file may take: all of a bundle, a line of a bulk export."""
    size = max(_unpacked_size(file), 1)
    is_lines = file.name.lower().removesuffix(".gz").endswith(_LINES)
    return min(size, _LONGEST_LINE) if is_lines else size


def _unpacked_size(file: Path) -> int:
    """Size without reading the file: a gzip file ends with it."""
    size = file.stat().st_size
    if not _is_gzipped(file) or size < 4:
        return size
    with file.open("rb") as stream:
        stream.seek(-4, 2)
        return max(size, int.from_bytes(stream.read(4), "little"))


def _is_gzipped(file: Path) -> bool:
    return file.name.lower().endswith(".gz")
