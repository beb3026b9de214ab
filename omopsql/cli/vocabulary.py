"""``omopsql vocabulary``: what to do with the OMOP vocabularies."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from .connection import connected
from .watch import watched


@click.group(short_help="Prepare the OMOP vocabularies.")
def vocabulary() -> None:
    """Prepare the OMOP vocabularies, downloaded from https://athena.ohdsi.org, for every other verb.

    \b
    Example:
      omopsql vocabulary load athena_download/ -o vocabulary/
    """  # noqa: D301 (click reads \b)


@vocabulary.command(short_help="Check a download and write it as Parquet.")
@click.argument("athena", metavar="ATHENA_DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="VOCAB",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder to write. An older vocabulary there is replaced at the end.",
)
def load(athena: Path, output: Path) -> None:
    """Check the vocabulary files in ATHENA_DIR and write them as sorted Parquet.

    ATHENA_DIR is an unpacked Athena download, or holds CSV or Parquet files of the same tables. CONCEPT and
    CONCEPT_RELATIONSHIP are needed.

    \b
    Example:
      omopsql vocabulary load athena_download/ -o vocabulary/
      OMOPSQL_VOCABULARY=vocabulary omopsql query "FROM omopsql.concept(201826)"
    """  # noqa: D301 (click reads \b)
    from omopsql.harmonize.current_vocabulary import VARIABLE
    from omopsql.harmonize.vocabulary_load import load_vocabulary

    with connected(None) as con:
        loaded = watched(con, lambda: load_vocabulary(con, athena, output), f"Loading {athena}")
    for name, rows in loaded.rows.items():
        click.echo(f"{rows:>14,}  {name}", err=True)
    for note in loaded.notes:
        click.echo(f"Note: {note}", err=True)
    click.echo(f"Wrote {output}", err=True)
    click.echo(
        f"Next: {VARIABLE}={shlex.quote(str(output))} omopsql query "
        "\"SELECT omopsql.standard_concept('ICD10CM', 'E11.9')\"",
        err=True,
    )
