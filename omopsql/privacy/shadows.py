"""Shadow models: how near synthetic data come to a person whom their model has, or has not, seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

import omopsql
from omopsql.evaluate.encode import sample, vectors
from omopsql.evaluate.sides import Doubles, Side, Sides
from omopsql.quoting import identifier
from omopsql.synth.fit import Asked, fit
from omopsql.synth.table import sample_sql
from omopsql.udfs.neighbours import nearest

from .subjects import telling

MODELS = 12
MOST_TARGETS = 2000  # real ones, and of the holdout
MOST_JUDGED = 10_000  # synthetic persons
MOST_COLUMNS = 20
_LEAST_SPREAD = 0.1  # of the logarithm of a distance
_LEAST = 1e-9
_MIN_CELL = 5


@dataclass(frozen=True)
class Shadows:
    """What shadow models made of the targets: real persons (``members`` of them) first, then holdout ones.

    ``distances``: to the nearest row of each model's data, (models, targets); ``has_seen``: whose model saw whom;
    ``of_synthetic``: to the nearest row of the data that are judged, as many of them, (targets).
    """

    members: int
    distances: Doubles
    has_seen: npt.NDArray[np.bool_]
    of_synthetic: Doubles


def shadow_models(sides: Sides, seed: int) -> Shadows:
    """Fit copulas on random halves of the targets, and let each make as many rows as are judged.

    Of a wide table the most telling columns are taken.
    """
    columns = telling(sides, sides.columns, MOST_COLUMNS)
    sides = replace(
        sides,
        numeric=tuple(name for name in sides.numeric if name in columns),
        labels=tuple(name for name in sides.labels if name in columns),
    )
    assert sides.holdout is not None
    real, holdout = sample(sides.real, MOST_TARGETS, seed), sample(sides.holdout, MOST_TARGETS, seed + 1)
    judged = sample(sides.synthetic, MOST_JUDGED, seed + 2)
    targets = pa.concat_tables([side.table.select(columns) for side in (real, holdout)]).combine_chunks()
    random = np.random.Generator(np.random.Philox(seed))
    has_seen = np.array([random.permutation(len(targets)) % 2 == 0 for _ in range(MODELS)])
    found = []
    con = omopsql.connect()
    try:
        for place, seen in enumerate(has_seen):
            made = _made(con, targets.filter(pa.array(seen)), len(judged), seed + place)
            found.append(_distances(replace(sides, real=real, synthetic=made, holdout=holdout)))
    finally:
        con.close()
    own = _distances(replace(sides, real=real, synthetic=judged, holdout=holdout))
    return Shadows(len(real), np.array(found), has_seen, own)


def surprise(own: Doubles, distances: Doubles, has_seen: npt.NDArray[np.bool_]) -> Doubles:
    """How many spreads nearer ``own`` distances (targets) are than those to models that did not see the target."""
    logs = np.ma.masked_array(np.log(distances + _LEAST), has_seen)
    spread = np.sqrt(logs.var(axis=0).filled(0.0) + _LEAST_SPREAD**2)
    typical = logs.mean(axis=0).filled(0.0)
    scores: Doubles = (typical - np.log(own + _LEAST)) / spread
    return scores


def _made(con: duckdb.DuckDBPyConnection, rows: pa.Table, n: int, seed: int) -> Side:
    """Fit a copula on rows, and make n of it."""
    con.register("omopsql_seen", rows)
    con.execute("CREATE OR REPLACE TABLE seen AS FROM omopsql_seen")
    con.unregister("omopsql_seen")
    model = fit(con, "seen", Asked(method="copula", min_cell=_MIN_CELL))
    columns = ", ".join(f"CAST({identifier(f.name)} AS {_TYPES[f.type]}) AS {identifier(f.name)}" for f in rows.schema)
    made = con.sql(f"SELECT {columns} FROM ({sample_sql(con, model, n, seed, {})})").to_arrow_table()
    return Side("", n, made.combine_chunks())


def _distances(sides: Sides) -> Doubles:
    real, synthetic, holdout = vectors(sides).sides
    return nearest(np.concatenate([real, holdout]), synthetic, 1, False)[0].ravel()


_TYPES = {pa.float64(): "DOUBLE", pa.string(): "VARCHAR"}
