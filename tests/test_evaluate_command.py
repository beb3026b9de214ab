"""``omopsql evaluate`` as it is typed."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from omopsql.cli import main


def _table(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    weight = rng.normal(70, 10, rows)
    return pa.table(
        {"weight": weight, "height": weight / 2 + rng.normal(135, 5, rows), "ward": rng.integers(0, 4, rows)}
    )


@pytest.fixture
def files(folder):
    for seed, name in enumerate(("real", "synthetic", "holdout")):
        pq.write_table(_table(400, seed), f"{name}.parquet")
    return folder


def _run(*words):
    return CliRunner().invoke(main, ["evaluate", *words])


def test_the_headlines_the_advice_and_the_report(files):
    result = _run("real.parquet", "synthetic.parquet", "--holdout", "holdout.parquet", "-o", "report")
    assert result.exit_code == 0, result.output
    assert "ks_distance" in result.output and "care: " in result.output
    told = json.loads((files / "report/evaluation.json").read_text())
    assert told["asked"]["holdout"] == "holdout.parquet"
    assert (files / "report/index.html").stat().st_size > 10_000
    again = _run("real.parquet", "synthetic.parquet", "-o", "report")
    assert again.exit_code == 0, again.output
    assert json.loads((files / "report/evaluation.json").read_text())["asked"]["holdout"] is None


def test_copies_fail_where_it_is_asked_for(files):
    result = _run("real.parquet", "real.parquet", "--holdout", "holdout.parquet", "--fail-on", "no")
    assert result.exit_code == 1
    assert "attack learns something" in result.output
    assert "the advice is no (--fail-on no)" in result.output


def test_mistakes_are_told_in_a_line_and_leave_nothing(files):
    (files / "full").mkdir()
    (files / "full/letter.txt").write_text("mine")
    for words, code, told in (
        (("real.parquet", "none.parquet", "-o", "report"), 1, "none.parquet"),
        (("real.parquet", "synthetic.parquet", "-o", "full"), 2, "holds other files"),
        (("real.parquet", "synthetic.parquet", "-o", "real.parquet"), 2, "is a file"),
        (("real.parquet", "synthetic.parquet", "--by", "sex", "-o", "report"), 1, "sex"),
        (("real.parquet", "synthetic.parquet", "--outcome", "death = 1"), 1, "death"),
    ):
        result = _run(*words)
        assert result.exit_code == code, (words, result.output)
        assert told in result.output
        assert "Traceback" not in result.output
    assert sorted(path.name for path in files.iterdir()) == [
        "full",
        "holdout.parquet",
        "real.parquet",
        "synthetic.parquet",
    ]
    assert (files / "full/letter.txt").read_text() == "mine"
