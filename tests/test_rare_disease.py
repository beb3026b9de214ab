"""The measures of the rare-disease example, and what is gained by adding three small sites up."""

import contextlib

import numpy as np
import pyarrow as pa

import omopsql
from benchmarks.rare_disease import judged, model_of, survival


def test_the_survival_curve_is_that_of_kaplan_and_meier():
    """Deaths at 1, 3 and 5 of five patients, others lost at 2 and 4: 4/5, then times 2/3, then 0."""
    time, died = np.array([5.0, 1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    found = survival(time, died, np.array([0.5, 1.0, 2.5, 3.0, 4.9, 5.0]))
    assert np.allclose(found, [1.0, 0.8, 0.8, 0.8 * 2 / 3, 0.8 * 2 / 3, 0.0])


def test_three_sites_together_tell_more_than_the_smallest_alone():
    random = np.random.default_rng(5)
    latent = random.normal(size=1200)
    table = pa.table(
        {
            "marker": np.round(latent + 0.3 * random.normal(size=1200), 1),
            "stage": np.array(["I", "II", "III"])[np.clip((latent + 1.5).astype(int), 0, 2)],
            "time": np.maximum(np.round(40 - 12 * latent + 5 * random.normal(size=1200)), 0).astype(np.int64),
            "died": (latent + 0.5 * random.normal(size=1200) > 0.3).astype(np.int64),
        }
    )
    sites, held = [table.slice(0, 40), table.slice(40, 80), table.slice(120, 120)], table.slice(240)
    with contextlib.closing(omopsql.connect()) as con:
        found = {}
        for name, parts in (("alone", sites[:1]), ("together", sites)):
            made = con.sql(f"FROM omopsql.copula_sample('{model_of(con, parts)}', 2000, seed := 1)").to_arrow_table()
            found[name] = judged(made, held, "died")
    assert found["together"][0] > found["alone"][0]
    assert found["together"][0] > 0.8
    assert found["together"][1] < found["alone"][1]
