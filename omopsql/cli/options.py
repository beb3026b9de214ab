"""Options that several verbs share, and how their values are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def database_option(use: str) -> Callable[[F], F]:
    """``--database FILE``: a DuckDB file whose tables can be named."""
    return click.option(
        "--database", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=use
    )


def policy_option(use: str) -> Callable[[F], F]:
    """``--policy FILE``: what may be learned, and what a release must pass."""
    return click.option("--policy", metavar="FILE", type=click.Path(path_type=Path), help=use)


def check_file(path: Path) -> None:
    """Raise BadParameter when a plain file cannot be written there."""
    if path.exists() and not path.is_file():
        raise click.BadParameter(f"{path} is no plain file; give the name of a file to write")
    check_folder_of(path)


def check_folder_of(path: Path) -> None:
    """Raise BadParameter when the folder that something is to be written to is missing or read-only."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise click.BadParameter(f"there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise click.BadParameter(f"the folder {folder} is not writable")


def output_option(*suffixes: str, required: bool, use: str) -> Callable[[F], F]:
    """``-o FILE``, checked before any work begins. Without ``suffixes`` any name will do."""

    def check(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
        if value is None:
            return None
        if suffixes and not value.name.lower().endswith(suffixes):
            raise click.BadParameter(f"{value} must end in {' or '.join(suffixes)}")
        check_file(value)
        return value

    path = click.Path(dir_okay=True, path_type=Path)
    metavar = "|".join(f"FILE{suffix}" for suffix in suffixes) or "FILE"
    return click.option("-o", "--output", metavar=metavar, type=path, required=required, callback=check, help=use)


def assignments(*, at: str, values: tuple[str, ...] = ()) -> Callable[..., dict[str, str]]:
    """Read repeated ``NAME=VALUE``, split ``at`` the first or last ``=``, into a dict; ``values`` are those allowed."""

    def read(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        for text in given:
            name, equals, value = text.partition("=") if at == "first" else text.rpartition("=")
            if not equals or not name:
                raise click.BadParameter(f"{text!r} is not of the form {param.metavar}")
            if values and value not in values:
                raise click.BadParameter(f"{name} cannot be {value!r}; say {', '.join(values)}")
            if name.lower() in map(str.lower, found):
                raise click.BadParameter(f"{name} is given twice")
            found[name] = value
        return found

    return read


def struct(options: dict[str, str]) -> str:
    """Write options as a DuckDB struct of texts; NULL when there are none."""
    from omopsql.quoting import identifier, literal

    if not options:
        return "NULL"
    return "{" + ", ".join(f"{identifier(name)}: {literal(value)}" for name, value in options.items()) + "}"
