"""``omopsql query``: SQL with every omopsql function, its result as a table, CSV, JSON or Parquet."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .connection import connected
from .files import completed, refuse_overwriting
from .options import database_option, output_option
from .watch import watched

if TYPE_CHECKING:
    import duckdb

_COMMENT = re.compile(r"--(?![a-z]+(=|$))")
FORMATS = ("table", "csv", "json", "parquet")


class SqlCommand(click.Command):
    """A command whose argument may begin with a comment: ``-- patients`` is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a blank before a comment, so that it does not begin like an option."""
        return super().parse_args(ctx, [f" {text}" if _COMMENT.match(text) else text for text in args])


@click.command(cls=SqlCommand, short_help="Run SQL and show its result.")
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: as the name of -o ends, else a table.")
@output_option(required=False, use="Write the result to a file. Needed for parquet.")
@database_option("The DuckDB file to work on; without it, an empty database in memory.")
def query(sql: str, form: str | None, output: Path | None, database: Path | None) -> None:
    """Run SQL and show the result of its last statement.

    A file stands in FROM like a table. Several statements are separated by semicolons.

    \b
    Example:
      omopsql query "SELECT count(*) FROM 'patients.csv'"
      omopsql query "SELECT sex, avg(age) FROM 'synthetic.parquet' GROUP BY sex" --format csv
      omopsql query "FROM person" --database hospital.duckdb -o person.parquet
    """  # noqa: D301 (click reads \b)
    form = form or _format_of(output)
    if form == "parquet" and output is None:
        raise click.UsageError("--format parquet needs -o FILE: a terminal cannot show it")
    if output is not None and database is not None:
        refuse_overwriting(output, str(database))
    with connected(database) as con:
        if not con.extract_statements(sql):
            raise click.BadParameter("there is no statement in it", param_hint="'SQL'")
        if output is None:
            _show(con, sql, form)
        else:
            with completed(output) as part:
                _write(con, sql, form, part)


def _format_of(output: Path | None) -> str:
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    return suffix if suffix in FORMATS else "table"


def _show(con: duckdb.DuckDBPyConnection, sql: str, form: str) -> None:
    """Write the result to stdout. A bar would run into rows that stream to the same terminal."""
    from . import results

    def read() -> str | None:
        relation = results.run(con, sql)
        if relation is None:
            return None
        if form == "table":
            return results.as_table(relation, sys.stdout)
        results.WRITERS[form](relation, sys.stdout.buffer)
        return None

    text = watched(con, read, "Running", bar=form == "table" or not sys.stdout.isatty())
    if text is not None:
        click.echo(text, nl=False)


def _write(con: duckdb.DuckDBPyConnection, sql: str, form: str, part: Path) -> None:
    from omopsql import OmopsqlError

    from . import results

    def write() -> None:
        relation = results.run(con, sql)
        if relation is None:
            raise OmopsqlError("the last statement answers no rows, so there is nothing to write; leave -o out")
        if form == "parquet":
            relation.write_parquet(str(part))
        elif form == "table":
            part.write_text(results.as_table(relation), encoding="utf-8")
        else:
            with part.open("wb") as file:
                results.WRITERS[form](relation, file)

    watched(con, write, "Running")
