"""Events: concepts, their company and order, how often and when, and what analyses of them find.

Each measure compares synthetic persons with a half of the real ones. They are judged on the half that was not fitted;
the score on the fitted half, and that of the fitted half itself in the place of synthetic persons, stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from . import privacy_metrics
from .distances import ONE_THREAD, Score, auroc, c2st, ks, log_r_squared, mean, r_squared
from .event_features import lag_features, person_features
from .event_pairs import same_day, transitions
from .histories import WHITE, Histories, Items

YEAR = 365.25
CONDITION, DRUG = 1, 2  # tables, as Items numbers them
NSAIDS, GI_BLEED = (1118084, 1124300), 192671  # celecoxib, diclofenac; gastrointestinal hemorrhage
_AGES = (45, 55, 65, 75)  # of the bands, by observed length
_LANDMARK = 40 * YEAR  # days of life


@ONE_THREAD
def judge(
    train: Histories | Mapping[str, np.ndarray],
    holdout: Histories | Mapping[str, np.ndarray],
    synthetic: Histories | Mapping[str, np.ndarray],
    items: Items | None = None,
    seed: int = 0,
    classify: bool = True,
) -> dict[str, Score]:
    """Judge synthetic persons. Returns every measure by its name.

    Histories are given as such or as mappings of their arrays. Without ``items`` the measures that need to know
    concepts are left out; without ``classify`` the slow ones, that train classifiers.
    """
    halves = train, holdout, synthetic
    train, holdout, synthetic = (Histories.of(persons) for persons in halves)
    width = len(items.concept) if items else 1 + max(int(h.item.max(initial=0)) for h in (train, holdout, synthetic))
    known = {id(half): Observed(half, width) for half in (train, holdout, synthetic)}
    fitted, judged, made = (known[id(half)] for half in (train, holdout, synthetic))
    value, on_fitted, own = (
        compared(reference, candidate, seed, classify)
        for reference, candidate in ((judged, made), (fitted, made), (judged, fitted))
    )
    scores = {name: Score(value[name], on_fitted[name], own[name]) for name in value}
    scores |= exclusive(fitted, judged, made)
    if classify and items:
        scores |= landmark(fitted, judged, made, items) | bleeding(fitted, judged, made, items)
    if classify:
        near = privacy_metrics.nearness(fitted.logs, judged.logs, made.logs)
        scores |= {name: Score(value, own=own) for name, (value, own) in near.items()}
    return scores


class Observed:
    """Histories with what several measures ask of them, computed once."""

    def __init__(self, histories: Histories, items: int) -> None:
        self.histories, self.items, self.persons = histories, items, histories.persons
        self.counts = histories.counts(items)
        self.ever = self.counts > 0
        self.prevalence = self.ever.mean(axis=0)
        self.logs = np.log1p(self.counts).astype(np.float32)
        self.first_days = histories.first_days(items)
        self.band = np.digitize(histories.len / YEAR, _AGES)
        ordered = histories.offsets, histories.item, histories.t
        self.same_day = same_day(*ordered, items)
        self.followed, self.followed_persons = transitions(*ordered, items, 365)

    def taken(self, persons: int, seed: int) -> Observed:
        """So many of the persons, drawn at random; all when there are no more."""
        if persons >= self.persons:
            return self
        chosen = np.random.default_rng(seed).choice(self.persons, persons, replace=False)
        return Observed(self.histories.taken(np.sort(chosen)), self.items)


def compared(real: Observed, synthetic: Observed, seed: int, classify: bool) -> dict[str, float]:
    """Every measure that needs one real half only."""
    scores = prevalence(real, synthetic) | pairs(real, synthetic) | company_and_order(real, synthetic)
    scores |= amounts(real, synthetic) | times(real, synthetic)
    return scores | told_apart(real, synthetic, seed) if classify else scores


def prevalence(real: Observed, synthetic: Observed) -> dict[str, float]:
    """R² of the shares of persons who ever have a concept: all, on a log scale, and by sex and age band."""
    p, q = real.prevalence, synthetic.prevalence
    seen = p * real.persons >= 5
    logs = [np.log(share[seen] + 0.5 / of.persons) for share, of in ((p, real), (q, synthetic))]
    in_strata = [
        (real.ever[a].mean(axis=0), synthetic.ever[b].mean(axis=0))
        for a, b in zip(_strata(real), _strata(synthetic), strict=True)
        if a.sum() >= 20 and b.sum() >= 5
    ]
    return {
        "prevalence_r2": r_squared(p, q),
        "prevalence_log_r2": r_squared(*logs),
        "prevalence_sex_age_r2": r_squared(*np.hstack(in_strata)) if in_strata else np.nan,
    }


def _strata(of: Observed) -> list[np.ndarray]:
    return [(of.histories.sex == sex) & (of.band == band) for sex in (0, 1) for band in range(len(_AGES) + 1)]


def pairs(real: Observed, synthetic: Observed) -> dict[str, float]:
    """R² of the shares of persons who have both of two concepts, and of their log-lift, where 20 have or should."""
    joint, lift = _joint_and_lift(real)
    joint_made, lift_made = _joint_and_lift(synthetic)
    expected = np.outer(real.prevalence, real.prevalence)
    frequent = np.triu((joint * real.persons >= 20) | (expected * real.persons >= 20), 1)
    return {
        "pair_joint_r2": r_squared(joint[frequent], joint_made[frequent]),
        "pair_log_lift_r2": r_squared(lift[frequent], lift_made[frequent]),
    }


def _joint_and_lift(of: Observed) -> tuple[np.ndarray, np.ndarray]:
    ever, half_a_person = of.ever.astype(np.float32), 0.5 / of.persons
    joint = (ever.T @ ever).astype(float) / of.persons
    return joint, np.log((joint + half_a_person) / (np.outer(of.prevalence, of.prevalence) + half_a_person))


def company_and_order(real: Observed, synthetic: Observed) -> dict[str, float]:
    """R² of pair counts of 20 and more in either: on one day; one after the other in a year, by records and persons."""
    counted = {
        "same_day": [np.triu(of.same_day, 1) for of in (real, synthetic)],
        "transition_records": [real.followed, synthetic.followed],
        "transition_persons": [real.followed_persons, synthetic.followed_persons],
    }
    scores = {}
    for name, (count, made) in counted.items():
        scaled = made * (real.persons / synthetic.persons)
        frequent = (count >= 20) | (scaled >= 20)
        scores[f"{name}_r2"] = r_squared(count[frequent].astype(float), scaled[frequent])
        scores[f"{name}_log_r2"] = log_r_squared(count[frequent].astype(float), scaled[frequent])
    return scores


def amounts(real: Observed, synthetic: Observed) -> dict[str, float]:
    """Total variation of records per person, of concepts that 20 persons have, and all records against the real."""
    frequent = np.flatnonzero(real.prevalence * real.persons >= 20)
    distances = [_total_variation(real.counts[:, item], synthetic.counts[:, item]) for item in frequent]
    totals = [of.counts.sum(axis=1) for of in (real, synthetic)]
    return {
        "count_tvd": mean(distances),
        "records_ratio": float(totals[1].mean() / totals[0].mean()),
        "records_sd_ratio": float(totals[1].std() / totals[0].std()),
    }


def _total_variation(real: np.ndarray, synthetic: np.ndarray) -> float:
    shares = [np.bincount(np.minimum(counts, 60), minlength=61) / counts.size for counts in (real, synthetic)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def times(real: Observed, synthetic: Observed) -> dict[str, float]:
    """Mean KS of age at the first event (50 persons) and of gaps between events of a concept (50 gaps)."""
    frequent = np.flatnonzero(real.prevalence * real.persons >= 50)
    ages = [ks(real.first_days[:, item], synthetic.first_days[:, item]) for item in frequent]
    gaps, made = (_gaps_by_item(of) for of in (real, synthetic))
    distances = [ks(gaps[item], made[item]) for item in range(real.items) if gaps[item].size >= 50]
    return {"age_ks": mean(ages), "gap_ks": mean(distances)}


def _gaps_by_item(of: Observed) -> list[np.ndarray]:
    item, gap = of.histories.gaps()
    order = np.argsort(item, kind="stable")
    return np.split(gap[order], np.searchsorted(item[order], np.arange(1, of.items)))


def told_apart(real: Observed, synthetic: Observed, seed: int) -> dict[str, float]:
    """C2ST on as many synthetic as real persons: by person features, and by lags and times as well."""
    drawn = synthetic.taken(real.persons, seed)
    real = real.taken(drawn.persons, seed)
    top = np.argsort(-real.prevalence, kind="stable")[:100]
    plain = [person_features(of, top) for of in (real, drawn)]
    together = _spaced(np.triu(real.same_day, 1), 300, 6)
    ordered = _spaced(real.followed_persons, 200, 4)
    rich = [np.column_stack([features, lag_features(of, top[:50], together, ordered)])
            for features, of in zip(plain, (real, drawn), strict=True)]  # fmt: skip
    return {"c2st": c2st(*plain, seed), "c2st_rich": c2st(*rich, seed)}


def _spaced(counts: np.ndarray, most: int, step: int) -> list[tuple[int, int]]:
    """Every so manieth of the most frequent pairs."""
    order = np.argsort(-counts.ravel(), kind="stable")[:most:step]
    order = order[counts.ravel()[order] > 0]
    return [(int(cell) // len(counts), int(cell) % len(counts)) for cell in order]


def exclusive(train: Observed, holdout: Observed, synthetic: Observed) -> dict[str, Score]:
    """Pairs of concepts that nobody of the fitted half has both of, though 30 would by chance: how many are violated.

    ``own`` is the number that the other real half violates. ``exclusive_persons``: the share of persons with any.
    """
    ever = train.ever.astype(np.float32)
    expected = np.outer(train.prevalence, train.prevalence) * train.persons
    never = np.triu((expected >= 30) & (ever.T @ ever == 0), 1)
    violations = []
    for of in (synthetic, holdout):
        rows = of.ever.astype(np.float32)
        both = (rows.T @ rows)[never]
        persons = ((rows @ never.astype(np.float32)) * rows).sum(axis=1) > 0
        violations.append((float((both > 0).sum()), float(persons.mean())))
    (pairs_made, share_made), (pairs_own, share_own) = violations
    return {
        "exclusive_pairs": Score(float(never.sum())),
        "exclusive_violated": Score(pairs_made, own=pairs_own),
        "exclusive_persons": Score(share_made, own=share_own),
    }


def landmark(train: Observed, holdout: Observed, synthetic: Observed, items: Items) -> dict[str, Score]:
    """Predict new conditions and drugs after the age of 40: what training on synthetic persons loses, AUROC on real.

    Up to 14 outcomes that 6 to 50 % of the fitted half have. ``landmark_auroc``: what is reached, and after training on
    the fitted half.
    """
    clinical = np.isin(items.table, (CONDITION, DRUG))
    outcomes = np.flatnonzero((train.prevalence > 0.06) & (train.prevalence < 0.5) & clinical)[:14]
    halves = train, synthetic, holdout
    views = [_before_landmark(of) for of in halves]
    on_real, on_synthetic = [], []
    for outcome in outcomes:
        (x, y), (x_made, y_made), (x_test, y_test) = (
            _at_risk(of, view, outcome) for of, view in zip(halves, views, strict=True)
        )
        if y.sum() < 60 or y_test.sum() < 40 or y.mean() > 0.9 or not 5 <= y_made.sum() < y_made.size:
            continue
        on_real.append(auroc(y_test, _trees().fit(x, y).predict_proba(x_test)[:, 1]))
        on_synthetic.append(auroc(y_test, _trees().fit(x_made, y_made).predict_proba(x_test)[:, 1]))
    return {
        "landmark_loss": Score(mean(on_real) - mean(on_synthetic)),
        "landmark_auroc": Score(mean(on_synthetic), own=mean(on_real)),
        "landmark_outcomes": Score(float(len(on_real))),
    }


def _before_landmark(of: Observed) -> tuple[np.ndarray, np.ndarray]:
    """Features at the landmark, whose first columns are counts of items, and who is observed for a year after it."""
    h = of.histories
    before = h.counts(of.items, h.t < _LANDMARK)
    return np.column_stack([before, h.sex, h.by, h.race == WHITE]), h.len > _LANDMARK + 365


def _at_risk(of: Observed, view: tuple[np.ndarray, np.ndarray], outcome: int) -> tuple[np.ndarray, np.ndarray]:
    features, observed = view
    free = observed & (features[:, outcome] == 0)
    return features[free], (of.counts[free, outcome] > 0).astype(int)


def bleeding(train: Observed, holdout: Observed, synthetic: Observed, items: Items) -> dict[str, Score]:
    """Gastrointestinal bleeding within 90 days of the first NSAID: rate against the real one, and its prediction.

    ``bleed_auroc``: what a prediction reaches after training on synthetic persons, and on the fitted half.
    """
    place = {int(concept): i for i, concept in enumerate(items.concept)}
    drugs = [place[concept] for concept in NSAIDS if concept in place]
    if not drugs or GI_BLEED not in place:
        return {}
    (x, y), (x_test, y_test), (x_made, y_made) = (
        _after_nsaid(of, drugs, place[GI_BLEED]) for of in (train, holdout, synthetic)
    )
    rates = [float(bled.mean()) if bled.size else np.nan for bled in (y_made, y_test, y)]
    if not (rates[1] and rates[2]):
        return {}
    scores = {"bleed_rate_ratio": Score(rates[0] / rates[1], rates[0] / rates[2], rates[2] / rates[1])}
    if y_made.sum() > 5:
        real = auroc(y_test, _trees().fit(x, y).predict_proba(x_test)[:, 1])
        made = auroc(y_test, _trees().fit(x_made, y_made).predict_proba(x_test)[:, 1])
        scores["bleed_auroc"] = Score(made, own=real)
    return scores


def _after_nsaid(of: Observed, drugs: list[int], bleed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features up to the first NSAID of those who have one, and who bled within 90 days."""
    h = of.histories
    started = np.fmin.reduce(of.first_days[:, drugs], axis=1)
    treated = ~np.isnan(started)
    before = h.counts(of.items, (h.t <= started[h.person]) & (h.item != bleed))
    features = np.column_stack([before, h.sex, started / YEAR, h.by])
    days = of.first_days[:, bleed] - started
    return features[treated], ((days >= 0) & (days <= 90))[treated].astype(int)


def _trees() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        early_stopping=False, max_bins=32, max_iter=40, learning_rate=0.07, max_leaf_nodes=8, min_samples_leaf=30,
        random_state=0,
    )  # fmt: skip
