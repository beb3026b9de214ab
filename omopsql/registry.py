"""Every function of omopsql as one record. The loader, the docs, the CLI and the tests read them from here.

A function is declared once, where its body stands:

- a *macro* is a file ``sql/<family>/<name>.sql``: a sentence, its examples, and ``CREATE OR REPLACE MACRO``;
- a *kernel* is a scalar Numba function under ``udfs/``, declared with ``@kernel``;
- an *expression* is a Python function that returns the query to run in its place, declared with ``@expression``;
- a *routine* is a Python function that computes rows of a fixed shape, declared with ``@routine``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_type_hints

import numba
import pyarrow as pa

from .sql_files import sql_folder

FAMILIES = ("harmonize", "synth", "quality", "evaluate", "privacy", "noise", "publish")

_SQL_TYPES = {float: "DOUBLE", int: "BIGINT", bool: "BOOLEAN", str: "VARCHAR"}


class Options(dict[str, Any]):
    """A parameter that takes a DuckDB struct, ``{'sex': 'F'}``; the function receives it as a dict."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a SQL function: its name, SQL type, and default as SQL text (None: it must be given)."""

    name: str
    type: str
    default: str | None = None

    def __str__(self) -> str:
        if self.default is None:
            return f"{self.name} {self.type}"
        return f"{self.name} {self.type} := {self.default}"


@dataclass(frozen=True)
class Example:
    """A query that runs as it stands, and the value (or first value) that it answers."""

    sql: str
    result: str | None = None

    @classmethod
    def parse(cls, text: str) -> Example:
        """Read ``SELECT ... --> result``."""
        sql, _, result = text.partition(" --> ")
        return cls(sql.strip().rstrip(";"), result.strip() or None)


@dataclass(frozen=True)
class Function:
    """One SQL function, as everything in omopsql knows it."""

    name: str
    family: str
    kind: str
    parameters: tuple[Parameter, ...]
    returns: str
    description: str
    examples: tuple[Example, ...]
    body: Any = field(repr=False, compare=False)

    @property
    def is_table(self) -> bool:
        """Whether it stands in FROM."""
        return self.returns == "TABLE"

    @property
    def signature(self) -> str:
        """The call as the listing shows it."""
        return f"{self.name}({', '.join(map(str, self.parameters))}) -> {self.returns}"

    @property
    def summary(self) -> str:
        """The first sentence of the description."""
        return re.split(r"(?<=\.)\s", self.description, maxsplit=1)[0]


_DECLARED: dict[str, Function] = {}


def _declare(function: Function) -> None:
    if function.family not in FAMILIES:
        raise ValueError(f"{function.name}: family {function.family!r} is none of {', '.join(FAMILIES)}")
    known = _DECLARED.get(function.name)
    if known is not None and known.body.__module__ != function.body.__module__:
        raise ValueError(f"function {function.name} is declared twice")
    _DECLARED[function.name] = function


def _sql_default(value: Any) -> str:
    if value is None:
        return "NULL"
    return repr(value) if not isinstance(value, bool) else str(value).lower()


def _parameters(function: Callable[..., Any], skip: int = 0) -> tuple[Parameter, ...]:
    """Read SQL parameters from a Python signature; ``X | None`` is an X that defaults to NULL."""
    hints = get_type_hints(function)
    found = []
    for python in list(inspect.signature(function).parameters.values())[skip:]:
        hint = hints[python.name]
        plain = next((t for t in getattr(hint, "__args__", (hint,)) if t is not type(None)), hint)
        sql_type = "STRUCT" if plain is Options else _SQL_TYPES[plain]
        default = None if python.default is inspect.Parameter.empty else _sql_default(python.default)
        found.append(Parameter(python.name, sql_type, default))
    return tuple(found)


def _description(function: Callable[..., Any]) -> str:
    text = inspect.getdoc(function)
    if not text:
        raise ValueError(f"{function.__name__} has no docstring, and the docstring is its description")
    return text


def kernel(*, family: str, example: str) -> Callable[[Callable[..., Any]], Any]:
    """Declare a scalar Numba kernel as a SQL function. Its annotations are its SQL types: float, int, bool.

    NULL in any argument gives NULL; the kernel never sees it. The compiled dispatcher is returned, so kernels
    may call each other.
    """

    def declare(function: Callable[..., Any]) -> Any:
        hints = get_type_hints(function)
        dispatcher = numba.njit(inline="never", nogil=True, error_model="numpy", cache=True)(function)
        _declare(
            Function(
                name=function.__name__,
                family=family,
                kind="kernel",
                parameters=_parameters(function),
                returns=_SQL_TYPES[hints["return"]],
                description=_description(function),
                examples=(Example.parse(example),),
                body=dispatcher,
            )
        )
        return dispatcher

    return declare


