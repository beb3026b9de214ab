"""The method ``tree``: each column given earlier ones, from counted contexts with back-off to the margin.

Columns are put in an order in which each follows the one it depends on most. For each, a binary tree on the earlier
columns' codes divides the rows into contexts of at least ``2 * min_cell`` rows, and the column's bins are counted in
each context. Where a column often repeats another's value, "the same" is one more bin. Only leaves are released: a bin
of fewer than ``min_cell`` rows is pooled with others of its context, and a pool is shared as in the shorter context, in
coarse steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from omopsql.udfs import tree as kernel
from omopsql.udfs.growth import MOST_BINS, MOST_CODES, count_leaves, grow, pair_counts
from omopsql.udfs.philox import philox_uniform

from .arrays import Arrays
from .bins import bins_of, coded
from .cell_sums import chosen_rows
from .echoes import found_echoes, nearest_cells
from .margins import Margin
from .model import SCHEMA, Model

CELLS = SCHEMA.field("cells").type
STRUCTURE_ROWS = 65_536  # rows that the structure is learned on; all rows are counted
DEEPEST = 10
STRICTNESS = 0.7
SHARES = 64  # steps in which a pool is shared: coarse, so that counts of shorter contexts cannot be solved for
ZERO_EXPECTED = 3.0  # an empty bin where this many rows were expected stays empty


@dataclass(frozen=True)
class Growth:
    """How far trees are grown: on how many rows, to which depth, and how clear a split must be.

    ``least`` rows on each side of a split; 0: twice the ``min_cell`` of the fit.
    """

    rows: int = STRUCTURE_ROWS
    deepest: int = DEEPEST
    strictness: float = STRICTNESS
    least: int = 0


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


def fit_tree(
    cells: np.ndarray,
    margins: list[Margin],
    min_cell: int,
    chosen: np.ndarray | None = None,
    growth: Growth = Growth(),
) -> pa.Table:
    """Learn the trees of all columns from their cells (columns, rows); return the model's joint rows.

    ``chosen`` are the rows that the structure is learned on, where they are known already.
    """
    names = [margin.column.name for margin in margins]
    target_maps = [_target_bins(margin) for margin in margins]
    codes = coded(cells, [bins_of(margin, MOST_CODES) for margin in margins])
    targets = coded(cells, target_maps)
    if chosen is None:
        chosen = chosen_rows(cells, growth.rows)
    sizes = [int(m.max()) + 1 for m in target_maps]
    order = column_order(np.ascontiguousarray(targets[:, chosen]), sizes)
    echoes = found_echoes(cells[:, chosen], target_maps, margins, order, min_cell)
    parts = []
    for j, echo in echoes.items():
        same = echo.repeats[cells[echo.parent]] == cells[j]
        targets[j][same] = sizes[j]
        sizes[j] += 1
        parts.append(_echo_row(names[j], names[echo.parent], int(same.sum())))
    grown = _grow_all(codes, targets, sizes, chosen, order, margins, growth.least or 2 * min_cell, growth)
    return pa.concat_tables([*parts, _rows(grown, names, min_cell)])


def _target_bins(margin: Margin) -> np.ndarray:
    """The bins that a tree predicts, one less than there may be: room for "the same as another column"."""
    return bins_of(margin, MOST_BINS - 1)


def _echo_row(child: str, parent: str, n: int) -> pa.Table:
    columns = pa.array([[child, parent]], SCHEMA.field("columns").type)
    return _part("echo", columns, pa.array([[]], CELLS), np.array([n]))


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
    codes: np.ndarray,
    targets: np.ndarray,
    bins: list[int],
    chosen: np.ndarray,
    order: list[int],
    margins: list[Margin],
    least: int,
    growth: Growth,
) -> list[Grown]:
    part = np.ascontiguousarray(codes[:, chosen])
    sizes = codes.max(axis=1).astype(np.int64) + 1
    nominal = np.array([is_nominal(margin) for margin in margins])
    grown = []
    for position, j in enumerate(order):
        feature, mask, left, depth = grow(
            part,
            sizes,
            nominal,
            np.ascontiguousarray(targets[j, chosen]),
            bins[j],
            not nominal[j],
            np.array(order[:position], np.int64),
            np.arange(chosen.size),
            least,
            growth.deepest,
            growth.strictness,
        )
        counts = count_leaves(codes, targets[j], bins[j], feature, mask, left, depth)
        grown.append(Grown(j, feature, mask, left, counts))
    return grown


def _bin_margin(margin: Margin, bins: np.ndarray) -> np.ndarray:
    """Rows of each bin."""
    return np.bincount(bins, weights=margin.n).astype(np.float64)


def _rows(grown: list[Grown], names: list[str], min_cell: int) -> pa.Table:
    """Write the trees: a 'split' row an inner node, a 'context' row each released bin or pool of a leaf.

    Cells of a split: node, left child, then the codes that go left. Cells of a context: node, then each of its bins
    with its share in the pool.
    """
    parts = []
    for tree in grown:
        child = names[tree.column]
        totals = tree.totals()
        inner = np.flatnonzero(tree.feature >= 0)
        columns = _pairs(child, pa.array(names).take(pa.array(tree.feature[inner])))
        parts.append(_part("split", columns, _splits(inner, tree.left[inner], tree.mask[inner]), totals[inner].sum(1)))
        offsets, flat, n = _released(totals, tree.feature, *_pool(totals, tree.parents(), min_cell, tree.column))
        columns = pa.array([[child]], SCHEMA.field("columns").type).take(pa.array(np.zeros(len(n), np.int64)))
        parts.append(_part("context", columns, pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat)), n))
    return pa.concat_tables(parts)


def _pairs(child: str, features: pa.Array) -> pa.Array:
    """The columns of split rows: the child and the column that it is split by."""
    both = pa.concat_arrays([pa.array([child]), features])
    places = np.zeros((len(features), 2), np.int64)
    places[:, 1] = np.arange(1, len(both))
    return pa.ListArray.from_arrays(np.arange(len(features) + 1, dtype=np.int32) * 2, both.take(places.reshape(-1)))


def _splits(nodes: np.ndarray, left: np.ndarray, masks: np.ndarray) -> pa.Array:
    """The cells of split rows: node, left child, then the codes that go left."""
    goes_left = (masks[:, None] >> np.arange(MOST_CODES, dtype=np.uint64) & np.uint64(1)).astype(bool)
    row, code = np.nonzero(goes_left)
    offsets = np.concatenate([[0], np.cumsum(2 + goes_left.sum(axis=1))])
    flat = np.empty(offsets[-1], np.int64)
    flat[offsets[:-1]], flat[offsets[:-1] + 1] = nodes, left
    flat[np.arange(len(row)) + 2 * (row + 1)] = code
    return pa.ListArray.from_arrays(offsets.astype(np.int32), flat)


def _part(statistic: str, columns: pa.Array, cells: pa.Array, n: np.ndarray) -> pa.Table:
    rows = len(n)
    named = pa.array([statistic], pa.string()).take(pa.array(np.zeros(rows, np.int64)))
    arrays = [named, columns, cells.cast(CELLS), pa.nulls(rows, pa.string()), pa.array(n, pa.int64())]
    return pa.table(arrays, schema=SCHEMA)


@njit(nogil=True, cache=True)
def _released(counts, feature, pools, rows, shares):
    """List what is released of the leaves: each pool's node, bins and shares as one run of integers, and its rows."""
    nodes, bins = counts.shape
    offsets, flat, n = [np.int32(0)], [np.int64(0)], [np.int64(0)]
    flat.pop()
    n.pop()
    for node in range(nodes):
        if feature[node] >= 0:
            continue
        for pool in range(bins):
            if rows[node, pool] == 0:
                continue
            flat.append(np.int64(node))
            for b in range(bins):
                if pools[node, b] == pool:
                    flat.append(np.int64(b))
                    flat.append(shares[node, b])
            offsets.append(np.int32(len(flat)))
            n.append(rows[node, pool])
    return np.array(offsets), np.array(flat), np.array(n)


