"""The tables that an adapter's files read, as views of the schema ``source``."""

from __future__ import annotations

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier

from . import source as sources
from .adapter import ANY_OTHER, Adapter, AdapterFile, Reads
from .outcomes import NOTE, Line
from .records import ROW
from .source import Source
from .workspace import Workspace


def is_absent(file: AdapterFile, source: Source) -> bool:
    """Whether a file is left out, because the source lacks the table whose rows it accounts for."""
    first = file.reads[0]
    return first.is_optional and not first.table.startswith("_") and first.table.lower() not in source.makers


def create_source_views(work: Workspace, adapter: Adapter, source: Source) -> list[Line]:
    """Make the tables that the adapter reads, and run its steps; return notes on tables that are absent.

    Columns that may be absent are NULL then, and tables that may be absent are empty. Raises OmopsqlError for what
    may not.
    """
    _adopt_others(adapter, source)
    notes: list[Line] = []
    for name, reads in adapter.reads().items():
        if name in source.makers:
            _create_view(work, source, name, reads)
        else:
            _create_empty(work, source, name, reads)
            left_out = [file for file in adapter.files if file.rows_of and file.rows_of.lower() == name]
            notes += [(name, NOTE, f"absent: {file.name}.sql was left out", 0, None) for file in left_out]
    work.con.execute(f"USE {identifier('memory', sources.SCHEMA)}")
    for step in adapter.steps:  # be they empty: other files read them
        work.run(step, f"CREATE TABLE {identifier(sources.SCHEMA, step.name)} AS {step.sql}")
    return notes


def _adopt_others(adapter: Adapter, source: Source) -> None:
    """Give a table that the source holds under another name the name under which the adapter reads it."""
    every = adapter.reads()
    for name, reads in every.items():
        others = list(dict.fromkeys(other for read in reads for other in read.others))
        if name in source.makers or not others:
            continue
        held = next((other for other in others if other in source.makers), None)
        if held is None and ANY_OTHER in others:
            held = _only_other(source, name, {*every, *others}, is_optional=all(read.is_optional for read in reads))
        if held is not None:
            source.rename(held, name)


def _only_other(source: Source, name: str, named: set[str], *, is_optional: bool) -> str | None:
    unnamed = sorted(source.makers.keys() - named)
    if is_optional and not unnamed:
        return None
    if len(unnamed) != 1:
        has = ", ".join(unnamed) or "none"
        raise OmopsqlError(f"{source.name} must hold {name}, or one other table; other tables: {has}")
    return unnamed[0]


def _create_view(work: Workspace, source: Source, name: str, reads: list[Reads]) -> None:
    made = identifier(sources.STAGE, source.make(name))
    found = {column.lower() for column in work.columns(made)}
    for column in (column for read in reads for column in read.needed):
        if column.lower() not in found:
            has = ", ".join(sorted(found - {ROW}))
            raise OmopsqlError(f"{source.name}: table {name} has no column {column}; it has {has}")
    absent = [column for column in _named(reads) if column.lower() not in found]
    nulls = "".join(f", CAST(NULL AS VARCHAR) AS {identifier(column)}" for column in absent)
    work.con.execute(f"CREATE VIEW {identifier(sources.SCHEMA, name)} AS SELECT *{nulls} FROM {made}")


def _create_empty(work: Workspace, source: Source, name: str, reads: list[Reads]) -> None:
    if any(not read.is_optional for read in reads):
        has = ", ".join(sorted(source.makers))
        raise OmopsqlError(f"{source.name} has no table {name}, which the adapter reads; it has {has}")
    nulls = "".join(f", CAST(NULL AS VARCHAR) AS {identifier(column)}" for column in _named(reads))
    work.con.execute(
        f"CREATE VIEW {identifier(sources.SCHEMA, name)} AS SELECT CAST(NULL AS BIGINT) AS {ROW}{nulls} WHERE false"
    )


def _named(reads: list[Reads]) -> list[str]:
    """The columns that files name, each once."""
    return list({column.lower(): column for read in reads for column in (*read.needed, *read.wanted)}.values())
