"""``omopsql policy``: what may be learned, and what a release must pass: a commented default, and what it means."""

from __future__ import annotations

from pathlib import Path

import click

from .connection import connected
from .failures import Failure
from .options import database_option, output_option


@click.group(short_help="Say what may be learned, and what a release must pass.")
def policy() -> None:
    """Write a policy, or say in words what one means.

    A policy is a file of YAML that fit, evaluate and publish read: which tables, columns and concepts may be learned,
    how few persons a number may be over, and what a release must pass.

    \b
    Example:
      omopsql policy init -o my_policy.yaml
      omopsql policy check policy.yaml
    """  # noqa: D301 (click reads \b)


@policy.command(short_help="Write the commented default.")
@output_option(".yaml", ".yml", required=True, use="The policy to write; an older file is not replaced.")
def init(output: Path) -> None:
    """Write a commented policy, to be changed with any editor.

    \b
    Example:
      omopsql policy init -o my_policy.yaml
    """  # noqa: D301 (click reads \b)
    from omopsql.sql_files import sql_folder

    if output.exists():
        raise Failure(f"{output} is there already, and may be in force; give another name, or move it away")
    output.write_text(sql_folder("publish").joinpath("policy.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    click.echo(f"Wrote {output}\nNext: omopsql policy check {output} --cdm cdm/", err=True)


@policy.command(short_help="Explain a policy, and what it leaves out of a source.")
@click.argument("file", metavar="POLICY")
@click.option("--cdm", metavar="CDM", help="A CDM, a folder or a schema: what would be left out of it?")
@click.option("--source", metavar="SOURCE", help="A flat table: what would be left out of it?")
@click.option("--vocabulary", metavar="FOLDER", help="Where descendants are looked up, if the CDM has no vocabulary.")
@database_option("A DuckDB file; --cdm and --source may then be its schemas and tables.")
def check(file: str, cdm: str | None, source: str | None, vocabulary: str | None, database: Path | None) -> None:
    """Say in words what POLICY allows to be learned, and what a release must pass.

    The sentences go to the standard output. A file that is not wholly understood is refused, with the line and what
    to write instead.

    \b
    Example:
      omopsql policy check policy.yaml
      omopsql policy check policy.yaml --cdm omopsql_demo/cdm
      omopsql policy check policy.yaml --source patients.csv
    """  # noqa: D301 (click reads \b)
    asked = {"policy": file, "cdm": cdm, "source": source, "vocabulary": vocabulary}
    named = ", ".join(f"{name} := ${name}" for name, given in asked.items() if given is not None)
    with connected(database, read_only=True) as con:
        given = {name: value for name, value in asked.items() if value is not None}
        lines = con.execute(f"FROM omopsql.policy_check({named})", given).fetchall()
    before = ""
    for about, words in lines:
        click.echo(("" if about == before else f"{about}\n") + f"  {words}")
        before = about
