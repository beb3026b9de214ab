"""The versions of a data set so far: what each was, and the hash that binds what is left of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError

from .describe import DATA
from .facts import Edition
from .manifest import MANIFEST, PUBLIC_KEY, SIGNATURE, written

HISTORY = "history.json"
VERSIONS = "versions"
_KEPT = ("records", "evidence", MANIFEST, SIGNATURE, PUBLIC_KEY)


def entries(release: Path) -> list[dict[str, Any]]:
    """Return the versions of a release, the oldest first; none when the folder is no release yet."""
    path = release / HISTORY
    if not path.is_file():
        return []
    found = json.loads(path.read_bytes())
    if not isinstance(found, list):
        raise OmopsqlError(f"{path} is damaged: it holds no list of versions")
    return found


def next_version(release: Path) -> str:
    """Return one more than the last version, or the number of versions and one where that is no number."""
    known = entries(release)
    if not known:
        return "1"
    last = str(known[-1]["version"])
    return str(int(last) + 1) if last.isdecimal() else str(len(known) + 1)


def refuse(release: Path, identifier: str, version: str) -> None:
    """Raise OmopsqlError when a release of another data set stands there, or this version of it."""
    known = entries(release)
    if known and known[-1]["identifier"] != identifier:
        raise OmopsqlError(
            f"{release} holds a release of {known[-1]['identifier']}; give {identifier} a folder of its own"
        )
    if version in [str(one["version"]) for one in known]:
        raise OmopsqlError(f"version {version} of {identifier} is published already; give another --version")
    if version in (".", "..") or set(version) & set('/\\:*?"<>| '):
        raise OmopsqlError(f"version {version!r} must name a folder: write it as 2, 1.1 or 2026-03")


def last_version(release: Path) -> str | None:
    """Return the version that a new one replaces; None for the first."""
    known = entries(release)
    return str(known[-1]["version"]) if known else None


def go_on(release: Path, folder: Path, edition: Edition, keeps_data: bool) -> None:
    """Write the history into the new ``folder``: what ``release`` holds stands under versions there."""
    known = _bound(release)
    if known:
        _keep(release, folder, str(known[-1]["version"]), keeps_data)
    (folder / HISTORY).write_bytes(written([*known, entry(edition)]))


def end(release: Path, folder: Path, edition: Edition) -> None:
    """Write the history into the tombstone ``folder``: the last version was retracted."""
    known = _bound(release)
    _keep(release, folder, edition.version, keeps_data=False)
    known[-1]["retracted"] = edition.retracted
    (folder / HISTORY).write_bytes(written(known))


def _bound(release: Path) -> list[dict[str, Any]]:
    """The versions so far, the last one with the hash of its manifest. One that was retracted has it already."""
    known = entries(release)
    if known and known[-1]["manifest"] is None:
        known[-1]["manifest"] = hashlib.sha256((release / MANIFEST).read_bytes()).hexdigest()
    return known


def entry(edition: Edition) -> dict[str, Any]:
    """Return what the history says of a version. Its manifest binds the history, so its hash comes with the next."""
    return {
        "identifier": edition.identifier,
        "version": edition.version,
        "date": edition.published.isoformat(timespec="seconds"),
        "manifest": None,
        "forced": edition.forced,
        "retracted": edition.retracted,
    }


def _keep(release: Path, folder: Path, version: str, keeps_data: bool) -> None:
    if (release / VERSIONS).is_dir():
        shutil.copytree(release / VERSIONS, folder / VERSIONS)
    place = folder / VERSIONS / version
    if place.is_dir():  # it was retracted, and what is left of it stands there
        return
    place.mkdir(parents=True)
    for name in (*_KEPT, *([DATA] if keeps_data else [])):
        source = release / name
        if source.is_dir():
            shutil.copytree(source, place / name)
        elif source.is_file():
            shutil.copyfile(source, place / name)
