"""Models with noise of several sites: what each holds, and whether they fit together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from omopsql.errors import OmopsqlError
from omopsql.synth import columns as c
from omopsql.synth.digest import digest
from omopsql.synth.exact import HEADER as EXACT
from omopsql.synth.margins import Margin
from omopsql.synth.model import SCHEMA, Model

_WITH, _WITHOUT = "was fitted with noise", "was fitted without noise"
_EXACT, _OTHER = "holds exact sums", "is no model of a table"


@dataclass(frozen=True)
class Site:
    """A model with noise, by the name under which it was given."""

    name: str
    model: Model
    digest: str

    @property
    def noise(self) -> dict[str, Any]:
        """How the model is protected."""
        return self.model.noise or {}

    @cached_property
    def told(self) -> list[dict[str, Any]]:
        """What protects the site, or each of those that were merged into it before."""
        own = {key: self.noise[key] for key in ("epsilon", "delta", "rows_per_person")}
        every: list[dict[str, Any]] = self.noise.get("sites", [{"model": self.digest, "rows": self.model.rows, **own}])
        return every

    def margin(self, name: str) -> Margin | None:
        """The margin of a column, if the site has it."""
        return next((margin for margin in self.model.margins if margin.column.name == name), None)

    def learned(self, name: str) -> Margin | None:
        """The margin of a column, if the site learned it."""
        margin = self.margin(name)
        return margin if margin is not None and margin.column.kind in c.LEARNED else None


def have_noise(tables: dict[str, pa.Table]) -> bool:
    """Whether all models, by name, were fitted with noise. Raises OmopsqlError when some were and others were not."""
    kinds = {name: _kind(table) for name, table in tables.items()}
    noisy = [name for name, kind in kinds.items() if kind == _WITH]
    others = [name for name, kind in kinds.items() if kind != _WITH]
    if noisy and others:
        raise OmopsqlError(
            f"{noisy[0]} {_WITH}, and {others[0]} {kinds[others[0]]}: merge models that all were, or exact sums alone"
        )
    return bool(noisy)


def _kind(table: pa.Table) -> str:
    if set(SCHEMA.names) - set(table.column_names):
        return _OTHER
    heads = table.filter(pc.equal(table["statistic"], "model"))["value"].to_pylist()
    if len(heads) == 1:
        return _WITH if "noise" in json.loads(heads[0]) else _WITHOUT
    return _EXACT if EXACT in table["statistic"].to_pylist() else _OTHER


def sites_of(tables: dict[str, pa.Table]) -> list[Site]:
    """The sites of models with noise, by name, in an order that follows from their content.

    Raises OmopsqlError when one is given twice, or when they differ in whom they protect or in what a column is.
    """
    every = [Site(name, Model.from_table(table, name), digest(table)) for name, table in tables.items()]
    sites = sorted(every, key=lambda site: site.digest)
    _check_once(sites)
    first, *others = sites
    for site in others:
        _check_protection(first, site)
    for name in columns_of(sites):
        _check_keys(name, sites)
    return sites


def columns_of(sites: list[Site]) -> list[str]:
    """The columns of all sites, in the order of the last place that one has. Raises OmopsqlError for two types."""
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
            places[name] = max(place, places.get(name, place))
    return sorted(places, key=lambda name: (places[name], name))


def _check_once(sites: list[Site]) -> None:
    known: dict[str, Site] = {}
    for site in sites:
        for told in site.told:
            other = known.setdefault(told["model"], site)
            if other is not site:
                raise OmopsqlError(f"{other.name} and {site.name} hold the same site, which would count twice")


def _check_protection(one: Site, two: Site) -> None:
    if one.noise["person"] != two.noise["person"]:
        raise OmopsqlError(f"{one.name} protects {_unit(one)}, {two.name} {_unit(two)}: fit both with the same person")
    if one.model.policy != two.model.policy:
        raise OmopsqlError(f"{one.name} and {two.name} were fitted under different policies: fit both under one")


def _unit(site: Site) -> str:
    person = site.noise["person"]
    return "each row as a person" if person is None else f"persons told apart by {person}"


def _check_keys(name: str, sites: list[Site]) -> None:
    """Raise OmopsqlError when a column is a key at one site, and learned at another."""
    keys = [site for site in sites if (margin := site.margin(name)) and margin.column.kind == c.IDENTIFIER]
    learned = [site for site in sites if site.learned(name)]
    if keys and learned:
        raise OmopsqlError(
            f"column {name} is a key in {keys[0].name}, but learned in {learned[0].name}: say in columns what it is"
        )
