"""A question to whole CDMs: the outcome is a query that names persons, the predictors are what is known of a person.

Where the query tells an index date, only what came before it is known. Persons without the outcome then have an index
date, too: as long after the start of their observation as that of a person with it, who is drawn for each by the seed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError, first_line
from omopsql.evaluate.cdm.histories import People
from omopsql.evaluate.cdm.hospitals import Hospitals, open_hospitals
from omopsql.evaluate.cdm.persons import MOST_PERSONS, Persons, Until, vectors
from omopsql.evaluate.outcome import Asked, read_query
from omopsql.evaluate.sides import Doubles, Int64s
from omopsql.harmonize.cdm import VERSIONS, VOCABULARY_TABLES, storage_type, tables
from omopsql.harmonize.current_vocabulary import SCHEMA as VOCABULARY
from omopsql.harmonize.current_vocabulary import folder_in_use
from omopsql.quality.beyond.inputs import Inputs
from omopsql.quoting import identifier
from omopsql.session import CATALOG, Caller

from .cohorts import Count
from .flat import Roles
from .predictors import Predictors
from .question import Question, Rows

TABLE = "person"
DIED = "died"
_LEAST_MISSING = 10  # real persons of whom something is not known, for that to be a predictor
_ANCESTOR = "concept_ancestor"
_OUTCOME, _INDEX = "outcome", "index_date"


@dataclass(frozen=True)
class Answer:
    """What a user's query answers on one CDM, one row a person, by rising id.

    ``outcome`` is 1 or 0; ``day`` the index date since 1970-01-01, None where the query tells none; ``is_whole`` says
    that the persons of the question are all named, those without the outcome, too.
    """

    person_id: Int64s
    outcome: Doubles
    day: Int64s | None
    is_whole: bool


@contextmanager
def plain_tables(caller: Caller, cdm: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor of its own that sees a CDM's tables by their plain names; those that it lacks are empty.

    The vocabulary's tables are the CDM's own, or else those of the vocabulary in use.
    """
    with caller.cursor() as cursor:
        inputs = Inputs(cursor, cdm)
        has_vocabulary = not inputs.has("concept") and _is_in_use(cursor)
        for name in tables(VERSIONS[-1]):
            is_shared = has_vocabulary and name in VOCABULARY_TABLES and not inputs.has(name)
            rows = f"FROM {identifier(CATALOG, VOCABULARY, name)}" if is_shared else _table(inputs, name)
            cursor.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS {rows}")
        yield cursor


def _is_in_use(cursor: duckdb.DuckDBPyConnection) -> bool:
    try:
        return bool(folder_in_use(cursor))
    except OmopsqlError:
        return False


def _table(inputs: Inputs, name: str) -> str:
    """The rows of a table with every column that the CDM declares."""
    fields = tables(VERSIONS[-1])[name]
    columns = ", ".join(
        f"{inputs.typed(name, column)} AS {identifier(column)}"
        if inputs.has(name, column)
        else f"CAST(NULL AS {storage_type(field)}) AS {identifier(column)}"
        for column, field in fields.items()
    )
    return f"SELECT {columns} " + (f"FROM {inputs.rows(name)}" if inputs.has(name) else "WHERE false")


def cohort_counts(caller: Caller, sources: list[str], cohorts: dict[str, str]) -> dict[str, list[Count]]:
    """Count the persons of each CDM whom a query names."""
    found: dict[str, list[Count]] = {name: [] for name in cohorts}
    for source in sources:
        with plain_tables(caller, source) as cursor:
            everyone = cursor.execute("SELECT count(DISTINCT person_id) FROM person").fetchall()[0][0]
            for name, sql in cohorts.items():
                asked = read_query(cursor, f"cohort {name}", sql)
                _need_person(cursor, asked, source)
                members = f"SELECT DISTINCT person_id FROM ({asked.sql}\n) SEMI JOIN person USING (person_id)"
                found[name].append((len(_answered(cursor, asked, source, members)), everyone))
    return found


def _need_person(cursor: duckdb.DuckDBPyConnection, asked: Asked, source: str) -> set[str]:
    """The columns of a user's query. Raises OmopsqlError when it cannot run, or names no persons."""
    described = _answered(cursor, asked, source, f"DESCRIBE FROM ({asked.sql}\n)")
    columns = {name.lower() for name in described["column_name"].to_pylist()}
    if "person_id" not in columns:
        raise OmopsqlError(f"{asked.argument}: it returns {', '.join(sorted(columns))}; it must return person_id")
    return columns


