"""A release: what stands in it, that one changed byte is found, its history, and that it is complete or not there."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import published
import pytest

from omopsql import OmopsqlError
from omopsql.publish import keys, manifest
from omopsql.publish.marking import copy_marked, marks
from omopsql.publish.release import Asked, publish, retract
from omopsql.publish.verify import verify

NOW = published.NOW
PUBLIC = "public-key.pem"

for _library in ("cryptography", "rdflib", "pyshacl", "yaml"):
    pytest.importorskip(_library)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return keys.make_private(tmp_path_factory.mktemp("key") / "key.pem")


@pytest.fixture
def flat(tmp_path: Path) -> Asked:
    """A flat table with all that a release of it needs."""
    synthetic = published.write_table(tmp_path / "patients.parquet")
    return Asked(
        synthetic=synthetic,
        output=tmp_path / "release",
        metadata=published.write_about(tmp_path / "about.yaml"),
        evaluation=published.write_evaluation(tmp_path / "report", synthetic),
    )


@pytest.fixture
def hospital(tmp_path: Path) -> Asked:
    """A CDM with all that a release of it needs, a vocabulary too."""
    synthetic = published.write_cdm(tmp_path / "synthetic")
    return Asked(
        synthetic=synthetic,
        output=tmp_path / "release",
        metadata=published.write_about(tmp_path / "about.yaml"),
        evaluation=published.write_evaluation(tmp_path / "report", synthetic),
        quality=published.write_quality(tmp_path / "quality.json"),
        vocabulary=str(published.write_vocabulary(tmp_path / "vocabulary")),
    )


def test_a_release_of_a_table(con, flat, key):
    done = publish(con, flat, key, now=NOW)
    release = flat.output
    assert done.reasons == ()
    assert (done.edition.version, done.edition.replaces, done.edition.forced) == ("1", None, None)
    told = json.loads((release / "manifest.json").read_bytes())
    assert told["decision"] == {"approved_by": [], "force": None, "reasons": [], "verdict": "published"}
    assert told["published"] == "2026-11-22T12:00:00+00:00"
    assert told["model"]["sha256"] == published.MADE.model_sha256
    assert {one["path"]: one["sha256"] for one in told["files"]} == {
        path: digest
        for path, digest in published.contents(release).items()
        if path not in ("manifest.json", "manifest.sig")
    }
    (table,) = done.facts.tables
    assert (table.name, table.rows, done.facts.persons, done.facts.standard) == ("patients", 300, None, None)
    assert [(c.name, c.type, c.nulls) for c in table.columns] == [
        ("patient_id", "BIGINT", 0),
        ("weight", "DOUBLE", 0),
        ("ward", "VARCHAR", 60),
    ]
    assert "| `ward` | VARCHAR | 80.0% |" in (release / "dictionary/patients.md").read_text()
    assert "| fidelity | ks_distance | 0.04 | 0.05 | pass |" in (release / "evidence/model-card.md").read_text()
    assert (release / "evidence/evaluation/index.html").is_file()
    assert verify(release).faults == ()


def test_a_release_of_a_cdm(con, hospital, key):
    facts = publish(con, hospital, key, now=NOW).facts
    assert (facts.persons, facts.youngest, facts.oldest, facts.standard) == (2, 30, 60, "OMOP-CDM 5.4")
    assert (str(facts.first_day), str(facts.last_day)) == ("2010-01-01", "2020-01-02")
    assert [(c.concept_id, c.code, c.persons) for c in facts.codes] == [
        (3004410, "4548-4", 2),
        (201826, "44054006", 1),
    ]
    systems = {one.vocabulary_id: one for one in facts.coding_systems}
    assert systems["SNOMED"].name == "Systematic Nomenclature of Medicine"
    assert systems["LOINC"].uri == "http://loinc.org"
    assert set(systems) == {"SNOMED", "LOINC", "Gender"}
    tables = {table.name: table for table in facts.tables}
    assert [file.path for file in tables["measurement"].files] == [
        "data/measurement/part-0001.parquet",
        "data/measurement/part-0002.parquet",
    ]
    assert [column.nulls for column in tables["measurement"].columns] == [0, 0, 0, 1]
    data = {path for path in published.contents(hospital.output) if path.startswith("data/")}
    assert len(data) == 6
    assert not any("_synthesis" in path for path in data)
    assert verify(hospital.output).is_sound


def test_persons_are_counted_run_by_run(con, hospital, key, monkeypatch):
    whole = publish(con, hospital, key, now=NOW).facts
    monkeypatch.setattr("omopsql.publish.describe.PERSONS_AT_A_TIME", 1)
    again = publish(con, replace(hospital, output=hospital.output.with_name("again")), key, now=NOW).facts
    assert again == whole
    assert len(whole.codes) == 2


def test_without_a_vocabulary_there_are_no_codes(con, hospital, key):
    facts = publish(con, replace(hospital, vocabulary=None), key, now=NOW).facts
    assert (facts.codes, facts.coding_systems, facts.persons) == ((), (), 2)


def test_a_vocabulary_beside_the_data_is_read_and_not_released(con, hospital, key, tmp_path):
    for file in (tmp_path / "vocabulary").iterdir():
        target = hospital.synthetic / f"{file.stem}.parquet"
        duckdb.execute(f"COPY (FROM read_csv('{file}')) TO '{target}'")
    facts = publish(con, replace(hospital, vocabulary=None), key, now=NOW).facts
    assert len(facts.codes) == 2
    assert not (hospital.output / "data/concept.parquet").exists()


@pytest.mark.parametrize("place", [0, 0.5, 1], ids=["first", "middle", "last"])
def test_one_flipped_byte_in_any_file_is_found(con, hospital, key, place):
    publish(con, hospital, key, now=NOW)
    publish(con, hospital, key, now=NOW + timedelta(days=1))
    release = hospital.output
    paths = [path for path in sorted(release.rglob("*")) if path.is_file()]
    assert len(paths) > 30
    for path in paths:
        content = bytearray(path.read_bytes())
        position = int(place * (len(content) - 1))
        for mask in (1, 0x20, 0x80):
            content[position] ^= mask
            path.write_bytes(content)
            found = verify(release)
            assert not found.is_sound, (path, position, mask)
            named = {fault.path for fault in found.faults}
            expected = path.relative_to(release).as_posix()
            assert named & {expected, "manifest.json" if expected == "manifest.sig" else expected}
            content[position] ^= mask
        path.write_bytes(content)
    assert verify(release).is_sound


def test_files_that_are_missing_or_added_are_named(con, flat, key):
    publish(con, flat, key, now=NOW)
    (flat.output / "data/patients.parquet").rename(flat.output / "data/others.parquet")
    assert {(fault.path, fault.what) for fault in verify(flat.output).faults} == {
        ("data/patients.parquet", "missing"),
        ("data/others.parquet", "added"),
    }
    rows = con.execute(
        "SELECT path, verdict FROM omopsql.release_files(?) WHERE verdict <> 'ok'", [str(flat.output)]
    ).fetchall()
    assert rows == [("data/others.parquet", "added"), ("data/patients.parquet", "missing")]
    faults = con.execute("SELECT what FROM omopsql.verify_release(?) ORDER BY what", [str(flat.output)]).fetchall()
    assert faults == [("added",), ("missing",)]


@pytest.mark.parametrize("name", ["manifest.sig", PUBLIC])
def test_a_release_without_signature_or_key_is_not_sound(con, flat, key, name):
    publish(con, flat, key, now=NOW)
    (flat.output / name).unlink()
    assert name in {fault.path for fault in verify(flat.output).faults}


def test_who_signed_is_told_by_the_publishers_key_only(con, flat, key, tmp_path):
    publish(con, flat, key, now=NOW)
    published_key, stranger = tmp_path / "ours.pem", tmp_path / "other.pem"
    published_key.write_bytes(keys.public_pem(key))
    other = keys.make_private(tmp_path / "private.pem")
    stranger.write_bytes(keys.public_pem(other))
    assert verify(flat.output, published_key).is_sound
    assert ["not that of" in fault.words for fault in verify(flat.output, stranger).faults] == [True]
    _sign_again(flat.output, other)  # whoever signs a release again makes it sound, but not ours
    assert verify(flat.output).is_sound
    assert not verify(flat.output, published_key).is_sound


def _sign_again(release: Path, key, **changed) -> None:
    """Write a manifest of what stands there, and sign it, as a forger would."""
    (release / PUBLIC).write_bytes(keys.public_pem(key))
    told = manifest.read(release) | changed
    listed = published.contents(release)
    told["files"] = [
        {"path": path, "bytes": (release / path).stat().st_size, "sha256": digest}
        for path, digest in sorted(listed.items())
        if path not in ("manifest.json", "manifest.sig")
    ]
    content = manifest.written(told)
    (release / "manifest.json").write_bytes(content)
    (release / "manifest.sig").write_bytes(keys.sign(key, content))


def test_marks_and_records_must_agree_with_the_manifest(con, flat, key):
    publish(con, flat, key, now=NOW)
    model = manifest.read(flat.output)["model"]
    _sign_again(flat.output, key, model=model | {"seed": 7})
    assert ["omopsql.seed" in fault.words for fault in verify(flat.output).faults] == [True]
    published.write_table(flat.output / "data/patients.parquet", rows=299)
    _sign_again(flat.output, key, model=model)
    assert {fault.path for fault in verify(flat.output).faults} >= {"records/croissant.json"}


def test_published_again_it_is_the_next_version(con, flat, key):
    publish(con, flat, key, now=NOW)
    first = (flat.output / "manifest.json").read_bytes()
    second = publish(con, replace(flat, keeps_data=True), key, now=NOW + timedelta(days=1))
    assert (second.edition.version, second.edition.replaces) == ("2", "1")
    third = publish(con, replace(flat, version="3.1"), key, now=NOW + timedelta(days=2))
    assert third.edition.replaces == "2"
    release = flat.output
    assert (release / "versions/1/manifest.json").read_bytes() == first
    assert (release / "versions/1/records/croissant.json").is_file()
    assert (release / "versions/1/data/patients.parquet").is_file()
    assert not (release / "versions/2/data").exists()
    history = json.loads((release / "history.json").read_bytes())
    assert [(one["version"], one["manifest"] is None) for one in history] == [
        ("1", False),
        ("2", False),
        ("3.1", True),
    ]
    assert verify(release).is_sound
    assert publish(con, flat, key, now=NOW + timedelta(days=3)).edition.version == "4"
    for version, told in (("2", "version 2 of .* is published already"), ("../x", "must name a folder")):
        with pytest.raises(OmopsqlError, match=told):
            publish(con, replace(flat, version=version), key, now=NOW)
    assert verify(release).is_sound


def test_another_data_set_needs_a_folder_of_its_own(con, flat, key):
    publish(con, flat, key, now=NOW)
    before = published.contents(flat.output)
    flat.metadata.write_text(published.ABOUT.replace("data/clinic", "data/other"))
    with pytest.raises(OmopsqlError, match=r"holds a release of https://hospital\.example/data/clinic"):
        publish(con, flat, key, now=NOW)
    assert published.contents(flat.output) == before


def test_a_retraction_leaves_a_tombstone(con, flat, key):
    publish(con, flat, key, now=NOW)
    edition = retract(con, flat.output, "A coding error", key, now=NOW + timedelta(days=1))
    assert edition.retracted == "A coding error"
    release = flat.output
    assert not (release / "data").exists()
    assert "A coding error" in (release / "README.md").read_text()
    told = manifest.read(release)
    assert (told["decision"]["verdict"], told["decision"]["reasons"], told["model"]) == (
        "retracted",
        ["A coding error"],
        None,
    )
    (entry,) = json.loads((release / "history.json").read_bytes())
    assert (entry["retracted"], entry["version"]) == ("A coding error", "1")
    assert (release / "versions/1/manifest.json").is_file()
    assert not (release / "versions/1/data").exists()
    assert verify(release).is_sound
    with pytest.raises(OmopsqlError, match="was retracted before"):
        retract(con, release, "again", key)
    assert publish(con, flat, key, now=NOW + timedelta(days=2)).edition.version == "2"
    assert verify(release).is_sound
    assert json.loads((release / "history.json").read_bytes())[0]["retracted"] == "A coding error"
    (release / "data/more.parquet").write_bytes(b"")
    assert not verify(release).is_sound


def test_what_fails_leaves_everything_as_it_was(con, flat, key, monkeypatch, tmp_path):
    publish(con, flat, key, now=NOW)
    before = published.contents(tmp_path)
    for place in ("omopsql.publish.records.write", "omopsql.publish.manifest.keys.sign"):
        with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
            broken.setattr(place, _interrupt)
            publish(con, flat, key, now=NOW)
        assert published.contents(tmp_path) == before
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr("omopsql.publish.manifest.keys.sign", _interrupt)
        retract(con, flat.output, "reason", key)
    assert published.contents(tmp_path) == before


def _interrupt(*_):
    raise KeyboardInterrupt


def test_foreign_folders_and_inputs_are_not_replaced(con, flat, key, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/manifest.json").write_text("{}")
    before = published.contents(tmp_path)
    for changed, told in (
        ({"output": tmp_path / "mine"}, "holds something that is no release"),
        ({"output": tmp_path}, "lies in"),
        ({"output": tmp_path / "report"}, "lies in"),
        ({"output": flat.synthetic}, "lies in|is a file|holds something"),
    ):
        with pytest.raises(OmopsqlError, match=told):
            publish(con, replace(flat, **changed), key, now=NOW)
    assert published.contents(tmp_path) == before


def test_equal_data_are_equal_bytes(con, flat, key):
    publish(con, flat, key, now=NOW)
    publish(con, replace(flat, output=flat.output.with_name("second")), key, now=NOW)
    first, second = published.contents(flat.output), published.contents(flat.output.with_name("second"))
    assert first == second


def test_columns_without_statistics_are_counted(con, flat, key, tmp_path):
    plain = tmp_path / "plain"
    duckdb.execute(
        f"COPY (SELECT [i] AS listed, CASE WHEN i < 3 THEN {{'x': i}} END AS struct FROM range(10) AS r (i)) "
        f"TO '{plain}' (FORMAT parquet)"
    )
    copy_marked(plain, flat.synthetic, marks(published.MADE))
    report = published.write_evaluation(tmp_path / "second_report", flat.synthetic)
    (table,) = publish(con, replace(flat, evaluation=report), key, now=NOW).facts.tables
    assert [column.nulls for column in table.columns] == [0, 7]
