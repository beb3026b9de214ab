"""Connections: every function of the registry, made present on one DuckDB database.

The functions stand in an in-memory catalog named ``omopsql``, attached beside the user's own. Nothing is written to
the user's file and no setting is changed.
"""

from __future__ import annotations

import json
import uuid
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from . import registry, transport
from .errors import OmopsqlError
from .quoting import identifier, literal
from .registry import Function, Parameter
from .transport import PREFIX, add_function, arrow, generator, persons

CATALOG = "omopsql"

_TO_DUCKDB = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN"}

# A UDF must not keep its connection alive, or closing it would not release the file. So the functions of a database
# know it by a token, and the token leads to the connections that registered there and still live.
_connections: dict[str, list[weakref.ref[duckdb.DuckDBPyConnection]]] = {}


@dataclass(frozen=True)
class Caller:
    """The session that called a function: its database by token, and where its unqualified names lead."""

    token: str
    database: str
    schema: str

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a second connection to the caller's database. It sees what is committed, not temporary tables."""
        cursor = self._open()
        try:
            cursor.execute(f"USE {identifier(self.database, self.schema)}")
            yield cursor
        finally:
            cursor.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        for reference in _connections.get(self.token, []):
            con = reference()
            try:
                if con is not None:
                    return con.cursor()
            except duckdb.ConnectionException:
                continue  # closed by its owner
        raise OmopsqlError(
            "the connection that omopsql was registered on is closed; call omopsql.register(con) on this one"
        )


def connect(database: str | Path = ":memory:", **options: Any) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB database with every omopsql function on it. Takes the arguments of ``duckdb.connect``."""
    transport.load_native()
    con = duckdb.connect(str(database), **options)
    try:
        return register(con)
    except BaseException:
        con.close()
        raise


def register(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Make every omopsql function present on an open connection, and return it. Twice is harmless.

    Raises OmopsqlError when a database named ``omopsql`` is attached already, or when a transaction is open.
    """
    token = _attached_token(con)
    if token is not None:
        _connections.setdefault(token, []).append(weakref.ref(con))
        return con
    if _in_transaction(con):
        raise OmopsqlError("omopsql cannot register inside an open transaction; commit it first")
    token = uuid.uuid4().hex
    try:
        con.execute(f"ATTACH ':memory:' AS {CATALOG} (READ_WRITE)")
        _connections[token] = [weakref.ref(con)]
        _load(con, token)
    except duckdb.TransactionException as error:
        raise OmopsqlError(f"omopsql cannot register inside an open transaction; commit it first ({error})") from error
    return con


