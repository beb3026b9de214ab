"""The plots of an evaluation, by family: of one table its columns and pairs, of a CDM its concepts and courses."""

from __future__ import annotations

from typing import Any

import duckdb

from omopsql.evaluate.cdm.hospitals import open_hospitals
from omopsql.evaluate.sides import open_sides
from omopsql.evaluate.sources import all_cdm

from . import hospital
from .drawing import curves, heatmap, histogram, scatter
from .margins import shares

_MOST_COLUMNS = 40
_MOST_NAMES = 24  # of columns in a heatmap
_DARKEST = 0.2  # distance of a pair
_PERSONS = 20_000  # of a CDM's side, for plots


def plots(
    cursor: duckdb.DuckDBPyConnection, real: str, synthetic: str, person: str | None, rows: list[dict[str, Any]]
) -> dict[str, list[str]]:
    """Return figures by family. ``rows`` are those of the evaluation."""
    if all_cdm(cursor, (real, synthetic)):
        return {"fidelity": _of_hospitals(cursor, real, synthetic)}
    sides = open_sides(cursor, real, synthetic, without=() if person is None else (person,))
    shown = [histogram(one.column, one.bins, one.real, one.synthetic) for one in shares(sides)][:_MOST_COLUMNS]
    return {"fidelity": [*_pairs(rows, sides.columns), *shown]}


def _pairs(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> list[str]:
    cells = {
        (one, other): row["value"]
        for row in rows
        if row["metric"] == "pair_distance" and row["value"] is not None
        for one, _, other in [row["subject"].partition(", ")]
        if one in columns and other in columns
    }
    names = [name for name in columns if any(name in pair for pair in cells)][:_MOST_NAMES]
    kept = {pair: value for pair, value in cells.items() if set(pair) <= set(names)}
    return [heatmap("Pairs of columns: distance from real", names, kept, _DARKEST)] if kept else []


def _of_hospitals(cursor: duckdb.DuckDBPyConnection, real: str, synthetic: str) -> list[str]:
    hospitals = open_hospitals(cursor, real, synthetic, persons=_PERSONS)
    found = [scatter("Share of persons with each concept", hospital.prevalence(hospitals), "real", "synthetic")]
    for subject, one, other in hospital.survival(hospitals):
        title = "Survival" if not subject else f"Survival: {subject}"
        found.append(curves(title, one, other, "years of follow-up", "share alive", steps=True))
    for course in hospital.courses(hospitals):
        title = f"Measurement {course.variable}: mean"
        found.append(curves(title, course.real, course.synthetic, course.unit, "mean", from_zero=False, steps=False))
    return found
