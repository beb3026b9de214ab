"""Merging what several hospitals learned: their sums are added, and small cells suppressed once, on the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.registry import routine
from omopsql.session import Caller
from omopsql.synth.listed import names_in, read_table

from .agreement import FOR_SECOND_ROUND, added_up, refuse_differing
from .fit import COUNTED_BY, RULES, fingerprint, released
from .noise import merge as of_noise
from .sums import HEADER, SCHEMA, Counted, Header, Sums, group_starts

MARK = "merged"  # the statistic that marks a sum of models whose small cells were suppressed before
_BINS = 2  # the first and the last bin of a joined cell end its key


@routine(
    family="synth",
    schema=SCHEMA,
    examples=(
        "SELECT label FROM omopsql.cdm_merge(['hospital_model', 'second_hospital_model']) WHERE statistic = 'merged' "
        "--> small cells were suppressed before merging",
    ),
)
def cdm_merge(caller: Caller, models: str, for_merge: bool = False) -> pa.Table:
    """Add up what hospitals learned with cdm_fit, in any order: what merge does with models of whole hospitals.

    models is a list of tables or Parquet files, as in ['a.parquet', 'b.parquet']. What was fitted with for_merge :=
    true is exact: the sum equals a fit of all their persons together, and small cells are suppressed once, on the sum;
    for_merge := true keeps it exact and private, to be added further or to be the margins of a second round. With
    noise, the files of the second round are added together with the merged margins. Models whose small cells are
    suppressed already can be added too; the sum is marked by a row of statistic merged. Models of differing versions,
    CDMs, min_cell, epsilon or margins, and a mixture of kinds, are refused.
    """
    with caller.cursor() as cursor:
        return merged(cursor, names_in(cursor, models), for_merge)


def merged(cursor: duckdb.DuckDBPyConnection, names: Sequence[str], for_merge: bool = False) -> pa.Table:
    """Read and add up models. Returns a table of ``sums.SCHEMA``; raises OmopsqlError when they do not fit together."""
    parts = {name: read_sums(cursor, name) for name in names}
    headers = {name: Header.of(sums, name) for name, sums in parts.items()}
    if any(header.epsilon is not None for header in headers.values()):
        return of_noise.merged(parts, headers, for_merge)
    refuse_differing(headers)
    added, header = added_up(parts, headers)
    if not header.private:
        return _sum_of_released(added, header, for_merge, names[0]).to_table()
    if not for_merge and header.round == 1:
        raise OmopsqlError(FOR_SECOND_ROUND.format(names[0]))
    return _written(added, header, for_merge)


def finished(table: pa.Table, for_merge: bool, name: str) -> pa.Table:
    """What ``merge`` makes of exact sums that were added up elsewhere: rows of ``sums.SCHEMA``, in any order.

    Margins stay exact, for the second round. Raises OmopsqlError when the sums called ``name`` are not exact.
    """
    added = Sums.from_table(table, name)
    header = Header.of(added, name)
    if not header.private:
        raise OmopsqlError(f"{name} is a model whose small cells are suppressed already: its sum cannot be exact")
    added.drop(HEADER)
    return _written(added, header, for_merge or header.round == 1 or header.epsilon is not None)


def _written(added: Sums, header: Header, for_merge: bool) -> pa.Table:
    """Exact sums without their header as they are, or as a model whose small cells are suppressed.

    Raises OmopsqlError when a model is to be made of sums whose margins are those of other sites.
    """
    if for_merge:
        return Sums.merged([added, header.sums()]).to_table()
    _refuse_margins_of_others(added)
    added.drop(COUNTED_BY)
    return Sums.merged([released(added, header.min_cell), replace(header, private=False).sums()]).to_table()


def _refuse_margins_of_others(added: Sums) -> None:
    """Margins that are released alike may be of other sites: what was counted by them would not be all there is."""
    for told in added.labels(COUNTED_BY):
        name, *statistics = str(told).split(" ")
        if fingerprint(added.only(statistics)) != name:
            raise OmopsqlError(
                "the sums were counted by margins of other sites than theirs: merge the files of the same sites in "
                "both rounds"
            )


def read_sums(cursor: duckdb.DuckDBPyConnection, name: str) -> Sums:
    """Read the sums of a model, its table or Parquet file. Raises OmopsqlError when it is none."""
    return Sums.from_table(read_table(cursor, name), name)


def _sum_of_released(added: Sums, header: Header, for_merge: bool, name: str) -> Sums:
    if for_merge:
        raise OmopsqlError(f"{name} is a model whose small cells are suppressed already: its sum cannot be exact")
    joined = Sums()
    for statistic in added:
        counted = added.counted(statistic)
        if statistic in RULES and RULES[statistic].kind == "pool":
            counted = _disjoint(counted)
        joined.put(statistic, counted.keys, counted.n, counted.labels)
    mark = Sums()
    told = pa.array(["small cells were suppressed before merging"])
    mark.put(MARK, np.zeros((1, 0), np.int64), [header.persons], told)
    return Sums.merged([joined, header.sums(), mark])


def _disjoint(counted: Counted) -> Counted:
    """Join cells whose ranges of bins overlap: each model had joined its small bins in its own way."""
    if not len(counted):
        return counted
    prefix, low, high = counted.keys[:, :-_BINS], counted.keys[:, -_BINS], counted.keys[:, -1]
    begins = np.zeros(len(counted), bool)
    begins[group_starts(list(prefix.T), len(counted))] = True
    reach = _reach(begins, high)
    begins[1:] |= low[1:] > reach[:-1]
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(counted)) - 1
    keys = np.column_stack([prefix[starts], low[starts], reach[ends]])
    return Counted(keys, np.add.reduceat(counted.n, starts))


def _reach(begins: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The highest bin so far in each histogram, whose first cells ``begins`` marks."""
    histogram = np.cumsum(begins)
    rank = np.unique(high, return_inverse=True)[1]
    span = int(rank.max()) + 1
    return np.unique(high)[np.maximum.accumulate(histogram * span + rank) - histogram * span]
