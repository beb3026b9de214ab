"""Folders that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omopsql.errors import OmopsqlError


@contextmanager
def completed_folder(output: Path, mark: str, what: str) -> Iterator[Path]:
    """Give a folder beside ``output`` to write to. It takes the place of ``output`` when all went well, else it goes.

    An older folder is replaced only when it holds ``mark``, the name of a file or folder that shows that it is
    ``what``. Raises OmopsqlError, before anything is written, when it is something else, or has no parent folder.
    """
    output = output.resolve()  # behind a link, the folder is replaced and the link stays
    refuse_foreign(output, mark, what)
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        part.mkdir()
        yield part
        _replace(part, output)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refuse_foreign(output: Path, mark: str, what: str) -> None:
    """Refuse a place that holds something which must not be replaced."""
    if output.is_file() or (output.is_dir() and any(output.iterdir()) and not (output / mark).exists()):
        raise OmopsqlError(f"{output} holds something that is no {what}; give a new folder")
    if not output.parent.is_dir():
        raise OmopsqlError(f"there is no folder {output.parent}; make it first")


def _replace(part: Path, output: Path) -> None:
    if not output.exists():
        part.rename(output)
        return
    old = output.with_name(f".{output.name}.{os.getpid()}.old")
    output.rename(old)
    try:
        part.rename(output)
    except OSError:
        old.rename(output)
        raise
    shutil.rmtree(old)
