"""The ledger: what was released for a model, what each release cost, and the sum."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from omopsql.registry import routine
from omopsql.session import Caller
from omopsql.synth.model import LEDGER, Model
from omopsql.synth.model import SCHEMA as MODEL
from omopsql.synth.table import read_model

from .mechanism import Account, epsilon_of

SCHEMA = pa.schema(
    [
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
    """
    with caller.cursor() as cursor:
        return pa.Table.from_pylist(list(_lines(read_model(cursor, model))), SCHEMA)


def _lines(model: Model) -> Iterator[dict[str, Any]]:
    if model.noise is None:
        yield {"release": _WITHOUT, "columns": [margin.column.name for margin in model.margins], "n": model.rows}
        return
    rho = 0.0
    for row in model.ledger.to_pylist():
        told = json.loads(row["value"])
        rho += told["rho"]
        yield {
            "release": told["release"],
            "columns": row["columns"],
            "n": row["n"],
            "sensitivity": told["sensitivity"],
            "scale": told["scale"],
            "threshold": told["threshold"] or None,
            "rho": told["rho"],
            "rho_so_far": rho,
            "epsilon_so_far": epsilon_of(rho, 0.5 * model.noise["delta"]),
            "delta": model.noise["delta"],
        }
