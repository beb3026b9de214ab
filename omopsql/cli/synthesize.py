"""``omopsql synthesize``: a model becomes rows, or a whole CDM."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .connection import connected
from .files import completed, refuse_overwriting
from .options import assignments, check_file, check_folder_of, database_option, struct
from .report import show_table
from .watch import watched, watched_steps

if TYPE_CHECKING:
    import duckdb

_FORMATS = {".parquet": "FORMAT parquet", ".csv": "FORMAT csv, HEADER"}
_DATABASE = ".duckdb"
_BIGINT = 2**63


def _read_target(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    """Check, before any work begins, that what is to be written can be: a file of rows, a folder, a database."""
    name = value.name.lower()
    if name.endswith(tuple(_FORMATS)):
        check_file(value)
    if value.suffix and not name.endswith((*_FORMATS, _DATABASE)) and not value.is_dir():
        raise click.BadParameter(f"{value} must end in .parquet or .csv; or give a folder, or a file in {_DATABASE}")
    check_folder_of(value)
    return value


def _read_shares(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Read repeated ``COLUMN=VALUE:SHARE``."""
    found: dict[str, dict[str, float]] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        value, colon, share = rest.rpartition(":")
        try:
            found.setdefault(name, {})[value] = float(share)
        except ValueError:
            equals = ""
        if not (equals and name and colon and value):
            raise click.BadParameter(f"{text!r} is not of the form {param.metavar}")
    return found


@click.command(short_help="Write synthetic rows, or a CDM, from a model.")
@click.argument("model")
@click.option(
    "-n", "--persons", "rows", type=click.IntRange(0, _BIGINT - 1), required=True, help="How many rows, or persons."
)
@click.option(
    "--seed",
    type=click.IntRange(-_BIGINT, _BIGINT - 1),
    default=0,
    show_default=True,
    help="The same model and seed give the same rows, on any machine.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE.parquet|FILE.csv|FOLDER|FILE.duckdb",
    type=click.Path(path_type=Path),
    required=True,
    callback=_read_target,
    help="What to write: a file of rows; for a CDM a folder of Parquet files, or a DuckDB file.",
)
@click.option(
    "--given",
    metavar="COLUMN=VALUE",
    multiple=True,
    callback=assignments(at="first"),
    help="Fix a column; the others follow as they do in such rows. For a CDM, see omopsql.cdm_sample. May be repeated.",
)
@click.option(
    "--share",
    "shares",
    metavar="COLUMN=VALUE:SHARE",
    multiple=True,
    callback=_read_shares,
    help="Of a CDM: balance persons, as in gender_concept_id=8532:0.5. May be repeated.",
)
@click.option("--format", "form", type=click.Choice(["parquet", "duckdb"]), help="Of a CDM: what to write.")
@click.option(
    "--vocabulary", metavar="FOLDER", help="Of a CDM: the vocabulary to put beside it, and for eras of drugs."
)
@click.option("--rows-per-file", type=click.IntRange(min=1), default=10_000_000, show_default=True, help="Of a CDM.")
@database_option("A DuckDB file; MODEL may then be one of its tables.")
def synthesize(
    model: str,
    rows: int,
    seed: int,
    output: Path,
    given: dict[str, str],
    shares: dict[str, dict[str, float]],
    form: str | None,
    vocabulary: str | None,
    rows_per_file: int,
    database: Path | None,
) -> None:
    """Write synthetic rows from MODEL, which `omopsql fit` made; from the model of a CDM a whole CDM.

    A CDM is written as one Parquet file a table, or several when it is large, sorted by person. It appears complete
    or not at all; the same command, typed again after a stop, goes on where it was.

    \b
    Example:
      omopsql synthesize model.parquet -n 100000 --seed 42 -o synthetic.parquet
      omopsql synthesize model.parquet -n 500 -o women.csv --given sex=F
      omopsql synthesize hospital_model.parquet --persons 100000 --seed 42 -o synthetic/
      omopsql synthesize hospital_model.parquet --persons 1000 -o diabetes/ --given condition=201826
    """  # noqa: D301 (click reads \b)
    refuse_overwriting(output, model)
    is_file_of_rows = output.name.lower().endswith(tuple(_FORMATS))
    if is_file_of_rows and (shares or form or vocabulary):
        raise click.BadParameter(f"{output} holds rows of one table; --share, --format and --vocabulary are of a CDM")
    with connected(database, read_only=True) as con:
        if is_file_of_rows:
            _write_rows(con, model, output, rows, seed, given)
            return
        target = output.with_suffix(_DATABASE) if form == "duckdb" else output
        options = {"given": _typed(given), "shares": shares or None, "vocabulary": vocabulary}
        _write_hospital(con, model, target, rows, seed, options, rows_per_file)


def _is_hospital(con: duckdb.DuckDBPyConnection, model: str) -> bool:
    from omopsql import OmopsqlError
    from omopsql.relation import resolve
    from omopsql.synth.hospital.sums import SCHEMA

    try:
        return set(SCHEMA.names) <= set(resolve(con, model).columns)
    except OmopsqlError:
        return False


def _typed(given: dict[str, str]) -> dict[str, Any] | None:
    """Numbers and truths as such; several of one kind are separated by commas."""

    def value(text: str) -> Any:
        try:
            return json.loads(f"[{text}]" if "," in text else text)
        except ValueError:
            return text

    return {name: value(text) for name, text in given.items()} or None


def _write_hospital(
    con: duckdb.DuckDBPyConnection,
    model: str,
    output: Path,
    persons: int,
    seed: int,
    options: dict[str, Any],
    rows_per_file: int,
) -> None:
    from omopsql.synth.hospital.write import synthesize as run

    begun = time.monotonic()
    written = watched_steps(
        con,
        lambda tell: run(con, model, output, persons, seed, rows_a_file=rows_per_file, progress=tell, **options),
        f"Writing {output}",
    )
    show_table(("table", "rows"), list(written.rows.items()))
    for note in written.notes:
        click.echo(f"  {note}", err=True)
    total, seconds = sum(written.rows.values()), time.monotonic() - begun
    click.echo(f"Wrote {persons:,} persons, {total:,} rows, to {output} in {seconds:.1f} s", err=True)


def _write_rows(
    con: duckdb.DuckDBPyConnection, model: str, output: Path, rows: int, seed: int, given: dict[str, str]
) -> None:
    import duckdb

    from omopsql.quoting import literal

    form = next(form for suffix, form in _FORMATS.items() if output.name.lower().endswith(suffix))
    sample = f"FROM omopsql.copula_sample({literal(model)}, {rows}, seed := {seed}, given := {struct(given)})"
    with completed(output) as part:
        write = f"COPY ({sample}) TO {literal(str(part))} ({form}{_marks(con, model, seed, form)})"
        try:
            watched(con, lambda: con.execute(write), f"Writing {output}")
        except duckdb.Error:
            if _is_hospital(con, model):
                told = f"{model} is the model of a CDM: give a folder, or a file in {_DATABASE}"
                raise click.BadParameter(told, param_hint="'-o'") from None
            raise
    click.echo(f"Wrote {rows:,} rows to {output}", err=True)


def _marks(con: duckdb.DuckDBPyConnection, model: str, seed: int, form: str) -> str:
    """The option that marks a Parquet file as synthetic. CSV has no place for it."""
    from omopsql import OmopsqlError
    from omopsql.publish.marking import generation_of_model, marks, marks_sql

    if form != _FORMATS[".parquet"]:
        return ""
    try:
        return f", {marks_sql(marks(generation_of_model(con, model, seed)))}"
    except OmopsqlError:
        return ""  # that it is no model, the query tells
