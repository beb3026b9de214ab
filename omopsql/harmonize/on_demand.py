"""The SQL function ``harmonize``: a CDM that is made when a query asks for one of its tables, and kept for the next."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from omopsql.errors import OmopsqlError
from omopsql.quoting import literal
from omopsql.registry import expression
from omopsql.session import Caller

from .adapter import adapter_folder
from .cdm import tables
from .current_vocabulary import folder_in_use
from .run import harmonize as run

_KEPT = 16  # CDMs; more than one query is likely to name
_State = tuple[tuple[str, int, int], ...]  # of files: path, when it was changed, size


@expression(
    family="harmonize",
    examples=("SELECT count(*) FROM omopsql.harmonize('demo', 'omopsql_demo/source', 'person') --> 2000",),
)
def harmonize(
    caller: Caller, adapter: str, source: str, cdm_table: str, vocabulary: str | None = None, version: str = "5.4"
) -> str:
    """Harmonize a source and return one table of the CDM that it becomes.

    adapter is the name of an adapter or the path of a folder of your own; source a folder of files, a DuckDB file or a
    PostgreSQL address; vocabulary a folder that omopsql vocabulary load made, or one with the vocabulary's files, by
    default the vocabulary in use. The whole CDM is made once in a session, and again when a file of the adapter, the
    source or the vocabulary has changed; what changes in PostgreSQL is not seen. To keep a CDM, use the command
    omopsql harmonize.
    """
    if vocabulary is None:
        with caller.cursor() as cursor:
            vocabulary = folder_in_use(cursor)
    if cdm_table.lower() not in tables(version):
        raise OmopsqlError(f"{cdm_table} is no table of CDM {version}")
    read_now = tuple(_state(path) for path in (str(adapter_folder(adapter)), source, f"{source}.wal", vocabulary))
    folder = _harmonized(adapter, source, vocabulary, version, read_now)
    return f"FROM read_parquet({literal(str(Path(folder.name) / 'cdm' / f'{cdm_table.lower()}.parquet'))})"


def _state(path: str) -> _State:
    """The files that stand under a path. Two states differ when a file was added, taken out or written anew."""
    place = Path(path).resolve()
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    read = [(str(file), file.stat()) for file in files if file.is_file()]
    return tuple((name, found.st_mtime_ns, found.st_size) for name, found in read)


@lru_cache(maxsize=_KEPT)
def _harmonized(
    adapter: str, source: str, vocabulary: str, version: str, read_now: tuple[_State, ...]
) -> tempfile.TemporaryDirectory[str]:
    """Harmonize into a folder that goes with the last reference to it, at the latest when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="omopsql-")
    run(adapter, source, vocabulary, Path(folder.name) / "cdm", version)
    return folder
