"""``omopsql fit``: a table, or a whole CDM, becomes a model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .connection import connected
from .files import completed, refuse_overwriting
from .options import assignments, database_option, output_option, policy_option, struct
from .watch import watched

if TYPE_CHECKING:
    import duckdb

    from omopsql.synth.hospital.sums import Header

METHODS = ("auto", "copula", "tree", "independent")
KINDS = ("number", "category", "identifier", "skip")
_OF_TABLES, _OF_HOSPITALS = ("method", "columns", "sites", "person", "rows_per_person"), ("vocabulary", "most_concepts")


@click.command(short_help="Learn a table or a CDM: write its model.")
@click.argument("source")
@output_option(".parquet", required=True, use="The model to write.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="auto",
    show_default=True,
    help="Of a table: how columns hang together.",
)
@click.option(
    "--min-cell",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Release no statistic over fewer rows, or persons, than this.",
)
@click.option(
    "--column",
    "columns",
    metavar="NAME=KIND",
    multiple=True,
    callback=assignments(at="last", values=KINDS),
    help=f"Of a table: what to take a column for: {', '.join(KINDS)}. May be repeated.",
)
@click.option(
    "--vocabulary",
    metavar="FOLDER",
    help="Of a CDM: where ancestors of rare concepts are looked up, if the CDM has no vocabulary.",
)
@policy_option("Learn only what this policy allows, with its floor for cells.")
@click.option("--epsilon", type=click.FloatRange(min=0, min_open=True), help="Hide every person by noise.")
@click.option(
    "--delta", type=click.FloatRange(0, 0.1, True, True), default=1e-6, show_default=True, help="With --epsilon."
)
@click.option("--person", metavar="COLUMN", help="Of a table, with --epsilon: the column that tells persons apart.")
@click.option(
    "--rows-per-person",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Of a table, with --epsilon: so many rows of each person count.",
)
@click.option(
    "--most-concepts",
    type=click.IntRange(min=2),
    default=48,
    show_default=True,
    help="Of a CDM, with --epsilon: so many concepts of each person count.",
)
@click.option("--for-merge", is_flag=True, help="Keep exact sums, private, to be added to other sites' only.")
@click.option("--margins-only", is_flag=True, help="Stop after the first round.")
@click.option("--margins", metavar="FILE", help="What all sites merged of the round before.")
@click.option(
    "--sites", type=click.IntRange(min=1), default=3, show_default=True, help="Of a table: how many sites merge."
)
@database_option("A DuckDB file; SOURCE may then be one of its tables, or a schema with a CDM.")
@click.pass_context
def fit(
    ctx: click.Context,
    source: str,
    output: Path,
    method: str,
    min_cell: int,
    columns: dict[str, str],
    vocabulary: str | None,
    policy: Path | None,
    epsilon: float | None,
    delta: float,
    person: str | None,
    rows_per_person: int,
    most_concepts: int,
    for_merge: bool,
    margins_only: bool,
    margins: str | None,
    sites: int,
    database: Path | None,
) -> None:
    """Learn SOURCE and write its model, a Parquet file of counts without any row of the data.

    SOURCE is a table: a Parquet, CSV or JSON file, a glob, or a folder of Parquet files. Or it is a whole CDM: a
    folder or a schema with a table person. Hospitals that learn a model together fit with --for-merge.

    \b
    Example:
      omopsql fit patients.csv -o model.parquet
      omopsql fit patients.csv -o model.parquet --column 'postal code=category' --column remarks=skip
      omopsql fit patients.csv --policy policy.yaml -o model.parquet
      omopsql fit person --database hospital.duckdb -o person_model.parquet
      omopsql fit patients.parquet -o model.parquet --epsilon 1
      omopsql fit omopsql_demo/cdm -o hospital_model.parquet
    """  # noqa: D301 (click reads \b)
    from omopsql.quoting import literal

    refuse_overwriting(output, source)
    asked = {"min_cell": str(min_cell)}
    asked |= {"policy": literal(str(policy))} if policy else {}
    asked |= {"for_merge": "true"} if for_merge else {}
    asked |= {"margins_only": "true"} if margins_only else {}
    asked |= {"margins": literal(margins)} if margins else {}
    if epsilon is not None:
        asked |= {"epsilon": f"{epsilon!r}::DOUBLE", "delta": f"{delta!r}::DOUBLE"}
    with connected(database, read_only=True) as con:
        is_cdm = _is_cdm(con, source)
        if is_cdm:
            _refuse(ctx, _OF_TABLES, f"{source} is a CDM, and this is for a single table")
            asked |= {"vocabulary": literal(vocabulary)} if vocabulary else {}
            asked |= {"most_concepts": str(most_concepts)} if epsilon is not None else {}
            learn = f"FROM omopsql.cdm_fit({literal(source)}, {_named(asked)})"
        else:
            _refuse(ctx, _OF_HOSPITALS, f"{source} is a single table, and this is for a CDM")
            asked |= {"columns": struct(columns), "method": literal(method), "sites": str(sites)}
            asked |= {"person": literal(person)} if person is not None else {}
            asked |= {"rows_per_person": str(rows_per_person)} if epsilon is not None else {}
            learn = f"FROM omopsql.copula_fit({literal(source)}, {_named(asked)})"
        with completed(output) as part:
            write = f"COPY ({learn}) TO {literal(str(part))} (FORMAT parquet)"
            watched(con, lambda: con.execute(write), f"Learning {source}")
        next_command = _told(con, output, is_cdm=is_cdm, for_merge=for_merge)
    if policy:
        _tell_policy(policy)
    click.echo(f"Next: {shlex.join(['omopsql', *next_command])}", err=True)


def _tell_policy(path: Path) -> None:
    """Say on stderr under which policy a model was learned, and where to read what that means."""
    from omopsql.publish.policy import read_policy

    policy = read_policy(path)
    click.echo(
        f"  under {path}, sha256 {policy.sha256}; `omopsql policy check {shlex.quote(str(path))}` explains it", err=True
    )


def _is_cdm(con: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Whether a folder or schema holds a table person. A table of that name comes first."""
    from omopsql import OmopsqlError
    from omopsql.harmonize.cdm_source import cdm_relations

    try:
        return "person" in cdm_relations(con, source)
    except OmopsqlError:
        return False


