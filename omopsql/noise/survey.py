"""What each column is, under noise: its kind, the step of its numbers, its labels, and where its numbers lie.

Public are the names and types of columns, the labels of an ENUM, the scale of a DECIMAL, and what ``columns`` asks for.
Everything else that a fit needs to know of a column is bought here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.synth import columns as c
from omopsql.synth.columns import Column
from omopsql.synth.counts import COLUMN, count, label_query, number_query, number_text_query, resolution
from omopsql.synth.encode import encode
from omopsql.synth.kinds import named_like_key
from omopsql.synth.margins import Margin

from .grid import Places, cells_of, places_of
from .mechanism import Account, scale_of, threshold_of_labels

# Shares of a column's rho; its cells and labels get what is left.
_KIND_SHARE, _STEP_SHARE, _PLACE_SHARE, _HEAP_SHARE, _TEXT_SHARE = 0.12, 0.05, 0.12, 0.15, 0.25
_MOSTLY = 0.5  # of the rows with a text: so many numbers make a column of numbers
_MOST_STEPS = 9
_COVERED = 0.99  # of the numbers: the step must fit them
_TOO_RARE = 0.1  # of the texts: labels that cover fewer say nothing of a column
_CLEAR, _SOME = 3.0, 2.0
# Texts that stand for a missing value, as they are often written. Others are told only if many rows have them.
_CODES = ("", "-", "?", "*", "N", "NA", "N/A", "n/a", "NULL", "null", "None", "none", "U", "UNK", "Unknown", "unknown")
_MOST_CELLS, _FEWEST_CELLS = 512, 64
_ROWS_OF_NOISE = 1.5  # of noise: a cell of average size holds so many rows at least
_ENUM = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True)
class Told:
    """A column whose cells are not counted yet: their edges on the line, or labels whose counts are released already.

    ``rho`` is what its cells may cost, ``counts`` and ``scale`` those of labels with their noise.
    """

    margin: Margin
    rho: float = 0.0
    counts: np.ndarray | None = None
    scale: float = 0.0


@dataclass(frozen=True)
class Survey:
    """Buys what must be known of the columns of the view ``omopsql_source``, at ``rho`` a column.

    ``rows`` is how many rows there are, as released.
    """

    cursor: duckdb.DuckDBPyConnection
    types: dict[str, str]
    rows: int
    account: Account
    rho: float
    delta: float

    def columns(self, kinds: dict[str, str], person: str | None) -> list[Told]:
        """Tell every column, in the source's order. ``kinds`` are those asked for; ``person`` comes back as a key."""
        kinds = dict(kinds) | ({person: c.IDENTIFIER} if person is not None else {})
        told = [self._column(name, sql_type, kinds.get(name)) for name, sql_type in self.types.items()]
        return self._placed(told)

    def _column(self, name: str, sql_type: str, kind: str | None) -> Told:
        first = c.first_kind(sql_type)
        if kind in (c.IDENTIFIER, c.UNLEARNED):
            return Told(Margin(Column(name, sql_type, kind, note="as asked")))
        if first == c.UNLEARNED:
            return Told(Margin(Column(name, sql_type, c.UNLEARNED, note=f"values of type {sql_type} are not learned")))
        if kind is None and (c.is_integer(sql_type) or first == c.CATEGORY) and _is_key(name):
            return Told(Margin(Column(name, sql_type, c.IDENTIFIER, note="named like a key")))
        if first == c.CATEGORY:
            return self._text(name, sql_type, kind)
        unit, spent = self._unit(name, sql_type)
        return Told(_to_place(Column(name, sql_type, c.NUMBER, unit=unit)), self.rho - spent)

    def _unit(self, name: str, sql_type: str) -> tuple[float, float]:
        """The step of a column of numbers, and what it cost to know: nothing where the type tells it."""
        base = sql_type.upper()
        if c.is_integer(base) or base in ("DATE", "BOOLEAN"):
            return 1.0, 0.0
        if base.startswith("DECIMAL"):
            return 10.0 ** -int(re.findall(r"\d+", base)[1]), 0.0
        counted = count(self.cursor, name, _step_query(sql_type)).to_pydict()
        held = dict(zip(counted["step"], counted["n"], strict=True))
        steps = [*(10.0**-k for k in range(_MOST_STEPS + 1)), 0.0]
        n = np.array([sum(m for step, m in held.items() if abs(step - own) < 1e-12 + 1e-6 * own) for own in steps])
        spent = _STEP_SHARE * self.rho
        n = self.account.sums("step of its numbers", [name], n, spent)
        return _fitting_step(np.array(steps), n, self.account.releases[-1].scale), spent

    def _text(self, name: str, sql_type: str, kind: str | None) -> Told:
        if sql_type.upper().startswith("ENUM"):
            labels = tuple(label.replace("''", "'") for label in _ENUM.findall(sql_type))
            column = Column(name, sql_type, c.CATEGORY)
            return Told(Margin(column, labels=labels, has_missing=True, n=np.ones(len(labels) + 1, np.int64)), self.rho)
        counted = count(self.cursor, name, label_query(1))
        if kind is None:
            classes, codes, scale = self._classes(name, counted)
            texts = self.rows - classes[0] - sum(codes.values())
            # Numbers are what is neither: less noise than in the sum of all their classes.
            if classes[2] > 0.95 * texts or classes[1:3].sum() < (1.0 - _MOSTLY) * texts:
                return self._number_text(name, sql_type, counted, classes, tuple(codes), scale)
        share = 1.0 if kind is not None else 1.0 - _KIND_SHARE
        return self._labels(Column(name, sql_type, c.CATEGORY), counted, share * self.rho)

    def _classes(self, name: str, counted: pa.Table) -> tuple[np.ndarray, dict[str, int], float]:
        """Rows that hold nothing, a text, a date, a number of 0 to 9 decimals without and with zeros at its end.

        Texts that stand for a missing value are counted apart: those that seem to hold rows, and the noise's scale.
        """
        classes = np.zeros(3 + 2 * (_MOST_STEPS + 1), np.int64)
        n, numbers, dates, padded = (counted[of].to_numpy() for of in ("n", "numbers", "dates", "padded"))
        decimals = np.minimum(counted["most_decimals"].fill_null(0).to_numpy(), _MOST_STEPS)
        classes[0] = self._exact_rows() - n.sum()
        classes[2] = dates.sum()
        classes[1] = n.sum() - dates.sum() - numbers.sum()
        np.add.at(classes, 3 + 2 * decimals + (padded > 0), numbers)
        place = pc.index_in(counted["label"], pa.array(_CODES)).fill_null(-1).to_numpy()
        held = (place >= 0) & (numbers == 0) & (dates == 0)
        codes = np.bincount(place[held], weights=n[held], minlength=len(_CODES)).astype(np.int64)
        classes[1] -= codes.sum()
        exact = np.concatenate([classes, codes])
        noisy = self.account.sums("what its texts are", [name], exact, _KIND_SHARE * self.rho)
        scale = self.account.releases[-1].scale
        told = dict(zip(_CODES, noisy[len(classes) :].tolist(), strict=True))
        return noisy[: len(classes)], {code: n for code, n in told.items() if n > _SOME * scale}, scale

    def _exact_rows(self) -> int:
        from omopsql.synth.counts import SOURCE

        return int(self.cursor.execute(f"SELECT count(*) FROM {SOURCE}").fetchall()[0][0])

    def _number_text(
        self, name: str, sql_type: str, counted: pa.Table, classes: np.ndarray, codes: tuple[str, ...], scale: float
    ) -> Told:
        dates = bool(classes[2] > classes[3:].sum())
        by_decimals = classes[3:].reshape(-1, 2)
        clear = np.flatnonzero(by_decimals.sum(axis=1) > _CLEAR * scale * 1.5)
        decimals = -1 if dates else int(clear.max(initial=0))
        padded = by_decimals[1:, 1].sum()
        trimmed = decimals > 0 and padded <= max(0.01 * by_decimals.sum(), _CLEAR * scale * 3.0)
        unit = 1.0 if dates else 10.0**-decimals
        note = "dates written as text" if dates else "numbers written as text"
        column = Column(name, sql_type, c.NUMBER_TEXT, unit, decimals, bool(trimmed), note)
        margin = replace(_to_place(column), labels=codes)
        spent = _KIND_SHARE * self.rho
        if classes[1] > _CLEAR * scale:  # other texts beside the numbers: a quarter tells which
            is_other = pc.and_(
                pc.equal(counted["dates" if dates else "numbers"], 0),
                pc.invert(pc.is_in(counted["label"], pa.array(codes, pa.string()))),
            )
            labels = self._labels(column, counted.filter(is_other), _TEXT_SHARE * self.rho)
            spent += _TEXT_SHARE * self.rho
            margin = replace(margin, labels=codes + labels.margin.labels)
        has_rest = True
        n = np.ones(margin.numbers + len(margin.labels) + has_rest + 1, np.int64)
        return Told(replace(margin, has_rest=has_rest, n=n), self.rho - spent)

    def _labels(self, column: Column, counted: pa.Table, rho: float) -> Told:
        """Labels above a threshold, and how many rows have none of them."""
        counts = {json.dumps(None): self._exact_rows() - int(counted["n"].to_numpy().sum())} | {
            json.dumps(label): n
            for label, n in zip(counted["label"].to_pylist(), counted["n"].to_pylist(), strict=True)
        }
        found, scale = self.account.labels("labels", [column.name], counts, rho, self.delta)
        missing = found.pop(json.dumps(None), 0)
        ranked = sorted(((json.loads(text), n) for text, n in found.items()), key=lambda pair: (-pair[1], pair[0]))
        n = [n for _, n in ranked]
        rest = self.rows - sum(n) - missing
        has_rest = rest > _CLEAR * scale * np.sqrt(len(n) + 1)
        if not n or sum(n) < _TOO_RARE * max(self.rows - missing, 1):
            return Told(Margin(Column(column.name, column.type, c.UNLEARNED, note="no label is frequent enough")))
        counts_ = np.array([*n, *([rest] if has_rest else []), *([missing] if missing else [])], np.int64)
        labels = tuple(label for label, _ in ranked)
        margin = Margin(column, labels=labels, has_rest=bool(has_rest), has_missing=missing > 0, n=counts_)
        return Told(margin, counts=counts_, scale=scale)

    def _placed(self, told: list[Told]) -> list[Told]:
        """Buy where numbers lie, and cut cells there."""
        lines = [k for k, of in enumerate(told) if of.margin.numbers]
        if not lines:
            return told
        cells = encode(self.cursor, self.types, [told[k].margin for k in lines], self._exact_rows())
        for k, own in zip(lines, cells, strict=True):
            of, places = told[k], places_of(_base(told[k].margin.column))
            spent = _PLACE_SHARE * self.rho if len(places) > 2 else 0.0
            held = np.ones(len(places))
            if spent:
                counts = np.bincount(own, minlength=len(of.margin.n))[: len(places)]
                held = self.account.sums("where its numbers lie", [of.margin.column.name], counts, spent)
            scale = self.account.releases[-1].scale if spent else 0.0
            told[k] = self._cut(of, places, held, scale, of.rho - spent)
        return told

    def _cut(self, of: Told, places: Places, held: np.ndarray, scale: float, rho: float) -> Told:
        noise = scale_of(rho, self.account.rows)
        most = int(np.clip(self.rows / (_ROWS_OF_NOISE * noise), _FEWEST_CELLS, _MOST_CELLS))
        column = of.margin.column
        edges = cells_of(places, np.asarray(held, float), scale, column.unit, most)
        atoms = np.empty(0)
        if _in_wide_cells(places, np.asarray(held, float), edges, column.unit) > self._least_heap():
            atoms, rho = self._heaps(column, edges), rho - _HEAP_SHARE * self.rho
        low, high = np.concatenate([atoms, edges[:-1]]), np.concatenate([atoms, edges[1:]])
        placed = np.lexsort([high, low])
        others = len(of.margin.n) - of.margin.numbers
        n = np.ones(len(low) + others, np.int64)
        return replace(of, margin=replace(of.margin, low=low[placed], high=high[placed], n=n), rho=rho)

    def _least_heap(self) -> int:
        """The rows that a single value must have to show."""
        return threshold_of_labels(_HEAP_SHARE * self.rho, self.delta, self.account.rows)

    def _heaps(self, column: Column, edges: np.ndarray) -> np.ndarray:
        """Single values that very many rows hold, ascending."""
        is_text = column.kind == c.NUMBER_TEXT
        query = number_text_query(column.decimals, 1) if is_text else number_query(column.type, 1)
        counted = count(self.cursor, column.name, query)
        values = [repr(value) for value in counted["atom"].to_pylist()]
        counts = dict(zip(values, counted["n"].to_pylist(), strict=True))
        found, _ = self.account.labels("heaps", [column.name], counts, _HEAP_SHARE * self.rho, self.delta)
        atoms = np.sort(np.array([float(value) for value in found]))
        return np.asarray(atoms[(atoms >= edges[0]) & (atoms < edges[-1])])


