"""A model of a table: integer sums in one long table, and nothing else.

Columns: ``statistic`` (what is counted), ``columns`` (of what), ``cells`` (which cells), ``value`` (what the cell
holds, as JSON), ``n`` (the sum). A data steward reads it line by line; ``copula_describe`` puts it in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import omopsql
from omopsql.errors import OmopsqlError

from .columns import LEARNED, Column
from .margins import Margin

FORMAT = 1
SCHEMA = pa.schema(
    [
        ("statistic", pa.string()),
        ("columns", pa.list_(pa.string())),
        ("cells", pa.list_(pa.int64())),
        ("value", pa.string()),
        ("n", pa.int64()),
    ]
)

LEDGER = "ledger"
_OWN = ["model", "column", "margin", LEDGER]
_EXACT = "exact"  # the statistic that marks a file of exact sums

Row = tuple[str, list[str], list[int], str | None, int]


@dataclass(frozen=True)
class Model:
    """What was learned from a table: its margins, and the joint statistics of one method.

    ``joint`` holds the rows of the method as they stand in the model table (a table of ``SCHEMA``); the method writes
    and reads them itself. ``policy`` is the SHA-256 of the policy that it was fitted under, if there was one; ``noise``
    says how the model was protected, None where it was not; ``ledger`` holds what was released for it.
    """

    method: str
    rows: int
    min_cell: int
    margins: list[Margin]
    joint: pa.Table = field(default_factory=SCHEMA.empty_table)
    policy: str | None = None
    noise: dict[str, Any] | None = None
    ledger: pa.Table = field(default_factory=SCHEMA.empty_table)

    @property
    def learned(self) -> list[Margin]:
        """The margins of the columns that are generated from statistics."""
        return [margin for margin in self.margins if margin.column.kind in LEARNED]

    def to_table(self) -> pa.Table:
        """Write the model as its table."""
        about: dict[str, Any] = {
            "format": FORMAT,
            "omopsql": omopsql.__version__,
            "method": self.method,
            "min_cell": self.min_cell,
        }
        about |= {"policy": self.policy} if self.policy is not None else {}
        about |= {"noise": self.noise} if self.noise else {}
        rows: list[Row] = [("model", [], [], json.dumps(about), self.rows)]
        for position, margin in enumerate(self.margins):
            rows.extend(_margin_rows(position, margin))
        columns = zip(*rows, strict=True)
        own = pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
        return pa.concat_tables([own, self.joint, self.ledger] if self.noise else [own, self.joint])

    @classmethod
    def from_table(cls, table: pa.Table, name: str) -> Model:
        """Read a model back. Raises OmopsqlError when ``table`` is no model, or one of another format."""
        if set(SCHEMA.names) - set(table.column_names):
            raise OmopsqlError(f"{name} is no model: make one with CREATE TABLE ... AS FROM omopsql.copula_fit(...)")
        table = table.select(SCHEMA.names).cast(SCHEMA)
        is_own = pc.is_in(table["statistic"], pa.array(_OWN))
        is_ledger = pc.equal(table["statistic"], LEDGER)
        heads = table.filter(pc.equal(table["statistic"], "model"))
        about = _about(heads["value"].to_pylist(), _EXACT in table["statistic"].unique().to_pylist(), name)
        try:
            return cls(
                method=about["method"],
                rows=heads["n"][0].as_py(),
                min_cell=about["min_cell"],
                margins=list(_margins(table)),
                joint=table.filter(pc.invert(is_own)),
                policy=about.get("policy"),
                noise=about.get("noise"),
                ledger=table.filter(is_ledger),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OmopsqlError(f"{name} is a damaged model: {error}; fit it again") from error


def _about(heads: list[str], is_exact: bool, name: str) -> dict[str, Any]:
    if not heads and is_exact:
        raise OmopsqlError(f"{name} holds exact sums, for addition only: merge it with those of the other sites")
    if len(heads) != 1:
        raise OmopsqlError(f"{name} is no model of one table: it has {len(heads)} rows of statistic 'model', not one")
    about: dict[str, Any] = json.loads(heads[0])
    if about.get("format") != FORMAT:
        raise OmopsqlError(
            f"{name} was made by omopsql {about.get('omopsql')} in format {about.get('format')}; this is omopsql "
            f"{omopsql.__version__}, which reads format {FORMAT}: fit it again"
        )
    return about


def _margin_rows(position: int, margin: Margin) -> Iterator[Row]:
    column = margin.column
    about = {key: value for key, value in asdict(column).items() if key != "name"}
    yield "column", [column.name], [position], json.dumps(about), int(margin.n.sum())
    for cell, n in enumerate(margin.n):
        yield "margin", [column.name], [cell], json.dumps(_cell(margin, cell)), int(n)


def _cell(margin: Margin, cell: int) -> dict[str, Any]:
    if cell < margin.numbers:
        low, high = float(margin.low[cell]), float(margin.high[cell])
        return {"value": low} if low == high else {"low": low, "high": high}
    if cell == margin.missing:
        return {"missing": True}
    if cell == margin.rest:
        return {"rest": True}
    return {"label": margin.labels[cell - margin.numbers]}


Cell = tuple[int, dict[str, Any], int]  # its number, what it holds, and its rows


def _margins(table: pa.Table) -> Iterator[Margin]:
    told = {column: table.filter(pc.equal(table["statistic"], column)) for column in ("column", "margin")}
    names, numbers, n = _first_of(told["margin"])
    held = json.loads(f"[{','.join(told['margin']['value'].to_pylist())}]")  # one parse of all is ten times faster
    cells: dict[str, list[Cell]] = {}
    for name, cell in zip(names, zip(numbers, held, n, strict=True), strict=True):
        cells.setdefault(name, []).append(cell)
    names, positions, _ = _first_of(told["column"])
    for _, name, value in sorted(zip(positions, names, told["column"]["value"].to_pylist(), strict=True)):
        of_column = sorted(cells.get(name, []), key=itemgetter(0))
        yield _read_margin(Column(name=name, **json.loads(value)), of_column)


def _first_of(rows: pa.Table) -> tuple[list[str], list[int], list[int]]:
    """The column, the first cell and the n of each row."""
    return (
        pc.list_element(rows["columns"], 0).to_pylist(),
        pc.list_element(rows["cells"], 0).to_pylist(),
        rows["n"].to_pylist(),
    )


def _read_margin(column: Column, cells: list[Cell]) -> Margin:
    low, high, labels = [], [], []
    has_rest = has_missing = False
    for _, value, _ in cells:
        if "value" in value or "low" in value:
            low.append(value.get("value", value.get("low")))
            high.append(value.get("value", value.get("high")))
        elif "label" in value:
            labels.append(value["label"])
        has_rest |= "rest" in value
        has_missing |= "missing" in value
    return Margin(
        column,
        low=np.array(low, float),
        high=np.array(high, float),
        labels=tuple(labels),
        has_rest=has_rest,
        has_missing=has_missing,
        n=np.array([n for _, _, n in cells], np.int64),
    )