def _refuse(ctx: click.Context, options: tuple[str, ...], why: str) -> None:
    """Refuse options that were typed, and belong to the other kind of source."""
    for parameter in ctx.command.params:
        given = parameter.name and ctx.get_parameter_source(parameter.name)
        if parameter.name in options and given is click.core.ParameterSource.COMMANDLINE:
            raise click.BadParameter(why, param_hint=f"'{parameter.opts[0]}'")


def _named(arguments: dict[str, str]) -> str:
    return ", ".join(f"{name} := {sql}" for name, sql in arguments.items())


def _told(con: duckdb.DuckDBPyConnection, model: Path, *, is_cdm: bool, for_merge: bool) -> list[str]:
    """Say what was learned. Returns the command to type next."""
    if is_cdm:
        return _tell_cdm(con, model)
    return _tell_exact(con, model) if for_merge else _tell_table(con, model)


def _tell_exact(con: duckdb.DuckDBPyConnection, model: Path) -> list[str]:
    """Say on stderr which round of a table was counted. Returns the command to type next."""
    from omopsql.synth.exact import Exact
    from omopsql.synth.listed import read_table
    from omopsql.synth.rounds import NUMBER_ROUNDS

    header = Exact.from_table(read_table(con, str(model)), str(model)).header
    last = NUMBER_ROUNDS[header.method]
    click.echo(f"Counted round {header.round} of {last} over {header.rows:,} rows into {model}", err=True)
    click.echo(f"  method {header.method}; other sites must say the same, auto being copula here", err=True)
    click.echo("  exact sums, private: for addition only, and nobody else's eyes", err=True)
    kept = ["--for-merge"] if header.round < last else []
    return ["merge", str(model), "other.parquet", *kept, "-o", "merged.parquet"]


def _tell_table(con: duckdb.DuckDBPyConnection, model: Path) -> list[str]:
    """Say on stderr what a model learned, in its own words. Returns the command to type next."""
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
    return ["synthesize", str(model), "-n", str(rows), "--seed", "42", "-o", "synthetic.parquet"]


def _tell_cdm(con: duckdb.DuckDBPyConnection, model: Path) -> list[str]:
    """Say on stderr what was learned of a CDM, and what was lost. Returns the command to type next."""
    from omopsql.synth.hospital.merge import read_sums
    from omopsql.synth.hospital.plan import LEFT_OUT, PERSONS, ROLLED_UP
    from omopsql.synth.hospital.sums import Header

    sums = read_sums(con, str(model))
    header = Header.of(sums, str(model))
    if header.private and header.epsilon is not None:
        return _tell_noisy_round(header, model)
    lost = {name: len(sums.labels(name)) for name in (PERSONS, ROLLED_UP, LEFT_OUT)}
    click.echo(f"Learned {header.persons:,} persons and {lost[PERSONS]:,} concepts into {model}", err=True)
    if lost[ROLLED_UP]:
        click.echo(f"  {lost[ROLLED_UP]:,} rarer concepts count as an ancestor", err=True)
    if lost[LEFT_OUT]:
        click.echo(f"  {lost[LEFT_OUT]:,} concepts of fewer than {header.min_cell} persons are left out", err=True)
    if header.private:
        kept = ["--for-merge"] if header.round == 1 else []
        click.echo("  exact sums, private: for addition only, and nobody else's eyes", err=True)
        return ["merge", str(model), "other.parquet", *kept, "-o", "merged.parquet"]
    return ["synthesize", str(model), "--persons", str(header.persons), "--seed", "42", "-o", "synthetic"]


def _tell_noisy_round(header: Header, model: Path) -> list[str]:
    """Say on stderr which round was counted with noise. Returns the command to type next."""
    click.echo(f"Counted round {header.round} of 2 with noise into {model}", err=True)
    click.echo("  no number of it tells of a person; it is for addition, and no model yet", err=True)
    if header.round == 1:
        return ["merge", str(model), "other.parquet", "--for-merge", "-o", "margins.parquet"]
    return ["merge", "margins.parquet", str(model), "other.parquet", "-o", "merged.parquet"]
