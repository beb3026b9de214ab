"""Events: concepts, their company and order, how often and when, and what analyses of them find.

Each measure compares synthetic persons with a half of the real ones. They are judged on the half that was not fitted;
the score on the fitted half, and that of the fitted half itself in the place of synthetic persons, stand beside it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from omopsql.evaluate.cdm.concepts import Company, Prevalence, amounts, company_and_order, pairs, prevalence
from omopsql.evaluate.cdm.histories import TABLES, YEAR, Histories, Items
from omopsql.evaluate.cdm.observed import Observed
from omopsql.evaluate.cdm.sequences import person_features, sequence_features

from . import privacy_metrics
from .distances import ONE_THREAD, Score, auroc, c2st, ks, mean
from .histories import WHITE

NSAIDS, GI_BLEED = (1118084, 1124300), 192671  # celecoxib, diclofenac; gastrointestinal hemorrhage
_CLINICAL = TABLES.index("condition_occurrence"), TABLES.index("drug_exposure")
_AGES = (45, 55, 65, 75)  # of the bands, by observed length
_LANDMARK = 40 * YEAR  # days of life


@ONE_THREAD
def judge(
    train: Histories,
    holdout: Histories,
    synthetic: Histories,
    items: Items | None = None,
    seed: int = 0,
    classify: bool = True,
) -> dict[str, Score]:
    """Judge synthetic persons. Returns every measure by its name.

    Without ``items`` the measures that need to know concepts are left out; without ``classify`` the slow ones, that
    train classifiers.
    """
    halves = train, holdout, synthetic
    width = len(items) if items else 1 + max(int(h.item.max(initial=0)) for h in halves)
    known = {id(half): Persons(half, width) for half in halves}
    fitted, judged, made = (known[id(half)] for half in halves)
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


class Persons(Observed):
    """Histories with what is counted of them, computed once."""

    @cached_property
    def logs(self) -> np.ndarray:
        """Logarithms of records, each plus one, by person and item."""
        return np.log1p(self.counts).astype(np.float32)

    @cached_property
    def had(self) -> Prevalence:
        """Persons with each item, by sex and age band."""
        return Prevalence.of(self.histories, self.items, _AGES)

    @cached_property
    def together(self) -> Company:
        """Pairs of items, and numbers of records."""
        return Company.of(self)


def compared(real: Persons, synthetic: Persons, seed: int, classify: bool) -> dict[str, float]:
    """Every measure that needs one real half only."""
    scores = prevalence(real.had, synthetic.had)
    for score in (pairs, company_and_order, amounts):
        scores |= score(real.together, synthetic.together)
    scores |= totals(real, synthetic) | times(real, synthetic)
    return scores | told_apart(real, synthetic, seed) if classify else scores


def totals(real: Observed, synthetic: Observed) -> dict[str, float]:
    """Records per person against the real ones: their mean and their standard deviation."""
    records = [of.counts.sum(axis=1) for of in (real, synthetic)]
    return {
        "records_ratio": float(records[1].mean() / records[0].mean()),
        "records_sd_ratio": float(records[1].std() / records[0].std()),
    }


def times(real: Observed, synthetic: Observed) -> dict[str, float]:
    """Mean KS of age at the first event (50 persons) and of gaps between events of a concept (50 gaps)."""
    frequent = np.flatnonzero(real.prevalence * real.persons >= 50)
    ages = [ks(real.first_days[:, item], synthetic.first_days[:, item]) for item in frequent]
    gaps, made = (_gaps_by_item(of) for of in (real, synthetic))
    distances = [ks(gaps[item], made[item]) for item in range(real.items) if gaps[item].size >= 50]
    return {"age_ks": mean(ages), "gap_ks": mean(distances)}


def _gaps_by_item(of: Observed) -> list[np.ndarray]:
    _, item, gap = of.histories.gaps()
    order = np.argsort(item, kind="stable")
    return np.split(gap[order], np.searchsorted(item[order], np.arange(1, of.items)))


def told_apart(real: Observed, synthetic: Observed, seed: int) -> dict[str, float]:
    """C2ST on as many synthetic as real persons: by person features, and by lags and times as well."""
    drawn = synthetic.taken(real.persons, seed)
    real = real.taken(drawn.persons, seed)
    top = np.argsort(-real.prevalence, kind="stable")[:100]
    plain = [person_features(of, top) for of in (real, drawn)]
    return {"c2st": c2st(*plain, seed), "c2st_rich": c2st(*sequence_features(real, drawn), seed)}


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
    clinical = np.isin(items.table, _CLINICAL)
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
    people = h.people
    features = np.column_stack([before, people.sex, people.by, people.race == WHITE])
    return features, people.len > _LANDMARK + 365


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
    features = np.column_stack([before, h.people.sex, started / YEAR, h.people.by])
    days = of.first_days[:, bleed] - started
    return features[treated], ((days >= 0) & (days <= 90))[treated].astype(int)


def _trees() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        early_stopping=False, max_bins=32, max_iter=40, learning_rate=0.07, max_leaf_nodes=8, min_samples_leaf=30,
        random_state=0,
    )  # fmt: skip
