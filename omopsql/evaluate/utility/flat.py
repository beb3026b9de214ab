"""A question to flat tables: the outcome is an expression, the predictors are the columns that it does not name."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

from omopsql.errors import OmopsqlError
from omopsql.evaluate.outcome import OUTCOME, read_expression, with_outcome
from omopsql.evaluate.sides import Doubles, Int64s, Sides, sides_of
from omopsql.relation import Relation

from .predictors import predictors
from .question import Question, Rows


@dataclass(frozen=True)
class Roles:
    """What columns are: the key of a person, the time of follow-up, and the predictors, where they are named."""

    person: str | None = None
    follow_up: str | None = None
    predictors: str | None = None


def flat_question(
    cursor: duckdb.DuckDBPyConnection, relations: list[Relation], outcome: str, roles: Roles, seed: int
) -> tuple[Question, Sides]:
    """Put a question to real, synthetic and holdout tables. Returns it with the tables themselves.

    Rows whose outcome is NULL are left out. Raises OmopsqlError when the outcome cannot be computed, or a named column
    is absent.
    """
    if roles.person is not None and roles.person.lower() not in {name.lower() for name in relations[0].columns}:
        has = ", ".join(relations[0].columns)
        raise OmopsqlError(f"person: {relations[0].name} has no column {roles.person!r}; it has {has}")
    asked = read_expression(cursor, "outcome", outcome)
    widened = [with_outcome(cursor, relation, asked) for relation in relations]
    sides = sides_of(cursor, widened, without=[] if roles.person is None else [roles.person], seed=seed)
    follow_up = None if roles.follow_up is None else _column(sides, "follow_up", roles.follow_up)
    left_out = {name.lower() for name in (*asked.columns, OUTCOME, follow_up) if name}
    columns = _chosen(sides, roles.predictors, left_out)
    made = predictors(sides, columns)
    rows = [_rows(sides, place, matrix, follow_up) for place, matrix in enumerate(made.sides)]
    told = (*sides.told, *_told(sides, rows, left_out))
    holdout = rows[2] if len(rows) > 2 else None
    every = tuple(range(len(made.names)))
    return Question(asked.sql, made.names, rows[0], rows[1], holdout, every, told=told), sides


def known_outcome(sides: Sides, place: int) -> Int64s:
    """The places of those rows of a side whose outcome is known."""
    return np.flatnonzero(~np.isnan(sides.every[place].numbers(OUTCOME)))


def _rows(sides: Sides, place: int, matrix: Doubles, follow_up: str | None) -> Rows:
    side = sides.every[place]
    outcome = side.numbers(OUTCOME)
    days = None if follow_up is None else side.numbers(follow_up)
    rows = Rows(side.name, matrix, outcome, days, None if follow_up is None else outcome)
    return rows.taken(known_outcome(sides, place) if days is None else np.flatnonzero(~np.isnan(outcome + days)))


def _column(sides: Sides, argument: str, name: str) -> str:
    """A column of numbers, as the real table writes it."""
    found = next((column for column in sides.numeric if column.lower() == name.lower()), None)
    if found is None:
        raise OmopsqlError(f"{argument}: {name!r} is no column of numbers that all tables have; {_numeric(sides)}")
    return found


def _numeric(sides: Sides) -> str:
    return f"those are {', '.join(name for name in sides.numeric if name != OUTCOME) or 'none'}"


def _chosen(sides: Sides, named: str | None, left_out: set[str]) -> tuple[str, ...]:
    """The columns that predict: those which the user names, or all that the outcome does not name."""
    known = {name.lower(): name for name in sides.columns if name.lower() not in left_out}
    if named is None:
        return tuple(known.values())
    wanted = [name.strip() for name in named.split(",")]
    for name in wanted:
        if name.lower() not in known:
            raise OmopsqlError(
                f"predictors: {name!r} is no column to predict by; those are {', '.join(known.values())}"
            )
    return tuple(known[name.lower()] for name in wanted)


def _told(sides: Sides, rows: list[Rows], left_out: set[str]) -> list[str]:
    named = [name for name in sides.columns if name.lower() in left_out and name != OUTCOME]
    told = [f"left out of the predictors, for they tell the outcome or the time: {', '.join(named)}"] if named else []
    for side, known in zip(sides.every, rows, strict=True):
        unknown = len(side) - len(known)
        if unknown:
            told.append(f"{side.name}: {unknown:,} of {len(side):,} rows have no known outcome and were left out")
    return told
