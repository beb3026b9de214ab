"""A release as its folder tells it: record, manifest, history, reports; and the releases of one data set together."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omopsql.errors import OmopsqlError

from .record import PUBLIC, Judged, Record, read_record

if TYPE_CHECKING:
    from rdflib import Graph

MANIFEST, HISTORY = "manifest.json", "history.json"
RECORD = "records/healthdcat.ttl"

_REPORTS = (  # what evidence a reader is led to: the end of its path, what it is called
    ("evaluation/index.html", "Evaluation: fidelity, utility, privacy and fairness"),
    ("evaluation.html", "Evaluation: fidelity, utility, privacy and fairness"),
    ("evaluation/metrics.parquet", "Every number of the evaluation (Parquet)"),
    ("evaluation/evaluation.json", "Evaluation, for tools (JSON)"),
    ("quality.html", "Data quality"),
    ("quality.json", "Data quality, for tools (JSON)"),
    ("model-card.md", "Model card"),
    ("generation.jsonld", "How the data were made (PROV-O)"),
    ("policy.yaml", "Policy that the release was held to"),
)
_RECORDS = {
    "healthdcat.ttl": "HealthDCAT-AP (Turtle)",
    "healthdcat.jsonld": "HealthDCAT-AP (JSON-LD)",
    "croissant.json": "Croissant",
    "dataspace.json": "Dataspace Protocol",
    "edc/asset.json": "Eclipse EDC: asset",
    "edc/policy.json": "Eclipse EDC: policy",
    "edc/contract-definition.json": "Eclipse EDC: contract definition",
}
_SEALS = (MANIFEST, "manifest.sig", "public-key.pem", HISTORY, "README.md")
_FORCED = "forced"  # the verdict of a release that was published against advice
_DICTIONARY = "dictionary/"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Version:
    """A version that was once published. ``forced`` and ``retracted`` are the reasons why, None where it was not."""

    version: str
    published: str
    manifest_sha256: str
    forced: str | None
    retracted: str | None


@dataclass(frozen=True)
class File:
    """A file of a release as its manifest tells it."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """One release. ``files`` are those of the manifest, ``versions`` those of its history, the newest first."""

    folder: Path
    record: Record
    graph: Graph
    version: str
    published: str
    forced: str | None
    objections: tuple[str, ...]
    retracted: str | None
    made_by: dict[str, Any]
    files: tuple[File, ...]
    versions: tuple[Version, ...]

    @property
    def is_public(self) -> bool:
        """Whether everybody may have the data."""
        return self.record.access == PUBLIC

    def tables(self) -> dict[str, list[File]]:
        """Return the Parquet files of each table; none of a retracted release."""
        found: dict[str, list[File]] = {}
        for file in self.files:
            if self.retracted is None and re.fullmatch(r"data/[^/]+(/[^/]+)?\.parquet", file.path):
                found.setdefault(file.path.split("/")[1].removesuffix(".parquet"), []).append(file)
        return found

    def reports(self) -> list[Judged]:
        """Return the evidence: first what the record cites, then what is for readers, then the rest."""
        paths = {file.path for file in self.files if file.path.startswith("evidence/")}
        cited = [one for one in self.record.judged if one.path in paths]
        rest = sorted(paths - {one.path for one in cited}, key=lambda path: (_rank(path), path))
        return [*cited, *(Judged(path, _title(path), "") for path in rest)]

    def dictionary(self) -> list[str]:
        """Return the paths of the data dictionary."""
        return [file.path for file in self.files if file.path.startswith(_DICTIONARY)]

    def records(self) -> Iterator[tuple[str, str]]:
        """Yield the title and path of each record that machines read."""
        for name, title in _RECORDS.items():
            if (self.folder / "records" / name).is_file():
                yield title, f"records/{name}"

    def earlier_records(self) -> dict[str, str]:
        """Return where the records of earlier versions stand that a release keeps, by version."""
        paths = (file.path for file in self.files if file.path.endswith("/records/healthdcat.ttl"))
        return {path.split("/")[1]: path for path in paths if path.startswith("versions/")}

    def seals(self) -> Iterator[str]:
        """Yield the paths of what a reader needs to verify the release."""
        yield from (path for path in _SEALS if (self.folder / path).is_file())

    def copy(self, paths: Iterable[str], target: Path) -> None:
        """Copy files, each compared with its checksum. Raises OmopsqlError when one is missing or has changed."""
        told = {file.path: file.sha256 for file in self.files}
        for path in paths:
            source = self.folder / path
            if not source.resolve().is_relative_to(self.folder.resolve()):
                raise OmopsqlError(f"{self.folder}: the manifest names {path}, which lies outside of the release")
            if not source.is_file():
                raise OmopsqlError(f"{source} is missing, but the manifest names it; run omopsql verify {self.folder}")
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            found = _copy(source, target / path)
            if told.get(path, found) != found:
                raise OmopsqlError(f"{source} is not what its manifest says; run omopsql verify {self.folder}")


@dataclass(frozen=True)
class DataSet:
    """The releases of one data set, the newest first, and the name of its folder in the site."""

    slug: str
    releases: tuple[Release, ...]

    @property
    def newest(self) -> Release:
        """The release that the page of the data set is about."""
        return self.releases[0]

    def folder_of(self, release: Release) -> str:
        """Return the folder of a release in the site: that of the data set, or a folder of an older version there."""
        return self.slug if release is self.newest else f"{self.slug}/version-{slug(release.version)}"

    def versions(self) -> list[tuple[Version, str | None]]:
        """Return every version that is known of, the newest first, with its folder in the site where it has one."""
        folders = {release.version: self.folder_of(release) for release in reversed(self.releases)}
        told = {version.version: version for release in reversed(self.releases) for version in release.versions}
        newest_first = sorted(told.values(), key=lambda version: version.published, reverse=True)
        return [(version, folders.get(version.version)) for version in newest_first]


def read_release(folder: Path) -> Release:
    """Read a release. Raises OmopsqlError when the folder is none, or a file of it cannot be read."""
    if not (folder / MANIFEST).is_file():
        raise OmopsqlError(f"{folder} is no release: it has no {MANIFEST}; omopsql publish makes one")
    manifest = _json(folder / MANIFEST)
    versions = tuple(_versions(folder, manifest))
    mine = next(version for version in versions if version.version == str(manifest.get("version", "")))
    decision = manifest.get("decision") or {}
    record, graph = read_record(folder / RECORD)
    return Release(
        folder=folder,
        record=record,
        graph=graph,
        version=mine.version,
        published=mine.published,
        forced=mine.forced,
        objections=tuple(map(str, decision.get("reasons") or ())) if decision.get("verdict") == _FORCED else (),
        retracted=mine.retracted,
        made_by=manifest.get("model") or {},
        files=tuple(File(one["path"], one["bytes"], one["sha256"]) for one in manifest.get("files") or ()),
        versions=versions,
    )


def data_sets(releases: Iterable[Release]) -> list[DataSet]:
    """Group releases by the data set's identifier, the data set that was published last first.

    Raises OmopsqlError when a version of a data set is given twice.
    """
    by_identifier: dict[str, list[Release]] = {}
    for release in releases:
        others = by_identifier.setdefault(release.record.identifier, [])
        twin = next((other for other in others if other.version == release.version), None)
        if twin is not None:
            what = f"version {release.version} of {release.record.identifier}"
            raise OmopsqlError(f"{twin.folder} and {release.folder} are both {what}; give one of them")
        others.append(release)
    slugs = _slugs(list(by_identifier))
    found = [DataSet(slugs[identifier], _newest_first(mine)) for identifier, mine in by_identifier.items()]
    return sorted(found, key=lambda data_set: (data_set.newest.published, data_set.slug), reverse=True)


def _rank(path: str) -> int:
    return next((rank for rank, (ending, _) in enumerate(_REPORTS) if path.endswith(f"/{ending}")), len(_REPORTS))


def _title(path: str) -> str:
    return dict(enumerate(title for _, title in _REPORTS)).get(_rank(path), path.removeprefix("evidence/"))


def _newest_first(releases: list[Release]) -> tuple[Release, ...]:
    """Order the releases of a data set. One that a later history calls retracted is so, whatever its folder holds."""
    retracted = {
        version.version: version.retracted for one in releases for version in one.versions if version.retracted
    }
    told = (replace(one, retracted=one.retracted or retracted.get(one.version)) for one in releases)
    return tuple(sorted(told, key=lambda release: release.published, reverse=True))


def slug(text: str) -> str:
    """Return a text as the name of a folder: small letters, digits and hyphens, at most 80."""
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower().split("://")[-1]).strip("-.")
    return plain[-80:].strip("-.") or "data"


def _slugs(identifiers: list[str]) -> dict[str, str]:
    """Name the folder of each data set after its identifier alone, so that its address stays when others come."""
    named = {identifier: slug(identifier) for identifier in identifiers}
    taken = ["engine", *named.values()]
    return {
        identifier: name if taken.count(name) == 1 else f"{name}-{hashlib.sha256(identifier.encode()).hexdigest()[:8]}"
        for identifier, name in named.items()
    }


def _versions(folder: Path, manifest: dict[str, Any]) -> list[Version]:
    """Read the history, the newest version first; without one, the manifest's own version is all there is."""
    path = folder / HISTORY
    told = _json(path) if path.is_file() else []
    mine = str(manifest.get("version", ""))
    if not any(str(one["version"]) == mine for one in told):
        decision = manifest.get("decision") or {}
        told = [*told, {"version": mine, "date": manifest.get("published"), "forced": decision.get("force")}]
    seal = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    found = [
        Version(
            version=str(one["version"]),
            published=str(one.get("date") or ""),
            manifest_sha256=str(one.get("manifest") or (seal if str(one["version"]) == mine else "")),
            forced=one.get("forced") or None,
            retracted=one.get("retracted") or None,
        )
        for one in told
    ]
    return sorted(found, key=lambda version: version.published)[::-1]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OmopsqlError(f"{path} is no JSON: {error}") from None


def _copy(source: Path, target: Path) -> str:
    """Copy a file and return the SHA-256 of its bytes."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while piece := reader.read(_PIECE):
            digest.update(piece)
            writer.write(piece)
    shutil.copymode(source, target)
    return digest.hexdigest()
