"""The files of ``sql/evaluate/cdm``: each runs as it stands over the tables that it says it reads."""

from __future__ import annotations

from functools import cache

from omopsql.quality.stories import Story, parse_story
from omopsql.sql_files import sql_folder


@cache
def story(name: str) -> Story:
    """Return the file ``sql/evaluate/cdm/<name>.sql``."""
    return parse_story(name, sql_folder("evaluate", "cdm").joinpath(f"{name}.sql").read_text(encoding="utf-8"))
