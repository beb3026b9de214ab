"""The SQL function ``k_map``: how many persons share what is commonly known of a person."""

from __future__ import annotations

from functools import cache

import duckdb
import ibis
import ibis.expr.types as ir

from omopsql.errors import OmopsqlError
from omopsql.evaluate.sources import is_cdm
from omopsql.harmonize.cdm_source import cdm_relations
from omopsql.registry import expression
from omopsql.relation import Relation, resolve
from omopsql.session import Caller

from .subjects import is_quasi

_SOURCE, _POPULATION = "omopsql_source", "omopsql_population"
_OF_A_CDM = ("gender_concept_id", "year_of_birth", "race_concept_id", "ethnicity_concept_id")


@expression(
    family="privacy",
    examples=(
        "SELECT sum(persons) FROM omopsql.k_map('patients.parquet', quasi := 'sex, smoking') --> 2000",
        "SELECT sum(persons) FROM omopsql.k_map('omopsql_demo/cdm') --> 2000",
    ),
)
def k_map(caller: Caller, source: str, quasi: str | None = None, population: str | None = None) -> str:
    """Count the persons of each kind, the rarest kind first: persons who are alone in theirs can be recognised.

    source is a table with one row a person, a file, or a CDM, whose table person is counted. quasi lists the columns
    that others may know, as in 'sex, birth_year, zip'; by default those whose names say so, and for a CDM sex, year
    of birth, race and ethnicity. With population, another such source, its persons of the same kinds are counted
    beside them in the column population.
    """
    with caller.cursor() as cursor:
        relations = [_persons(cursor, name) for name in (source, population) if name is not None]
        columns = _columns(relations[0], quasi, is_cdm(cursor, source))
        for relation in relations[1:]:
            _columns(relation, ", ".join(columns), False)
    named = zip((_SOURCE, _POPULATION), relations, strict=False)
    inputs = ", ".join(f"{name} AS (FROM {relation.sql})" for name, relation in named)
    return f"WITH {inputs} FROM ({_cells_sql(columns, population is not None)})"


def _persons(cursor: duckdb.DuckDBPyConnection, source: str) -> Relation:
    return cdm_relations(cursor, source)["person"] if is_cdm(cursor, source) else resolve(cursor, source)


def _columns(relation: Relation, quasi: str | None, is_person: bool) -> tuple[str, ...]:
    by_name = {name.lower(): name for name in relation.columns}
    if quasi is None:
        names = _OF_A_CDM if is_person else tuple(name for name in relation.columns if is_quasi(name))
        wanted = [name for name in names if name.lower() in by_name]
    else:
        wanted = [name.strip() for name in quasi.split(",") if name.strip()]
    for name in wanted:
        if name.lower() not in by_name:
            raise OmopsqlError(f"quasi: {relation.name} has no column {name!r}; it has {', '.join(relation.columns)}")
    if not wanted:
        raise OmopsqlError(f"quasi names no column of {relation.name}; it has {', '.join(relation.columns)}")
    return tuple(by_name[name.lower()] for name in wanted)


@cache
def _cells_sql(columns: tuple[str, ...], has_population: bool) -> str:
    cells = _counted(columns, _SOURCE, "persons")
    if has_population:
        others = _counted(columns, _POPULATION, "population")
        same = [cells[name].identical_to(others[name]) for name in columns]
        joined = cells.left_join(others, same, rname="{name}_of_population")
        counted = joined.population.fill_null(0)
        cells = joined.select(*columns, "persons", population=counted).order_by("population", "persons", *columns)
    else:
        cells = cells.order_by("persons", *columns)
    return str(ibis.to_sql(cells, dialect="duckdb"))


def _counted(columns: tuple[str, ...], table: str, count: str) -> ir.Table:
    rows = ibis.table(dict.fromkeys(columns, "string"), name=table)  # what is only grouped may be of any type
    return rows.group_by(*columns).agg(**{count: ibis._.count()})
