"""The registry: every function declared once, described, with an example, and the same through both transports."""

import re
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

from omopsql import registry
from omopsql.harmonize.current_vocabulary import declare
from omopsql.quoting import identifier
from omopsql.registry import FAMILIES, Example, Function, functions, read_macro

BY_NAME = {function.name: function for function in functions()}

MACRO = """\
-- Twice a number. Nothing more.
-- It doubles.
-- @param x DOUBLE
-- @param times BIGINT
-- @returns DOUBLE
-- @example SELECT omopsql.twice(1.5) --> 3.0
CREATE OR REPLACE MACRO omopsql.twice(x, times := 2) AS x * times;
"""


def test_names_are_unique():
    assert len(BY_NAME) == len(functions())


def test_families_come_in_order():
    order = [(FAMILIES.index(function.family), function.name) for function in functions()]
    assert order == sorted(order)


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.name)
def test_declarations_are_complete(function: Function):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", function.name)
    assert function.kind in ("macro", "kernel", "expression", "routine")
    assert function.returns
    assert function.description[0].isupper()
    assert re.search(r"[.:]$", function.description)
    assert function.summary.endswith("."), "the first sentence must stand for itself in lists"
    assert len(function.summary) > 20
    assert not re.search(r"\.\.\.$|\be\.g\.$", function.summary), "the first sentence is cut in the middle"
    assert function.examples
    for example in function.examples:
        assert f"omopsql.{function.name}(" in example.sql
        assert example.result is not None
    with_default = [parameter.default is not None for parameter in function.parameters]
    assert with_default == sorted(with_default), "parameters without a default come first"


def test_duckdb_knows_every_function_with_its_parameters(con):
    rows = con.execute(
        "SELECT function_name, parameters, function_type FROM duckdb_functions() "
        "WHERE database_name = 'omopsql' AND NOT internal ORDER BY function_name"
    ).fetchall()
    assert rows == sorted(
        (f.name, [parameter.name for parameter in f.parameters], "table_macro" if f.is_table else "macro")
        for f in functions()
    )


def test_a_macro_file_is_a_declaration():
    read = read_macro("synth", MACRO)
    assert read.signature == "twice(x DOUBLE, times BIGINT := 2) -> DOUBLE"
    assert read.description == "Twice a number. Nothing more. It doubles."
    assert read.summary == "Twice a number."
    assert read.examples == (Example("SELECT omopsql.twice(1.5)", "3.0"),)
    assert not read.is_table


def test_a_macro_that_stands_in_from():
    read = read_macro("synth", MACRO.replace("AS x * times", "AS TABLE SELECT x * times AS y"))
    assert read.is_table
    assert read.signature.endswith("-> TABLE")


def test_a_file_without_a_macro_is_refused():
    with pytest.raises(ValueError, match="no CREATE OR REPLACE MACRO omopsql"):
        read_macro("synth", "-- Twice a number.\nSELECT 1")


def test_macro_files_are_named_for_their_macro():
    folder = Path(str(files("omopsql"))) / "sql"
    folder = folder if folder.is_dir() else folder.parents[1] / "sql"
    written = {(path.parent.name, path.stem) for path in folder.glob("*/*.sql")}
    read = {(function.family, function.name) for function in functions() if function.kind == "macro"}
    assert {pair for pair in written if pair[0] in FAMILIES} == read


@pytest.mark.parametrize(
    "function", [function for function in functions() if function.kind == "macro"], ids=lambda function: function.name
)
def test_a_macro_file_runs_as_it_stands(function: Function):
    """Kernels and routines apart, a macro needs no Python: only a catalog omopsql with the macros that come before."""
    with duckdb.connect() as con:
        con.execute("ATTACH ':memory:' AS omopsql")
        for kernel in registry.kernels():
            names = ", ".join(identifier(parameter.name) for parameter in kernel.parameters)
            con.execute(f"CREATE MACRO omopsql.{kernel.name}({names}) AS 0.5")
        con.execute("CREATE MACRO omopsql.cdm_tables(model) AS TABLE SELECT 'person' AS cdm_table")  # a routine
        declare(con)  # the views of the vocabulary in use
        for macro in registry.macros():
            con.execute(macro.body)
            if macro.name == function.name:
                break


def test_an_unknown_family_and_a_second_declaration_are_refused(monkeypatch):
    monkeypatch.setattr(registry, "_DECLARED", {})

    def described(caller: object) -> str:
        """Say nothing."""
        return "SELECT 1"

    def elsewhere(caller: object) -> str:
        """Say nothing too."""
        return "SELECT 2"

    with pytest.raises(ValueError, match="family 'finance' is none of harmonize, synth"):
        registry.expression(family="finance", examples=())(described)
    registry.expression(family="synth", examples=())(described)
    registry.expression(family="synth", examples=())(described)  # a module that is imported again
    elsewhere.__name__, elsewhere.__module__ = "described", "elsewhere"
    with pytest.raises(ValueError, match="function described is declared twice"):
        registry.expression(family="synth", examples=())(elsewhere)


def test_a_function_without_a_docstring_is_refused(monkeypatch):
    monkeypatch.setattr(registry, "_DECLARED", {})

    def silent(caller: object) -> str:
        return "SELECT 1"

    with pytest.raises(ValueError, match="silent has no docstring"):
        registry.expression(family="synth", examples=())(silent)


@pytest.mark.parametrize(
    ("text", "sql", "result"),
    [
        ("SELECT 1 --> 1", "SELECT 1", "1"),
        ("SELECT 1;", "SELECT 1", None),
        ("SELECT '->' --> ->", "SELECT '->'", "->"),
    ],
)
def test_examples_are_a_query_and_its_answer(text, sql, result):
    assert Example.parse(text) == Example(sql, result)


def test_kernels_answer_the_same_through_native_and_arrow(transports):
    """Numbers of all sizes, both zeros, NaN, infinities and NULLs in columns, NULL as a constant, and no rows."""
    if duckdb.__version__ < "2":
        pytest.skip("DuckDB before 2.0 has one transport only: Arrow")
    native, arrow = transports("native"), transports("arrow")
    assert (native["late"], arrow["late"]) == ("native", "arrow")
    assert set(native["answers"]) == {function.name for function in registry.kernels()}
    assert native["answers"] == arrow["answers"]
    for name, ((_, present, rows), null, nothing) in native["answers"].items():
        assert 0 < present < rows == 6000, name
        assert (null, nothing) == ([[None]], []), name
