"""An adapter of one's own: its files, its steps, the tables that it asks for, its concept map, and its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cdm_folder import report, rows

from omopsql.errors import OmopsqlError
from omopsql.harmonize.adapter import read_adapter
from omopsql.harmonize.run import harmonize


@pytest.mark.parametrize(
    ("name", "sql", "told"),
    [
        ("person.sql", "SELECT 1 AS person_id", "lacks a line -- @reads"),
        ("person.sql", "-- @reads patients\nSELECT patient_no AS person_id, 1 AS shoe_size FROM patients", "shoe_size"),
        ("person.sql", "-- @reads patients\nSELECT nothing FROM patients", 'person.sql: .*"nothing"'),
        ("people.sql", "-- @reads patients\nSELECT 1", "people is no table of the CDM"),
        ("person.sql", "-- @reads patients (a b\nSELECT 1", "is not of the form"),
        ("person.sql", "-- @reads patients\nSELECT 1; SELECT 2", "must hold one SELECT"),
        ("person.sql", "-- @reads patients\nDROP TABLE patients", "must hold one SELECT"),
        ("person.sql", "-- @reads patients\nSELEKT 1", r"person\.sql: .*SELEKT"),
    ],
)
def test_a_bad_adapter_file_is_named(folders, tmp_path, name, sql, told):
    (Path(folders[0]) / name).write_text(sql)
    with pytest.raises(OmopsqlError, match=told):
        harmonize(*folders, tmp_path / "cdm")


def test_an_unknown_adapter_tells_the_known_ones(folders, tmp_path):
    with pytest.raises(OmopsqlError, match=r"no adapter 'sinthea'.*synthea"):
        harmonize("sinthea", folders[1], folders[2], tmp_path / "cdm")


def test_a_folder_here_does_not_hide_a_shipped_adapter(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "synthea").mkdir()
    assert any(file.cdm_table == "person" for file in read_adapter("synthea", "5.4").files)
    assert read_adapter("clinic", "5.4").concept_map is not None


def test_a_table_of_any_name(folders, tmp_path):
    adapter, extracts = (Path(folder) for folder in folders[:2])
    file = adapter / "measurement.sql"
    file.write_text(file.read_text().replace("@reads laboratory (", "@reads laboratory or any other ("))
    (extracts / "laboratory.csv").rename(extracts / "Values_of_2020.csv")
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert len(rows(cdm, "measurement", "*")) == 3
    assert report(cdm)["values_of_2020", "mapped", ""][0] == 3
    (extracts / "parking.csv").write_text("car\nred\n")
    with pytest.raises(OmopsqlError, match=r"must hold laboratory, or one other table; other tables: parking, values"):
        harmonize(*folders, tmp_path / "cdm")


def read_laboratory_as(folders, line: str) -> Path:
    """Let the adapter ask for the laboratory in other words; return the folder of the extracts."""
    file = Path(folders[0]) / "measurement.sql"
    text = file.read_text()
    file.write_text(text.replace("@reads laboratory (", f"@reads {line} (").replace("FROM laboratory", "FROM results"))
    return Path(folders[1])


@pytest.mark.parametrize("line", ["results or labs or laboratory", "results? or labs or LABORATORY"])
def test_a_table_of_several_names(folders, tmp_path, line):
    extracts = read_laboratory_as(folders, line)
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert len(rows(cdm, "measurement", "*")) == 3
    assert report(cdm)["laboratory", "mapped", ""][0] == 3
    for name in ("labs", "results"):  # the name that stands further to the left
        (extracts / f"{name}.csv").write_text((extracts / "laboratory.csv").read_text().splitlines()[0] + "\n")
        cdm = harmonize(*folders, tmp_path / "cdm").folder
        assert rows(cdm, "measurement", "*") == []
        assert report(cdm)["laboratory", "set aside", "the adapter does not read this table"][0] == 3


@pytest.mark.parametrize("line", ["results? or labs or more", "results? or any other"])
def test_a_table_of_several_names_may_be_absent(folders, tmp_path, line):
    extracts = read_laboratory_as(folders, line)
    (extracts / "laboratory.csv").unlink()
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert rows(cdm, "measurement", "*") == []
    assert report(cdm)["results", "note", "absent: measurement.sql was left out"][0] == 0


def test_a_table_of_several_names_that_is_absent_is_named(folders, tmp_path):
    (read_laboratory_as(folders, "results or labs") / "laboratory.csv").unlink()
    with pytest.raises(OmopsqlError, match="has no table results, which the adapter reads"):
        harmonize(*folders, tmp_path / "cdm")


@pytest.mark.parametrize(
    ("selected", "told"),
    [
        (
            "CAST(NULL AS BIGINT) AS source_row",
            r"condition_occurrence\.sql selects source_row NULL, but diagnoses, the",
        ),
        (
            "source_row + 1 AS source_row",
            r"condition_occurrence\.sql selects source_row 8, .* has 7 rows, numbered from 1",
        ),
        (
            "source_row - 1 AS source_row",
            r"condition_occurrence\.sql selects source_row 0, .* has 7 rows, numbered from 1",
        ),
    ],
)
def test_a_row_that_the_source_does_not_have_is_named(folders, tmp_path, selected, told):
    file = Path(folders[0]) / "condition_occurrence.sql"
    file.write_text(file.read_text().replace("source_row", selected, 1))
    with pytest.raises(OmopsqlError, match=told):
        harmonize(*folders, tmp_path / "cdm")
    assert not (tmp_path / "cdm").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("source_code,target_concept_id\nLOCAL,316139\n", "has no column source_vocabulary_id; it has source_code"),
        ("source_code,source_vocabulary_id\nLOCAL,ICD10CM\n", "has no column target_concept_id; it has source_code"),
        (
            "source_code,source_vocabulary_id,target_concept_id\nLOCAL,ICD10CM,heart failure\n",
            "target_concept_id 'heart failure' of the code LOCAL is no concept_id",
        ),
        (
            "source_code,source_vocabulary_id,target_concept_id\nLOCAL,ICD10CM\n",
            "source_to_concept_map.csv cannot be read",
        ),
    ],
)
def test_a_bad_concept_map_is_named(folders, tmp_path, text, told):
    (Path(folders[0]) / "source_to_concept_map.csv").write_text(text)
    with pytest.raises(
        OmopsqlError, match=f"source_to_concept_map.csv.*{told.removeprefix('source_to_concept_map.csv')}"
    ):
        harmonize(*folders, tmp_path / "cdm")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_concept_map_as_a_spreadsheet_writes_it(folders, tmp_path, delimiter):
    header = "\ufeffSOURCE_CODE,SOURCE_VOCABULARY_ID,TARGET_CONCEPT_ID,REMARK"
    lines = f"{header}\r\nLOCAL,ICD10CM,316139,ours\r\nOTHER,ICD10CM,,not yet\r\n"
    (Path(folders[0]) / "source_to_concept_map.csv").write_text(lines.replace(",", delimiter), newline="")
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert ("LOCAL", 316139) in rows(cdm, "condition_occurrence", "condition_source_value", "condition_concept_id")


def test_steps_are_tables_for_the_other_files(folders, tmp_path):
    adapter = Path(folders[0])
    (adapter / "_adults.sql").write_text("-- @reads patients (patient_no, sex, born)\nFROM patients WHERE sex = 'F'")
    (adapter / "person.sql").write_text(
        "-- @reads patients (patient_no)\n-- @reads _adults\n"
        "SELECT source_row, patient_no AS person_id, born AS birth_datetime, 8532 AS gender_concept_id FROM _adults"
    )
    assert len(rows(harmonize(*folders, tmp_path / "cdm").folder, "person", "*")) == 1


def test_a_step_over_an_absent_table_is_empty(folders, tmp_path):
    adapter = Path(folders[0])
    (adapter / "_scans.sql").write_text('-- @reads more-scans? (patient_no, taken)\nFROM "more-scans"')
    (adapter / "note.sql").write_text(
        "-- @reads _scans\nSELECT source_row, patient_no AS person_id, taken AS note_date, 'x' AS note_text, "
        "0 AS note_class_concept_id FROM _scans"
    )
    assert harmonize(*folders, tmp_path / "cdm").rows["note"] == 0


def test_a_map_to_a_concept_that_the_vocabulary_lacks_is_taken_and_noted(folders, tmp_path):
    (Path(folders[0]) / "source_to_concept_map.csv").write_text(
        "source_code,source_vocabulary_id,target_concept_id\nLOCAL,ICD10CM,999999999\n"
    )
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert ("LOCAL", 999999999) in rows(cdm, "condition_occurrence", "condition_source_value", "condition_concept_id")
    noted = report(cdm)["source_to_concept_map", "note", "target that the vocabulary lacks"]
    assert noted == (1, "999999999")
