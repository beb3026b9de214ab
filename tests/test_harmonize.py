"""From extracts to a CDM: what is mapped where, what is set aside and why, and that nothing vanishes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import clinic
import duckdb
import pytest

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.harmonize.adapter import read_adapter
from omopsql.harmonize.cdm import tables
from omopsql.harmonize.run import harmonize


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str, str]:
    """The clinic's adapter, extracts and vocabulary."""
    return clinic.write_clinic(tmp_path)


@pytest.fixture
def cdm(folders, tmp_path) -> Path:
    return harmonize(*folders, tmp_path / "cdm").folder


def rows(cdm: Path, table: str, *columns: str) -> list[tuple]:
    """Some columns of a table, sorted."""
    return duckdb.sql(f"SELECT {', '.join(columns)} FROM '{cdm}/{table}.parquet' ORDER BY ALL").fetchall()


def report(cdm: Path) -> dict[tuple[str, str, str], tuple[int, str | None]]:
    """(source table, outcome, reason) -> (rows, example)."""
    found = duckdb.sql(f"FROM '{cdm}/_harmonize/report.parquet'").fetchall()
    return {(table, outcome, reason): (n, example) for table, outcome, reason, n, example in found}


def date(text: str):
    return duckdb.sql(f"SELECT DATE '{text}'").fetchall()[0][0]


def test_codes_lead_to_standard_concepts_whatever_their_form(cdm):
    found = rows(cdm, "condition_occurrence", "condition_source_value", "condition_concept_id", "condition_start_date")
    assert ("e119", 201826, date("2019-01-02")) in found
    assert ("T22", 201826, date("2019-01-03")) in found  # one code, two concepts: two rows
    assert ("T22", 316139, date("2019-01-03")) in found
    assert ("I99", 316139, date("2020-05-02")) in found  # replaced
    assert ("LOCAL", 316139, date("2020-05-03")) in found  # the clinic's own map
    assert ("X99", 0, date("2020-05-02")) in found  # unmapped, and kept
    assert len(found) == 6


def test_a_diagnosis_of_another_domain_goes_to_its_table(cdm):
    wanted = [("Z87", 4214956, 1572190, date("2019-01-02"), 32817, 10)]
    columns = ("observation_source_value", "observation_concept_id", "observation_source_concept_id")
    more = ("observation_date", "observation_type_concept_id", "visit_occurrence_id")
    assert rows(cdm, "observation", *columns, *more) == wanted


def test_every_form_of_a_drug_code_and_its_end(cdm):
    found = rows(cdm, "drug_exposure", "drug_concept_id", "drug_exposure_start_date", "drug_exposure_end_date")
    assert found == [
        (40163924, date("2019-01-02"), date("2019-01-31")),
        (40163924, date("2019-02-20"), date("2019-03-21")),
        (40163924, date("2019-06-01"), date("2019-06-01")),
    ]


def test_values_units_and_moments_of_measurements(cdm):
    found = rows(cdm, "measurement", "measurement_concept_id", "value_as_number", "value_source_value",
                 "unit_concept_id", "unit_source_value", "measurement_date")  # fmt: skip
    assert found == [
        (3000963, 13.1, "13.1", 0, "g/dl", date("2020-05-02")),  # known unit, not in this vocabulary
        (3004410, 7.9, "7.9", 8554, "%", date("2019-01-02")),
        (3004410, None, "haemolysed", 8554, "%", date("2019-01-03")),
    ]


def test_every_row_is_accounted_for_with_its_reason(cdm):
    found = report(cdm)
    sums: dict[str, int] = {}
    for (table, outcome, _), (n, _) in found.items():
        if outcome != "note":
            sums[table] = sums.get(table, 0) + n
    assert sums == {"patients": 5, "stays": 4, "diagnoses": 7, "laboratory": 3, "drugs": 3}
    assert found["patients", "set aside", "person_id repeats that of an earlier row"] == (1, "row 3: A1")
    assert found["patients", "set aside", "birth_datetime is no date"] == (1, "row 5: unknown")
    assert found["patients", "set aside", "no person"] == (1, "row 4")
    assert found["stays", "set aside", "unknown person"] == (1, "row 3: Z9")
    assert found["stays", "set aside", "visit_end_date before visit_start_date"] == (1, "row 4: 2019-03-01")
    assert found["diagnoses", "set aside", "condition_start_date is no date"] == (1, "row 4: 2020-02-30")
    assert found["diagnoses", "unmapped", "no standard concept for its code"][0] == 1
    assert found["diagnoses", "note", "code not in the vocabulary ICD10CM"] == (1, "X99")
    assert found["condition_occurrence", "note", "visit_occurrence_id is unknown and left NULL"] == (1, "99")