@njit(nogil=True, cache=True)
def _pool(counts, parents, min_cell, column):  # noqa: C901
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
            shares[b] = max(1, math.floor(part * SHARES + 0.5))
            parts[pools[b]] += shares[b]
    total = rows.sum()
    for b in range(bins):
        if pools[b] >= 0:
            likely[b] = rows[pools[b]] * shares[b] / parts[pools[b]] / total


def compile_tree(model: Model, arrays: Arrays, given: dict[int, int]) -> int:
    """Put the trees of a model into ``arrays`` as ``udfs/tree.py`` reads them; return where they begin."""
    names = [margin.column.name for margin in model.learned]
    trees = _read(model, names)
    repeated = {tree.echoed for tree in trees.values()}
    tables = []
    for column, (splits, contexts, echoed) in trees.items():
        margin = model.learned[column]
        bins = _target_bins(margin)
        codes = bins_of(margin, MOST_CODES)
        own = np.append(_bin_margin(margin, bins), np.zeros(int(echoed >= 0)))
        probabilities = _leaves(splits, contexts, own)
        table = np.zeros(kernel.TREE, np.int64)
        table[kernel.COLUMN] = column
        table[kernel.BINS] = probabilities.shape[1]
        table[kernel.NODES] = arrays.put(_nodes(splits))
        table[kernel.DEPTH] = splits.depth
        table[kernel.LEAVES] = arrays.put(kernel.packed_aliases(probabilities))
        table[kernel.FINE] = _put_fine(arrays, margin, bins)
        table[kernel.CODES] = arrays.put(codes)
        table[kernel.ECHOED] = echoed
        if echoed >= 0:
            table[kernel.REPEATS] = arrays.put(nearest_cells(model.learned[echoed], margin))
        table[kernel.KEPT] = column in repeated
        table[kernel.GIVEN_CELL] = given.get(column, -1)
        if column in given:
            cell = given[column]
            share = margin.n[cell] / margin.n[bins == bins[cell]].sum()
            same = probabilities[:, -1] if echoed >= 0 else np.zeros(len(probabilities))
            table[kernel.LIKELIHOOD] = arrays.put(reals=np.stack([probabilities[:, bins[cell]] * share, same], axis=1))
        tables.append(table)
    return arrays.put(np.concatenate(tables))


