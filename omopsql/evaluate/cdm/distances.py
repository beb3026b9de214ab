"""How far numbers of a synthetic hospital are from those of a real one."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .histories import Doubles, Ints

ONE_THREAD = threadpool_limits.wrap(limits=1, user_api="openmp")  # small trees lose time on more


def ks(real: Doubles, synthetic: Doubles) -> float:
    """Kolmogorov-Smirnov distance of two samples, NaN left out; 1 without a synthetic value, NaN without a real one."""
    a, b = (np.sort(sample[~np.isnan(sample)]) for sample in (real, synthetic))
    if not (a.size and b.size):
        return 1.0 if a.size else np.nan
    values = np.concatenate([a, b])
    below = [np.searchsorted(sample, values, "right") / sample.size for sample in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def r_squared(real: Doubles, synthetic: Doubles) -> float:
    """Share of the real numbers' variance that the synthetic ones, taken as they are, explain; NaN without variance."""
    spread = ((real - real.mean()) ** 2).sum() if real.size else 0.0
    return float(1.0 - ((synthetic - real) ** 2).sum() / spread) if spread > 0.0 else np.nan


def log_r_squared(real: Doubles, synthetic: Doubles) -> float:
    """R² of the logarithms of counts, each plus one."""
    return r_squared(np.log(real + 1.0), np.log(synthetic + 1.0))


def mean(values: list[float] | Doubles) -> float:
    """Mean of the values that are known; NaN when none is."""
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else np.nan


def auroc(truth: Ints, score: Doubles) -> float:
    """Area under the ROC curve; NaN when all are of one kind."""
    from sklearn.metrics import roc_auc_score  # here, since it is slow to import

    return float(roc_auc_score(truth, score)) if np.unique(truth).size == 2 else np.nan


def c2st(real: Doubles, synthetic: Doubles, seed: int) -> float:
    """AUROC of boosted trees that tell real persons from synthetic ones, 5-fold cross-fitted; NaN below 5 of either."""
    if min(len(real), len(synthetic)) < 5:
        return np.nan
    return auroc(np.repeat([0, 1], [len(real), len(synthetic)]), told_apart(real, synthetic, seed))


def told_apart(real: Doubles, synthetic: Doubles, seed: int) -> Doubles:
    """How synthetic each real person looks, then each synthetic one, to boosted trees that were fitted to others."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    trees = HistGradientBoostingClassifier(
        max_iter=70, learning_rate=0.1, max_bins=64, early_stopping=False, random_state=seed
    )
    is_synthetic = np.repeat([0, 1], [len(real), len(synthetic)])
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    everyone = np.vstack([real, synthetic])
    # The limit holds for libraries that are loaded: those of scikit-learn are from here on.
    chances = ONE_THREAD(cross_val_predict)(trees, everyone, is_synthetic, cv=folds, method="predict_proba")
    return np.asarray(chances[:, 1])
