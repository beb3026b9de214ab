"""The mixed table of the benchmarks: 20 columns drawn from scikit-learn's breast-cancer records, with jitter.

Each row is one of 569 real records: 12 measurements with a tenth of their spread added as noise, and 8 nominal columns
of 2 to 20 categories of which 2 % are redrawn. Some values are missing, more often in malignant records.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_breast_cancer

NUMBERS = [
    "mean radius",
    "mean texture",
    "mean smoothness",
    "mean compactness",
    "mean concavity",
    "mean symmetry",
    "radius error",
    "area error",
    "worst radius",
    "worst area",
    "worst concavity",
    "worst fractal dimension",
]
CUT = {
    "grade": ("worst concave points", 3, "G"),
    "t_stage": ("worst perimeter", 4, "T"),
    "texture_group": ("worst texture", 5, "A"),
    "symmetry_class": ("worst symmetry", 4, "s"),
    "smooth_decile": ("worst smoothness", 10, "d"),
    "site_code": ("mean fractal dimension", 12, "C"),
}


def mixed_table(rows: int, seed: int = 0) -> pa.Table:
    """Make the table."""
    rng = np.random.default_rng(seed)
    records = load_breast_cancer()
    column = dict(zip(records.feature_names, records.data.T, strict=True))
    malignant = records.target == 0
    labels = {"diagnosis": np.where(malignant, "malignant", "benign")}
    for name, (of, parts, prefix) in CUT.items():
        cuts = np.quantile(column[of], np.linspace(0, 1, parts + 1)[1:-1])
        labels[name] = np.array([f"{prefix}{i:02d}" for i in range(parts)])[np.searchsorted(cuts, column[of])]
    weights = 1.0 / np.arange(1, 21)
    labels["region"] = rng.choice([f"R{i:02d}" for i in range(20)], len(malignant), p=weights / weights.sum())
    picked = rng.integers(0, len(malignant), rows)
    made = {}
    for name in NUMBERS:
        values = column[name]
        noisy = values[picked] + 0.1 * values.std() * rng.standard_normal(rows)
        made[name.replace(" ", "_")] = np.round(np.clip(noisy, values.min(), values.max()), 4)
    for name, values in labels.items():
        redrawn = rng.random(rows) < 0.02
        made[name] = np.where(redrawn, rng.choice(values, rows), values[picked])
    missing = {
        "mean_concavity": rng.random(rows) < np.where(made["diagnosis"] == "malignant", 0.08, 0.03),
        "area_error": rng.random(rows) < 0.05,
        "site_code": rng.random(rows) < 0.04,
    }
    return pa.table({name: pa.array(values, mask=missing.get(name)) for name, values in made.items()})
