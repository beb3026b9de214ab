"""What checking came to, counted: by status, category and context, with the failures in the order that matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from omopsql.quality.judging import Judgement

SEVERITIES = ("fatal", "convention", "characterization")
CATEGORIES = ("Plausibility", "Conformance", "Completeness")
CONTEXTS = ("Verification", "Validation")


class Status(StrEnum):
    """The one word for what a check came to. A check that does not apply cannot err as well."""

    FAILED = "failed"
    ERROR = "error"
    PASSED = "passed"
    NOT_APPLICABLE = "not applicable"


def status(judgement: Judgement) -> Status:
    """Say in a word what a check came to."""
    if judgement.not_applicable:
        return Status.NOT_APPLICABLE
    if judgement.counts.error:
        return Status.ERROR
    return Status.FAILED if judgement.failed else Status.PASSED


@dataclass(frozen=True)
class Tally:
    """How many checks came to what."""

    passed: int
    failed: int
    not_applicable: int
    errors: int

    @property
    def total(self) -> int:
        """All checks."""
        return self.passed + self.failed + self.not_applicable + self.errors

    @property
    def answered(self) -> int:
        """The checks that apply and could be answered."""
        return self.passed + self.failed

    @property
    def percent_passed(self) -> float | None:
        """The percentage that DataQualityDashboard shows: of all checks, and what does not apply counts as passed."""
        return _percent(self.passed + self.not_applicable, self.total)

    @property
    def percent_of_answered(self) -> float | None:
        """The percentage of the answered checks that passed."""
        return _percent(self.passed, self.answered)


def _percent(part: int, whole: int) -> float | None:
    return part / whole * 100 if whole else None


def tally(judgements: Iterable[Judgement]) -> Tally:
    """Count checks by their status."""
    counted = Counter(map(status, judgements))
    return Tally(*(counted[each] for each in (Status.PASSED, Status.FAILED, Status.NOT_APPLICABLE, Status.ERROR)))


def categories(judgements: Iterable[Judgement]) -> list[str]:
    """The categories of checks: Kahn's in DataQualityDashboard's order, then a user's own."""
    return _known_first(CATEGORIES, (judgement.check.kind.category for judgement in judgements))


def contexts(judgements: Iterable[Judgement]) -> list[str]:
    """The contexts of checks: Kahn's first, then a user's own."""
    return _known_first(CONTEXTS, (judgement.check.kind.context for judgement in judgements))


def _known_first(known: tuple[str, ...], found: Iterable[str]) -> list[str]:
    present = set(found)
    return [*(name for name in known if name in present), *sorted(present - set(known))]


def severity_rank(severity: str) -> int:
    """0 for the most severe. A severity that only a user's own check has comes last."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def worst_first(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Order checks: failures, errors, what passed, the rest; each by severity, then by the share that violates."""
    order = list(Status)
    return sorted(
        judgements,
        key=lambda one: (
            order.index(status(one)),
            severity_rank(one.check.kind.severity),
            -(1.0 if one.share is None else one.share),  # a table that is missing is missing wholly
            one.check.check_id,
        ),
    )


def verdict(judgements: list[Judgement]) -> str:
    """Say in a sentence or two how good the CDM is."""
    counts = tally(judgements)
    if not counts.answered:
        told = "No check could be answered."
    elif not counts.failed:
        told = f"All {counts.answered:,} checks that could be answered passed."
    else:
        fatal = sum(status(one) is Status.FAILED and one.check.kind.severity == SEVERITIES[0] for one in judgements)
        told = f"{counts.failed:,} of {_checks(counts.answered)} failed, {fatal:,} of them fatal."
    return told + (f" {_checks(counts.errors)} could not be answered." if counts.errors else "")


def _checks(number: int) -> str:
    return f"{number:,} check{'s' * (number != 1)}"
