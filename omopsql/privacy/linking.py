"""Linkability and attribute inference: what the synthetic person nearest to a real one gives away.

Nearness is Gower's distance. Source: M. Giomi et al., PoPETs 2023(2), 312-328 (anonymeter).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from omopsql.evaluate.encode import sample
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles, Int64s, Sides
from omopsql.udfs.gower import nearest_mixed, nearest_without

from .codes import Coded, coded
from .rates import Rate, risk_metric
from .subjects import Subjects

ATTACKS, ATTACKS_ON_WIDE = 2000, 1000
_WIDE = 60  # columns
TOLERANCE = 0.05  # a guessed number may differ by so much of itself
_MOST_SYNTHETIC = 20_000
_NEEDS_HOLDOUT = "needs a holdout: real persons whom the generator never saw"


def linkability(sides: Sides, parts: tuple[tuple[str, ...], tuple[str, ...]], seed: int) -> Metric:
    """Tell how often the nearest synthetic person is the same by two halves of a real person's columns.

    The control attacks holdout persons. By guessing, two synthetic persons are drawn.
    """
    if sides.holdout is None:
        return Metric("linkability_risk", None, note=_NEEDS_HOLDOUT)
    if not all(parts):
        return Metric("linkability_risk", None, note="one column cannot be halved")
    some = _targets(sides, seed)
    halves = [coded(some, part, is_scaled=True) for part in parts]
    attack, control = _linked(halves, 0, seed), _linked(halves, 2, seed)
    guessed = Rate(attack.attacks / len(some.synthetic), attack.attacks)
    subject = " and ".join("(" + ", ".join(part) + ")" for part in parts)
    told = subject if len(subject) < 100 else "halves of all columns"
    return risk_metric("linkability_risk", told, attack, control, guessed)


def halves_of(columns: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every second column, and the others."""
    return columns[::2], columns[1::2]


def inference(subjects: Subjects, seed: int) -> Iterator[Metric]:
    """Tell how often the nearest synthetic person by what is known has the secret value of a real person.

    All other columns are known unless ``known`` names some. A guessed label must be equal; a number, when it has
    many values, right within 5 % of itself. By guessing, any synthetic person's value is taken. The first row is over
    all secrets together; the intervals of the others hold together, too.
    """
    sides = subjects.sides
    if sides.holdout is None:
        yield Metric("inference_risk", None, note=_NEEDS_HOLDOUT)
        return
    some = _targets(sides, seed)
    every = coded(some, some.columns)
    random = np.random.Generator(np.random.Philox(seed))
    found: dict[str, list[Rate]] = {}
    for secret, nearest in _nearest_by_secret(some, subjects):
        is_exact = secret in some.labels or secret in sides.few_valued
        guesses = every.sides[1][:, every.place(secret)]
        truth = [every.sides[side][:, every.place(secret)] for side in (0, 2)]
        at_random = guesses[random.integers(0, len(guesses), len(truth[0]))]
        guessed = [guesses[places] for places in nearest]
        tried = zip((*truth, truth[0]), (*guessed, at_random), strict=True)
        found[secret] = [_right(guess, true, is_exact) for true, guess in tried]
    if not found:
        yield Metric("inference_risk", None, note="no column is left to be known")
        return
    if len(found) > 1:
        yield risk_metric("inference_risk", "", *(_mean(same) for same in zip(*found.values(), strict=True)))
    for secret, rates in found.items():
        yield risk_metric("inference_risk", secret, *rates, together=len(found))


def _nearest_by_secret(sides: Sides, subjects: Subjects) -> Iterator[tuple[str, list[Int64s]]]:
    """For each secret, the nearest synthetic person by what is known: to each real, and to each holdout person."""
    known = coded(sides, subjects.known or sides.columns, is_scaled=True)
    secrets = [name for name in subjects.secrets if known.names != (name,)]
    if not secrets:
        return
    left_out = np.array([known.place(name) for name in secrets], np.int64)
    places = [nearest_without(known.sides[side], known.sides[1], known.numbers, left_out) for side in (0, 2)]
    for column, secret in enumerate(secrets):
        yield secret, [found[:, column] for found in places]


def _linked(halves: list[Coded], side: int, seed: int) -> Rate:
    """How often both halves lead to the same synthetic person; of equally near ones, each half takes any."""
    random = np.random.Generator(np.random.Philox(seed))
    found = []
    for half in halves:
        order = random.permutation(len(half.sides[1]))
        found.append(order[nearest_mixed(half.sides[side], half.sides[1][order], half.numbers)])
    return Rate(int((found[0] == found[1]).sum()), len(found[0]))


def _mean(rates: Iterable[Rate]) -> Rate:
    """The mean rate of attacks on the same persons, who count once: successes with one secret go with another's."""
    every = list(rates)
    return Rate(sum(rate.hits for rate in every) / len(every), every[0].attacks)


def _right(guesses: Doubles, truth: Doubles, is_exact: bool) -> Rate:
    near = guesses == truth if is_exact else np.abs(guesses - truth) <= TOLERANCE * np.abs(guesses)
    right = near | (np.isnan(guesses) & np.isnan(truth))
    return Rate(int(right.sum()), len(right))


def _targets(sides: Sides, seed: int) -> Sides:
    """The persons who are attacked, and the synthetic persons who are searched, in any order."""
    attacks = ATTACKS if len(sides.columns) <= _WIDE else ATTACKS_ON_WIDE
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(sides.synthetic))[:_MOST_SYNTHETIC]
    real, synthetic = sample(sides.real, attacks, seed), sides.synthetic.taken(order)
    holdout = None if sides.holdout is None else sample(sides.holdout, attacks, seed + 2)
    return Sides(real, synthetic, holdout, sides.numeric, sides.labels, ())
