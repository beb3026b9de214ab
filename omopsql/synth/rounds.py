"""Learning a table that lies at several sites: three rounds of counting, whose sums add up.

The first counts each column, the second pairs of columns in bins of the merged margins, the third products of scores
that follow from both. What is decided in between is a pure function of the merged sums, so the model is the one that a
fit of all rows together gives, where that looks at all rows to choose (up to 65,536 of them, see ``copula``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier
from omopsql.relation import Relation
from omopsql.udfs.bucket import resolution, value_bucket

from . import columns as c
from .cell_sums import PairTables, cross_counts
from .counts import count, create_source, label_query, number_query, number_text_query
from .encode import encode
from .exact import Exact, Header, added, named
from .gates import gates_of, row_words
from .hospital.sums import Sums
from .joint import Joint, joint_table
from .joint_sums import joint_of, score_sums
from .latent import Latents, coarse_bins, latents_of
from .margins import Margin, Survey
from .model import Model
from .ordering import best_orders
from .strata import Strata, strata_of
from .stratifier import candidates, nearest, state_sizes

METHODS = ("copula", "independent")
_OF_AUTO = "copula"  # by sums alone nobody can try the others
NUMBER_ROUNDS = {"copula": 3, "independent": 1}
_ALL = 1  # rows that a value needs to be counted apart
_LISTED = ("numbers", "dates", "padded")  # what a text may look like


def fit_rounds(
    cursor: duckdb.DuckDBPyConnection,
    relation: Relation,
    kinds: dict[str, str],
    method: str,
    min_cell: int,
    sites: int,
    margins_only: bool,
    before: Exact | None,
) -> Exact:
    """Count the next round of a site's rows, and those before it: exact, and to be added to other sites'.

    ``before`` are the merged sums of the round before; without them, all rounds are counted by the site's own. The
    method ``auto`` is copula here. Raises OmopsqlError for a method that must look at all rows at once.
    """
    method = _OF_AUTO if method == "auto" else method
    if method not in METHODS:
        raise OmopsqlError(
            f"method {method!r} cannot be merged, as it looks at rows to choose; say {' or '.join(METHODS)}"
        )
    create_source(cursor, relation)
    rows = int(cursor.execute("SELECT count(*) FROM omopsql_source").fetchall()[0][0])
    if not rows:
        raise OmopsqlError(f"{relation.name} has no rows; there is nothing to learn")
    header = Header(rows, 1, method, min_cell, sites, json.dumps(kinds, sort_keys=True))
    own = Exact(header, first_round(cursor, relation, kinds, -(-min_cell // sites)))
    if margins_only or method == "independent":
        return own
    common = own if before is None else _fitting(before, header)
    table = Table(common)
    cells = _cells(cursor, relation, table, rows)
    header = replace(header, round=2, margins=common.fingerprint(1))
    own = Exact(header, Sums.merged([own.sums, second_round(cells, table.learned)]))
    if before is not None and before.header.round == 1:
        return own
    common = own if before is None else before
    header = replace(header, round=3, pairs=common.fingerprint(2))
    return Exact(header, Sums.merged([own.sums, third_round(cells, Table(common))]))


def _fitting(before: Exact, header: Header) -> Exact:
    """The merged sums of the round before. Raises OmopsqlError when they were made otherwise than now is asked."""
    if before.header.round not in (1, 2):
        raise OmopsqlError("margins are the sums of a last round: give those of the round before")
    for field in ("method", "min_cell", "sites", "kinds"):
        one, two = getattr(before.header, field), getattr(header, field)
        if one != two:
            raise OmopsqlError(f"margins were fitted with {field} {one}, not {two}; fit both alike")
    return before


# --- the first round


def first_round(cursor: duckdb.DuckDBPyConnection, relation: Relation, kinds: dict[str, str], least: int) -> Sums:
    """Count every column by value. Texts stand as a hash, and by name where at least ``least`` rows share one.

    A text that ``min_cell`` rows share at all sites together is shared by so many at one of them at least.
    """
    found = Sums()
    rows = int(cursor.execute("SELECT count(*) FROM omopsql_source").fetchall()[0][0])
    for position, (name, sql_type) in enumerate(relation.columns.items()):
        found.put(named("column", name), [[position]], [rows], pa.array([sql_type]))
        first = c.first_kind(sql_type)
        if c.UNLEARNED in (first, kinds.get(name)) or kinds.get(name) == c.IDENTIFIER:
            continue
        if first == c.CATEGORY:
            _put_texts(found, cursor, name, least)
        else:
            _put_numbers(found, named("number", name), count(cursor, name, number_query(sql_type, _ALL)))
    return found


def _put_numbers(found: Sums, statistic: str, counted: pa.Table) -> None:
    values = counted["atom"].to_numpy().astype(np.float64) + 0.0  # -0.0 is 0.0
    found.put(statistic, values.view(np.int64).reshape(-1, 1), counted["n"].to_numpy())


def _put_texts(found: Sums, cursor: duckdb.DuckDBPyConnection, name: str, least: int) -> None:
    counted = count(cursor, name, label_query(_ALL))
    text, n = counted["label"].combine_chunks(), counted["n"].to_numpy()
    looks = [counted[column].to_numpy() // np.maximum(n, 1) for column in ("characters", "blanks", *_LISTED)]
    decimals = pc.fill_null(counted["most_decimals"], -1).to_numpy()
    digest = _digests(text)
    found.put(named("text", name), np.column_stack([digest, *looks, decimals]), n)
    is_told = n >= least
    told = text.filter(pa.array(is_told))
    found.put(named("label", name), digest[is_told].reshape(-1, 1), n[is_told], told)
    for statistic, digits, look in (("number in text", 0, looks[2]), ("date in text", -1, looks[3])):
        if look.any():
            _put_numbers(found, named(statistic, name), count(cursor, name, number_text_query(digits, _ALL)))


def _digests(text: pa.Array) -> np.ndarray:
    """63 bits of the SHA-256 of each text."""
    found = (hashlib.sha256(value.encode()).digest() for value in text.to_pylist())
    return np.array([int.from_bytes(digest[:8], "big") >> 1 for digest in found], np.int64)


@dataclass(frozen=True)
class ExactCounts:
    """Counts of columns as ``counts`` asks a source for them, from merged sums."""

    sums: Sums
    min_cell: int

    def numbers(self, name: str, sql_type: str) -> pa.Table:
        """Count a column of a number-like type."""
        return self._line(named("number", name))

    def numbers_in_text(self, name: str, decimals: int) -> pa.Table:
        """Count the numbers (or dates, ``decimals`` -1) in a text column."""
        return self._line(named("date in text" if decimals < 0 else "number in text", name))

    def labels(self, name: str) -> list[dict[str, Any]]:
        """Count a column of labels. Raises OmopsqlError when no site told a label that is to be released."""
        keys, n = self.sums.get(named("text", name), 7)
        statistic = named("label", name)
        known = dict(zip(self.sums.get(statistic, 1)[0][:, 0].tolist(), self.sums.labels(statistic), strict=True))
        large = n >= self.min_cell
        found = [
            self._told(keys[[row]], n[[row]], known.get(int(keys[row, 0]))) for row in np.flatnonzero(large).tolist()
        ]
        if any(row["label"] is None for row in found):
            raise OmopsqlError(
                f"a label of column {name} has no name at any site: fit all with sites := as many as merge"
            )
        return found + ([self._told(keys[~large], n[~large], None)] if (~large).any() else [])

    def _told(self, keys: np.ndarray, n: np.ndarray, label: str | None) -> dict[str, Any]:
        decimals = keys[keys[:, 6] >= 0, 6]
        sums = {what: int((keys[:, at] * n).sum()) for at, what in enumerate(("characters", "blanks", *_LISTED), 1)}
        return {
            "label": label,
            "n": int(n.sum()),
            "values": len(n),
            **sums,
            "fewest_decimals": int(decimals.min()) if len(decimals) else None,
            "most_decimals": int(decimals.max()) if len(decimals) else None,
        }

    def _line(self, statistic: str) -> pa.Table:
        keys, n = self.sums.get(statistic, 1)
        values = np.ascontiguousarray(keys[:, 0]).view(np.float64)
        bucket, step = np.empty(len(n), np.int64), np.empty(len(n))
        _put_on_grid(values, bucket, step)
        atom = pa.array(values, mask=n < self.min_cell)
        ones = np.ones(len(n), np.int64)
        return pa.table([bucket, atom, step, n, ones], names=["bucket", "atom", "step", "n", "values"])


@njit(nogil=True, cache=True)
def _put_on_grid(values, bucket, step):
    for i in range(values.size):
        bucket[i], step[i] = value_bucket(values[i]), resolution(values[i])


class Table:
    """What merged sums tell of a table: its margins after the first round, its latents after the second.

    Raises OmopsqlError when they are not of the very sites whose margins decided what was counted.
    """

    def __init__(self, exact: Exact) -> None:
        self.exact = exact
        self.rows, self.min_cell = exact.header.rows, exact.header.min_cell
        for last, name in ((1, exact.header.margins), (2, exact.header.pairs)):
            if name is not None and name != exact.fingerprint(last):
                raise OmopsqlError(
                    "the sums were counted by margins of other sites than theirs: merge the files of the same sites in "
                    "each round, from the first on"
                )

    @cached_property
    def types(self) -> dict[str, str]:
        """The columns of all sites, in the order of the first that has them. Raises OmopsqlError for two types."""
        found: dict[str, tuple[int, str]] = {}
        for statistic in self.exact.sums:
            if statistic.startswith(named("column", "")):
                name = statistic.removeprefix(named("column", ""))
                types = sorted(set(map(str, self.exact.sums.labels(statistic))))
                if len(types) > 1:
                    raise OmopsqlError(
                        f"column {name} is of type {types[0]} at one site, of {types[1]} at another: cast one"
                    )
                found[name] = int(self.exact.sums.get(statistic, 1)[0].min()), types[0]
        return {name: found[name][1] for name in sorted(found, key=lambda name: (found[name][0], name))}

    @cached_property
    def margins(self) -> list[Margin]:
        """The released margins. Raises OmopsqlError when there are too few rows."""
        if self.rows < self.min_cell:
            raise OmopsqlError(f"all sites together have {self.rows} rows, fewer than min_cell = {self.min_cell}")
        counts = ExactCounts(self.exact.sums, self.min_cell)
        kinds = json.loads(self.exact.header.kinds)
        return Survey(counts, self.types, self.rows, self.min_cell).margins(kinds)

    @cached_property
    def learned(self) -> list[Margin]:
        """The margins of the columns that are generated from statistics."""
        return [margin for margin in self.margins if margin.column.kind in c.LEARNED]

    @cached_property
    def bins(self) -> list[np.ndarray]:
        """The coarse bin of each cell of a learned column."""
        return [coarse_bins(margin) for margin in self.learned]

    @cached_property
    def _unordered(self) -> tuple[list[dict[int, tuple[int, ...]]], Latents]:
        words = [self._words(margin) for margin in self.learned]
        shared = gates_of(words, self.learned)
        return shared, latents_of(self.learned, self.rows, shared)

    def _words(self, margin: Margin) -> np.ndarray:
        keys, n = self.exact.sums.get(named("words", margin.column.name), 1)
        words = np.zeros(len(margin.n) - margin.numbers, np.int64)
        words[keys[:, 0]] = n
        return words.view(np.uint64)

    def bin_counts(self, first: int, second: int) -> np.ndarray:
        """Rows in each bin of one learned column and each bin of another, (bins, bins)."""
        latents = self._unordered[1]
        if first == second:
            return np.diag(latents.bin_rows(first)).astype(np.int64)
        low, high = min(first, second), max(first, second)
        keys, n = self.exact.sums.get(named("bins", *(self.learned[j].column.name for j in (low, high))), 2)
        counts = np.zeros((int(self.bins[low].max()) + 1, int(self.bins[high].max()) + 1), np.int64)
        counts[keys[:, 0], keys[:, 1]] = n
        return counts if first < second else counts.T

    @cached_property
    def pairs(self) -> PairTables:
        """The coarse states of every pair of latents, counted."""
        latents = self._unordered[1]
        tables = PairTables(state_sizes(latents), self.rows)
        states = [latents.bin_of_column_bin(k, latent.column) + 1 for k, latent in enumerate(latents.each)]
        for i in range(len(latents)):
            for j in range(i + 1, len(latents)):
                counts = self.bin_counts(latents.each[i].column, latents.each[j].column)
                np.add.at(tables(i, j), (states[i][:, None], states[j][None, :]), counts.astype(np.int32))
        return tables

    @cached_property
    def orders(self) -> dict[int, np.ndarray]:
        """The order of the bins of every latent that is no number line."""
        return best_orders(self._unordered[1], self.pairs)

    @cached_property
    def latents(self) -> Latents:
        """The latents, in order."""
        return self._unordered[1].ordered(self.orders)

    @cached_property
    def tried(self) -> list[int]:
        """The columns that are tried as the stratifying one."""
        return candidates(self.latents, self.pairs, self.min_cell)

    def strata(self, column: int) -> Strata:
        """The strata that a column makes."""
        counted: Callable[[int], np.ndarray] = partial(self.bin_counts, column)
        return strata_of(counted, self.latents, column, self.min_cell)

    def name(self, column: int) -> list[str]:
        """The name of a learned column; none for -1."""
        return [self.learned[column].column.name] if column >= 0 else []

    def joint(self, column: int) -> Joint:
        """The joint statistics with one stratifying column, from the third round."""
        size = len(self.latents)
        keys, n = self.exact.sums.get(named("products", *self.name(column)), 2)
        products = np.zeros((size, size), np.int64)
        products[keys[:, 0], keys[:, 1]] = n
        keys, n = self.exact.sums.get(named("asked", *self.name(column)), 3)
        asked = np.zeros(keys.max(axis=0) + 1, np.int64)
        asked[keys[:, 0], keys[:, 1], keys[:, 2]] = n
        shared = self._unordered[0]
        return joint_of(products, asked, self.latents, self.strata(column), self.min_cell, shared, self.orders)


# --- the second and the third round


def _cells(cursor: duckdb.DuckDBPyConnection, relation: Relation, table: Table, rows: int) -> np.ndarray:
    """The site's rows as cells of the merged margins. Columns that the site lacks are missing in all rows."""
    lacking = {name: sql_type for name, sql_type in table.types.items() if name not in relation.columns}
    if lacking:
        empty = ", ".join(f"CAST(NULL AS {sql_type}) AS {identifier(name)}" for name, sql_type in lacking.items())
        sql = f"(SELECT *, {empty} FROM {relation.sql})"
        create_source(cursor, Relation(relation.name, sql, relation.columns | lacking))
    return encode(cursor, table.types, table.learned, rows)


