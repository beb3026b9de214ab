"""Scores of CDMs: they are what they are without each group, and intervals hold the truth as often as they say."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from scipy import stats

from omopsql.evaluate.cdm import concepts, whole
from omopsql.evaluate.cdm.distances import ks as plain_ks
from omopsql.evaluate.cdm.histories import GROUPS
from omopsql.evaluate.cdm.hospitals import open_hospitals
from omopsql.evaluate.cdm.scores import Sample, Score, each, ks, scored, told
from omopsql.evaluate.verdicts import kinds


def test_equal_sides_score_the_best_there_is(planted: duckdb.DuckDBPyConnection) -> None:
    with planted.cursor() as cursor:
        hospitals = open_hospitals(cursor, "real", "real", with_filled=True)
    comparison = hospitals.comparison()
    for topic in whole._TOPICS:
        for score in topic.scores(comparison):
            ideal = kinds()[score.metric].ideal
            assert ideal is None or np.isnan(score.value) or score.value == pytest.approx(ideal, abs=1e-12), score


def test_ks_without_each_group_is_that_of_the_others() -> None:
    rng = np.random.default_rng(1)
    a = Sample(np.round(rng.standard_normal(300), 1), rng.integers(0, GROUPS, 300))
    b = Sample(np.round(rng.standard_normal(200) + 0.2, 1), rng.integers(0, GROUPS, 200))
    b.value[:5] = np.nan
    found = ks([a, b], GROUPS)
    assert found[0] == pytest.approx(stats.ks_2samp(a.value, b.value[5:]).statistic)
    for group in range(GROUPS):
        assert found[1 + group] == plain_ks(a.value[a.group != group], b.value[b.group != group])
    empty = Sample(np.zeros(0), np.zeros(0, np.int64))
    assert ks([a, empty], 0).tolist() == [1.0]
    assert np.isnan(ks([empty, a], 0)).all()


def test_the_jackknife_covers_as_often_as_it_says() -> None:
    """Intervals of the difference of two prevalences hold the true one, .1, about 95 times in a hundred."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(300):
        sides = []
        for share in (0.3, 0.4):
            group = rng.integers(0, GROUPS, 500)
            ever = np.array([(rng.random((group == g).sum()) < share).sum() for g in range(GROUPS)])
            size = np.bincount(group, minlength=GROUPS)
            sides.append(
                [concepts.Prevalence(n, e[None], n[None], e[None, None]) for n, e in zip(size, ever, strict=True)]
            )
        found = each(concepts.prevalence, *sides)["prevalence_max_difference"]
        (metric,) = told([scored("prevalence_max_difference", found, 500)], [], {})
        covered += metric.low <= 0.1 <= metric.high
    assert 0.91 <= covered / 300 <= 0.985


def test_an_interval_stays_within_what_a_metric_can_be() -> None:
    wide = np.linspace(0.5, 1.0, 20)
    (metric,) = told([Score("prevalence_r2", 0.99, wide)], [Score("prevalence_r2", 0.9)], {})
    assert metric.high == 1.0
    assert metric.low < 0.0
    assert metric.reference == 0.9
    (metric,) = told([Score("value_ks", 0.9, wide)], [], {})
    assert (metric.low, metric.high) == (0.0, 1.0)
