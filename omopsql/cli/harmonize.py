"""``omopsql harmonize``: a hospital's source becomes a CDM."""

from __future__ import annotations

import time
from pathlib import Path

import click

from .connection import connected
from .report import show_table
from .watch import watched_steps


@click.command(short_help="Make an OMOP CDM of a source.")
@click.argument("adapter")
@click.argument("source")
@click.option(
    "--vocabulary",
    metavar="FOLDER",
    envvar="OMOPSQL_VOCABULARY",
    show_envvar=True,
    required=True,
    help="What `omopsql vocabulary load` made.",
)
@click.option(
    "-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), required=True, help="Where the CDM goes."
)
@click.option(
    "--cdm-version", type=click.Choice(["5.3", "5.4"]), default="5.4", show_default=True, help="Which CDM to make."
)
@click.option("--strict", is_flag=True, help="Fail, and change nothing, when a row is set aside or a code is unknown.")
def harmonize(adapter: str, source: str, vocabulary: str, output: Path, cdm_version: str, strict: bool) -> None:
    """Make an OMOP CDM of SOURCE by the SQL files of ADAPTER.

    ADAPTER is one that comes with omopsql, or the path of a folder of your own. SOURCE is a folder of CSV, Parquet or
    NDJSON files, a DuckDB file, or postgresql://user@host/database. The CDM appears complete or not at all; what
    became of every source row is told at the end, and by omopsql.harmonize_report in SQL.

    \b
    Example:
      omopsql harmonize demo omopsql_demo/source --vocabulary omopsql_demo/vocabulary -o cdm/
      omopsql query "FROM omopsql.harmonize_report('omopsql_demo/cdm')"
    """  # noqa: D301 (click reads \b)
    from omopsql.harmonize.run import harmonize as run

    begun = time.monotonic()
    with connected(None) as con:
        done = watched_steps(
            con,
            lambda tell: run(adapter, source, vocabulary, output, cdm_version, strict, progress=tell, con=con),
            f"Harmonizing {source}",
        )
    heads = [name.replace("_", " ") for name in done.report.column_names]
    show_table(heads, zip(*(column.to_pylist() for column in done.report.columns), strict=True))
    filled = sum(n > 0 for n in done.rows.values())
    click.echo(
        f"Wrote {sum(done.rows.values()):,} rows in {filled} tables to {output} in {time.monotonic() - begun:.1f} s",
        err=True,
    )
