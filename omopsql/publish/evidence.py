"""The reports that a release rests on: read, copied beside the data, and told in a sentence each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError
from omopsql.evaluate.advice.rules import Advice, worst
from omopsql.evaluate.run import ADVICE as EVALUATION
from omopsql.evaluate.run import FILES, PAGE
from omopsql.evaluate.verdicts import FAIL, LOOK, NOT_COMPUTED, PASS

from .facts import Evidence

FOLDER = "evidence"
_WORST_FIRST = (FAIL, LOOK, NOT_COMPUTED, PASS)


@dataclass(frozen=True)
class Evaluation:
    """What ``omopsql evaluate -o`` wrote: when, on which bytes (their SHA-256), its advice and the rows of metrics."""

    folder: Path
    evaluated: datetime
    judged: frozenset[str]
    advice: tuple[Advice, ...]
    metrics: tuple[Mapping[str, Any], ...]

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """Read the report of a folder, or its JSON file. Raises OmopsqlError when it is none."""
        file = path / EVALUATION if path.is_dir() else path
        told = _json(file, "omopsql evaluate REAL SYNTHETIC -o report/")
        try:
            return cls(
                folder=file.parent,
                evaluated=_moment(told["evaluated"]),
                judged=frozenset(one["sha256"] for one in told.get("judged", {}).get("files", ())),
                advice=tuple(Advice(one["rule"], one["subject"], one["evidence"]) for one in told["advice"]),
                metrics=tuple(told["metrics"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OmopsqlError(f"{file} is no evaluation that can be read ({error}): evaluate again") from error


@dataclass(frozen=True)
class Quality:
    """What ``omopsql check -o quality.json`` wrote: each check with its result."""

    file: Path
    checks: tuple[Mapping[str, Any], ...]

    @classmethod
    def read(cls, path: Path) -> Quality:
        """Read the report. Raises OmopsqlError when it is none."""
        told = _json(path, "omopsql check CDM -o quality.json")
        if not isinstance(told.get("CheckResults"), list):
            raise OmopsqlError(f"{path} is no report of quality: write one with omopsql check CDM -o quality.json")
        return cls(path, tuple(told["CheckResults"]))

    @property
    def failed(self) -> list[Mapping[str, Any]]:
        """The checks that failed."""
        return [check for check in self.checks if check.get("failed") == 1]


@dataclass(frozen=True)
class Reports:
    """What is known of the data besides themselves; None where a report was not given."""

    evaluation: Evaluation | None = None
    quality: Quality | None = None
    ledger: Path | None = None
    policy: Path | None = None


def _json(path: Path, command: str) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise OmopsqlError(f"there is no {path}: write it with {command}") from error
    except ValueError as error:
        raise OmopsqlError(f"{path} is no JSON: {error}; write it again with {command}") from error
    if not isinstance(told, dict):
        raise OmopsqlError(f"{path} is not what {command} writes")
    return told


def _moment(text: str) -> datetime:
    """Read a time; whole seconds, as releases tell them, so that what follows at once is not earlier."""
    moment = datetime.fromisoformat(text).replace(microsecond=0)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def copy(reports: Reports, folder: Path) -> list[Evidence]:
    """Copy the reports below ``folder``/evidence, and say what each tells."""
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    found: list[Evidence] = []
    if reports.evaluation is not None:
        found += _copy_evaluation(reports.evaluation, place)
    if reports.quality is not None:
        shutil.copyfile(reports.quality.file, place / "quality.json")
        found.append(_of_quality(reports.quality))
    for kind, file in (("ledger", reports.ledger), ("policy", reports.policy)):
        if file is not None:
            name = "policy.yaml" if kind == "policy" else f"ledger{file.suffix.lower()}"
            shutil.copyfile(file, place / name)
            found.append(Evidence(kind, f"{FOLDER}/{name}", _TITLES[kind], "told", _WORDS[kind]))
    return found


_TITLES = {
    "fidelity": "Fidelity: how like the real data the synthetic ones are",
    "utility": "Utility: whether an analysis gives the same answer",
    "privacy": "Privacy: the attacks that were tried",
    "fairness": "Fairness: whether every subgroup is served alike",
    "advice": "Advice: when not to use the data",
    "quality": "Quality: the checks of OHDSI's DataQualityDashboard",
    "ledger": "Privacy ledger: what was released with noise",
    "policy": "Policy: what might be learned, and what a release must pass",
}
_WORDS = {
    "ledger": "Every release of the model with its sensitivity, its noise and the running sum.",
    "policy": "The rules that the model and the release were held to.",
}


def _copy_evaluation(evaluation: Evaluation, place: Path) -> Iterator[Evidence]:
    target = place / "evaluation"
    target.mkdir()
    for name in FILES:
        if (evaluation.folder / name).is_file():
            shutil.copyfile(evaluation.folder / name, target / name)
    shown = PAGE if (target / PAGE).is_file() else EVALUATION
    path = f"{FOLDER}/evaluation/{shown}"
    for family in dict.fromkeys(row["family"] for row in evaluation.metrics):
        verdicts = [row["verdict"] for row in evaluation.metrics if row["family"] == family]
        yield Evidence(family, path, _TITLES.get(family, family), _worst(verdicts), _counted(verdicts))
    yield Evidence("advice", path, _TITLES["advice"], worst(evaluation.advice), _advised(evaluation.advice))


def _worst(verdicts: list[str]) -> str:
    return next((verdict for verdict in _WORST_FIRST if verdict in verdicts), "told")


def _counted(verdicts: list[str]) -> str:
    told = [f"{verdicts.count(verdict)} {verdict}" for verdict in _WORST_FIRST if verdict in verdicts]
    return f"{len(verdicts)} numbers: {', '.join(told) or 'for information only'}."


def _advised(advice: tuple[Advice, ...]) -> str:
    return " ".join(dict.fromkeys(one.words for one in advice if one.advice == worst(advice)))


def _of_quality(quality: Quality) -> Evidence:
    failed = len(quality.failed)
    words = f"{len(quality.checks):,} checks, of which {failed:,} failed."
    return Evidence("quality", f"{FOLDER}/quality.json", _TITLES["quality"], "fail" if failed else "pass", words)