def _answered(cursor: duckdb.DuckDBPyConnection, asked: Asked, source: str, sql: str) -> pa.Table:
    try:
        return cursor.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        raise OmopsqlError(f"{asked.argument}: it cannot run on {source}: {first_line(error)}") from error


def answer(cursor: duckdb.DuckDBPyConnection, asked: Asked, source: str) -> Answer:
    """Run a user's query on one CDM. Raises OmopsqlError when it cannot run, or names no persons."""
    columns = _need_person(cursor, asked, source)
    outcome = f"max(CAST(CAST({_OUTCOME} AS BOOLEAN) AS INTEGER))" if _OUTCOME in columns else "1"
    day = f"min(datediff('day', DATE '1970-01-01', CAST({_INDEX} AS DATE)))" if _INDEX in columns else "NULL"
    named = f"SELECT person_id, {outcome} AS outcome, CAST({day} AS BIGINT) AS day FROM ({asked.sql}\n)"
    kept = f"WHERE outcome IS NOT NULL {'AND day IS NOT NULL' if _INDEX in columns else ''} ORDER BY person_id"
    rows = _answered(cursor, asked, source, f"FROM ({named} GROUP BY person_id) {kept}")
    return Answer(
        _whole(rows["person_id"]),
        _whole(rows["outcome"]).astype(float),
        _whole(rows["day"]) if _INDEX in columns else None,
        _OUTCOME in columns,
    )


def _whole(column: pa.ChunkedArray) -> Int64s:
    return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)


def question(caller: Caller, sources: list[str], outcome: str, roles: Roles, seed: int) -> Question:
    """Put a question to real, synthetic and holdout CDMs.

    Without index dates, records of the concepts that the outcome names (and of what stands below them) tell nothing.
    Raises OmopsqlError when the query cannot run, or a CDM cannot be read.
    """
    return asked_of_cdms(caller, sources, outcome, roles, seed)[0]


def asked_of_cdms(
    caller: Caller, sources: list[str], outcome: str, roles: Roles, seed: int
) -> tuple[Question, Hospitals, tuple[Int64s, ...]]:
    """Put a question as ``question`` does. Returns the CDMs, too, and the places of the persons of the question."""
    for argument, name in (("person", roles.person), ("follow_up", roles.follow_up)):
        if name is not None:
            raise OmopsqlError(f"{argument}: a CDM tells it by itself; leave {argument} out")
    with caller.cursor() as cursor:
        asked = read_query(cursor, "outcome", outcome)
    answers, without = _answers(caller, sources, asked)
    with caller.cursor() as cursor:
        real, synthetic, *holdout = sources
        hospitals = open_hospitals(cursor, real, synthetic, *holdout, persons=MOST_PERSONS, seed=seed)
    people = [side.people for side in hospitals.every]
    until = _until(people, answers, seed)
    persons = vectors(hospitals, until, () if until else without)
    made = _predictors(persons, roles.predictors)
    chosen = tuple(_of_question(one, found) for one, found in zip(people, answers, strict=True))
    days = [None] * len(people) if not until else [limit.day for limit in until]
    rows = [
        _rows(name, one, matrix, found, first).taken(places)
        for name, one, matrix, found, first, places in zip(
            sources, people, made.sides, answers, days, chosen, strict=True
        )
    ]
    baseline = tuple(
        i for i, name in enumerate(made.names) if name != "years observed" and not name.endswith(" records")
    )
    third = rows[2] if holdout else None
    told = _told(hospitals, without, bool(until))
    return Question(asked.sql, made.names, rows[0], rows[1], third, baseline, TABLE, told), hospitals, chosen


def _answers(caller: Caller, sources: list[str], asked: Asked) -> tuple[list[Answer], frozenset[int]]:
    """The answer of each CDM, and the concepts that the query names, with those below them."""
    answers, without = [], set(asked.numbers)
    with ExitStack() as stack:
        for source in sources:
            cursor = stack.enter_context(plain_tables(caller, source))
            answers.append(answer(cursor, asked, source))
            below = (
                f"SELECT DISTINCT descendant_concept_id FROM {_ANCESTOR} WHERE list_contains($1, ancestor_concept_id)"
            )
            without.update(row[0] for row in cursor.execute(below, [list(asked.numbers)]).fetchall())
    if len({(one.day is None, one.is_whole) for one in answers}) > 1:
        raise OmopsqlError("outcome: it returns other columns on one CDM than on another")
    return answers, frozenset(without)


