"""``omopsql evaluate``: is synthetic data faithful, useful, private and fair? A table, a page, and an exit code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .connection import connected
from .failures import Failure
from .files import refuse_overwriting
from .options import assignments, check_folder_of, database_option, policy_option
from .report import show_table
from .watch import watched_steps

if TYPE_CHECKING:
    from omopsql.evaluate.run import Evaluated

_SHOWN = 8  # pieces of evidence of one rule on a terminal
FAIL_ON = ("none", "no", "care")


def _report_folder(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a folder that is no earlier report, before any work begins."""
    if value is None:
        return None
    if value.exists() and not value.is_dir():
        raise click.BadParameter(f"{value} is a file; give the name of a folder to write")
    if value.is_dir() and any(value.iterdir()) and not (value / "evaluation.json").is_file():
        raise click.BadParameter(f"{value} holds other files; give the name of a new folder, or of an earlier report")
    check_folder_of(value)
    return value


@click.command(short_help="Judge synthetic data: fidelity, utility, privacy, fairness.")
@click.argument("real")
@click.argument("synthetic")
@click.option("--holdout", metavar="SOURCE", help="Real data that the generator never saw. Most attacks need it.")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    callback=_report_folder,
    help="Write index.html for a reader, metrics.parquet and evaluation.json for tools.",
)
@click.option("--outcome", metavar="SQL", help="What to predict: of a table, 'age > 60 AND died'; of a CDM, a SELECT.")
@click.option(
    "--follow-up", metavar="COLUMN", help="Of a table: the time of follow-up, for a Cox regression of the outcome."
)
@click.option(
    "--cohort",
    "cohorts",
    metavar="NAME=SQL",
    multiple=True,
    callback=assignments(at="first"),
    help="A cohort to count on both sides. May be repeated.",
)
@click.option("--by", metavar="COLUMN", multiple=True, help="Subgroups to compare, such as sex. May be repeated.")
@click.option("--person", metavar="COLUMN", help="Of a table: the key of a person, which is not compared.")
@click.option("--known", metavar="COLUMNS", help="What an attacker knows, as 'sex, birth_year'. Default: every column.")
@click.option("--secret", metavar="COLUMNS", help="What an attacker wants to learn. Default: each column.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of samples and splits.")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    default="none",
    show_default=True,
    help="End with exit code 1 when the advice is not to use the data (no), or to take care (care); with either also "
    "when --policy is not met.",
)
@policy_option("Also judge the numbers by the attacks, metrics and advice that this policy asks for.")
@database_option("A DuckDB file; REAL, SYNTHETIC and --holdout may then be its tables or schemas.")
def evaluate(
    real: str,
    synthetic: str,
    holdout: str | None,
    output: Path | None,
    outcome: str | None,
    follow_up: str | None,
    cohorts: dict[str, str],
    by: tuple[str, ...],
    person: str | None,
    known: str | None,
    secret: str | None,
    seed: int,
    fail_on: str,
    policy: Path | None,
    database: Path | None,
) -> None:
    """Compare SYNTHETIC data with the REAL ones they were made from, attack them, and say when not to use them.

    Both are a file, a table or view of --database, or a CDM: a folder or a schema.

    \b
    Example:
      omopsql evaluate patients.csv synthetic.csv --holdout unseen.csv -o report/
      omopsql evaluate patients.csv synthetic.csv --outcome diabetes --by sex --policy policy.yaml
      omopsql evaluate omopsql_demo/cdm omopsql_demo/synthetic/cdm -o report/ --by gender_concept_id

    \b
    Exit codes:
      0  evaluated
      1  the advice is one that --fail-on names, --policy is not met, or the data or a file is wrong
      2  the command was typed wrong
    """  # noqa: D301 (click reads \b)
    from omopsql.evaluate import run

    for source in (real, synthetic, holdout, None if database is None else str(database)):
        if output is not None and source is not None:
            refuse_overwriting(output, source)
    asked = run.Asked(real, synthetic, holdout, person, outcome, follow_up, cohorts, by, known, secret, seed)
    asked = replace(asked, policy=None if policy is None else str(policy))
    with connected(database, read_only=True) as con:
        if output is None:
            evaluated = watched_steps(con, lambda tell: run.evaluate(con, asked, tell), f"Evaluating {synthetic}")
        else:
            with _completed_folder(output) as part:

                def work(tell: run.Tell) -> Evaluated:
                    found = run.evaluate(con, asked, tell)
                    run.write(con, asked, found, part, tell)
                    return found

                evaluated = watched_steps(con, work, f"Evaluating {synthetic}")
    _show(evaluated)
    if output is not None:
        click.echo(f"Wrote {output}; open {output / run.PAGE}", err=True)
    if fail_on != "none" and evaluated.unmet:
        n = len(evaluated.unmet)
        raise Failure(f"the policy is not met for {n} reason{'s' * (n > 1)} (--fail-on {fail_on})")
    if fail_on != "none" and evaluated.worst in ("no", fail_on):
        raise Failure(f"the advice is {evaluated.worst} (--fail-on {fail_on})")


@contextmanager
def _completed_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to write to. It takes the target's place when all went well, else it goes."""
    target = target.resolve()
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        if target.exists():
            shutil.rmtree(target)
        part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _show(evaluated: Evaluated) -> None:
    """Show the headlines, then the advice."""
    from omopsql.evaluate.advice.rules import by_rule
    from omopsql.evaluate.verdicts import kinds

    rows = [
        (
            row["family"],
            " ".join(filter(None, (row["metric"], row["table_name"]))),
            _number(row["value"]),
            _number(row["reference"]),
            row["verdict"],
        )
        for row in evaluated.rows.to_pylist()
        if kinds()[row["metric"]].is_headline and row["subject"] == ""
    ]
    show_table(("family", "metric", "value", "reference", "verdict"), rows)
    for of_rule in by_rule(evaluated.advice):
        click.echo(f"{of_rule[0].advice}: {of_rule[0].words}")
        told = [one.about for one in of_rule if one.about]
        for about in told[:_SHOWN]:
            click.echo(f"  {about}")
        if len(told) > _SHOWN:
            click.echo(f"  and {len(told) - _SHOWN} more; -o FOLDER writes all of them")
    if evaluated.policy is not None:
        click.echo(f"policy: {'not met' if evaluated.unmet else 'met'}, as far as an evaluation can tell")
        for reason in evaluated.unmet:
            click.echo(f"  {reason}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
