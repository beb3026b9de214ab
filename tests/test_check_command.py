"""The verb check: what it tells, the files that it writes, the exit codes that CI uses, and what it refuses."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from commands import done, files, refused, rows, run
from sound_cdm import ROWS, SoundCdm

import omopsql
from omopsql.quality.checks import checks
from omopsql.quality.results import SCHEMA

NO_GENDER = "field_isrequired_person_gender_concept_id"


def hospital(database: Path, faults: Callable[[SoundCdm], None] = lambda cdm: None) -> Path:
    """A DuckDB file with a small CDM in the schema cdm, whose faults are those that were planted."""
    with closing(omopsql.connect(database)) as con:
        faults(SoundCdm(con, "cdm"))
    return database


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The arguments for a CDM without a fault."""
    return ["check", "cdm", "--database", str(hospital(tmp_path_factory.mktemp("sound") / "hospital.duckdb"))]


def plant(cdm: SoundCdm) -> None:
    """Take the gender of three persons, and make one visit too old to be true."""
    cdm.put("person", "gender_concept_id", "NULL", 3)
    cdm.put("visit_occurrence", "visit_start_date", "DATE '1850-01-01'", 1)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The arguments for a CDM with a fatal fault and one that is only odd."""
    return ["check", "cdm", "--database", str(hospital(tmp_path_factory.mktemp("faulty") / "hospital.duckdb", plant))]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The arguments for a CDM where nothing worse failed than a characterization check."""

    def age(cdm: SoundCdm) -> None:
        cdm.put("person", "year_of_birth", "1700", 1)

    return ["check", "cdm", "--database", str(hospital(tmp_path_factory.mktemp("odd") / "hospital.duckdb", age))]


# --- what it tells


def test_a_sound_cdm_in_one_sentence(sound):
    result = done(*sound, "--fail-on", "characterization", "--fail-on", "error")
    first, *_ = result.stdout.splitlines()
    assert first.startswith("a text, CDM 5.4: All ")
    assert first.endswith(" checks that could be answered passed.")
    assert "Failed" not in result.stdout
    assert result.stderr.startswith("Checked cdm in ")


def lines(stdout: str, after: str) -> list[list[str]]:
    """The lines of the table that stands after a heading, split at blanks."""
    table = stdout.split(f"{after}\n", 1)[1].split("\n\n", 1)[0]
    return [line.split() for line in table.splitlines()[1:]]


def test_failures_come_worst_first_with_their_threshold(faulty):
    failed = lines(done(*faulty).stdout, "Failed, the worst first:")
    assert ["fatal", "3", str(ROWS), "25.00", "0.00", NO_GENDER] in failed
    ranks = [["fatal", "convention", "characterization"].index(line[0]) for line in failed]
    assert ranks == sorted(ranks)
    assert set(ranks) >= {0, 2}
    fatal = [float(line[3]) for line in failed if line[0] == "fatal"]
    assert fatal == sorted(fatal, reverse=True)


def test_the_counts_of_the_categories_add_up(faulty):
    counted = lines(done(*faulty).stdout.replace(" not applicable ", " not_applicable "), "\n")
    *parts, total = [[int(cell.replace(",", "")) for cell in line[-7:-2]] for line in counted]
    assert [sum(column) for column in zip(*parts, strict=True)] == total
    assert sum(total[:4]) == total[4] == len(checks("5.4"))
    assert [line[:2] for line in counted[:2]] == [["Plausibility", "Verification"], ["Plausibility", "Validation"]]


def test_errors_are_told_by_what_is_wrong(folder):
    def drop(cdm: SoundCdm) -> None:
        cdm.con.execute("DROP TABLE cdm.concept")

    arguments = ["check", "cdm", "--database", str(hospital(folder / "hospital.duckdb", drop))]
    errors = lines(done(*arguments).stdout, "Could not be answered:")
    assert len(errors) < 5
    assert int(errors[0][1]) > 100
    result = run(*arguments, "--fail-on", "error")
    assert result.exit_code == 1
    assert "checks could not be answered (--fail-on error)" in result.stderr


def test_a_name_cannot_command_the_terminal(sound):
    assert done(*sound, "--name", "a\x1b[31m\nb").stdout.startswith(r"a\x1b[31m\nb, CDM 5.4: ")


# --- exit codes


@pytest.mark.parametrize(
    ("fail_on", "exit_code"), [("none", 0), ("fatal", 0), ("convention", 0), ("characterization", 1), ("error", 0)]
)
def test_only_what_is_asked_for_fails(odd, fail_on, exit_code):
    assert run(*odd, "--fail-on", fail_on).exit_code == exit_code


