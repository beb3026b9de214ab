"""CPU seconds of the fidelity metrics, beside SDMetrics and pyMDMA where this Python has them.

    python -m benchmarks.evaluate
    python -m venv peers && peers/bin/pip install '.[test]' sdmetrics pymdma && peers/bin/python -m benchmarks.evaluate

Compiled kernels and imports are not counted; every figure is the least of three runs.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pyarrow as pa

import omopsql
from omopsql.evaluate.flat.coded import coded
from omopsql.evaluate.flat.margins import numbers_apart
from omopsql.evaluate.flat.neighbourhood import neighbourhood
from omopsql.evaluate.flat.pairs import pair_distances
from omopsql.evaluate.sides import open_sides
from omopsql.privacy.records import numbered, rows
from omopsql.udfs.neighbours import nearest

ROWS, NUMBERS, LABELS = 100_000, 10, 10
POINTS, COORDINATES = 10_000, 20


def table(count: int, seed: int) -> pa.Table:
    """Ten numbers and ten labels of 2 to 11 values, all about one latent number."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=count)
    columns = {f"number_{i}": latent * i / NUMBERS + random.normal(size=count) for i in range(NUMBERS)}
    for i in range(LABELS):
        value = np.digitize(latent + random.normal(size=count), np.linspace(-2, 2, i + 1))
        columns[f"label_{i}"] = np.array([f"value {j}" for j in range(LABELS + 2)])[value]
    return pa.table(columns)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Least CPU seconds of the process over three runs, after one that compiles."""
    work()
    found = []
    for _ in range(3):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def own_table(real: pa.Table, synthetic: pa.Table) -> float:
    """Read two tables; compare 10 numbers and 190 pairs of columns, and look for equal rows."""
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("SET threads = 1; SET enable_progress_bar = false")
        con.execute("CREATE TABLE real AS FROM real; CREATE TABLE synthetic AS FROM synthetic")

        def compare() -> None:
            sides = open_sides(con, "real", "synthetic")
            assert len(list(numbers_apart(sides))) == NUMBERS
            assert len(list(pair_distances(coded(sides, 20)))) == 190
            numbered("rows", rows(sides, sides.columns)).shared(1, [0])

        return cpu_seconds(compare)


def sdmetrics_report(real: pa.Table, synthetic: pa.Table) -> float:
    """SDMetrics' QualityReport of the same tables."""
    from sdmetrics.reports.single_table import QualityReport

    frames = real.to_pandas(), synthetic.to_pandas()
    kinds = {name: "numerical" if name.startswith("number") else "categorical" for name in real.column_names}
    metadata = {"columns": {name: {"sdtype": kind} for name, kind in kinds.items()}}
    return cpu_seconds(lambda: QualityReport().generate(*frames, metadata, verbose=False))


def pymdma_neighbours(real: np.ndarray, synthetic: np.ndarray) -> float:
    """pyMDMA's density, coverage, authenticity, DCR and NNDR; the first three share what they can share."""
    from pymdma.general.measures.prdc import Authenticity, Coverage, Density
    from pymdma.tabular.measures.synthesis_val.feature.privacy import DCRPrivacy, NNDRPrivacy

    def compute() -> None:
        context: dict[str, np.ndarray] = {}
        for metric in (Density(), Coverage(), Authenticity(), DCRPrivacy(), NNDRPrivacy()):
            metric.compute(real, synthetic, context=context)

    return cpu_seconds(compute)


def main() -> None:
    warnings.filterwarnings("ignore")
    tables = table(ROWS, 0), table(ROWS, 1)
    own = own_table(*tables)
    print(f"{ROWS:,} x {NUMBERS + LABELS}: 10 KS, 190 pairs, equal rows: {own:.2f} CPU-s")
    if find_spec("sdmetrics"):
        peer = sdmetrics_report(*tables)
        print(f"  SDMetrics QualityReport: {peer:.2f} CPU-s, {peer / own:.1f} times as long")
    random = np.random.default_rng(0)
    points = random.normal(size=(POINTS, COORDINATES)), random.normal(size=(POINTS, COORDINATES))
    own = cpu_seconds(lambda: (neighbourhood(*points), nearest(points[1], points[0], 2, False)))
    print(f"{POINTS:,} x {COORDINATES}: metrics of nearest neighbours: {own:.2f} CPU-s")
    if find_spec("pymdma"):
        peer = pymdma_neighbours(*points)
        print(f"  pyMDMA, the same ones: {peer:.2f} CPU-s, {peer / own:.1f} times as long")


if __name__ == "__main__":
    main()
