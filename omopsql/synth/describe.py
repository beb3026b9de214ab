"""A model in words: one sentence a line, for the person who must answer for its release."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from omopsql.registry import routine
from omopsql.session import Caller

from . import columns as c
from .margins import Margin
from .model import Model
from .table import read_model

SCHEMA = pa.schema(
    [("statistic", pa.string()), ("columns", pa.list_(pa.string())), ("description", pa.string()), ("n", pa.int64())]
)

_METHODS = {
    "independent": "every column is drawn from its own margin; no association is learned",
    "copula": "one latent normal number a column, correlated as the data are",
    "tree": "each column is drawn given earlier ones, from counted contexts",
}


@routine(
    family="synth",
    schema=SCHEMA,
    examples=("SELECT n FROM omopsql.copula_describe('patients_model') WHERE statistic = 'model' --> 2000",),
)
def copula_describe(caller: Caller, model: str) -> pa.Table:
    """Say in words what a model holds: the method, every column and what became of it, and what ties columns together.

    n is how many rows of the source a line rests on.
    """
    with caller.cursor() as cursor:
        lines = list(describe(read_model(cursor, model)))
    return pa.table(
        [pa.array(values, f.type) for values, f in zip(zip(*lines, strict=True), SCHEMA, strict=True)], schema=SCHEMA
    )


def describe(model: Model) -> Iterator[tuple[str, list[str], str, int]]:
    """Yield the lines of a model: (statistic, columns, description, n)."""
    yield (
        "model",
        [],
        f"method {model.method}: {_METHODS[model.method]}; {model.rows} rows; {_protection(model)}",
        model.rows,
    )
    for margin in model.margins:
        yield "column", [margin.column.name], _column(margin, model.min_cell), int(margin.n.sum())
    yield from _joint(model)


def _protection(model: Model) -> str:
    """What stands between the model and a person."""
    under = "" if model.policy is None else f"learned under the policy with sha256 {model.policy}; "
    if model.noise is None:
        return f"every cell holds at least {model.min_cell} rows; {under}no noise was added"
    person = model.noise["person"]
    each = (
        f"at most {_counted(model.noise['rows_per_person'], 'row')} of each {person}" if person else "each row a person"
    )
    budget = f"epsilon {model.noise['epsilon']:g} at delta {model.noise['delta']:g}"
    sites = len(model.noise.get("sites", ()))
    return (
        f"{under}noise {f'at each of {sites} sites ' if sites else ''}hides any one person"
        f"{' who is at no other' if sites else ''}, with {budget}, {each}; "
        "every number follows from noisy sums, which privacy_ledger lists"
    )


_COUNTED = {  # statistics of the copula that are told by how many there are
    "gate": "set of cells that columns share, such as values missing together",
    "order": "column whose labels are put in an order that the data suggest",
    "stratum": "column whose bins divide the rows, so that the others are counted in each",
    "pair": "count of rows in a bin of the dividing column and a bin of another",
    "pool": "count of rows in several bins together",
    "link": "sum of products of two columns' scores",
    "product": "sum of products of two columns' scores inside the bins of the dividing column",
    "weight": "sum of the variances of scores",
}


def _joint(model: Model) -> Iterator[tuple[str, list[str], str, int]]:
    """What ties columns together: for a tree column by column, for a copula statistic by statistic."""
    rows = model.joint.select(["statistic", "columns", "n"]).to_pylist()
    names: dict[str, list[list[str]]] = {}
    for row in rows:
        names.setdefault(row["statistic"], []).append(row["columns"])
    for row in rows:
        if row["statistic"] == "echo":
            child, parent = row["columns"]
            yield "echo", [child, parent], f"often holds the very value of {parent}", row["n"]
    for child in dict.fromkeys(columns[0] for columns in names.get("context", [])):
        earlier = list(dict.fromkeys(c[1] for c in names.get("split", []) if c[0] == child))
        contexts = 1 + sum(c[0] == child for c in names.get("split", []))
        told = f"drawn in {_counted(contexts, 'context')}"
        told += f", divided by {', '.join(earlier)}" if earlier else ": it depends on no other column"
        yield "context", [child, *earlier], told, model.rows
    for statistic, thing in _COUNTED.items():
        if statistic in names:
            of = sorted({column for columns in names[statistic] for column in columns})
            yield statistic, of, _counted(len(names[statistic]), thing), model.rows


def _column(margin: Margin, min_cell: int) -> str:
    column = margin.column
    note = f" ({column.note})" if column.note else ""
    if column.kind == c.IDENTIFIER:
        return f"{column.type}, taken for an identifier{note}: comes back as fresh keys 1, 2, 3, ..."
    if column.kind == c.UNLEARNED:
        return f"{column.type}, not learned{note}: comes back NULL"
    parts = []
    atoms = int((margin.low == margin.high).sum())
    if atoms:
        parts.append(_counted(atoms, "single value"))
    if margin.numbers > atoms:
        parts.append(_counted(margin.numbers - atoms, "interval"))
    if margin.numbers:
        low, high = float(margin.low[0]), float(margin.high[-1])
        parts.append(f"between {c.shown(column, low)} and {c.shown(column, high)}")
    if margin.labels:
        parts.append(_counted(len(margin.labels), "label"))
    if margin.has_rest:
        rare = f"labels of fewer than {min_cell} rows each" if min_cell > 1 else "labels that noise hides"
        parts.append(f"{margin.n[margin.rest]} rows with {rare}, pooled without their text")
    if margin.has_missing:
        parts.append(f"{margin.n[margin.missing]} missing")
    if margin.has_missing and len(margin.n) == 1:
        parts = ["holds only NULL, or too few values to release: comes back NULL"]
    return f"{column.type}, {column.kind}{note}: {', '.join(parts)}"


def _counted(n: int, thing: str) -> str:
    """``1 label``, ``2 labels``; of a longer phrase the first word."""
    word, space, rest = thing.partition(" ") if " of " in thing or " whose " in thing else (thing, "", "")
    return f"{n} {word}{'' if n == 1 else 's'}{space}{rest}"