@pytest.mark.parametrize("fail_on", ["fatal", "convention", "characterization"])
def test_a_fatal_failure_fails_at_every_severity(faulty, folder, fail_on):
    result = run(*faulty, "--fail-on", fail_on, "-o", "r.csv")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith(f"failed (--fail-on {fail_on})")
    assert result.stdout.splitlines()[0].endswith(" of them fatal.")
    assert files(folder) == ["r.csv"], "the results are written all the same"


# --- files


def test_rows_in_every_format_are_those_of_check_cdm(faulty, folder):
    done(*faulty, "--today", "2026-06-30", "-o", "r.parquet", "-o", "r.csv", "-o", "r.json", "-o", "r.html")
    assert files(folder) == ["r.csv", "r.html", "r.json", "r.parquet"]
    with closing(omopsql.connect(faulty[-1], read_only=True)) as con:
        told = con.execute("FROM omopsql.check_cdm('cdm', today := '2026-06-30')").fetchall()
        assert sorted(rows("r.parquet")) == sorted(told)
        again = con.execute("FROM omopsql.check_delta('r.parquet', 'r.csv')").fetchall()
    assert again == []
    header, *_ = csv.reader(io.StringIO(Path("r.csv").read_text(encoding="utf-8")))
    assert header == SCHEMA.names


def test_json_has_the_shape_of_dataqualitydashboard(faulty, folder):
    done(*faulty, "-o", "r.json")
    found = json.loads(Path("r.json").read_text(encoding="utf-8"))
    assert list(found) == [
        "startTimestamp",
        "endTimestamp",
        "executionTime",
        "executionTimeSeconds",
        "CheckResults",
        "Metadata",
        "Overview",
    ]
    assert len(found["CheckResults"]) == len(checks("5.4"))
    one = next(row for row in found["CheckResults"] if row["checkId"] == NO_GENDER)
    assert one.pop("executionTime").endswith(" secs")
    assert one == {
        "numViolatedRows": 3,
        "pctViolatedRows": 0.25,
        "numDenominatorRows": ROWS,
        "queryText": f"FROM omopsql.violations('cdm', '{NO_GENDER}')",
        "checkName": "isRequired",
        "checkLevel": "FIELD",
        "checkDescription": one["checkDescription"],
        "cdmTableName": "PERSON",
        "cdmFieldName": "GENDER_CONCEPT_ID",
        "sqlFile": "field_is_not_nullable.sql",
        "category": "Conformance",
        "subcategory": "Relational",
        "context": "Validation",
        "checkId": NO_GENDER,
        "severity": "fatal",
        "failed": 1,
        "passed": 0,
        "isError": 0,
        "notApplicable": 0,
        "thresholdValue": 0.0,
    }
    source = found["Metadata"][0]
    assert {"cdmSourceName", "cdmReleaseDate", "cdmVersion", "vocabularyVersion", "dqdVersion"} <= set(source)
    assert source["cdmReleaseDate"] == "2020-01-10"
    overview = {name: value for name, (value,) in found["Overview"].items()}
    failed = sum(row["failed"] for row in found["CheckResults"])
    assert overview["countOverallFailed"] == failed > 0
    assert overview["countPassed"] + failed == overview["countTotal"] == len(checks("5.4"))
    assert overview["percentFailed"] == round(failed / overview["countTotal"] * 100, 2)
    for what in ("Total", "Failed", "Passed"):
        parts = [overview[f"count{what}{category}"] for category in ("Plausibility", "Conformance", "Completeness")]
        column = {"Total": 1, "Failed": "failed", "Passed": "passed"}[what]
        assert sum(parts) == sum(1 if column == 1 else row[column] for row in found["CheckResults"])


def test_the_query_of_the_json_answers_the_rows(faulty, folder):
    done(*faulty, "-o", "r.json", "--cdm-version", "5.4", "--today", "2026-06-30")
    found = json.loads(Path("r.json").read_text(encoding="utf-8"))["CheckResults"]
    with closing(omopsql.connect(faulty[-1], read_only=True)) as con:
        for row in found:
            if row["failed"] or row["checkName"] == "cdmTable":
                answered = con.execute(row["queryText"]).fetchall()
                assert len(answered) == row.get("numViolatedRows") or row["checkName"] == "cdmTable"
                assert "version := '5.4', today := '2026-06-30'" in row["queryText"]


def test_the_source_may_be_named(sound, folder):
    done(*sound, "--name", "St. Mary's", "-o", "r.json")
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["Metadata"][0]["cdmSourceName"] == "St. Mary's"


def test_a_folder_without_cdm_source_is_called_by_its_name(folder):
    (folder / "my_cdm").mkdir()
    duckdb.execute("COPY (SELECT 1 AS person_id) TO 'my_cdm/person.parquet'")
    done("check", "my_cdm", "-o", "r.json")
    found = json.loads(Path("r.json").read_text(encoding="utf-8"))
    version = f"2.8.4 (omopsql {omopsql.__version__})"
    assert found["Metadata"] == [{"cdmSourceName": "my_cdm", "cdmVersion": "5.4", "dqdVersion": version}]


