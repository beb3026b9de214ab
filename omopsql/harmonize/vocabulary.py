"""A vocabulary that can be read: a folder that ``omopsql vocabulary load`` made, or one of plain files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from .cdm import VOCABULARY_TABLES
from .code_map import code_map_sql
from .vocabulary_files import CODE_MAP, empty_sql, open_files, typed_sql


@dataclass(frozen=True)
class Vocabulary:
    """The tables of a vocabulary: for each the SQL that stands after FROM, in the columns and types of the CDM.

    ``code_map`` is among them. ``is_loaded`` tells that it is stored; else it is computed each time it is read.
    """

    folder: str
    relations: dict[str, str]
    is_loaded: bool

    def relation(self, name: str) -> str:
        """Return the SQL of a table. One that the folder does not have has no rows."""
        return self.relations[name]


def open_vocabulary(cursor: duckdb.DuckDBPyConnection, folder: str | Path) -> Vocabulary:
    """Find the tables of a vocabulary.

    Raises OmopsqlError when the folder is absent, a needed table or column is missing, or a file cannot be read.
    """
    opened = open_files(cursor, Path(folder).resolve())
    selects = {name: typed_sql(opened[name]) if name in opened else empty_sql(name) for name in VOCABULARY_TABLES}
    is_loaded = CODE_MAP in opened
    selects[CODE_MAP] = (
        typed_sql(opened[CODE_MAP]) if is_loaded else code_map_sql(selects["concept"], selects["concept_relationship"])
    )
    return Vocabulary(str(folder), {name: f"({sql})" for name, sql in selects.items()}, is_loaded)
