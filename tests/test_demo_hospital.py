"""The simulated hospital: the same bytes each time, believable, and dirty where it says so."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from commands import value

import omopsql
from omopsql import demo
from omopsql.errors import OmopsqlError


@pytest.fixture(scope="module")
def source(demo_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The extracts as tables of texts, as they are read."""
    with contextlib.closing(duckdb.connect()) as con:
        for extract in demo.EXTRACTS:
            file = demo_folder / "source" / f"{extract}.csv"
            con.execute(f"CREATE TABLE {extract} AS FROM read_csv('{file}', all_varchar = true)")
        yield con


def digest(folder: Path) -> str:
    """One hash of all extracts, their names among them."""
    found = hashlib.sha256()
    for extract in sorted(demo.EXTRACTS):
        found.update(extract.encode())
        found.update((folder / f"{extract}.csv").read_bytes())
    return found.hexdigest()


def simulated(folder: Path, patients: int, seed: int, threads: int = 2) -> str:
    """Simulate a hospital; return the hash of its extracts."""
    with contextlib.closing(omopsql.connect()) as con:
        con.execute(f"SET threads = {threads}")
        demo.simulate(con, folder, patients, seed)
    return digest(folder)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first = simulated(tmp_path / "first", 300, 5)
    assert simulated(tmp_path / "again", 300, 5, threads=1) == first
    assert simulated(tmp_path / "other", 300, 6) != first


def test_the_bytes_are_those_of_any_machine_and_version(tmp_path):
    """A change of the simulation changes this hash, and with it every figure that was told of the hospital."""
    assert simulated(tmp_path, 120, 1) == "cce59d7e4ca0d353171d62544ea7bd36fb15f14a410e3474c4bae65ecc433cb3"


def test_a_larger_hospital_begins_with_the_same_patients(tmp_path):
    with contextlib.closing(omopsql.connect()) as con:
        for patients in (50, 80):
            demo.simulate(con, tmp_path / str(patients), patients, 3)
    small, large = ((tmp_path / n / "patients.csv").read_text().splitlines() for n in ("50", "80"))
    assert large[:51] == small[:51]


def test_nothing_is_left_in_the_database(con, tmp_path):
    con.execute("CREATE TABLE patients AS SELECT 7 AS mine")
    rows = demo.simulate(con, tmp_path, 20, 1)
    assert sorted(rows) == sorted(demo.EXTRACTS)
    assert con.execute("FROM patients").fetchall() == [(7,)]
    tables = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() OR temporary"
    assert con.execute(tables).fetchall() == [("patients",)]


