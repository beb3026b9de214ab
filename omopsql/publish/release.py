"""A release: data are copied and marked, described, judged and bound, and appear in one folder or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.evaluate.advice.function import advice_on
from omopsql.evaluate.advice.rules import Advice
from omopsql.harmonize.folders import completed_folder

from . import dictionary, evidence, gate, history, manifest, model_card, readme, records
from .about import read as read_about
from .describe import Release, copy, describe
from .evidence import Evaluation, Quality, Reports
from .facts import Edition, Facts, Generation
from .manifest import FORCED, PUBLISHED, RETRACTED, Decision
from .marking import Copied, generation_of_model, marks
from .policy import read_policy
from .synthetic import Synthetic

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ABOUT, README = "about.yaml", "README.md"
MARK = manifest.SIGNATURE  # shows that a folder is a release, which its next version may replace
WHAT = "release of omopsql"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What is published, and what it rests on. ``force`` is the reason to publish against advice."""

    synthetic: Path
    output: Path
    metadata: Path
    model: str | None = None
    evaluation: Path | None = None
    quality: Path | None = None
    ledger: Path | None = None
    policy: Path | None = None
    vocabulary: str | None = None
    version: str | None = None
    force: str | None = None
    approved_by: tuple[str, ...] = ()
    keeps_data: bool = False


@dataclass(frozen=True)
class Published:
    """What was published, and what spoke against it where that was forced."""

    edition: Edition
    facts: Facts
    reasons: tuple[str, ...]


def publish(
    con: duckdb.DuckDBPyConnection,
    asked: Asked,
    key: Ed25519PrivateKey,
    tell: Tell = lambda doing: None,
    now: datetime | None = None,
) -> Published:
    """Write the release folder ``asked.output``, or its next version where it is one.

    Raises gate.RefusedError with every reason when the data must not be published and ``force`` is None, and
    OmopsqlError for what cannot be read or described. The folder is then as it was.
    """
    _refuse_inputs_inside(asked)
    with completed_folder(asked.output, MARK, WHAT) as folder:
        return _Publishing(con, asked, folder, tell, (now or datetime.now(UTC)).replace(microsecond=0)).run(key)


