"""``omopsql site``: what a hospital does to fit a model with others without showing its numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .connection import connected
from .failures import Verbs
from .files import completed
from .options import output_option
from .watch import watched

if TYPE_CHECKING:
    from omopsql.federate.study import PrivateSite, Study

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def members(function: F) -> F:
    """``--site FILE --cards FILE...``: who one is, and who takes part. ``*.card`` may stand unquoted after --cards."""
    own = click.option(
        "--site", "private", metavar="FILE.site", type=_FILE, help="Your private file; the only one here."
    )
    cards = click.option(
        "--cards", metavar="FILE.card...", multiple=True, type=_FILE, required=True, help="The cards of all sites."
    )
    return own(cards(function))


def sorted_out(
    private: Path | None, cards: tuple[Path, ...], files: tuple[Path, ...]
) -> tuple[PrivateSite, Study, list[Path]]:
    """Read the private file and the cards. Returns the files that are no cards: a shell puts ``*.card`` among them."""
    from omopsql.federate.study import PrivateSite, Study

    more = [file for file in files if file.suffix == ".card"]
    own = PrivateSite.read(private or _only_private())
    return own, Study.read([*cards, *more]), [file for file in files if file.suffix != ".card"]


def _only_private() -> Path:
    found = sorted(Path().glob("*.site"))
    if len(found) == 1:
        return found[0]
    told = f"there are {len(found)} of them here" if found else "there is none here"
    raise click.BadParameter(f"say which private file is yours: {told}", param_hint="'--site'")


@click.group(cls=Verbs, short_help="Fit a model with other hospitals, unseen.")
def site() -> None:
    """Fit one model with other hospitals without showing anybody your numbers.

    Each site makes a private file and a card, and sends the card to all. In each round, each masks what `omopsql fit
    --for-merge` wrote and sends the masked file to whoever adds up with `omopsql aggregate`. Any site unmasks the
    total. Files go by any channel. docs/federation.md tells it step by step, and who learns what.

    \b
    Example:
      omopsql site init --name north --study lungs -o north.site
      omopsql site mask north.parquet --cards *.card -o north.masked
      omopsql aggregate *.masked --cards *.card -o all.total
      omopsql site unmask all.total --cards *.card -o all.parquet
    """  # noqa: D301 (click reads \b)


@site.command(short_help="Make a private file and a card.")
@click.option("--name", required=True, help="What the others call you.")
@click.option("--study", required=True, help="What the study is called, alike for all.")
@click.option("--aggregator", is_flag=True, help="You have no data and only add up.")
@output_option(".site", required=True, use="The private file; the card is written beside it.")
def init(name: str, study: str, aggregator: bool, output: Path) -> None:
    """Make a private file, which never leaves you, and a card for all others.

    \b
    Example:
      omopsql site init --name north --study lungs -o north.site
    """  # noqa: D301 (click reads \b)
    from omopsql.federate import acts

    if output.exists():
        raise click.BadParameter(f"{output} is there already, and what was masked with it needs it", param_hint="'-o'")
    card = acts.init(name, study, output, output.with_suffix(".card"), aggregator=aggregator)
    click.echo(f"Wrote {output} (keep it) and {card.path} (send it to all)", err=True)
    click.echo(f"  fingerprint {card.fingerprint}: read it to the others by telephone", err=True)


@site.command(short_help="Mask a model's exact sums.")
@click.argument("model")
@click.argument("files", nargs=-1, type=_FILE)
@members
@click.option(
    "--room", type=click.IntRange(min=1024), help="For how many statistics, alike for all. Default: by MODEL."
)
@output_option(".masked", required=True, use="The masked file to write.")
def mask(
    model: str, files: tuple[Path, ...], private: Path | None, cards: tuple[Path, ...], room: int | None, output: Path
) -> None:
    """Mask MODEL, the exact sums that `omopsql fit --for-merge` wrote, so that they are noise alone.

    \b
    Example:
      omopsql site mask north.parquet --cards *.card -o north.masked
    """  # noqa: D301 (click reads \b)
    from omopsql.federate import acts

    own, study, others = sorted_out(private, cards, files)
    _refuse_others(others)
    with connected(None) as con, completed(output) as part:
        written = watched(con, lambda: acts.mask(con, model, own, study, part, room), f"Masking {model}")
    click.echo(
        f"Masked {written.statistics:,} statistics of round {written.number}, with room for {written.room:,}, "
        f"into {output}", err=True
    )  # fmt: skip


@site.command(short_help="Share out secrets, in case you drop out.")
@click.argument("files", nargs=-1, type=_FILE)
@members
@click.option(
    "--threshold", type=click.IntRange(min=1), help="How many others must come together. Default: about half."
)
@output_option(".share", required=True, use="The file to send to all sites.")
def share(
    files: tuple[Path, ...], private: Path | None, cards: tuple[Path, ...], threshold: int | None, output: Path
) -> None:
    """Share your secrets of the rounds out among the others, so that they can go on when you drop out.

    \b
    Example:
      omopsql site share --cards *.card -o north.share
    """  # noqa: D301 (click reads \b)
    from omopsql.federate import acts

    own, study, others = sorted_out(private, cards, files)
    _refuse_others(others)
    with completed(output) as part:
        needed = acts.share(own, study, part, threshold)
    click.echo(f"Wrote {output}: {needed} other sites together can go on without {own.name}", err=True)


@site.command(short_help="Help to go on without a site.")
@click.argument("total", type=_FILE)
@click.argument("files", nargs=-1, type=_FILE)
@members
@output_option(".recovered", required=True, use="The file to send to whoever unmasks.")
def recover(total: Path, files: tuple[Path, ...], private: Path | None, cards: tuple[Path, ...], output: Path) -> None:
    """Hand out your shares of the sites that TOTAL lacks. FILES are their share files.

    Ask such a site first: when its masked file is on its way after all, do not recover it.

    \b
    Example:
      omopsql site recover all.total south.share --cards *.card -o north.recovered
    """  # noqa: D301 (click reads \b)
    from omopsql.federate import acts

    own, study, shares = sorted_out(private, cards, files)
    with completed(output) as part:
        names = acts.recover(shares, total, own, study, part)
    click.echo(f"Wrote {output}, which helps to go on without {', '.join(names)}", err=True)


@site.command(short_help="Read the model from the total.")
@click.argument("total", type=_FILE)
@click.argument("files", nargs=-1, type=_FILE)
@members
@click.option("--for-merge", is_flag=True, help="Keep the sum of the last round exact and private.")
@output_option(".parquet", required=True, use="The model to write.")
def unmask(
    total: Path, files: tuple[Path, ...], private: Path | None, cards: tuple[Path, ...], for_merge: bool, output: Path
) -> None:
    """Read from TOTAL what all sites learned together. FILES are the recovered files, if a site dropped out.

    It is what `omopsql merge` of the sites' models would write: margins for the next round, or the model.

    \b
    Example:
      omopsql site unmask all.total --cards *.card -o all.parquet
    """  # noqa: D301 (click reads \b)
    from omopsql.federate import acts
    from omopsql.quoting import literal

    own, study, recovered = sorted_out(private, cards, files)
    with connected(None) as con, completed(output) as part:
        model = acts.unmask(total, own, study, recovered, for_merge)
        con.register("omopsql_unmasked", model)
        con.execute(f"COPY (FROM omopsql_unmasked) TO {literal(str(part))} (FORMAT parquet)")
    click.echo(f"Wrote what {len(study.sites)} sites learned together into {output}", err=True)


def _refuse_others(files: list[Path]) -> None:
    if files:
        raise click.UsageError(f"{files[0]} is no card; give MODEL first, then --cards and the cards")
