"""The checks of a CDM: DataQualityDashboard's counts, and a planted fault that moves one count by its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sound_cdm import ABSENT, NOT_STANDARD, OTHER, ROWS, SoundCdm

import omopsql
from omopsql.harmonize.cdm import tables
from omopsql.quality import run
from omopsql.quality.checks import Check, bound, check_types, checks
from omopsql.quality.counts import Counts
from omopsql.quality.judging import Judgement
from omopsql.quality.opened import Cdm

TODAY = date(2026, 6, 30)
WHOLE_TABLES = {"cdmTable", "cdmField"}
ON_PERSONS = {"measurePersonCompleteness", "measureConditionEraCompleteness", "measureObservationPeriodOverlap"}


def _same(con: duckdb.DuckDBPyConnection, cdm: Path, reference: Path) -> list[tuple[object, ...]]:
    """Checks that differ from the reference, in counts or in judgement."""
    return con.execute(
        f"""
        WITH
        ours AS (FROM omopsql.check_cdm('{cdm}')),
        theirs AS (SELECT * REPLACE (replace(checkId, ' ', '') AS checkId) FROM read_csv('{reference}'))
        SELECT coalesce(ours.checkId, theirs.checkId), ours.numViolatedRows, theirs.numViolatedRows
        FROM ours FULL JOIN theirs USING (checkId)
        WHERE (ours.numViolatedRows, ours.numDenominatorRows, ours.failed, ours.passed, ours.notApplicable,
            ours.isError)
            IS DISTINCT FROM
            (theirs.numViolatedRows, theirs.numDenominatorRows, theirs.failed, theirs.passed, theirs.notApplicable,
            theirs.isError)
            OR replace(ours.notApplicableReason, ' ', '') IS DISTINCT FROM replace(theirs.notApplicableReason, ' ', '')
            OR abs(ours.pctViolatedRows - theirs.pctViolatedRows) > 1e-12
            OR ours.thresholdValue IS DISTINCT FROM theirs.thresholdValue
        """
    ).fetchall()


@pytest.mark.parametrize(
    ("cdm", "reference"), [("cdm/synthea27nj_5.4", "dqd/base"), ("dqd/dev/cdm", "dqd/dev")], ids=["sound", "corrupted"]
)
def test_every_check_answers_as_dataqualitydashboard_does(
    data_folder: Callable[[str], Path], cdm: str, reference: str
) -> None:
    with omopsql.connect() as con:
        results = data_folder(reference) / "dqd_results.csv"
        assert con.execute(f"SELECT count(*) FROM '{results}'").fetchall() == [(2374,)]
        assert _same(con, data_folder(cdm), results) == []


def test_a_cdm_5_3_is_checked_whole(data_folder: Callable[[str], Path]) -> None:
    with omopsql.connect() as con:
        found = con.execute(
            f"""SELECT count(*), sum(isError), sum(failed + passed + notApplicable)
            FROM omopsql.check_cdm('{data_folder("cdm/gibleed_5.3")}')"""
        ).fetchall()[0]
    assert found == (len(checks("5.3")), 0, len(checks("5.3")))


@pytest.fixture
def sound() -> Iterator[SoundCdm]:
    with omopsql.connect() as con:
        yield SoundCdm(con)


def _count(cdm: SoundCdm, asked: list[Check]) -> dict[Check, Counts]:
    with cdm.con.cursor() as cursor:
        return run.count(Cdm(cursor, cdm.schema, cdm.version), asked, TODAY)


def _judge(cdm: SoundCdm) -> list[Judgement]:
    with cdm.con.cursor() as cursor:
        return run.check(Cdm(cursor, cdm.schema, cdm.version), checks(cdm.version), TODAY)


def test_a_sound_cdm_violates_nothing(sound: SoundCdm) -> None:
    judged = _judge(sound)
    assert [j.check.check_id for j in judged if j.counts.violated or j.counts.error or j.failed] == []
    unasked = {j.check.kind.check_name for j in judged if j.not_applicable}
    assert unasked == {"plausibleGender", "plausibleGenderUseDescendants", "plausibleUnitConceptIds"}  # other concepts


ROW_CHECKS = sorted(set(check_types()) - WHOLE_TABLES - ON_PERSONS)


@pytest.mark.parametrize("name", ROW_CHECKS)
@settings(max_examples=3)
@given(data=st.data())
def test_a_planted_violation_moves_its_check_by_its_number(name: str, data: st.DataObject) -> None:
    kind = [check for check in checks("5.4") if check.kind.check_name == name]
    check = data.draw(st.sampled_from(kind))
    rows = data.draw(st.integers(2, ROWS - 1))
    with omopsql.connect() as con:
        cdm = SoundCdm(con)
        _plant(cdm, check, rows)
        counts = _count(cdm, kind)
        moved = {check.check_id: found.violated for check, found in counts.items() if found.violated}
        assert moved == {check.check_id: rows} | {name: n for name, n in moved.items() if _follows(name, check)}
        rows_found = f"FROM omopsql.violations('sound', '{check.check_id}', version := '5.4', today := '{TODAY}')"
        if name != "sourceValueCompleteness":
            assert con.execute(f"SELECT count(*) {rows_found}").fetchall() == [(rows,)]


def _follows(moved: str, check: Check) -> bool:
    """A key that is changed breaks what refers to it, and is itself a key to another table sometimes."""
    return check.kind.check_name in ("isForeignKey", "plausibleStartBeforeEnd", "plausibleTemporalAfter") and (
        check.cdm_field in moved or check.other_field in moved or check.cdm_table in moved
    )


PLANTED = {  # what a field is set to, so that its rows violate a check
    "isRequired": "NULL",
    "measureValueCompleteness": "NULL",
    "cdmDatatype": "-1",
    "isPrimaryKey": "1",
    "isForeignKey": str(ABSENT),
    "fkDomain": str(OTHER),
    "fkClass": str(OTHER),
    "isStandardValidConcept": str(NOT_STANDARD),
    "standardConceptRecordCompleteness": "0",
    "sourceConceptRecordCompleteness": "0",
    "sourceValueCompleteness": "'text ' || $i",
    "plausibleTemporalAfter": "DATE '1970-01-01'",
    "plausibleAfterBirth": "DATE '1970-01-01'",
    "plausibleDuringLife": "DATE '2020-03-11'",  # 61 days after death
    "plausibleBeforeDeath": "DATE '2020-03-11'",
    "plausibleStartBeforeEnd": "DATE '2020-01-11'",
    "withinVisitDates": "DATE '2020-01-18'",  # 8 days after the visit
    "plausibleGenderUseDescendants": str(OTHER),
}
OUTSIDE = {  # where the bound is a day, and where it is a number
    "plausibleValueLow": ("DATE '1800-01-01'", "-1"),
    "plausibleValueHigh": ("DATE '2026-07-02'", "9999"),
}


def _planted(check: Check) -> str:
    name = check.kind.check_name
    if name in OUTSIDE:
        return OUTSIDE[name][0 if isinstance(bound(check.value, TODAY), date) else 1]
    if check.other_table in ("domain", "vocabulary"):
        return "'Nowhere'"
    return PLANTED.get(name) or str(check.concepts[0])


def _plant(cdm: SoundCdm, check: Check, rows: int) -> None:
    """Make so many rows violate a check."""
    cdm.put(check.cdm_table, check.cdm_field, _planted(check), rows)
    match check.kind.check_name:
        case "sourceValueCompleteness":
            cdm.put(check.cdm_table, check.other_field, "0", rows)
        case "plausibleGender":
            _change_sex(cdm, check, rows)
        case "plausibleGenderUseDescendants":
            ancestor = cdm.name("concept_ancestor")
            cdm.con.execute(f"INSERT INTO {ancestor} VALUES ({check.concepts[-1]}, {OTHER})")
            _change_sex(cdm, check, rows)
        case "plausibleUnitConceptIds":
            cdm.put(check.cdm_table, "unit_concept_id", str(ABSENT), rows)


def _change_sex(cdm: SoundCdm, check: Check, rows: int) -> None:
    """Give persons the sex that a check does not want, and no other records that tell of theirs."""
    cdm.put("person", "gender_concept_id", "8532" if check.value == "Male" else "8507", rows)
    for table in {"condition", "procedure"} - {check.cdm_table.split("_")[0]}:
        cdm.put(f"{table}_occurrence", f"{table}_concept_id", str(OTHER), rows)


@pytest.mark.parametrize("rows", [1, 5])
def test_persons_without_a_record_are_counted(sound: SoundCdm, rows: int) -> None:
    for table in ("note", "condition_era"):
        sound.con.execute(f"DELETE FROM {sound.name(table)} WHERE person_id <= {rows}")
    counted = {check.check_id: found.violated for check, found in _count(sound, _of(ON_PERSONS)).items()}
    assert {name: n for name, n in counted.items() if n} == {
        "table_measurepersoncompleteness_note": rows,
        "table_measurepersoncompleteness_condition_era": rows,
        "table_measureconditioneracompleteness_condition_era": rows,
    }


@pytest.mark.parametrize(
    ("start", "violated"), [("2020-01-10", 3), ("2020-01-11", 3), ("2020-01-12", 0), ("2020-01-09", 3)]
)
def test_periods_that_overlap_or_touch_are_counted_by_person(sound: SoundCdm, start: str, violated: int) -> None:
    periods = sound.name("observation_period")
    sound.con.execute(
        f"""INSERT INTO {periods} SELECT * REPLACE (observation_period_id + 100 AS observation_period_id,
        DATE '{start}' AS observation_period_start_date, DATE '{start}' AS observation_period_end_date)
        FROM {periods} WHERE person_id <= 3"""
    )
    counted = _count(sound, _of({"measureObservationPeriodOverlap"}))
    assert [(found.violated, found.examined) for found in counted.values()] == [(violated, ROWS)]


def _of(names: set[str]) -> list[Check]:
    return [check for check in checks("5.4") if check.kind.check_name in names]


def test_what_is_missing_is_told_in_dataqualitydashboards_words(sound: SoundCdm) -> None:
    sound.con.execute(f"DROP TABLE {sound.name('care_site')}")
    sound.con.execute(f"ALTER TABLE {sound.name('person')} DROP COLUMN day_of_birth")
    sound.con.execute(f"DELETE FROM {sound.name('note')}")
    sound.con.execute(f"UPDATE {sound.name('cost')} SET drg_concept_id = NULL")
    sound.con.execute(f"ALTER TABLE {sound.name('provider')} ALTER year_of_birth TYPE VARCHAR")
    found = {j.check.check_id: j for j in _judge(sound)}

    def told(check_id: str) -> tuple[bool, bool, str | None]:
        return found[check_id].failed, found[check_id].counts.error is not None, found[check_id].not_applicable

    assert told("table_cdmtable_care_site") == (True, False, None)
    assert told("field_cdmfield_care_site_care_site_id") == (False, False, "Table CARE_SITE does not exist.")
    assert told("field_isrequired_care_site_care_site_id") == (False, True, "Table CARE_SITE does not exist.")
    assert told("field_isforeignkey_person_care_site_id") == (False, True, None)
    assert told("field_cdmfield_person_day_of_birth") == (True, False, None)
    assert told("field_measurevaluecompleteness_person_day_of_birth")[2] == "Field PERSON.DAY_OF_BIRTH does not exist."
    assert told("field_plausibleafterbirth_death_death_date") == (False, True, None)
    assert told("field_isrequired_note_note_id") == (False, False, "Table NOTE is empty.")
    assert told("table_measurepersoncompleteness_note")[0] is False  # 100 % may be without a note
    assert told("field_isforeignkey_cost_drg_concept_id")[2] == "Field COST.DRG_CONCEPT_ID is not populated."
    assert told("field_measurevaluecompleteness_cost_drg_concept_id") == (False, False, None)
    assert told("field_cdmdatatype_provider_year_of_birth") == (False, True, None)
    assert told("field_measurevaluecompleteness_provider_year_of_birth") == (False, False, None)


def test_text_where_dates_belong_is_read_or_told(sound: SoundCdm) -> None:
    for table in ("note", "specimen"):
        sound.con.execute(f"ALTER TABLE {sound.name(table)} ALTER {table}_date TYPE VARCHAR")
    sound.put("specimen", "specimen_date", "'in spring'", 1)
    found = {j.check.check_id: j for j in _judge(sound)}
    assert found["field_plausiblevaluelow_note_note_date"].passed
    assert "in spring" in (found["field_plausiblevaluelow_specimen_specimen_date"].counts.error or "")
    assert found["field_isrequired_specimen_specimen_date"].passed


def test_a_folder_of_csv_files_is_checked_like_the_tables(sound: SoundCdm, tmp_path: Path) -> None:
    _plant(sound, next(c for c in checks("5.4") if c.check_id == "field_isrequired_measurement_measurement_date"), 4)
    for (table,) in sound.con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'sound'").fetchall():
        sound.con.execute(f"COPY {sound.name(table)} TO '{tmp_path / table.upper()}.CSV' (HEADER)")
    differing = sound.con.execute(
        f"""SELECT checkId FROM omopsql.check_cdm('{tmp_path}', version := '5.4') AS files
        JOIN omopsql.check_cdm('sound', version := '5.4') AS tables USING (checkId)
        WHERE (files.numViolatedRows, files.failed) IS DISTINCT FROM (tables.numViolatedRows, tables.failed)"""
    ).fetchall()
    assert differing == []


TYPES = (
    "VARCHAR",
    "DOUBLE",
    "BOOLEAN",
    "INTEGER[]",
    "BLOB",
    "TIMESTAMP",
    "DECIMAL(18,3)",
    "TIME",
    "UUID",
    "TIMESTAMPTZ",
)
COLUMNS = sorted((table, column) for table, fields in tables("5.4").items() for column in fields)


@settings(max_examples=8, phases=[Phase.generate])
@given(st.lists(st.tuples(st.sampled_from(COLUMNS), st.sampled_from(TYPES)), min_size=20, max_size=60))
def test_types_that_do_not_fit_stop_no_check(changes: list[tuple[tuple[str, str], str]]) -> None:
    with omopsql.connect() as con:
        cdm = SoundCdm(con)
        for (table, column), kind in changes:
            known = f"schema_name = 'sound' AND table_name = '{table}' AND column_name = '{column}'"
            if con.execute(f"SELECT 1 FROM duckdb_columns() WHERE {known}").fetchall():
                con.execute(f"ALTER TABLE sound.{table} ALTER {column} TYPE {kind} USING CAST(NULL AS {kind})")
        judged = _judge(cdm)
        assert len(judged) == len(checks("5.4"))
        assert all(j.failed + j.passed + bool(j.not_applicable or j.counts.error) == 1 for j in judged)


def test_keys_of_types_that_cannot_be_compared_are_told(sound: SoundCdm) -> None:
    sound.con.execute(f"ALTER TABLE {sound.name('measurement')} ALTER visit_occurrence_id TYPE VARCHAR")
    found = {j.check.check_id: j.counts.error for j in _judge(sound) if j.counts.error}
    assert found["field_isforeignkey_measurement_visit_occurrence_id"] == (
        "column visit_occurrence_id of table measurement is VARCHAR, and column visit_occurrence_id of table "
        "visit_occurrence is INTEGER: they cannot be compared"
    )
    assert set(found) == {
        "field_isforeignkey_measurement_visit_occurrence_id",
        "field_cdmdatatype_measurement_visit_occurrence_id",
        "field_withinvisitdates_measurement_measurement_date",
    }