class _Publishing:
    """One run: the inputs, opened, and the folder where the release grows."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, asked: Asked, folder: Path, tell: Tell, moment: datetime
    ) -> None:
        self.con = con
        self.asked = asked
        self.folder = folder
        self.tell = tell
        self.about = read_about(asked.metadata)
        self.synthetic = Synthetic.open(asked.synthetic)
        self.policy = None if asked.policy is None else read_policy(asked.policy)
        self.reports = _reports(asked)
        self.edition = _edition(asked.output, self.about.identifier, asked.version, moment)
        self.generation = _generation(con, asked.model, self.synthetic)

    def run(self, key: Ed25519PrivateKey) -> Published:
        self.tell(f"Copying {self.asked.synthetic}")
        data, copied = copy(self.synthetic, self.folder, marks(self.generation))
        self.tell("Describing the data")
        facts = describe(self.con, data, self.generation, self._vocabulary())
        self.tell("Judging")
        case = self._case(facts, copied)
        decision = self._decide(gate.reasons(case))
        edition = replace(self.edition, forced=decision.force)
        self.tell("Writing the records")
        self._write(case, edition)
        history.go_on(self.asked.output, self.folder, edition, self.asked.keeps_data)
        self.tell("Signing")
        known = {file.path: file.sha256 for file in data.files.values()}
        policy_sha256 = None if self.policy is None else str(self.policy.sha256)
        manifest.seal(self.folder, edition, decision, self.generation, policy_sha256, key, known)
        return Published(edition, facts, decision.reasons)

    def _vocabulary(self) -> str | None:
        beside = self.synthetic.vocabulary
        return self.asked.vocabulary or (None if beside is None else str(beside))

    def _case(self, facts: Facts, copied: Mapping[Path, Copied]) -> gate.Case:
        model = self.asked.model
        return gate.Case(
            synthetic=self.synthetic,
            copied=copied,
            facts=facts,
            reports=self.reports,
            now=self.edition.published,
            model_sha256=None if model is None else generation_of_model(self.con, model, 0).model_sha256,
            model_advice=() if model is None else _advice_on(self.con, model),
            policy=self.policy,
            approved_by=self.asked.approved_by,
            purposes=tuple(self.about.purposes),
        )

    def _decide(self, reasons: Sequence[str]) -> Decision:
        """Publish, publish against advice, or refuse. Without a reason against it, nothing is forced."""
        if not reasons:
            return Decision(PUBLISHED, approved_by=self.asked.approved_by)
        if self.asked.force is None:
            raise gate.RefusedError(reasons)
        return Decision(FORCED, tuple(reasons), self.asked.force, self.asked.approved_by)

    def _write(self, case: gate.Case, edition: Edition) -> None:
        """Write everything for readers: evidence, dictionary, README and records."""
        title, facts = self.about.title, case.facts
        told = evidence.copy(self.reports, self.folder)
        told.append(model_card.write(self.folder, title, facts, edition, self.reports, case.advice))
        dictionary.write(facts.tables, self.folder)
        shutil.copyfile(self.asked.metadata, self.folder / ABOUT)
        (self.folder / README).write_text(readme.text(self.about, facts, told, edition), encoding="utf-8")
        records.write(self.folder, self.about, facts, told, edition)


def retract(
    con: duckdb.DuckDBPyConnection,
    release: Path,
    reason: str,
    key: Ed25519PrivateKey,
    now: datetime | None = None,
) -> Edition:
    """Leave a tombstone where ``release`` is: records that say so and the history stay, the data go.

    Raises OmopsqlError when the folder is no release, or was retracted before.
    """
    told = manifest.read(release)
    made = manifest.generation_of(told)
    if made is None:
        raise OmopsqlError(f"{release} was retracted before, on {told['published']}")
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    about = read_about(release / ABOUT)
    edition = Edition(told["identifier"], told["version"], moment, retracted=reason)
    with completed_folder(release, MARK, WHAT) as folder:
        facts = describe(con, Release.written(release), made)
        shutil.copyfile(release / ABOUT, folder / ABOUT)
        (folder / README).write_text(readme.tombstone(about, edition), encoding="utf-8")
        records.write(folder, about, facts, [], edition)
        history.end(release, folder, edition)
        policy = told["policy"] and told["policy"]["sha256"]
        manifest.seal(folder, edition, Decision(RETRACTED, (reason,)), None, policy, key, {})
    return edition


def _refuse_inputs_inside(asked: Asked) -> None:
    """Refuse an output that would replace what is read, or be read as part of it."""
    output = asked.output.resolve()
    inputs = [asked.synthetic, asked.metadata, asked.evaluation, asked.quality, asked.ledger, asked.policy]
    for source in [*inputs, Path(asked.model) if asked.model else None]:
        if source is not None and output in (source.resolve(), *source.resolve().parents):
            raise OmopsqlError(f"{source} lies in {asked.output}, which is to be written; give another folder")
    if asked.synthetic.resolve() in output.parents:
        raise OmopsqlError(f"{asked.output} lies in {asked.synthetic}, which is read; give another folder")


def _edition(output: Path, identifier: str, version: str | None, moment: datetime) -> Edition:
    told = version or history.next_version(output)
    history.refuse(output, identifier, told)
    return Edition(identifier, told, moment, replaces=history.last_version(output))


def _generation(con: duckdb.DuckDBPyConnection, model: str | None, synthetic: Synthetic) -> Generation:
    """How the data say that they were made; of a CDM without marks, its model with the seed that its manifest tells.

    Raises OmopsqlError when neither says it: a record must not claim what nobody knows.
    """
    found = sorted((made for made in synthetic.generations() if made is not None), key=str)
    if found:
        return found[0]
    if model is None or "seed" not in synthetic.told:
        raise OmopsqlError(
            f"nothing in {synthetic.path} says that it is synthetic, by which model and seed: make it again with "
            "omopsql synthesize, which marks what it writes; equal seeds make equal rows"
        )
    return generation_of_model(con, model, int(synthetic.told["seed"]))


def _reports(asked: Asked) -> Reports:
    return Reports(
        evaluation=None if asked.evaluation is None else Evaluation.read(asked.evaluation),
        quality=None if asked.quality is None else Quality.read(asked.quality),
        ledger=asked.ledger,
        policy=asked.policy,
    )


def _advice_on(con: duckdb.DuckDBPyConnection, model: str) -> tuple[Advice, ...]:
    with con.cursor() as cursor:
        return tuple(advice_on(cursor, model))
