"""Histories of the persons of CDM folders, with items that they share."""

from __future__ import annotations

from pathlib import Path

import duckdb

from omopsql.evaluate.cdm.histories import Histories, Items
from omopsql.evaluate.cdm.hospitals import read_hospitals

WHITE = 8527
_EVERYONE = 1 << 31


def read(folders: list[Path]) -> tuple[list[Histories], Items]:
    """Read CDM folders with item numbers that they share: the most frequent of all is 0."""
    with duckdb.connect() as con:
        con.execute("SET enable_progress_bar = false")
        hospitals, items, _ = read_hospitals(con, [str(folder) for folder in folders], _EVERYONE)
    return [hospital.histories for hospital in hospitals], items
