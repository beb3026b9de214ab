"""The method ``tree``: each column given earlier ones, from counted contexts with back-off to the margin.

Columns are put in an order in which each follows the one it depends on most. For each, a binary tree on the earlier
columns' codes divides the rows into contexts of at least ``2 * min_cell`` rows, and the column's bins are counted in
each context. Only leaves are released: a bin of fewer than ``min_cell`` rows is pooled with others of its
context, and a pool is shared as in the shorter context, in coarse steps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit

from omopsql.udfs import layout
from omopsql.udfs import tree as kernel
from omopsql.udfs.growth import MOST_BINS, MOST_CODES, chosen_rows, count_leaves, grow, pair_counts
from omopsql.udfs.philox import philox_uniform

from .arrays import Arrays
from .bins import bins_of
from .margins import Margin
from .model import SCHEMA, Model, Row

STRUCTURE_ROWS = 65_536  # rows that the structure is learned on; all rows are counted
DEEPEST = 10
STRICTNESS = 1.0
SHARES = 64  # steps in which a pool is shared: coarse, so that counts of shorter contexts cannot be solved for
ZERO_EXPECTED = 3.0  # an empty bin where this many rows were expected stays empty


@dataclass(frozen=True)
class Grown:
    """One column's tree: the splits, and the counts of its leaves (nodes, bins)."""

    column: int
    feature: np.ndarray
    mask: np.ndarray
    left: np.ndarray
    counts: np.ndarray

    def parents(self) -> np.ndarray:
        """The parent of every node; the root is its own."""
        parents = np.zeros(len(self.feature), np.int64)
        inner = np.flatnonzero(self.feature >= 0)
        parents[self.left[inner]] = inner
        parents[self.left[inner] + 1] = inner
        return parents

    def totals(self) -> np.ndarray:
        """The counts of every node, those of its leaves summed."""
        totals, parents = self.counts.copy(), self.parents()
        for node in range(len(totals) - 1, 0, -1):
            totals[parents[node]] += totals[node]
        return totals


def is_nominal(margin: Margin) -> bool:
    """Whether a column's cells have no order."""
    return margin.numbers == 0


def code_maps(margins: list[Margin], most: int) -> list[np.ndarray]:
    """The bin of every cell of every column, at most ``most`` bins a column."""
    return [bins_of(margin, most) for margin in margins]


def coded(cells: np.ndarray, maps: list[np.ndarray]) -> np.ndarray:
    """Map cells (columns, rows) to their bins, uint8."""
    codes = np.empty(cells.shape, np.uint8)
    for j, of_cell in enumerate(maps):
        np.take(of_cell.astype(np.uint8), cells[j], out=codes[j])
    return codes


def fit_tree(cells: np.ndarray, margins: list[Margin], min_cell: int) -> pa.Table:
    """Learn the trees of all columns from their cells (columns, rows); return the model's joint rows."""
    names = [margin.column.name for margin in margins]
    target_maps = code_maps(margins, MOST_BINS)
    codes, targets = coded(cells, code_maps(margins, MOST_CODES)), coded(cells, target_maps)
    chosen = chosen_rows(cells.shape[1], STRUCTURE_ROWS)
    order = column_order(np.ascontiguousarray(targets[:, chosen]), [int(m.max()) + 1 for m in target_maps])
    grown = _grow_all(codes, targets, chosen, order, margins, min_cell)
    return _rows(grown, names, min_cell)


def column_order(targets: np.ndarray, bins: list[int]) -> list[int]:
    """Order the columns: first the one that tells most about all others, then whatever depends most on one placed.

    Mutual information of bins, less its bias under independence, (r - 1)(c - 1) / 2n.
    """
    width, rows = targets.shape
    told = np.zeros((width, width))
    for i in range(width):
        for j in range(i):
            table = np.zeros((bins[i], bins[j]), np.int64)
            pair_counts(targets, i, j, table)
            told[i, j] = told[j, i] = _information(table, rows)
    placed = [int(np.argmax(told.sum(axis=1)))]
    while len(placed) < width:
        rest = [j for j in range(width) if j not in placed]
        placed.append(max(rest, key=lambda j: (told[j, placed].max(), -j)))
    return placed


def _information(table: np.ndarray, rows: int) -> float:
    present = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    expected = np.outer(present.sum(axis=1), present.sum(axis=0)) / rows
    seen = present > 0
    told = float((present[seen] * np.log(present[seen] / expected[seen])).sum()) / rows
    return max(0.0, told - (present.shape[0] - 1) * (present.shape[1] - 1) / (2.0 * rows))


def _grow_all(
    codes: np.ndarray, targets: np.ndarray, chosen: np.ndarray, order: list[int], margins: list[Margin], min_cell: int
) -> list[Grown]:
    part = np.ascontiguousarray(codes[:, chosen])
    sizes = codes.max(axis=1).astype(np.int64) + 1
    nominal = np.array([is_nominal(margin) for margin in margins])
    grown = []
    for position, j in enumerate(order):
        bins = int(targets[j].max()) + 1
        splits = grow(
            part,
            sizes,
            nominal,
            np.ascontiguousarray(targets[j, chosen]),
            bins,
            not nominal[j],
            np.array(order[:position], np.int64),
            np.arange(chosen.size),
            2 * min_cell,
            DEEPEST,
            STRICTNESS,
        )
        grown.append(Grown(j, *splits, count_leaves(codes, targets[j], bins, *splits)))
    return grown


