"""How near a synthetic table comes to the real one. Tables are Arrow tables with the same columns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from omopsql.udfs.two_samples import correlation_ratio, cramers_v, joint_difference, pearson

Codes = tuple[np.ndarray, np.ndarray]


def as_numbers(column: pa.ChunkedArray) -> np.ndarray | None:
    """The column as doubles (NaN: missing or no number), or None when less than half of it are numbers."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.if_else(pc.match_substring_regex(column, r"^-?[0-9.]+$"), column, None)
    elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return None
    numbers = column.cast(pa.float64()).to_numpy()
    return numbers if np.isfinite(numbers).mean() >= 0.5 else None


def _numeric(table: pa.Table) -> list[str]:
    return [f.name for f in table.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]


def _labels(real: pa.ChunkedArray, synthetic: pa.ChunkedArray) -> Codes:
    both = pa.chunked_array([*real.cast(pa.string()).chunks, *synthetic.cast(pa.string()).chunks])
    codes = both.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy() + 1
    return codes[: len(real)], codes[len(real) :]


def codes(real: pa.Table, synthetic: pa.Table, bins: int = 20) -> list[Codes]:
    """Columns of up to 40 values as they are; numbers in percentile bins of the real table, missing values apart."""
    found = []
    for name in real.column_names:
        numbers = as_numbers(real[name])
        if numbers is None or len(np.unique(numbers[np.isfinite(numbers)])) <= 40:
            found.append(_labels(real[name], synthetic[name]))
            continue
        cuts = np.unique(np.nanquantile(numbers, np.linspace(0, 1, bins + 1)[1:-1]))
        other = as_numbers(synthetic[name])
        assert other is not None
        found.append(tuple(np.where(np.isnan(x), 0, 1 + np.searchsorted(cuts, x)) for x in (numbers, other)))
    return found


def k_marginal(real: pa.Table, synthetic: pa.Table, k: int = 3) -> float:
    """1 less the mean total variation distance over all k-column marginals (as NIST's k-marginal score, unscaled)."""
    coded = codes(real, synthetic)
    marginals = itertools.combinations(coded, k)
    return 1.0 - float(np.mean([_total_variation(marginal) for marginal in marginals]))


def c2st(real: pa.Table, synthetic: pa.Table, seed: int = 0) -> float:
    """AUROC of a gradient-boosted classifier that tells real rows from synthetic ones, 5-fold cross-fitted."""
    features = []
    for name in real.column_names:
        a, b = as_numbers(real[name]), as_numbers(synthetic[name])
        features.append(np.concatenate(_labels(real[name], synthetic[name]) if a is None or b is None else (a, b)))
    x = np.stack(features, axis=1).astype(float)
    y = np.repeat([0, 1], [real.num_rows, synthetic.num_rows])
    scores = np.zeros(len(y))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
        model = HistGradientBoostingClassifier(random_state=seed).fit(x[train], y[train])
        scores[test] = model.predict_proba(x[test])[:, 1]
    return float(roc_auc_score(y, scores))


def shapes_and_pairs(real: pa.Table, synthetic: pa.Table) -> tuple[float, float]:
    """Column shapes and column pair trends as SDMetrics' QualityReport defines them.

    Shapes: 1 - KS of numbers, 1 - total variation of labels. Pairs: 1 - half the difference of Pearson's r for two
    numbers, else 1 - total variation of the contingency table, numbers in 10 equal-width bins.
    """
    numeric = _numeric(real)
    numbers = {n: (real[n].to_numpy(), synthetic[n].to_numpy()) for n in numeric}
    coded, shapes = {}, []
    for name in real.column_names:
        if name in numeric:
            a, b = numbers[name]
            shapes.append(1.0 - ks_2samp(a[~np.isnan(a)], b[~np.isnan(b)]).statistic)
            edges = np.histogram_bin_edges(a[~np.isnan(a)], 10)
            cut = [np.where(np.isnan(x), 0, 1 + np.clip(np.searchsorted(edges, x, "right"), 0, 11)) for x in (a, b)]
            coded[name] = (cut[0], cut[1])
        else:
            coded[name] = _labels(real[name], synthetic[name])
            shapes.append(1.0 - _total_variation([coded[name]]))
    pairs = []
    for one, two in itertools.combinations(real.column_names, 2):
        if one in numeric and two in numeric:
            r = [pearson(numbers[one][i].astype(float), numbers[two][i].astype(float))[0] for i in (0, 1)]
            pairs.append(1.0 - abs(r[0] - r[1]) / 2.0)
        else:
            pairs.append(1.0 - _total_variation([coded[one], coded[two]]))
    return float(np.mean(shapes)), float(np.mean(pairs))


def _total_variation(columns: Sequence[Codes]) -> float:
    """Between the cells that coded columns form in two tables."""
    real, synthetic = (np.array([column[side] for column in columns]) for side in (0, 1))
    sizes = np.maximum(real.max(axis=1), synthetic.max(axis=1)) + 1
    return float(joint_difference(real, synthetic, sizes)[0])


def nominal_associations(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Cramér's V of every pair of nominal columns, and η of every number's ranks in every nominal column."""
    numeric = _numeric(table)
    nominal = {n: _labels(table[n], table[n])[0] for n in table.column_names if n not in numeric}
    v = [_cramers_v(a, b) for a, b in itertools.combinations(nominal.values(), 2)]
    eta = [_eta(labels, table[name].to_numpy()) for labels in nominal.values() for name in numeric]
    return np.array(v), np.array(eta)


def _cramers_v(a: np.ndarray, b: np.ndarray) -> float:
    return cramers_v(a, b, int(a.max()) + 1, int(b.max()) + 1)[0]


def _eta(labels: np.ndarray, numbers: np.ndarray) -> float:
    """Of ranks, those of equal numbers as they come."""
    known = ~np.isnan(numbers)
    rank = np.argsort(np.argsort(numbers[known])).astype(float)
    return correlation_ratio(labels[known], int(labels.max()) + 1, rank)[0]


def copied(real: pa.Table, synthetic: pa.Table) -> int:
    """How many synthetic rows equal a real one in every column."""
    known = set(zip(*(column.to_pylist() for column in real.columns), strict=True))
    return sum(row in known for row in zip(*(column.to_pylist() for column in synthetic.columns), strict=True))