def second_round(cells: np.ndarray, learned: list[Margin]) -> Sums:
    """Count bins of each pair of columns, and tell which cells hold the same rows, from the cells, (columns, rows)."""
    found = Sums()
    content = hashlib.sha256(np.ascontiguousarray(cells).data).digest()
    first_row = int.from_bytes(content[:8], "big") >> 1  # rows of sites are numbered apart
    bins = [coarse_bins(margin) for margin in learned]
    for j, margin in enumerate(learned):
        words = row_words(cells[j], margin, first_row).view(np.int64)
        found.put(named("words", margin.column.name), np.arange(len(words)).reshape(-1, 1), words)
        for i in range(j):
            counts = np.zeros((int(bins[i].max()) + 1, int(bins[j].max()) + 1), np.int64)
            cross_counts(cells[i], cells[j], bins[i], bins[j], counts)
            _put_array(found, named("bins", learned[i].column.name, margin.column.name), counts)
    return found


def third_round(cells: np.ndarray, table: Table) -> Sums:
    """Add up products of scores for each column that is tried as the stratifying one."""
    found = Sums()
    if len(table.learned) < 2:
        return found
    for column in table.tried:
        products, asked = score_sums(cells, table.latents, table.strata(column), table.min_cell)
        _put_array(found, named("products", *table.name(column)), products)
        full = np.argwhere(np.ones(asked.shape, bool))  # also the empty ones: they tell how many there are
        found.put(named("asked", *table.name(column)), full, asked.reshape(-1))
    return found


