"""The page that a data steward reads: one HTML file on its own, which loads nothing and sends nothing.

The template, style and script lie in ``omopsql/quality/page``. What comes from the data reaches the page in two ways:
in the head, escaped; and in one block of JSON, which the script shows as text, never as HTML. Besides, the page's
content security policy lets no other script run than its own.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path
from string import Template

from omopsql.pages import GENERATOR, embedded, facts, page, part
from omopsql.quality.checks import CheckType
from omopsql.quality.judging import Judgement

from .checked_cdm import CheckedCdm, Tell, call
from .overview import SEVERITIES, Status, Tally, categories, contexts, status, tally, verdict, worst_first
from .violating_rows import Examples, examples, queries

_WARNING = "This page holds rows of patients, as examples of what failed. Keep it where you keep the CDM."
_TOLD_OF_SOURCE = {
    "CDM": "cdm_version",
    "Vocabulary": "vocabulary_version",
    "Released": "cdm_release_date",
    "Holder": "cdm_holder",
}


def write_page(checked: CheckedCdm, path: Path, example_rows: int = 0, tell: Tell = lambda doing: None) -> None:
    """Write the page. With ``example_rows``, so many of the rows that violate each failed check stand in it."""
    path.write_text(render(checked, example_rows, tell), encoding="utf-8")


def render(checked: CheckedCdm, example_rows: int = 0, tell: Tell = lambda doing: None) -> str:
    """Return the page as text."""
    ordered = worst_first(checked.judgements)
    tell("Writing the queries of failed checks")
    found = queries(checked, (one for one in ordered if status(one) is Status.FAILED))
    shown = examples(checked, found, example_rows, tell) if example_rows else {}
    body = Template(part("quality", "page", "page.html")).substitute(
        data=embedded(_data(checked, ordered, found, shown)),
        title=html.escape(checked.name),
        facts=_facts(checked),
        mood=_mood(ordered),
        verdict=html.escape(verdict(ordered)),
        warning=f'<p class="warning" role="note">{_WARNING}</p>' if example_rows else "",
        tiles=_tiles(ordered),
        generator=html.escape(GENERATOR),
    )
    style, script = part("quality", "page", "page.css"), part("quality", "page", "page.js")
    return page(f"Data quality of {checked.name}", body, style, script)


def _data(
    checked: CheckedCdm, ordered: list[Judgement], found: dict[str, str], shown: dict[str, Examples]
) -> dict[str, object]:
    """Return what the script shows. A check is a list, in the order of ``columns``: names a thousand times are long."""
    rows = [_row(judgement) for judgement in ordered]
    return {
        "kinds": {judgement.check.kind.check_name: _kind(judgement.check.kind) for judgement in ordered},
        "columns": list(rows[0]) if rows else [],
        "rows": [list(row.values()) for row in rows],
        "calls": {
            one.check.check_id: call(checked.asked, one.check) for one in ordered if status(one) is Status.FAILED
        },
        "queries": found,
        "examples": {check_id: {"columns": each.columns, "rows": each.rows} for check_id, each in shown.items()},
        "severities": SEVERITIES,
    }


def _kind(kind: CheckType) -> dict[str, str]:
    return {
        "severity": kind.severity,
        "level": kind.level.lower(),
        "category": kind.category,
        "subcategory": kind.subcategory,
        "context": kind.context,
    }


def _row(judgement: Judgement) -> dict[str, str | int | float | None]:
    check, counts = judgement.check, judgement.counts
    return {
        "id": check.check_id,
        "status": str(status(judgement)),
        "name": check.kind.check_name,
        "description": check.description,
        "table": check.cdm_table,
        "field": check.cdm_field,
        "concept": check.concept_id,
        "unit": check.unit_concept_id,
        "violated": counts.violated,
        "rows": counts.examined,
        "share": judgement.share,
        "threshold": check.threshold,
        "reason": judgement.not_applicable or counts.error,
    }


def _facts(checked: CheckedCdm) -> str:
    """Write what is known of the source, as terms and descriptions."""
    told = {"cdm_version": checked.cdm.version} | checked.source
    known = {term: told.get(column) for term, column in _TOLD_OF_SOURCE.items()}
    known |= {"Checked": f"{checked.ended:%Y-%m-%d %H:%M}", "Read from": checked.asked.cdm}
    return facts({term: str(value) for term, value in known.items() if value})


def _mood(judgements: Iterable[Judgement]) -> str:
    """Return the class of the verdict: the worst severity that failed, or that all is well."""
    failed = {one.check.kind.severity for one in judgements if status(one) is Status.FAILED}
    return next((severity for severity in SEVERITIES if severity in failed), "characterization" if failed else "well")


def _tiles(judgements: list[Judgement]) -> str:
    found = contexts(judgements)
    tiles = [_tile("All checks", "", judgements, found)]
    for category in categories(judgements):
        of_it = [one for one in judgements if one.check.kind.category == category]
        tiles.append(_tile(category, category, of_it, found))
    return "\n".join(tiles)


def _tile(heading: str, category: str, judgements: list[Judgement], found: list[str]) -> str:
    """Write one tile: the share that passed, a bar, the counts, and the same by context."""
    counts = tally(judgements)
    by_context = {each: tally(one for one in judgements if one.check.kind.context == each) for each in found}
    return Template(part("quality", "page", "tile.html")).substitute(
        heading=html.escape(heading),
        category=html.escape(category),
        percent=_percent(counts.percent_of_answered),
        answered=f"{counts.answered:,}",
        bar=_bar(counts),
        failed=f"{counts.failed:,}",
        passed=f"{counts.passed:,}",
        errors=f"{counts.errors:,}",
        not_applicable=f"{counts.not_applicable:,}",
        contexts="\n".join(_context(each, counted) for each, counted in by_context.items() if counted.total),
        of_all=_percent(counts.percent_passed),
    )


def _context(name: str, counts: Tally) -> str:
    cells = (f"{counts.failed:,}", f"{counts.passed:,}", _percent(counts.percent_of_answered))
    return f'<tr><th scope="row">{html.escape(name)}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _bar(counts: Tally) -> str:
    """Draw the counts side by side. It says no more than the numbers do, so it is hidden from readers of text."""
    parts = (
        ("failed", counts.failed),
        ("error", counts.errors),
        ("passed", counts.passed),
        ("not-applicable", counts.not_applicable),
    )
    left, drawn = 0, []
    for name, number in parts:
        drawn.append(f'<rect class="{name}" x="{left}" width="{number}" height="1"/>')
        left += number
    return (
        f'<svg class="bar" viewBox="0 0 {max(left, 1)} 1" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(drawn)}</svg>"
    )


def _percent(percent: float | None) -> str:
    """Write a percentage so that 100 % means all, and 0 % none."""
    if percent is None:
        return "-"
    rounded = round(percent)
    if rounded == 100 and percent < 100:
        return "&gt;99 %"
    if rounded == 0 and percent > 0:
        return "&lt;1 %"
    return f"{rounded} %"
