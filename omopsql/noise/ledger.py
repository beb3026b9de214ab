"""The ledger: what was released for a model, what each release cost, and the sum."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from omopsql.registry import routine
from omopsql.session import Caller
from omopsql.synth.hospital import sums as of_hospital
from omopsql.synth.hospital.noise.release import releases as hospital_releases
from omopsql.synth.listed import read_table
from omopsql.synth.model import LEDGER, Model
from omopsql.synth.model import SCHEMA as MODEL

from .mechanism import Account, Release, epsilon_of

SCHEMA = pa.schema(
    [
        ("site", pa.int64()),
        ("release", pa.string()),
        ("columns", pa.list_(pa.string())),
        ("n", pa.int64()),
        ("sensitivity", pa.float64()),
        ("scale", pa.float64()),
        ("threshold", pa.int64()),
        ("rho", pa.float64()),
        ("rho_so_far", pa.float64()),
        ("epsilon_so_far", pa.float64()),
        ("delta", pa.float64()),
    ]
)
_WITHOUT = "everything: no noise was added"


def ledger_table(account: Account) -> pa.Table:
    """Write the releases of an account as rows of a model table."""
    rows = [
        {
            "statistic": LEDGER,
            "columns": list(release.columns),
            "cells": [],
            "value": json.dumps(
                {
                    "release": release.name,
                    "sensitivity": release.sensitivity,
                    "scale": release.scale,
                    "threshold": release.threshold,
                    "rho": release.rho,
                    "delta": release.delta,
                }
            ),
            "n": release.values,
        }
        for release in account.releases
    ]
    return pa.Table.from_pylist(rows, MODEL)


@routine(
    family="noise",
    schema=SCHEMA,
    examples=("SELECT release FROM omopsql.privacy_ledger('patients_model') --> everything: no noise was added",),
)
def privacy_ledger(caller: Caller, model: str) -> pa.Table:
    """List all that was released of the data for a model, in its order, and what it cost in privacy.

    n is how many values a release told; sensitivity by how much one person can move them (the length of the change, or
    for a choice the largest score); scale that of the noise; threshold the count below which a label stays hidden. rho
    adds up to rho_so_far, which costs epsilon_so_far at delta. A model without noise has one row, without an epsilon.
    In a merged model of a table each site is counted for itself: nobody is at two, so the largest epsilon is that of
    all. Of merged hospitals, which add alike, n is that of all together.
    """
    with caller.cursor() as cursor:
        table = read_table(cursor, model)
    is_hospital = set(of_hospital.SCHEMA.names) <= set(table.column_names)
    lines = _of_hospital(table, model) if is_hospital else _of_table(Model.from_table(table, model))
    return pa.Table.from_pylist(list(lines), SCHEMA)


def _of_table(model: Model) -> Iterator[dict[str, Any]]:
    if model.noise is None:
        return iter([{"release": _WITHOUT, "columns": [one.column.name for one in model.margins], "n": model.rows}])
    sites = model.noise.get("sites")
    if sites is None:
        return _lines(_releases(model.ledger, None), model.noise["delta"])
    each = (_lines(_releases(model.ledger, k), site["delta"], k) for k, site in enumerate(sites, 1))
    return chain.from_iterable(each)


def _releases(ledger: pa.Table, site: int | None) -> list[Release]:
    """The releases of a model, or of one of the sites that were merged in it."""
    every = [(row, json.loads(row["value"])) for row in ledger.to_pylist()]
    return [
        Release(columns=tuple(row["columns"]), values=row["n"], **_renamed(told))
        for row, told in every
        if told.pop("site", None) == site
    ]


def _renamed(told: dict[str, Any]) -> dict[str, Any]:
    return {"name" if key == "release" else key: value for key, value in told.items()}


def _of_hospital(table: pa.Table, name: str) -> Iterator[dict[str, Any]]:
    sums = of_hospital.Sums.from_table(table, name)
    header = of_hospital.Header.of(sums, name)
    if header.epsilon is None or header.delta is None:
        return iter([{"release": _WITHOUT, "columns": [], "n": header.persons}])
    return _lines(hospital_releases(sums), header.delta)


def _lines(releases: Sequence[Release], delta: float, site: int | None = None) -> Iterator[dict[str, Any]]:
    rho = 0.0
    for one in releases:
        rho += one.rho
        yield {
            "site": site,
            "release": one.name,
            "columns": list(one.columns),
            "n": one.values,
            "sensitivity": one.sensitivity,
            "scale": one.scale,
            "threshold": one.threshold or None,
            "rho": one.rho,
            "rho_so_far": rho,
            "epsilon_so_far": epsilon_of(rho, 0.5 * delta),
            "delta": delta,
        }
