"""``omopsql demo``: everything at once, on a simulated hospital."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .connection import connected
from .report import show_table
from .watch import watched_steps

if TYPE_CHECKING:
    import duckdb

    from omopsql.demo import Made

_BIGINT = 2**63


@click.command(short_help="Try everything on a simulated hospital.")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("omopsql_demo"),
    show_default=True,
    help="The folder to write. An older demo there is replaced at the end.",
)
@click.option("--patients", type=click.IntRange(min=1), default=2000, show_default=True, help="How many patients.")
@click.option(
    "--seed",
    type=click.IntRange(-_BIGINT, _BIGINT - 1),
    default=1,
    show_default=True,
    help="The same seed gives the same hospital, on any machine.",
)
def demo(output: Path, patients: int, seed: int) -> None:
    """Simulate a hospital, and make an OMOP CDM of its extracts.

    FOLDER/source holds what the hospital hands over, with the faults of real extracts; FOLDER/vocabulary the concepts
    that its codes mean; FOLDER/cdm the CDM. No data are needed, and none leave the machine: no real person is in it.

    \b
    Example:
      omopsql demo
      omopsql demo -o small_hospital --patients 100 --seed 7
    """  # noqa: D301 (click reads \b)
    from omopsql.demo import make

    begun = time.monotonic()
    with connected(None) as con:
        made = watched_steps(con, lambda tell: make(output, patients, seed, con, tell), f"Making {output}")
        _tell_what_was_made(output, made)
        _tell_what_became_of_rows(con, output / "cdm")
    click.echo(f"\nDone in {time.monotonic() - begun:.1f} s. Next:", err=True)
    for sql in _next_queries(output):
        click.echo(f"  omopsql query {_quoted(sql)}", err=True)
    cdm, vocabulary = (_quoted(str(output / name)) for name in ("cdm", "vocabulary"))
    click.echo(f"  omopsql check {cdm} --vocabulary {vocabulary} -o quality.html", err=True)
    model = output / "synthetic" / "model.parquet"
    if model.exists():  # there are patients enough to learn from
        click.echo(f"  omopsql synthesize {_quoted(str(model))} --persons 2000 -o synthetic/", err=True)


def _tell_what_was_made(output: Path, made: list[Made]) -> None:
    show_table(
        ("made", "where", "rows", "seconds"),
        [(step.what, str(output / step.folder), step.rows, step.seconds) for step in made],
    )


def _tell_what_became_of_rows(con: duckdb.DuckDBPyConnection, cdm: Path) -> None:
    """Sum the report up: one line for each table of the source."""
    from omopsql.quoting import literal

    lines = con.execute(
        f"""
        SELECT
            source_table,
            sum(rows) AS rows,
            sum(CASE outcome WHEN 'mapped' THEN rows ELSE 0 END) AS mapped,
            sum(CASE outcome WHEN 'unmapped' THEN rows ELSE 0 END) AS unmapped,
            sum(CASE outcome WHEN 'set aside' THEN rows ELSE 0 END) AS set_aside
        FROM omopsql.harmonize_report({literal(str(cdm))})
        WHERE outcome <> 'note'
        GROUP BY source_table
        ORDER BY source_table
        """
    ).fetchall()
    click.echo(err=True)
    show_table(("source table", "rows", "mapped", "unmapped", "set aside"), lines)


def _quoted(sql: str) -> str:
    """Quote SQL for the shell, in double quotes where that can be: SQL is full of single ones."""
    return shlex.quote(sql) if set(sql) & set('"$`\\!') else f'"{sql}"'


def _next_queries(output: Path) -> list[str]:
    """Two questions to begin with: what the persons suffer from, and why rows were set aside."""
    from omopsql.quoting import literal

    conditions = literal(str(output / "cdm" / "condition_occurrence.parquet"))
    concepts = literal(str(output / "vocabulary" / "concept.csv"))
    return [
        f"SELECT concept_name, count(DISTINCT person_id) AS persons FROM {conditions} "
        f"JOIN {concepts} ON concept_id = condition_concept_id GROUP BY ALL ORDER BY persons DESC LIMIT 10",
        f"FROM omopsql.harmonize_report({literal(str(output / 'cdm'))}) WHERE outcome <> 'mapped'",
    ]