def test_thresholds_and_own_checks_are_judged_by(faulty, folder):
    Path("t.csv").write_text(f"checkId,threshold\n{NO_GENDER},30\n")
    Path("own").mkdir()
    Path("own/thresholds.csv").write_text("check_name,cdm_table,threshold\nadults,person,\n")
    Path("own/adults.sql").write_text("-- @level TABLE\n-- Persons.\nSELECT *, true AS is_violated FROM person\n")
    stdout = done(*faulty, "--thresholds", "t.csv", "--checks", "own").stdout
    assert NO_GENDER not in stdout
    assert ["characterization", str(ROWS), str(ROWS), "100.00", "0.00", "table_adults_person"] in lines(
        stdout, "Failed, the worst first:"
    )


# --- what is wrong


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "there is no schema or folder 'nowhere' with a CDM"),
        (["empty"], "empty holds no table of the CDM"),
        (["cdm", "--thresholds", "nowhere.csv"], "there is no file nowhere.csv"),
        (["cdm", "--thresholds", "bad.csv"], "bad.csv must have the columns threshold, and checkId or check_name"),
        (["cdm", "--checks", "nowhere"], "there is no folder 'nowhere' with checks"),
        (["cdm", "--today", "tomorrow"], "today is 'tomorrow'; give a day such as 2026-12-31"),
    ],
)
def test_wrong_data_is_one_line_and_leaves_the_files_alone(folder, arguments, told):
    Path("empty").mkdir()
    Path("cdm").mkdir()
    duckdb.execute("COPY (SELECT 1 AS person_id) TO 'cdm/person.parquet'")
    Path("bad.csv").write_text("a,b\n1,2\n")
    Path("r.json").write_text("old")
    before = files(folder)
    assert told in refused(1, "check", *arguments, "-o", "r.json", "-o", "r.html")
    assert files(folder) == before
    assert Path("r.json").read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Missing argument 'CDM'"),
        (["cdm", "-o", "r.xlsx"], "r.xlsx must end in .html, .json, .csv or .parquet"),
        (["cdm", "-o", "no/r.csv"], "there is no folder {folder}/no; make it first"),
        (["cdm", "-o", "d.csv"], "d.csv is no plain file"),
        (["cdm", "-o", "r.csv", "-o", "./r.csv"], "r.csv is given twice"),
        (["cdm", "-o", "cdm/r.csv"], "cdm/r.csv lies in the folder that is read; put it elsewhere"),
        (["cdm", "--cdm-version", "6.0"], "'6.0' is not one of '5.3', '5.4'"),
        (
            ["cdm", "--fail-on", "mild"],
            "'mild' is not one of 'none', 'fatal', 'convention', 'characterization', 'error'",
        ),
        (["cdm", "--examples", "3", "-o", "r.json"], "--examples needs -o FILE.html"),
        (["cdm", "--examples", "-1", "-o", "r.html"], "-1 is not in the range x>=0"),
        (["cdm", "--database", "no.duckdb"], "File 'no.duckdb' does not exist"),
    ],
)
def test_wrong_usage_is_exit_code_2(folder, arguments, told):
    Path("d.csv").mkdir()
    Path("cdm").mkdir()
    duckdb.execute("COPY (SELECT 1 AS person_id) TO 'cdm/person.parquet'")
    assert told.format(folder=folder) in refused(2, "check", *arguments)
    assert files(folder) == ["cdm", "d.csv"]


def test_completion_completes_the_verb_and_its_levels(monkeypatch):
    for words, index, expected in (("omopsql che", "1", "check"), ("omopsql check cdm --fail-on fa", "4", "fatal")):
        monkeypatch.setenv("_OMOPSQL_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", index)
        assert f"plain,{expected}\n" in run().stdout


# --- real data


def test_the_overview_is_dataqualitydashboards_own(data_folder, folder):
    """Its viewer shows (passed or not applicable) of all; its results are counted here."""
    reference = data_folder("dqd/dev") / "dqd_results.csv"
    percent, passed, failed = duckdb.execute(
        f"SELECT avg((passed + notApplicable)::DOUBLE) * 100, sum(passed), sum(failed) FROM read_csv('{reference}')"
    ).fetchall()[0]
    stdout = done("check", str(data_folder("dqd/dev/cdm")), "-o", "r.json").stdout
    total = next(line for line in stdout.splitlines() if line.startswith("Total")).replace(",", "").split()
    assert total[1:3] == [str(int(passed)), str(int(failed))]
    assert total[-2] == f"{percent:.2f}"
    overview = json.loads(Path("r.json").read_text(encoding="utf-8"))["Overview"]
    assert overview["countOverallFailed"] == [int(failed)]
