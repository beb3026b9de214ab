"""The folder ``sql``: beside the package in a checkout, inside it when it is installed."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable


def sql_folder(*parts: str) -> Traversable:
    """Return a folder under ``sql``, which need not exist."""
    inside = files("omopsql").joinpath("sql")
    home = inside if inside.is_dir() else files("omopsql").joinpath("..", "sql")
    return home.joinpath(*parts)
