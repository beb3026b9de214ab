"""Whether a classifier can tell synthetic rows from real ones: a nonlinear one, and a logistic regression.

Sources: D. Lopez-Paz, M. Oquab, Revisiting classifier two-sample tests, ICLR 2017; J. Snoke et al., General and
specific utility measures for synthetic data, JRSS A 181 (2018) 663-688; E. R. DeLong et al., Biometrics 44 (1988)
837-845.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

from omopsql.evaluate.encode import drawn, label_codes, vectors
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles, Sides

from .contrast import Compared

_MOST_ROWS = 20_000  # of a side
_MOST_FRESH_ROWS = 2_000
_LEAST_ROWS = 50
_FOLDS = 5
_MOST_CATEGORIES = 254  # of a label; the classifier takes so many
_WEAK_PENALTY = 1e4
_NORMAL = 1.959963984540054


def metrics(compared: Compared, seed: int) -> Iterator[Metric]:
    """Yield ``c2st_auroc`` and ``pmse``, on at most 20,000 rows of each side."""
    sides = drawn(compared.sides, _MOST_ROWS, seed)
    if compared.rows < _LEAST_ROWS:
        note = f"{_LEAST_ROWS} rows of each side are needed, and there are {compared.rows}"
        yield from (Metric(name, None, n=compared.rows, note=note) for name in ("c2st_auroc", "pmse"))
        return
    fresh = drawn(compared.fresh[0], _MOST_FRESH_ROWS, seed)
    with threadpool_limits(1):
        yield _c2st(sides, fresh, seed)
        yield pmse(sides)


def _c2st(sides: Sides, fresh: Sides, seed: int) -> Metric:
    value, low, high = auroc(*scores(sides, seed))
    reference = auroc(*scores(fresh, seed))[0] if len(fresh.real) >= _LEAST_ROWS // 2 else 0.5
    return Metric("c2st_auroc", value, low, high, reference, n=len(sides.real))


def scores(sides: Sides, seed: int) -> tuple[Doubles, Doubles]:
    """Score each row by gradient boosting that was trained on other rows: how much it looks synthetic.

    Returns the scores of the real rows and those of the synthetic ones.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # here, since it is slow to import
    from sklearn.model_selection import StratifiedKFold

    features = [np.concatenate([_feature(sides, name, place) for place in (0, 1)]) for name in _columns(sides)]
    x = np.column_stack(features)
    is_label = [name in sides.labels for name in _columns(sides)]
    is_synthetic = np.repeat([0, 1], [len(sides.real), len(sides.synthetic)])
    found = np.zeros(len(x))
    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(x, is_synthetic):
        model = HistGradientBoostingClassifier(
            categorical_features=is_label, early_stopping=False, random_state=seed
        ).fit(x[train], is_synthetic[train])
        found[test] = model.decision_function(x[test])
    return found[is_synthetic == 0], found[is_synthetic == 1]


def auroc(negative: Doubles, positive: Doubles) -> tuple[float, float, float]:
    """Return the area under the ROC curve of two samples of scores, and DeLong's 95 % interval."""
    from scipy.stats import rankdata  # here, since it is slow to import

    n, m = len(negative), len(positive)
    of_all = rankdata(np.concatenate([negative, positive]))
    above = (of_all[n:] - rankdata(positive)) / n  # for each positive score, the share of negative ones below
    below = 1.0 - (of_all[:n] - rankdata(negative)) / m
    area = float(above.mean())
    half = _NORMAL * float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))
    return area, max(area - half, 0.0), min(area + half, 1.0)


def pmse(sides: Sides) -> Metric:
    """Return the propensity's mean squared error: how far a logistic regression's chances are from the synthetic share.

    The reference is its mean for two samples of one source, c (1 - c) k / N for k parameters, N rows and a share c. It
    is 1 / (1 - c) times that of Snoke et al., whose synthetic rows come of a model of these very real rows. The
    interval is that of a noncentral chi-squared number.
    """
    from sklearn.linear_model import LogisticRegression  # here, since it is slow to import

    design = np.concatenate(vectors(sides).sides[:2])
    is_synthetic = np.repeat([0, 1], [len(sides.real), len(sides.synthetic)])
    centred = design - design.mean(axis=0)
    parameters = int(np.linalg.matrix_rank(centred.T @ centred, hermitian=True))
    if parameters == 0:
        return Metric("pmse", None, n=len(sides.real), note="no column has two values")
    model = LogisticRegression(C=_WEAK_PENALTY, solver="newton-cholesky").fit(design, is_synthetic)
    share = is_synthetic.mean()
    value = float(np.mean((model.predict_proba(design)[:, 1] - share) ** 2))
    unit = float((1 - share) * share / len(design))
    half = _NORMAL * np.sqrt(2 * parameters + 4 * max(value / unit - parameters, 0.0)) * unit
    return Metric("pmse", value, max(value - half, 0.0), value + half, parameters * unit, n=len(sides.real))


def _columns(sides: Sides) -> list[str]:
    return [name for name in sides.columns if name not in sides.identifiers]


def _feature(sides: Sides, name: str, place: int) -> Doubles:
    """A column as a classifier takes it: numbers, or codes of a label, the rarest of which share one.

    Of numbers that are hardly ever known, the classifier sees whether they are.
    """
    if name in sides.numeric:
        numbers = [side.numbers(name) for side in (sides.real, sides.synthetic)]
        is_seen = sum(int((~np.isnan(x)).sum()) for x in numbers) >= _LEAST_ROWS
        return numbers[place] if is_seen else np.isnan(numbers[place]).astype(float)
    coded = label_codes(sides, name)
    often = np.argsort(-np.bincount(np.concatenate(coded.sides[:2]), minlength=coded.size), kind="stable")
    code = np.full(coded.size, _MOST_CATEGORIES, np.int64)
    code[often[:_MOST_CATEGORIES]] = np.arange(min(coded.size, _MOST_CATEGORIES))
    return code[coded.sides[place]].astype(float)
