"""A whole hospital on the command line: fit, merge and synthesize, what they write and what they say."""

import contextlib
import hashlib
import json
from pathlib import Path

import duckdb
import pytest
from commands import done, files, refused

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm_source import cdm_relations
from omopsql.synth.hospital import write
from omopsql.synth.hospital.write import EVIDENCE, synthesize


@pytest.fixture(scope="session")
def hospital(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model of the demonstration's CDM, and its exact margins."""
    place = tmp_path_factory.mktemp("hospital")
    cdm = str(demo_folder / "cdm")
    done("fit", cdm, "-o", str(place / "m.parquet"))
    done("fit", cdm, "-o", str(place / "g.parquet"), "--for-merge", "--margins-only")
    return place


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches so small that a hundred persons are several."""
    monkeypatch.setattr(write, "_ROWS_A_BATCH", 2_000)


def digests(folder: Path) -> dict[str, str]:
    """A digest of each file, by its path in the folder."""
    found = sorted(path for path in folder.rglob("*.parquet"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def rows(folder: Path, name: str) -> list[tuple]:
    """The rows of a table, whether it is one file or several."""
    source = folder / name / "*.parquet" if (folder / name).is_dir() else folder / f"{name}.parquet"
    return duckdb.execute(f"FROM '{source}'").fetchall()


# --- fit


def test_fit_tells_what_was_learned_and_lost(demo_folder, folder):
    result = done("fit", str(demo_folder / "cdm"), "-o", "m.parquet", "--min-cell", "200")
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Learned 2,000 persons and ")
    assert lines[0].endswith(" concepts into m.parquet")
    assert any("concepts of fewer than 200 persons are left out" in line for line in lines)
    assert lines[-1] == "Next: omopsql synthesize m.parquet --persons 2000 --seed 42 -o synthetic"
    assert result.stdout == ""
    assert files(folder) == ["m.parquet"]


def test_fit_for_merging_says_that_it_is_private(demo_folder, folder):
    result = done("fit", str(demo_folder / "cdm"), "-o", "g.parquet", "--for-merge", "--margins-only")
    assert "exact sums, private" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Next: omopsql merge g.parquet other.parquet --for-merge")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--method", "tree"], "is a CDM, and this is for a single table"),
        (["--column", "a=skip"], "is a CDM, and this is for a single table"),
    ],
)
def test_options_of_tables_are_refused_for_a_cdm(demo_folder, folder, options, told):
    assert told in refused(2, "fit", str(demo_folder / "cdm"), "-o", "m.parquet", *options)
    assert files(folder) == []


@pytest.mark.parametrize("options", [["--vocabulary", "athena"], ["--most-concepts", "5"]])
def test_options_of_a_cdm_are_refused_for_tables(learned_clinic, folder, options):
    told = refused(2, "fit", str(learned_clinic / "patients.csv"), "-o", "m.parquet", *options)
    assert options[0] in told
    assert "is a single table, and this is for a CDM" in told
    assert files(folder) == []


# --- synthesize


def test_a_hospital_is_a_cdm_sorted_by_person(hospital, folder):
    result = done("synthesize", str(hospital / "m.parquet"), "--persons", "120", "--seed", "3", "-o", "synthetic")
    assert "Wrote 120 persons, " in result.stderr
    assert files(folder) == ["synthetic"]
    found = cdm_relations(duckdb.connect(), "synthetic")
    assert {"person", "observation_period", "condition_occurrence", "condition_era", "cdm_source"} <= set(found)
    assert [row[0] for row in rows(folder / "synthetic", "person")] == list(range(1, 121))
    manifest = json.loads((folder / "synthetic" / EVIDENCE / "manifest.json").read_text())
    assert manifest["persons"] == 120
    assert manifest["rows"]["person"] == 120


def test_files_hold_what_sql_answers(hospital, folder):
    done("synthesize", str(hospital / "m.parquet"), "--persons", "50", "--seed", "3", "-o", "synthetic")
    with contextlib.closing(omopsql.connect()) as con:
        for name in ("person", "condition_occurrence", "measurement", "condition_era", "cdm_source"):
            sampled = f"FROM omopsql.cdm_sample('{hospital / 'm.parquet'}', '{name}', persons := 50, seed := 3)"
            assert con.execute(sampled).fetchall() == rows(folder / "synthetic", name), name


def test_the_same_request_gives_the_same_bytes(hospital, folder, small):
    command = ["synthesize", str(hospital / "m.parquet"), "-n", "100", "--rows-per-file", "500", "-o"]
    done(*command, "a")
    done(*command, "b")
    assert digests(folder / "a") == digests(folder / "b")
    assert (folder / "a" / "person").is_dir(), "several files a table were asked for"
    assert rows(folder / "a", "person") == duckdb.execute("FROM 'a/person/*.parquet' ORDER BY person_id").fetchall()


def test_how_files_are_cut_changes_no_row(hospital, folder, small):
    for name, rows_a_file in (("few", "100000"), ("many", "300")):
        done("synthesize", str(hospital / "m.parquet"), "-n", "100", "--rows-per-file", rows_a_file, "-o", name)
    for table in ("person", "condition_occurrence", "condition_era", "measurement"):
        assert rows(folder / "few", table) == rows(folder / "many", table), table


def test_a_run_that_was_broken_off_goes_on(hospital, folder, small):
    class PowerCutError(Exception):
        pass

    def run(output: str, stop_after: int | None) -> list[str]:
        steps: list[str] = []

        def progress(doing: str) -> None:
            steps.append(doing)
            if len(steps) == stop_after:
                raise PowerCutError

        with contextlib.closing(omopsql.connect()) as con:
            synthesize(con, str(hospital / "m.parquet"), Path(output), 200, 3, rows_a_file=500, progress=progress)
        return steps

    whole = run("whole", None)
    with pytest.raises(PowerCutError):
        run("synthetic", len(whole) // 2)
    assert not Path("synthetic").exists()
    rest = run("synthetic", None)
    assert len(rest) < len(whole)
    assert digests(folder / "synthetic") == digests(folder / "whole")
    assert files(folder) == ["synthetic", "whole"]


def test_another_request_begins_anew(hospital, folder, small, monkeypatch):
    model = str(hospital / "m.parquet")
    with contextlib.closing(omopsql.connect()) as con:
        with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
            broken.setattr(write.Writing, "_finish", lambda self: 1 / 0)
            synthesize(con, model, Path("synthetic"), 20, 3)
        synthesize(con, model, Path("synthetic"), 20, 4)
        synthesize(con, model, Path("fresh"), 20, 4)
    assert rows(folder / "synthetic", "person") == rows(folder / "fresh", "person")


def test_a_folder_of_something_else_is_left_alone(hospital, folder):
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.txt").write_text("years of work")
    told = refused(1, "synthesize", str(hospital / "m.parquet"), "-n", "5", "-o", "thesis")
    assert "thesis holds something that is no synthetic hospital of omopsql; give a new folder" in told
    assert files(folder / "thesis") == ["chapter.txt"]


def test_an_older_hospital_is_replaced(hospital, folder):
    for persons in ("5", "7"):
        done("synthesize", str(hospital / "m.parquet"), "-n", persons, "-o", "synthetic")
    assert len(rows(folder / "synthetic", "person")) == 7
    assert files(folder) == ["synthetic"]


def test_a_duckdb_file(hospital, folder):
    done("synthesize", str(hospital / "m.parquet"), "-n", "30", "--format", "duckdb", "-o", "hospital")
    assert files(folder) == ["hospital.duckdb"]
    done("synthesize", str(hospital / "m.parquet"), "-n", "30", "-o", "synthetic")
    with contextlib.closing(duckdb.connect("hospital.duckdb")) as con:
        for table in ("person", "condition_occurrence", "condition_era"):
            assert con.execute(f"FROM {table}").fetchall() == rows(folder / "synthetic", table)


def test_no_persons_are_tables_without_rows(hospital, folder):
    done("synthesize", str(hospital / "m.parquet"), "-n", "0", "-o", "synthetic")
    assert rows(folder / "synthetic", "person") == rows(folder / "synthetic", "condition_era") == []


def test_the_vocabulary_comes_along(hospital, demo_folder, folder):
    vocabulary = str(demo_folder / "vocabulary")
    result = done("synthesize", str(hospital / "m.parquet"), "-n", "60", "-o", "synthetic", "--vocabulary", vocabulary)
    assert "no drug_era" not in result.stderr
    assert len(rows(folder / "synthetic", "concept")) == 268
    assert {"drug_era", "concept_ancestor"} <= set(cdm_relations(duckdb.connect(), "synthetic"))
    done("vocabulary", "load", vocabulary, "-o", "loaded")
    done("synthesize", str(hospital / "m.parquet"), "-n", "60", "-o", "linked", "--vocabulary", "loaded")
    assert rows(folder / "linked", "drug_era") == rows(folder / "synthetic", "drug_era")
    assert (folder / "linked" / "concept.parquet").samefile(folder / "loaded" / "concept.parquet")


def test_without_a_vocabulary_the_eras_of_drugs_are_missing_and_that_is_told(hospital, folder, monkeypatch):
    monkeypatch.delenv("OMOPSQL_VOCABULARY", raising=False)
    result = done("synthesize", str(hospital / "m.parquet"), "-n", "5", "-o", "synthetic")
    assert "without a vocabulary there is no drug_era" in result.stderr


def test_wishes(hospital, folder):
    command = ["synthesize", str(hospital / "m.parquet"), "-n", "60", "-o", "synthetic"]
    done(*command, "--given", "gender_concept_id=8532", "--given", "min_age=30")
    assert {row[1] for row in rows(folder / "synthetic", "person")} == {8532}
    done(*command, "--share", "gender_concept_id=8507:1")
    assert {row[1] for row in rows(folder / "synthetic", "person")} == {8507}
    assert "'man' is not" in refused(2, *command, "--share", "man")
    assert "given: 'sex' cannot be asked for" in refused(1, *command, "--given", "sex=F")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["g.parquet", "-n", "5", "-o", "s"], 1, "g.parquet holds exact sums, for addition only: merge it"),
        (["m.parquet", "-n", "5", "-o", "s.csv"], 2, "m.parquet is the model of a CDM: give a folder"),
        (["m.parquet", "-n", "5", "-o", "s.csv", "--format", "duckdb"], 2, "s.csv holds rows of one table"),
        (["no.parquet", "-n", "5", "-o", "s"], 1, "there is no file no.parquet"),
        (["m.parquet", "-n", "5", "-o", "no/s"], 2, "there is no folder"),
    ],
)
def test_what_cannot_be_synthesized(hospital, folder, arguments, code, told):
    for name in ("m.parquet", "g.parquet"):
        (folder / name).write_bytes((hospital / name).read_bytes())
    before = files(folder)
    assert told in refused(code, "synthesize", *arguments)
    assert files(folder) == before


# --- merge


def test_merge(hospital, folder):
    (folder / "m.parquet").write_bytes((hospital / "m.parquet").read_bytes())
    (folder / "twin.parquet").write_bytes((hospital / "m.parquet").read_bytes())
    result = done("merge", "m.parquet", "twin.parquet", "-o", "both.parquet")
    assert result.stderr == "Added 2 models of 4,000 persons into both.parquet\n"
    told = refused(1, "merge", "m.parquet", str(hospital / "g.parquet"), "-o", "mixed.parquet")
    assert "g.parquet holds exact sums and m.parquet a model whose small cells are suppressed" in told
    assert "is the input itself" in refused(2, "merge", "m.parquet", "twin.parquet", "-o", "m.parquet")
    assert files(folder) == ["both.parquet", "m.parquet", "twin.parquet"]


def test_what_is_no_model_leaves_nothing_behind(folder):
    with contextlib.closing(omopsql.connect()) as con, pytest.raises(OmopsqlError, match="no model of a hospital"):
        con.execute("CREATE TABLE patients AS SELECT 1 AS i")
        synthesize(con, "patients", folder / "synthetic", 5)
    assert files(folder) == []
