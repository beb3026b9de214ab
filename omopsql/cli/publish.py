"""``omopsql publish``: synthetic data become a release, or a refusal that says why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .connection import connected
from .failures import Failure
from .files import completed
from .options import check_file, database_option
from .watch import watched_steps

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EDC_KEY = "OMOPSQL_EDC_KEY"


@click.command(short_help="Release synthetic data with records and evidence.")
@click.argument("synthetic", type=click.Path(path_type=Path), required=False)
@click.option(
    "--metadata",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What only a steward can say: about.yaml, as --init asks for it.",
)
@click.option(
    "--model", metavar="MODEL", help="The model that made the data: its advice counts, and its hash must fit."
)
@click.option(
    "--evaluation",
    metavar="FOLDER",
    type=click.Path(exists=True, path_type=Path),
    help="What omopsql evaluate wrote about these very files. Without it nothing is published.",
)
@click.option("--quality", metavar="FILE", type=_FILE, help="What omopsql check -o quality.json wrote.")
@click.option("--ledger", metavar="FILE", type=_FILE, help="The privacy ledger of a model with noise.")
@click.option("--policy", metavar="FILE", type=_FILE, help="The policy that a release must pass.")
@click.option("--approved-by", metavar="NAME", multiple=True, help="Who approves, as a policy asks. May be repeated.")
@click.option(
    "--vocabulary",
    metavar="FOLDER",
    envvar="OMOPSQL_VOCABULARY",
    show_envvar=True,
    help="Of a CDM: the vocabulary, for its coding systems and most frequent codes.",
)
@click.option("--key", metavar="FILE", type=_FILE, help="The Ed25519 key that signs, as PEM. Default: one of your own.")
@click.option("--version", metavar="TEXT", help="Of the data set. Default: one more than the last in -o.")
@click.option("--force", metavar="REASON", help="Publish against advice. The reason stands in every record.")
@click.option("--keep-data", is_flag=True, help="Keep the data of the version before, too.")
@click.option("--edc", metavar="URL", help=f"Tell an EDC connector at its management API; {EDC_KEY} holds its key.")
@click.option("--init", is_flag=True, help="Ask for what a steward must say, and write it to --metadata.")
@click.option("--retract", metavar="RELEASE", type=click.Path(path_type=Path), help="Take a release back.")
@click.option("--reason", metavar="TEXT", help="Why a release is taken back; it stands in its records.")
@click.option("-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="The release to write.")
@database_option("A DuckDB file; MODEL may then be one of its tables.")
def publish(
    synthetic: Path | None,
    metadata: Path | None,
    model: str | None,
    evaluation: Path | None,
    quality: Path | None,
    ledger: Path | None,
    policy: Path | None,
    approved_by: tuple[str, ...],
    vocabulary: str | None,
    key: Path | None,
    version: str | None,
    force: str | None,
    keep_data: bool,
    edc: str | None,
    init: bool,
    retract: Path | None,
    reason: str | None,
    output: Path | None,
    database: Path | None,
) -> None:
    """Make a release of SYNTHETIC, what `omopsql synthesize` wrote: marked data, records, evidence, a signed manifest.

    It is refused, with every reason, when the advice is no, or the evidence is missing, expired or of other data.
    Published again into the same folder, it is the next version there, and the history stays. `omopsql publish --init`
    asks for what about.yaml must say.

    \b
    Example:
      omopsql publish omopsql_demo/synthetic/cdm --metadata about.yaml --evaluation report/ -o release/
      omopsql publish omopsql_demo/synthetic/cdm --metadata about.yaml --force "For a course" -o release/
      omopsql publish --retract release/ --reason "A coding error in the source"

    \b
    Exit codes:
      0  published, or retracted
      1  refused, or the data or a file is wrong; the release folder is as it was
      2  the command was typed wrong
    """  # noqa: D301 (click reads \b)
    if init:
        _ask(metadata or Path("about.yaml"))
        return
    if retract is not None:
        identifier = _retract(retract, reason, key)
        if edc is not None:
            _withdraw(edc, retract, identifier)
        return
    if synthetic is None or metadata is None or output is None:
        missing = "SYNTHETIC" if synthetic is None else "--metadata" if metadata is None else "-o"
        raise click.UsageError(f"{missing} is missing: omopsql publish SYNTHETIC --metadata about.yaml -o release/")
    if force is not None and not force.strip():
        raise click.BadParameter("give the reason, in a sentence: it stands in every record", param_hint="'--force'")
    from omopsql.publish import release

    asked = release.Asked(
        synthetic=synthetic,
        output=output,
        metadata=metadata,
        model=model,
        evaluation=evaluation,
        quality=quality,
        ledger=ledger,
        policy=policy,
        vocabulary=vocabulary,
        version=version,
        force=force,
        approved_by=approved_by,
        keeps_data=keep_data,
    )
    signing = _key(key)
    with connected(database, read_only=True) as con:
        published = watched_steps(
            con, lambda tell: release.publish(con, asked, signing, tell), f"Publishing {synthetic}"
        )
    for against in published.reasons:
        click.echo(f"Forced, although {against}", err=True)
    facts, edition = published.facts, published.edition
    told = f"{len(facts.tables)} tables, {facts.rows:,} rows"
    click.echo(f"Published version {edition.version} of {edition.identifier}, {told}, to {output}", err=True)
    if edc is not None:
        _send(edc, output)


def _key(path: Path | None) -> Ed25519PrivateKey:
    """The key that signs: the one that is given, else the user's own, which is made at first use."""
    from omopsql.publish import keys

    if path is not None:
        return keys.read_private(path)
    own = keys.default_path()
    if own.exists():
        return keys.read_private(own)
    made = keys.make_private(own)
    click.echo(f"Made a key that signs your releases, {own}; keep it, and keep it to yourself", err=True)
    return made


def _ask(target: Path) -> None:
    """Ask a steward for about.yaml."""
    from omopsql.publish import about

    if target.exists():
        raise click.BadParameter(f"{target} is there already; change it, or give another name", param_hint="--metadata")
    check_file(target)
    text = about.interview(lambda question: click.prompt(question, default="", show_default=False), click.echo)
    with completed(target) as part:
        part.write_text(text, encoding="utf-8")
    click.echo(f"Wrote {target}; read it, and fill in what its comments ask for", err=True)


def _retract(release: Path, reason: str | None, key: Path | None) -> str:
    """Leave a tombstone. Returns the identifier of the data set."""
    import omopsql
    from omopsql.publish.release import retract

    if reason is None or not reason.strip():
        raise click.UsageError("--retract needs --reason: it stands in the records that stay")
    signing = _key(key)
    con = omopsql.connect()
    try:
        edition = retract(con, release, reason, signing)
    finally:
        con.close()
    click.echo(f"Retracted version {edition.version} of {edition.identifier}; its data are gone", err=True)
    return edition.identifier


def _send(url: str, release: Path) -> None:
    """Tell a connector of a release."""
    from omopsql.publish.records import edc

    with _connector(release):
        for one in edc.send(url, os.environ.get(EDC_KEY), release):
            click.echo(str(one), err=True)


def _withdraw(url: str, release: Path, identifier: str) -> None:
    """Tell a connector that a data set is had no more."""
    from omopsql.publish.records import edc

    with _connector(release):
        click.echo(str(edc.withdraw(url, os.environ.get(EDC_KEY), identifier)), err=True)


@contextmanager
def _connector(release: Path) -> Iterator[None]:
    from omopsql.errors import OmopsqlError

    try:
        yield
    except OmopsqlError as error:
        raise Failure(f"{release} stands, but the connector was not told: {error}") from error
