"""The table of the README: quality on real and mixed tables, and speed against SDV, all in one run.

    python -m benchmarks.table --data FOLDER --peers /path/to/sdv/bin/python

``--data`` holds ``sdnist_ma2018.csv`` and ``wdbc.csv``; without it those lines are left out, without ``--peers`` SDV's.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import omopsql

from . import metrics
from .mixed import mixed_table

SEEDS = (1, 2, 3)


def main() -> None:
    """Print the table as Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path)
    options.add_argument("--peers", type=Path)
    chosen = options.parse_args()
    con = omopsql.connect()
    con.execute("SET threads = 1")
    con.execute("SET enable_progress_bar = false")
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, DuckDB {duckdb.__version__}\n")
    print("| | measured |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for line in chain(_real_lines(con, chosen.data), _mixed_lines(con, Path(folder), chosen.peers)):
            print(line, flush=True)


def _line(what: str, told: str) -> str:
    return f"| {what} | {told} |"


def _sampled(con: duckdb.DuckDBPyConnection, rows: int, seed: int) -> pa.Table:
    return con.sql(f"FROM omopsql.copula_sample('m', {rows}, seed := {seed})").to_arrow_table()


def _real_lines(con: duckdb.DuckDBPyConnection, data: Path | None) -> Iterator[str]:
    if data is None:
        return
    sdnist, wdbc = (con.sql(f"FROM '{data / name}'").to_arrow_table() for name in ("sdnist_ma2018.csv", "wdbc.csv"))
    picked = np.random.default_rng(1).integers(0, sdnist.num_rows, sdnist.num_rows)
    ceiling = metrics.k_marginal(sdnist, sdnist.take(pa.array(picked)))
    for method in ("independent", "copula", "tree", "auto"):
        for name, table in (("sdnist_ma2018", sdnist), ("wdbc", wdbc)):
            con.execute(
                f"CREATE OR REPLACE TABLE m AS FROM omopsql.copula_fit('{data / name}.csv', method := '{method}')"
            )
            samples = [_sampled(con, table.num_rows, seed) for seed in SEEDS]
            told = f"{np.mean([metrics.c2st(table, s) for s in samples]):.3f}"
            yield _line(f"{name}, {method}: C2ST AUROC", told)
            if name == "sdnist_ma2018":
                share = np.mean([metrics.k_marginal(table, s) for s in samples]) / ceiling
                yield _line(f"{name}, {method}: k-marginal as a share of a bootstrap's", f"{share:.3f}")
            copies = sum(metrics.copied(table, s) for s in samples)
            yield _line(f"{name}, {method}: rows copied of {len(SEEDS) * table.num_rows}", f"{copies}")


def _mixed_lines(con: duckdb.DuckDBPyConnection, folder: Path, peers: Path | None) -> Iterator[str]:
    small, large = folder / "mixed_100k.parquet", folder / "mixed_1m.parquet"
    pq.write_table(mixed_table(100_000), small)
    pq.write_table(mixed_table(1_000_000), large)
    real = pq.read_table(small)
    con.execute(f"CREATE OR REPLACE TABLE m AS FROM omopsql.copula_fit('{small}')")
    yield _line("mixed 100,000 x 20: shapes / pairs / Cramér's V / η", _quality(real, _sampled(con, 100_000, 1)))
    own = json.loads(_own_process(large))
    yield _line("mixed 1,000,000 x 20, fit: CPU seconds, GB", f"{own['fit']:.2f}, {own['memory']:.2f}")
    yield _line("the same, 1,000,000 rows sampled: CPU seconds", f"{own['sample']:.2f}")
    yield _line("the same, to Parquet: share of the speed of COPY", f"{own['copy']:.2f}")
    if peers is not None:
        script = Path(__file__).with_name("sdv_peer.py")
        for source, rows in ((small, 100_000), (large, 1_000_000)):
            target = folder / "sdv.parquet"
            ran = subprocess.run(
                [peers, script, source, str(rows), target], capture_output=True, text=True, check=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            told = json.loads(ran.stdout.splitlines()[-1])
            if source == small:
                yield _line("SDV GaussianCopula, the same four", _quality(real, pq.read_table(target)))
        yield _line("SDV, fit of 1,000,000: CPU seconds, GB", f"{told['fit']:.0f}, {told['memory']:.2f}")
        yield _line("SDV, 1,000,000 rows sampled: CPU seconds", f"{told['sample']:.1f}")
        yield _line(
            "times faster: fit, sample", f"{told['fit'] / own['fit']:.0f}, {told['sample'] / own['sample']:.0f}"
        )


def _quality(real: pa.Table, synthetic: pa.Table) -> str:
    shapes, pairs = metrics.shapes_and_pairs(real, synthetic)
    v, eta = (
        float(np.mean(np.abs(a - b)))
        for a, b in zip(metrics.nominal_associations(real), metrics.nominal_associations(synthetic), strict=True)
    )
    return f"{shapes:.3f} / {pairs:.3f} / {v:.3f} / {eta:.3f}"


def _own_process(source: Path) -> str:
    """Measure in a process of its own, so that its memory is its own."""
    code = f"from benchmarks.table import measure; measure({str(source)!r})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def measure(source: str) -> None:
    """Print CPU seconds and memory of fitting and sampling as JSON. Compilation is left out: kernels are cached."""
    con = omopsql.connect()
    con.execute("SET threads = 1")
    con.execute("SET enable_progress_bar = false")
    con.execute(f"CREATE TABLE part AS FROM '{source}' LIMIT 2000")
    con.execute("CREATE TABLE small AS FROM omopsql.copula_fit('part')")
    con.execute("FROM omopsql.copula_sample('small', 10)").fetchall()
    columns = [row[0] for row in con.execute("SELECT column_name FROM (DESCRIBE part)").fetchall()]
    fit = _cpu(lambda: con.execute(f"CREATE TABLE m AS FROM omopsql.copula_fit('{source}')"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sample = "omopsql.copula_sample('m', 1000000, seed := 1)"
    every = ", ".join(f"count({name})" for name in columns)
    drawn = _cpu(lambda: con.execute(f"SELECT {every} FROM {sample}").fetchall())
    con.execute(f"CREATE TABLE made AS FROM {sample}")
    with tempfile.TemporaryDirectory() as folder:
        plain = min(_cpu(lambda: con.execute(f"COPY made TO '{folder}/a.parquet'")) for _ in range(3))
        own = min(_cpu(lambda: con.execute(f"COPY (FROM {sample}) TO '{folder}/b.parquet'")) for _ in range(3))
    print(json.dumps({"fit": fit, "memory": memory, "sample": drawn, "copy": plain / own}))


def _cpu(work) -> float:  # type: ignore[no-untyped-def]
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
