"""Models that sites protected by noise become one model, by arithmetic on what they released: that costs nothing.

Each site's model imagines rows, in proportion to those that it learned from, and one model is learned from all of them.
Its margins are the sums of the sites' own. No person is at two sites, so that what protects her is the noise of hers:
the merged epsilon is the largest of the sites' (parallel composition: F. McSherry, SIGMOD 2009).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from omopsql.errors import OmopsqlError
from omopsql.synth import columns as c
from omopsql.synth.compile import compile_cells
from omopsql.synth.copula import fit_copula
from omopsql.synth.digest import digest
from omopsql.synth.margins import Margin
from omopsql.synth.model import SCHEMA, Model
from omopsql.synth.tree import fit_tree
from omopsql.udfs.philox import philox_uniform

from .common import Common, common
from .fit import CONTEXT, MOST_IMAGINED
from .margins import whole

_SEED_DIGITS = 12  # of a model's digest, for each of two seeds
_METHODS = ("tree", "copula", "independent")  # the first that a site has is that of all
_WITH, _EXACT, _WITHOUT = "was fitted with noise", "holds exact sums", "was fitted without noise"


@dataclass(frozen=True)
class Site:
    """A model with noise, by the name under which it was given."""

    name: str
    model: Model
    digest: str

    @cached_property
    def told(self) -> list[dict[str, Any]]:
        """What protects the site, or those that were merged in it before: one entry a site."""
        own = {key: self.noise[key] for key in ("epsilon", "delta", "rows_per_person")}
        every: list[dict[str, Any]] = self.noise.get("sites", [{"model": self.digest, "rows": self.model.rows, **own}])
        return every

    @property
    def noise(self) -> dict[str, Any]:
        """How the model is protected."""
        return self.model.noise or {}

    def margin(self, name: str) -> Margin | None:
        """The margin of a column, if the site has it."""
        return next((margin for margin in self.model.margins if margin.column.name == name), None)

    def learned(self, name: str) -> Margin | None:
        """The margin of a column, if the site learned it."""
        return next((margin for margin in self.model.learned if margin.column.name == name), None)

    def imagined(self, rows: int, margins: list[Common], at: int) -> np.ndarray:
        """Imagine rows of the site, as cells of the common margins, (columns, rows). ``at``: its place among sites."""
        seeds = [int(self.digest[k * _SEED_DIGITS : (k + 1) * _SEED_DIGITS], 16) for k in (0, 1)]
        made = compile_cells(self.model).rows(seeds[0], 0, rows).astype(np.int64)
        own = {margin.column.name: cells for margin, cells in zip(self.model.learned, made, strict=True)}
        nothing = np.zeros(rows, np.int64)
        cells = np.empty((len(margins), rows), np.int32)
        for j, of in enumerate(margins):
            cells[j] = _drawn(of.shares[at], own.get(of.margin.column.name, nothing), _uniform(seeds[1], j, rows))
        return cells


def protection(tables: dict[str, pa.Table]) -> bool:
    """Whether all models, by name, were fitted with noise. Raises OmopsqlError when some were and others were not."""
    kinds = {name: _kind(table) for name, table in tables.items()}
    noisy = next((name for name, kind in kinds.items() if kind == _WITH), None)
    other = next((name for name, kind in kinds.items() if kind != _WITH), None)
    if noisy is not None and other is not None:
        raise OmopsqlError(
            f"{noisy} {_WITH}, and {other} {kinds[other]}: merge models that were all fitted with epsilon, "
            "or exact sums only"
        )
    return noisy is not None


def _kind(table: pa.Table) -> str:
    heads = [row["value"] for row in table.filter(pa.compute.equal(table["statistic"], "model")).to_pylist()]
    if len(heads) != 1:
        return _EXACT
    return _WITH if "noise" in json.loads(heads[0]) else _WITHOUT


def merged_with_noise(tables: dict[str, pa.Table], for_merge: bool) -> Model:
    """Make one model of sites' models with noise, by name. The same models give the same one, in any order.

    A column that a site lacks, or did not learn, is missing in its rows. Raises OmopsqlError when models do not fit
    together.
    """
    if for_merge:
        raise OmopsqlError("for_merge keeps exact sums, and models with noise have none: merge them without it")
    sites = sorted(
        (Site(name, Model.from_table(table, name), digest(table)) for name, table in tables.items()),
        key=lambda site: site.digest,
    )
    _check(sites)
    rows = [site.model.rows for site in sites]
    names = [name for name in _types(sites) if any(site.learned(name) for site in sites)]
    every = {name: common([site.learned(name) for site in sites], rows) for name in names}
    margins = [every[name].margin if name in every else _unlearned(sites, name) for name in _types(sites)]
    method, joint = _joint(sites, rows, list(every.values()))
    return Model(method, sum(rows), 1, margins, joint, sites[0].model.policy, _noise(sites), _ledger(sites))


def _joint(sites: list[Site], rows: list[int], margins: list[Common]) -> tuple[str, pa.Table]:
    """Learn how columns hang together from rows that the sites' models imagine."""
    method = next(method for method in _METHODS if method in {site.model.method for site in sites})
    if method == "independent" or len(margins) < 2:
        return "independent", SCHEMA.empty_table()
    counts = whole(np.array(rows, float), MOST_IMAGINED).tolist()
    cells = np.concatenate(
        [site.imagined(n, margins, k) for k, (site, n) in enumerate(zip(sites, counts, strict=True))], axis=1
    )
    learned = [of.margin for of in margins]
    if method == "tree":
        return method, fit_tree(cells, learned, CONTEXT)
    return method, fit_copula(cells, learned, CONTEXT, may_stratify=False, rows=sum(rows))


