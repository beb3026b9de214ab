"""A rare disease at three hospitals of 40 to 150 patients: the model of all together against each hospital's own.

python -m benchmarks.rare_disease FOLDER          # with tabular/ and source/breast_msk_2018/ in it

For each of some random splits: patients of three sites, and others held out. Each model makes 2000 patients. TSTR is
the area under the ROC curve, on patients held out, of a forest that was trained on synthetic ones to tell who died. The
survival distance is the area between Kaplan-Meier curves, as a share of the time that is looked at.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections import defaultdict
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

import omopsql

SPLITS = 5
SYNTHETIC = 2000
SITES = {"small": 40, "middle": 90, "large": 150}
HEART = """
    SELECT * REPLACE (TRY_CAST(time AS INTEGER) AS time, TRY_CAST(DEATH_EVENT AS INTEGER) AS DEATH_EVENT)
    FROM read_csv('{}')
    WHERE TRY_CAST(time AS INTEGER) IS NOT NULL AND TRY_CAST(DEATH_EVENT AS INTEGER) IS NOT NULL
"""
BREAST = """
    SELECT
        MENOPAUSAL_STATUS_AT_DIAGNOSIS AS menopause, T_STAGE AS t, N_STAGE AS n, M_STAGE AS m, PRIOR_LOCAL_RECURRENCE
            AS recurrence, OVERALL_HR_STATUS_PATIENT AS hormone, OVERALL_HER2_STATUS_PATIENT AS her2,
        TRY_CAST(OS_MONTHS AS DOUBLE) AS time, CAST(OS_STATUS <> 'LIVING' AS INTEGER) AS died
    FROM read_csv('{}', delim = '\t', comment = '#', all_varchar = true)
    WHERE time IS NOT NULL
"""


def tables(folder: Path, con: duckdb.DuckDBPyConnection) -> dict[str, tuple[pa.Table, str, dict[str, int]]]:
    """Each disease: its patients, the column that says who died, and how many patients each site has."""
    heart = HEART.format(folder / "tabular" / "heart_failure_clinical_records_dataset.csv")
    breast = BREAST.format(folder / "source" / "breast_msk_2018" / "data_clinical_patient.txt")
    fewer = {"small": 40, "middle": 60, "large": 90}  # of 299 patients, so that some are held out
    return {
        "heart failure": (con.sql(heart).to_arrow_table(), "DEATH_EVENT", fewer),
        "breast cancer": (con.sql(breast).to_arrow_table(), "died", SITES),
    }


def model_of(con: duckdb.DuckDBPyConnection, parts: list[pa.Table]) -> str:
    """Fit sites together, in three rounds; of one site, alone. Returns the model's name."""
    names = []
    for number, part in enumerate(parts):
        con.register(f"part{number}", part)
        con.execute(f"CREATE OR REPLACE TABLE site{number} AS FROM part{number}")
        names.append(f"sums{number}")
    if len(parts) == 1:
        con.execute("CREATE OR REPLACE TABLE model AS FROM omopsql.copula_fit('site0', method := 'copula')")
        return "model"
    more = "margins_only := true"
    for for_merge in ("true", "true", "false"):
        for number, name in enumerate(names):
            told = f"'site{number}', method := 'copula', for_merge := true, {more}"
            con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM omopsql.copula_fit({told})")
        merged = f"FROM omopsql.merge({names}, for_merge := {for_merge})"
        con.execute(f"CREATE OR REPLACE TABLE merging AS {merged}")
        con.execute("CREATE OR REPLACE TABLE model AS FROM merging")
        more = "margins := 'model'"
    return "model"


def survival(time: np.ndarray, died: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The Kaplan-Meier curve at some times."""
    order = np.argsort(time, kind="stable")
    time, died = time[order], died[order]
    left = len(time) - np.arange(len(time))
    curve = np.cumprod(1.0 - died / left)
    place = np.searchsorted(time, at, side="right") - 1
    return np.where(place >= 0, curve[np.maximum(place, 0)], 1.0)


def frames(tables: list[pa.Table], outcome: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Features as numbers, labels by one dictionary for all tables, and who died."""
    columns = [name for name in tables[0].column_names if name not in (outcome, "time")]
    coded = []
    for name in columns:
        values = [table[name].to_pylist() for table in tables]
        if any(isinstance(value, str) for of_table in values for value in of_table):
            labels = {label: code for code, label in enumerate(sorted({str(v) for of in values for v in of}))}
            coded.append([np.array([labels[str(value)] for value in of], float) for of in values])
        else:
            coded.append([np.array([-1.0 if v is None else float(v) for v in of]) for of in values])
    died = [np.array(table[outcome].to_pylist(), float) for table in tables]
    return [(np.column_stack([column[t] for column in coded]), died[t]) for t in range(len(tables))]


def judged(made: pa.Table, held: pa.Table, outcome: str) -> tuple[float, float]:
    """TSTR, and the distance of survival curves."""
    (x, y), (held_x, held_y) = frames([made, held], outcome)
    if len(np.unique(y)) < 2:
        tstr = 0.5
    else:
        forest = RandomForestClassifier(200, min_samples_leaf=5, random_state=0).fit(x, y)
        tstr = float(roc_auc_score(held_y, forest.predict_proba(held_x)[:, 1]))
    times = [np.array(table["time"].to_pylist(), float) for table in (made, held)]
    if np.isnan(times[0]).any():
        return tstr, 1.0
    at = np.linspace(0.0, np.quantile(times[1], 0.9), 200)
    curves = [survival(time, died, at) for time, died in zip(times, (y, held_y), strict=True)]
    return tstr, float(np.abs(curves[0] - curves[1]).mean())


def main() -> None:
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("SET enable_progress_bar = false")
        for disease, (patients, outcome, sizes) in tables(Path(sys.argv[1]), con).items():
            found = defaultdict(list)
            for split in range(SPLITS):
                order = np.random.default_rng(split).permutation(patients.num_rows)
                bounds = np.cumsum([0, *sizes.values()])
                sites = [patients.take(pa.array(order[a:b])) for a, b in itertools.pairwise(bounds)]
                held = patients.take(pa.array(order[bounds[-1] :]))
                fits = {f"{name} ({sites[i].num_rows})": [sites[i]] for i, name in enumerate(sizes)} | {"merged": sites}
                for name, parts in fits.items():
                    model = model_of(con, parts)
                    made = con.sql(f"FROM omopsql.copula_sample('{model}', {SYNTHETIC}, seed := 1)").to_arrow_table()
                    found[name].append(judged(made, held, outcome))
                found["real patients of all sites"].append(judged(pa.concat_tables(sites), held, outcome))
            for name, scores in found.items():
                tstr, distance = np.array(scores).T
                told = f"{tstr.mean():.3f} ± {tstr.std():.3f}   survival {distance.mean():.3f} ± {distance.std():.3f}"
                print(f"{disease:14} {name:28} TSTR {told}")


if __name__ == "__main__":
    main()
