"""The SQL functions for one flat table: ``copula_fit``, ``copula_sample``, ``synthesize``, ``copula_describe``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.publish.policy import read_policy
from omopsql.quoting import identifier
from omopsql.registry import Options, expression, routine
from omopsql.session import Caller
from omopsql.transport import generator

from . import columns as c
from .compile import compile_model, slots_of
from .exact import Exact
from .fit import Asked, Round, fit, fit_round
from .given import given_cells, given_sql
from .listed import names_in, read_table
from .margins import Margin
from .model import SCHEMA, Model
from .shares import balanced, read_shares

if TYPE_CHECKING:
    from omopsql.noise.asked import Noise


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
    epsilon: float | None = None,
    delta: float = 1e-6,
    person: str | None = None,
    rows_per_person: int = 1,
    for_merge: bool = False,
    margins_only: bool = False,
    margins: str | None = None,
    sites: int = 3,
) -> pa.Table:
    """Learn a table: a model as a table of integer sums, each over at least min_cell rows.

    source is a table, a view, a Parquet or CSV file, a glob or a folder. columns overrides what a column is taken
    for, as in {'code': 'category', 'note': 'skip'}: number, category, identifier or skip. method is copula (one
    latent normal a column), tree (each column given earlier ones), independent, or auto, which chooses by the data.
    policy is a file that says which columns may be learned: the others come back NULL, and nothing of them is read.
    The model's first row tells its SHA-256.

    With epsilon, noise hides every single person: whatever is told of the data passes through it, and privacy_ledger
    lists what it cost. person names the column that tells persons apart (person_id, if there is one; '': each row is
    a person); of each person rows_per_person rows count. Each call spends epsilon anew.

    for_merge := true keeps the sums exact and private, to be added by omopsql.merge to those of other sites, of which
    there are at most so many as sites says; method is copula, which auto means then, or independent. For the model
    that one fit of all rows would give, count in rounds: fit with margins_only := true, merge, and fit again, twice,
    with what was merged last as margins.
    """
    rules = None if policy is None else read_policy(policy)
    noise = _noise(epsilon, delta, person, rows_per_person)
    asked = Asked(columns or Options(), method, min_cell, rules, noise)
    if (margins_only or margins is not None) and not for_merge:
        raise OmopsqlError("margins_only and margins are for merging: say for_merge := true too (--for-merge)")
    with caller.cursor() as cursor:
        if for_merge:
            return fit_round(cursor, source, asked, Round(sites, margins_only, margins))
        return fit(cursor, source, asked).to_table()


def _noise(epsilon: float | None, delta: float, person: str | None, rows_per_person: int) -> Noise | None:
    """What protects the model; None where nothing does."""
    from omopsql.noise.asked import Noise

    if epsilon is None:
        if person is not None:
            raise OmopsqlError(f"person is {person!r}, but persons are protected only with epsilon; give it too")
        return None
    return Noise(epsilon, delta, person, rows_per_person)


@routine(
    family="synth",
    schema=SCHEMA,
    examples=("SELECT n FROM omopsql.copula_merge(['first_part', 'second_part']) WHERE statistic = 'model' --> 4000",),
)
def copula_merge(caller: Caller, models: str, for_merge: bool = False) -> pa.Table:
    """Make one model of what sites learned with copula_fit: what merge does with models of one table.

    models is a list of tables or Parquet files, as in ['a.parquet', 'b.parquet']. Fitted with for_merge := true, they
    are exact sums: that of the last round is the model that one fit of all rows would give; that of an earlier one
    stays exact, and for_merge := true must say so. Fitted with epsilon, all of them, they may be anybody's to merge:
    that spends nothing. The merged epsilon is the largest, as long as nobody is at two sites.
    """
    from omopsql.noise import merge as of_noise
    from omopsql.noise.sites import have_noise

    from .rounds import merged

    with caller.cursor() as cursor:
        tables = {name: read_table(cursor, name) for name in names_in(cursor, models)}
    if have_noise(tables):
        return of_noise.merged(tables, for_merge).to_table()
    return merged({name: Exact.from_table(table, name) for name, table in tables.items()}, for_merge)


def read_model(cursor: duckdb.DuckDBPyConnection, name: str) -> Model:
    """Read a model from the table or Parquet file that holds it."""
    return Model.from_table(read_table(cursor, name), name)


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
    policy: str | None = None,
    shares: Options | None = None,
    epsilon: float | None = None,
    delta: float = 1e-6,
    person: str | None = None,
    rows_per_person: int = 1,
) -> str:
    """Learn a table and generate n synthetic rows of it at once: copula_fit and copula_sample in one call.

    The model is not kept. The parameters are those of copula_fit and copula_sample.
    """
    rules = None if policy is None else read_policy(policy)
    noise = _noise(epsilon, delta, person, rows_per_person)
    with caller.cursor() as cursor:
        model = fit(cursor, source, Asked(columns or Options(), method, min_cell, rules, noise))
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
