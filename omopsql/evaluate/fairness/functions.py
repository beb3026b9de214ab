"""The SQL function ``fairness``: whether synthetic data are as good for every subgroup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pyarrow as pa

from omopsql.evaluate.cdm.hospitals import Hospitals, open_hospitals
from omopsql.evaluate.cdm.persons import MOST_PERSONS, vectors
from omopsql.evaluate.metric import SCHEMA, Metric, to_table
from omopsql.evaluate.sides import Int64s, Sides, sides_of
from omopsql.evaluate.sources import all_cdm
from omopsql.evaluate.utility import cdm
from omopsql.evaluate.utility.flat import Roles, flat_question, known_outcome
from omopsql.evaluate.utility.question import Question
from omopsql.registry import routine
from omopsql.relation import Relation, resolve
from omopsql.session import Caller

from .groups import Groups, cdm_groups, flat_groups
from .service import service
from .shares import flat_cells, group_fidelity, group_shares, vector_cells


@routine(
    family="evaluate",
    schema=SCHEMA,
    examples=(
        "SELECT verdict FROM omopsql.fairness('patients.parquet', 'patients.parquet', 'sex', "
        "person := 'patient_id') WHERE metric = 'group_share' LIMIT 1 --> pass",
    ),
)
def fairness(
    caller: Caller,
    real: str,
    synthetic: str,
    by: str,
    outcome: str | None = None,
    holdout: str | None = None,
    person: str | None = None,
    predictors: str | None = None,
    seed: int = 0,
) -> pa.Table:
    """Tell whether synthetic data are as good for every subgroup: its share, its fidelity, and models that serve it.

    by is a column of the tables (its values, or quarters of its numbers); for CDMs gender_concept_id, race_concept_id,
    ethnicity_concept_id or age. outcome, person and predictors are those of utility: with an outcome, a model that
    learned from synthetic rows is tried on the real rows of each subgroup, and the gaps between subgroups are told
    beside those of a model that learned from real rows.
    """
    sources = [source for source in (real, synthetic, holdout) if source is not None]
    roles = Roles(person=person, predictors=predictors)
    with caller.cursor() as cursor:
        if all_cdm(cursor, sources):
            found = list(_of_cdms(caller, cursor, sources, by, outcome, roles, seed))
        else:
            relations = [resolve(cursor, source) for source in sources]
            found = list(_of_tables(cursor, relations, by, outcome, roles, seed))
    return to_table(found)


def _of_tables(
    cursor: duckdb.DuckDBPyConnection, relations: list[Relation], by: str, outcome: str | None, roles: Roles, seed: int
) -> Iterator[Metric]:
    if outcome is None:
        sides = sides_of(cursor, relations, without=[] if roles.person is None else [roles.person], seed=seed)
        groups = flat_groups(sides, by)
    else:
        question, groups, sides = grouped_tables(cursor, relations, by, outcome, roles, seed)
    yield from group_shares(groups)
    yield from group_fidelity(groups, flat_cells(sides, (groups.by,)), seed)
    if outcome is not None:
        yield from service(question, groups.by, groups.names, seed)


def grouped_tables(
    cursor: duckdb.DuckDBPyConnection, relations: list[Relation], by: str, outcome: str, roles: Roles, seed: int
) -> tuple[Question, Groups, Sides]:
    """Put a question to tables, and divide its rows by a column. Returns the groups of all rows and the tables, too."""
    question, sides = flat_question(cursor, relations, outcome, roles, seed)
    groups = flat_groups(sides, by)
    of_known = tuple(side[known_outcome(sides, place)] for place, side in enumerate(groups.sides))
    return divided(question, of_known), groups, sides


def _of_cdms(
    caller: Caller,
    cursor: duckdb.DuckDBPyConnection,
    sources: list[str],
    by: str,
    outcome: str | None,
    roles: Roles,
    seed: int,
) -> Iterator[Metric]:
    if outcome is None:
        real, synthetic, *holdout = sources
        hospitals = open_hospitals(cursor, real, synthetic, *holdout, persons=MOST_PERSONS, seed=seed)
        groups = cdm_groups(hospitals, by)
    else:
        question, groups, hospitals = grouped_cdms(caller, sources, by, outcome, roles, seed)
    yield from group_shares(groups, cdm.TABLE)
    yield from group_fidelity(groups, vector_cells(vectors(hospitals).sides), seed, cdm.TABLE)
    if outcome is not None:
        yield from service(question, groups.by, groups.names, seed)


def grouped_cdms(
    caller: Caller, sources: list[str], by: str, outcome: str, roles: Roles, seed: int
) -> tuple[Question, Groups, Hospitals]:
    """Put a question to CDMs, and divide its persons. Returns the groups of all persons, and the CDMs, too."""
    question, hospitals, chosen = cdm.asked_of_cdms(caller, sources, outcome, roles, seed)
    groups = cdm_groups(hospitals, by)
    return divided(question, tuple(side[of] for side, of in zip(groups.sides, chosen, strict=True))), groups, hospitals


def divided(question: Question, groups: tuple[Int64s, ...]) -> Question:
    """The same question, each row with its subgroup."""
    real, synthetic, *holdout = groups
    third = None if question.holdout is None else replace(question.holdout, group=holdout[0])
    return replace(
        question,
        real=replace(question.real, group=real),
        synthetic=replace(question.synthetic, group=synthetic),
        holdout=third,
    )
