"""``omopsql merge``: what several hospitals learned becomes one model."""

from __future__ import annotations

from pathlib import Path

import click

from .connection import connected
from .files import completed, refuse_overwriting
from .options import output_option
from .watch import watched


@click.command(short_help="Add up the models of several hospitals.")
@click.argument("models", nargs=-1, required=True)
@output_option(".parquet", required=True, use="The model to write.")
@click.option("--for-merge", is_flag=True, help="Keep the sum exact and private: margins, or to be added further.")
def merge(models: tuple[str, ...], output: Path, for_merge: bool) -> None:
    """Add up MODELS that `omopsql fit` made of CDMs, or of tables, in any order.

    Fitted with --for-merge, they are exact: the sum equals a fit of all persons (or rows) together, and small cells are
    suppressed once, on the sum. All must have been counted by the same margins: docs/federation.md tells how, round by
    round. With --epsilon too, name the merged margins beside the files of the second round. Models of CDMs whose small
    cells are suppressed already are added as they are, and marked.

    Models of tables that were all fitted with --epsilon become one too: what leaves a site is protected already.

    \b
    Example:
      omopsql merge north.parquet south.parquet -o both.parquet
    """  # noqa: D301 (click reads \b)
    from omopsql.quoting import literal

    for model in models:
        refuse_overwriting(output, model)
    listed = ", ".join(map(literal, models))
    with connected(None) as con:
        with completed(output) as part:
            added = f"FROM omopsql.merge([{listed}], for_merge := {for_merge})"
            write = f"COPY ({added}) TO {literal(str(part))} (FORMAT parquet)"
            watched(con, lambda: con.execute(write), f"Merging into {output}")
        head = f"SELECT statistic, n FROM {literal(str(output))} WHERE statistic IN ('hospital', 'model', 'exact')"
        statistic, n = con.execute(head).fetchall()[0]
    counted = "persons" if statistic == "hospital" else "rows"
    click.echo(f"Added {len(models)} models of {n:,} {counted} into {output}", err=True)
