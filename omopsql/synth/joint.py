"""The joint statistics of a copula, and how they stand in the model table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .latent import Latents, SharedGate, latents_of
from .margins import Margin
from .model import SCHEMA
from .strata import Strata, Told


@dataclass(frozen=True)
class Joint:
    """What a copula knows beside the margins.

    ``products`` and ``weights``, (latents, latents), lower half and diagonal, are sums over the rows in which both
    latents are asked: of the product of their scores, and of the product of the scores' variances in the row's stratum,
    in units of 1024 x 1024.
    """

    shared: list[SharedGate]
    orders: dict[int, np.ndarray]
    strata: Strata
    products: np.ndarray
    weights: np.ndarray


def joint_table(joint: Joint, latents: Latents, margins: list[Margin]) -> pa.Table:
    """Write joint statistics as rows of a model table.

    gate: n rows in which each of several columns has the cell told. order: the coarse bins of a column along one of its
    latents (the first cell: 0 for the gate, 1 for the value). stratum: the stratifying column. pair: n rows in a bin of
    it and a bin of another column. pool: n rows in a bin of it and either in the bins told of another column, each of
    min_cell rows or more, or in one that no row tells. link: the sum of score products of its value and a column's
    latent. product and weight: sums for the latents of two columns.
    """
    names = pa.array([margin.column.name for margin in margins], pa.string())
    latent_column = np.array([latent.column for latent in latents.each])
    latent_kind = np.array([int(not latent.is_gate) for latent in latents.each])
    parts = [*_gate_rows(joint.shared, latents, names), *_order_rows(joint.orders, latents, names)]
    if joint.strata.column >= 0:
        parts.extend(_strata_rows(joint.strata, latents, names))
    second, first = np.tril_indices(len(latents))
    known = joint.weights[second, first] > 0
    first, second = first[known], second[known]
    columns = np.stack([latent_column[first], latent_column[second]], axis=1)
    kinds = np.stack([latent_kind[first], latent_kind[second]], axis=1)
    for statistic, sums in (("product", joint.products), ("weight", joint.weights)):
        parts.append(_rows(statistic, names, columns, kinds, sums[second, first]))
    return pa.concat_tables(parts)


def read_joint(table: pa.Table, margins: list[Margin], rows: int) -> tuple[Joint, Latents]:
    """Read joint statistics back, with the latents that they speak of. ``rows``: of the source."""
    names = pa.array([margin.column.name for margin in margins], pa.string())
    shared = _read_gates(table, names)
    latents = latents_of(margins, rows, shared)
    orders = {}
    for (column,), (kind, *order), _ in _each(table, "order", names):
        orders[latents.latent(column, kind)] = np.array(order, np.int64)
    latents = latents.ordered(orders)
    sums = {}
    for statistic in ("product", "weight"):
        columns, kinds, n = _read(table, statistic, names, 2, 2)
        into = np.zeros((len(latents), len(latents)), np.int64)
        of = np.where(kinds == 0, latents.gate[columns], latents.value[columns])
        into[of[:, 1], of[:, 0]] = n
        sums[statistic] = into
    return Joint(shared, orders, _read_strata(table, latents, names), sums["product"], sums["weight"]), latents


def _rows(statistic: str, names: pa.Array, columns: np.ndarray, cells: np.ndarray, n: np.ndarray) -> pa.Table:
    """Rows of one statistic: positions of columns, (rows, columns), cells, (rows, cells), and sums, (rows,)."""
    rows = len(n)
    return pa.table(
        [
            pa.array([statistic], pa.string()).take(pa.array(np.zeros(rows, np.int64))),
            _lists(names.take(pa.array(columns.reshape(-1))), rows),
            _lists(pa.array(cells.reshape(-1), pa.int64()), rows),
            pa.nulls(rows, pa.string()),
            pa.array(n, pa.int64()),
        ],
        schema=SCHEMA,
    )


def _lists(values: pa.Array, rows: int) -> pa.ListArray:
    width = len(values) // max(rows, 1)
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1) * width, pa.int32()), values)


def _gate_rows(shared: list[SharedGate], latents: Latents, names: pa.Array) -> list[pa.Table]:
    parts = []
    for group in shared:
        columns, cells = np.array(list(group)), np.array(list(group.values())).T
        n = latents.n[columns[0]][cells[:, 0]]
        parts.append(_rows("gate", names, np.repeat(columns[None], len(cells), axis=0), cells, n))
    return parts


def _order_rows(orders: dict[int, np.ndarray], latents: Latents, names: pa.Array) -> list[pa.Table]:
    parts = []
    for k, order in orders.items():
        latent = latents.each[k]
        cells = np.array([[int(not latent.is_gate), *order]])
        parts.append(_rows("order", names, np.array([[latent.column]]), cells, np.array([latent.n.sum()])))
    return parts


def _strata_rows(strata: Strata, latents: Latents, names: pa.Array) -> list[pa.Table]:
    of = strata.column
    parts = [_rows("stratum", names, np.array([[of]]), np.zeros((1, 0), np.int64), np.array([latents.n[of].sum()]))]
    for j, told in enumerate(strata.told):
        if told is not None:
            cells = np.argwhere(told.counts)
            columns = np.repeat(np.array([[of, j]]), len(cells), axis=0)
            parts.append(_rows("pair", names, columns, cells, told.counts[told.counts > 0]))
            parts.extend(_pool_rows(of, j, told, latents, names))
    others = [k for k, latent in enumerate(latents.each) if latent.column != of]
    columns = np.array([[of, latents.each[k].column] for k in others]).reshape(-1, 2)
    kinds = np.array([[int(not latents.each[k].is_gate)] for k in others]).reshape(-1, 1)
    return [*parts, _rows("link", names, columns, kinds, np.array(strata.links)[others])]


def _pool_rows(of: int, j: int, told: Told, latents: Latents, names: pa.Array) -> list[pa.Table]:
    rest = latents.bin_rows(of) - told.counts.sum(axis=1)
    parts = []
    for stratum in np.flatnonzero(told.blurred.any(axis=1)):
        cells = np.array([[stratum, *np.flatnonzero(told.blurred[stratum])]])
        parts.append(_rows("pool", names, np.array([[of, j]]), cells, rest[[stratum]].astype(np.int64)))
    return parts


def _read(table: pa.Table, statistic: str, names: pa.Array, columns: int, cells: int) -> tuple[np.ndarray, ...]:
    """Positions of the columns, (rows, columns), cells, (rows, cells), and sums of the rows of one statistic."""
    of = table.filter(pc.equal(table["statistic"], statistic)).combine_chunks()
    at = pc.index_in(pc.list_flatten(of["columns"]), names).to_numpy().astype(np.int64)
    held = pc.list_flatten(of["cells"]).to_numpy()
    return at.reshape(-1, columns), held.reshape(-1, cells), of["n"].to_numpy()


def _each(table: pa.Table, statistic: str, names: pa.Array) -> list[tuple[list[int], list[int], int]]:
    """The rows of a statistic whose lists differ in length: positions of columns, cells, sum."""
    place = {name: j for j, name in enumerate(names.to_pylist())}
    of = table.filter(pc.equal(table["statistic"], statistic)).to_pylist()
    return [([place[name] for name in row["columns"]], row["cells"], row["n"]) for row in of]


def _read_gates(table: pa.Table, names: pa.Array) -> list[SharedGate]:
    groups: dict[tuple[int, ...], list[list[int]]] = {}
    for columns, cells, _ in _each(table, "gate", names):
        groups.setdefault(tuple(columns), []).append(cells)
    return [dict(zip(columns, zip(*cells, strict=True), strict=True)) for columns, cells in groups.items()]


def _read_strata(table: pa.Table, latents: Latents, names: pa.Array) -> Strata:
    found = _each(table, "stratum", names)
    if not found:
        return Strata(-1)
    of = found[0][0][0]
    strata = len(latents.bin_rows(of))
    shapes = [(strata, len(latents.bin_rows(j))) for j in range(len(names))]
    told = [Told(np.zeros(shape, np.int64), np.zeros(shape, bool)) for shape in shapes]
    columns, cells, n = _read(table, "pair", names, 2, 2)
    for j in range(len(names)):
        here = columns[:, 1] == j
        told[j].counts[cells[here, 0], cells[here, 1]] = n[here]
    for (_, j), (stratum, *bins), _ in _each(table, "pool", names):
        told[j].blurred[stratum, bins] = True
    links = [0] * len(latents)
    for (_, j), (kind,), product in zip(*_read(table, "link", names, 2, 1), strict=True):
        links[latents.latent(int(j), int(kind))] = int(product)
    return Strata(of, tuple(None if j == of else of_column for j, of_column in enumerate(told)), tuple(links))
