"""To how many rows of a statistic one person adds, at most, and the share of the budget that it gets."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache

from omopsql.sql_files import sql_folder


@dataclass(frozen=True)
class Contribution:
    """A person adds 1 to each of at most ``once + concepts * k + pairs * k (k - 1) / 2`` rows, k being his concepts.

    ``grid`` names the public bins in which the last number of the key is counted ("": as it is), ``weight`` the share
    of the budget, against those of the others. ``part_of`` is the statistic without whose row this one's tells nothing.
    """

    statistic: str
    once: int
    concepts: int
    pairs: int
    grid: str
    weight: float
    part_of: str

    def rows(self, most_concepts: int) -> int:
        """The most rows that one person adds to, when so many of his concepts are counted."""
        return self.once + self.concepts * most_concepts + self.pairs * most_concepts * (most_concepts - 1) // 2


@cache
def contributions() -> dict[str, Contribution]:
    """Return what stands in ``sql/synth/hospital/contributions.csv``. Statistics that it lacks are never released."""
    text = sql_folder("synth").joinpath("hospital", "contributions.csv").read_text(encoding="utf-8")
    return {
        row["statistic"]: Contribution(
            row["statistic"],
            int(row["once"]),
            int(row["concepts"]),
            int(row["pairs"]),
            row["grid"],
            float(row["weight"]),
            row["part_of"],
        )
        for row in csv.DictReader(io.StringIO(text))
    }
