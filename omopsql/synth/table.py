"""The SQL functions for one flat table: ``copula_fit``, ``copula_sample``, ``synthesize``, ``copula_describe``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError, first_line
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

if TYPE_CHECKING:
    from omopsql.noise.asked import Noise

METHODS = ("auto", "copula", "tree", "independent")
_ASKED = {"number": c.NUMBER, "category": c.CATEGORY, "identifier": c.IDENTIFIER, "skip": c.UNLEARNED}


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
    epsilon: float | None = None,
    delta: float = 1e-6,
    person: str | None = None,
    rows_per_person: int = 1,
) -> pa.Table:
    """Learn a table: a model as a table of integer sums, each over at least min_cell rows.

    source is a table, a view, a Parquet or CSV file, a glob or a folder. columns overrides what a column is taken
    for, as in {'code': 'category', 'note': 'skip'}: number, category, identifier or skip. method is copula (one
    latent normal a column), tree (each column given earlier ones), independent, or auto, which chooses by the data.

    With epsilon, noise hides every single person: whatever is told of the data passes through it, and privacy_ledger
    lists what it cost. person names the column that tells persons apart (person_id, if there is one; '': each row is
    a person); of each person rows_per_person rows count. Each call spends epsilon anew.
    """
    _check_fit(method, min_cell)
    noise = _noise(epsilon, delta, person, rows_per_person)
    with caller.cursor() as cursor:
        return fit(cursor, source, columns or Options(), method, min_cell, noise).to_table()


def _noise(epsilon: float | None, delta: float, person: str | None, rows_per_person: int) -> Noise | None:
    """What protects the model; None where nothing does."""
    from omopsql.noise.asked import Noise

    if epsilon is None:
        if person is not None:
            raise OmopsqlError(f"person is {person!r}, but persons are protected only with epsilon; give it too")
        return None
    return Noise(epsilon, delta, person, rows_per_person)


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
    noise: Noise | None = None,
) -> Model:
    """Fit a model on a connection of its own. Raises OmopsqlError when there is too little to learn from."""
    relation = resolve(cursor, source)
    kinds = _asked_kinds(columns, relation.columns, source)
    if noise is not None:
        from omopsql.noise.fit import fit_with_noise

        return fit_with_noise(cursor, relation, kinds, method, noise)
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
    epsilon: float | None = None,
    delta: float = 1e-6,
    person: str | None = None,
    rows_per_person: int = 1,
) -> str:
    """Learn a table and generate n synthetic rows of it at once: copula_fit and copula_sample in one call.

    The model is not kept. The parameters are those of copula_fit and copula_sample.
    """
    _check_fit(method, min_cell)
    with caller.cursor() as cursor:
        noise = _noise(epsilon, delta, person, rows_per_person)
        model = fit(cursor, source, columns or Options(), method, min_cell, noise)
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
