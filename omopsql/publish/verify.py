"""Whether a release is what its publisher signed: every byte, mark and checksum computed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError, first_line

from . import history, keys, manifest
from .describe import DATA
from .manifest import MANIFEST, PUBLIC_KEY, SIGNATURE
from .marking import marks, read_marks
from .synthetic import hashes

CHANGED, MISSING, ADDED, WRONG = "changed", "missing", "added", "wrong"
_CROISSANT = "records/croissant.json"
_RECORD = "records/healthdcat.jsonld"
_CHECKSUM = "checksumValue"
_UNREADABLE = (OmopsqlError, OSError, KeyError, TypeError, ValueError, AttributeError)  # of a file of another shape


@dataclass(frozen=True)
class File:
    """A file of a release: its size and hash as the manifest states them, and the hash it has; None where it is not."""

    path: str
    bytes: int | None
    stated: str | None
    found: str | None

    @property
    def verdict(self) -> str:
        """``ok``, ``changed``, ``missing`` or ``added``."""
        if self.found is None:
            return MISSING
        if self.stated is None:
            return ADDED
        return "ok" if self.stated == self.found else CHANGED


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was signed: ``changed``, ``missing``, ``added`` or ``wrong``, and what about it."""

    path: str
    what: str
    words: str

    def __str__(self) -> str:
        return f"{self.path}: {self.words}"


@dataclass(frozen=True)
class Verified:
    """What was found: the faults, how many files were hashed, and who signed (the SHA-256 of the key)."""

    faults: tuple[Fault, ...]
    files: int
    signer: str | None

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def verify(release: Path, public_key: Path | None = None) -> Verified:
    """Compute everything of a release again. Raises OmopsqlError when the folder is no release.

    Without ``public_key`` the signature is held against the key in the release itself: this proves that nothing changed
    since it was signed, not who signed it.
    """
    if not release.is_dir() or not (release / MANIFEST).is_file():
        raise OmopsqlError(f"{release} is no release: there is no {MANIFEST} in it")
    signer, found = _signature(release, public_key)
    try:
        told = manifest.read(release)
        listed = files(release, told)
    except _UNREADABLE as error:
        return Verified((*found, Fault(MANIFEST, WRONG, f"it cannot be read: {first_line(error)}")), 0, signer)
    found += _bytes(listed)
    for name, check in _CHECKS.items():
        try:
            found += check(release, told)
        except _UNREADABLE as error:
            found.append(Fault(name, WRONG, f"what it says cannot be read: {first_line(error)}"))
    return Verified(tuple(found), len(listed), signer)


def files(release: Path, told: dict[str, Any]) -> list[File]:
    """Return every file that is listed or there, hashed, by path."""
    stated = {one["path"]: one for one in told["files"]}
    there = sorted(manifest.bound_files(release))
    digests = dict(zip(there, hashes(release / path for path in there), strict=True))
    return [
        File(path, stated.get(path, {}).get("bytes"), stated.get(path, {}).get("sha256"), digests.get(path))
        for path in sorted({*stated, *there})
    ]


def _signature(release: Path, public_key: Path | None) -> tuple[str | None, list[Fault]]:
    """Who signed the manifest, and what is wrong with the signature."""
    source = release / PUBLIC_KEY if public_key is None else public_key
    if public_key is None and not source.is_file():
        return None, [Fault(PUBLIC_KEY, MISSING, "it is missing, so the signature cannot be checked")]
    try:
        key = keys.read_public(source.read_bytes(), str(source))
    except OmopsqlError as error:
        if public_key is not None:
            raise
        return None, [Fault(PUBLIC_KEY, CHANGED, first_line(error))]
    signature = release / SIGNATURE
    if not signature.is_file():
        return None, [Fault(SIGNATURE, MISSING, "it is missing: nobody vouches for the release")]
    if keys.is_signed(key, (release / MANIFEST).read_bytes(), signature.read_bytes()):
        return keys.fingerprint(key), []
    whose = "the key in the release" if public_key is None else str(public_key)
    return None, [Fault(MANIFEST, WRONG, f"its signature ({SIGNATURE}) is not that of {whose}")]


