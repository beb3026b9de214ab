"""Files that appear complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


@contextmanager
def completed(target: Path) -> Iterator[Path]:
    """Give a path beside ``target`` to write to. It takes the target's name when all went well, else it goes."""
    target = target.resolve()  # behind a link, the file is replaced and the link stays
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def refuse_overwriting(output: Path, source: str) -> None:
    """Refuse an output that is the input, or that would be read as part of it next time."""
    source_path, output_path = Path(source).resolve(), output.resolve()
    if source_path == output_path:
        raise click.BadParameter(f"{output} is the input itself; give another name", param_hint="'-o'")
    if source_path.is_dir() and source_path in output_path.parents:
        raise click.BadParameter(f"{output} lies in the folder that is read; put it elsewhere", param_hint="'-o'")
