"""The manifest of a release: every file with its SHA-256, how the data were made, and the signature that binds it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import omopsql
from omopsql.errors import OmopsqlError

from . import keys
from .facts import Edition, Generation
from .synthetic import hashes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT = 1
MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "manifest.sig", "public-key.pem"
_UNBOUND = (MANIFEST, SIGNATURE)  # what cannot stand in the manifest itself
PUBLISHED, FORCED, RETRACTED = "published", "forced", "retracted"


@dataclass(frozen=True)
class Decision:
    """Whether a release was published: the verdict, the reasons against it, why it was forced, and who approved."""

    verdict: str
    reasons: tuple[str, ...] = ()
    force: str | None = None
    approved_by: tuple[str, ...] = ()


def seal(
    folder: Path,
    edition: Edition,
    decision: Decision,
    generation: Generation | None,
    policy_sha256: str | None,
    key: Ed25519PrivateKey,
    known: Mapping[str, str],
) -> None:
    """Write the public key, the manifest of all files below ``folder``, and its signature.

    ``known`` are hashes of files that were computed while they were written.
    """
    (folder / PUBLIC_KEY).write_bytes(keys.public_pem(key))
    told = {
        "format": FORMAT,
        "identifier": edition.identifier,
        "version": edition.version,
        "published": edition.published.isoformat(timespec="seconds"),
        "omopsql": omopsql.__version__,
        "synthetic": True,
        "decision": asdict(decision),
        "model": None if generation is None else model(generation),
        "policy": None if policy_sha256 is None else {"sha256": policy_sha256},
        "files": _listed(folder, known),
    }
    content = written(told)
    (folder / MANIFEST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(keys.sign(key, content))


def model(generation: Generation) -> dict[str, Any]:
    """Return what a manifest says of the model."""
    return {
        "sha256": generation.model_sha256,
        "method": generation.method,
        "seed": generation.seed,
        "learned": generation.learned,
        "min_cell": generation.min_cell,
        "epsilon": generation.epsilon,
        "delta": generation.delta,
        "omopsql": generation.omopsql,
        "policy_sha256": generation.policy_sha256,
    }


def generation_of(told: Mapping[str, Any]) -> Generation | None:
    """Read back what ``model`` wrote; None where the data are gone."""
    if told["model"] is None:
        return None
    found = dict(told["model"])
    return Generation(model_sha256=found.pop("sha256"), **found)


def written(told: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Write JSON with sorted keys, so that equal content is equal bytes."""
    return (json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _listed(folder: Path, known: Mapping[str, str]) -> list[dict[str, Any]]:
    paths = sorted(bound_files(folder))
    new = [path for path in paths if path not in known]
    digests = dict(known) | dict(zip(new, hashes(folder / path for path in new), strict=True))
    return [{"path": path, "bytes": (folder / path).stat().st_size, "sha256": digests[path]} for path in paths]


def bound_files(folder: Path) -> Iterable[str]:
    """Yield the path of each file that a manifest must list."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if (path.is_file() or path.is_symlink()) and name not in _UNBOUND:
            yield name


def read(release: Path) -> dict[str, Any]:
    """Read a manifest. Raises OmopsqlError when the folder is no release, or the manifest is damaged."""
    path = release / MANIFEST
    if not path.is_file():
        raise OmopsqlError(f"{release} is no release: there is no {MANIFEST} in it")
    try:
        told = json.loads(path.read_bytes())
    except ValueError as error:
        raise OmopsqlError(f"{path} is damaged: {error}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise OmopsqlError(f"{path} is no manifest of format {FORMAT}, which this omopsql {omopsql.__version__} reads")
    return told
