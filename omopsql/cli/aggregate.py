"""``omopsql aggregate``: masked files are added up, unseen."""

from __future__ import annotations

from pathlib import Path

import click

from .files import completed
from .options import output_option
from .site import members, sorted_out


@click.command(short_help="Add up masked files, unseen.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@members
@click.option(
    "--without", multiple=True, metavar="NAME", help="Go on without a site that dropped out. May be repeated."
)
@output_option(".total", required=True, use="The total to write; any site unmasks it.")
def aggregate(
    files: tuple[Path, ...], private: Path | None, cards: tuple[Path, ...], without: tuple[str, ...], output: Path
) -> None:
    """Add up FILES, the masked files of all sites of one round. The total is masked still, and shows nothing.

    Whoever adds up is one of the sites, or has keys of `omopsql site init --aggregator`.

    \b
    Example:
      omopsql aggregate north.masked south.masked east.masked --cards *.card -o all.total
    """  # noqa: D301 (click reads \b)
    from omopsql.federate import acts

    own, study, masked = sorted_out(private, cards, files)
    with completed(output) as part:
        names = acts.aggregate(masked, own, study, part, without)
    click.echo(f"Added {', '.join(names)} into {output}, which any of the sites can unmask", err=True)
