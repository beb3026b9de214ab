"""From extracts to a CDM: what is mapped where, what is set aside and why, and that nothing vanishes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import clinic
import duckdb
import numpy as np
import pytest
from cdm_folder import report, rows

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.harmonize import on_demand
from omopsql.harmonize.cdm import VOCABULARY_TABLES, tables
from omopsql.harmonize.outcomes import OTHER_REASONS, Outcomes
from omopsql.harmonize.run import harmonize


@pytest.fixture
def cdm(folders, tmp_path) -> Path:
    return harmonize(*folders, tmp_path / "cdm").folder


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


def test_as_many_reasons_as_rows(folders, tmp_path):
    adapter, extracts = Path(folders[0]), Path(folders[1])
    (extracts / "drugs.csv").write_text(
        "patient_no,ndc,given,days\n" + "".join(f"A1,0093104801,2019-01-02,{i}\n" for i in range(400))
    )
    file = adapter / "drug_exposure.sql"
    file.write_text(file.read_text().replace("days AS days_supply", "'unlikely: ' || days AS set_aside"))
    found = report(harmonize(*folders, tmp_path / "cdm").folder)
    aside = {
        reason: n for (table, outcome, reason), (n, _) in found.items() if (table, outcome) == ("drugs", "set aside")
    }
    assert aside == {f"unlikely: {i}": 1 for i in range(400)}


def test_more_reasons_than_can_be_told_apart_are_told_as_one():
    outcomes = Outcomes("drugs", 70_000)
    for row in range(1, 70_001):
        outcomes.set_aside(np.array([row]), f"reason {row}", None)
    lines = outcomes.lines("drug_exposure.sql")
    assert sum(n for _, _, _, n, _ in lines) == 70_000
    assert len(lines) == 1 + 65_532 + 1
    assert ("drugs", "set aside", "reason 65532", 1, "row 65532") in lines
    assert ("drugs", "set aside", OTHER_REASONS, 70_000 - 65_532, "row 65533") in lines


def test_a_death_without_a_cause_is_mapped(folders, tmp_path):
    (Path(folders[1]) / "deaths.csv").write_text("patient_no,died\nB2,2020-05-05\n")
    (Path(folders[0]) / "death.sql").write_text(
        "-- @reads deaths (patient_no, died)\n"
        "SELECT source_row, patient_no AS person_id, died AS death_date FROM deaths"
    )
    found = report(harmonize(*folders, tmp_path / "cdm").folder)
    assert {key[1:]: n for key, (n, _) in found.items() if key[0] == "deaths"} == {("mapped", ""): 1}


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
    expected = {name: list(fields) for name, fields in tables("5.4").items() if name not in VOCABULARY_TABLES}
    assert {path.stem: duckdb.sql(f"FROM '{path}'").columns for path in cdm.glob("*.parquet")} == expected


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
    (extracts / "parking.csv").write_text("car,place\nred,1\nblue\n")  # nobody reads it
    assert harmonize(*folders, tmp_path / "cdm", strict=True).rows["person"] == 1


def test_a_folder_that_is_no_cdm_is_not_touched(folders, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    with pytest.raises(OmopsqlError, match="holds something that is no CDM"):
        harmonize(*folders, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "precious"


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


@pytest.mark.parametrize(
    ("folder", "file", "old", "new"),
    [
        (0, "person.sql", "WHEN 'F' THEN 8532", "WHEN 'F' THEN 8521"),
        (1, "patients.csv", "A1,F,1950", "A1,X,1950"),
        (2, "concept.csv", "201826,", "201827,"),
    ],
)
def test_in_sql_a_changed_file_is_seen(con, folders, folder, file, old, new):
    adapter, source, vocabulary = folders

    def harmonized() -> list[tuple]:
        """Which persons and concepts a query finds."""
        called = [
            f"omopsql.harmonize('{adapter}', '{source}', '{t}', '{vocabulary}')" for t in ("person", "condition_era")
        ]
        return con.execute(
            f"SELECT gender_concept_id, condition_concept_id FROM {called[0]} JOIN {called[1]} USING (person_id) "
            "ORDER BY ALL"
        ).fetchall()

    before = harmonized()
    path = Path(folders[folder]) / file
    path.write_text(path.read_text().replace(old, new))
    assert harmonized() != before


def test_in_sql_a_cdm_is_made_once_and_only_so_many_are_kept(con, folders, tmp_path, monkeypatch):
    adapter, source, vocabulary = folders
    made = []
    run = on_demand.run
    monkeypatch.setattr(on_demand, "run", lambda *arguments: (made.append(arguments[3]), run(*arguments)))
    for table in ("person", "death", "person"):
        con.execute(f"FROM omopsql.harmonize('{adapter}', '{source}', '{table}', '{vocabulary}')").fetchall()
    assert len(made) == 1
    assert on_demand._harmonized.cache_info().maxsize is not None
    on_demand._harmonized.cache_clear()
    assert not made[0].exists()


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


def test_the_vocabulary_in_use_is_the_default(con, folders):
    adapter, source, vocabulary = folders
    con.execute(f"FROM omopsql.use_vocabulary('{vocabulary}')").fetchall()
    counted = f"SELECT count(*) FROM omopsql.harmonize('{adapter}', '{source}', 'death')"
    assert con.execute(counted).fetchall() == [(1,)]


def test_every_record_of_a_source_row_has_a_key_of_its_own(folders, tmp_path):
    adapter, source, vocabulary = folders
    (Path(adapter) / "measurement.sql").write_text(
        "-- @reads laboratory (patient_no, loinc, value, taken)\n"
        "SELECT source_row, patient_no AS person_id, unnest([loinc, loinc, 'T22']) AS measurement_source_value,\n"
        "    'LOINC' AS source_vocabulary_id, unnest(['1', '1', '3']) AS value_source_value,\n"
        "    taken AS measurement_datetime\n"
        "FROM laboratory\n"
    )
    made = [harmonize(adapter, source, vocabulary, tmp_path / name).folder for name in ("one", "two")]
    columns = ("measurement_id", "person_id", "measurement_source_value", "value_source_value")
    first, second = (rows(folder, "measurement", *columns) for folder in made)
    assert len({key for key, *_ in first}) == len(first) == 9
    assert first == second
    with omopsql.connect() as con:
        lineage = f"SELECT count(DISTINCT cdm_key), count(DISTINCT source_row) FROM omopsql.lineage('{made[0]}')"
        assert con.execute(f"{lineage} WHERE cdm_table = 'measurement'").fetchall() == [(9, 3)]
