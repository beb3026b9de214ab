"""The model card: how the data were made, what was learned, how they were judged, and when not to use them.

It follows the sections of Mitchell et al. 2019, *Model Cards for Model Reporting* (doi:10.1145/3287560.3287596).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omopsql.evaluate.advice.rules import Advice, by_rule
from omopsql.evaluate.verdicts import kinds

from .dictionary import cell
from .evidence import FOLDER, Reports
from .facts import Edition, Evidence, Facts, Generation

_METHODS = {
    "hospital": "a model of a whole CDM: persons, visits, events, attributes and values, as numbers of persons",
    "copula": "a Gaussian copula over margins in bins",
    "tree": "a tree of tables of two columns",
    "independent": "each column alone",
}


PATH = f"{FOLDER}/model-card.md"


def write(
    folder: Path, title: str, facts: Facts, edition: Edition, reports: Reports, advice: Sequence[Advice]
) -> Evidence:
    """Write the card below ``folder``, and return it as evidence.

    ``advice`` is that of the model and of its evaluation.
    """
    (folder / PATH).write_text(text(title, facts, edition, reports, advice), encoding="utf-8")
    return Evidence(
        "model card", PATH, "Model card", "told", "How the data were made and judged, and when not to use them."
    )


def text(title: str, facts: Facts, edition: Edition, reports: Reports, advice: Sequence[Advice]) -> str:
    """Return the card as Markdown."""
    sections = (
        ("Model details", _details(facts.generation, edition)),
        ("Intended use", _use(advice)),
        ("What was learned", _learned(facts)),
        ("What was made", _made(facts)),
        ("How it was judged", _judged(reports)),
        ("When not to use the data", _advised(advice)),
        ("Privacy", _privacy(facts.generation)),
    )
    body = "\n".join(f"## {head}\n\n{text}\n" for head, text in sections)
    return f"# Model card: {title}\n\n{body}"


def _details(made: Generation, edition: Edition) -> str:
    return _table(
        {
            "Data set, version": f"{edition.identifier}, {edition.version}",
            "Made with": f"omopsql {made.omopsql}, method {made.method}: {_METHODS.get(made.method, 'a model')}",
            "SHA-256 of the model": f"`{made.model_sha256}`",
            "Seed": str(made.seed),
            "Policy": "none" if made.policy_sha256 is None else f"SHA-256 `{made.policy_sha256}`",
        }
    )


def _use(advice: Sequence[Advice]) -> str:
    told = [one.words for one in advice if one.advice == "yes"]
    purpose = told[0] if told else "To write and test programs, to teach, and to plan studies; see the advice below."
    return f"{purpose} The data are synthetic: no row describes a real person, and none may be used to decide on one."


def _learned(facts: Facts) -> str:
    made = facts.generation
    what = "persons" if facts.standard else "rows"
    held = f"Sums over {made.learned:,} {what}, each over at least {made.min_cell} of them."
    if made.epsilon is not None:
        held = f"Sums over about {made.learned:,} {what}, each with noise that hides any one person."
    return f"{held} No row of the source is in the model."


def _made(facts: Facts) -> str:
    told = {"Tables": f"{len(facts.tables)}", "Rows": f"{facts.rows:,}"}
    if facts.persons is not None:
        told["Persons"] = f"{facts.persons:,}"
    if facts.youngest is not None:
        told["Ages at the start"] = f"{facts.youngest} to {facts.oldest} years"
    if facts.first_day is not None:
        told["Days"] = f"{facts.first_day} to {facts.last_day}"
    if facts.standard is not None:
        told["Standard"] = facts.standard
    return _table(told)


def _judged(reports: Reports) -> str:
    if reports.evaluation is None:
        return "The data were not evaluated."
    rows = [row for row in reports.evaluation.metrics if _is_headline(row)]
    lines = "\n".join(
        f"| {row['family']} | {cell(' '.join(filter(None, (row['metric'], row['table_name']))))} | "
        f"{_number(row['value'])} | {_number(row['reference'])} | {row['verdict']} |"
        for row in rows
    )
    when = f"Evaluated on {reports.evaluation.evaluated:%Y-%m-%d}; the reference is what fresh real data would score."
    return f"{when}\n\n| family | metric | value | reference | verdict |\n|---|---|---|---|---|\n{lines}"


def _is_headline(row: Any) -> bool:
    kind = kinds().get(row["metric"])
    return kind is not None and kind.is_headline and row["subject"] == ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _advised(advice: Iterable[Advice]) -> str:
    lines = []
    for of_rule in by_rule(advice):
        about = "; ".join(dict.fromkeys(one.about for one in of_rule if one.about))
        lines.append(f"- **{of_rule[0].advice}**: {of_rule[0].words}{f' ({about})' if about else ''}")
    return "\n".join(lines) or "No advice was given."


def _privacy(made: Generation) -> str:
    if made.epsilon is None:
        return (
            f"No noise was added: counts of fewer than {made.min_cell} were suppressed, and there is no mathematical "
            "guarantee. The release rests on the attacks that were tried."
        )
    at = "" if made.delta is None else f" at delta {made.delta:g}"
    return f"The model is differentially private: epsilon {made.epsilon:g}{at}; the ledger tells how it was spent."


def _table(told: dict[str, str]) -> str:
    lines = "\n".join(f"| {name} | {cell(value)} |" for name, value in told.items())
    return f"| | |\n|---|---|\n{lines}"
