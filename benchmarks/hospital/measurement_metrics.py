"""Measurements in a stay: values, how often, their course in time, their correlations, and death.

Definitions follow the challenge of intensive care that they were made for, PhysioNet 2012, but hold for any CDM.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import norm, rankdata
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from .distances import ONE_THREAD, Score, ks, mean
from .folders import opened, query

_LEFT_OUT = ("3036277", "3025315", "1616328")  # height, weight and SOFA: told of a patient, no course in time
_SUMMARIES = ("mean", "min", "max", "first", "last", "count")


@dataclass(frozen=True)
class Stays:
    """Measured values of patients, sorted by patient, variable and minute of the stay; and the patients.

    ``patient``, ``variable``, ``minute``: int64[values]; ``value``: float64[values]; ``variables``: how many there are;
    ``age``: float64[patients]; ``ward``: int64[patients], -1 unknown; ``is_dead``: bool[patients].
    """

    patient: np.ndarray
    variable: np.ndarray
    minute: np.ndarray
    value: np.ndarray
    variables: int
    age: np.ndarray
    ward: np.ndarray
    is_dead: np.ndarray

    @property
    def patients(self) -> int:
        """Number of patients."""
        return self.age.size

    @cached_property
    def series(self) -> np.ndarray:
        """The series of each value: patient and variable in one number."""
        return self.patient * self.variables + self.variable

    @cached_property
    def by_variable(self) -> list[np.ndarray]:
        """Values of each variable, sorted."""
        order = np.lexsort((self.value, self.variable))
        return np.split(self.value[order], np.searchsorted(self.variable[order], np.arange(1, self.variables)))

    @cached_property
    def summaries(self) -> dict[str, np.ndarray]:
        """Mean, min, max, first, last and count of each patient's values, each float64[patients, variables]."""
        known, start, length = np.unique(self.series, return_index=True, return_counts=True)
        found = {
            "mean": np.add.reduceat(self.value, start) / length,
            "min": np.minimum.reduceat(self.value, start),
            "max": np.maximum.reduceat(self.value, start),
            "first": self.value[start],
            "last": self.value[start + length - 1],
            "count": length.astype(float),
        }
        return {name: self._spread(known, values, name == "count") for name, values in found.items()}

    def _spread(self, series: np.ndarray, values: np.ndarray, absent_is_zero: bool) -> np.ndarray:
        wide = np.full(self.patients * self.variables, 0.0 if absent_is_zero else np.nan)
        wide[series] = values
        return wide.reshape(self.patients, self.variables)

    def features(self, wards: int) -> np.ndarray:
        """What classifiers see: all summaries, age and ward."""
        ward = self.ward[:, None] == np.arange(wards)
        return np.column_stack([*(self.summaries[name] for name in _SUMMARIES), self.age, ward])

    def taken(self, chosen: np.ndarray) -> Stays:
        """Only these patients."""
        place = np.full(self.patients, -1)
        place[chosen] = np.arange(chosen.size)
        kept = place[self.patient] >= 0
        described = {name: getattr(self, name)[chosen] for name in ("age", "ward", "is_dead")}
        values = {name: getattr(self, name)[kept] for name in ("variable", "minute", "value")}
        return Stays(place[self.patient][kept], variables=self.variables, **values, **described)


def read(folders: list[Path]) -> tuple[list[Stays], list[str]]:
    """Read CDM folders with the numbers of variables and wards that the first one has; returns the variables' names."""
    tables = [_tables(folder) for folder in folders]
    names = sorted(set(tables[0][0]["variable"].unique().to_pylist()) - set(_LEFT_OUT))
    wards = sorted(set(tables[0][1]["ward"].drop_null().unique().to_pylist()))
    return [_stays(*both, names, wards) for both in tables], names


def _tables(folder: Path) -> tuple[pa.Table, pa.Table]:
    with opened(folder) as con:
        return con.sql(query("stays")).to_arrow_table(), con.sql(query("patients")).to_arrow_table()


def _stays(measured: pa.Table, patients: pa.Table, names: list[str], wards: list[str]) -> Stays:
    number = _numbers(measured["variable"], names)
    kept = number >= 0
    patient, minute, value = (measured[name].to_numpy()[kept] for name in ("patient", "minute", "value"))
    order = np.lexsort((minute, number[kept], patient))
    return Stays(
        patient[order], number[kept][order], minute[order].astype(np.int64), value[order], len(names),
        patients["age"].to_numpy(), _numbers(patients["ward"], wards), patients["is_dead"].to_numpy(),
    )  # fmt: skip


def _numbers(column: pa.ChunkedArray, names: list[str]) -> np.ndarray:
    return pc.index_in(column.cast(pa.string()), pa.array(names, pa.string())).fill_null(-1).to_numpy()