def _bin_margin(margin: Margin, bins: np.ndarray) -> np.ndarray:
    """Rows of each bin."""
    return np.bincount(bins, weights=margin.n).astype(np.float64)


def _rows(grown: list[Grown], names: list[str], min_cell: int) -> pa.Table:
    """Write the trees: a 'split' row an inner node, a 'context' row each released bin or pool of a leaf.

    Cells of a split: node, left child, then the codes that go left. Cells of a context: node, then its bins; its value
    holds the shares of the bins in the pool.
    """
    rows: list[Row] = []
    for tree in grown:
        child = names[tree.column]
        totals = tree.totals().sum(axis=1)
        for node in np.flatnonzero(tree.feature >= 0):
            bits = int(tree.mask[node])
            codes = [code for code in range(MOST_CODES) if bits >> code & 1]
            cells = [int(node), int(tree.left[node]), *codes]
            rows.append(("split", [child, names[tree.feature[node]]], cells, None, int(totals[node])))
        for leaf, bins, shares, n in _release(tree, min_cell):
            rows.append(("context", [child], [leaf, *bins], str(shares) if len(bins) > 1 else None, n))
    return pa.table([pa.array(a, f.type) for a, f in zip(zip(*rows, strict=True), SCHEMA, strict=True)], schema=SCHEMA)


def _release(tree: Grown, min_cell: int) -> Iterator[tuple[int, list[int], list[int], int]]:
    """Yield what is released of the leaves: (node, bins, shares in the pool, rows), each of ``min_cell`` rows or more."""
    totals = tree.totals()
    pools, rows, shares = _pool(totals, tree.parents(), min_cell, tree.column)
    for node in np.flatnonzero(tree.feature < 0):
        for pool in range(pools[node].max() + 1):
            bins = np.flatnonzero(pools[node] == pool)
            if rows[node, pool]:
                yield int(node), bins.tolist(), shares[node, bins].tolist(), int(rows[node, pool])


@njit(nogil=True, cache=True)
def _pool(counts, parents, min_cell, column):
    """Put every bin of a node in a pool of at least ``min_cell`` rows: (pool of a bin, rows of a pool, share of a bin).

    ``counts`` is (nodes, bins), parents before children. A bin of enough rows is a pool of its own. Small ones join in
    order until they hold enough; the last few join the pool before. A pool is shared among its bins as the parent's
    distribution, in steps of 1 / ``SHARES``. A single pool that stays too small is rounded to 0 or ``min_cell`` rows,
    so that its mean is kept. An empty bin where ``ZERO_EXPECTED`` rows were expected belongs to no pool (-1).
    """
    nodes, bins = counts.shape
    pools, rows = np.full((nodes, bins), -1), np.zeros((nodes, bins), np.int64)
    shares, likely = np.zeros((nodes, bins), np.int64), np.zeros((nodes, bins))
    for node in range(nodes):
        total = counts[node].sum()
        expected = likely[parents[node]] if node > 0 else counts[0] / counts[0].sum()
        used, current, held, before = 0, -1, 0, -1
        for b in range(bins):
            n = counts[node, b]
            if n >= min_cell:
                pools[node, b] = used
                rows[node, used] = n
                used += 1
            elif n > 0 or total * expected[b] < ZERO_EXPECTED:
                if current < 0:
                    current, held = used, 0
                    used += 1
                pools[node, b] = current
                rows[node, current] += n
                held += n
                if held >= min_cell:
                    before, current = current, -1
        if current >= 0 and held < min_cell:
            if before >= 0:
                rows[node, before] += held
                rows[node, current] = 0
                for b in range(bins):
                    if pools[node, b] == current:
                        pools[node, b] = before
            elif held > 0:
                up = used == 1 or philox_uniform(column, node, 0) * min_cell < held
                rows[node, current] = min_cell if up else 0
        _share(pools[node], rows[node], expected, shares[node], likely[node])
    return pools, rows, shares


@njit(nogil=True, cache=True)
def _share(pools, rows, expected, shares, likely):
    """Share each pool among its bins as ``expected``, and write the resulting distribution to ``likely``."""
    bins = pools.size
    held = np.zeros(bins)
    for b in range(bins):
        if pools[b] >= 0:
            held[pools[b]] += expected[b]
    parts = np.zeros(bins, np.int64)
    for b in range(bins):
        if pools[b] >= 0:
            part = expected[b] / held[pools[b]] if held[pools[b]] > 0.0 else 1.0
            shares[b] = max(1, int(math.floor(part * SHARES + 0.5)))
            parts[pools[b]] += shares[b]
    total = rows.sum()
    for b in range(bins):
        if pools[b] >= 0:
            likely[b] = rows[pools[b]] * shares[b] / parts[pools[b]] / total


