"""The fit under noise, as a story: rows, what columns are, margins, the copula, the pairs that it tells worst."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

from omopsql.errors import OmopsqlError
from omopsql.relation import resolve
from omopsql.synth.copula_tables import copula_of
from omopsql.synth.counts import SOURCE, create_source
from omopsql.synth.encode import encode
from omopsql.synth.joint import joint_table
from omopsql.synth.margins import Margin
from omopsql.synth.model import Model
from omopsql.synth.stratifier import simulated
from omopsql.synth.tree import fit_tree

from .margins import counted, is_learned
from .mechanism import Account
from .people import bounded, check_types, person_column
from .scores import noisy_joint
from .survey import Survey
from .tables import corrected

_ROWS_SHARE, _MARGIN_SHARE, _SCORE_SHARE = 0.02, 0.38, 0.12  # of ρ; pairs get what is left
_FEWEST_IMAGINED, _MOST_IMAGINED = 50_000, 200_000
_CONTEXT = 20  # imagined rows that a context of the tree holds at least, half of them


@dataclass(frozen=True)
class Noise:
    """What ``epsilon``, ``delta``, ``person`` and ``rows_per_person`` ask for."""

    epsilon: float
    delta: float
    person: str | None
    rows_per_person: int

    def check(self) -> None:
        """Raise OmopsqlError for a budget that is none."""
        if not 0.0 < self.epsilon <= 1000.0:
            raise OmopsqlError(f"epsilon is {self.epsilon:g}; it must be above 0, at most 1000")
        if not 0.0 < self.delta < 0.1:
            raise OmopsqlError(f"delta is {self.delta:g}; it must be above 0, below 0.1")
        if self.rows_per_person < 1:
            raise OmopsqlError(f"rows_per_person is {self.rows_per_person}; it must be at least 1")


def fit_with_noise(
    cursor: duckdb.DuckDBPyConnection, source: str, kinds: dict[str, str], method: str, noise: Noise
) -> Model:
    """Fit a model of ``source`` on a connection of its own, so that all of it is protected. ``kinds``: as asked for."""
    noise.check()
    relation = resolve(cursor, source)
    check_types(relation)
    person = person_column(relation, noise.person)
    relation = bounded(cursor, relation, person, noise.rows_per_person)
    create_source(cursor, relation)
    account = Account(noise.epsilon, noise.delta, noise.rows_per_person if person else 1)
    exact = int(cursor.execute(f"SELECT count(*) FROM {SOURCE}").fetchall()[0][0])
    rows = max(int(account.sums("rows", [], np.array([exact]), _ROWS_SHARE * account.rho)[0]), 1)
    width = len(relation.columns)
    survey = Survey(
        cursor, relation.columns, rows, account, _MARGIN_SHARE * account.rho / width, account.label_delta / width / 2
    )
    told = survey.columns(kinds, person)
    learned = [of for of in told if is_learned(of)]
    cells = encode(cursor, relation.columns, [of.margin for of in learned], exact)
    found = [counted(of, own, rows, account) for of, own in zip(learned, cells, strict=True)]
    for own, of in zip(cells, found, strict=True):
        own[:] = of.cell_of[own]
    margins = [of.margin for of in found]
    method, joint = _joint(method, cells, margins, rows, account)
    every = iter(margins)
    return Model(method, rows, 1, [next(every) if is_learned(of) else of.margin for of in told], joint)


def _joint(method: str, cells: np.ndarray, margins: list[Margin], rows: int, account: Account):
    """The joint statistics of one method, with what is left of the budget."""
    if method == "independent" or len(margins) < 2:
        return "independent", Model("independent", rows, 1, []).joint
    only = method == "copula"
    rho = account.left * (1.0 - 1e-6) if only else _SCORE_SHARE * account.rho
    joint, latents = noisy_joint(cells, margins, rows, rho, account)
    if only:
        return "copula", joint_table(joint, latents, margins)
    size = int(np.clip(rows, _FEWEST_IMAGINED, _MOST_IMAGINED))
    imagined = simulated(copula_of(joint, latents, 1), size)
    learned = corrected(imagined, cells, margins, rows, account.left * (1.0 - 1e-6), account)
    return "tree", fit_tree(learned, margins, _CONTEXT)
