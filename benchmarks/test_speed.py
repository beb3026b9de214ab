"""Speed as ratios within one run: kernels against DuckDB's own functions, Parquet output against a plain COPY.

    pytest benchmarks --benchmark-columns=median,ops

Each test adds its ratio of CPU seconds to ``extra_info``; nothing here fails because a machine is slow.
"""

import time
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

import omopsql

from .mixed import mixed_table

ROWS = 4_000_000


def cpu_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Least CPU seconds of the process over a few runs."""
    found = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    connection = omopsql.connect()
    connection.execute("SET threads = 1")
    connection.execute(
        f"CREATE TABLE numbers AS SELECT omopsql.philox_uniform(1, i, 0) AS p, omopsql.philox_normal(1, i, 1) AS z "
        f"FROM range({ROWS}) AS r (i)"
    )
    path = tmp_path_factory.mktemp("mixed") / "mixed.parquet"
    pq.write_table(mixed_table(1_000_000), path)
    connection.execute(f"CREATE VIEW mixed AS FROM '{path}'")
    connection.execute("CREATE TABLE model AS FROM omopsql.copula_fit('mixed')")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("call", "peer"),
    [
        ("omopsql.norm_cdf(z)", "sqrt(p)"),
        ("omopsql.norm_cdf(z)", "ln(p)"),
        ("omopsql.norm_ppf(p)", "sqrt(p)"),
        ("omopsql.norm_ppf(p)", "ln(p)"),
        ("omopsql.norm_pdf(z)", "exp(z)"),
    ],
)
def test_scalar_functions(benchmark, con, call, peer):
    def run(expression: str) -> None:
        con.execute(f"SELECT sum({expression}) FROM numbers").fetchall()

    nothing = cpu_seconds(lambda: run("p"))
    benchmark.pedantic(run, args=(call,), rounds=5, warmup_rounds=1)
    ratio = (cpu_seconds(lambda: run(call)) - nothing) / (cpu_seconds(lambda: run(peer)) - nothing)
    benchmark.extra_info["cpu_ratio"] = round(ratio, 2)


def test_fit_of_a_million_rows(benchmark, con):
    def run() -> None:
        con.execute("FROM omopsql.copula_fit('mixed')").fetchall()

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["cpu_seconds"] = round(cpu_seconds(run, 3), 2)


def test_sample_of_a_million_rows(benchmark, con):
    columns = [row[0] for row in con.execute("SELECT column_name FROM (DESCRIBE mixed)").fetchall()]
    every = ", ".join(f"count({name})" for name in columns)

    def run() -> None:
        con.execute(f"SELECT {every} FROM omopsql.copula_sample('model', 1000000, seed := 1)").fetchall()

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["cells_per_cpu_second"] = round(20e6 / cpu_seconds(run, 3))


def test_parquet_against_a_plain_copy(benchmark, con, tmp_path):
    con.execute("CREATE OR REPLACE TABLE made AS FROM omopsql.copula_sample('model', 1000000, seed := 1)")

    def run() -> None:
        con.execute(f"COPY (FROM omopsql.copula_sample('model', 1000000, seed := 1)) TO '{tmp_path}/a.parquet'")

    def plain() -> None:
        con.execute(f"COPY made TO '{tmp_path}/b.parquet'")

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["share_of_copy_speed"] = round(cpu_seconds(plain, 3) / cpu_seconds(run, 3), 2)
