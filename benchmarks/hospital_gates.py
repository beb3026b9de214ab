"""Judge a synthetic hospital against its gates: fit one half of a CDM's persons, judge on the other half.

    python -m benchmarks.hospital_gates events --data cdm/gibleed_5.3 --seeds 5 --json events.json

``--data`` is the folder of a CDM. For ``measurements`` and ``genomics`` make it first:

    omopsql harmonize physionet2012 source/physionet2012_set_a --vocabulary VOCABULARY -o physionet_cdm
    omopsql harmonize cbioportal source/breast_msk_2018 --vocabulary VOCABULARY -o msk_cdm

With ``--synthetic FOLDER`` nothing is fitted: FOLDER/1, FOLDER/2 ... hold the synthetic CDM of each seed (``--keep``
writes them so). The exit code is 1 when a gate is missed. ``--page docs/how-near.md`` writes the table into the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from .hospital import event_metrics, folders, histories, measurement_metrics, page, survival_metrics, table
from .hospital.distances import Score

TIMES = 4  # as many synthetic persons as fitted ones
MIN_CELL = 10  # the default of cdm_fit


def _events(train: Path, holdout: Path, synthetic: Path, seed: int) -> dict[str, Score]:
    (a, b, made), items = histories.read([train, holdout, synthetic])
    return event_metrics.judge(a, b, made, items, seed)


def _measurements(train: Path, holdout: Path, synthetic: Path, seed: int) -> dict[str, Score]:
    stays, _ = measurement_metrics.read([train, holdout, synthetic])
    return measurement_metrics.judge(*stays, seed)


def _genomics(train: Path, holdout: Path, synthetic: Path, seed: int) -> dict[str, Score]:
    cohorts, _, _ = survival_metrics.read([train, holdout, synthetic])
    return survival_metrics.judge(*cohorts, seed)


@dataclass(frozen=True)
class Topic:
    """What is judged: the gates, and how a synthetic folder is judged with both real halves."""

    gates: tuple[table.Gate, ...]
    judge: Callable[[Path, Path, Path, int], dict[str, Score]]


TOPICS = {
    "events": Topic(table.EVENTS, _events),
    "measurements": Topic(table.MEASUREMENTS, _measurements),
    "genomics": Topic(table.GENOMICS, _genomics),
}


def main() -> None:
    """Judge, print the table and write the scores."""
    chosen = _options()
    topic, console = TOPICS[chosen.topic], Console(width=None if sys.stdout.isatty() else 160)
    with tempfile.TemporaryDirectory() as temporary:
        workplace = chosen.keep or Path(temporary)
        seeds = []
        for seed in range(1, chosen.seeds + 1):
            started = time.process_time()
            seeds.append(_judged(topic, chosen.data, chosen.synthetic, workplace, seed))
            console.print(f"seed {seed}: {time.process_time() - started:.0f} CPU seconds")
    lines = list(table.lines(topic.gates, seeds))
    console.print(table.rendered(f"{chosen.topic}, {chosen.data.name}, {chosen.seeds} seeds", lines))
    if chosen.page:
        page.put(chosen.page, f"{chosen.topic} of {chosen.data.name}", chosen.seeds, lines)
    if chosen.json:
        chosen.json.write_text(json.dumps(_report(chosen, lines, seeds), indent=1, default=float), encoding="utf-8")
    if any(line.verdict == table.MISSED for line in lines):
        sys.exit(1)


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("topic", choices=list(TOPICS))
    options.add_argument("--data", type=Path, required=True, help="folder of the CDM")
    options.add_argument("--seeds", type=int, default=5, help="how many splits")
    options.add_argument("--synthetic", type=Path, help="folder of synthetic CDMs 1, 2 ... that were made before")
    options.add_argument("--keep", type=Path, help="folder for halves, models and synthetic CDMs")
    options.add_argument("--json", type=Path, help="file for every score")
    options.add_argument("--page", type=Path, help="Markdown page that has a place for the table, to be written anew")
    return options.parse_args()


def _judged(topic: Topic, cdm: Path, made: Path | None, workplace: Path, seed: int) -> dict[str, Score]:
    fit, judged = folders.split(cdm, workplace / f"halves_{seed}", seed)
    if made is not None:
        return topic.judge(fit, judged, made / str(seed), seed)
    synthetic = workplace / str(seed)
    model = folders.synthesize(fit, synthetic, TIMES * folders.persons(fit), seed)
    small = Score(float(folders.small_cells(model, MIN_CELL)))
    return topic.judge(fit, judged, synthetic, seed) | {"small_cells": small}


def _report(chosen: argparse.Namespace, lines: list[table.Line], seeds: list[dict[str, Score]]) -> dict[str, object]:
    verdicts = {line.gate.measure: {"value": line.value, "own": line.own, "verdict": line.verdict} for line in lines}
    scores = [{name: asdict(score) for name, score in of.items()} for of in seeds]
    return {"topic": chosen.topic, "cdm": chosen.data.name, "verdicts": verdicts, "seeds": scores}


if __name__ == "__main__":
    main()
