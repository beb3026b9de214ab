"""The kinds of metrics, and when their numbers pass, are worth a look, or fail."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from omopsql.evaluate import verdicts
from omopsql.evaluate.metric import SCHEMA, Metric, to_table
from omopsql.evaluate.verdicts import Kind, kinds
from omopsql.sql_files import sql_folder


def _rows() -> list[dict[str, str]]:
    files = sorted(sql_folder("evaluate", "metrics").iterdir(), key=lambda file: file.name)
    return [row for file in files for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())]


def test_every_metric_is_listed_once():
    assert [name for name, times in Counter(row["metric"] for row in _rows()).items() if times > 1] == []


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["metric"])
def test_a_kind_is_complete(row):
    kind = kinds()[row["metric"]]
    assert set(row) == {"metric", "family", "headline", "better", "ideal", "good", "poor", "words"}
    assert kind.family in {"fidelity", "utility", "privacy", "fairness"}
    assert kind.better in {"lower", "higher", "near"}
    assert (kind.good is None) == (kind.poor is None)
    assert kind.good is None or 0 <= kind.good < kind.poor
    assert kind.words.endswith(".")
    assert kind.words[0].isupper()


@pytest.fixture
def judged(monkeypatch):
    """Judge a number by a kind made up for the test."""

    def judge(better: str, ideal: float | None, value: float | None, *, good=0.1, poor=0.3, **more) -> str:
        kind = Kind("m", "fidelity", False, better, ideal, good, poor, "Words.")
        monkeypatch.setattr(verdicts, "kinds", lambda: {"m": kind})
        return verdicts.judged(Metric("m", value, **more))[1]

    return judge


@pytest.mark.parametrize(
    ("better", "value", "verdict"),
    [
        ("lower", 0.6, "pass"),
        ("lower", 0.1, "pass"),
        ("lower", 0.7, "look"),
        ("lower", 0.9, "fail"),
        ("higher", 0.4, "pass"),
        ("higher", 0.9, "pass"),
        ("higher", 0.3, "look"),
        ("higher", 0.1, "fail"),
        ("near", 0.55, "pass"),
        ("near", 0.45, "pass"),
        ("near", 0.65, "look"),
        ("near", 0.95, "fail"),
        ("near", 0.05, "fail"),
    ],
)
def test_distance_from_what_is_ideal(judged, better, value, verdict):
    assert judged(better, 0.5, value) == verdict


def test_the_reference_comes_before_the_ideal(judged):
    assert judged("lower", 0.0, 0.5, reference=0.45) == "pass"
    assert judged("lower", 0.5, 0.5, reference=0.1) == "fail"
    assert judged("higher", None, 0.5, reference=0.5) == "pass"


def test_an_interval_that_reaches_what_passes_does_not_fail(judged):
    assert judged("lower", 0.0, 0.5, low=0.05, high=0.95) == "look"
    assert judged("lower", 0.0, 0.5, low=0.15, high=0.95) == "fail"
    assert judged("higher", 1.0, 0.5, low=0.1, high=0.95) == "look"
    assert judged("near", 0.0, 0.5, low=-0.1, high=1.1) == "look"
    assert judged("near", 0.0, -0.5, low=-0.9, high=-0.2) == "fail"


def test_without_bounds_or_target_a_number_only_informs(judged):
    assert judged("lower", 0.0, 0.5, good=None, poor=None) == "told"
    assert judged("lower", None, 0.5) == "told"
    assert judged("lower", 0.0, None) == "not computed"
    assert judged("lower", 0.0, float("nan")) == "not computed"


def test_metrics_become_rows():
    table = to_table([Metric("c2st_auroc", float("nan"), float("inf"), 0.9, n=7, note="a note"), Metric("mmd", 0.0)])
    assert table.schema == SCHEMA
    first = table.to_pylist()[0]
    assert first["family"] == "fidelity"
    assert (first["value"], first["low"], first["high"], first["n"]) == (None, None, 0.9, 7)
    assert (first["verdict"], first["note"], first["subject"], first["table_name"]) == (
        "not computed",
        "a note",
        "",
        "",
    )
    assert to_table([]).schema == SCHEMA


def test_a_metric_that_no_file_lists():
    with pytest.raises(KeyError, match="unheard_of"):
        to_table([Metric("unheard_of", 1.0)])
