"""Results seen again: other thresholds, what changed between two states, and checks of a user's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sound_cdm import ROWS, SoundCdm

import omopsql
from omopsql.quality.judging import over_threshold

NULLS = "field_isrequired_note_note_date"
SHARE = "field_measurevaluecompleteness_note_note_date"


@pytest.fixture
def faulty() -> Iterator[SoundCdm]:
    """A CDM of which 3 notes of 12 have no date."""
    with omopsql.connect() as con:
        cdm = SoundCdm(con)
        cdm.put("note", "note_date", "NULL", 3)
        yield cdm


@pytest.fixture
def con(faulty: SoundCdm) -> duckdb.DuckDBPyConnection:
    faulty.con.execute("CREATE TABLE results AS FROM omopsql.check_cdm('sound', version := '5.4')")
    return faulty.con


def _failed(con: duckdb.DuckDBPyConnection, relation: str) -> set[str]:
    return {row[0] for row in con.execute(f"SELECT checkId FROM {relation} WHERE failed = 1").fetchall()}


@pytest.mark.parametrize(
    ("violated", "examined", "threshold", "failed"),
    [
        (1, 100, 1.0, False),
        (2, 100, 1.0, True),
        (1, 100, 0.0, True),
        (1, 100, None, True),
        (0, 0, None, False),
        (0, 0, 5.0, False),
        (5, 100, 100.0, False),
    ],
)
def test_a_threshold_is_exceeded_strictly(violated: int, examined: int, threshold: float, failed: bool) -> None:
    assert over_threshold(violated, examined, threshold) is failed


def test_other_thresholds_judge_results_without_the_cdm(con: duckdb.DuckDBPyConnection) -> None:
    assert _failed(con, "results") == {NULLS, SHARE}
    con.execute(f"CREATE TABLE lenient AS SELECT '{NULLS}' AS checkId, 25.0 AS threshold")
    con.execute("DROP TABLE sound.note")
    assert _failed(con, "omopsql.judge('results', 'lenient')") == {SHARE}
    con.execute("UPDATE lenient SET threshold = 24.9")
    assert _failed(con, "omopsql.judge('results', 'lenient')") == {NULLS, SHARE}


def test_the_threshold_that_says_most_counts(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = tmp_path / "thresholds.csv"
    file.write_text(
        "check_name,cdm_table,cdm_field,threshold\n"
        "isRequired,,,100\n"
        "isRequired,note,note_date,20\n"
        "measureValueCompleteness,note,,30\n"
    )
    assert _failed(con, f"omopsql.judge('results', '{file}')") == {NULLS}
    assert _failed(con, f"omopsql.check_cdm('sound', version := '5.4', thresholds := '{file}')") == {NULLS}


def test_judging_keeps_what_could_not_be_answered(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE strict AS SELECT 'plausibleGender' AS check_name, 0.0 AS threshold")
    asked = "SELECT checkId, failed, passed, notApplicable FROM {} WHERE checkName = 'plausibleGender' ORDER BY ALL"
    before, after = (con.execute(asked.format(r)).fetchall() for r in ("results", "omopsql.judge('results', 'strict')"))
    assert before == after


@pytest.mark.parametrize(
    ("thresholds", "told"),
    [
        ("SELECT 'isRequired' AS check_name, 5 AS most", "must have the columns threshold, and checkId or check_name"),
        ("SELECT 'isWanted' AS check_name, 5 AS threshold", "there is no check iswanted"),
    ],
)
def test_thresholds_that_are_none_are_told(con: duckdb.DuckDBPyConnection, thresholds: str, told: str) -> None:
    con.execute(f"CREATE TABLE given AS {thresholds}")
    with pytest.raises(duckdb.Error, match=told):
        con.execute("FROM omopsql.judge('results', 'given')")


def test_a_table_without_results_is_told(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.Error, match="holds no results of checks: it has no column checkId"):
        con.execute("FROM omopsql.judge('sound.person', 'results')")


def test_what_got_worse_and_better_is_told(faulty: SoundCdm, con: duckdb.DuckDBPyConnection) -> None:
    faulty.put("note", "note_date", "DATE '2020-01-10'", ROWS)
    faulty.put("specimen", "specimen_date", "NULL", 2)
    worse = {NULLS.replace("note", "specimen"), SHARE.replace("note", "specimen")}
    con.execute("CREATE TABLE later AS FROM omopsql.check_cdm('sound', version := '5.4')")
    changed = con.execute(
        "SELECT checkId, change, before, after FROM omopsql.check_delta('results', 'later')"
    ).fetchall()
    told = {(name, "worse", "passed", "failed") for name in worse} | {
        (name, "better", "failed", "passed") for name in (NULLS, SHARE)
    }
    assert set(changed) == told
    assert [change for _, change, *_ in changed] == ["worse", "worse", "better", "better"]
    con.execute("DELETE FROM later WHERE checkName = 'isRequired'")
    gone = "SELECT count(*) FROM omopsql.check_delta('results', 'later') WHERE change = 'gone'"
    assert (
        con.execute(gone).fetchall()
        == con.execute("SELECT count(*) FROM results WHERE checkName = 'isRequired'").fetchall()
    )
    assert con.execute("SELECT count(*) FROM omopsql.check_delta('results', 'sound')").fetchall() == [(4,)]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "notesAreSigned.sql").write_text(
        "-- Notes that no provider signed.\n-- @severity fatal\n-- @category Completeness\n"
        "SELECT provider_id IS NULL AS is_violated, * FROM note WHERE person_id IN (SELECT person_id FROM person)\n"
    )
    (folder / "thresholds.csv").write_text(
        "check_name,cdm_table,cdm_field,threshold\nnotesAreSigned,note,provider_id,10\nisRequired,note,note_date,50\n"
    )
    return folder


def test_a_sql_file_and_a_row_make_a_check(faulty: SoundCdm, own: Path) -> None:
    faulty.put("note", "provider_id", "NULL", 4)
    found = faulty.con.execute(
        f"""SELECT numViolatedRows, numDenominatorRows, failed, severity, category, checkDescription, thresholdValue
        FROM omopsql.check_cdm('sound', version := '5.4', checks := '{own}')
        WHERE checkId = 'field_notesaresigned_note_provider_id'"""
    ).fetchall()
    assert found == [(4, 12, 1, "fatal", "Completeness", "Notes that no provider signed.", 10.0)]
    rows = f"omopsql.violations('sound', 'field_notesaresigned_note_provider_id', version := '5.4', checks := '{own}')"
    assert faulty.con.execute(f"SELECT count(*), count(provider_id) FROM {rows}").fetchall() == [(4, 0)]


def test_a_row_overrides_a_check_that_is_there(faulty: SoundCdm, own: Path) -> None:
    asked = f"omopsql.check_cdm('sound', version := '5.4', checks := '{own}')"
    assert _failed(faulty.con, asked) == {SHARE}
    assert faulty.con.execute(f"SELECT count(*) FROM {asked}").fetchall() == [(2375,)]


def test_a_faulty_check_of_a_user_is_in_error_alone(faulty: SoundCdm, own: Path) -> None:
    (own / "notesAreSigned.sql").write_text("SELECT signed AS is_violated FROM note")
    found = faulty.con.execute(
        f"SELECT checkId, error FROM omopsql.check_cdm('sound', version := '5.4', checks := '{own}') WHERE isError = 1"
    ).fetchall()
    assert [name for name, _ in found] == ["field_notesaresigned_note_provider_id"]
    assert found[0][1].startswith("notesAreSigned.sql: ")
    assert "signed" in found[0][1]


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("thresholds.csv", "check_name,cdm_table,threshold\nnotesAreRead,note,1\n", "there is no check 'notesAreRead'"),
        ("thresholds.csv", "check_name,threshold\nisRequired,1\n", "has no column cdm_table"),
        (
            "thresholds.csv",
            "check_name,cdm_table,cdm_field,threshold\nisRequired,note,note_id,few\n",
            "'few' is no number",
        ),
        ("notesAreSigned.sql", "DROP TABLE note", "must hold one SELECT"),
        ("notesAreSigned.sql", "-- @level ROOM\nSELECT 1", "@level 'ROOM' is none of TABLE, FIELD, CONCEPT"),
    ],
)
def test_mistakes_in_own_checks_are_told(faulty: SoundCdm, own: Path, file: str, text: str, told: str) -> None:
    (own / file).write_text(text)
    with pytest.raises(duckdb.Error, match=told):
        faulty.con.execute(f"FROM omopsql.check_cdm('sound', checks := '{own}')")
    assert faulty.con.execute("SELECT count(*) FROM sound.note").fetchall() == [(ROWS,)]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("check_cdm('nowhere')", "there is no schema or folder 'nowhere' with a CDM"),
        ("check_cdm('sound', version := '6.0')", "CDM version '6.0' is unknown; known are 5.3, 5.4"),
        ("check_cdm('sound', today := 'tomorrow')", "today is 'tomorrow'; give a day such as 2026-12-31"),
        ("check_cdm('sound', checks := 'nowhere')", "there is no folder 'nowhere' with checks"),
        ("violations('sound', 'field_isrequired_note_note_dat')", "did you mean field_isrequired_note_note_date"),
        ("violations('sound', 'table_cdmtable_note')", "is about what is there, not about rows"),
    ],
)
def test_mistakes_in_a_call_are_told(faulty: SoundCdm, call: str, told: str) -> None:
    with pytest.raises(duckdb.Error, match=told.replace("(", "\\(")):
        faulty.con.execute(f"FROM omopsql.{call}")


def test_a_vocabulary_beside_the_cdm_is_read(faulty: SoundCdm, tmp_path: Path) -> None:
    for table in ("concept", "concept_ancestor"):
        faulty.con.execute(f"COPY sound.{table} TO '{tmp_path / table}.parquet'")
        faulty.con.execute(f"DROP TABLE sound.{table}")
    relationship = "SELECT 1 AS concept_id_1, 1 AS concept_id_2, 'Maps to' AS relationship_id, NULL AS invalid_reason"
    faulty.con.execute(f"COPY ({relationship}) TO '{tmp_path}/concept_relationship.parquet'")
    errors = "SELECT count(*) FROM omopsql.check_cdm('sound', version := '5.4'{}) WHERE isError = 1"
    assert faulty.con.execute(errors.format("")).fetchall()[0][0] > 100
    assert faulty.con.execute(errors.format(f", vocabulary := '{tmp_path}'")).fetchall() == [(0,)]