def test_lineage_leads_back_to_the_source(cdm):
    found = duckdb.sql(
        f"""
        SELECT l.source_table, l.source_row, l.adapter_file
        FROM '{cdm}/_harmonize/lineage.parquet' AS l
        JOIN '{cdm}/observation.parquet' AS o ON l.cdm_table = 'observation' AND l.cdm_key = o.observation_id
        """
    ).fetchall()
    assert found == [("diagnoses", 2, "condition_occurrence")]


def test_every_table_of_the_cdm_is_there_in_its_shape(cdm):
    for table, fields in tables("5.4").items():
        if table in ("concept", "vocabulary", "domain", "relationship", "drug_strength") or "concept_" in table:
            continue
        path = cdm / f"{table}.parquet"
        if path.exists():
            assert duckdb.sql(f"FROM '{path}'").columns == list(fields)
    assert {"person", "observation_period", "condition_era", "note", "cdm_source"} <= {p.stem for p in cdm.glob("*")}


def test_the_same_source_gives_the_same_bytes(folders, tmp_path):
    one, two = (harmonize(*folders, tmp_path / name).folder for name in ("one", "two"))
    for path in one.rglob("*.parquet"):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes(), path.name


def test_a_key_does_not_depend_on_the_other_rows(folders, tmp_path):
    before = rows(harmonize(*folders, tmp_path / "one").folder, "person", "person_id")
    extracts = Path(folders[1])
    (extracts / "patients.csv").write_text(clinic.PATIENTS + "D4,F,1980-02-03,\n")
    after = rows(harmonize(*folders, tmp_path / "two").folder, "person", "person_id")
    assert set(before) < set(after)


def test_strict_refuses_and_leaves_the_old_cdm(folders, tmp_path, cdm):
    before = {path: path.read_bytes() for path in cdm.rglob("*.parquet")}
    with pytest.raises(OmopsqlError, match="mend them, or run without --strict"):
        harmonize(*folders, cdm, strict=True)
    assert {path: path.read_bytes() for path in cdm.rglob("*.parquet")} == before
    assert not list(tmp_path.glob(".*"))


def test_strict_accepts_what_is_clean(folders, tmp_path):
    extracts = Path(folders[1])
    (extracts / "patients.csv").write_text("patient_no,sex,born,died\nA1,F,1950-03-02,\n")
    (extracts / "stays.csv").write_text("stay_no,patient_no,admitted,discharged\n10,A1,2019-01-01,2019-01-05\n")
    (extracts / "diagnoses.csv").write_text("patient_no,stay_no,icd_code,coded_on\nA1,10,E11.9,2019-01-02\n")
    (extracts / "laboratory.csv").write_text("patient_no,loinc,value,unit,taken\nA1,718-7,13.1,g/dl,2019-01-02\n")
    assert harmonize(*folders, tmp_path / "cdm", strict=True).rows["person"] == 1


def test_a_folder_that_is_no_cdm_is_not_touched(folders, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    with pytest.raises(OmopsqlError, match="holds something that is no CDM"):
        harmonize(*folders, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("stays.csv", None, "has no table stays"),
        ("stays.csv", "stay_no,patient_no,admitted\n1,A1,2019-01-01\n", "table stays has no column discharged"),
        ("stays.csv", "", "stays.csv is empty"),
    ],
)
def test_what_is_missing_is_named(folders, tmp_path, file, text, told):
    path = Path(folders[1]) / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(OmopsqlError, match=told):
        harmonize(*folders, tmp_path / "cdm")
    assert not (tmp_path / "cdm").exists()


def test_an_optional_table_may_be_absent(folders, tmp_path):
    (Path(folders[1]) / "drugs.csv").unlink()
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert rows(cdm, "drug_exposure", "*") == []
    assert report(cdm)["drugs", "note", "absent: drug_exposure.sql was left out"][0] == 0


def test_a_table_that_nobody_reads_is_reported(folders, tmp_path):
    (Path(folders[1]) / "parking.csv").write_text("car,place\nred,1\nblue,2\n")
    found = report(harmonize(*folders, tmp_path / "cdm").folder)
    assert found["parking", "set aside", "the adapter does not read this table"][0] == 2


def test_broken_lines_bytes_and_line_ends(folders, tmp_path):
    head = b"patient_no,stay_no,icd_code,coded_on\r\n"
    body = b'A1,10,E11.9,2019-01-02\nA1,10,\xff\xfe,2019-01-02\r\nA1,10\nA1,10,"E11.9",2019-01-04\r\n'
    (Path(folders[1]) / "diagnoses.csv").write_bytes(head + body)
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert len(rows(cdm, "condition_occurrence", "*")) == 2
    n, example = report(cdm)["diagnoses", "set aside", "the line cannot be read"]
    assert n == 2
    assert example.startswith("line 3")


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


