"""The SQL function ``rebalance_effect``: what a balanced sample of a model does for the subgroups it balances."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError, first_line
from omopsql.evaluate.metric import SCHEMA, Metric, to_table
from omopsql.evaluate.sources import all_cdm
from omopsql.evaluate.utility.classifiers import BOOSTING, chances, real_chances
from omopsql.evaluate.utility.flat import Roles
from omopsql.evaluate.utility.intervals import resampled, share
from omopsql.evaluate.utility.prediction import judges_of
from omopsql.evaluate.utility.question import Question, obstacle
from omopsql.quality.beyond.inputs import Inputs
from omopsql.quoting import identifier, literal
from omopsql.registry import Options, routine
from omopsql.relation import Relation, describe, resolve
from omopsql.session import Caller
from omopsql.synth.hospital.given import read_wishes
from omopsql.synth.hospital.served import ERAS, WITHOUT_PERSONS, Synthetic, open_hospital, table_sql
from omopsql.synth.table import read_model, sample_sql

from .functions import grouped_cdms, grouped_tables
from .groups import Groups
from .service import AUROC, TPR, groups_of, scored, told_metric, too_few

_PLAIN, _BALANCED = "the plain sample", "the balanced sample"
_EFFECTS = (("auroc", AUROC), ("tpr", TPR))
_LEAST_ROWS = 10  # of a value that gets a share of its own
_SEX = ("gender", "sex")

_Grouped = tuple[Question, Groups]
_Pair = tuple[_Grouped, _Grouped]  # before and after


@routine(
    family="evaluate",
    schema=SCHEMA,
    examples=(
        "SELECT value FROM omopsql.rebalance_effect('patients_model', 'patients.parquet', 'died', 'sex', "
        "shares := {'sex': {'F': 1}}, person := 'patient_id') WHERE metric = 'share_after' AND subject = 'sex = F' "
        "--> 1.0",
    ),
)
def rebalance_effect(
    caller: Caller,
    model: str,
    real: str,
    outcome: str,
    by: str,
    shares: Options | None = None,
    holdout: str | None = None,
    person: str | None = None,
    predictors: str | None = None,
    rows: int | None = None,
    seed: int = 0,
) -> pa.Table:
    """Tell what target shares do for subgroups: models that learn from a plain and from a balanced sample, compared.

    model is one of copula_fit with a table as real, or one of cdm_fit with a CDM. Both samples have as many rows (or
    persons) as real, or rows of them. shares are those of copula_sample or cdm_sample, as in {'sex': {'F': 0.5}}; by
    default all subgroups of by get the same. outcome, by, holdout, person and predictors are those of fairness.
    """
    if rows is not None and rows < 1:
        raise OmopsqlError(f"rows is {rows}; give at least 1")
    roles = Roles(person=person, predictors=predictors)
    sources = (real,) if holdout is None else (real, holdout)
    with caller.cursor() as cursor:
        of_cdm = all_cdm(cursor, sources)
        _need_model(cursor, model, real, of_cdm)
        asked = _Asked(caller, cursor, model, sources, outcome, by, shares, roles, rows, seed)
        before, after = _of_cdm(asked) if of_cdm else _of_table(asked)
        return to_table(list(_effects(before, after, seed)))


@dataclass(frozen=True)
class _Asked:
    """The call of the function: what was asked, and who asked."""

    caller: Caller
    cursor: duckdb.DuckDBPyConnection
    model: str
    sources: tuple[str, ...]
    outcome: str
    by: str
    shares: dict[str, Any] | None
    roles: Roles
    rows: int | None
    seed: int

    def size(self, real: str) -> int:
        """How many rows or persons to sample: as many as there are after FROM, unless the user says."""
        return self.rows or int(self.cursor.execute(f"SELECT count(*) FROM {real}").fetchall()[0][0])


def _need_model(cursor: duckdb.DuckDBPyConnection, model: str, real: str, of_cdm: bool) -> None:
    """Raise OmopsqlError when a model of a table comes with a CDM, or the reverse."""
    is_of_cdm = "key" in resolve(cursor, model).columns
    if is_of_cdm != of_cdm:
        words = ("a CDM", "a table")
        raise OmopsqlError(f"{model} is a model of {words[not is_of_cdm]}, and {real} is {words[not of_cdm]}")


def _of_table(asked: _Asked) -> _Pair:
    """The question to a plain and to a balanced sample of a model of a table."""
    cursor = asked.cursor
    real, *holdout = (resolve(cursor, source) for source in asked.sources)
    model, size = read_model(cursor, asked.model), asked.size(real.sql)

    def to_sample(name: str, shares: dict[str, Any]) -> _Grouped:
        made = sample_sql(cursor, model, size, asked.seed, {}, shares)
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS {made}")
        relations = [real, describe(cursor, name, identifier(name)), *holdout]
        return grouped_tables(cursor, relations, asked.by, asked.outcome, asked.roles, asked.seed)[:2]

    return to_sample(_PLAIN, {}), to_sample(
        _BALANCED, asked.shares or {asked.by: _equal_shares(cursor, real, asked.by)}
    )


def _equal_shares(cursor: duckdb.DuckDBPyConnection, relation: Relation, column: str) -> dict[str, float]:
    """The same share for every frequent value of a column."""
    value = f"CAST({identifier(column)} AS VARCHAR)"
    frequent = (
        f"SELECT {value} FROM {relation.sql} WHERE {identifier(column)} IS NOT NULL GROUP BY 1 "
        f"HAVING count(*) >= {_LEAST_ROWS} ORDER BY 1"
    )
    try:
        values = [row[0] for row in cursor.execute(frequent).fetchall()]
    except duckdb.Error as error:
        raise OmopsqlError(f"by: {column!r} cannot be counted in {relation.name}: {first_line(error)}") from error
    if not values:
        raise OmopsqlError(f"by: no value of {column!r} has {_LEAST_ROWS} rows; give shares")
    return {value: 1 / len(values) for value in values}


def _of_cdm(asked: _Asked) -> _Pair:
    """The question to a plain and to a balanced hospital of a model of a CDM."""
    real, *holdout = asked.sources
    person = Relation(f"{real}.person", *_person(asked.cursor, real))
    size = asked.size(person.sql)

    def to_sample(name: str, shares: dict[str, Any] | None) -> _Grouped:
        with tempfile.TemporaryDirectory(prefix="omopsql-") as folder:
            place = Path(folder) / name
            _write_sample(asked.cursor, asked.model, place, size, asked.seed, shares)
            sources = [real, str(place), *holdout]
            return grouped_cdms(asked.caller, sources, asked.by, asked.outcome, asked.roles, asked.seed)[:2]

    return to_sample(_PLAIN, None), to_sample(
        _BALANCED, asked.shares or _equal_concepts(asked.cursor, person, asked.by)
    )


def _person(cursor: duckdb.DuckDBPyConnection, cdm: str) -> tuple[str, dict[str, str]]:
    inputs = Inputs(cursor, cdm)
    inputs.need("person", "person_id")
    return inputs.rows("person"), inputs.columns("person")


def _equal_concepts(cursor: duckdb.DuckDBPyConnection, person: Relation, by: str) -> dict[str, dict[str, float]]:
    name = by.lower().removesuffix("_concept_id")
    if name == "age":
        raise OmopsqlError("shares: by age there are none by default; give some, as in {'min_age': {'65': 0.5}}")
    column = "gender_concept_id" if name in _SEX else f"{name}_concept_id"
    found = _equal_shares(cursor, person, column)
    known = [concept for concept in found if concept != "0"]
    return {column: {concept: 1 / len(known) for concept in known}}


def _write_sample(
    cursor: duckdb.DuckDBPyConnection, model: str, folder: Path, persons: int, seed: int, shares: dict[str, Any] | None
) -> None:
    """Write the tables of a synthetic hospital that hold persons."""
    hospital, digest = open_hospital(cursor, model)
    synthetic = Synthetic(hospital, digest, persons, seed, read_wishes(hospital.items, None, shares))
    folder.mkdir()
    for name in synthetic.tables:
        if name not in WITHOUT_PERSONS and name not in ERAS:
            target = literal(str(folder / f"{name}.parquet"))
            cursor.execute(f"COPY ({table_sql(synthetic, name)}) TO {target} (FORMAT parquet)")


def _effects(before: _Grouped, after: _Grouped, seed: int) -> Iterator[Metric]:
    """Score models of both samples on the same real rows, with the same resamples of them."""
    question, groups = before
    yield from _shares(question, groups, after[1])
    real, judges = judges_of(question, seed)
    reason = obstacle([real, judges, question.synthetic.named(_PLAIN), after[0].synthetic.named(_BALANCED)])
    if reason:
        named = [(f"{name}_change", group) for name, _ in _EFFECTS for group in groups.names]
        yield from (Metric(metric, None, table=question.table, subject=group, note=reason) for metric, group in named)
        return
    weights = resampled(len(judges), seed)
    made = [chances(BOOSTING, asked.synthetic, judges, seed) for asked, _ in (before, after)]
    by_real = real_chances(BOOSTING, real, judges, seed)
    for name, service in _EFFECTS:
        plain, balanced, ceiling = (
            scored(judges, chance, weights, service, len(groups.names)) for chance in (*made, by_real)
        )
        for number, group in enumerate(groups.names):
            rows = int((groups_of(judges) == number).sum())
            note = too_few(judges, number) or f"{BOOSTING}, tested on {rows:,} rows of {judges.name}"
            reference = float(ceiling[number, 0])
            yield told_metric(question, f"{name}_before", group, plain[number], reference, rows, note)
            yield told_metric(question, f"{name}_after", group, balanced[number], reference, rows, note)
            yield told_metric(question, f"{name}_change", group, balanced[number] - plain[number], None, rows, note)


def _shares(question: Question, before: Groups, after: Groups) -> Iterator[Metric]:
    real = before.sides[0]
    for number, name in enumerate(before.names):
        for metric, side in (("share_before", before.sides[1]), ("share_after", after.sides[1])):
            found = share(int((side == number).sum()), len(side))
            reference = float(np.mean(real == number))
            yield Metric(metric, found.value, found.low, found.high, reference, question.table, name, len(side))
