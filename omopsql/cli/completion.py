"""``omopsql completion``: the script that lets a shell complete verbs, options and function names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    Example:
      omopsql completion bash > ~/.local/share/bash-completion/completions/omopsql
      omopsql completion zsh > ~/.zfunc/_omopsql
      omopsql completion fish > ~/.config/fish/completions/omopsql.fish
    """  # noqa: D301 (click reads \b)
    script = get_completion_class(shell)
    assert script is not None  # click.Choice allows only those that click knows
    click.echo(script(ctx.find_root().command, {}, "omopsql", "_OMOPSQL_COMPLETE").source())
