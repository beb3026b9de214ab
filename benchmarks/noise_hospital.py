"""A whole CDM under noise: prevalence and company of concepts, of many synthetic persons learned with and without it.

    python -m benchmarks.noise_hospital --data cdm/gibleed_5.3 --persons 100000 --epsilon 3

A CDM of so many persons is made from a model of ``--data``, and taken for real. Pairs of concepts in one person count
with and without; R² is over all of them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import duckdb

import omopsql
from omopsql.evaluate.cdm.concepts import pairs, prevalence
from omopsql.quoting import literal

from .hospital import folders, histories
from .hospital.event_metrics import Persons


def main() -> None:
    """Print the table as Markdown."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="folder of a CDM")
    options.add_argument("--persons", type=int, default=100_000)
    options.add_argument("--epsilon", type=float, default=3.0)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        real = Path(temporary) / "real"
        folders.synthesize(chosen.data, real, chosen.persons, 1)
        print(f"| {chosen.persons:,} persons | prevalence R² | pairs R² | CPU s of the fit |")
        print("|---|---|---|---|")
        for epsilon in (None, chosen.epsilon):
            told = "without noise" if epsilon is None else f"epsilon {epsilon:g}"
            print(f"| {told} | {' | '.join(_scores(real, epsilon, chosen.persons))} |", flush=True)


def _scores(real: Path, epsilon: float | None, persons: int) -> tuple[str, str, str]:
    made, model = real.with_name(f"made_{epsilon}"), real.with_name(f"model_{epsilon}.parquet")
    with omopsql.connect() as con:
        con.execute("SET enable_progress_bar = false")
        spent = _fit(con, real, epsilon, model)
    folders.make(model, made, persons, 2)
    (of_real, of_made), items = histories.read([real, made])
    known, synthetic = (Persons(of, len(items)) for of in (of_real, of_made))
    scores = prevalence(known.had, synthetic.had) | pairs(known.together, synthetic.together)
    return f"{scores['prevalence_r2']:.4f}", f"{scores['pair_joint_r2']:.4f}", f"{spent:.0f}"


def _fit(con: duckdb.DuckDBPyConnection, cdm: Path, epsilon: float | None, model: Path) -> float:
    """Write the model; return the CPU seconds of the process."""
    noise = "" if epsilon is None else f", epsilon := {epsilon}"
    started = time.process_time()
    con.execute(f"COPY (FROM omopsql.cdm_fit({literal(str(cdm))}{noise})) TO {literal(str(model))}")
    return time.process_time() - started


if __name__ == "__main__":
    main()
