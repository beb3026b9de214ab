"""Loading a vocabulary: an Athena download becomes sorted Parquet, checked, in bounded memory, whole or not at all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier, literal

from .cdm import VOCABULARY_TABLES
from .code_map import code_map_sql
from .folders import completed_folder
from .vocabulary_files import CODE_MAP, VocabularyFile, fields_of, open_files, typed_sql

MEMORY = "2GB"
_MARK = f"{CODE_MAP}.parquet"  # every loaded vocabulary has it
_REJECTS, _SCANS = "omopsql_vocabulary_rejects", "omopsql_vocabulary_scans"
_KEYS = {
    "concept": ("concept_id",),
    "concept_relationship": ("concept_id_1", "concept_id_2"),
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id"),
}
_SORTED_BY = {
    **_KEYS,
    "concept_relationship": ("concept_id_1", "relationship_id", "concept_id_2"),
    "concept_synonym": ("concept_id", "concept_synonym_name"),
    "drug_strength": ("drug_concept_id", "ingredient_concept_id"),
    "source_to_concept_map": ("source_vocabulary_id", "source_code", "target_concept_id"),
    CODE_MAP: ("vocabulary_id", "clean_code", "source_concept_id", "target_concept_id", "value_concept_id"),
}


@dataclass(frozen=True)
class Loaded:
    """A vocabulary that was loaded: its folder, the rows of each table, and what is worth knowing about them."""

    folder: Path
    rows: dict[str, int]
    notes: tuple[str, ...]


def load_vocabulary(con: duckdb.DuckDBPyConnection, source: str | Path, output: str | Path) -> Loaded:
    """Check the vocabulary in the folder ``source`` and write it to the folder ``output``, an older one replaced.

    ``con`` is an empty database with every omopsql function; its memory is limited here, and what does not fit goes
    to a file beside the output for as long as it is needed.

    Raises OmopsqlError when a needed table or column is missing, a concept_id is no integer or stands there twice, a
    standard_concept is none of S and C, or ``output`` holds something else than a vocabulary. Lines that cannot be
    read, relationships of unknown concepts and missing values are counted in the notes.
    """
    files = open_files(con, source)
    output = Path(output)
    _refuse_overlap(Path(source), output)
    with completed_folder(output, _MARK, "vocabulary of omopsql") as part:
        spill = part / ".spill"
        con.execute(f"SET memory_limit = '{MEMORY}'")
        con.execute(f"SET temp_directory = {literal(str(spill))}")
        found = [name for name in VOCABULARY_TABLES if name in files]
        notes = [note for name in found for note in _write_table(con, files[name], part)]
        notes += _check_concepts(con, files["concept"], part)
        notes += _check_links(con, files, part)
        _write_code_map(con, part)
        rows = {name: _count(con, _stored(part, name)) for name in (*found, CODE_MAP)}
        shutil.rmtree(spill, ignore_errors=True)
    return Loaded(output, rows, tuple(notes))


def _refuse_overlap(source: Path, output: Path) -> None:
    if output.resolve() == source.resolve() or output.resolve() in source.resolve().parents:
        raise OmopsqlError(f"{output} would replace {source}, which is read; give another folder")


def _rows(number: int, what: str = "row") -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _stored(part: Path, name: str) -> str:
    return f"read_parquet({literal(escape(str(part / f'{name}.parquet')))})"


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _copy(con: duckdb.DuckDBPyConnection, select: str, part: Path, name: str) -> None:
    by = ", ".join(map(identifier, _SORTED_BY[name])) if name in _SORTED_BY else "ALL"
    target = literal(str(part / f"{name}.parquet"))
    con.execute(f"COPY ({select} ORDER BY {by}) TO {target} (FORMAT parquet, COMPRESSION zstd)")


def _write_table(con: duckdb.DuckDBPyConnection, file: VocabularyFile, part: Path) -> list[str]:
    """Write one table, sorted. Tells which of its lines could not be read, and which needed values are missing."""
    con.execute(f"DROP TABLE IF EXISTS {_REJECTS}")
    con.execute(f"DROP TABLE IF EXISTS {_SCANS}")
    options = f", store_rejects = true, rejects_table = '{_REJECTS}', rejects_scan = '{_SCANS}'"
    try:
        _copy(con, typed_sql(file, options), part, file.table)
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise OmopsqlError(f"{file.path} cannot be read: {' '.join(str(error).split())[:300]}") from error
    rejected = _rejected(con, file) if file.is_text else []
    return [*rejected, *_missing(con, file, part)]


def _rejected(con: duckdb.DuckDBPyConnection, file: VocabularyFile) -> list[str]:
    lines, first, message = con.execute(
        f"SELECT count(DISTINCT line), min(line), min_by(error_message, line) FROM {_REJECTS}"
    ).fetchall()[0]
    if not lines:
        return []
    told = first_line(message)
    return [f"{file.path.name}: {_rows(lines, 'line')} cannot be read, left out; the first is line {first}: {told}"]


def _missing(con: duckdb.DuckDBPyConnection, file: VocabularyFile, part: Path) -> list[str]:
    """Count the empty or unreadable values of required fields. None may be missing in a key."""
    wanted = [field.name for field in fields_of(file.table) if field.is_required and field.name in file.columns]
    counted = ", ".join(f"count(*) - count({identifier(name)})" for name in wanted)
    counts = dict(
        zip(wanted, con.execute(f"SELECT {counted} FROM {_stored(part, file.table)}").fetchall()[0], strict=True)
    )
    for key in _KEYS.get(file.table, ()):
        if counts[key]:
            raise OmopsqlError(f"{file.path}: {key} must be an integer, but is {_unreadable(con, file, key)}")
    return [
        f"{file.path.name}: {name} is empty or cannot be read in {_rows(rows)}" for name, rows in counts.items() if rows
    ]


def _unreadable(con: duckdb.DuckDBPyConnection, file: VocabularyFile, key: str) -> str:
    """Find a value that is no integer. The lines that could not be read are known already."""
    column = identifier(key)
    read = f"{file.sql[:-1]}, ignore_errors = true)" if file.is_text else file.sql
    found = con.execute(
        f"SELECT {column} FROM (FROM {read} LIMIT ALL) WHERE TRY_CAST({column} AS INTEGER) IS NULL LIMIT 1"
    ).fetchall()[0][0]
    return "empty" if found is None else repr(found)


def _check_concepts(con: duckdb.DuckDBPyConnection, file: VocabularyFile, part: Path) -> list[str]:
    """Refuse concepts that stand there twice, and kinds of concept that OMOP does not know."""
    concept = _stored(part, "concept")
    twice = con.execute(
        f"SELECT concept_id, count(*) OVER () FROM {concept} GROUP BY concept_id HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    ).fetchall()
    if twice:
        others = f", and {twice[0][1] - 1:,} others" if twice[0][1] > 1 else ""
        raise OmopsqlError(f"{file.path}: concept_id {twice[0][0]} stands there more than once{others}")
    odd = con.execute(
        f"SELECT concept_id, standard_concept FROM {concept} WHERE standard_concept NOT IN ('S', 'C') LIMIT 1"
    ).fetchall()
    if odd:
        raise OmopsqlError(
            f"{file.path}: standard_concept is {odd[0][1]!r} for concept {odd[0][0]}; it must be S, C or empty"
        )
    if not con.execute(f"FROM {concept} WHERE standard_concept = 'S' LIMIT 1").fetchall():
        return [f"{file.path.name}: no concept is standard, so no code will be mapped"]
    return []


def _check_links(con: duckdb.DuckDBPyConnection, files: dict[str, VocabularyFile], part: Path) -> list[str]:
    """Count the rows of relationships and ancestors that speak of concepts which the vocabulary does not have."""
    notes = []
    for name in ("concept_relationship", "concept_ancestor"):
        for key in _KEYS[name] if name in files else ():
            unknown = _count(con, f"{_stored(part, name)} ANTI JOIN {_stored(part, 'concept')} ON concept_id = {key}")
            if unknown:
                notes.append(f"{files[name].path.name}: {key} is an unknown concept in {_rows(unknown)}")
    if "concept_ancestor" not in files:
        notes.append("there is no concept_ancestor, so drug eras and descendants will be empty")
    return notes


def _write_code_map(con: duckdb.DuckDBPyConnection, part: Path) -> None:
    selects = (f"SELECT * FROM {_stored(part, name)}" for name in ("concept", "concept_relationship"))
    _copy(con, code_map_sql(*selects), part, CODE_MAP)
