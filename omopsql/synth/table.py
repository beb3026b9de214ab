"""The SQL functions for one flat table: ``copula_fit``, ``copula_sample``, ``synthesize``, ``copula_describe``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError, first_line
from omopsql.publish.policy import Policy, read_policy
from omopsql.publish.policy.rules import type_without_values
from omopsql.quoting import identifier
from omopsql.registry import Options, expression, routine
from omopsql.relation import resolve
from omopsql.session import Caller
from omopsql.transport import generator

from . import columns as c
from .choose import fit_joint
from .compile import compile_model, slots_of
from .counts import SOURCE, create_source
from .encode import encode
from .given import given_cells, given_sql
from .margins import Margin, Survey
from .model import SCHEMA, Model
from .shares import balanced, read_shares

METHODS = ("auto", "copula", "tree", "independent")
_SKIP = "skip"
_ASKED = {"number": c.NUMBER, "category": c.CATEGORY, "identifier": c.IDENTIFIER, _SKIP: c.UNLEARNED}


@routine(
    family="synth",
    schema=SCHEMA,
    examples=("SELECT n FROM omopsql.copula_fit('patients.parquet') WHERE statistic = 'model' --> 2000",),
)
def copula_fit(
    caller: Caller,
    source: str,
    columns: Options | None = None,
    method: str = "auto",
    min_cell: int = 10,
    policy: str | None = None,
) -> pa.Table:
    """Learn a table: a model as a table of integer sums, each over at least min_cell rows.

    source is a table, a view, a Parquet or CSV file, a glob or a folder. columns overrides what a column is taken
    for, as in {'code': 'category', 'note': 'skip'}: number, category, identifier or skip. method is copula (one
    latent normal a column), tree (each column given earlier ones), independent, or auto, which chooses by the data.
    policy is a file that says which columns may be learned: the others come back NULL, and nothing of them is read.
    The model's first row tells its SHA-256.
    """
    _check_fit(method, min_cell)
    rules = None if policy is None else read_policy(policy)
    with caller.cursor() as cursor:
        return fit(cursor, source, columns or Options(), method, min_cell, rules).to_table()


def _check_fit(method: str, min_cell: int) -> None:
    if method not in METHODS:
        raise OmopsqlError(f"method {method!r} is none of {', '.join(METHODS)}")
    if min_cell < 1:
        raise OmopsqlError(f"min_cell is {min_cell}; it must be at least 1")


def fit(
    cursor: duckdb.DuckDBPyConnection,
    source: str,
    columns: Options,
    method: str,
    min_cell: int,
    policy: Policy | None = None,
) -> Model:
    """Fit a model on a connection of its own. Raises OmopsqlError when there is too little to learn from."""
    if policy is not None:
        return _fit_under(policy, cursor, source, columns, method, min_cell)
    return _fit(cursor, source, columns, method, min_cell)


def _fit_under(
    policy: Policy, cursor: duckdb.DuckDBPyConnection, source: str, columns: Options, method: str, min_cell: int
) -> Model:
    """Fit without the columns that a policy withholds, with its floor for cells, and say which policy it was."""
    policy.refuse_noise(None, None)
    withheld = policy.withheld(source, resolve(cursor, source).columns)
    for name in withheld:
        if columns.get(name, _SKIP) != _SKIP:
            raise OmopsqlError(
                f"columns: {policy.name} does not allow {name!r} to be learned; leave it out, or skip it"
            )
    skipped = Options(columns | dict.fromkeys(withheld, _SKIP))
    model = _fit(cursor, source, skipped, method, policy.least(min_cell))
    margins = [_withheld(one) if one.column.name in withheld else one for one in model.margins]
    return replace(model, margins=margins, policy=policy.sha256)


def _withheld(margin: Margin) -> Margin:
    column = margin.column
    return Margin(replace(column, type=type_without_values(column.type), note="the policy withholds it"))


def _fit(cursor: duckdb.DuckDBPyConnection, source: str, columns: Options, method: str, min_cell: int) -> Model:
    relation = resolve(cursor, source)
    kinds = _asked_kinds(columns, relation.columns, source)
    create_source(cursor, relation)
    rows = int(cursor.execute(f"SELECT count(*) FROM {SOURCE}").fetchall()[0][0])
    if rows == 0:
        raise OmopsqlError(f"{source} has no rows; there is nothing to learn")
    if rows < min_cell:
        raise OmopsqlError(
            f"{source} has {rows} row{'s' * (rows > 1)}, fewer than min_cell = {min_cell}; "
            "no statistic of it may be released"
        )
    margins = Survey(cursor, relation.columns, rows, min_cell).margins(kinds)
    learned = [margin for margin in margins if margin.column.kind in c.LEARNED]
    if method == "independent" or len(learned) < 2:
        return Model("independent", rows, min_cell, margins)
    cells = encode(cursor, relation.columns, learned, rows)
    return fit_joint(method, cells, margins, rows, min_cell)


def _asked_kinds(asked: Options, known: dict[str, str], source: str) -> dict[str, str]:
    kinds = {}
    for name, kind in asked.items():
        if name not in known:
            raise OmopsqlError(f"columns: {source} has no column {name!r}; it has {', '.join(known)}")
        if kind not in _ASKED:
            raise OmopsqlError(f"columns: {name!r} cannot be {kind!r}; say {', '.join(_ASKED)}")
        kinds[name] = _ASKED[kind]
    return kinds


def read_model(cursor: duckdb.DuckDBPyConnection, name: str) -> Model:
    """Read a model from the table or Parquet file that holds it."""
    relation = resolve(cursor, name)
    try:
        table = cursor.sql(f"FROM {relation.sql}").to_arrow_table()
    except duckdb.Error as error:
        raise OmopsqlError(f"{name} cannot be read: {first_line(error)}") from error
    return Model.from_table(table, name)


@expression(
    family="synth",
    examples=(
        "SELECT count(*) FROM omopsql.copula_sample('patients_model', 500, seed := 42) --> 500",
        "SELECT round(avg(CAST(sex = 'F' AS INTEGER)), 1) FROM omopsql.copula_sample('patients_model', 5000, "
        "shares := {'sex': {'F': 0.2, 'M': 0.8}}) --> 0.2",
    ),
)
def copula_sample(
    caller: Caller, model: str, n: int, seed: int = 0, given: Options | None = None, shares: Options | None = None
) -> str:
    """Generate n synthetic rows from a model of copula_fit, with the source's columns and types.

    model is the name of the model's table or its Parquet file. The same model, seed and row number give the same
    row, whatever n is. given fixes columns, as in {'sex': 'F'}: the others follow as they do in such rows. shares
    balances columns, as in {'sex': {'F': 0.5}}: what the shares leave goes to the other values, as they are shared.
    """
    with caller.cursor() as cursor:
        return sample_sql(cursor, read_model(cursor, model), n, seed, given or {}, shares or {})


@expression(
    family="synth",
    examples=("SELECT count(*) FROM omopsql.synthesize('patients.parquet', 1000, seed := 42) --> 1000",),
)
def synthesize(
    caller: Caller,
    source: str,
    n: int,
    seed: int = 0,
    given: Options | None = None,
    columns: Options | None = None,
    method: str = "auto",
    min_cell: int = 10,
    shares: Options | None = None,
    policy: str | None = None,
) -> str:
    """Learn a table and generate n synthetic rows of it at once: copula_fit and copula_sample in one call.

    The model is not kept. The parameters are those of copula_fit and copula_sample.
    """
    _check_fit(method, min_cell)
    rules = None if policy is None else read_policy(policy)
    with caller.cursor() as cursor:
        model = fit(cursor, source, columns or Options(), method, min_cell, rules)
        return sample_sql(cursor, model, n, seed, given or {}, shares or {})


def sample_sql(
    cursor: duckdb.DuckDBPyConnection,
    model: Model,
    n: int,
    seed: int,
    given: dict[str, Any],
    shares: dict[str, Any] | None = None,
) -> str:
    """Write the query that yields ``n`` rows of a model.

    Raises OmopsqlError for a bad ``n``, ``given`` or ``shares``.
    """
    if n < 0:
        raise OmopsqlError(f"n is {n}; ask for 0 or more rows")
    cells = given_cells(model, given)
    compiled = balanced(model, cells, read_shares(model, shares, cells)) if shares else compile_model(model, cells)
    source, slots = generator.source_sql(cursor, compiled, n, seed)
    selected = []
    for margin in model.margins:
        name = margin.column.name
        taken = sum(slots_of(margin)) if margin.column.kind in c.LEARNED else 0
        own, slots = slots[:taken], slots[taken:]
        value = given_sql(margin, given[name]) if name in given else _column_sql(margin, own)
        selected.append(f"{value} AS {identifier(name)}")
    return f"SELECT {', '.join(selected)} FROM {source}"


def _column_sql(margin: Margin, slots: list[str]) -> str:
    """Write the SQL of one output column from its slots (none, a number, a label, or both)."""
    column = margin.column
    if column.kind == c.IDENTIFIER:
        return c.key_sql(column)
    has_number, has_label = slots_of(margin)
    values = []
    if slots and has_label:
        values.append(c.label_sql(column, slots[-1]))
    if slots and has_number:
        values.append(c.number_sql(column, slots[0]))
    if len(values) == 2:
        return f"coalesce({', '.join(values)})"
    return values[0] if values else f"CAST(NULL AS {column.type})"
