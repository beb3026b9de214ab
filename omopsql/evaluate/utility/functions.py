"""The SQL function ``utility``: what synthetic data are good for, beside what real data are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.evaluate.metric import SCHEMA, Metric, to_table
from omopsql.evaluate.sources import all_cdm
from omopsql.registry import Options, routine
from omopsql.relation import resolve
from omopsql.session import Caller

from . import cdm
from .cohorts import cohort_metrics, flat_counts, need_texts
from .flat import Roles, flat_question
from .prediction import prediction
from .question import Question
from .replication import COX, LOGISTIC, replication


@routine(
    family="evaluate",
    schema=SCHEMA,
    examples=(
        "SELECT verdict FROM omopsql.utility('patients.parquet', 'patients.parquet', 'diabetes', "
        "person := 'patient_id', predictors := 'bmi, hba1c, sex') WHERE metric = 'tstr_auroc' LIMIT 1 --> pass",
    ),
)
def utility(
    caller: Caller,
    real: str,
    synthetic: str,
    outcome: str | None = None,
    holdout: str | None = None,
    person: str | None = None,
    cohorts: Options | None = None,
    follow_up: str | None = None,
    predictors: str | None = None,
    seed: int = 0,
) -> pa.Table:
    """Tell what synthetic data are good for: models trained on them, analyses and cohorts repeated on them.

    For tables or files, outcome is an expression such as 'age > 60 AND died'; the predictors are all columns that it
    does not name, or those listed in predictors, 'age, sex'. person names a key, which predicts nothing; follow_up the
    time to the outcome or the end, for a Cox regression. For CDMs (schemas or folders), outcome is a SELECT of
    person_id and, if wanted, index_date, before which a person's records count; with a third column outcome it lists
    all persons of the question. holdout is real data that the generator never saw: models are tested on it. cohorts
    are definitions by name, as in {'diabetics': 'hba1c >= 6.5'}; for CDMs, SELECTs of person_id.
    """
    if outcome is None and cohorts is None:
        raise OmopsqlError(
            "utility: give an outcome, such as 'age > 60 AND died', or cohorts, as in {'old': 'age > 60'}"
        )
    sources = [source for source in (real, synthetic, holdout) if source is not None]
    roles = Roles(person, follow_up, predictors)
    definitions = None if cohorts is None else need_texts(cohorts)
    with caller.cursor() as cursor:
        if all_cdm(cursor, sources):
            found = list(_of_cdms(caller, sources, outcome, roles, definitions, seed))
        else:
            found = list(_of_tables(cursor, sources, outcome, roles, definitions, seed))
    return to_table(found)


def _of_tables(
    cursor: duckdb.DuckDBPyConnection,
    sources: list[str],
    outcome: str | None,
    roles: Roles,
    cohorts: dict[str, str] | None,
    seed: int,
) -> Iterator[Metric]:
    relations = [resolve(cursor, source) for source in sources]
    if outcome is not None:
        yield from answered(flat_question(cursor, relations, outcome, roles, seed)[0], seed)
    if cohorts is not None:
        yield from cohort_metrics(flat_counts(cursor, relations, cohorts))


def _of_cdms(
    caller: Caller, sources: list[str], outcome: str | None, roles: Roles, cohorts: dict[str, str] | None, seed: int
) -> Iterator[Metric]:
    if outcome is not None:
        yield from answered(cdm.question(caller, sources, outcome, roles, seed), seed)
    if cohorts is not None:
        yield from cohort_metrics(cdm.cohort_counts(caller, sources, cohorts), cdm.TABLE)


def answered(question: Question, seed: int) -> Iterator[Metric]:
    """Answer a question by prediction and by regression; the first number says what was left out."""
    found: Iterable[Metric] = [*prediction(question, seed), *replication(question, LOGISTIC, seed)]
    if question.real.days is not None:
        found = [*found, *replication(question, COX, seed)]
    for place, metric in enumerate(found):
        yield replace(metric, note="; ".join([metric.note, *question.told])) if place == 0 else metric
