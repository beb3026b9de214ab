"""From a model to a generator: the two flat arrays that the kernels of ``udfs/layout.py`` read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from omopsql.threads import on_one_thread
from omopsql.transport.generator import Generator
from omopsql.udfs import layout
from omopsql.udfs.flat import fill_table

from .arrays import Arrays
from .columns import CATEGORY, NUMBER, bounds
from .copula import compile_copula
from .margins import Margin
from .model import Model
from .tree import compile_tree

REST_LABEL = "(rare)"


def slots_of(margin: Margin) -> tuple[int, int]:
    """How many number and label slots a column writes: (0 or 1, 0 or 1)."""
    labels = len(margin.labels) + margin.has_rest
    return int(margin.column.kind != CATEGORY), int(margin.column.kind != NUMBER and labels > 0)


def slot_labels(margin: Margin) -> tuple[str, ...]:
    """The texts of a label slot, the rare labels last."""
    rest = REST_LABEL
    while rest in margin.labels:
        rest += " "
    return (*margin.labels, rest) if margin.has_rest else margin.labels


def number_values(margin: Margin) -> np.ndarray:
    """Scale, firsts and spans of the number cells, as ``value_in_cell`` reads them."""
    unit = margin.column.unit
    scale = round(1.0 / unit) if unit > 0 else 0.0
    within = bounds(margin.column.type)
    low, high = np.clip(margin.low, *within), np.clip(margin.high, *within)
    if scale:
        first = np.ceil(low * scale - 1e-6)
        last = np.where(high > low, np.ceil(high * scale - 1e-6) - 1.0, first)
        exact = np.rint(low * scale)
        first = np.where(high > low, first, exact)
        span = np.maximum(np.where(high > low, last - first + 1.0, 1.0), 1.0)
        return np.concatenate([[scale], first, span])
    return np.concatenate([[0.0], low, high - low])


_METHODS: dict[str, tuple[int, Callable[[Model, Arrays, dict[int, int]], int]]] = {
    "copula": (layout.COPULA, compile_copula),
    "tree": (layout.TREE, compile_tree),
    "independent": (layout.INDEPENDENT, lambda model, arrays, given: 0),
}


@on_one_thread
def compile_model(model: Model, given: dict[int, int] | None = None) -> Generator:
    """Compile a model to a generator. The slots stand in the order of the learned columns.

    ``given`` fixes cells: learned column (by position) -> cell.
    """
    given = given or {}
    arrays = Arrays()
    arrays.put(np.zeros(layout.HEADER))
    slots: list[tuple[str, ...] | None] = []
    records = []
    for margin in model.learned:
        record = _record(margin, arrays, len(slots))
        if record[layout.NUMBER_SLOT] >= 0:
            slots.append(None)
        if record[layout.LABEL_SLOT] >= 0:
            slots.append(slot_labels(margin))
        records.append(record)
    start = arrays.put(np.concatenate(records) if records else np.zeros(0))
    return _finished(model, arrays, start, slots, given)


def _finished(
    model: Model, arrays: Arrays, records: int, slots: list[tuple[str, ...] | None], given: dict[int, int]
) -> Generator:
    """Put the method's own tables and the header."""
    code, compile_joint = _METHODS[model.method]
    joint = compile_joint(model, arrays, given) if model.learned else 0
    ints, reals = arrays.joined()
    ints[[layout.METHOD, layout.COLUMNS, layout.RECORDS, layout.JOINT]] = (code, len(model.learned), records, joint)
    ints[layout.GIVEN] = len(given)
    return Generator(ints, reals, tuple(slots), fill_table)


@on_one_thread
def compile_cells(model: Model) -> Generator:
    """Compile a model to a generator of cells: one slot a learned column, which holds the number of its cell."""
    arrays = Arrays()
    arrays.put(np.zeros(layout.HEADER))
    start = put_cell_records(arrays, [margin.n for margin in model.learned])
    return _finished(model, arrays, start, [None] * len(model.learned), {})


def put_cell_records(arrays: Arrays, counts: list[np.ndarray]) -> int:
    """Put records under which every column's content is its cell's own number; ``counts`` are the rows of its cells."""
    records = np.full((len(counts), layout.RECORD), -1, np.int64)
    for j, n in enumerate(counts):
        records[j, layout.NUMBER_SLOT], records[j, layout.NUMBERS], records[j, layout.CELLS] = j, len(n), len(n)
        records[j, layout.VALUES] = arrays.put(reals=np.concatenate([[1.0], np.arange(len(n)), np.ones(len(n))]))
        records[j, layout.ALIAS] = arrays.put_alias(np.maximum(n, 1e-9))
    return arrays.put(records)


def _record(margin: Margin, arrays: Arrays, slot: int) -> np.ndarray:
    """Put a column's tables, and return its record. Its slots begin at ``slot``."""
    has_number, has_label = slots_of(margin)
    record = np.full(layout.RECORD, -1, np.int64)
    if has_number:
        record[layout.NUMBER_SLOT] = slot
    if has_label:
        record[layout.LABEL_SLOT] = slot + has_number
    record[layout.NUMBERS] = margin.numbers
    record[layout.MISSING] = margin.missing
    record[layout.CELLS] = len(margin.n)
    record[layout.VALUES] = arrays.put(reals=number_values(margin))
    record[layout.ALIAS] = arrays.put_alias(np.maximum(margin.n, 1e-9))
    return record
