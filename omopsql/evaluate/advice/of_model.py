"""Advice from a model alone: what it learned from too few, and what it cannot carry."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from omopsql.synth.columns import LEARNED
from omopsql.synth.hospital.merge import MARK
from omopsql.synth.hospital.plan import LEFT_OUT, PERSONS, TABLES
from omopsql.synth.hospital.sums import Header, Sums
from omopsql.synth.model import Model

from .rules import Advice

_TOO_FEW, _FEW = 100, 1000  # persons
_NEAR = 3  # times min_cell: a number of persons that noise and chance may change by a quarter
_NAMED = 20  # concepts that are named


def of_hospital(table: pa.Table, name: str) -> Iterator[Advice]:
    """Yield advice on a model of a whole CDM."""
    sums = Sums.from_table(table, name)
    header = Header.of(sums, name)
    yield from of_learned(header.persons, "persons")
    keys, n = sums.get(PERSONS, 2)
    near = keys[n < _NEAR * header.min_cell]
    if len(near) and header.epsilon is None:
        yield Advice("rare_concepts", _concepts(near.tolist()), f"fewer than {_NEAR * header.min_cell} persons each")
    lost = sums.get(LEFT_OUT, 2)[0]
    if len(lost):
        yield Advice("left_out", _concepts(lost.tolist()), f"fewer than {header.min_cell} persons each")
    if len(sums.labels(MARK)):
        yield Advice("small_cells_before_merging")
    if header.epsilon is None:
        yield Advice("without_noise", evidence=f"every number is of at least {header.min_cell} persons")


def of_table(table: pa.Table, name: str) -> Iterator[Advice]:
    """Yield advice on a model of one table."""
    model = Model.from_table(table, name)
    yield from of_learned(model.rows, "rows")
    if model.method == "independent":
        yield Advice("no_association", evidence="method independent")
    lost = [margin.column.name for margin in model.margins if margin.column.kind not in LEARNED]
    if lost:
        yield Advice("not_learned", ", ".join(lost), f"{len(lost)} of {len(model.margins)} columns")
    if model.noise is None:
        yield Advice("without_noise", evidence=f"every cell holds at least {model.min_cell} rows")


def of_learned(persons: int, what: str) -> Iterator[Advice]:
    """Yield advice on how many persons or rows a model learned from."""
    if persons < _FEW:
        rule = "too_few_persons" if persons < _TOO_FEW else "few_persons"
        yield Advice(rule, evidence=f"the model learned from {persons:,} {what}")


def _concepts(keys: list[tuple[int, int]]) -> str:
    named = ", ".join(f"{TABLES[table]} {concept}" for table, concept in keys[:_NAMED])
    more = len(keys) - _NAMED
    return f"{named} and {more:,} more" if more > 0 else named
