"""Sites of a study as tests make them: exact sums of a few statistics, keys, and files that are carried."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from commands import done

from omopsql.synth.hospital.sums import Header, Sums

SITES = ("east", "north", "south")


def write_sums(
    path: Path, seed: int, *, cells: int = 40, number: int = 1, min_cell: int = 10, private: bool = True
) -> None:
    """Write exact sums of a first round: items, some of which other seeds have too, and a code."""
    random = np.random.default_rng(seed)
    found = Sums()
    concepts = random.choice(np.arange(1000, 1000 + 2 * cells), cells, replace=False)
    found.put("items", np.column_stack([concepts % 3, concepts]), random.integers(0, 50, cells))
    found.put("attributes.code", np.array([[1, 2], [1, 3 + seed]]), [12, 3], pa.array(["J18.9", f"Ä{seed}"]))
    header = Header(100 + seed, "5.3", min_cell, private=private, round=number)
    pq.write_table(Sums.merged([found, header.sums()]).to_table(), path)


def write_study(folder: Path, names: tuple[str, ...] = SITES, study: str = "lungs") -> list[str]:
    """Make the private files and cards of sites, and of an aggregator; return the names of the cards."""
    for name in names:
        done("site", "init", "--name", name, "--study", study, "-o", str(folder / f"{name}.site"))
    centre = ("--name", "centre", "--study", study, "--aggregator", "-o", str(folder / "centre.site"))
    done("site", "init", *centre)
    return [str(folder / f"{name}.card") for name in (*names, "centre")]


def mask(name: str, cards: list[str], *more: str, folder: Path = Path()) -> None:
    """Mask the model of a site."""
    model, own, to = (str(folder / f"{name}.{suffix}") for suffix in ("parquet", "site", "masked"))
    done("site", "mask", model, "--site", own, "--cards", *cards, "-o", to, *more)
