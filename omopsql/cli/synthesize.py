"""``omopsql synthesize``: a model becomes rows."""

from __future__ import annotations

from pathlib import Path

import click

from .connection import connected
from .files import completed, refuse_overwriting
from .options import assignments, database_option, output_option, struct
from .watch import watched

_FORMATS = {".parquet": "FORMAT parquet", ".csv": "FORMAT csv, HEADER"}
_BIGINT = 2**63


@click.command(short_help="Write synthetic rows from a model.")
@click.argument("model")
@click.option("-n", "rows", metavar="ROWS", type=click.IntRange(0, _BIGINT - 1), required=True, help="How many rows.")
@click.option(
    "--seed",
    type=click.IntRange(-_BIGINT, _BIGINT - 1),
    default=0,
    show_default=True,
    help="The same model and seed give the same rows, on any machine.",
)
@output_option(*_FORMATS, required=True, use="The file to write.")
@click.option(
    "--given",
    metavar="COLUMN=VALUE",
    multiple=True,
    callback=assignments(at="first"),
    help="Fix a column; the others follow as they do in such rows. May be repeated.",
)
@database_option("A DuckDB file; MODEL may then be one of its tables.")
def synthesize(model: str, rows: int, seed: int, output: Path, given: dict[str, str], database: Path | None) -> None:
    """Write synthetic rows from MODEL, which `omopsql fit` made.

    \b
    Example:
      omopsql synthesize model.parquet -n 100000 --seed 42 -o synthetic.parquet
      omopsql synthesize model.parquet -n 500 -o women.csv --given sex=F
    """  # noqa: D301 (click reads \b)
    from omopsql.quoting import literal

    refuse_overwriting(output, model)
    form = next(form for suffix, form in _FORMATS.items() if output.name.lower().endswith(suffix))
    with connected(database, read_only=True) as con:
        sample = f"FROM omopsql.copula_sample({literal(model)}, {rows}, seed := {seed}, given := {struct(given)})"
        with completed(output) as part:
            write = f"COPY ({sample}) TO {literal(str(part))} ({form})"
            watched(con, lambda: con.execute(write), f"Writing {output}")
    click.echo(f"Wrote {rows:,} rows to {output}", err=True)
