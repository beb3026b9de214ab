"""The files of a vocabulary, as they come: an Athena download, CSV or Parquet, read in the types of the CDM.

Athena writes tab-separated texts without quoting: a quote is part of the text. Columns may be missing; they are NULL.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier, literal

from .cdm import VOCABULARY_TABLES, Field, storage_type, table
from .paths import compression, open_text, path_list

NEEDED = {
    "concept": ("concept_id", "concept_name", "domain_id", "vocabulary_id", "standard_concept", "concept_code"),
    "concept_relationship": ("concept_id_1", "concept_id_2", "relationship_id"),
}
_NEEDED_IF_PRESENT = {
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id"),
    "concept_synonym": ("concept_id", "concept_synonym_name"),
    "drug_strength": ("drug_concept_id", "ingredient_concept_id"),
    "source_to_concept_map": ("source_code", "source_vocabulary_id", "target_concept_id"),
}
CODE_MAP = "code_map"
CODE_MAP_TYPES = {
    "vocabulary_id": "VARCHAR",
    "clean_code": "VARCHAR",
    "source_concept_id": "INTEGER",
    "target_concept_id": "INTEGER",
    "target_domain_id": "VARCHAR",
    "target_vocabulary_id": "VARCHAR",
    "value_concept_id": "INTEGER",
}

_PARQUET = (".parquet",)
_TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_DATES = "['%Y%m%d', '%Y-%m-%d', '%Y-%m-%d %H:%M:%S']"


@dataclass(frozen=True)
class VocabularyFile:
    """One file: the table it holds, its columns (lower case) and their DuckDB types, and the SQL that reads it."""

    table: str
    path: Path
    columns: dict[str, str]
    sql: str

    @property
    def is_text(self) -> bool:
        """Whether its values are texts, in lines that may be broken."""
        return not self.path.name.lower().endswith(_PARQUET)


@cache
def types_of(name: str) -> dict[str, str]:
    """Return the columns of a vocabulary table and the types in which they are kept."""
    if name == CODE_MAP:
        return CODE_MAP_TYPES
    return {field.name: storage_type(field) for field in fields_of(name)}


def fields_of(name: str) -> list[Field]:
    """Return the fields of a vocabulary table, which are those of the CDM."""
    return list(table("5.4", name).values())


def open_files(cursor: duckdb.DuckDBPyConnection, folder: str | Path) -> dict[str, VocabularyFile]:
    """Find the vocabulary tables in a folder, by table name.

    Raises OmopsqlError when there is no such folder, a table stands there twice, or a needed table or column is
    missing.
    """
    root = Path(folder)
    if not root.is_dir():
        raise OmopsqlError(f"there is no vocabulary folder {folder}; omopsql vocabulary load makes one")
    paths = _paths(root)
    for name in NEEDED:
        if name not in paths:
            raise OmopsqlError(
                f"the vocabulary {folder} has no file for {name}; {name.upper()}.csv of an Athena download, or "
                f"{name}.csv or {name}.parquet, must be there"
            )
    return {name: open_file(cursor, name, path) for name, path in paths.items()}


def _paths(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        name = path.name.split(".")[0].lower()
        if path.is_file() and path.name.lower() in {name + suffix for suffix in (*_PARQUET, *_TEXT)}:
            if name in found:
                raise OmopsqlError(f"{found[name]} and {path} are the same table; keep one of them")
            if name in (*VOCABULARY_TABLES, CODE_MAP):
                found[name] = path
    return found


def open_file(cursor: duckdb.DuckDBPyConnection, name: str, path: Path) -> VocabularyFile:
    """Find the columns of a file that holds the vocabulary table ``name``.

    Raises OmopsqlError when a needed column is missing, or stands there twice, or the file cannot be read.
    """
    file = _open_text(name, path) if not path.name.lower().endswith(_PARQUET) else _open_parquet(cursor, name, path)
    needed = (*NEEDED.get(name, ()), *_NEEDED_IF_PRESENT.get(name, ()), *(CODE_MAP_TYPES if name == CODE_MAP else ()))
    for column in needed:
        if column not in file.columns:
            raise OmopsqlError(f"{path} has no column {column}; it has {', '.join(file.columns)}")
    return file


def _open_parquet(cursor: duckdb.DuckDBPyConnection, name: str, path: Path) -> VocabularyFile:
    sql = f"read_parquet({path_list([path])})"
    try:
        described = cursor.execute(f"DESCRIBE FROM {sql}").fetchall()
    except duckdb.Error as error:
        raise OmopsqlError(f"{path} cannot be read: {first_line(error)}") from error
    return VocabularyFile(name, path, {column.lower(): kind for column, kind, *_ in described}, sql)


def _open_text(name: str, path: Path) -> VocabularyFile:
    """Read the header. Tabs in it mean Athena's form; only a quoted header means quoted texts then."""
    with open_text(path) as file:
        header = file.readline().rstrip("\r\n")
    delimiter = next((mark for mark in "\t,;|" if mark in header), ",")
    quote = '"' if delimiter != "\t" or header.startswith('"') else ""
    written = next(csv.reader([header], delimiter=delimiter), []) if quote else header.split(delimiter)
    names = [column.strip().lower() for column in written]
    if len(set(names)) < len(names):
        raise OmopsqlError(f"{path} has two columns of one name: {header}")
    columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in names)
    sql = (
        f"read_csv({path_list([path])}, auto_detect = false, header = true, columns = {{{columns}}}, "
        f"delim = {literal(delimiter)}, quote = {literal(quote)}, escape = {literal(quote)}, nullstr = ''"
        f"{compression([path])})"
    )
    return VocabularyFile(name, path, dict.fromkeys(names, "VARCHAR"), sql)


def typed_sql(file: VocabularyFile, options: str = "") -> str:
    """Write the SELECT that reads a file in the columns and types of its table. ``options`` go to the CSV reader.

    Empty texts are NULL, and so is what is no number or date.
    """
    read = file.sql
    if file.is_text:
        # DuckDB 2.0 lets the CSV reader do a CAST, and refuses the line then; LIMIT ALL keeps them apart.
        read = f"(FROM {read[:-1]}{options}) LIMIT ALL)"
    selected = ", ".join(_typed(name, kind, file) for name, kind in types_of(file.table).items())
    return f"SELECT {selected} FROM {read}"


def _typed(name: str, kind: str, file: VocabularyFile) -> str:
    column, given = identifier(name), file.columns.get(name)
    if given is None:
        return f"CAST(NULL AS {kind}) AS {column}"
    if given == kind and (kind != "VARCHAR" or file.is_text):  # the CSV reader makes empty texts NULL
        return column
    if kind == "VARCHAR":
        return f"nullif(CAST({column} AS VARCHAR), '') AS {column}"
    if kind == "DATE" and not given.startswith("TIMESTAMP"):
        return f"CAST(try_strptime(CAST({column} AS VARCHAR), {_DATES}) AS DATE) AS {column}"
    return f"TRY_CAST({column} AS {kind}) AS {column}"


def empty_sql(name: str) -> str:
    """Write the SELECT of no rows that stands for a vocabulary table without a file."""
    nothing = ", ".join(f"CAST(NULL AS {kind}) AS {identifier(column)}" for column, kind in types_of(name).items())
    return f"SELECT {nothing} WHERE false"
