"""``omopsql check``: what OHDSI's checks say of a CDM, for the terminal, for tools, for a steward, and for CI."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .connection import connected
from .failures import Failure
from .files import completed, refuse_overwriting
from .options import check_file, database_option
from .watch import watched_steps

if TYPE_CHECKING:
    from omopsql.quality.report.checked_cdm import CheckedCdm, Tell

SUFFIXES = (".html", ".json", ".csv", ".parquet")
FAIL_ON = ("none", "fatal", "convention", "characterization", "error")
_SHOWN = 40  # failures on a terminal; a pipe gets them all


def _writable(ctx: click.Context, param: click.Parameter, outputs: tuple[Path, ...]) -> tuple[Path, ...]:
    """Refuse files that could not be written, before any work begins."""
    for output in outputs:
        if output.suffix.lower() not in SUFFIXES:
            raise click.BadParameter(f"{output} must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
        check_file(output)
    twice = [output for output, times in Counter(path.resolve() for path in outputs).items() if times > 1]
    if twice:
        raise click.BadParameter(f"{twice[0]} is given twice")
    return outputs


@click.command(short_help="Check an OMOP CDM by OHDSI's rules.")
@click.argument("cdm", type=click.Path())
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    callback=_writable,
    help="Write the results: .html for a steward, .json for DataQualityDashboard's viewer and Ares, .csv or .parquet "
    "for SQL. May be repeated.",
)
@click.option("--cdm-version", type=click.Choice(["5.3", "5.4"]), help="Default: what cdm_source tells, else 5.4.")
@click.option(
    "--vocabulary",
    metavar="FOLDER",
    envvar="OMOPSQL_VOCABULARY",
    show_envvar=True,
    help="The vocabulary's tables that the CDM lacks.",
)
@click.option(
    "--thresholds",
    metavar="FILE",
    type=click.Path(),
    help="A table or file with a column threshold, and checkId or check_name.",
)
@click.option(
    "--checks",
    metavar="FOLDER",
    type=click.Path(),
    help="Your own checks: thresholds.csv, and a SQL file for each kind.",
)
@click.option("--today", metavar="DATE", help="The day that no date may lie after, as 2026-12-31. Default: today.")
@click.option("--name", help="What the data source is called. Default: what cdm_source tells.")
@click.option(
    "--examples",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Rows to show of each failed check in the .html. They are patients' data.",
)
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    multiple=True,
    default=("none",),
    show_default=True,
    help="End with exit code 1 when a check of this severity or a worse one failed; error: when one could not be "
    "answered. May be repeated.",
)
@database_option("A DuckDB file; CDM may then be one of its schemas.")
def check(
    cdm: str,
    outputs: tuple[Path, ...],
    cdm_version: str | None,
    vocabulary: str | None,
    thresholds: str | None,
    checks: str | None,
    today: str | None,
    name: str | None,
    examples: int,
    fail_on: tuple[str, ...],
    database: Path | None,
) -> None:
    """Answer every check of OHDSI's DataQualityDashboard on CDM, and say what failed.

    CDM is a folder of Parquet or CSV files, or a schema of --database. What failed stands on stdout, the worst first.

    \b
    Example:
      omopsql check omopsql_demo/cdm --vocabulary omopsql_demo/vocabulary
      omopsql check omopsql_demo/cdm -o quality.html -o quality.json
      omopsql check main --database hospital.duckdb -o quality.parquet

    \b
    Exit codes:
      0  checked
      1  checks failed that --fail-on names, or the CDM or a file is wrong
      2  the command was typed wrong
    """  # noqa: D301 (click reads \b)
    from omopsql.quality.asked import Asked
    from omopsql.quality.report import summary
    from omopsql.quality.report.checked_cdm import check_and_time

    _refuse(cdm, outputs, examples, database)
    asked = Asked(cdm, cdm_version, vocabulary, thresholds, checks, today)
    with ExitStack() as opened:
        con = opened.enter_context(connected(database, read_only=True))
        with ExitStack() as written:
            parts = {output: written.enter_context(completed(output)) for output in outputs}

            def work(tell: Tell) -> CheckedCdm:
                checked = check_and_time(con, asked, name)
                for output, part in parts.items():
                    tell(f"Writing {output}")
                    _write(checked, output.suffix.lower(), part, examples, tell)
                return checked

            checked = watched_steps(con, work, f"Checking {cdm}")
        click.echo(summary.as_text(checked, _SHOWN if sys.stdout.isatty() else None), nl=False)
        _tell_what_was_written(checked, outputs, examples)
        _fail(checked, fail_on)


def _refuse(cdm: str, outputs: Iterable[Path], examples: int, database: Path | None) -> None:
    for output in outputs:
        for source in (cdm, database):
            if source is not None:
                refuse_overwriting(output, str(source))
    if examples and not any(output.suffix.lower() == ".html" for output in outputs):
        raise click.UsageError("--examples needs -o FILE.html: only the page shows rows")


def _write(checked: CheckedCdm, suffix: str, part: Path, examples: int, tell: Tell) -> None:
    from omopsql.quality.report import dashboard_json, page

    if suffix == ".html":
        page.write_page(checked, part, examples, tell)
    elif suffix == ".json":
        dashboard_json.write_json(checked, part)
    else:
        _write_rows(checked, suffix, part)


def _write_rows(checked: CheckedCdm, suffix: str, part: Path) -> None:
    """Write the rows of check_cdm."""
    from omopsql.quality.results import to_table

    rows = checked.cdm.cursor.from_arrow(to_table(checked.cdm.cursor, checked.judgements))
    if suffix == ".csv":
        rows.write_csv(str(part), header=True)
    else:
        rows.write_parquet(str(part))


def _tell_what_was_written(checked: CheckedCdm, outputs: Iterable[Path], examples: int) -> None:
    click.echo(f"Checked {checked.asked.cdm} in {checked.seconds:.1f} s", err=True)
    for output in outputs:
        click.echo(f"Wrote {output}", err=True)
        if examples and output.suffix.lower() == ".html":
            click.echo(f"Warning: {output} holds rows of patients; keep it where you keep the CDM", err=True)


def _fail(checked: CheckedCdm, fail_on: Iterable[str]) -> None:
    """End with exit code 1 when there is what --fail-on names."""
    from omopsql.quality.report.overview import Status, severity_rank, status

    for level in fail_on:
        if level == "error":
            found = [one for one in checked.judgements if status(one) is Status.ERROR]
        else:
            found = [
                one
                for one in checked.judgements
                if status(one) is Status.FAILED and severity_rank(one.check.kind.severity) <= severity_rank(level)
            ]
        if found and level != "none":
            what = "could not be answered" if level == "error" else "failed"
            raise Failure(f"{len(found):,} check{'s' * (len(found) != 1)} {what} (--fail-on {level})")
