"""What ``scan`` tells of a source, and what it never tells."""

from pathlib import Path

import duckdb
import pytest

COLUMNS = "table_name, column_name, rows, missing, distinct_values, frequent_values, lowest, highest, looks_like"


def profile(con: duckdb.DuckDBPyConnection, source: object, **options: int) -> dict[str, dict]:
    """The rows of a scan by column, or by table.column where there are several tables."""
    call = "".join(f", {name} := {value}" for name, value in options.items())
    relation = con.sql(f"FROM omopsql.scan('{source}'{call})")
    rows = relation.to_arrow_table().to_pylist()
    several = len({row["table_name"] for row in rows}) > 1
    return {f"{row['table_name']}.{row['column_name']}" if several else row["column_name"]: row for row in rows}


@pytest.fixture
def stays(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> Path:
    """A folder with one CSV file of 300 stays of 300 cases."""
    con.execute(
        f"""
        COPY (
            SELECT
                format('c{{:06d}}', i * 7919 % 1000000) AS case_ref,
                CASE WHEN i < 290 THEN 'I10' WHEN i < 298 THEN 'E11.9' END AS icd10_code,
                strftime(DATE '2020-01-01' + i::INT, '%d.%m.%Y') AS admitted,
                strftime(DATE '2020-01-01' + i::INT, '%d/%m/%Y') AS left_on,
                strftime(DATE '2020-01-01' + i::INT, '%Y%m%d') AS coded_on,
                replace(round(5 + i / 100, 2)::VARCHAR, '.', ',') AS hba1c,
                'patient ' || i || ' came by himself and was well' AS remark,
                CASE WHEN i % 3 = 0 THEN '  ' ELSE '0' || (i % 10) END AS ward,
                'Maria' AS first_name
            FROM range(300) AS r (i)
        ) TO '{tmp_path}/stays.csv'
        """
    )
    return tmp_path


def test_columns_are_told_apart(con, stays):
    found = profile(con, stays)
    assert {name: row["looks_like"] for name, row in found.items()} == {
        "case_ref": "key",
        "icd10_code": "code",
        "admitted": "date",
        "left_on": "date",
        "coded_on": "date",
        "hba1c": "number",
        "remark": "free text",
        "ward": "code",
        "first_name": "free text",
    }
    assert {row["rows"] for row in found.values()} == {300}
    assert found["ward"]["missing"] == 100
    assert found["icd10_code"]["missing"] == 2
    assert found["case_ref"]["distinct_values"] == 300
    assert found["ward"]["distinct_values"] == 10


def test_a_key_of_a_large_table_is_recognised(con):
    """There the different values are estimated only."""
    con.execute("CREATE TABLE large AS SELECT i * 7919 AS token, i % 50000 AS platelets FROM range(150000) AS r (i)")
    found = profile(con, "large")
    assert found["token"]["looks_like"] == "key"
    assert found["platelets"]["looks_like"] == "number"
    assert found["platelets"]["distinct_values"] == pytest.approx(50000, rel=0.4)


def test_values_of_few_rows_keys_and_texts_are_withheld(con, stays):
    found = profile(con, stays)
    assert found["icd10_code"]["frequent_values"] == ["I10"]  # E11.9 has 8 rows
    assert found["icd10_code"]["frequent_rows"] == [290]
    assert profile(con, stays, min_cell=8)["icd10_code"]["frequent_values"] == ["I10", "E11.9"]
    for name in ("case_ref", "remark", "first_name"):
        assert not found[name]["frequent_values"]
        assert found[name]["lowest"] is None


@pytest.mark.parametrize("column", ["admitted", "left_on", "coded_on"])
def test_extremes_are_the_nth_from_the_end(con, stays, column):
    row = profile(con, stays)[column]
    assert (row["lowest"], row["highest"]) == ("2020-01-10", "2020-10-17")
    row = profile(con, stays, min_cell=1)[column]
    assert (row["lowest"], row["highest"]) == ("2020-01-01", "2020-10-26")


def test_numbers_with_a_comma_have_extremes(con, stays):
    row = profile(con, stays)["hba1c"]
    assert (row["lowest"], row["highest"]) == ("5.09", "7.9")


def test_extremes_that_would_overlap_are_withheld(con):
    con.execute("CREATE TABLE costs AS SELECT 1000 + i * 7.5 AS cost FROM range(19) AS r (i)")
    assert profile(con, "costs")["cost"]["lowest"] is None
    con.execute("INSERT INTO costs VALUES (0)")
    assert profile(con, "costs")["cost"]["lowest"] == "1060"


def test_patients_count_where_a_column_tells_them(con):
    """Fifty rows of one patient are one patient. Under another name the column tells nothing, and rows count."""
    con.execute(
        """
        CREATE TABLE charted AS
        SELECT i % 40 AS subject_id, 'mmHg' AS unit, 80.5 + i % 40 AS value, DATE '2021-01-01' + i::INT AS charted_on
        FROM range(400) AS r (i)
        UNION ALL
        SELECT 7, 'rare', -5.5, DATE '2019-05-05' FROM range(50)
        """
    )
    found = profile(con, "charted")
    assert found["unit"]["frequent_values"] == ["mmHg"]
    assert found["charted_on"]["frequent_values"] == []
    assert found["charted_on"]["lowest"] == "2021-01-10"  # of the patients 7, 0, 1, ..., 9
    assert found["value"]["lowest"] == "89.5"
    con.execute("ALTER TABLE charted RENAME subject_id TO ward")
    found = profile(con, "charted")
    assert found["unit"]["frequent_values"] == ["mmHg", "rare"]
    assert found["charted_on"]["lowest"] == "2019-05-05"


def test_a_name_that_is_a_key_elsewhere_is_a_key(con):
    con.execute("CREATE SCHEMA hospital")
    con.execute("CREATE TABLE hospital.persons AS SELECT 1000 + i AS pseudonym, 'F' AS sex FROM range(100) AS r (i)")
    con.execute(
        "CREATE TABLE hospital.labs AS SELECT 1000 + i % 5 AS Pseudonym, i / 7 AS value FROM range(500) AS r (i)"
    )
    found = profile(con, "hospital")
    assert found["labs.Pseudonym"]["looks_like"] == "key"
    assert found["labs.Pseudonym"]["frequent_values"] == []
    assert found["persons.sex"]["frequent_values"] == ["F"]
    con.execute("DROP TABLE hospital.persons")
    assert profile(con, "hospital")["Pseudonym"]["frequent_values"] == ["1000", "1001", "1002", "1003", "1004"]


def test_long_codes_keep_every_digit(con):
    con.execute("CREATE TABLE findings AS SELECT 10939881000119105 AS snomed_code FROM range(20)")
    row = profile(con, "findings")["snomed_code"]
    assert (row["looks_like"], row["frequent_values"]) == ("code", ["10939881000119105"])


def test_typed_and_nested_columns(con, tmp_path):
    con.execute(
        f"""
        COPY (
            SELECT TIMESTAMP '2020-01-01 10:00:00' + to_hours(i) AS moment, i % 2 = 0 AS smoker, [i, i] AS pair,
                CASE WHEN i = 0 THEN 'nan'::DOUBLE ELSE i / 8 END AS dose, NULL::VARCHAR AS nothing
            FROM range(48) AS r (i)
        ) TO '{tmp_path}/typed.parquet'
        """
    )
    found = profile(con, tmp_path / "typed.parquet")
    assert [row["looks_like"] for row in found.values()] == ["date", "code", None, "number", None]
    assert found["smoker"]["frequent_values"] == ["false", "true"]
    assert found["moment"]["lowest"] == "2020-01-01 19:00:00"
    assert found["pair"]["rows"] - found["pair"]["missing"] == 48
    assert found["dose"]["lowest"] == "1.25"
    assert found["nothing"]["missing"] == 48


def test_a_duckdb_file_and_a_folder_are_scanned_alike(con, stays, tmp_path):
    con.execute(f"ATTACH '{tmp_path}/hospital.duckdb' AS hospital_file")
    con.execute(f"CREATE TABLE hospital_file.stays AS FROM read_csv('{stays}/stays.csv', all_varchar = true)")
    attached = profile(con, "hospital_file")
    con.execute("DETACH hospital_file")
    from_file = profile(con, tmp_path / "hospital.duckdb")
    assert from_file == attached == profile(con, stays / "stays.csv")


def test_a_file_that_is_no_table_does_not_stop_the_scan(con, stays):
    (stays / "notes.txt").write_text("\n\n")
    found = profile(con, stays)
    assert "empty" in found["notes.None"]["type"]
    assert found["stays.ward"]["rows"] == 300


def test_an_empty_table(con):
    con.execute("CREATE TABLE nobody (person_id BIGINT, name VARCHAR, seen_on DATE)")
    for row in profile(con, "nobody").values():
        assert (row["rows"], row["missing"], row["frequent_values"], row["lowest"]) == (0, 0, [], None)


def test_odd_names_do_no_harm(con):
    con.execute("""CREATE TABLE "o'dd.y" AS SELECT 'a' AS "it's ""A"" 0", 'a' AS "text0" FROM range(10)""")
    found = profile(con, "o''dd.y")
    assert list(found) == ['it\'s "A" 0', "text0"]
    assert {row["looks_like"] for row in found.values()} == {"code"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("'nowhere'", "nowhere"),
        ("'nowhere.csv'", "there is no file nowhere.csv"),
        ("'t', min_cell := 0", "min_cell is 0"),
    ],
)
def test_bad_calls_are_refused(con, call, message):
    con.execute("CREATE TABLE t AS SELECT 1 AS x")
    with pytest.raises(duckdb.Error, match=message):
        con.execute(f"FROM omopsql.scan({call})")


def test_nothing_is_left_behind(con, stays):
    profile(con, stays)
    con.execute("CREATE TABLE t AS SELECT 1 AS x")
    profile(con, "t")
    left = "SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'omopsql_scan%'"
    assert con.execute(left).fetchall() == [(0,)]


def test_synthea_extracts(con, data_folder):
    found = profile(con, data_folder("pair/tutorial_synthea/syntheaRaw"))
    looks = {name: row["looks_like"] for name, row in found.items()}
    assert looks["conditions.PATIENT"] == looks["patients.Id"] == looks["patients.SSN"] == "key"
    assert looks["conditions.CODE"] == looks["conditions.DESCRIPTION"] == "code"
    assert looks["conditions.START"] == looks["encounters.START"] == "date"
    assert looks["patients.LAST"] == looks["providers.NAME"] == "free text"
    assert looks["medications.BASE_COST"] == "number"
    assert found["conditions.START"]["rows"] == 5901
    assert found["patients.GENDER"]["frequent_rows"] == [66, 43]
    assert found["conditions.DESCRIPTION"]["frequent_values"][0] == "Medication review due (situation)"