def compile_tree(model: Model, arrays: Arrays, given: dict[int, int]) -> int:
    """Put the trees of a model into ``arrays`` as ``udfs/tree.py`` reads them; return where they begin."""
    names = [margin.column.name for margin in model.learned]
    trees = _read(model, names)
    tables = []
    for column, (splits, contexts) in trees.items():
        margin = model.learned[column]
        bins = bins_of(margin, MOST_BINS)
        codes = bins_of(margin, MOST_CODES)
        probabilities, leaf_of = _leaves(splits, contexts, _bin_margin(margin, bins))
        table = np.zeros(kernel.TREE, np.int64)
        table[kernel.COLUMN] = column
        table[kernel.BINS] = probabilities.shape[1]
        table[kernel.NODES] = arrays.put(_nodes(splits, leaf_of, names))
        table[kernel.DEPTH] = _depth(splits)
        table[kernel.LEAVES] = arrays.put(kernel.packed_aliases(probabilities))
        table[kernel.FINE] = _put_fine(arrays, margin, bins)
        table[kernel.CODES] = arrays.put(codes)
        table[kernel.GIVEN_CELL] = given.get(column, -1)
        if column in given:
            cell = given[column]
            share = margin.n[cell] / margin.n[bins == bins[cell]].sum()
            table[kernel.LIKELIHOOD] = arrays.put(reals=probabilities[:, bins[cell]] * share)
        tables.append(table)
    return arrays.put(np.concatenate(tables))


Splits = dict[int, tuple[str, int, list[int]]]
Contexts = list[tuple[int, list[int], list[int], int]]


def _read(model: Model, names: list[str]) -> dict[int, tuple[Splits, Contexts]]:
    """Read the trees back, in the order in which columns are drawn: a column's splits name only earlier ones."""
    trees: dict[int, tuple[Splits, Contexts]] = {}
    position = {name: j for j, name in enumerate(names)}
    rows = zip(*(model.joint[name].to_pylist() for name in ("statistic", "columns", "cells", "value", "n")), strict=True)
    for statistic, columns, cells, value, n in rows:
        splits, contexts = trees.setdefault(position[columns[0]], ({}, []))
        if statistic == "split":
            splits[cells[0]] = (columns[1], cells[1], cells[2:])
        else:
            contexts.append((cells[0], cells[1:], json.loads(value) if value else [1], n))
    placed: dict[int, tuple[Splits, Contexts]] = {}
    while len(placed) < len(trees):
        ready = [
            j
            for j, (splits, _) in trees.items()
            if j not in placed and all(position[feature] in placed for feature, _, _ in splits.values())
        ]
        placed[min(ready)] = trees[min(ready)]
    return placed


def _leaves(splits: Splits, contexts: Contexts, margin: np.ndarray) -> tuple[np.ndarray, dict[int, int]]:
    """Distributions of the leaves (leaves, bins), and the row of each leaf node. An empty leaf falls back to the margin."""
    nodes = sorted({0, *(left + side for _, left, _ in splits.values() for side in (0, 1))} - set(splits))
    leaf_of = {node: row for row, node in enumerate(nodes)}
    probabilities = np.zeros((len(nodes), len(margin)))
    for node, bins, shares, n in contexts:
        probabilities[leaf_of[node], bins] = n * np.array(shares) / sum(shares)
    totals = probabilities.sum(axis=1, keepdims=True)
    return np.where(totals > 0, probabilities / np.maximum(totals, 1e-300), margin / margin.sum()), leaf_of


def _nodes(splits: Splits, leaf_of: dict[int, int], names: list[str]) -> np.ndarray:
    """The two words of every node, as ``udfs/tree.py`` reads them."""
    position = {name: j for j, name in enumerate(names)}
    size = 1 + max([0, *(left + 1 for _, left, _ in splits.values())])
    words = np.zeros((size, 2), np.int64)
    for node in range(size):
        if node in splits:
            feature, left, codes = splits[node]
            mask = np.uint64(sum(1 << code for code in codes)).astype(np.int64)
            words[node] = (mask, left << 32 | position[feature])
        else:
            words[node] = (-1, node << 32 | leaf_of[node] << 8)
    return words


def _depth(splits: Splits) -> int:
    depth = {0: 0}
    for node in sorted(splits):
        left = splits[node][1]
        depth[left] = depth[left + 1] = depth[node] + 1
    return max(depth.values())


def _put_fine(arrays: Arrays, margin: Margin, bins: np.ndarray) -> int:
    """Alias tables of the cells inside each bin: a directory (table, first cell index, size), then the tables."""
    directory = []
    for b in range(int(bins.max()) + 1):
        members = np.flatnonzero(bins == b)
        table = arrays.put_alias(np.maximum(margin.n[members], 1e-9)) if len(members) > 1 else -1
        directory.append((table, arrays.put(members), len(members)))
    return arrays.put(np.array(directory))
