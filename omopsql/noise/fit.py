"""The fit under noise, as a story: rows, what columns are, margins, copulas in strata, pairs of columns."""

from __future__ import annotations

from dataclasses import asdict

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.relation import Relation
from omopsql.synth.counts import SOURCE, create_source
from omopsql.synth.encode import encode
from omopsql.synth.joint import joint_table
from omopsql.synth.margins import Margin
from omopsql.synth.model import Model
from omopsql.synth.tree import Growth, fit_tree

from .asked import Noise
from .ledger import ledger_table
from .links import agreeing, worst_told
from .margins import counted, is_learned, shared_out
from .mechanism import Account, scale_of
from .pairs import Pairs
from .people import bounded, check_types, person_column
from .scores import noisy_joint
from .strata import by_one_copula, imagined
from .survey import Survey
from .waves import corrected

_ROWS_SHARE = 0.02  # of rho
# Margins have this share of rho where rows are so many times the noise of a count; with more rows, less.
_MANY = 5000.0
_MARGIN_SHARE, _MARGIN_FALL, _MARGIN_RANGE = 0.38, 0.3, (0.25, 0.55)
# With fewer rows, a copula has this share of what is left, and tables of pairs the rest: the more rows, the more pairs.
_PLAIN_SHARE, _PER_PAIR, _PAIRS_RANGE = 0.25, 28.0, (24, 80)
# With more, copulas have this share, and tables of pairs theirs of what they leave; waves of all pairs get the rest.
# The more rows, the more of it: then links that copulas do not tell are what noise hides.
_COPULA_SHARE = 0.2
_LINKS_SHARE, _LINKS_FALL, _LINKS_RANGE, _PAIRS_OF_MANY = 0.27, 2.0, (0.01, 0.9), 36
_IMAGINED = 1.5  # rows for each of the data
_FEWEST_IMAGINED, MOST_IMAGINED = 100_000, 200_000
NO_POOLS = 1  # rows of a bin that is told of imagined rows: none of them is anybody's
GROWTH = Growth(rows=MOST_IMAGINED, deepest=16, strictness=0.35, least=20)


def fit_with_noise(
    cursor: duckdb.DuckDBPyConnection, relation: Relation, kinds: dict[str, str], method: str, noise: Noise
) -> Model:
    """Fit a model of a source on a connection of its own, so that all of it is protected. ``kinds``: as asked for.

    Raises OmopsqlError for a budget that is none, a person column that is none, and types that are guessed.
    """
    noise.check()
    check_types(relation)
    person = person_column(relation, noise.person)
    relation = bounded(cursor, relation, person, noise.rows_per_person)
    create_source(cursor, relation)
    account = Account(noise.epsilon, noise.delta, noise.rows_per_person if person else 1)
    exact = int(cursor.execute(f"SELECT count(*) FROM {SOURCE}").fetchall()[0][0])
    rows = max(int(account.sums("rows", [], np.array([exact]), _ROWS_SHARE * account.rho)[0]), 1)
    width = len(relation.columns)
    share = _falling(_MARGIN_SHARE, _MARGIN_FALL, _MARGIN_RANGE, rows, account)
    survey = Survey(
        cursor,
        relation.columns,
        rows,
        account,
        share * account.rho / width,
        account.label_delta / width / 2,
    )
    told = shared_out(survey.columns(kinds, person), rows, account)
    learned = [of for of in told if is_learned(of)]
    cells = encode(cursor, relation.columns, [of.margin for of in learned], exact)
    found = [counted(of, own, rows, account) for of, own in zip(learned, cells, strict=True)]
    for own, of in zip(cells, found, strict=True):
        own[:] = of.cell_of[own]
    margins = [of.margin for of in found]
    method, joint = _joint(method, cells, margins, rows, account)
    every = iter(margins)
    about = {**asdict(noise), "person": person, "rows_per_person": account.rows}
    every_margin = [next(every) if is_learned(of) else of.margin for of in told]
    return Model(method, rows, 1, every_margin, joint, noise=about, ledger=ledger_table(account))


def _falling(share: float, fall: float, within: tuple[float, float], rows: int, account: Account) -> float:
    """A share of the budget that falls with the number of rows over the noise of a count."""
    return float(np.clip(share * (_MANY / _rows_of_noise(rows, account)) ** fall, *within))


def _rows_of_noise(rows: int, account: Account) -> float:
    """The number of rows over the noise of one count that had the whole budget."""
    return rows / scale_of(account.rho, account.rows)


def _joint(method: str, cells: np.ndarray, margins: list[Margin], rows: int, account: Account) -> tuple[str, pa.Table]:
    """The joint statistics of one method, with what is left of the budget."""
    if method == "independent" or len(margins) < 2:
        return "independent", Model("independent", rows, 1, []).joint
    if method == "copula" or (method == "auto" and not any(margin.labels for margin in margins)):
        joint, latents = noisy_joint(cells, margins, rows, account.left * (1.0 - 1e-6), account)
        return "copula", joint_table(joint, latents, margins)
    size = int(np.clip(_IMAGINED * rows, _FEWEST_IMAGINED, MOST_IMAGINED))
    learn = _of_few if _rows_of_noise(rows, account) < _MANY else _of_many
    learned = learn(cells, Pairs.counted(cells, margins, rows), size, account)
    return "tree", fit_tree(learned, margins, NO_POOLS, growth=GROWTH)


def _of_few(cells: np.ndarray, pairs: Pairs, size: int, account: Account) -> np.ndarray:
    """Imagine rows to learn from by one copula, and by tables of as many pairs as noise leaves worth counting."""
    _, population = by_one_copula(cells, pairs, size, _PLAIN_SHARE * account.left, account)
    most = int(np.clip(_rows_of_noise(pairs.rows, account) / _PER_PAIR, *_PAIRS_RANGE))
    links = worst_told(population, pairs, most, account.left * (1.0 - 1e-6), account)
    return agreeing(population, pairs, links)


def _of_many(cells: np.ndarray, pairs: Pairs, size: int, account: Account) -> np.ndarray:
    """Imagine rows to learn from by a copula in each stratum, by tables of few pairs, and by waves of all pairs."""
    population = imagined(cells, pairs, size, _COPULA_SHARE * account.left, account)
    share = _falling(_LINKS_SHARE, _LINKS_FALL, _LINKS_RANGE, pairs.rows, account)
    links = worst_told(population, pairs, _PAIRS_OF_MANY, share * account.left, account)
    return corrected(population, pairs, links, account.left * (1.0 - 1e-6), account)
