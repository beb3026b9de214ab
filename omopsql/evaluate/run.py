"""A whole evaluation: every family that was asked for, one below the other, with advice, as files and a page."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from omopsql import __version__
from omopsql.harmonize.cdm_source import is_schema
from omopsql.publish.policy import Policy, read_policy
from omopsql.publish.synthetic import judged
from omopsql.quoting import identifier, literal
from omopsql.relation import is_stored

from .advice import of_report
from .advice.rules import Advice, worst, worst_first
from .metric import SCHEMA
from .report.page import Report, render
from .report.plots import plots

METRICS, ADVICE, PAGE = "metrics.parquet", "evaluation.json", "index.html"
FILES = (METRICS, ADVICE, PAGE)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What is compared, and which questions are put. ``person`` is a table's key; ``by`` names subgroups.

    ``policy`` is a file that says what the numbers must reach.
    """

    real: str
    synthetic: str
    holdout: str | None = None
    person: str | None = None
    outcome: str | None = None
    follow_up: str | None = None
    cohorts: dict[str, str] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    known: str | None = None
    secret: str | None = None
    seed: int = 0
    policy: str | None = None


def calls(asked: Asked) -> Iterator[tuple[str, str]]:
    """Yield the SQL of each question, and what it does."""
    both = {"holdout": asked.holdout, "person": asked.person, "seed": asked.seed}
    yield "Comparing", _call("fidelity", asked, **both)
    if asked.outcome is not None or asked.cohorts:
        of_outcome = {"outcome": asked.outcome, "follow_up": asked.follow_up, "cohorts": asked.cohorts or None}
        yield "Learning from synthetic data", _call("utility", asked, **both, **of_outcome)
    for column in asked.by:
        yield f"Comparing by {column}", _call("fairness", asked, column, **both, outcome=asked.outcome)
    yield "Attacking", _call("privacy", asked, **both, known=asked.known, secret=asked.secret)


def _call(function: str, asked: Asked, *more: str, **options: object) -> str:
    told = [literal(asked.real), literal(asked.synthetic), *map(literal, more)]
    told += [f"{name} := {_value(value)}" for name, value in options.items() if value is not None]
    return f"FROM omopsql.{function}({', '.join(told)})"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{identifier(name)}: {literal(told)}" for name, told in value.items()) + "}"
    return literal(value) if isinstance(value, str) else str(value)


@dataclass(frozen=True)
class Evaluated:
    """What was found: rows of ``metric.SCHEMA``, and the advice that follows, the worst first.

    ``policy`` is the policy that was asked about, if any, and ``unmet`` each way in which its thresholds are missed.
    """

    rows: pa.Table
    advice: list[Advice]
    policy: Policy | None = None
    unmet: list[str] = field(default_factory=list)

    @property
    def worst(self) -> str:
        """The worst advice: ``no``, ``care`` or ``yes``."""
        return worst(self.advice)


def evaluate(con: duckdb.DuckDBPyConnection, asked: Asked, tell: Tell) -> Evaluated:
    """Put every question. Raises OmopsqlError or duckdb.Error for what cannot be read."""
    policy = None if asked.policy is None else read_policy(asked.policy)
    found = []
    for doing, sql in calls(asked):
        tell(doing)
        found.append(con.sql(sql).to_arrow_table().cast(SCHEMA))
    rows = pa.concat_tables(found)
    advice = worst_first(of_report.advice(rows))
    now = datetime.datetime.now(datetime.UTC)
    unmet = [] if policy is None else policy.unmet(rows, advice, None, now, now)
    return Evaluated(rows, advice, policy, unmet)


def write(con: duckdb.DuckDBPyConnection, asked: Asked, evaluated: Evaluated, folder: Path, tell: Tell) -> None:
    """Write the metrics, the evaluation as JSON and the page into a folder."""
    pq.write_table(evaluated.rows, folder / METRICS)
    rows = evaluated.rows.to_pylist()
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    told = {
        "omopsql": __version__,
        "evaluated": when,
        "asked": asdict(asked),
        "judged": _judged(con, asked.synthetic),
        "advice": [{"advice": one.advice, "words": one.words, **asdict(one)} for one in evaluated.advice],
        "metrics": rows,
    }
    if evaluated.policy is not None:
        told["policy"] = {"sha256": evaluated.policy.sha256, "unmet": evaluated.unmet}
    (folder / ADVICE).write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
    tell("Drawing")
    with con.cursor() as cursor:
        drawn = plots(cursor, asked.real, asked.synthetic, asked.person, rows)
    unmet = None if evaluated.policy is None else evaluated.unmet
    page = Report(asked.synthetic, _facts(asked, when), rows, evaluated.advice, drawn, unmet)
    (folder / PAGE).write_text(render(page), encoding="utf-8")


def _judged(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, object]:
    """The files that were judged with their hashes; none when the data are in the database."""
    if is_stored(con, source) or is_schema(con, source):
        return {"files": [], "model_sha256": None}
    return judged(source)


def _facts(asked: Asked, when: str) -> dict[str, str]:
    told = {
        "Real": asked.real,
        "Synthetic": asked.synthetic,
        "Holdout": asked.holdout or "none: halves of the real data are the reference",
        "Outcome": asked.outcome,
        "Subgroups": ", ".join(asked.by),
        "Policy": asked.policy,
        "Evaluated": when.replace("T", " ").removesuffix("+00:00") + " UTC",
    }
    return {term: value for term, value in told.items() if value}
