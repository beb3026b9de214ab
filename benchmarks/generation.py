"""How fast a hospital is learned, and its tables made through SQL to Parquet, on one thread.

    python -m benchmarks.generation --data CDM --persons 100000

Lives are made with the first table that is asked for; others that ask for the same persons take what is kept of them.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

import omopsql
from omopsql.quoting import literal

EVENTS = (
    "condition_occurrence",
    "drug_exposure",
    "procedure_occurrence",
    "device_exposure",
    "measurement",
    "observation",
)


def main() -> None:
    """Print the table as Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--persons", type=int, default=100_000)
    chosen = options.parse_args()
    con = omopsql.connect()
    con.execute("SET threads = 1")
    con.execute("SET enable_progress_bar = false")
    con.execute("CREATE TABLE warm AS FROM omopsql.cdm_fit($1)", [str(chosen.data)])
    started = time.process_time()
    con.execute("CREATE TABLE m AS FROM omopsql.cdm_fit($1)", [str(chosen.data)])
    print(f"fit: {time.process_time() - started:.1f} CPU-s\n")
    made = {row[0] for row in con.execute("SELECT cdm_table FROM omopsql.cdm_tables('m')").fetchall()}
    print("| table | records | CPU-s | million records a CPU-s |")
    print("|---|---|---|---|")
    every, spent = 0, 0.0
    with tempfile.TemporaryDirectory() as place:
        for name in EVENTS:
            if name in made:
                _written(con, name, 100, place)  # compiles
                records, seconds = _written(con, name, chosen.persons, place)
                every, spent = every + records, spent + seconds
                print(f"| {name} | {records:,} | {seconds:.2f} | {records / seconds / 1e6:.2f} |", flush=True)
    print(f"| all | {every:,} | {spent:.2f} | {every / spent / 1e6:.2f} |")
    print(f"\nlargest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def _written(con: duckdb.DuckDBPyConnection, name: str, persons: int, place: str) -> tuple[int, float]:
    """Write a table; return its records and the CPU seconds of the process."""
    path = Path(place) / "table.parquet"
    started = time.process_time()
    query = f"FROM omopsql.cdm_sample('m', {literal(name)}, persons := {persons}, seed := 42)"
    con.execute(f"COPY ({query}) TO {literal(str(path))}")
    return pq.read_metadata(path).num_rows, time.process_time() - started


if __name__ == "__main__":
    main()
