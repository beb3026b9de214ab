"""From rows of numbers to a statistic: one row stands for each person and key."""

from __future__ import annotations

import numpy as np
import pytest

from omopsql.synth.hospital.counting import representing


@pytest.mark.parametrize("keys", [0, 1, 2])
@pytest.mark.parametrize("rows", [0, 1, 2000])
def test_the_smallest_hash_of_a_person_and_key_stands_for_them_of_equal_ones_the_first(rows: int, keys: int) -> None:
    """Persons stand in any order here, keys may be below 0, and many hashes are equal."""
    rng = np.random.default_rng(rows + keys)
    person, hashes = rng.integers(0, 90, rows), rng.integers(0, 5, rows).astype(np.uint64) << np.uint64(61)
    key = [rng.integers(-3, 4, rows) for _ in range(keys)]
    best: dict[tuple[int, ...], int] = {}
    for row, group in enumerate(zip(person.tolist(), *(column.tolist() for column in key), strict=True)):
        if group not in best or hashes[row] < hashes[best[group]]:
            best[group] = row
    assert representing(person, hashes, *key).tolist() == sorted(best.values())
