"""Exact sums of a model file as statistics by name, and what becomes of their total."""

from __future__ import annotations

import json
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.errors import OmopsqlError
from omopsql.synth import exact, rounds
from omopsql.synth.hospital import merge
from omopsql.synth.hospital.sums import HEADER, SCHEMA
from omopsql.synth.listed import read_table
from omopsql.synth.model import SCHEMA as MODEL_SCHEMA

from .names import Statistics

_NO_LABEL, _LABEL = "\0", "\1"  # after the statistic: without a label, or with one


@dataclass(frozen=True)
class ModelFile:
    """The exact sums of one round. ``about`` is what its header tells beside the number of persons."""

    about: str
    number: int
    statistics: Statistics


def read(cursor: duckdb.DuckDBPyConnection, name: str) -> ModelFile:
    """Read a model fitted with for_merge. Raises OmopsqlError when it is none, or not exact."""
    table = read_table(cursor, name)
    if set(MODEL_SCHEMA.names) <= set(table.column_names):
        header = exact.Exact.from_table(table, name).header
        return ModelFile(header.label(), header.round, _statistics(exact.to_sums(table)))
    if set(SCHEMA.names) - set(table.column_names):
        raise OmopsqlError(f"{name} is no model that can be added: fit it with --for-merge")
    table = table.select(SCHEMA.names).cast(SCHEMA)
    heads = table.filter(pc.equal(table["statistic"], HEADER))["label"].to_pylist()
    if len(heads) != 1:
        raise OmopsqlError(f"{name} is no model of a hospital: it has {len(heads)} rows of statistic {HEADER!r}")
    told = json.loads(heads[0])
    if not told.get("private"):
        raise OmopsqlError(f"{name} is a model whose small cells are suppressed already: fit it with --for-merge")
    return ModelFile(heads[0], int(told["round"]), _statistics(table))


def _statistics(table: pa.Table) -> Statistics:
    statistic, label, key, n = (_one(table[column]) for column in ("statistic", "label", "key", "n"))
    marked = pc.binary_join_element_wise(pa.scalar(_LABEL), label, "")
    text = pc.binary_join_element_wise(statistic, pc.fill_null(marked, _NO_LABEL), "")
    return Statistics(text, key, n.to_numpy().astype(np.int64))


def table_of(statistics: Statistics) -> pa.Table:
    """The rows that stood in model files, added up, in no order."""
    coded = statistics.text.dictionary_encode()
    parts = pc.split_pattern_regex(coded.dictionary, "[\\x00\\x01]", max_splits=1)
    has_label = pc.match_substring(coded.dictionary, _LABEL)
    label = pc.if_else(has_label, pc.list_element(parts, 1), pa.scalar(None, pa.string()))
    columns = [pc.list_element(parts, 0).take(coded.indices), statistics.key, label.take(coded.indices), statistics.n]
    return pa.table(columns, schema=SCHEMA)


def total(statistics: Statistics, for_merge: bool, name: str) -> pa.Table:
    """The model that the merge of all sites' files would be."""
    table = table_of(statistics)
    if exact.HEADER in table["statistic"].unique().to_pylist():
        return rounds.finished(exact.from_sums(table), for_merge, name)
    return merge.finished(table, for_merge, name)


def _one(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    if not isinstance(combined, pa.ChunkedArray):
        return combined
    return combined.chunk(0) if combined.num_chunks else pa.array([], combined.type)
