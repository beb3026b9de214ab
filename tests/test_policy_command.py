"""``omopsql policy``, and --policy of fit and evaluate: what they write, what they say, and how they end."""

import html
import json
from pathlib import Path

import duckdb
import pytest
from commands import done, files, refused, rows, run

from omopsql.publish.policy import read_policy
from omopsql.sql_files import sql_folder


@pytest.fixture
def patients(learned_clinic: Path, folder: Path) -> Path:
    """Simulated patients in the working directory, in three parts."""
    patients = folder / "patients.csv"
    patients.write_bytes((learned_clinic / "patients.csv").read_bytes())
    for name, part in (("real", 0), ("holdout", 1), ("synthetic", 2)):
        duckdb.execute(f"COPY (FROM 'patients.csv' WHERE patient_id % 3 = {part}) TO '{name}.csv'")
    return patients


def test_init_writes_the_commented_default_and_replaces_nothing(folder):
    done("policy", "init", "-o", "ours.yaml")
    assert Path("ours.yaml").read_text() == sql_folder("publish").joinpath("policy.yaml").read_text()
    assert "ours.yaml is there already" in refused(1, "policy", "init", "-o", "ours.yaml")
    assert "must end in .yaml or .yml" in refused(2, "policy", "init", "-o", "ours.txt")


def test_check_explains_a_policy(folder):
    Path("p.yaml").write_text("policy: 1\ntitle: Ours\nlearn: {min_cell: 33}\nrelease: {attacks: {exact_copies: pass}}")
    told = done("policy", "check", "p.yaml").stdout
    assert "p.yaml (Ours) has sha256" in told
    assert "No number of a model is over fewer than 33 persons or rows." in told
    assert "All of a CDM may be learned." in told
    assert "The attack exact_copies must have been tried; its verdict must be pass." in told
    Path("p.yaml").write_text("policy: 1\nlearn: {mincell: 33}")
    assert refused(1, "policy", "check", "p.yaml").startswith(
        "p.yaml line 2: learn: there is no key 'mincell'; write min_cell"
    )


def test_check_tells_what_a_cdm_would_lose(demo_folder, folder):
    lost = "SELECT count(*) FROM '{}/cdm/{}.parquet'"
    deaths = duckdb.execute(lost.format(demo_folder, "death")).fetchall()[0][0]
    types = duckdb.execute(
        lost.format(demo_folder, "condition_occurrence") + " WHERE condition_concept_id = 201826"
    ).fetchall()
    Path("p.yaml").write_text(
        "policy: 1\nlearn: {cdm: {tables: {deny: [death]}, columns: {deny: [race_concept_id]}, "
        "concepts: {deny: [{concept: 201826, descendants: false}, 999999]}}}"
    )
    vocabulary = str(demo_folder / "vocabulary")
    told = done("policy", "check", "p.yaml", "--cdm", str(demo_folder / "cdm"), "--vocabulary", vocabulary).stdout
    assert f"death\n  The table is left out, with {deaths:,} rows." in told
    assert "person\n  These columns hold values that are left out: race_concept_id." in told
    assert f"condition_occurrence\n  Left out for their concept: {types[0][0]:,} rows." in told
    assert "It has no concept 999999: look whether the numbers are right." in told
    bare = done("policy", "check", "p.yaml", "--cdm", str(demo_folder / "cdm")).stdout
    assert "There is none, so only the concepts themselves are known" in bare
    Path("p.yaml").write_text("policy: 1")
    assert (
        "Nothing of this CDM is left out."
        in done("policy", "check", "p.yaml", "--cdm", str(demo_folder / "cdm")).stdout
    )


def test_check_tells_what_a_table_would_lose(patients):
    Path("p.yaml").write_text("policy: 1\nlearn: {table: {columns: {deny: [smoking, bmi]}}}")
    told = done("policy", "check", "p.yaml", "--source", "patients.csv").stdout
    assert "Left out, and NULL in synthetic rows: bmi, smoking." in told
    assert "Learned: patient_id, sex," in told


def test_fit_learns_under_a_policy_and_says_so(patients):
    Path("p.yaml").write_text("policy: 1\nlearn: {min_cell: 50, table: {columns: {deny: [smoking]}}}")
    told = done("fit", "patients.csv", "--policy", "p.yaml", "-o", "m.parquet").stderr
    sha256 = read_policy("p.yaml").sha256
    assert f"  under p.yaml, sha256 {sha256}; `omopsql policy check p.yaml` explains it" in told
    assert "  smoking: VARCHAR, not learned (the policy withholds it): comes back NULL" in told
    about = next(json.loads(row[3]) for row in rows("m.parquet") if row[0] == "model")
    assert (about["policy"], about["min_cell"]) == (sha256, 50)
    Path("p.yaml").write_text("policy: 1\nlearn: {table: {columns: {deny: [smokes]}}}")
    assert "has no column 'smokes'" in refused(1, "fit", "patients.csv", "--policy", "p.yaml", "-o", "n.parquet")
    assert "n.parquet" not in files(Path())


def test_evaluate_judges_by_a_policy(patients):
    for name, part in (("real", 0), ("synthetic", 1)):
        few = f"SELECT patient_id, sex, bmi FROM 'patients.csv' WHERE patient_id % 2 = {part} AND patient_id <= 240"
        duckdb.execute(f"COPY ({few}) TO '{name}.csv'")
    both = ("evaluate", "real.csv", "synthetic.csv", "--person", "patient_id", "--policy", "p.yaml")
    Path("p.yaml").write_text("policy: 1\nrelease: {metrics: {ks_distance: {at_most: 0.9}}}")
    assert "policy: met, as far as an evaluation can tell" in done(*both, "-o", "report").stdout
    told = json.loads(Path("report/evaluation.json").read_text())
    assert told["policy"] == {"sha256": read_policy("p.yaml").sha256, "unmet": []}
    assert "Met, as far as an evaluation can tell." in Path("report/index.html").read_text()
    Path("p.yaml").write_text(
        "policy: 1\nrelease: {persons: 9999, metrics: {ks_distance: {at_most: 0.000001}, tstr_auroc: look}}"
    )
    result = run(*both, "--fail-on", "no", "-o", "report")
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: the policy is not met for 2 reasons (--fail-on no)\n")
    assert "policy: not met" in result.stdout
    unmet = json.loads(Path("report/evaluation.json").read_text())["policy"]["unmet"]
    assert [one.split(" ", 1)[0] for one in unmet] == ["ks_distance", "tstr_auroc"]
    assert all(f"  {one}" in result.stdout for one in unmet)
    assert all(html.escape(one) in Path("report/index.html").read_text() for one in unmet)
    assert run(*both).exit_code == 0, "without --fail-on it is told, and no more"


def test_a_policy_that_is_wrong_stops_evaluation_before_any_work(patients):
    Path("p.yaml").write_text("policy: 1\nrelease: {metrics: {ks: pass}}")
    told = refused(1, "evaluate", "real.csv", "synthetic.csv", "--policy", "p.yaml", "-o", "report")
    assert told == "p.yaml line 2: release.metrics.ks: there is no metric 'ks'; write ks_distance"
    assert "report" not in files(Path())