@dataclass(frozen=True)
class Splits:
    """The inner nodes of a tree, rising: what each is split by, its left child, and which codes go left, as a mask."""

    node: np.ndarray
    feature: np.ndarray
    left: np.ndarray
    mask: np.ndarray

    @property
    def leaves(self) -> np.ndarray:
        """The nodes that are not split, rising."""
        return np.asarray(np.setdiff1d(np.concatenate([[0], self.left, self.left + 1]), self.node))

    @property
    def depth(self) -> int:
        """How many splits lie above the deepest leaf."""
        depth = {0: 0}
        for node, left in zip(self.node.tolist(), self.left.tolist(), strict=True):
            depth[left] = depth[left + 1] = depth[node] + 1
        return max(depth.values())


@dataclass(frozen=True)
class Contexts:
    """The released bins of a column's leaves, side by side: node, bin, and rows (a pool's rows by its shares)."""

    node: np.ndarray
    bin: np.ndarray
    rows: np.ndarray


class Read(NamedTuple):
    """A column's tree as its rows tell it; ``echoed`` is the column that its last bin repeats (-1: none)."""

    splits: Splits
    contexts: Contexts
    echoed: int


def _read(model: Model, names: list[str]) -> dict[int, Read]:
    """Read the trees back, in the order in which columns are drawn: a column's splits name only earlier ones."""
    joint = model.joint.combine_chunks()
    is_split, is_context, is_echo = (
        pc.equal(joint["statistic"], statistic).to_numpy() for statistic in ("split", "context", "echo")
    )
    child, feature = _column_numbers(joint["columns"], names)
    cells = joint["cells"].chunk(0) if joint.num_rows else pa.array([], CELLS)
    offsets, flat = cells.offsets.to_numpy(), cells.values.to_numpy()
    n = joint["n"].to_numpy()
    trees = {}
    for column in range(len(names)):
        rows = np.flatnonzero(is_split & (child == column))
        splits = _read_splits(offsets[rows], offsets[rows + 1], flat, feature[rows])
        contexts = np.flatnonzero(is_context & (child == column))
        echoed = feature[is_echo & (child == column)]
        trees[column] = Read(
            splits,
            _contexts(offsets[contexts], offsets[contexts + 1], flat, n[contexts]),
            int(echoed[0]) if len(echoed) else -1,
        )
    return _in_drawing_order(trees)


