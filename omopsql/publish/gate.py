"""The gate: every reason why data must not be published, told at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError
from omopsql.evaluate.advice.of_model import of_learned
from omopsql.evaluate.advice.rules import NO, YES, Advice, worst_first

from .evidence import Evaluation, Quality, Reports
from .facts import Facts
from .marking import Copied
from .synthetic import Synthetic

MOST_DAYS = 365  # of an evaluation, unless a policy says otherwise
_NAMED = 5  # files that a reason names


class RefusedError(OmopsqlError):
    """Data that must not be published. ``reasons`` are all that speak against it."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        many = "reason" if len(reasons) == 1 else "reasons"
        told = "; ".join(f"({number}) {reason}" for number, reason in enumerate(reasons, 1))
        super().__init__(f"not published, for {len(reasons)} {many}: {told}")


@dataclass(frozen=True)
class Case:
    """What is decided on: the data with the hashes of their files, the reports, and what is asked of them.

    ``model_sha256`` is that of the model that was given; ``model_advice`` what follows from it.
    """

    synthetic: Synthetic
    copied: Mapping[Path, Copied]
    facts: Facts
    reports: Reports
    now: datetime
    model_sha256: str | None = None
    model_advice: tuple[Advice, ...] = ()
    policy: Any = None
    approved_by: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()

    @property
    def advice(self) -> tuple[Advice, ...]:
        """When not to use the data: of the evaluation, of the model, and of how many it learned from."""
        made, evaluation = self.facts.generation, self.reports.evaluation
        judged = NOT_EVALUATED if evaluation is None else evaluation.advice
        learned = of_learned(made.learned, "persons" if self.facts.standard else "rows")
        told = dict.fromkeys([*judged, *self.model_advice, *learned])
        return tuple(worst_first(one for one in told if one.advice != YES))


NOT_EVALUATED = (Advice("no_attacks"), Advice("no_utility"))


def reasons(case: Case) -> list[str]:
    """Return every reason against a release; none when it may be published."""
    found = [*_origin(case), *_evaluation(case), *_advised(case), *_quality(case), *_noise(case), *_policy(case)]
    return list(dict.fromkeys(found))


def _origin(case: Case) -> Iterator[str]:
    """Whether the data are synthetic, of one model, and as they were made."""
    made, name = case.synthetic.generations(), case.synthetic.path.name
    if None in made:
        yield f"nothing in {name} says that it is synthetic: omopsql synthesize marks what it writes"
    if len(made) > 1:
        yield f"the files of {name} were made from different models or seeds: make them in one run"
    if case.model_sha256 not in (None, case.facts.generation.model_sha256):
        yield (
            f"the model that is given ({case.model_sha256[:12]}) is not the one that made the data "
            f"({case.facts.generation.model_sha256[:12]})"
        )
    yield from _changed(case)


def _changed(case: Case) -> Iterator[str]:
    told = case.synthetic.told.get("files")
    if told is None:
        return
    found = {case.synthetic.name_of(file): one.source_sha256 for file, one in case.copied.items()}
    changed = sorted(name for name in found.keys() & told.keys() if found[name] != told[name])
    for what, names in (
        ("changed since omopsql synthesize wrote it", changed),
        ("not a file that omopsql synthesize wrote", sorted(found.keys() - told.keys())),
        ("missing, and omopsql synthesize wrote it", sorted(told.keys() - found.keys())),
    ):
        if names:
            yield f"{_listed(names)}: {what}; make the data again"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _evaluation(case: Case) -> Iterator[str]:
    evaluation = case.reports.evaluation
    if evaluation is None:
        yield "there is no evaluation: run omopsql evaluate on the very data of the release, and give its folder"
        return
    yield from _binding(case, evaluation)
    days = (case.now - evaluation.evaluated).days
    most = _asked(case, "days")
    if days < 0:
        yield f"the evaluation is dated {evaluation.evaluated:%Y-%m-%d}, which lies in the future; evaluate again"
    elif days > (MOST_DAYS if most is None else most):
        yield f"the evaluation is expired: it is {days} days old, and {MOST_DAYS if most is None else most} are allowed"


def _binding(case: Case, evaluation: Evaluation) -> Iterator[str]:
    """Whether the evaluation judged these bytes, as they were or as they are now."""
    if not evaluation.judged:
        yield "the evaluation does not say which files it judged: evaluate the files themselves, not a table"
        return
    foreign = sorted(
        case.synthetic.name_of(file)
        for file, one in case.copied.items()
        if not {one.source_sha256, one.sha256} & evaluation.judged
    )
    if foreign:
        yield f"the evaluation is foreign: it judged other bytes than those of {_listed(foreign)}; evaluate again"


def _advised(case: Case) -> Iterator[str]:
    """Advice not to use the data: too few persons, an attack that succeeded, and so on."""
    if _asked(case, "advice") is not None:
        return  # the policy says which advice it tolerates
    for one in case.advice:
        if one.advice == NO:
            about = f" ({one.about})" if one.about else ""
            yield f"the advice is no: {one.words}{about}"


def _quality(case: Case) -> Iterator[str]:
    quality = case.reports.quality
    if quality is not None and _asked(case, "failed_checks") is None:
        yield from _fatal(quality)


def _fatal(quality: Quality) -> Iterator[str]:
    """Without a policy, checks that OHDSI calls fatal decide: a table or a field that is missing or of another type."""
    for check in quality.failed:
        if check.get("severity") == "fatal":
            yield f"the check {check['checkId']} failed, and is fatal: {check.get('checkDescription', '')}".rstrip(": ")


def _noise(case: Case) -> Iterator[str]:
    if case.facts.generation.epsilon is not None and case.reports.ledger is None:
        yield "the model was made with noise, and its ledger is missing: give what omopsql.privacy_ledger tells"


def _policy(case: Case) -> Iterator[str]:
    """What the policy asks for."""
    if case.policy is None:
        return
    evaluation, quality = case.reports.evaluation, case.reports.quality
    yield from case.policy.unmet(
        None if evaluation is None else evaluation.metrics,
        () if evaluation is None else evaluation.advice,
        case.facts,
        None if evaluation is None else evaluation.evaluated,
        case.now,
        checks=None if quality is None else quality.checks,
        approved_by=case.approved_by,
        purposes=case.purposes,
    )


def _asked(case: Case, name: str) -> Any:
    """What the policy says of a release; None where it says nothing, or there is no policy."""
    return None if case.policy is None else getattr(case.policy.release, name)