def test_steps_are_tables_for_the_other_files(folders, tmp_path):
    adapter = Path(folders[0])
    (adapter / "_adults.sql").write_text("-- @reads patients (patient_no, sex, born)\nFROM patients WHERE sex = 'F'")
    (adapter / "person.sql").write_text(
        "-- @reads patients (patient_no)\n-- @reads _adults\n"
        "SELECT source_row, patient_no AS person_id, born AS birth_datetime, 8532 AS gender_concept_id FROM _adults"
    )
    assert len(rows(harmonize(*folders, tmp_path / "cdm").folder, "person", "*")) == 1


def test_a_duckdb_file_and_parquet_are_sources_too(folders, tmp_path):
    file, folder = tmp_path / "hospital.duckdb", tmp_path / "parquet"
    folder.mkdir()
    with duckdb.connect(str(file)) as con:
        for path in Path(folders[1]).glob("*.csv"):
            con.execute(f"CREATE TABLE {path.stem} AS FROM read_csv('{path}', all_varchar = true)")
            con.execute(f"COPY {path.stem} TO '{folder}/{path.stem}.parquet'")
    wanted = rows(harmonize(*folders, tmp_path / "csv").folder, "condition_occurrence", "*")
    for source in (file, folder):
        cdm = harmonize(folders[0], str(source), folders[2], tmp_path / "again")
        assert rows(cdm.folder, "condition_occurrence", "*") == wanted


def test_other_coded_columns_are_mapped_too(folders, tmp_path):
    (Path(folders[0]) / "measurement.sql").write_text(
        "-- @reads laboratory (patient_no)\n"
        "SELECT source_row, patient_no AS person_id, 4 AS measurement_concept_id, taken AS measurement_datetime, "
        "'10828004' AS value_source_value, 'SNOMED' AS value_vocabulary_id FROM laboratory"
    )
    found = rows(harmonize(*folders, tmp_path / "cdm").folder, "measurement", "value_as_concept_id")
    assert found == [(4181412,)] * 3


def test_numbers_that_cannot_be_read_are_noted(folders, tmp_path):
    adapter = Path(folders[0]) / "measurement.sql"
    adapter.write_text(adapter.read_text().replace("TRY_CAST(value AS DOUBLE)", "value"))
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert report(cdm)["laboratory", "note", "value_as_number is no number and left NULL"] == (1, "haemolysed")


def test_names_of_the_source_are_only_names(folders, tmp_path):
    adapter, extracts = Path(folders[0]), Path(folders[1])
    (extracts / 'x"; DROP TABLE y; --.csv').write_text('a"b,c\n1,2\n')
    cdm = harmonize(str(adapter), str(extracts), folders[2], tmp_path / "cdm").folder
    assert report(cdm)['x"; drop table y; --', "set aside", "the adapter does not read this table"][0] == 1


def test_in_sql(con, folders, tmp_path, cdm):
    adapter, source, vocabulary = folders
    called = f"omopsql.harmonize('{adapter}', '{source}', 'person', '{vocabulary}')"
    assert con.execute(f"SELECT count(*) FROM {called}").fetchall() == [(2,)]
    assert con.execute(f"SELECT source_code, is_known FROM omopsql.unmapped_codes('{cdm}')").fetchall() == [
        ("X99", False)
    ]
    coverage = con.execute(
        f"SELECT codes, codes_mapped, rows_mapped FROM omopsql.mapping_coverage('{cdm}') "
        "WHERE source_vocabulary_id = 'ICD10CM'"
    ).fetchall()
    assert coverage == [(6, 5, 5)]
    with pytest.raises(duckdb.Error, match="is no CDM that omopsql harmonized"):
        con.execute(f"FROM omopsql.harmonize_report('{tmp_path}')")


