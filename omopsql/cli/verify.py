"""``omopsql verify``: is a release what its publisher signed?"""

from __future__ import annotations

from pathlib import Path

import click

from .failures import Failure


@click.command(short_help="Check a release against its signed manifest.")
@click.argument("release", type=click.Path(path_type=Path))
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The publisher's public key, which you had from the publisher. Default: the one in the release.",
)
def verify(release: Path, key: Path | None) -> None:
    """Compute everything of RELEASE again: hashes, signature, the marks in the data, the checksums in the records.

    Each file that was changed, added or is missing is named on stdout. Without --key, nothing says who signed it.

    \b
    Example:
      omopsql verify release/
      omopsql verify release/ --key hospital-public-key.pem

    \b
    Exit codes:
      0  everything is as it was signed
      1  something is not, or RELEASE is no release
      2  the command was typed wrong
    """  # noqa: D301 (click reads \b)
    from omopsql.publish.verify import verify as run

    verified = run(release, key)
    for fault in verified.faults:
        click.echo(str(fault))
    if not verified.is_sound:
        many = "fault" if len(verified.faults) == 1 else "faults"
        raise Failure(f"{release} is not as it was signed: {len(verified.faults)} {many}")
    whose = f"signed by {key}" if key is not None else "signed by the key in the release"
    click.echo(f"{release}: {verified.files} files, {whose} (SHA-256 {verified.signer})")
    if key is None:
        click.echo("Whose key that is, only its owner can tell: give it with --key", err=True)
