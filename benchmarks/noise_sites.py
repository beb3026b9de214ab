"""Noise at each site: one table split in three, each part fitted under noise, and the models merged.

    python -m benchmarks.noise_sites

Margins and pairs: mean total variation distance over all columns, and over all pairs of them, between real rows and as
many synthetic ones, numbers in 20 percentile bins. Means of three runs.
"""

from __future__ import annotations

import time

import duckdb
import numpy as np
import pyarrow as pa

import omopsql

from . import metrics
from .mixed import mixed_table

SITES, RUNS, EPSILON = 3, 3, 3.0


def main() -> None:
    """Print the table as Markdown."""
    con = omopsql.connect()
    con.execute("SET threads = 1")
    con.execute("SET enable_progress_bar = false")
    print("| table | fitted on | margins | pairs | CPU s of the merge |")
    print("|---|---|---|---|---|")
    for rows in (10_000, 30_000):
        for name in ("patients", "mixed"):
            _load(con, name, rows)
            told = [_run(con) for _ in range(RUNS)]
            for what in told[0]:
                margins, pairs, spent = np.mean([run[what] for run in told], axis=0)
                print(f"| {name} {rows:,} | {what} | {margins:.4f} | {pairs:.4f} | {spent:.1f} |", flush=True)


def _load(con: duckdb.DuckDBPyConnection, name: str, rows: int) -> None:
    if name == "mixed":
        con.register("mixed", mixed_table(rows))
        con.execute("CREATE OR REPLACE TABLE every AS FROM mixed")
    else:
        read = "SELECT * EXCLUDE patient_id REPLACE (year(birth_date) AS birth_date)"
        con.execute(f"CREATE OR REPLACE TABLE every AS {read} FROM omopsql.example_patients({rows})")
    for site in range(SITES):
        con.execute(f"CREATE OR REPLACE TABLE site{site} AS FROM every WHERE rowid % {SITES} = {site}")


def _run(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[float, float, float]]:
    """Margins, pairs and seconds of each way."""
    for source in ("every", *(f"site{site}" for site in range(SITES))):
        fit = f"omopsql.copula_fit('{source}', epsilon := {EPSILON}, person := '')"
        con.execute(f"CREATE OR REPLACE TABLE of_{source} AS FROM {fit}")
    parts = ", ".join(f"'of_site{site}'" for site in range(SITES))
    started = time.process_time()
    con.execute(f"CREATE OR REPLACE TABLE of_all AS FROM omopsql.merge([{parts}])")
    spent = time.process_time() - started
    con.execute("CREATE OR REPLACE TABLE of_plain AS FROM omopsql.copula_fit('every')")
    ways = {
        "all rows, without noise": "of_plain",
        "all rows, noise once": "of_every",
        "three sites, merged": "of_all",
        "one site alone": "of_site0",
    }
    real = con.sql("FROM every").to_arrow_table()
    return {way: (*_apart(real, con, model), spent * (model == "of_all")) for way, model in ways.items()}


def _apart(real: pa.Table, con: duckdb.DuckDBPyConnection, model: str) -> tuple[float, float]:
    made = con.sql(f"FROM omopsql.copula_sample('{model}', {real.num_rows}, seed := 1)").to_arrow_table()
    return 1.0 - metrics.k_marginal(real, made, 1), 1.0 - metrics.k_marginal(real, made, 2)


if __name__ == "__main__":
    main()
