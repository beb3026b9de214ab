"""The summary of a checked CDM as plain text: the verdict, the counts, and what failed, the worst first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from omopsql.quality.judging import Judgement

from .checked_cdm import CheckedCdm
from .overview import Status, Tally, categories, contexts, status, tally, verdict, worst_first

Cell = str | int | float | None
Line = tuple[Cell, ...]
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COUNTED = ("category", "context", "passed", "failed", "not applicable", "errors", "total", "% passed", "% of answered")
_FAILED = ("severity", "violated", "of", "%", "allowed %", "check")
_ERRORS = ("severity", "checks", "error", "such as")


def as_text(checked: CheckedCdm, shown: int | None = None) -> str:
    """Return the summary, with at most ``shown`` failures; without it, with all.

    "% passed" is DataQualityDashboard's: of all checks, and what does not apply counts as passed. "% of answered" is of
    the checks that passed or failed.
    """
    ordered = worst_first(checked.judgements)
    failed = [one for one in ordered if status(one) is Status.FAILED]
    errors = [one for one in ordered if status(one) is Status.ERROR]
    told = [_in_one_line(f"{checked.name}, CDM {checked.cdm.version}: {verdict(ordered)}"), ""]
    told += _aligned(_COUNTED, list(_counted(checked.judgements)))
    if failed:
        told += ["", "Failed, the worst first:", *_aligned(_FAILED, [_failure(one) for one in failed[:shown]])]
    if shown is not None and len(failed) > shown:
        told.append(f"{len(failed) - shown:,} more")
    if errors:
        told += ["", "Could not be answered:", *_aligned(_ERRORS, list(_by_error(errors)))]
    return "\n".join(told) + "\n"


def _counted(judgements: Sequence[Judgement]) -> Iterator[Line]:
    """Count by category and context, then all."""
    for category in categories(judgements):
        for context in contexts(judgements):
            kind = (category, context)
            counts = tally(one for one in judgements if (one.check.kind.category, one.check.kind.context) == kind)
            if counts.total:
                yield (*kind, *_numbers(counts))
    yield ("Total", "", *_numbers(tally(judgements)))


def _numbers(counts: Tally) -> Line:
    numbers = (counts.passed, counts.failed, counts.not_applicable, counts.errors, counts.total)
    return (*numbers, counts.percent_passed, counts.percent_of_answered)


def _failure(judgement: Judgement) -> Line:
    counts = judgement.counts
    percent = None if judgement.share is None else judgement.share * 100
    may_be = None if percent is None else judgement.check.threshold or 0.0
    return (judgement.check.kind.severity, counts.violated, counts.examined, percent, may_be, judgement.check.check_id)


def _by_error(errors: Sequence[Judgement]) -> Iterator[Line]:
    """Put checks with the same error on one line: where a vocabulary is missing, hundreds have it."""
    together: dict[str, list[Judgement]] = defaultdict(list)
    for one in errors:
        together[one.counts.error or ""].append(one)
    for error, checks in together.items():
        yield (checks[0].check.kind.severity, len(checks), error, checks[0].check.check_id)


def _aligned(heads: Sequence[str], lines: Sequence[Line]) -> list[str]:
    """Write lines under their heads. Columns of numbers stand to the right."""
    columns = list(zip(*lines, strict=True))
    is_number = [all(isinstance(cell, int | float | None) for cell in column) for column in columns]
    written = [list(heads), *([_written(cell) for cell in line] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*written, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        ).rstrip()
        for line in written
    ]


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) else _in_one_line(cell)


def _in_one_line(text: str) -> str:
    """Show line breaks and other control characters as escapes: the terminal would obey them."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
