"""Advice from what was evaluated: the rows of fidelity, utility, privacy and fairness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from omopsql.evaluate.verdicts import FAIL, LOOK, NOT_COMPUTED, kinds

from .rules import Advice

Row = dict[str, Any]

_TOO_FEW, _FEW = 30, 500  # persons or rows of the smaller side
_TOLD_APART = 0.95  # AUROC
_CLASSIFIERS = ("c2st_auroc", "person_c2st_auroc")
_PREDICTIONS = ("tstr_", "trts_", "trtr_")


def advice(report: pa.Table) -> Iterator[Advice]:
    """Yield what the rows of an evaluation say against a use. Details stand behind their headline."""
    rows = report.to_pylist()
    yield from _persons(rows)
    for family, rule in _RULES.items():
        of_family = [row for row in rows if row["family"] == family]
        yield from rule(of_family)


def _persons(rows: list[Row]) -> Iterator[Advice]:
    compared = [row for row in rows if row["family"] == "fidelity"] or rows
    persons = max((row["n"] for row in compared if row["n"] is not None), default=0)
    if persons < _FEW:
        rule = "too_few_persons" if persons < _TOO_FEW else "few_persons"
        yield Advice(rule, evidence=f"{persons:,} persons or rows were compared")


def _privacy(rows: list[Row]) -> Iterator[Advice]:
    headlines = [row for row in rows if kinds()[row["metric"]].is_headline]
    if not headlines:
        yield Advice("no_attacks")
    for row in headlines:
        rule = {FAIL: "attack_succeeded", LOOK: "attack_unsure", NOT_COMPUTED: "attack_not_tried"}.get(row["verdict"])
        if rule is not None:
            yield _told(rule, row)


def _fidelity(rows: list[Row]) -> Iterator[Advice]:
    for row in rows:
        if row["metric"] in _CLASSIFIERS and row["subject"] == "" and (row["value"] or 0.0) > _TOLD_APART:
            yield _told("told_apart", row)
        elif row["verdict"] == FAIL and _is_whole(row):
            yield _told("unlike_real", row)


def _utility(rows: list[Row]) -> Iterator[Advice]:
    if not rows:
        yield Advice("no_utility")
    for row in rows:
        if row["verdict"] in (FAIL, LOOK) and kinds()[row["metric"]].is_headline:
            is_prediction = row["metric"].startswith(_PREDICTIONS)
            if is_prediction or row["verdict"] == FAIL:
                yield _told("prediction_differs" if is_prediction else "analysis_differs", row)


def _fairness(rows: list[Row]) -> Iterator[Advice]:
    for row in rows:
        if row["verdict"] == FAIL:
            yield _told("subgroup_differs", row)


_RULES: dict[str, Callable[[list[Row]], Iterator[Advice]]] = {
    "privacy": _privacy,
    "fidelity": _fidelity,
    "utility": _utility,
    "fairness": _fairness,
}


def _is_whole(row: Row) -> bool:
    """Whether a row is about the whole table, or a column of its own; pairs and concepts stand behind their mean."""
    return row["subject"] == "" or (kinds()[row["metric"]].is_headline and "," not in row["subject"])


def _told(rule: str, row: Row) -> Advice:
    """Write the numbers of a row: what was found, and what fresh real data would score."""
    subject = " ".join(part for part in (row["metric"], row["table_name"], row["subject"]) if part)
    if row["value"] is None:
        return Advice(rule, subject, row["note"])
    evidence = f"{row['value']:.3g}"
    if row["low"] is not None and row["high"] is not None:
        evidence += f" ({row['low']:.3g} to {row['high']:.3g})"
    if row["reference"] is not None:
        evidence += f"; fresh real data: {row['reference']:.3g}"
    return Advice(rule, subject, evidence)