def _put_array(found: Sums, statistic: str, counts: np.ndarray) -> None:
    at = np.argwhere(counts)
    found.put(statistic, at, counts[tuple(at.T)])


# --- the end


def merged(parts: dict[str, Exact], for_merge: bool) -> pa.Table:
    """Add up sites' sums: a model, or exact sums for the next round. Raises OmopsqlError when they do not fit."""
    whole = added(parts)
    if for_merge:
        return whole.to_table()
    if whole.header.round < NUMBER_ROUNDS[whole.header.method]:
        raise OmopsqlError(
            f"{next(iter(parts))} holds round {whole.header.round} of 3: merge it with --for-merge (for_merge := true) "
            "for the next"
        )
    return model_of(whole).to_table()


def finished(table: pa.Table, for_merge: bool, name: str) -> pa.Table:
    """What ``merged`` makes of exact sums that were added up elsewhere. Those of early rounds stay exact."""
    whole = Exact.from_table(table, name)
    return merged({name: whole}, for_merge or whole.header.round < NUMBER_ROUNDS[whole.header.method])


def model_of(exact: Exact) -> Model:
    """The model that merged sums of the last round make."""
    table = Table(exact)
    if exact.header.method == "independent" or len(table.learned) < 2:
        return Model("independent", table.rows, table.min_cell, table.margins)
    joints = [table.joint(column) for column in table.tried]
    best = nearest(joints, table.latents, table.pairs, table.min_cell)
    joint = next(joint for joint in joints if joint.strata.column == best)
    return Model("copula", table.rows, table.min_cell, table.margins, joint_table(joint, table.latents, table.learned))
