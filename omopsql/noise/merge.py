"""Models that sites protected by noise become one model, by arithmetic on what they released: that costs nothing.

Its margins are the sums of the sites' own. For the rest, each site's model imagines rows, in proportion to those that
it learned from, and one model is learned from all of them. Where no person is at two sites, what protects her is the
noise of hers, so the merged epsilon is the largest of the sites' (parallel composition: F. McSherry, SIGMOD 2009).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from omopsql.errors import OmopsqlError
from omopsql.synth import columns as c
from omopsql.synth.compile import compile_cells
from omopsql.synth.copula import fit_copula
from omopsql.synth.margins import Margin
from omopsql.synth.model import SCHEMA, Model
from omopsql.synth.tree import fit_tree
from omopsql.udfs.philox import philox_uniform

from .common import Common, common
from .fit import GROWTH, MOST_IMAGINED, NO_POOLS
from .margins import whole
from .sites import Site, columns_of, sites_of

_SEED_DIGITS = 12  # of a model's digest, for each of two seeds
_METHODS = ("tree", "copula", "independent")  # the first that a site has is that of all
_CONTEXT = 20  # imagined rows that a table of the copula holds at least
_LEAST = 1e-9  # of a uniform number: added to a cell's number, it makes it larger


def merged(tables: dict[str, pa.Table], for_merge: bool) -> Model:
    """Make one model of sites' models with noise, by name. The same models give the same one, in any order.

    A column that a site lacks, or did not learn, is missing in its rows. Raises OmopsqlError when models do not fit
    together, or are to be kept exact.
    """
    if for_merge:
        raise OmopsqlError("for_merge keeps exact sums, and models with noise have none: merge them without it")
    sites = sites_of(tables)
    rows = [site.model.rows for site in sites]
    told = {name: [site.learned(name) for site in sites] for name in columns_of(sites)}
    learned = {name: common(margins, rows) for name, margins in told.items() if any(margins)}
    margins = [learned[name].margin if name in learned else _unlearned(sites, name) for name in told]
    method, joint = _joint(sites, rows, list(learned.values()))
    return Model(method, sum(rows), 1, margins, joint, sites[0].model.policy, _noise(sites), _ledger(sites))


def _unlearned(sites: list[Site], name: str) -> Margin:
    """The margin of a column that no site learned: a key, if it is one somewhere."""
    found = [margin for site in sites if (margin := site.margin(name)) is not None]
    return next((margin for margin in found if margin.column.kind == c.IDENTIFIER), found[0])


def _joint(sites: list[Site], rows: list[int], margins: list[Common]) -> tuple[str, pa.Table]:
    """Learn how columns hang together from rows that the sites' models imagine."""
    method = next(method for method in _METHODS if any(site.model.method == method for site in sites))
    if method == "independent" or len(margins) < 2:
        return "independent", SCHEMA.empty_table()
    counts = whole(np.array(rows, float), MOST_IMAGINED).tolist()
    cells = np.concatenate([_imagined(site, counts[k], margins, k) for k, site in enumerate(sites)], axis=1)
    own = [of.margin for of in margins]
    if method == "tree":
        return method, fit_tree(cells, own, NO_POOLS, growth=GROWTH)
    return method, fit_copula(cells, own, _CONTEXT, may_stratify=False, rows=sum(rows))


def _imagined(site: Site, rows: int, margins: list[Common], at: int) -> np.ndarray:
    """Imagine rows of a site, as cells of the common margins, (columns, rows). ``at`` is its place among the sites."""
    seed, place_seed = (int(site.digest[k * _SEED_DIGITS : (k + 1) * _SEED_DIGITS], 16) for k in (0, 1))
    made = compile_cells(site.model).rows(seed, 0, rows).astype(np.int64)
    own = {margin.column.name: cells for margin, cells in zip(site.model.learned, made, strict=True)}
    nothing, uniform = np.zeros(rows, np.int64), np.empty(rows)
    found = np.empty((len(margins), rows), np.int32)
    for j, of in enumerate(margins):
        _fill_uniform(place_seed, j, uniform)
        found[j] = _drawn(of.shares[at], own.get(of.margin.column.name, nothing), uniform)
    return found


def _drawn(shares: np.ndarray, cells: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """The common cell of each row, drawn by the shares of its own cell."""
    summed = np.cumsum(shares, axis=1)
    ends = summed / summed[:, -1:] + np.arange(len(shares))[:, None]
    return np.asarray(np.searchsorted(ends.reshape(-1), cells + uniform) - cells * shares.shape[1])


@njit(nogil=True, cache=True)
def _fill_uniform(seed, column, found):
    for row in range(found.size):
        found[row] = max(philox_uniform(seed, row, column), _LEAST)


def _noise(sites: list[Site]) -> dict[str, Any]:
    """What the merged model says of its noise: what the least protected site says, and each site for itself."""
    most = {key: max(site.noise[key] for site in sites) for key in ("epsilon", "delta", "rows_per_person")}
    return {**most, "person": sites[0].noise["person"], "sites": [told for site in sites for told in site.told]}


def _ledger(sites: list[Site]) -> pa.Table:
    """The releases of all sites, each with the number of its site."""
    rows, before = [], 0
    for site in sites:
        for row in site.model.ledger.to_pylist():
            told = json.loads(row["value"])
            rows.append(row | {"value": json.dumps(told | {"site": before + told.get("site", 1)})})
        before += len(site.told)
    return pa.Table.from_pylist(rows, SCHEMA)