_WORDS = {
    CHANGED: "it was changed: its SHA-256 is not the one that the manifest states",
    MISSING: "it is missing, and the manifest lists it",
    ADDED: "it was added: the manifest does not list it",
}


def _bytes(listed: Iterable[File]) -> Iterator[Fault]:
    for file in listed:
        if file.verdict != "ok":
            yield Fault(file.path, file.verdict, _WORDS[file.verdict])


def _data(release: Path, told: dict[str, Any]) -> Iterator[Fault]:
    """Whether each file of data says of itself what the manifest says."""
    made = manifest.generation_of(told)
    for path in sorted((release / DATA).rglob("*")):
        if path.is_file() and made is not None:
            yield from _marked(path, path.relative_to(release).as_posix(), marks(made))
        elif path.is_file():
            yield Fault(path.relative_to(release).as_posix(), ADDED, "the release was retracted, and data are there")


def _marked(path: Path, name: str, wanted: dict[str, str]) -> Iterator[Fault]:
    try:
        found = read_marks(path)
    except OmopsqlError:
        yield Fault(name, WRONG, "it is no Parquet file that can be read")
        return
    for key in wanted:
        if found.get(key) != wanted[key]:
            yield Fault(name, WRONG, f"its mark {key} is {found.get(key)!r}, and the manifest says {wanted[key]!r}")


def _records(release: Path, told: dict[str, Any]) -> Iterator[Fault]:
    """Whether the checksums that records state are those of the manifest."""
    stated = {one["path"]: one["sha256"] for one in told["files"]}
    data = {digest for path, digest in stated.items() if path.startswith(f"{DATA}/")}
    for name, wanted in ((_CROISSANT, "sha256"), (_RECORD, _CHECKSUM)):
        if not (release / name).is_file() or not data:
            continue
        found = {text.lower() for text in _values(json.loads((release / name).read_bytes()), wanted)}
        for digest in sorted(found - set(stated.values())):
            yield Fault(name, WRONG, f"it states the checksum {digest}, and no file of the release has it")
        if name == _CROISSANT:
            for path in sorted(path for path, digest in stated.items() if digest in data - found):
                if path.startswith(f"{DATA}/"):
                    yield Fault(name, WRONG, f"it does not state the checksum of {path}")


def _values(told: Any, key: str) -> Iterator[str]:
    """Yield the texts that stand under a key, anywhere in JSON; of JSON-LD also those of ``prefix:key``."""
    if isinstance(told, list):
        for one in told:
            yield from _values(one, key)
    elif isinstance(told, dict):
        for name, value in told.items():
            if name.replace("#", ":").split(":")[-1] == key:
                yield from _texts(value)
            else:
                yield from _values(value, key)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and isinstance(value.get("@value"), str):
        yield value["@value"]
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _versions(release: Path, told: dict[str, Any]) -> Iterator[Fault]:
    """Whether what is left of older versions is what the history says, and was signed."""
    for entry in history.entries(release):
        place = release / history.VERSIONS / str(entry["version"])
        if entry["manifest"] is None:
            continue
        name = f"{history.VERSIONS}/{entry['version']}/{MANIFEST}"
        try:
            content = (place / MANIFEST).read_bytes()
            key = keys.read_public((place / PUBLIC_KEY).read_bytes(), name)
            is_signed = keys.is_signed(key, content, (place / SIGNATURE).read_bytes())
        except (OSError, OmopsqlError) as error:
            yield Fault(name, WRONG, f"it cannot be verified: {first_line(error)}")
            continue
        if hashlib.sha256(content).hexdigest() != entry["manifest"]:
            yield Fault(name, WRONG, "it is not the manifest that the history names")
        if not is_signed:
            yield Fault(name, WRONG, "its signature is not that of the key beside it")


_CHECKS: dict[str, Callable[[Path, dict[str, Any]], Iterable[Fault]]] = {
    DATA: _data,
    "records": _records,
    history.HISTORY: _versions,
}
