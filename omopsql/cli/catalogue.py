"""``omopsql catalogue``: releases as a static site that people search and explore and that catalogues harvest."""

from __future__ import annotations

from pathlib import Path

import click

from .connection import connected
from .options import check_folder_of
from .watch import watched_steps

AUTO, REQUIRED, NONE = "auto", "required", "none"


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    if not value.startswith(("https://", "http://")):
        raise click.BadParameter(f"{value} is no address of a site; say https://…")
    return value.rstrip("/") + "/"


def _site_folder(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    check_folder_of(value)
    return value


@click.command(short_help="Make a static site of releases: search, reports, SQL in the browser.")
@click.argument(
    "releases",
    metavar="RELEASE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    callback=_site_folder,
    help="The site. An earlier site there is replaced when the new one is complete.",
)
@click.option("--title", default="Synthetic data sets", show_default=True, help="What the catalogue is called.")
@click.option("--publisher", metavar="NAME", help="Who publishes it. Default: the publisher of all data sets.")
@click.option("--url", callback=_address, help="Where the site will stand: for links in its feed, sitemap and records.")
@click.option(
    "--explorer",
    metavar="auto|required|none|PATH",
    default=AUTO,
    show_default=True,
    help="DuckDB-WASM for SQL in the browser: the npm package, packed or unpacked; auto fetches it once, "
    "and goes without when it cannot; required fails then.",
)
@click.option("--open-all", is_flag=True, help="Lay open all data, of restricted releases too: only for a closed site.")
@click.option(
    "--most-rows",
    type=click.IntRange(min=1000),
    default=2_000_000,
    show_default=True,
    help="Rows of a table that the explorer holds; of larger ones it holds a share of the persons.",
)
def catalogue(
    releases: tuple[Path, ...],
    output: Path,
    title: str,
    publisher: str | None,
    url: str | None,
    explorer: str,
    open_all: bool,
    most_rows: int,
) -> None:
    """Make a static site of RELEASES, folders that omopsql publish wrote: several data sets, several versions.

    The site has a search, a page for each data set with its reports, licence and checksums, and SQL in the browser on
    data that are public. It works from a folder as from any server of files, and asks no network for anything.

    \b
    Example:
      omopsql catalogue release/ -o site/
      omopsql catalogue releases/* -o site/ --title "Example Hospital" --url https://data.example.org/
      npm pack @duckdb/duckdb-wasm@1.32.0   # where there is a network
      omopsql catalogue releases/* -o site/ --explorer duckdb-duckdb-wasm-1.32.0.tgz

    \b
    Exit codes:
      0  the site is written
      1  a folder is no release, or a file is not what its manifest says
      2  the command was typed wrong
    """  # noqa: D301 (click reads \b)
    from omopsql.publish.catalogue import site

    engine = _engine(explorer)
    asked = site.Asked(releases, title, publisher, url, open_all, most_rows)
    with connected(None) as con:
        built = watched_steps(con, lambda tell: site.build(con, asked, output, engine, tell), f"Writing {output}")
    sets = f"{built.data_sets:,} data set{'' if built.data_sets == 1 else 's'}"
    explored = f"{built.explorers:,} with SQL in the browser" if engine else "without SQL in the browser"
    click.echo(f"Wrote {output}: {sets}, {explored}; open {output / 'index.html'}", err=True)


def _engine(explorer: str) -> dict[str, bytes]:
    """Get DuckDB-WASM as was asked; without it, say so and go on where that is allowed."""
    from omopsql import OmopsqlError
    from omopsql.publish.catalogue.engine import engine_files

    if explorer == NONE:
        return {}
    if explorer not in (AUTO, REQUIRED):
        return engine_files(Path(explorer))
    try:
        return engine_files()
    except OmopsqlError as error:
        if explorer == REQUIRED:
            raise
        click.echo(f"No SQL in the browser: {error}", err=True)
        return {}
