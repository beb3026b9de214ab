"""``omopsql fit``: a table becomes a model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .connection import connected
from .files import completed, refuse_overwriting
from .options import assignments, database_option, output_option, struct
from .watch import watched

if TYPE_CHECKING:
    import duckdb

METHODS = ("auto", "copula", "tree", "independent")
KINDS = ("number", "category", "identifier", "skip")


@click.command(short_help="Learn a table: write its model.")
@click.argument("source")
@output_option(".parquet", required=True, use="The model to write.")
@click.option(
    "--method", type=click.Choice(METHODS), default="auto", show_default=True, help="How columns hang together."
)
@click.option(
    "--min-cell",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Release no statistic over fewer rows than this.",
)
@click.option(
    "--column",
    "columns",
    metavar="NAME=KIND",
    multiple=True,
    callback=assignments(at="last", values=KINDS),
    help=f"What to take a column for: {', '.join(KINDS)}. May be repeated.",
)
@database_option("A DuckDB file; SOURCE may then be one of its tables.")
def fit(source: str, output: Path, method: str, min_cell: int, columns: dict[str, str], database: Path | None) -> None:
    """Learn the table SOURCE and write its model, a Parquet file of counts without any row of the data.

    SOURCE is a Parquet, CSV or JSON file, a glob, or a folder of Parquet files.

    \b
    Example:
      omopsql fit patients.csv -o model.parquet
      omopsql fit patients.csv -o model.parquet --column 'postal code=category' --column remarks=skip
      omopsql fit person --database hospital.duckdb -o person_model.parquet
    """  # noqa: D301 (click reads \b)
    from omopsql.quoting import literal

    refuse_overwriting(output, source)
    with connected(database, read_only=True) as con:
        learn = (
            f"FROM omopsql.copula_fit({literal(source)}, columns := {struct(columns)}, "
            f"method := {literal(method)}, min_cell := {min_cell})"
        )
        with completed(output) as part:
            write = f"COPY ({learn}) TO {literal(str(part))} (FORMAT parquet)"
            watched(con, lambda: con.execute(write), f"Learning {source}")
        rows = _tell(con, output)
    command = ["omopsql", "synthesize", str(output), "-n", str(rows), "--seed", "42", "-o", "synthetic.parquet"]
    click.echo(f"Next: {shlex.join(command)}", err=True)


def _tell(con: duckdb.DuckDBPyConnection, model: Path) -> int:
    """Say on stderr what a model learned, in its own words. Returns how many rows it was learned from."""
    from omopsql.quoting import literal

    lines = con.execute(
        f"SELECT statistic, columns, description, n FROM omopsql.copula_describe({literal(str(model))})"
    ).fetchall()
    rows = next(n for statistic, _, _, n in lines if statistic == "model")
    columns = [(names[0], words) for statistic, names, words, _ in lines if statistic == "column"]
    click.echo(f"Learned {rows:,} rows and {len(columns)} columns into {model}", err=True)
    for statistic, _, words, _ in lines:
        if statistic == "model":
            click.echo(f"  {words}", err=True)
    for name, words in columns:
        if "comes back" in words:  # as fresh keys or as NULL: not learned
            click.echo(f"  {name}: {words}", err=True)
    return int(rows)
