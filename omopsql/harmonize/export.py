"""A finished CDM as Parquet: one file a table, sorted by person, and the evidence beside it; complete or not at all."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from omopsql.quoting import identifier, literal

from .adapter import AdapterFile
from .cdm import VOCABULARY_TABLES, Field, roles, tables
from .folders import completed_folder
from .route import FILE, SOURCE_ROW
from .workspace import CDM

EVIDENCE = "_harmonize"  # the folder of report, codes and lineage inside a CDM's folder


def export(
    con: duckdb.DuckDBPyConnection,
    output: Path,
    version: str,
    files: list[AdapterFile],
    evidence: dict[str, str | pa.Table],
) -> tuple[Path, dict[str, int]]:
    """Write the tables of the schema ``cdm`` to the folder ``output``; return it and the rows by table.

    An older CDM there is replaced at the end, when all is written. Raises OmopsqlError when ``output`` holds
    something else.
    """
    with completed_folder(output, EVIDENCE, "CDM of omopsql") as part:
        (part / EVIDENCE).mkdir()
        rows = {}
        for name, fields in tables(version).items():
            if name not in VOCABULARY_TABLES:
                _write(con, _table_sql(version, name, fields), part / f"{name}.parquet")
                rows[name] = int(con.execute(f"SELECT count(*) FROM {identifier(CDM, name)}").fetchall()[0][0])
        _write(con, _lineage_sql(version, files), part / EVIDENCE / "lineage.parquet")
        for name, made in evidence.items():
            path = part / EVIDENCE / f"{name}.parquet"
            if isinstance(made, str):
                _write(con, made, path)
            else:
                pq.write_table(made, path)
    return output, rows


def _write(con: duckdb.DuckDBPyConnection, sql: str, path: Path) -> None:
    con.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def _table_sql(version: str, name: str, fields: dict[str, Field]) -> str:
    selected = [_preceding(name, column) or identifier(column) for column in fields]
    parts = roles(version).get(name)
    order = ["person_id"] if "person_id" in fields else []
    order += [parts.start_date_field, parts.key_field] if parts else []
    key = next((column for column, field in fields.items() if field.is_primary_key), None)
    order += [key] if key else []
    by = ", ".join(identifier(column) for column in dict.fromkeys(order)) or "ALL"
    return f"SELECT {', '.join(selected)} FROM {identifier(CDM, name)} ORDER BY {by}"


def _preceding(table: str, column: str) -> str | None:
    """The visit before this one of the same person, where the source does not tell."""
    if column != f"preceding_{table}_id":
        return None
    key, start = identifier(f"{table}_id"), table.replace("_occurrence", "")
    before = f"lag({key}) OVER (PARTITION BY person_id ORDER BY {start}_start_date, {start}_start_datetime, {key})"
    return f"coalesce({identifier(column)}, {before}) AS {identifier(column)}"


def _lineage_sql(version: str, files: list[AdapterFile]) -> str:
    """Every CDM row that comes from one source row: its table and key, and the source's table and row."""
    parts = []
    for name, fields in tables(version).items():
        found = roles(version).get(name)
        key = found.key_field if found else next((c for c, f in fields.items() if f.is_primary_key), None)
        if key is not None and name not in VOCABULARY_TABLES:
            parts.append(
                f"SELECT {literal(name)} AS cdm_table, {identifier(key)} AS cdm_key, {FILE}, {SOURCE_ROW} "
                f"FROM {identifier(CDM, name)} WHERE {SOURCE_ROW} IS NOT NULL"
            )
    sources = " ".join(f"WHEN {n} THEN {literal(file.rows_of or '')}" for n, file in enumerate(files, 1))
    names = " ".join(f"WHEN {n} THEN {literal(file.name)}" for n, file in enumerate(files, 1))
    return (
        f"SELECT cdm_table, cdm_key, CASE {FILE} {sources} END AS source_table, {SOURCE_ROW} AS source_row, "
        f"CASE {FILE} {names} END AS adapter_file FROM ({' UNION ALL '.join(parts)}) "
        f"ORDER BY cdm_table, cdm_key, {SOURCE_ROW}"
    )
