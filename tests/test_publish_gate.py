"""The gate: every reason against a release is told at once, and what is forced is on record."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import published
import pytest

from omopsql.publish import keys
from omopsql.publish.gate import RefusedError
from omopsql.publish.release import Asked, publish

NOW = published.NOW

for _library in ("cryptography", "rdflib", "pyshacl", "yaml"):
    pytest.importorskip(_library)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return keys.make_private(tmp_path_factory.mktemp("key") / "key.pem")


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    synthetic = published.write_cdm(tmp_path / "synthetic")
    return Asked(
        synthetic=synthetic,
        output=tmp_path / "release",
        metadata=published.write_about(tmp_path / "about.yaml"),
        evaluation=published.write_evaluation(tmp_path / "report", synthetic),
    )


def _refused(con, asked, key, now=NOW) -> tuple[str, ...]:
    with pytest.raises(RefusedError) as refused:
        publish(con, asked, key, now=now)
    assert not asked.output.exists()
    assert all(reason in str(refused.value) for reason in refused.value.reasons)
    return refused.value.reasons


def test_sound_data_pass(con, asked, key):
    publish(con, asked, key, now=NOW)
    publish(con, asked, key, now=NOW + timedelta(days=365))


def test_a_missing_evaluation(con, asked, key):
    (reason,) = _refused(con, replace(asked, evaluation=None), key)
    assert "there is no evaluation" in reason


def test_an_evaluation_of_this_very_second(con, asked, key, tmp_path):
    evaluation = published.write_evaluation(tmp_path / "now", asked.synthetic, NOW + timedelta(microseconds=999_999))
    publish(con, replace(asked, evaluation=evaluation), key, now=NOW)


def test_an_expired_evaluation_and_one_from_the_future(con, asked, key):
    (reason,) = _refused(con, asked, key, NOW + timedelta(days=366))
    assert "expired: it is 366 days old, and 365 are allowed" in reason
    (reason,) = _refused(con, asked, key, NOW - timedelta(days=1))
    assert "lies in the future" in reason


def test_a_foreign_evaluation(con, asked, key, tmp_path):
    other = published.write_table(tmp_path / "other.parquet")
    foreign = published.write_evaluation(tmp_path / "foreign", other)
    (reason,) = _refused(con, replace(asked, evaluation=foreign), key)
    assert "foreign: it judged other bytes than those of cdm_source.parquet" in reason
    unbound = published.write_evaluation(tmp_path / "unbound", other, judged={"files": []})
    (reason,) = _refused(con, replace(asked, evaluation=unbound), key)
    assert "does not say which files it judged" in reason


def test_one_file_that_was_not_judged_suffices(con, asked, key, tmp_path):
    told = json.loads((asked.evaluation / "evaluation.json").read_text())
    told["judged"]["files"] = [one for one in told["judged"]["files"] if one["path"] != "person.parquet"]
    (asked.evaluation / "evaluation.json").write_text(json.dumps(told))
    (reason,) = _refused(con, asked, key)
    assert "other bytes than those of person.parquet;" in reason


def test_data_that_changed_since_they_were_made(con, asked, key, tmp_path):
    published.write_table(asked.synthetic / "person.parquet", generation=published.MADE_CDM)
    published.write_table(asked.synthetic / "death.parquet", generation=published.MADE_CDM)
    (asked.synthetic / "cdm_source.parquet").unlink()
    report = published.write_evaluation(tmp_path / "second", asked.synthetic)
    reasons = _refused(con, replace(asked, evaluation=report), key)
    assert [reason.split(";")[0] for reason in reasons] == [
        "person.parquet: changed since omopsql synthesize wrote it",
        "death.parquet: not a file that omopsql synthesize wrote",
        "cdm_source.parquet: missing, and omopsql synthesize wrote it",
    ]


def test_files_of_different_models(con, asked, key, tmp_path):
    (asked.synthetic / "_synthesis/manifest.json").unlink()
    published.write_table(asked.synthetic / "death.parquet", generation=replace(published.MADE_CDM, seed=1))
    published.write_table(asked.synthetic / "note.parquet", generation=None)
    report = published.write_evaluation(tmp_path / "second", asked.synthetic)
    reasons = _refused(con, replace(asked, evaluation=report), key)
    assert [reason.split(":")[0].rsplit(" ", 3)[-1] for reason in reasons] == ["synthetic", "seeds"]


@pytest.mark.parametrize("rule", ["attack_succeeded", "too_few_persons", "told_apart", "analysis_differs"])
def test_advice_not_to_use_the_data(con, asked, key, tmp_path, rule):
    report = published.write_evaluation(tmp_path / "second", asked.synthetic, advice=(rule, "few_persons"))
    (reason,) = _refused(con, replace(asked, evaluation=report), key)
    assert reason.startswith("the advice is no: ")
    assert reason.endswith("(seen)")


def test_too_few_persons_learned(con, key, tmp_path):
    few = replace(published.MADE, learned=99)
    synthetic = published.write_table(tmp_path / "few.parquet", generation=few)
    asked = Asked(
        synthetic,
        tmp_path / "release",
        published.write_about(tmp_path / "about.yaml"),
        evaluation=published.write_evaluation(tmp_path / "report", synthetic),
    )
    (reason,) = _refused(con, asked, key)
    assert "learned from 99 rows" in reason


def test_another_model_than_the_one_that_made_the_data(con, asked, key, tmp_path):
    about = json.dumps({"format": 1, "omopsql": "0.1.0", "method": "copula", "min_cell": 10})
    con.execute(
        "COPY (SELECT 'model' AS statistic, []::VARCHAR[] AS columns, []::BIGINT[] AS cells, "
        f"'{about}' AS value, 5000::BIGINT AS n) TO '{tmp_path}/model.parquet'"
    )
    (reason,) = _refused(con, replace(asked, model=str(tmp_path / "model.parquet")), key)
    assert "is not the one that made the data (abababababab)" in reason


def test_fatal_checks(con, asked, key, tmp_path):
    quality = published.write_quality(tmp_path / "quality.json", table_death="fatal", unit_share="characterization")
    (reason,) = _refused(con, replace(asked, quality=quality), key)
    assert reason.startswith("the check table_death failed, and is fatal")


def test_noise_without_its_ledger(con, asked, key, tmp_path):
    synthetic = published.write_table(tmp_path / "noisy.parquet", generation=replace(published.MADE, epsilon=1.0))
    report = published.write_evaluation(tmp_path / "second", synthetic)
    noisy = replace(asked, synthetic=synthetic, evaluation=report)
    (reason,) = _refused(con, noisy, key)
    assert "its ledger is missing" in reason
    (tmp_path / "ledger.csv").write_text("release,rho\n")
    done = publish(con, replace(noisy, ledger=tmp_path / "ledger.csv"), key, now=NOW)
    assert (asked.output / "evidence/ledger.csv").is_file()
    assert done.facts.generation.epsilon == 1.0


@dataclass(frozen=True)
class _Policy:
    sha256: str
    release: SimpleNamespace

    def unmet(self, rows, advice, facts, evaluated_at, now, *, checks, approved_by, purposes):
        assert [row["metric"] for row in rows] == ["ks_distance"]
        assert (facts.persons, evaluated_at, now) == (2, NOW, NOW + timedelta(days=20))
        return [f"{len(advice)} pieces of advice, approved by {', '.join(approved_by)}"]


def test_what_a_policy_asks_for(con, asked, key, tmp_path, monkeypatch):
    report = published.write_evaluation(tmp_path / "second", asked.synthetic, advice=("told_apart",))
    policy = tmp_path / "policy.yaml"
    policy.write_text("title: Ours\n")
    release = SimpleNamespace(days=10, advice="no", failed_checks=None)
    monkeypatch.setattr("omopsql.publish.release.read_policy", lambda path: _Policy("ef" * 32, release))
    held = replace(asked, evaluation=report, policy=policy, approved_by=("Dr. Grey",))
    assert _refused(con, held, key, NOW + timedelta(days=20)) == (
        "the evaluation is expired: it is 20 days old, and 10 are allowed",
        "1 pieces of advice, approved by Dr. Grey",
    )
    publish(con, replace(held, force="A drill"), key, now=NOW + timedelta(days=20))
    told = json.loads((asked.output / "manifest.json").read_bytes())
    assert told["policy"] == {"sha256": "ef" * 32}
    assert told["decision"]["approved_by"] == ["Dr. Grey"]
    assert (asked.output / "evidence/policy.yaml").read_text() == "title: Ours\n"


def test_what_is_forced_is_on_record(con, asked, key):
    done = publish(con, replace(asked, evaluation=None, force="For teaching only"), key, now=NOW)
    assert (len(done.reasons), done.edition.forced) == (1, "For teaching only")
    release = asked.output
    decision = json.loads((release / "manifest.json").read_bytes())["decision"]
    assert (decision["verdict"], decision["force"], decision["reasons"]) == (
        "forced",
        "For teaching only",
        list(done.reasons),
    )
    assert json.loads((release / "history.json").read_bytes())[0]["forced"] == "For teaching only"
    for name in ("README.md", "records/croissant.json"):
        assert "For teaching only" in (release / name).read_text()
    assert "No attack was tried" in (release / "evidence/model-card.md").read_text()


def test_what_needs_no_force_is_not_forced(con, asked, key):
    done = publish(con, replace(asked, force="To be sure"), key, now=NOW)
    assert done.edition.forced is None
    assert json.loads((asked.output / "manifest.json").read_bytes())["decision"]["verdict"] == "published"