def _column_numbers(columns: pa.ChunkedArray, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the first and the last column that each row names."""
    lists = columns.combine_chunks()
    lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
    position = pc.index_in(lists.values, pa.array(names)).to_numpy(zero_copy_only=False)
    offsets = lists.offsets.to_numpy()
    return position[offsets[:-1]], position[offsets[1:] - 1]


def _read_splits(begin: np.ndarray, end: np.ndarray, flat: np.ndarray, feature: np.ndarray) -> Splits:
    """Unfold split rows (node, left child, then the codes that go left)."""
    codes = end - begin - 2
    row = np.repeat(np.arange(len(begin)), codes)
    within = np.arange(len(row)) - np.repeat(np.cumsum(codes) - codes, codes)
    mask = np.zeros(len(begin), np.uint64)
    np.bitwise_or.at(mask, row, np.uint64(1) << flat[begin[row] + 2 + within].astype(np.uint64))
    order = np.argsort(flat[begin], kind="stable")
    return Splits(
        flat[begin][order], feature[order].astype(np.int64), flat[begin + 1][order], mask[order].view(np.int64)
    )


def _contexts(begin: np.ndarray, end: np.ndarray, flat: np.ndarray, n: np.ndarray) -> Contexts:
    """Unfold context rows (node, then bin and share in turn) to one entry a bin."""
    pairs = (end - begin - 1) // 2
    row = np.repeat(np.arange(len(n)), pairs)
    within = np.arange(len(row)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    at = begin[row] + 1 + 2 * within
    share = flat[at + 1].astype(np.float64)
    together = np.bincount(row, weights=share, minlength=len(n))
    return Contexts(flat[begin[row]], flat[at], n[row] * share / together[row])


def _in_drawing_order(trees: dict[int, Read]) -> dict[int, Read]:
    placed: dict[int, Read] = {}
    needed = {j: {*tree.splits.feature.tolist(), tree.echoed} for j, tree in trees.items()}
    while len(placed) < len(trees):
        column = min(j for j in trees if j not in placed and needed[j] <= placed.keys() | {-1})
        placed[column] = trees[column]
    return placed


def _leaves(splits: Splits, contexts: Contexts, margin: np.ndarray) -> np.ndarray:
    """Distributions of the leaves (leaves, bins). An empty leaf has the margin's."""
    leaves = splits.leaves
    probabilities = np.zeros((len(leaves), len(margin)))
    probabilities[np.searchsorted(leaves, contexts.node), contexts.bin] = contexts.rows
    totals = probabilities.sum(axis=1, keepdims=True)
    return np.where(totals > 0, probabilities / np.maximum(totals, 1e-300), margin / margin.sum())


def _nodes(splits: Splits) -> np.ndarray:
    """The two words of every node, as ``udfs/tree.py`` reads them."""
    leaves = splits.leaves
    words = np.full((len(splits.node) + len(leaves), 2), -1)
    words[splits.node] = np.column_stack([splits.mask, splits.left << 32 | splits.feature])
    words[leaves, 1] = leaves << 32 | np.arange(len(leaves)) << 8
    return words


def _put_fine(arrays: Arrays, margin: Margin, bins: np.ndarray) -> int:
    """Put the alias tables of the cells inside each bin, and a directory of them: first cell, how many, table."""
    directory = []
    for b in range(int(bins.max()) + 1):
        members = np.flatnonzero(bins == b)
        directory.append((members[0], len(members), arrays.put_alias(np.maximum(margin.n[members], 1e-9))))
    return arrays.put(np.array(directory))