@ONE_THREAD
def judge(train: Stays, holdout: Stays, synthetic: Stays, seed: int = 0, classify: bool = True) -> dict[str, Score]:
    """Judge synthetic stays against the half that was not fitted; ``own``: the fitted half's score there."""
    value, own = (compared(Course(holdout, holdout), Course(of, holdout)) for of in (synthetic, train))
    fitted = compared(Course(train, train), Course(synthetic, train))
    scores = {name: Score(value[name], fitted[name], own[name]) for name in value}
    for name in [name for name in value if name.startswith("ks_")]:
        scores[f"{name}_excess"] = Score(value[name] - own[name], fitted[name] - own[name])
    if classify:
        scores |= death(train, holdout, synthetic) | told_apart(train, holdout, synthetic, seed)
    return scores


class Course:
    """The course of stays in time: normal scores by a reference's values, a patient's level, and what is left."""

    def __init__(self, stays: Stays, reference: Stays) -> None:
        self.stays = stays
        self.score = _scores(stays, reference)
        count = np.bincount(stays.series, minlength=stays.patients * stays.variables)
        level = np.bincount(stays.series, self.score, minlength=count.size) / np.maximum(count, 1)
        self.count, self.level = (x.reshape(stays.patients, stays.variables) for x in (count, level))
        self.residual = self.score - level[stays.series]
        self.repeated = count[stays.series] > 1

    def of_next(self) -> list[np.ndarray]:
        """For each variable, the values that are followed by another of the same patient."""
        again = np.flatnonzero(self.stays.series[1:] == self.stays.series[:-1])
        return [again[self.stays.variable[again] == v] for v in range(self.stays.variables)]

    def autocorrelation(self, numbers: np.ndarray) -> np.ndarray:
        """Correlation of each value with the next, by variable; NaN below 200 pairs."""
        return np.array([
            np.corrcoef(numbers[i], numbers[i + 1])[0, 1] if i.size > 200 else np.nan for i in self.of_next()
        ])  # fmt: skip

    def intraclass(self) -> np.ndarray:
        """Share of variance that lies between patients, by variable (ANOVA with unequal numbers)."""
        return np.array([self._intraclass(v) for v in range(self.stays.variables)])

    def _intraclass(self, variable: int) -> float:
        count = self.count[:, variable]
        level = self.level[count > 0, variable]
        count = count[count > 0]
        values, of = count.sum(), self.stays.variable == variable
        if values <= count.size + 50:
            return np.nan
        within = (self.residual[of] ** 2).sum() / (values - count.size)
        between = (count * (level - self.score[of].mean()) ** 2).sum() / (count.size - 1)
        mean_count = (values - (count**2).sum() / values) / (count.size - 1)
        return float((between - within) / (between + (mean_count - 1) * within))

    def level_correlation(self) -> np.ndarray:
        """Correlation of patients' levels, as normal scores of their ranks; NaN below 200 patients with both."""
        scores, known = np.zeros(self.level.shape), (self.count > 0).astype(float)
        for variable in range(self.stays.variables):
            has = self.count[:, variable] > 0
            scores[has, variable] = norm.ppf(rankdata(self.level[has, variable]) / (has.sum() + 1))
        return _correlation(scores, known, 200)

    def residual_correlation(self) -> np.ndarray:
        """Correlation of residuals of one patient and minute; NaN below 500 of both."""
        s = self.stays
        _, moment = np.unique(s.patient * (int(s.minute.max(initial=0)) + 1) + s.minute, return_inverse=True)
        shape = int(moment.max(initial=-1)) + 1, s.variables
        scores, known = np.zeros(shape), np.zeros(shape)
        scores[moment[self.repeated], s.variable[self.repeated]] = self.residual[self.repeated]
        known[moment[self.repeated], s.variable[self.repeated]] = 1.0
        return _correlation(scores, known, 500)


def _scores(stays: Stays, reference: Stays) -> np.ndarray:
    """Normal scores of values by their mid-ranks among the reference's."""
    scores = np.empty(stays.value.size)
    for variable, ordered in enumerate(reference.by_variable):
        of = stays.variable == variable
        below, above = (np.searchsorted(ordered, stays.value[of], side) for side in ("left", "right"))
        share = ((below + above) / 2 + 0.5) / (ordered.size + 1)
        scores[of] = norm.ppf(np.clip(share, 1e-5, 1 - 1e-5))
    return scores


def _correlation(scores: np.ndarray, known: np.ndarray, least: int) -> np.ndarray:
    """Correlation of columns without their means, over rows that have both; NaN with fewer rows than ``least``."""
    products, squares = scores.T @ scores, (scores**2).T @ known
    return np.where(known.T @ known >= least, products / np.sqrt(squares * squares.T + 1e-9), np.nan)


