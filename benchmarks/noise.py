"""What noise costs: tables fitted with and without it, in one run.

    python -m benchmarks.noise --data FOLDER

``--data`` holds ``sdnist_ma2018.csv``; without it those lines are left out. Pairs: mean total variation distance over
all pairs of columns, numbers in 20 percentile bins. TSTR: AUROC of a classifier trained on synthetic rows, on other
real ones.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import omopsql

from . import metrics
from .mixed import mixed_table

OUTCOME, POSITIVE = "diagnosis", "malignant"
HELD_OUT = 20_000


def main() -> None:
    """Print the table as Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path)
    chosen = options.parse_args()
    con = omopsql.connect()
    con.execute("SET threads = 1")
    con.execute("SET enable_progress_bar = false")
    held_out = mixed_table(HELD_OUT, 1)
    print("| table | epsilon | method | pairs | TSTR | shapes / pairs as SDMetrics | CPU s of the fit |")
    print("|---|---|---|---|---|---|---|")
    for rows, epsilon in ((10_000, 3.0), (100_000, 1.0)):
        con.register("mixed", mixed_table(rows))
        con.execute("CREATE OR REPLACE TABLE real AS FROM mixed")
        for budget, method in ((None, "auto"), (None, "copula"), (epsilon, "copula"), (epsilon, "auto")):
            print(f"| mixed {rows:,} x 20 | {_mixed_line(con, budget, method, held_out)} |", flush=True)
    if chosen.data is not None:
        _sdnist_lines(con, chosen.data / "sdnist_ma2018.csv")


def _fitted(con: duckdb.DuckDBPyConnection, epsilon: float | None, method: str) -> tuple[pa.Table, pa.Table, float]:
    """The real table, as many synthetic rows, and the CPU seconds of the fit."""
    asked = "" if epsilon is None else f", epsilon := {epsilon}, person := ''"
    started = time.process_time()
    con.execute(f"CREATE OR REPLACE TABLE m AS FROM omopsql.copula_fit('real', method := '{method}'{asked})")
    spent = time.process_time() - started
    real = con.sql("FROM real").to_arrow_table()
    return real, con.sql(f"FROM omopsql.copula_sample('m', {real.num_rows}, seed := 1)").to_arrow_table(), spent


def _mixed_line(con: duckdb.DuckDBPyConnection, epsilon: float | None, method: str, held_out: pa.Table) -> str:
    real, made, spent = _fitted(con, epsilon, method)
    apart = 1.0 - metrics.k_marginal(real, made, 2)
    shapes, pairs = metrics.shapes_and_pairs(real, made)
    told = f"{apart:.4f} | {_tstr(made, held_out):.4f} | {shapes:.3f} / {pairs:.3f} | {spent:.1f}"
    return f"{'none' if epsilon is None else f'{epsilon:g}'} | {method} | {told}"


def _tstr(made: pa.Table, held_out: pa.Table) -> float:
    both = pa.concat_tables([made.cast(held_out.schema), held_out])
    features = []
    for name in both.column_names:
        if name != OUTCOME:
            numbers = metrics.as_numbers(both[name])
            labels = both[name].combine_chunks().dictionary_encode()
            features.append(labels.indices.fill_null(-1).to_numpy() if numbers is None else numbers)
    x = np.stack(features, axis=1).astype(float)
    y = np.array([value == POSITIVE for value in both[OUTCOME].to_pylist()])
    model = HistGradientBoostingClassifier(random_state=0).fit(x[: made.num_rows], y[: made.num_rows])
    return float(roc_auc_score(y[made.num_rows :], model.predict_proba(x[made.num_rows :])[:, 1]))


def _sdnist_lines(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The k-marginal as a share of a bootstrap's."""
    con.execute(f"CREATE OR REPLACE TABLE real AS FROM '{path}'")
    real = con.sql("FROM real").to_arrow_table()
    picked = np.random.default_rng(1).integers(0, real.num_rows, real.num_rows)
    ceiling = metrics.k_marginal(real, real.take(pa.array(picked)))
    for epsilon in (None, 1.0, 3.0):
        _, made, spent = _fitted(con, epsilon, "auto")
        share = metrics.k_marginal(real, made) / ceiling
        print(
            f"| sdnist_ma2018 | {epsilon or 'none'} | auto | k-marginal share {share:.3f} | | | {spent:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
