"""The files of ``sql/evaluate/cdm``: each runs as it stands over the tables that it says it reads."""

from __future__ import annotations

import re
from functools import cache

from omopsql.quality.stories import Reads, Story
from omopsql.sql_files import sql_folder

_READS = re.compile(r"^-- @reads (?P<table>\w+)(?P<optional>\??) \((?P<columns>[^)]*)\)", re.M)


@cache
def story(name: str) -> Story:
    """Return the file ``sql/evaluate/cdm/<name>.sql``."""
    sql = sql_folder("evaluate", "cdm").joinpath(f"{name}.sql").read_text(encoding="utf-8").strip()
    return Story(name, sql, tuple(_reads(found) for found in _READS.finditer(sql)))


def _reads(found: re.Match[str]) -> Reads:
    told = re.findall(r"\w+\??", found["columns"])
    required = tuple(column for column in told if not column.endswith("?"))
    return Reads(found["table"], bool(found["optional"]), required, tuple(column.rstrip("?") for column in told))
