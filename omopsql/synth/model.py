"""A model of a table: integer sums in one long table, and nothing else.

Columns: ``statistic`` (what is counted), ``columns`` (of what), ``cells`` (which cells), ``value`` (what the cell
holds, as JSON), ``n`` (the sum). A data steward reads it line by line; ``copula_describe`` puts it in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
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

Row = tuple[str, list[str], list[int], str | None, int]


@dataclass(frozen=True)
class Model:
    """What was learned from a table: its margins, and the joint statistics of one method.

    ``joint`` holds the rows of the method as they stand in the model table (a table of ``SCHEMA``); the method writes
    and reads them itself. ``noise`` says how the model was protected, None where it was not; ``ledger`` holds what was
    released for it.
    """

    method: str
    rows: int
    min_cell: int
    margins: list[Margin]
    joint: pa.Table = field(default_factory=SCHEMA.empty_table)
    noise: dict[str, Any] | None = None
    ledger: pa.Table = field(default_factory=SCHEMA.empty_table)

    @property
    def learned(self) -> list[Margin]:
        """The margins of the columns that are generated from statistics."""
        return [margin for margin in self.margins if margin.column.kind in LEARNED]

    def to_table(self) -> pa.Table:
        """Write the model as its table."""
        about = {"format": FORMAT, "omopsql": omopsql.__version__, "method": self.method, "min_cell": self.min_cell}
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
        rows = [tuple(row.values()) for row in table.filter(pc.and_not(is_own, is_ledger)).to_pylist()]
        about = _about([row for row in rows if row[0] == "model"], name)
        try:
            return cls(
                method=about["method"],
                rows=next(row[4] for row in rows if row[0] == "model"),
                min_cell=about["min_cell"],
                margins=list(_margins(rows)),
                joint=table.filter(pc.invert(is_own)),
                noise=about.get("noise"),
                ledger=table.filter(is_ledger),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OmopsqlError(f"{name} is a damaged model: {error}; fit it again") from error


def _about(heads: list[tuple[Any, ...]], name: str) -> dict[str, Any]:
    if len(heads) != 1:
        raise OmopsqlError(f"{name} is no model of one table: it has {len(heads)} rows of statistic 'model', not one")
    about: dict[str, Any] = json.loads(heads[0][3])
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


def _margins(rows: list[tuple[Any, ...]]) -> Iterator[Margin]:
    cells: dict[str, list[tuple[int, dict[str, Any], int]]] = {}
    counted = [row for row in rows if row[0] == "margin"]
    held = json.loads(f"[{','.join(row[3] for row in counted)}]")  # one parse of all is ten times faster
    for (_, columns, numbers, _, n), value in zip(counted, held, strict=True):
        cells.setdefault(columns[0], []).append((numbers[0], value, n))
    described = [row for row in rows if row[0] == "column"]
    for _, columns, _, value, _ in sorted(described, key=lambda row: row[2][0]):
        of_column = sorted(cells.get(columns[0], []), key=lambda cell: cell[0])
        yield _read_margin(Column(name=columns[0], **json.loads(value)), of_column)


def _read_margin(column: Column, cells: list[tuple[int, dict[str, Any], int]]) -> Margin:
    held = [value for _, value, _ in cells]
    line = [value for value in held if "value" in value or "low" in value]
    return Margin(
        column,
        low=np.array([value.get("value", value.get("low")) for value in line], float),
        high=np.array([value.get("value", value.get("high")) for value in line], float),
        labels=tuple(value["label"] for value in held if "label" in value),
        has_rest=any("rest" in value for value in held),
        has_missing=any("missing" in value for value in held),
        n=np.array([n for _, _, n in cells], np.int64),
    )