def _in_transaction(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a transaction is open. Outside of one, every statement is a transaction with its own number."""
    first, second = (con.execute("SELECT txid_current()").fetchall() for _ in range(2))
    return bool(first == second)


def _attached_token(con: duckdb.DuckDBPyConnection) -> str | None:
    found = con.execute("SELECT path FROM duckdb_databases() WHERE database_name = ?", [CATALOG]).fetchall()
    if not found:
        return None
    marked = con.execute(
        "SELECT 1 FROM duckdb_columns() WHERE database_name = ? AND table_name = 'session' AND column_name = 'token'",
        [CATALOG],
    ).fetchall()
    if not marked:
        path = found[0][0]
        where = f"the file {path}" if path else "another in-memory database"
        raise OmopsqlError(
            f"the catalog name 'omopsql' is taken by {where}; attach it under another name (ATTACH ... AS other)"
        )
    return str(con.execute(f"SELECT token FROM {CATALOG}.session").fetchall()[0][0])


def _load(con: duckdb.DuckDBPyConnection, token: str) -> None:
    from .harmonize.cdm import list_fields
    from .harmonize.current_vocabulary import declare as declare_vocabulary  # they import Caller from here
    from .harmonize.current_vocabulary import use_configured

    native = con.execute("SELECT 1 FROM duckdb_functions() WHERE function_name = ?", [f"{PREFIX}norm_cdf"]).fetchall()
    if not native:
        arrow.register(con)
    generator.register_arrow(con)
    persons.register(con)
    declare_vocabulary(con)
    by_kind = list(_LOADERS)  # macros come last: their bodies are bound against what stands there
    for function in sorted(registry.functions(), key=lambda f: by_kind.index(f.kind)):
        _LOADERS[function.kind](con, token, function)
        kind = "MACRO TABLE" if function.is_table else "MACRO"
        con.execute(f"COMMENT ON {kind} {CATALOG}.{identifier(function.name)} IS {literal(function.summary)}")
    con.execute(f"CREATE TABLE {CATALOG}.session AS SELECT {literal(token)} AS token")
    list_fields(con)
    use_configured(con)
    _list_functions(con)


def _list_functions(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        f"CREATE TABLE {CATALOG}.functions (name VARCHAR, family VARCHAR, kind VARCHAR, signature VARCHAR, "
        "description VARCHAR, example VARCHAR)"
    )
    rows = [(f.name, f.family, f.kind, f.signature, f.description, f.examples[0].sql) for f in registry.functions()]
    con.executemany(f"INSERT INTO {CATALOG}.functions VALUES (?, ?, ?, ?, ?, ?)", rows)


def _load_macro(con: duckdb.DuckDBPyConnection, token: str, function: Function) -> None:
    con.execute(function.body)


def _load_kernel(con: duckdb.DuckDBPyConnection, token: str, function: Function) -> None:
    names = ", ".join(identifier(parameter.name) for parameter in function.parameters)
    con.execute(f"CREATE OR REPLACE MACRO {CATALOG}.{function.name}({names}) AS {PREFIX}{function.name}({names})")


def _macro_head(function: Function) -> str:
    parameters = (identifier(p.name) + ("" if p.default is None else f" := {p.default}") for p in function.parameters)
    return f"CREATE OR REPLACE MACRO {CATALOG}.{function.name}({', '.join(parameters)}) AS TABLE"


def _passed(parameter: Parameter) -> str:
    """How a macro hands a parameter to its Python function: a struct travels as JSON."""
    if parameter.type == "STRUCT":
        return f"CAST(to_json({identifier(parameter.name)}) AS VARCHAR)"
    return f"CAST({identifier(parameter.name)} AS {parameter.type})"


def _python_call(function: Function, token: str) -> tuple[str, list[str]]:
    """Write the call of a function's UDF, and its parameter types. The caller's session comes last."""
    passed = [_passed(parameter) for parameter in function.parameters]
    session = [literal(token), "current_database()", "current_schema()"]
    types = ["VARCHAR" if p.type == "STRUCT" else p.type for p in function.parameters]
    return f"{_udf_name(function)}({', '.join([*passed, *session])})", [*types, "VARCHAR", "VARCHAR", "VARCHAR"]


def _udf_name(function: Function) -> str:
    return f"{PREFIX}{function.kind}_{function.name}"


def _arguments(function: Function, values: Sequence[Any]) -> dict[str, Any]:
    arguments = {}
    for parameter, value in zip(function.parameters, values, strict=True):
        if parameter.type == "STRUCT" and value is not None:
            value = json.loads(value)
            if not isinstance(value, dict):
                raise OmopsqlError(
                    f"{function.name}: {parameter.name} takes a struct such as {{'column': value}}, not {value!r}"
                )
        elif value is None and parameter.default != "NULL":
            raise OmopsqlError(f"{function.name}: {parameter.name} is NULL; give a {parameter.type}")
        arguments[parameter.name] = value
    return arguments


def _answer(function: Function, values: Sequence[Any]) -> Any:
    *arguments, token, database, schema = values
    return function.body(Caller(token, database, schema), **_arguments(function, arguments))


# The UDFs below are kept for the process, one a function: DuckDB frees those of a closed connection, while other
# connections to the same database still call them.

_FAILED = "!"  # no query begins with it: the mark of a message that SQL raises as its own error


@cache
def _expression_udf(function: Function) -> Callable[..., str]:
    def answer(*values: Any) -> str:
        try:
            return str(_answer(function, values))
        except OmopsqlError as error:
            return f"{_FAILED}{error}"

    return answer


def _load_expression(con: duckdb.DuckDBPyConnection, token: str, function: Function) -> None:
    """Make a Python function that returns SQL into a table function, through ``query()`` of a folded constant."""
    call, types = _python_call(function, token)
    add_function(con, _udf_name(function), _expression_udf(function), types, "VARCHAR", arrow=False)
    raised = f"CASE WHEN answer[1] = '{_FAILED}' THEN error(answer[2:]) ELSE answer END"
    con.execute(f"{_macro_head(function)} FROM query(list_transform([{call}], lambda answer: {raised})[1])")


@cache
def _routine_udf(function: Function) -> Callable[..., pa.Array]:
    shape = _routine_shape(function)

    def answer(*columns: pa.ChunkedArray) -> pa.Array:
        lists = []
        for values in zip(*(column.to_pylist() for column in columns), strict=True):
            try:
                lists.append(_struct_rows(_answer(function, values), shape))
            except OmopsqlError as error:
                lists.append(pa.array([{"failure": str(error)}], shape))
        offsets = array("i", [0, *accumulate(map(len, lists))])
        starts = pa.Array.from_buffers(pa.int32(), len(offsets), [None, pa.py_buffer(offsets)])  # without pandas
        return pa.ListArray.from_arrays(starts, pa.concat_arrays(lists))

    return answer


def _routine_shape(function: Function) -> pa.StructType:
    """A routine's rows, and beside them the message of a failed call."""
    return pa.struct([*function.body.schema, pa.field("failure", pa.string())])


def _load_routine(con: duckdb.DuckDBPyConnection, token: str, function: Function) -> None:
    """Make a Python function that returns rows into a table function: a list of structs, unnested."""
    call, types = _python_call(function, token)
    returns = ", ".join(f"{identifier(field.name)} {sql_type(field.type)}" for field in _routine_shape(function))
    add_function(con, _udf_name(function), _routine_udf(function), types, f"STRUCT({returns})[]", side_effects=True)
    raised = "CASE WHEN answer[1].failure IS NULL THEN answer ELSE error(answer[1].failure) END"
    checked = f"list_transform([{call}], lambda answer: {raised})[1]"  # before any WHERE of the caller's
    con.execute(f"{_macro_head(function)} SELECT * EXCLUDE (failure) FROM (SELECT unnest({checked}, max_depth := 2))")


def sql_type(arrow_type: pa.DataType) -> str:
    """Name the DuckDB type of an Arrow type that a routine may return."""
    if pa.types.is_list(arrow_type):
        return f"{sql_type(arrow_type.value_type)}[]"
    return _TO_DUCKDB[arrow_type]


def _struct_rows(table: pa.Table, shape: pa.DataType) -> pa.StructArray:
    failure = pa.nulls(table.num_rows, pa.string())
    columns = [column.combine_chunks() for column in table.columns]
    return pa.StructArray.from_arrays([*columns, failure], fields=list(shape))


_LOADERS: dict[str, Callable[[duckdb.DuckDBPyConnection, str, Function], None]] = {
    "kernel": _load_kernel,
    "routine": _load_routine,
    "expression": _load_expression,
    "macro": _load_macro,
}
