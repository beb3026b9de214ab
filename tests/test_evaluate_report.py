"""The page of an evaluation, its plots, and the advice that follows from the numbers."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omopsql.evaluate import run
from omopsql.evaluate.advice import of_report
from omopsql.evaluate.advice.rules import Advice, by_rule, worst, worst_first
from omopsql.evaluate.metric import Metric, to_table
from omopsql.evaluate.report import drawing
from omopsql.evaluate.report.margins import LEAST, shares
from omopsql.evaluate.sides import open_sides


def _patients(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    age = np.round(rng.normal(60, 12, rows))
    return pa.table(
        {
            "patient_no": np.arange(rows) + 10_000 * seed,
            "age": age,
            "sex": np.where(rng.random(rows) < 0.5, "F", "M"),
            "diabetes": (rng.random(rows) < 1 / (1 + np.exp((62 - age) / 6))).astype(np.int64),
            "days": rng.exponential(900, rows).round() + 1,
            "site": np.where(rng.random(rows) < 0.003, "rare <b>", "main"),
        }
    )


@pytest.fixture
def sources(tmp_path: Path) -> tuple[str, str, str]:
    paths = []
    for seed, name in enumerate(("real", "synthetic", "holdout"), 1):
        paths.append(str(tmp_path / f"{name}.parquet"))
        pq.write_table(_patients(900, seed), paths[-1])
    return paths[0], paths[1], paths[2]


class _Tags(HTMLParser):
    """The tags of a page that are open, and whether each was closed in its turn."""

    VOID = frozenset({"meta", "br", "path", "rect", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def _read(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


# Advice


def _row(metric: str, value: float | None, **told) -> pa.Table:
    return to_table([Metric(metric, value, n=5000, **told)])


FOUND = [
    (_row("exact_copies", 0.02, low=0.01, high=0.03, reference=0.0), "attack_succeeded", "no"),
    (_row("exact_copies", None, note="needs a holdout"), "attack_not_tried", "care"),
    (_row("exact_copies", 0.0, low=0.0, high=0.0001, reference=0.0), "no_utility", "care"),
    (_row("c2st_auroc", 0.99, low=0.98, high=1.0, reference=0.5), "told_apart", "no"),
    (_row("ks_distance", 0.5, low=0.45, high=0.55, reference=0.01), "unlike_real", "care"),
    (_row("ks_distance", 0.5, low=0.45, high=0.55, reference=0.01, subject="age"), "unlike_real", "care"),
    (_row("interval_overlap", 0.1, low=0.0, high=0.2, reference=0.9), "analysis_differs", "no"),
    (_row("tstr_auroc", 0.5, low=0.45, high=0.55, reference=0.8), "prediction_differs", "care"),
    (_row("auroc_gap", 0.5, low=0.4, high=0.6, reference=0.02), "subgroup_differs", "care"),
]


@pytest.mark.parametrize(("report", "rule", "level"), FOUND)
def test_each_rule_follows_from_its_number(report, rule, level):
    found = {one.rule: one for one in of_report.advice(report)}
    assert found[rule].advice == level
    assert found[rule].words


def test_good_numbers_bring_no_objection():
    rows = pa.concat_tables(
        [
            _row("ks_distance", 0.01, low=0.0, high=0.02, reference=0.01),
            _row("exact_copies", 0.0, low=0.0, high=0.0, reference=0.0),
            _row("tstr_auroc", 0.8, low=0.78, high=0.82, reference=0.8),
        ]
    )
    advice = worst_first(of_report.advice(rows))
    assert [one.rule for one in advice] == ["no_objection"]
    assert worst(advice) == "yes"


def test_few_rows_are_named():
    few = to_table([Metric("ks_distance", 0.0, n=20)])
    assert "too_few_persons" in {one.rule for one in of_report.advice(few)}
    assert "20 persons" in next(one.evidence for one in of_report.advice(few) if one.rule == "too_few_persons")


def test_the_worst_advice_comes_first_and_rules_stand_together():
    found = [
        Advice("few_persons"),
        Advice("attack_succeeded", "a"),
        Advice("few_persons"),
        Advice("attack_succeeded", "b"),
    ]
    ordered = worst_first(found)
    assert [one.advice for one in ordered] == ["no", "no", "care", "care"]
    assert [[one.subject for one in rule] for rule in by_rule(ordered)] == [["a", "b"], ["", ""]]


def test_advice_on_a_model_and_on_a_report(con, sources):
    con.execute(f"CREATE TABLE m AS FROM omopsql.copula_fit('{sources[0]}', method := 'independent')")
    rules = dict(con.execute("SELECT rule, advice FROM omopsql.advise('m')").fetchall())
    assert rules["no_association"] == "no"
    assert rules["without_noise"] == "told"
    assert rules["few_persons"] == "care"
    con.register("rows", _row("exact_copies", 0.5, low=0.4, high=0.6, reference=0.0))
    con.execute("CREATE TABLE report AS FROM rows")
    assert con.execute("SELECT rule FROM omopsql.advise('report') LIMIT 1").fetchall() == [("attack_succeeded",)]
    with pytest.raises(Exception, match=r"neither a model nor an evaluation"):
        con.execute(f"FROM omopsql.advise('{sources[0]}')")


# Plots


def test_no_bar_stands_for_fewer_than_ten_real_rows(con, sources):
    found = {one.column: one for one in shares(open_sides(con, *sources, without=["patient_no"]))}
    assert set(found) == {"age", "sex", "diabetes", "days", "site"}
    for one in found.values():
        assert len(one.bins) == len(one.real) == len(one.synthetic)
        assert sum(one.real) == pytest.approx(1.0, abs=LEAST / 900)
        assert all(share * 900 >= LEAST - 1e-9 for share in one.real)
    assert found["site"].bins == ["main"]
    assert found["diabetes"].bins == ["0", "1"]


def test_bars_are_as_high_as_their_shares():
    drawn = drawing.histogram("a", ["x", "y"], [0.25, 0.5], [0.5, 0.25])
    heights = [float(height) for height in re.findall(r'class="real"[^>]* height="([0-9.]+)"', drawn)]
    assert heights[0] == pytest.approx(heights[1] / 2, abs=0.1)


def test_curves_of_steps_stay_level_until_they_fall():
    points = [(0.0, 1.0), (1.0, 0.5)]
    assert re.search(r'd="M[0-9.]+ [0-9.]+H[0-9.]+V[0-9.]+"', drawing.curves("s", points, points, "x", "y", steps=True))


@pytest.mark.parametrize("numbers", [[0.0], [1e300, -1e300], [0.5, 0.5], [1e-300]])
def test_any_number_can_be_drawn(numbers):
    rows = [drawing.Interval("<a>", number, None, None, None, "pass") for number in numbers]
    page = drawing.intervals("t", rows, "x") + drawing.scatter("s", [(n, n) for n in numbers], "x", "y")
    assert "nan" not in page.lower() and "<a>" not in page
    _read(page)


# The whole


def test_a_report_is_written_whole(con, sources, tmp_path):
    real, synthetic, holdout = sources
    questions = {"outcome": "diabetes = 1", "follow_up": "days", "by": ("sex",), "cohorts": {"old": "age > 70"}}
    asked = run.Asked(real, synthetic, holdout, "patient_no", **questions)
    folder = tmp_path / "report"
    folder.mkdir()
    steps: list[str] = []
    evaluated = run.evaluate(con, asked, steps.append)
    run.write(con, asked, evaluated, folder, steps.append)
    assert sorted(path.name for path in folder.iterdir()) == sorted(run.FILES)
    assert "cox_interval_overlap" in evaluated.rows["metric"].to_pylist()
    assert set(evaluated.rows["family"].to_pylist()) == {"fidelity", "utility", "privacy", "fairness"}
    told = json.loads((folder / run.ADVICE).read_text())
    assert len(told["metrics"]) == evaluated.rows.num_rows == pq.read_metadata(folder / run.METRICS).num_rows
    assert told["asked"]["outcome"] == "diabetes = 1"
    assert steps[0] == "Comparing" and steps[-1] == "Drawing"
    page = (folder / run.PAGE).read_text()
    tags = _read(page)
    assert not [tag for tag, attrs in tags.seen if tag in ("script", "link", "img") or "src" in attrs]
    assert sum(tag == "figure" for tag, _ in tags.seen) >= 6
    assert all(attrs.get("aria-label") for tag, attrs in tags.seen if tag == "svg")
    assert "<b>" not in page
    con.execute(f"SELECT count(*) FROM omopsql.advise('{folder / run.METRICS}')").fetchall()


def test_values_become_sql_only_quoted():
    asked = run.Asked("a'b", "s", outcome="x = 'y'", cohorts={'o"d': "age > 1"}, by=("co'l",))
    told = dict(run.calls(asked))
    assert told["Comparing"] == "FROM omopsql.fidelity('a''b', 's', seed := 0)"
    assert "outcome := 'x = ''y'''" in told["Learning from synthetic data"]
    assert """cohorts := {"o""d": 'age > 1'}""" in told["Learning from synthetic data"]
    assert told["Comparing by co'l"].startswith("FROM omopsql.fairness('a''b', 's', 'co''l'")
