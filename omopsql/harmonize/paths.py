"""Files as DuckDB's readers take them: a name is only a name, and gzip is known by it in any case of letters."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import TextIO, cast

from omopsql.quoting import literal


def path_list(paths: Sequence[Path]) -> str:
    """Write files as a SQL list. A ``*`` or ``[`` in a name stands for itself."""
    return "[" + ", ".join(literal(escape(str(path))) for path in paths) + "]"


def compression(paths: Sequence[Path]) -> str:
    """Write the option that tells a reader of gzipped files. DuckDB 1.4 itself knows only names that end in ``.gz``."""
    return ", compression = 'gzip'" if all(map(_is_gzipped, paths)) else ""


def open_text(path: Path) -> TextIO:
    """Open a file of text, gzipped or not, line ends as they stand. Bytes that are no UTF-8 are replaced."""
    opened = gzip.open if _is_gzipped(path) else open
    return cast(TextIO, opened(path, "rt", encoding="utf-8-sig", errors="replace", newline=""))


def _is_gzipped(path: Path) -> bool:
    return path.name.lower().endswith(".gz")
