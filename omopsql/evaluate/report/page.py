"""The page of an evaluation: verdict, advice, and for each family its figures, plots and every number."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

from omopsql.evaluate.advice.rules import CARE, NO, YES, Advice, by_rule, worst
from omopsql.evaluate.verdicts import FAIL, LOOK, NOT_COMPUTED, PASS, kinds
from omopsql.pages import GENERATOR, facts, page, part

from .drawing import Interval, intervals

Row = dict[str, Any]

_FOLDER = ("evaluate", "report", "page")

FAMILIES = {
    "fidelity": ("Fidelity", "Are the synthetic data like the real ones?"),
    "utility": ("Utility", "Does work on the synthetic data come to the same as work on the real ones?"),
    "privacy": ("Privacy", "Can anything be learned of a real person?"),
    "fairness": ("Fairness and balance", "Are the synthetic data as good for every subgroup?"),
}
_VERDICTS = {
    NO: "Not for this use: see below.",
    CARE: "Usable with care: see below.",
    YES: "Nothing speaks against the use that was evaluated.",
}
_WORST_FIRST = {FAIL: 0, LOOK: 1, NOT_COMPUTED: 2, PASS: 3}
_MOST_ROWS = 400  # of a family's table of details
_MOST_INTERVALS = 16
_RISKS = ("_risk", "copies", "singled_out", "tpr", "_rare")


@dataclass(frozen=True)
class Report:
    """What the page tells: the title and facts, the rows of the evaluation, the advice, and plots by family.

    ``unmet`` is each way in which a policy's thresholds are missed; None where none was asked about.
    """

    title: str
    facts: dict[str, str]
    rows: list[Row]
    advice: list[Advice]
    plots: dict[str, list[str]]
    unmet: list[str] | None = None


def render(report: Report) -> str:
    """Return the page as text."""
    level = worst(report.advice)
    body = Template(part(*_FOLDER, "page.html")).substitute(
        title=html.escape(report.title),
        facts=facts(report.facts),
        mood=level,
        verdict=html.escape(_VERDICTS[level]),
        advice="\n".join(map(_advice, by_rule(report.advice))),
        policy="" if report.unmet is None else _policy(report.unmet),
        sections="\n".join(_section(report, family) for family in FAMILIES),
        generator=html.escape(GENERATOR),
    )
    return page(f"Evaluation of {report.title}", body, part(*_FOLDER, "page.css"))


def _advice(of_rule: list[Advice]) -> str:
    told = "".join(f'<span class="evidence">{html.escape(one.about)}</span>' for one in of_rule if one.about)
    return f'<li class="{of_rule[0].advice}">{html.escape(of_rule[0].words)}{told}</li>'


def _policy(unmet: list[str]) -> str:
    met = '<li class="yes">Met, as far as an evaluation can tell.</li>'
    told = "\n".join(f'<li class="no">{html.escape(reason)}</li>' for reason in unmet) or met
    return f'<section><h2>What the policy asks for</h2><ul class="advice">{told}</ul></section>'


def _section(report: Report, family: str) -> str:
    heading, question = FAMILIES[family]
    rows = [row for row in report.rows if row["family"] == family]
    if not rows:
        return f"<section><h2>{heading}</h2><p>{question} This was not asked.</p></section>"
    headlines = [row for row in rows if kinds()[row["metric"]].is_headline and _is_total(row, rows)]
    details = sorted(rows, key=lambda row: _WORST_FIRST.get(row["verdict"], 4))
    plots = [*_figures(family, rows), *report.plots.get(family, [])]
    return "\n".join(
        [
            f"<section><h2>{heading}</h2><p>{question}</p>",
            _table(headlines, "In short", has_words=True),
            f'<div class="plots">{"".join(plots)}</div>' if plots else "",
            f"<details><summary>Every number ({len(rows):,})</summary>",
            _table(details[:_MOST_ROWS], "Every number", has_words=False),
            f"<p>{len(rows) - _MOST_ROWS:,} more stand in the file of metrics.</p>" if len(rows) > _MOST_ROWS else "",
            "</details></section>",
        ]
    )


def _is_total(row: Row, rows: list[Row]) -> bool:
    """Whether a row stands for its metric: it is about the whole, or there is no such row."""
    return row["subject"] == "" or all(other["subject"] for other in rows if other["metric"] == row["metric"])


def _figures(family: str, rows: list[Row]) -> Iterable[str]:
    if family == "privacy":
        shown = [row for row in rows if row["metric"].endswith(_RISKS) and row["value"] is not None]
        if shown:
            yield intervals(
                "Attacks: what they yield", list(map(_interval, shown[:_MOST_INTERVALS])), "share of persons"
            )
        guesses = [row for row in rows if row["metric"] == "membership_auroc" and row["value"] is not None]
        if guesses:
            yield intervals("Was this person in the real data?", list(map(_interval, guesses)), "AUROC (0.5: a coin)")
    if family == "utility":
        models = [row for row in rows if row["metric"] in ("tstr_auroc", "trts_auroc") and row["value"] is not None]
        if models:
            yield intervals("Prediction of the outcome", list(map(_interval, models)), "AUROC; tick: learned from real")


def _interval(row: Row) -> Interval:
    name = row["subject"] if row["subject"] and row["metric"].endswith("auroc") else row["metric"]
    name = f"{row['metric']} {row['subject']}" if name == row["metric"] and row["subject"] else name
    return Interval(name[:24], row["value"], row["low"], row["high"], row["reference"], row["verdict"])


def _table(rows: Sequence[Row], caption: str, has_words: bool) -> str:
    head = "".join(
        f'<th scope="col" class="{css}">{name}</th>'
        for name, css in (
            ("Verdict", ""),
            ("What", ""),
            ("Value", "number"),
            ("95 % interval", "number optional"),
            ("Reference", "number"),
            ("n", "number optional"),
        )
    )
    body = "\n".join(_line(row, has_words) for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _line(row: Row, has_words: bool) -> str:
    verdict = row["verdict"]
    what = html.escape(" ".join(part for part in (row["metric"], row["table_name"], row["subject"]) if part))
    told = [kinds()[row["metric"]].words] if has_words else []
    told += [row["note"]] if row["note"] else []
    words = "".join(f'<span class="words">{html.escape(text)}</span>' for text in told)
    span = "" if row["low"] is None or row["high"] is None else f"{_number(row['low'])} to {_number(row['high'])}"
    cells = (
        f'<td><span class="badge {verdict.replace(" ", "-")}">{html.escape(verdict)}</span></td>',
        f"<td>{what}{words}</td>",
        f'<td class="number">{_number(row["value"])}</td>',
        f'<td class="number optional">{span}</td>',
        f'<td class="number">{_number(row["reference"])}</td>',
        f'<td class="number optional">{"" if row["n"] is None else format(row["n"], ",")}</td>',
    )
    return f"<tr>{''.join(cells)}</tr>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1e5 else f"{value:.3e}"