def expression(*, family: str, examples: tuple[str, ...]) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Declare a Python function that returns SQL as a table function: the query stands where the call stood.

    The function's first parameter is the calling session (``omopsql.session.Caller``); the rest are SQL parameters.
    """

    def declare(function: Callable[..., str]) -> Callable[..., str]:
        _declare(
            Function(
                name=function.__name__,
                family=family,
                kind="expression",
                parameters=_parameters(function, skip=1),
                returns="TABLE",
                description=_description(function),
                examples=tuple(map(Example.parse, examples)),
                body=function,
            )
        )
        return function

    return declare


def routine(
    *, family: str, schema: pa.Schema, examples: tuple[str, ...]
) -> Callable[[Callable[..., pa.Table]], Callable[..., pa.Table]]:
    """Declare a Python function that returns an Arrow table of ``schema`` as a table function.

    It runs when the query runs, not when it is planned. Its first parameter is the calling session.
    """

    def declare(function: Callable[..., pa.Table]) -> Callable[..., pa.Table]:
        _declare(
            Function(
                name=function.__name__,
                family=family,
                kind="routine",
                parameters=_parameters(function, skip=1),
                returns="TABLE",
                description=_description(function),
                examples=tuple(map(Example.parse, examples)),
                body=function,
            )
        )
        function.schema = schema  # type: ignore[attr-defined]
        return function

    return declare


_MACRO = re.compile(
    r"CREATE OR REPLACE MACRO omopsql\.(?P<name>\w+)\s*\((?P<parameters>[^)]*)\)\s*AS\s*(?P<table>TABLE\b)?", re.I
)


def read_macro(family: str, text: str, name: str = "a file") -> Function:
    """Read the declaration of one macro file: prose, ``@example`` lines, ``@returns TYPE``, then the macro.

    Raises ValueError, naming the file, when it holds no macro.
    """
    head = [line[2:].strip() for line in text.split("CREATE", 1)[0].splitlines() if line.startswith("--")]
    macro = _MACRO.search(text)
    if macro is None:
        raise ValueError(f"no CREATE OR REPLACE MACRO omopsql.name(...) AS in {name} of sql/{family}")
    tags = [line for line in head if line.startswith("@")]
    types = dict(re.findall(r"^@param (\w+) (.+)$", "\n".join(tags), re.M))
    returns = next((line.split(None, 1)[1] for line in tags if line.startswith("@returns ")), "")
    parameters = []
    for item in filter(None, (p.strip() for p in macro["parameters"].split(","))):
        name, _, default = (part.strip() for part in item.partition(":="))
        parameters.append(Parameter(name, types[name], default or None))
    return Function(
        name=macro["name"],
        family=family,
        kind="macro",
        parameters=tuple(parameters),
        returns="TABLE" if macro["table"] else returns,
        description=" ".join(line for line in head if not line.startswith("@")),
        examples=tuple(Example.parse(line[9:]) for line in tags if line.startswith("@example ")),
        body=text,
    )


def macros() -> Iterator[Function]:
    """Yield the macros under ``sql/``, by family and name."""
    for family in FAMILIES:
        folder = sql_folder(family)
        if folder.is_dir():
            for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
                if file.name.endswith(".sql"):
                    yield read_macro(family, file.read_text(encoding="utf-8"), file.name)


def _import_all(package: str) -> None:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        importlib.import_module(module.name)


@cache
def functions() -> tuple[Function, ...]:
    """Return every function, by family and name."""
    _import_all("omopsql.udfs")
    for family in FAMILIES:
        if importlib.util.find_spec(f"omopsql.{family}"):
            _import_all(f"omopsql.{family}")
    found = [*_DECLARED.values(), *macros()]
    return tuple(sorted(found, key=lambda f: (FAMILIES.index(f.family), f.name)))


def kernels() -> tuple[Function, ...]:
    """Return the kernels only. Importing them is all that the native transport needs."""
    _import_all("omopsql.udfs")
    return tuple(f for f in _DECLARED.values() if f.kind == "kernel")
