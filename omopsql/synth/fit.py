"""Learning one table: from a source to a model, alone, under a policy, with noise, or as one of several sites."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.publish.policy import Policy
from omopsql.publish.policy.rules import type_without_values
from omopsql.registry import Options
from omopsql.relation import resolve
from omopsql.threads import on_one_thread

from . import columns as c
from .choose import fit_joint
from .counts import SOURCE, create_source
from .encode import encode
from .exact import Exact
from .listed import read_table
from .margins import Margin, SourceCounts, Survey
from .model import Model

if TYPE_CHECKING:
    from omopsql.noise.asked import Noise

METHODS = ("auto", "copula", "tree", "independent")
_SKIP = "skip"
_ASKED = {"number": c.NUMBER, "category": c.CATEGORY, "identifier": c.IDENTIFIER, _SKIP: c.UNLEARNED}


@dataclass(frozen=True)
class Asked:
    """How a table is to be learned: what columns are taken for, by which method, under which policy, with what noise.

    Raises OmopsqlError for a method or ``min_cell`` that is none.
    """

    columns: Options = field(default_factory=Options)
    method: str = "auto"
    min_cell: int = 10
    policy: Policy | None = None
    noise: Noise | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise OmopsqlError(f"method {self.method!r} is none of {', '.join(METHODS)}")
        if self.min_cell < 1:
            raise OmopsqlError(f"min_cell is {self.min_cell}; it must be at least 1")

    def kinds(self, known: dict[str, str], source: str) -> dict[str, str]:
        """What is asked of the columns of a source. Raises OmopsqlError for a column or kind that is none."""
        kinds = {}
        for name, kind in self.columns.items():
            if name not in known:
                raise OmopsqlError(f"columns: {source} has no column {name!r}; it has {', '.join(known)}")
            if kind not in _ASKED:
                raise OmopsqlError(f"columns: {name!r} cannot be {kind!r}; say {', '.join(_ASKED)}")
            kinds[name] = _ASKED[kind]
        return kinds


@dataclass(frozen=True)
class Round:
    """What one of several sites counts next: the first round, or what follows from the merged ``margins`` of the last.

    There are at most so many ``sites``.
    """

    sites: int
    margins_only: bool
    margins: str | None

    def __post_init__(self) -> None:
        if self.sites < 1:
            raise OmopsqlError(f"sites is {self.sites}; it must be at least 1")
        if self.margins_only and self.margins is not None:
            raise OmopsqlError("margins_only asks for margins, and margins gives them; say one of both")


@on_one_thread
def fit(cursor: duckdb.DuckDBPyConnection, source: str, asked: Asked) -> Model:
    """Fit a model on a connection of its own. Raises OmopsqlError when there is too little to learn from."""
    return _fit(cursor, source, asked) if asked.policy is None else _fit_under(asked.policy, cursor, source, asked)


@on_one_thread
def fit_round(cursor: duckdb.DuckDBPyConnection, source: str, asked: Asked, of: Round) -> pa.Table:
    """Count a round of a source: exact sums, to be added to those of other sites.

    Raises OmopsqlError for options that do not fit together.
    """
    from .rounds import fit_rounds

    if asked.policy is not None:
        raise OmopsqlError("policy is for a model of one site, and for_merge keeps exact sums; leave one out")
    if asked.noise is not None:
        raise OmopsqlError("for_merge keeps exact sums, and models with epsilon are merged as they are; leave it out")
    relation = resolve(cursor, source)
    kinds = asked.kinds(relation.columns, source)
    before = None if of.margins is None else Exact.from_table(read_table(cursor, of.margins), of.margins)
    counted = fit_rounds(cursor, relation, kinds, asked.method, asked.min_cell, of.sites, of.margins_only, before)
    return counted.to_table()


def _fit_under(policy: Policy, cursor: duckdb.DuckDBPyConnection, source: str, asked: Asked) -> Model:
    """Fit without the columns that a policy withholds, with its floor for cells, and say which policy it was."""
    policy.refuse_noise(*((asked.noise.epsilon, asked.noise.delta) if asked.noise else (None, None)))
    withheld = policy.withheld(source, resolve(cursor, source).columns)
    for name in withheld:
        if asked.columns.get(name, _SKIP) != _SKIP:
            raise OmopsqlError(
                f"columns: {policy.name} does not allow {name!r} to be learned; leave it out, or skip it"
            )
    skipped = Options(asked.columns | dict.fromkeys(withheld, _SKIP))
    model = _fit(cursor, source, replace(asked, columns=skipped, min_cell=policy.least(asked.min_cell)))
    margins = [_withheld(one) if one.column.name in withheld else one for one in model.margins]
    return replace(model, margins=margins, policy=policy.sha256)


def _withheld(margin: Margin) -> Margin:
    column = margin.column
    return Margin(replace(column, type=type_without_values(column.type), note="the policy withholds it"))


def _fit(cursor: duckdb.DuckDBPyConnection, source: str, asked: Asked) -> Model:
    relation = resolve(cursor, source)
    kinds, min_cell = asked.kinds(relation.columns, source), asked.min_cell
    if asked.noise is not None:
        from omopsql.noise.fit import fit_with_noise

        return fit_with_noise(cursor, relation, kinds, asked.method, asked.noise)
    create_source(cursor, relation)
    rows = int(cursor.execute(f"SELECT count(*) FROM {SOURCE}").fetchall()[0][0])
    if rows == 0:
        raise OmopsqlError(f"{source} has no rows; there is nothing to learn")
    if rows < min_cell:
        raise OmopsqlError(
            f"{source} has {rows} row{'s' * (rows > 1)}, fewer than min_cell = {min_cell}; "
            "no statistic of it may be released"
        )
    margins = Survey(SourceCounts(cursor, rows, min_cell), relation.columns, rows, min_cell).margins(kinds)
    learned = [margin for margin in margins if margin.column.kind in c.LEARNED]
    if asked.method == "independent" or len(learned) < 2:
        return Model("independent", rows, min_cell, margins)
    cells = encode(cursor, relation.columns, learned, rows)
    return fit_joint(asked.method, cells, margins, rows, min_cell)