def compared(real: Course, synthetic: Course) -> dict[str, float]:
    """Distances of values, patients' summaries, autocorrelations, correlations and shares of patients measured."""
    a, b = real.stays, synthetic.stays
    scores = {"ks_value": mean([ks(x, y) for x, y in zip(a.by_variable, b.by_variable, strict=True)])}
    for name in ("mean", "min", "max", "count"):
        pairs = zip(a.summaries[name].T, b.summaries[name].T, strict=True)
        scores[f"ks_{name}"] = mean([ks(x, y) for x, y in pairs])
    upper = np.triu_indices(a.variables, 1)
    ever, ever_made = ((of.count > 0).astype(float) for of in (real, synthetic))
    both, both_made = ((has.T @ has / len(has))[upper] for has in (ever, ever_made))
    return scores | {
        "lag_1": mean(np.abs(real.autocorrelation(real.score) - synthetic.autocorrelation(synthetic.score))),
        "lag_1_within": mean(
            np.abs(real.autocorrelation(real.residual) - synthetic.autocorrelation(synthetic.residual))
        ),
        "intraclass": mean(np.abs(real.intraclass() - synthetic.intraclass())),
        "level_correlation": _rmse((real.level_correlation() - synthetic.level_correlation())[upper]),
        "residual_correlation": _rmse((real.residual_correlation() - synthetic.residual_correlation())[upper]),
        "ever": mean(np.abs(ever.mean(axis=0) - ever_made.mean(axis=0))),
        "both": mean(np.abs(both - both_made)),
    }


def _rmse(errors: np.ndarray) -> float:
    return float(np.sqrt(mean(errors**2)))


def death(train: Stays, holdout: Stays, synthetic: Stays) -> dict[str, Score]:
    """Predict death in the stay, trained on synthetic and on fitted patients, tested on others.

    The AUROC that synthetic patients lose against fitted ones, what they reach (``own``: what fitted ones do), and the
    slope of calibration, for boosted trees and for logistic regression. Nothing with fewer than 10 deaths in any.
    """
    wards = 1 + max(int(of.ward.max(initial=-1)) for of in (train, holdout))
    scores: dict[str, Score] = {}
    if any(min(of.is_dead.sum(), (~of.is_dead).sum()) < 10 for of in (train, holdout, synthetic)):
        return scores
    test = holdout.features(wards)
    for name, model in (("trees", _trees), ("logistic", _logistic)):
        (reached, slope), (reached_real, slope_real) = (
            _predicted(model(), of.features(wards), of.is_dead, test, holdout.is_dead) for of in (synthetic, train)
        )
        scores[f"death_{name}"] = Score(reached_real - reached)
        scores[f"death_{name}_auroc"] = Score(reached, own=reached_real)
        scores[f"slope_{name}"] = Score(slope, own=slope_real)
    return scores


def _predicted(
    model: HistGradientBoostingClassifier | Pipeline,
    features: np.ndarray,
    outcome: np.ndarray,
    test: np.ndarray,
    truth: np.ndarray,
) -> tuple[float, float]:
    """AUROC and slope of calibration on the test patients."""
    known = _known(features)
    risk = model.fit(features[:, known], outcome).predict_proba(test[:, known])[:, 1].clip(1e-4, 1 - 1e-4)
    calibration = LogisticRegression(C=1e6).fit(np.log(risk / (1 - risk))[:, None], truth)
    return float(roc_auc_score(truth, risk)), float(calibration.coef_[0, 0])


def _known(features: np.ndarray) -> np.ndarray:
    """The features that any patient has: trees refuse one that is missing everywhere."""
    return np.asarray(~np.isnan(features).all(axis=0))


def _trees() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=30, l2_regularization=5, random_state=0
    )


def _logistic() -> Pipeline:
    normal = QuantileTransformer(output_distribution="normal", n_quantiles=200)
    return make_pipeline(normal, SimpleImputer(strategy="median"), StandardScaler(),
                         LogisticRegression(C=0.01, max_iter=300))  # fmt: skip


def told_apart(train: Stays, holdout: Stays, synthetic: Stays, seed: int) -> dict[str, Score]:
    """C2ST by boosted trees, 2-fold, on as many synthetic as real patients."""
    wards = 1 + max(int(of.ward.max(initial=-1)) for of in (train, holdout))
    found = []
    for candidate in (synthetic, train):
        size = min(candidate.patients, holdout.patients)
        rng = np.random.default_rng(seed)
        drawn = [of.taken(np.sort(rng.choice(of.patients, size, replace=False))) for of in (holdout, candidate)]
        features = np.vstack([of.features(wards) for of in drawn])
        found.append(_cross_fitted(features, np.repeat([0, 1], size)))
    return {"c2st": Score(found[0], own=found[1])}


def _cross_fitted(features: np.ndarray, is_synthetic: np.ndarray) -> float:
    score = np.zeros(is_synthetic.size)
    for fitted, tested in StratifiedKFold(2, shuffle=True, random_state=1).split(features, is_synthetic):
        trees = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.12, max_leaf_nodes=15, random_state=0)
        known = _known(features[fitted])
        trees.fit(features[fitted][:, known], is_synthetic[fitted])
        score[tested] = trees.predict_proba(features[tested][:, known])[:, 1]
    return float(roc_auc_score(is_synthetic, score))
