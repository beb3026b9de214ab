"""What is compared: one flat table, or a whole CDM."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm_source import cdm_relations


def is_cdm(cursor: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Whether a source is a CDM: a schema or a folder with the table person. A table, a view or a file is flat.

    Raises OmopsqlError when it is a CDM's folder that cannot be read.
    """
    try:
        return "person" in cdm_relations(cursor, source)
    except OmopsqlError:
        if _has_person(Path(source)):
            raise
        return False


def all_cdm(cursor: duckdb.DuckDBPyConnection, sources: Iterable[str | None]) -> bool:
    """Whether the sources that are given are CDMs. Raises OmopsqlError when some are and some are not."""
    given = [source for source in sources if source is not None]
    cdm = [source for source in given if is_cdm(cursor, source)]
    flat = [source for source in given if source not in cdm]
    if cdm and flat:
        raise OmopsqlError(f"{cdm[0]} is a CDM and {flat[0]} is not: give CDMs only, or single tables only")
    return bool(cdm)


def _has_person(folder: Path) -> bool:
    return folder.is_dir() and any(entry.name.lower().split(".")[0] == "person" for entry in folder.iterdir())
