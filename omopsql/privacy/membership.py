"""Membership inference: can an attacker tell from the synthetic data who was in the real data?

Each attack scores persons: real ones, who were in it, and holdout ones, who were not. AUROC tells how well the score
ranks the former before the latter; 0.5 is chance. A few copies hardly move it, so the top of the ranking is told, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles
from omopsql.udfs.neighbours import nearest

from .nearness import Points
from .rates import ahead
from .shadows import Shadows, surprise

METRICS = {"membership_tpr": 0.01, "membership_tpr_rare": 0.001}  # each with its false positive rate
ATTACKS = ("distance", "density", "shadow models")
FEWEST = 20  # persons of a side, or an attack tells nothing

_NEIGHBOURS = 5  # of the reference: how dense the population is there
_LEAST = 1e-9  # distance, in standard deviations


@dataclass(frozen=True)
class Scores:
    """What an attack makes of members (n) and of others (m): the higher, the more like a member."""

    members: Doubles
    others: Doubles
    told: str = ""


def membership(points: Points, shadows: Callable[[], Shadows], seed: int) -> Iterator[Metric]:
    """Attack by nearest distance, by density ratio and by shadow models."""
    if points.holdout is None:
        reason = "needs a holdout: real persons whom the generator never saw"
    elif min(len(points.real), len(points.holdout), len(points.synthetic)) < FEWEST:
        reason = f"an attack needs {FEWEST} persons on each side to tell anything"
    else:
        reason = ""
    for attack in ATTACKS:
        if reason:
            yield from _not_computed(attack, reason)
            continue
        yield from judged(attack, _scores(attack, points, shadows, seed))


def _scores(attack: str, points: Points, shadows: Callable[[], Shadows], seed: int) -> Scores:
    if attack == "distance":
        return by_distance(points)
    return by_density(points, seed) if attack == "density" else by_shadows(shadows())


def by_distance(points: Points) -> Scores:
    """Score a person by how near the nearest synthetic person is."""
    assert points.holdout is not None
    members, others = (-nearest(side, points.synthetic, 1, False)[0].ravel() for side in (points.real, points.holdout))
    return Scores(members, others, points.told)


def by_density(points: Points, seed: int) -> Scores:
    """Score a person by how much denser the synthetic data are there than the population.

    The population is a half of the holdout, by which the other half and one half of the real persons are scored; then
    the halves change places. Densities are those of nearest neighbours: of one synthetic person, and of five of the
    reference. Source: B. van Breugel et al., Membership inference attacks against synthetic data through overfitting
    detection (DOMIAS), AISTATS 2023, with nearest neighbours as the estimator.
    """
    assert points.holdout is not None
    random = np.random.Generator(np.random.Philox(seed))
    in_first = [random.permutation(len(side)) % 2 == 0 for side in (points.real, points.holdout)]
    scores = [np.zeros(len(side)) for side in (points.real, points.holdout)]
    for half in (True, False):
        reference = points.holdout[in_first[1] != half]
        for side, place in ((points.real, 0), (points.holdout, 1)):
            targets = in_first[place] == half
            scores[place][targets] = _denser(side[targets], points.synthetic, reference)
    return Scores(scores[0], scores[1], points.told)


def _denser(targets: Doubles, synthetic: Doubles, reference: Doubles) -> Doubles:
    k = min(_NEIGHBOURS, len(reference))
    to_reference = nearest(targets, reference, k, False)[0][:, -1]
    to_synthetic = nearest(targets, synthetic, 1, False)[0][:, -1]
    ratio: Doubles = np.log(to_reference + _LEAST) - np.log(to_synthetic + _LEAST)
    return ratio


def by_shadows(shadows: Shadows) -> Scores:
    """Score a person by how much nearer the synthetic data come to him than models do that never saw him.

    Models of omopsql are fitted on random halves of all targets, real and holdout. For each person the logarithms of
    the distances to the data of those models that did not see him have a mean and a spread; the score is how many
    spreads nearer the judged data are. Source: N. Carlini et al., Membership inference attacks from first principles,
    IEEE S&P 2022 (the offline attack).
    """
    scores = surprise(shadows.of_synthetic, shadows.distances, shadows.has_seen)
    told = f"; {len(shadows.distances)} models; {_own_power(shadows)}"
    return Scores(scores[: shadows.members], scores[shadows.members :], told)


def _own_power(shadows: Shadows) -> str:
    """How well the attack tells whom each shadow model saw, judged by the others."""
    found = []
    for place, distances in enumerate(shadows.distances):
        rest = np.arange(len(shadows.distances)) != place
        scores = surprise(distances, shadows.distances[rest], shadows.has_seen[rest])
        seen = shadows.has_seen[place]
        found.append(_auroc(Scores(scores[seen], scores[~seen]))[0])
    return f"against these models themselves its AUROC is {np.mean(found):.3f}"


def judged(attack: str, scores: Scores) -> Iterator[Metric]:
    """Tell an attack's AUROC with DeLong's interval, and its true positive rates where false ones are few.

    A rate's reference is what chance gives, and its interval leaves to chance what ``ahead`` says.
    """
    n, m = len(scores.members), len(scores.others)
    auroc, error = _auroc(scores)
    low, high = max(auroc - 1.96 * error, 0.0), min(auroc + 1.96 * error, 1.0)
    note = f"{n:,} persons and {m:,} of the holdout were attacked{scores.told}"
    yield Metric("membership_auroc", auroc, low, high, 0.5, subject=attack, n=min(n, m), note=note)
    ordered = np.sort(scores.others)[::-1]
    for metric, rate in METRICS.items():
        allowed = int(rate * m)
        first = int((scores.members > ordered[allowed]).sum())
        found, by_chance = ahead(first, n, m, allowed)
        note = f"{first:,} of {n:,} persons score above all but {allowed:,} of {m:,} of the holdout"
        yield Metric(metric, found.value, found.low, found.high, by_chance, subject=attack, n=min(n, m), note=note)


def _auroc(scores: Scores) -> tuple[float, float]:
    """The area under the curve, and its standard error.

    Source: E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837, computed from ranks.
    """
    n, m = len(scores.members), len(scores.others)
    above = _share_below(scores.members, scores.others)
    below = 1.0 - _share_below(scores.others, scores.members)
    variance = above.var(ddof=1) / n + below.var(ddof=1) / m
    return float(above.mean()), float(np.sqrt(variance))


def _share_below(scores: Doubles, among: Doubles) -> Doubles:
    """For each score: the share of others that are lower, ties half."""
    ordered = np.sort(among)
    below, up_to = (np.searchsorted(ordered, scores, side) for side in ("left", "right"))
    share: Doubles = (below + up_to) / (2 * len(among))
    return share


def _not_computed(attack: str, reason: str) -> Iterator[Metric]:
    for metric in ("membership_auroc", *METRICS):
        yield Metric(metric, None, subject=attack, note=reason)
