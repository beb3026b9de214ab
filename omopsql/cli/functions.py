"""``omopsql functions``: what there is, and how it is called."""

from __future__ import annotations

import difflib
from itertools import groupby
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from omopsql.registry import Function


class UnknownFunction(click.ClickException):
    """A name that no function has."""

    exit_code = 2


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from omopsql.registry import functions

    return [CompletionItem(f.name, help=f.summary) for f in functions() if f.name.startswith(incomplete)]


@click.command(short_help="List or explain the SQL functions.")
@click.argument("name", required=False, shell_complete=_complete)
def functions(name: str | None) -> None:
    """List the SQL functions by family, or explain the one called NAME.

    In SQL the same list is: FROM omopsql.functions.

    \b
    Example:
      omopsql functions
      omopsql functions norm_ppf
    """  # noqa: D301 (click reads \b)
    from omopsql import registry

    known = {function.name: function for function in registry.functions()}
    if name is None:
        _list_by_family(list(known.values()))
        return
    wanted = name.lower().removeprefix("omopsql.")
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known)
        advice = f"did you mean {' or '.join(near)}?" if near else "omopsql functions lists them all"
        raise UnknownFunction(f"there is no function {name!r}; {advice}")
    _explain(known[wanted])


def _list_by_family(known: list[Function]) -> None:
    for family, members in groupby(known, key=lambda function: function.family):
        click.secho(family, bold=True)
        for function in members:
            click.echo(f"  {click.style(function.signature, fg='cyan')}  [{function.kind}]")
            click.echo(f"      {' '.join(function.summary.split())}")


def _explain(function: Function) -> None:
    click.secho(f"omopsql.{function.signature}", fg="cyan")
    click.echo(f"{function.family}, {function.kind}\n")
    click.echo(function.description)
    for example in function.examples:
        click.echo(f"\n{click.style('Example:', bold=True)} {example.sql}")
        if example.result is not None:
            click.echo(f"Answer:  {example.result}")