def _drawn(shares: np.ndarray, cells: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """The common cell of each row's own cell, by its shares."""
    summed = np.cumsum(shares, axis=1)
    ends = summed / summed[:, -1:] + np.arange(len(shares))[:, None]
    return np.asarray(np.searchsorted(ends.reshape(-1), cells + uniform) - cells * shares.shape[1])


def _uniform(seed: int, column: int, rows: int) -> np.ndarray:
    found = np.empty(rows)
    _fill_uniform(seed, column, found)
    return found


@njit(nogil=True, cache=True)
def _fill_uniform(seed, column, found):
    for row in range(found.size):
        found[row] = max(philox_uniform(seed, row, column), 1e-9)  # so that a cell's number plus it is more


# --- what fits together


def _types(sites: list[Site]) -> dict[str, str]:
    """The columns of all sites, in the order of the first place that one has. Raises OmopsqlError for two types."""
    places: dict[str, int] = {}
    told: dict[str, tuple[str, Site]] = {}
    for site in sites:
        for place, margin in enumerate(site.model.margins):
            name, sql_type = margin.column.name, margin.column.type
            known, other = told.setdefault(name, (sql_type, site))
            if known != sql_type:
                raise OmopsqlError(
                    f"column {name} is of type {known} in {other.name}, of {sql_type} in {site.name}: cast one"
                )
            places[name] = min(place, places.get(name, place))
    return {name: told[name][0] for name in sorted(places, key=lambda name: (places[name], name))}


def _check(sites: list[Site]) -> None:
    """Raise OmopsqlError for sites that are given twice, differ in whom they protect, or in what columns are."""
    first, *others = sites
    known: dict[str, Site] = {}
    for site in sites:
        for told in site.told:
            other = known.setdefault(told["model"], site)
            if other is not site:
                raise OmopsqlError(
                    f"{other.name} and {site.name} hold the same site, which would count twice; leave one out"
                )
    for site in others:
        if site.noise["person"] != first.noise["person"]:
            raise OmopsqlError(
                f"{first.name} protects {_unit(first)}, {site.name} {_unit(site)}: fit both with the same person"
            )
        if site.model.policy != first.model.policy:
            raise OmopsqlError(f"{first.name} and {site.name} were fitted under different policies: fit both under one")
    for name in _types(sites):
        _check_kinds(name, sites)


def _unit(site: Site) -> str:
    person = site.noise["person"]
    return "each row as a person" if person is None else f"persons told apart by {person}"


def _check_kinds(name: str, sites: list[Site]) -> None:
    """Raise OmopsqlError when sites take a column for different things; one that did not learn it does not matter."""
    of: dict[tuple[str, bool], Site] = {}
    for site in sites:
        margin = site.margin(name)
        if margin is not None and margin.column.kind != c.UNLEARNED:
            of.setdefault((margin.column.kind, margin.column.decimals < 0), site)
    if len(of) > 1:
        ((one, _), first), ((two, dates), second) = list(of.items())[:2]
        two = two if two != one else "a date text" if dates else "a number text"
        raise OmopsqlError(
            f"{first.name} takes column {name} for {one}, {second.name} for {two}: say in columns what it is, at both"
        )


def _unlearned(sites: list[Site], name: str) -> Margin:
    """The margin of a column that no site learned: a key, if it is one somewhere."""
    found = [margin for site in sites if (margin := site.margin(name)) is not None]
    return next((margin for margin in found if margin.column.kind == c.IDENTIFIER), found[0])


# --- what it cost


def _noise(sites: list[Site]) -> dict[str, Any]:
    """What the merged model says of its noise: what the least protected site says, and each site's."""
    most = {key: max(site.noise[key] for site in sites) for key in ("epsilon", "delta", "rows_per_person")}
    told = [entry for site in sites for entry in site.told]
    return {**most, "person": sites[0].noise["person"], "sites": told}


def _ledger(sites: list[Site]) -> pa.Table:
    """The releases of all sites, numbered."""
    parts, before = [], 0
    for site in sites:
        rows = site.model.ledger.to_pylist()
        for row in rows:
            entered = json.loads(row["value"])
            row["value"] = json.dumps({**entered, "site": before + entered.get("site", 1)})
        parts.append(pa.Table.from_pylist(rows, SCHEMA))
        before += len(site.told)
    return pa.concat_tables(parts)