def test_on_the_command_line(folders, tmp_path, monkeypatch):
    adapter, source, vocabulary = folders
    monkeypatch.setenv("PYTHONPATH", str(Path(omopsql.__file__).parents[1]))
    command = [sys.executable, "-m", "omopsql.cli", "harmonize", adapter, source, "--vocabulary", vocabulary]
    done = subprocess.run([*command, "-o", tmp_path / "cdm"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "row 4: 2020-02-30" in done.stderr
    assert (tmp_path / "cdm" / "person.parquet").exists()
    strict = subprocess.run([*command, "-o", tmp_path / "new", "--strict"], capture_output=True, text=True, timeout=300)
    assert strict.returncode == 1
    assert strict.stderr.count("\n") == 1
    assert "Traceback" not in strict.stderr
    assert not (tmp_path / "new").exists()


def test_codes_of_any_table_are_mapped_by_the_vocabulary_in_use(con, folders):
    con.execute(f"FROM omopsql.use_vocabulary('{folders[2]}')").fetchall()
    mapped = f"omopsql.map_concepts('{folders[1]}/diagnoses.csv', code := 'ICD_CODE', vocabulary := 'ICD10CM')"
    found = con.execute(f"SELECT trim(icd_code), concept_id, domain_id FROM {mapped} ORDER BY ALL").fetchall()
    assert found == [
        ("E11.9", 201826, "Condition"),
        ("I99", 316139, "Condition"),
        ("LOCAL", 0, None),
        ("T22", 201826, "Condition"),
        ("T22", 316139, "Condition"),
        ("X99", 0, None),
        ("Z87", 4214956, "Observation"),
        ("e119", 201826, "Condition"),
    ]
    with pytest.raises(duckdb.Error, match="has no column icd; it has patient_no"):
        con.execute(f"FROM omopsql.map_concepts('{folders[1]}/diagnoses.csv', code := 'icd', vocabulary := 'ICD10CM')")


def test_without_a_vocabulary_the_error_says_what_to_do(con, folders, monkeypatch):
    with pytest.raises(duckdb.Error, match=r"no vocabulary is in use; run FROM omopsql\.use_vocabulary"):
        con.execute(
            f"FROM omopsql.map_concepts('{folders[1]}/diagnoses.csv', code := 'icd_code', vocabulary := 'ICD10CM')"
        ).fetchall()


def test_the_older_version_has_its_own_names(folders, tmp_path):
    visits = Path(folders[0]) / "visit_occurrence.sql"
    visits.write_text(
        visits.read_text().replace("stay_no AS visit_source_value", "'home' AS admitted_from_source_value")
    )
    drugs = Path(folders[0]) / "observation.sql"
    drugs.write_text(
        "-- @reads stays (patient_no, admitted)\n"
        "SELECT source_row, patient_no AS person_id, 4 AS observation_concept_id, admitted AS observation_date, "
        "'x' AS value_source_value FROM stays"
    )
    cdm = harmonize(*folders, tmp_path / "cdm", version="5.3").folder
    assert rows(cdm, "visit_occurrence", "admitting_source_value") == [("home",)] * 2
    assert duckdb.sql(f"FROM '{cdm}/observation.parquet'").columns == list(tables("5.3")["observation"])
    assert rows(cdm, "cdm_source", "cdm_version") == [("5.3",)]


def test_a_file_that_groups_rows_does_not_hide_what_others_set_aside(folders, tmp_path):
    (Path(folders[0]) / "location.sql").write_text(
        "-- @reads patients (sex)\nSELECT DISTINCT sex AS location_id, sex AS location_source_value FROM patients"
    )
    found = report(harmonize(*folders, tmp_path / "cdm").folder)
    assert found["patients", "set aside", "person_id repeats that of an earlier row"] == (1, "row 3: A1")


def test_a_step_over_an_absent_table_is_empty(folders, tmp_path):
    adapter = Path(folders[0])
    (adapter / "_scans.sql").write_text('-- @reads more-scans? (patient_no, taken)\nFROM "more-scans"')
    (adapter / "note.sql").write_text(
        "-- @reads _scans\nSELECT source_row, patient_no AS person_id, taken AS note_date, 'x' AS note_text, "
        "0 AS note_class_concept_id FROM _scans"
    )
    assert harmonize(*folders, tmp_path / "cdm").rows["note"] == 0


def test_a_file_that_is_no_table_is_only_noted(folders, tmp_path):
    (Path(folders[1]) / "LICENSE.txt").write_text("")
    found = report(harmonize(*folders, tmp_path / "cdm").folder)
    assert any(table == "license" and reason.startswith("no table") for table, _, reason in found)


def test_a_map_to_a_concept_that_the_vocabulary_lacks_is_taken_and_noted(folders, tmp_path):
    (Path(folders[0]) / "source_to_concept_map.csv").write_text(
        "source_code,source_vocabulary_id,target_concept_id\nLOCAL,ICD10CM,999999999\n"
    )
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert ("LOCAL", 999999999) in rows(cdm, "condition_occurrence", "condition_source_value", "condition_concept_id")
    noted = report(cdm)["source_to_concept_map", "note", "target that the vocabulary lacks"]
    assert noted == (1, "999999999")


def test_the_vocabulary_in_use_is_the_default(con, folders):
    adapter, source, vocabulary = folders
    con.execute(f"FROM omopsql.use_vocabulary('{vocabulary}')").fetchall()
    counted = f"SELECT count(*) FROM omopsql.harmonize('{adapter}', '{source}', 'death')"
    assert con.execute(counted).fetchall() == [(1,)]