def _until(people: Sequence[People], answers: Sequence[Answer], seed: int) -> list[Until]:
    """The index date of every person; an empty list where the query tells none."""
    found = []
    for one, asked in zip(people, answers, strict=True):
        if asked.day is None:
            return []
        began = one.origin + one.start
        place, is_named = _places(asked.person_id, one.person_id)
        delays = np.sort((asked.day[place] - began)[is_named]) if is_named.any() else np.zeros(1, np.int64)
        drawn = np.random.Generator(np.random.Philox(seed)).integers(0, len(delays), len(one))
        day = began + delays[drawn]
        day[is_named] = asked.day[place[is_named]]
        found.append(Until(one.person_id, np.minimum(day, np.where(is_named, day, one.origin + one.len + 1))))
    return found


def _places(ids: Int64s, wanted: Int64s) -> tuple[Int64s, np.ndarray]:
    """Where each wanted id stands among rising ids, and whether it does."""
    if not ids.size:
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return place, np.asarray(ids[place] == wanted)


def _of_question(people: People, asked: Answer) -> Int64s:
    """The places of the persons whom a question is about."""
    is_named = _places(asked.person_id, people.person_id)[1]
    return np.flatnonzero(is_named) if asked.is_whole else np.arange(len(people))


def _rows(name: str, people: People, matrix: Doubles, asked: Answer, first: Int64s | None) -> Rows:
    """The persons of one side, followed from the index date, or the start of observation, to death or its end."""
    place, is_named = _places(asked.person_id, people.person_id)
    outcome = np.zeros(len(people))
    outcome[is_named] = asked.outcome[place[is_named]]
    began = people.start if first is None else first - people.origin
    days = np.maximum(np.where(people.death >= 0, people.death, people.len) - began, 0)
    return Rows(name, matrix, outcome, days.astype(float), (people.death >= 0).astype(float))


def _predictors(persons: Persons, named: str | None) -> Predictors:
    """Scale the vectors of persons; what is unknown stands at the real mean, and is told beside it where frequent."""
    found: list[tuple[str, list[Doubles]]] = []
    told = set()
    for column, name in enumerate(persons.names):
        parts = [matrix[:, column] for matrix in persons.sides]
        if name == DIED:
            continue
        found.append((name, _scaled(parts)))
        missing = [np.isnan(part) for part in parts]
        key = missing[0].tobytes()
        if min(missing[0].sum(), (~missing[0]).sum()) >= _LEAST_MISSING and key not in told:
            told.add(key)
            found.append((f"{name} is missing", [side.astype(float) for side in missing]))
    if named is not None:
        found = _named(found, named)
    matrices = (np.column_stack([parts[i] for _, parts in found]) for i in range(len(persons.sides)))
    return Predictors(tuple(name for name, _ in found), tuple(matrices))


def _scaled(parts: list[Doubles]) -> list[Doubles]:
    known = parts[0][~np.isnan(parts[0])]
    if not known.size or np.isin(known, (0.0, 1.0)).all():
        return [np.nan_to_num(part) for part in parts]
    spread = float(known.std()) or 1.0
    return [np.nan_to_num((part - known.mean()) / spread) for part in parts]


def _named(found: list[tuple[str, list[Doubles]]], named: str) -> list[tuple[str, list[Doubles]]]:
    known = dict(found)
    wanted = [name.strip() for name in named.split(",")]
    for name in wanted:
        if name not in known:
            shown = ", ".join([*known][:8])
            raise OmopsqlError(f"predictors: {name!r} is none of what is known of a person; that is {shown}, and so on")
    return [(name, known[name]) for name in wanted]


def _told(hospitals: Hospitals, without: Collection[int], is_dated: bool) -> tuple[str, ...]:
    told = [
        f"{side.name}: {len(side.people):,} of {side.persons:,} persons were drawn"
        for side in hospitals.every
        if len(side.people) < side.persons
    ]
    if is_dated:
        told.append("predictors are what came before the index date; others have one as long after their start")
    elif without:
        told.append(f"records of the {len(without)} concepts that the outcome names predict nothing")
    return tuple(told)