def _base(column: Column) -> str:
    """The type whose places a column's line has."""
    return "DATE" if column.decimals < 0 else column.type.upper()


def _in_wide_cells(places: Places, held: np.ndarray, edges: np.ndarray, unit: float) -> float:
    """Rows, as told, of the places that are cut into cells of more than one multiple of the unit."""
    middle = 0.5 * (edges[:-1] + edges[1:])  # with a unit, a cell begins half a step before its place
    of = np.unique(np.searchsorted(places.edges, middle[np.diff(edges) > 1.5 * unit], "right") - 1)
    return float(held[of].sum())


def _is_key(name: str) -> bool:
    """Whether a name says that values are keys. A concept_id is none: it says what a thing is."""
    return named_like_key(name) and not name.lower().endswith("concept_id")


def _to_place(column: Column) -> Margin:
    """A line whose cells are the public places of its type."""
    edges = places_of(_base(column)).edges
    return Margin(column, edges[:-1], edges[1:], has_missing=True, n=np.ones(len(edges), np.int64))


def _fitting_step(steps: np.ndarray, n: np.ndarray, scale: float) -> float:
    """The largest step that nearly all numbers are multiples of, as far as the noise lets see."""
    enough = _COVERED * n.sum() - _CLEAR * scale * np.sqrt(len(n))
    return float(steps[np.argmax(np.cumsum(n) >= enough)])


@cache
def _step_query(sql_type: str) -> str:
    """The query that counts the numbers of a column by the step that they are multiples of."""
    column = ibis.table({"v": c.ibis_type(sql_type)}, name=COLUMN)
    values = column.select(value=c.number(column.v, sql_type))
    present = values.filter(values.value.notnull() & ~values.value.isnan() & ~values.value.isinf())
    return str(
        ibis.to_sql(present.select(step=resolution(present.value)).group_by("step").agg(n=ibis._.count()), "duckdb")
    )
