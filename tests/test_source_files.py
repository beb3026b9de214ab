"""What a hospital hands over, read as tables: any file, any name, broken lines, and what is missing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import clinic
import duckdb
import pytest
from cdm_folder import report, rows

from omopsql.errors import OmopsqlError
from omopsql.harmonize.run import harmonize


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


def test_a_file_that_is_no_table_is_only_noted(folders, tmp_path):
    (Path(folders[1]) / "LICENSE.txt").write_text("")
    found = report(harmonize(*folders, tmp_path / "cdm").folder)
    assert any(table == "license" and reason.startswith("no table") for table, _, reason in found)


def test_broken_lines_bytes_and_line_ends(folders, tmp_path):
    head = b"patient_no,stay_no,icd_code,coded_on\r\n"
    body = b'A1,10,E11.9,2019-01-02\nA1,10,\xff\xfe,2019-01-02\r\nA1,10\nA1,10,"E11.9",2019-01-04\r\n'
    (Path(folders[1]) / "diagnoses.csv").write_bytes(head + body)
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    assert len(rows(cdm, "condition_occurrence", "*")) == 2
    n, example = report(cdm)["diagnoses", "set aside", "the line cannot be read"]
    assert n == 2
    assert example.startswith("line 3")


def test_cells_beyond_the_header_set_a_line_aside_however_it_ends(folders, tmp_path):
    head = b"patient_no,stay_no,icd_code,coded_on\r\n"
    whole, empty = b"A1,10,E11.9,2019-01-02", b'A1,,"E11.9",2019-01-05'
    for ends in ((b"\r\n", b"\r\n"), (b"\n", b"\r\n")):  # as one system writes them, or two
        lines = [whole, whole + b",late", whole + b",,late", b"A1,10", empty]
        body = b"".join(line + ends[i % 2] for i, line in enumerate(lines))
        (Path(folders[1]) / "diagnoses.csv").write_bytes(head + body)
        cdm = harmonize(*folders, tmp_path / "cdm").folder
        found = rows(cdm, "condition_occurrence", "condition_start_date", "visit_occurrence_id")
        assert [(str(day), visit) for day, visit in found] == [("2019-01-02", 10), ("2019-01-05", None)]
        n, example = report(cdm)["diagnoses", "set aside", "the line cannot be read"]
        assert n == 3
        assert example.startswith(("line 3: Expected Number of Columns: 4", "not 4 cells: A1,10,E11.9,2019-01-02,late"))


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_broken_lines_of_a_table_that_nobody_reads_are_counted_too(folders, tmp_path, end):
    (Path(folders[1]) / "parking.csv").write_bytes(b"car,place\r\nred,1" + end + b"blue,2,3\r\ngreen\r\nwhite,4\r\n")
    found = report(harmonize(*folders, tmp_path / "cdm").folder)
    assert found["parking", "set aside", "the adapter does not read this table"][0] == 2
    assert found["parking", "set aside", "the adapter does not read this table; the line cannot be read"][0] == 2


def tab_separated(text: str) -> bytes:
    return text.replace(",", "\t").encode()


def lines_of_json(text: str) -> bytes:
    names, *lines = (line.split(",") for line in text.splitlines())
    return "".join(json.dumps(dict(zip(names, line, strict=True))) + "\n" for line in lines).encode()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("laboratory.csv.gz", lambda text: gzip.compress(text.encode())),
        ("LABORATORY.CSV", str.encode),
        ("Laboratory.2020.CSV.GZ", lambda text: gzip.compress(text.encode())),
        ("laboratory.tsv", tab_separated),
        ("LABORATORY.TSV.GZ", lambda text: gzip.compress(tab_separated(text))),
        ("laboratory.ndjson", lines_of_json),
        ("LABORATORY.NDJSON.GZ", lambda text: gzip.compress(lines_of_json(text))),
    ],
)
def test_names_say_how_a_file_is_written_in_any_case(folders, tmp_path, name, written):
    (Path(folders[1]) / "laboratory.csv").unlink()
    (Path(folders[1]) / name).write_bytes(written(clinic.LABORATORY))
    cdm = harmonize(*folders, tmp_path / "cdm").folder
    found = rows(cdm, "measurement", "measurement_concept_id", "value_source_value", "unit_source_value")
    assert found == [(3000963, "13.1", "g/dl"), (3004410, "7.9", "%"), (3004410, "haemolysed", "%")]
    assert report(cdm)["laboratory", "mapped", ""][0] == 3


def test_files_of_one_table_are_united_in_the_order_of_their_names(folders, tmp_path):
    extracts = Path(folders[1])
    header, *lines = clinic.LABORATORY.splitlines()
    (extracts / "laboratory.csv").unlink()
    (extracts / "2020").mkdir()
    (extracts / "laboratory.2019.csv").write_text("\n".join([header, *lines[:2]]))
    (extracts / "laboratory.2020.csv.gz").write_bytes(gzip.compress("\n".join([header, *lines[2:]]).encode()))
    assert len(rows(harmonize(*folders, tmp_path / "cdm").folder, "measurement", "*")) == 3
    (extracts / "laboratory.2021.csv").write_text("patient_no,loinc\n")
    with pytest.raises(OmopsqlError, match=r"laboratory\.2021\.csv has other columns than .*laboratory\.2019\.csv"):
        harmonize(*folders, tmp_path / "cdm")


@pytest.mark.parametrize("form", ["parquet", "json", "csv"])
def test_a_folder_may_have_any_name(folders, tmp_path, form):
    """Even one that, read as a pattern, would mean the folder beside it."""
    for name, limit in (("of year [1]*", ""), ("of year 1*", "LIMIT 0")):
        (tmp_path / name).mkdir()
        for path in Path(folders[1]).glob("*.csv"):
            read = f"FROM read_csv('{path}', all_varchar = true) {limit}"
            duckdb.execute(f"COPY ({read}) TO '{tmp_path / name / path.stem}.{form}'")
    cdm = harmonize(folders[0], str(tmp_path / "of year [1]*"), folders[2], tmp_path / "cdm").folder
    assert len(rows(cdm, "condition_occurrence", "*")) == 6


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


def test_names_of_the_source_are_only_names(folders, tmp_path):
    adapter, extracts = Path(folders[0]), Path(folders[1])
    (extracts / 'x"; DROP TABLE y; --.csv').write_text('a"b,c\n1,2\n')
    cdm = harmonize(str(adapter), str(extracts), folders[2], tmp_path / "cdm").folder
    assert report(cdm)['x"; drop table y; --', "set aside", "the adapter does not read this table"][0] == 1