@pytest.mark.parametrize("patients", [0, -1, demo.MOST_PATIENTS + 1])
def test_hospitals_out_of_bounds_are_refused(con, tmp_path, patients):
    with pytest.raises(OmopsqlError, match=f"a hospital of {patients} patients cannot be simulated"):
        demo.simulate(con, tmp_path / "source", patients, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_hospital_of_one_patient(con, tmp_path):
    assert demo.simulate(con, tmp_path, 1, -9)["patients"] == 3  # and two whose birth cannot be read


def test_the_size_of_the_hospital(source):
    counts = {extract: value(source, f"SELECT count(*) FROM {extract}") for extract in demo.EXTRACTS}
    assert counts["patients"] == 2003
    assert counts["admissions"] == counts["vital_signs"] + 1
    assert 15_000 < counts["admissions"] < 40_000
    assert 100_000 < counts["laboratory"] < 200_000
    assert 300 < counts["deaths"] < 700
    assert 50 < counts["mutations"] < 200


DIRT = [
    ("patients", "sex NOT IN ('F', 'M')", 15),
    ("patients", "TRY_CAST(born_on AS DATE) IS NULL", 2),
    ("patients", "patient_no = '100007'", 2),
    ("admissions", "patient_no NOT IN (SELECT patient_no FROM patients)", 1),
    ("admissions", "TRY_CAST(admitted_at AS TIMESTAMP) IS NULL", 1),
    ("admissions", "TRY_CAST(discharged_at AS TIMESTAMP) < TRY_CAST(admitted_at AS TIMESTAMP)", 3),
    ("diagnoses", "icd_code = 'i10'", 4),
    ("diagnoses", "icd_code = ' I10 '", 3),
    ("diagnoses", "icd_code = 'E119'", 4),
    ("diagnoses", "icd_code = 'e11.9'", 3),
    ("diagnoses", "icd_code = 'X99.ZZ'", 3),
    ("diagnoses", "coded_on = '2021-02-30'", 2),
    ("diagnoses", "coded_on = 'unknown'", 3),
    ("procedures", "snomed_code = '9999999'", 2),
    ("laboratory", "result = 'haemolysed'", 4),
    ("laboratory", "unit IS NULL", 3),
    ("prescriptions", "drug_code = '68180-515-01'", 3),
    ("prescriptions", "drug_code = '6818051501'", 3),
    ("prescriptions", "drug_code IS NULL", 3),
    ("prescriptions", "days_supply = '0'", 2),
    ("biomarkers", "patient_no NOT IN (SELECT patient_no FROM patients)", 1),
    ("biomarkers", "ki67_percent LIKE '%\\%' ESCAPE '\\'", 2),
    ("deaths", "died_on = 'unknown'", 2),
    ("deaths", "patient_no IN (SELECT patient_no FROM deaths GROUP BY ALL HAVING count(*) > 1)", 2),
]


@pytest.mark.parametrize(("extract", "fault", "rows"), DIRT)
def test_the_dirt_is_there(source, extract, fault, rows):
    assert value(source, f"SELECT count(*) FROM {extract} WHERE {fault}") == rows


@pytest.mark.parametrize(
    ("extract", "fault"),
    [
        ("laboratory", "unit = 'MG/DL'"),
        ("laboratory", "unit = 'mg/dl'"),
        ("laboratory", "result = '<0.3'"),
        ("biomarkers", "psa_ng_ml = '<0.01'"),
        ("mutations", "chromosome LIKE 'chr%'"),
        ("mutations", "position IS NULL"),
    ],
)
def test_some_dirt_grows_with_the_hospital(source, extract, fault):
    assert value(source, f"SELECT count(*) FROM {extract} WHERE {fault}") > 0


ILL = "patient_no IN (SELECT patient_no FROM diagnoses WHERE icd_code = '{}')"


@pytest.mark.parametrize(
    ("test", "disease", "least_factor"),
    [("Haemoglobin A1c", "E11.9", 1.2), ("Creatinine", "N18.3", 1.4), ("NT-proBNP", "I50.9", 3.0)],
)
def test_laboratory_values_follow_chronic_diseases(source, test, disease, least_factor):
    mean = f"SELECT median(CAST(result AS DOUBLE)) FROM laboratory WHERE test = '{test}' AND result NOT LIKE '<%' AND "
    ill, well = (value(source, mean + condition.format(disease)) for condition in (ILL, "NOT " + ILL))
    assert ill > least_factor * well


@pytest.mark.parametrize(
    ("test", "disease", "high"),
    [("Troponin I, high sensitivity", "I21.4", 300), ("C-reactive protein", "J18.9", 50)],
)
def test_values_of_an_acute_disease_rise_and_recover(source, test, disease, high):
    by_day = source.execute(
        f"""
        SELECT
            date_diff('day', CAST(admitted_at AS DATE), CAST(sampled_at AS DATE)) AS day,
            median(CAST(result AS DOUBLE))
        FROM laboratory
        JOIN diagnoses USING (stay_no)
        JOIN admissions USING (stay_no)
        WHERE test = '{test}' AND icd_code = '{disease}' AND rank = '1' AND class = 'inpatient' AND result NOT LIKE '<%'
            AND TRY_CAST(admitted_at AS DATE) IS NOT NULL
        GROUP BY day ORDER BY day
        """
    ).fetchall()
    assert by_day[0][1] > high
    assert [level for _, level in by_day] == sorted((level for _, level in by_day), reverse=True)
    assert len(by_day) >= 3


def test_haemoglobin_a1c_differs_less_within_a_patient_than_between(source):
    within, between = source.execute(
        """
        WITH patient AS (
            SELECT avg(CAST(result AS DOUBLE)) AS mean, var_samp(CAST(result AS DOUBLE)) AS variance
            FROM laboratory WHERE test = 'Haemoglobin A1c' GROUP BY patient_no HAVING count(*) >= 4
        )
        SELECT avg(variance), var_samp(mean) FROM patient
        """
    ).fetchall()[0]
    assert within < 0.6 * between


def test_sexes_have_their_own_diseases(source):
    sexes = source.execute(
        """
        SELECT DISTINCT icd_code, upper(left(trim(sex), 1)) FROM diagnoses JOIN patients USING (patient_no)
        WHERE icd_code IN ('C50.911', 'C61', 'C56.9', 'Z85.3', 'Z85.46') ORDER BY ALL
        """
    ).fetchall()
    assert sexes == [("C50.911", "F"), ("C56.9", "F"), ("C61", "M"), ("Z85.3", "F"), ("Z85.46", "M")]


def test_treatment_follows_disease_and_marker(source):
    treated = "SELECT count(*) FILTER ({}), count(*) FROM prescriptions WHERE drug LIKE '{}%'"
    for drug, disease in (("metformin", "E11.9"), ("furosemide", "I50.9"), ("tamoxifen", "C50.911")):
        ill, every = source.execute(treated.format(ILL.format(disease), drug)).fetchall()[0]
        assert 0.95 * every < ill, drug  # a disease that was never coded is treated all the same
    receptor = "SELECT count(*) FROM prescriptions SEMI JOIN biomarkers USING (patient_no) WHERE drug LIKE 'tamoxifen%'"
    assert value(source, receptor) > 0
    negative = f"{receptor} AND patient_no IN (SELECT patient_no FROM biomarkers WHERE er = 'negative')"
    assert value(source, negative) == 0
    mutated = "SELECT count(*) FROM prescriptions ANTI JOIN mutations USING (patient_no) WHERE drug = 'vemurafenib'"
    assert value(source, mutated) == 0


def test_nothing_happens_after_death_or_before_birth(source):
    last = (
        "FROM admissions JOIN deaths USING (patient_no) "
        "WHERE TRY_CAST(discharged_at AS DATE) > TRY_CAST(died_on AS DATE)"
    )
    assert value(source, f"SELECT count(*) {last}") == 0
    first = (
        "FROM admissions JOIN patients USING (patient_no) "
        "WHERE TRY_CAST(admitted_at AS DATE) < TRY_CAST(born_on AS DATE)"
    )
    assert value(source, f"SELECT count(*) {first}") == 0


def test_chronic_patients_come_back_over_years(source):
    years, stays = source.execute(
        f"""
        WITH patient AS (
            SELECT count(*) AS stays,
                max(year(TRY_CAST(admitted_at AS DATE))) - min(year(TRY_CAST(admitted_at AS DATE))) AS years
            FROM admissions WHERE {ILL.format("E11.9")} GROUP BY patient_no
        )
        SELECT median(years), median(stays) FROM patient
        """
    ).fetchall()[0]
    assert 4 < years < 8
    assert stays > 10
