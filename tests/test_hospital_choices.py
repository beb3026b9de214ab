"""What many persons chose is drawn as often, and what few did stays unknown but possible."""

from __future__ import annotations

import numpy as np

from omopsql.synth.hospital.choices import Choices, put_rates, put_shares, rates
from omopsql.synth.hospital.release import DROP, release
from omopsql.synth.hospital.sums import Sums


def test_shares_that_are_left_open_are_drawn_from_the_coarser_cell_without_what_was_told() -> None:
    person = np.arange(1000)
    cell = (person % 2)[:, None]
    outcome = np.where(person % 2 == 0, np.where(person < 900, 1, 2 + person % 7), 1 + person % 3)
    sums, rungs = Sums(), {"s.fine": (0,), "s.coarse": (), "s": ()}
    put_shares(sums, rungs, person, person.astype(np.uint64), cell, outcome)
    held = Choices.shares(release(sums, dict.fromkeys(rungs, DROP), 20), rungs)
    u = np.random.default_rng(1).random((20_000, 3))
    drawn = held.draw(np.zeros((20_000, 1), np.int64), u)
    assert abs((drawn == 1).mean() - 0.9) < 0.01
    assert set(drawn.tolist()) == {1, 2, 3}


def test_a_chance_of_few_persons_is_not_nought() -> None:
    person = np.repeat(np.arange(100), 10)
    outcome = np.ones(1000, np.int64)
    outcome[[5, 17, 33, 999]] = 0
    group = (person >= 50).astype(np.int64)
    outcome[(group == 1) & (np.arange(1000) % 10 == 0)] = 0
    sums, rungs = Sums(), {"r.group": (0,), "r": ()}
    put_rates(sums, rungs, person, group[:, None], outcome)
    rules = rates(*rungs)
    held = Choices.chances(release(sums, rules, 10), rungs, 10)
    u = np.random.default_rng(2).random((50_000, 2))
    drawn = held.draw(np.zeros((50_000, 1), np.int64), u)
    assert abs((drawn == 0).mean() - 4.5 / 501.5) < 0.002
    assert abs((held.draw(np.ones((50_000, 1), np.int64), u) == 0).mean() - 0.1) < 0.01
