"""The simulated hospital: the same bytes each time, believable, dirty where it says so, harmonized to the last row."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

import omopsql
from omopsql import demo
from omopsql.cli import main
from omopsql.errors import OmopsqlError
from omopsql.harmonize.run import harmonize

ROOT = Path(__file__).parents[1]
CONCEPT_MAP = ROOT / "sql" / "harmonize" / "demo" / "source_to_concept_map.csv"
VOCABULARY = ROOT / "sql" / "demo" / "vocabulary"
EVENTS = ("visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "procedure_occurrence")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo as `omopsql demo` makes it: 2,000 patients, seed 1."""
    folder = tmp_path_factory.mktemp("hospital") / "demo"
    demo.make(folder)
    return folder


@pytest.fixture(scope="module")
def source(hospital: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The extracts as tables of texts, as they are read."""
    with contextlib.closing(duckdb.connect()) as con:
        for extract in demo.EXTRACTS:
            file = hospital / "source" / f"{extract}.csv"
            con.execute(f"CREATE TABLE {extract} AS FROM read_csv('{file}', all_varchar = true)")
        yield con


@pytest.fixture(scope="module")
def cdm(hospital: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The CDM and its concepts as tables, and beside them the report, the codes and the lineage."""
    with contextlib.closing(duckdb.connect()) as con:
        for file in (*(hospital / "cdm").glob("*.parquet"), *(hospital / "cdm" / "_harmonize").glob("*.parquet")):
            con.execute(f"CREATE VIEW {file.stem} AS FROM '{file}'")
        con.execute(f"CREATE VIEW concept AS FROM '{hospital}/vocabulary/concept.csv'")
        yield con


def value(con: duckdb.DuckDBPyConnection, sql: str):
    """The first value of a query."""
    return con.execute(sql).fetchall()[0][0]


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


# --- the simulation


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


# --- the vocabulary and the adapter's own map


def lines(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_the_vocabulary_holds_together():
    concepts = lines(VOCABULARY / "concept.csv")
    ids = {line["concept_id"] for line in concepts}
    assert len(ids) == len(concepts) < 400
    assert len({(line["vocabulary_id"], line["concept_code"]) for line in concepts}) == len(concepts)
    for line in concepts:
        assert all(line[name] for name in line if name not in ("standard_concept", "invalid_reason")), line
    for file, columns in (
        ("concept_relationship", ("concept_id_1", "concept_id_2")),
        ("concept_ancestor", ("ancestor_concept_id", "descendant_concept_id")),
        ("drug_strength", ("drug_concept_id", "ingredient_concept_id", "amount_unit_concept_id")),
    ):
        for line in lines(VOCABULARY / f"{file}.csv"):
            assert {line[column] for column in columns} <= ids, line


def test_the_hospitals_own_map_leads_to_standard_concepts():
    standard = {line["concept_id"] for line in lines(VOCABULARY / "concept.csv") if line["standard_concept"] == "S"}
    targets = {line["source_code"]: line["target_concept_id"] for line in lines(CONCEPT_MAP)}
    assert {code for code, target in targets.items() if target not in standard} == {"KI67"}  # known, without a concept


def test_the_vocabulary_is_as_athena_has_it(data_folder):
    """Id, name, domain, vocabulary, standing and code, wherever the test data hold the concept with all of them."""
    athena = data_folder("vocabulary/athena_subset") / "concept.parquet"
    ours = f"read_csv('{VOCABULARY}/concept.csv', all_varchar = true)"
    different = f"""
        SELECT ours.concept_id, ours.concept_name, theirs.concept_name
        FROM {ours} AS ours JOIN '{athena}' AS theirs ON theirs.concept_id = CAST(ours.concept_id AS BIGINT)
        WHERE ours.concept_name <> theirs.concept_name OR ours.domain_id <> theirs.domain_id
            OR ours.vocabulary_id <> theirs.vocabulary_id OR ours.concept_code <> theirs.concept_code
            OR ours.standard_concept IS DISTINCT FROM theirs.standard_concept
    """
    assert duckdb.execute(different).fetchall() == []


def test_variants_stand_where_their_concepts_do(data_folder):
    places = data_folder("source/breast_msk_2018") / "oncologywg_stage_genomic.csv"
    theirs = {
        f"GRCh{assembly}:{chromosome}:{position}:{reference}:{alternate}": str(concept_id)
        for concept_id, chromosome, position, reference, alternate, assembly in duckdb.execute(
            f"FROM read_csv('{places}', all_varchar = true)"
        ).fetchall()
    }
    ours = {line["source_code"]: line["target_concept_id"] for line in lines(CONCEPT_MAP) if ":" in line["source_code"]}
    assert len(ours) == 16
    assert {place: theirs.get(place) for place in ours} == ours


# --- the harmonized hospital


def test_every_row_is_accounted_for(hospital, source, cdm):
    counted = cdm.execute(
        "SELECT source_table, CAST(sum(rows) AS BIGINT) FROM report WHERE outcome <> 'note' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert counted == [(extract, value(source, f"SELECT count(*) FROM {extract}")) for extract in sorted(demo.EXTRACTS)]


def test_each_fault_is_found_with_its_reason(cdm):
    found = cdm.execute(
        "SELECT source_table, reason, rows FROM report WHERE outcome = 'set aside' ORDER BY ALL"
    ).fetchall()
    assert found == [
        ("admissions", "unknown person", 1),
        ("admissions", "visit_end_date before visit_start_date", 3),
        ("admissions", "visit_start_datetime is no date", 1),
        ("biomarkers", "unknown person", 1),
        ("deaths", "death_date is no date", 2),
        ("deaths", "person_id repeats that of an earlier row", 1),
        ("diagnoses", "condition_start_date is no date", 5),
        ("laboratory", "no result: haemolysed", 4),
        ("patients", "birth_datetime is no date", 2),
        ("patients", "person_id repeats that of an earlier row", 1),
    ]


def test_what_is_meant_to_map_maps(cdm):
    unmapped = "SELECT source_code, CAST(sum(n) AS BIGINT) FROM codes WHERE NOT is_mapped GROUP BY ALL"
    found = dict(cdm.execute(unmapped).fetchall())
    assert found.pop("KI67") == value(cdm, "SELECT count(*) FROM measurement WHERE measurement_source_value = 'KI67'")
    assert found == {"X99.ZZ": 3, "9999999": 2}


def test_dirty_codes_mean_what_clean_ones_do(cdm):
    concepts = """
        SELECT condition_source_value, condition_concept_id, count(*) FROM condition_occurrence
        WHERE trim(condition_source_value) IN ('i10', 'E119', 'e11.9') GROUP BY ALL ORDER BY ALL
    """
    assert cdm.execute(concepts).fetchall() == [("E119", 201826, 4), ("e11.9", 201826, 3), ("i10", 320128, 4)]
    packages = """
        SELECT drug_source_value, drug_concept_id, count(*) FROM drug_exposure
        WHERE drug_source_value IN ('68180-515-01', '6818051501', 'omeprazole') GROUP BY ALL ORDER BY ALL
    """
    found = cdm.execute(packages).fetchall()
    assert found == [("68180-515-01", 19080129, 3), ("6818051501", 19080129, 3), ("omeprazole", 0, 3)]


def test_a_row_goes_where_its_concept_belongs(cdm):
    checkups = "SELECT count(*) FROM procedure_occurrence WHERE procedure_source_value = 'Z00.00'"
    assert value(cdm, checkups) > 1000
    remembered = "SELECT DISTINCT observation_concept_id FROM observation WHERE observation_source_value = 'Z85.3'"
    assert cdm.execute(remembered).fetchall() == [(4324190,)]
    two = "SELECT DISTINCT condition_concept_id FROM condition_occurrence WHERE condition_source_value = 'E11.22'"
    assert sorted(cdm.execute(two).fetchall()) == [(443731,), (46271022,)]


def test_laboratory_results_keep_their_operator_and_unit(cdm):
    limit = "SELECT DISTINCT value_as_number, operator_concept_id FROM measurement WHERE value_source_value = '<0.3'"
    assert cdm.execute(limit).fetchall() == [(0.3, 4171756)]
    units = "SELECT DISTINCT unit_concept_id FROM measurement WHERE unit_source_value IN ('MG/DL', 'mg/dl', 'mg/dL')"
    assert cdm.execute(units).fetchall() == [(8840,)]
    unknown = "SELECT DISTINCT unit_source_value FROM measurement WHERE unit_concept_id = 0"
    assert cdm.execute(unknown).fetchall() == []
    without = "SELECT count(*) FROM measurement WHERE unit_source_value IS NULL AND value_as_number IS NOT NULL"
    assert value(cdm, without) == 3


def test_a_replaced_concept_leads_to_its_replacement(cdm):
    formulas = """
        SELECT measurement_source_value, measurement_concept_id, max(year(measurement_date)) FROM measurement
        WHERE measurement_source_value IN ('33914-3', '98979-8') GROUP BY ALL ORDER BY ALL
    """
    assert cdm.execute(formulas).fetchall() == [("33914-3", 46236952, 2021), ("98979-8", 1619025, 2025)]


def test_biomarkers_and_mutations_are_measurements(cdm):
    receptor = """
        SELECT value_source_value, value_as_concept_id, count(*) > 5 FROM measurement
        WHERE measurement_concept_id = 36203114 GROUP BY ALL ORDER BY ALL
    """
    assert cdm.execute(receptor).fetchall() == [("negative", 45878583, True), ("positive", 45884084, True)]
    variants = """
        SELECT DISTINCT measurement_source_value, concept_name FROM measurement
        JOIN concept ON concept_id = measurement_concept_id
        WHERE measurement_source_value = 'BRAF p.V600E' ORDER BY ALL
    """
    assert cdm.execute(variants).fetchall() == [
        ("BRAF p.V600E", "BRAF (B-Raf proto-oncogene, serine/threonine kinase) gene variant measurement"),
        ("BRAF p.V600E", "BRAF V600E (GRCh37 7:140453136 A>T)"),
    ]
    percent = (
        "SELECT min(value_as_number), max(value_as_number) FROM measurement WHERE measurement_source_value = 'KI67'"
    )
    low, high = cdm.execute(percent).fetchall()[0]
    assert 1 <= low < high <= 95


def test_persons_and_their_eras(cdm):
    sexes = "SELECT gender_concept_id, count(*) FROM person GROUP BY ALL ORDER BY ALL"
    assert [sex for sex, _ in cdm.execute(sexes).fetchall()] == [8507, 8532]
    races = "SELECT DISTINCT race_source_value, race_concept_id FROM person ORDER BY ALL"
    assert cdm.execute(races).fetchall() == [("asian", 8515), ("black", 8516), ("white", 8527), (None, 0)]
    assert value(cdm, "SELECT count(*) FROM person WHERE location_id IS NULL") == 0
    assert value(cdm, "SELECT count(*) FROM visit_occurrence WHERE provider_id IS NULL OR care_site_id IS NULL") == 0
    metformin = "SELECT count(DISTINCT person_id) FROM drug_era WHERE drug_concept_id = 1503297"
    assert value(cdm, metformin) > 200
    assert value(cdm, "SELECT count(*) FROM observation_period") > 1900


def test_the_adapter_serves_both_versions_of_the_cdm(con, tmp_path):
    demo.simulate(con, tmp_path / "source", 30, 2)
    rows = [
        harmonize("demo", str(tmp_path / "source"), str(VOCABULARY), tmp_path / version, version=version).rows
        for version in ("5.3", "5.4")
    ]
    assert {name: rows[0][name] for name in EVENTS} == {name: rows[1][name] for name in EVENTS}
    assert all(rows[0][name] for name in EVENTS)


# --- the command


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["demo", *arguments], prog_name="omopsql")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_says_what_it_made_and_what_to_do_next(here):
    result = run("--patients", "60", "--seed", "4")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert [path.name for path in here.iterdir()] == ["omopsql_demo"]
    folders = ["cdm", "demo.json", "source", "vocabulary"]
    assert sorted(path.name for path in (here / "omopsql_demo").iterdir()) == folders
    told = json.loads((here / "omopsql_demo" / "demo.json").read_text())
    assert told == {"omopsql": omopsql.__version__, "patients": 60, "seed": 4}
    for step in demo.STEPS:
        assert step.what in result.stderr
    for extract in demo.EXTRACTS:
        assert extract in result.stderr


def test_the_next_queries_run(here):
    told = run("-o", "o'clock", "--patients", "60").stderr
    commands = [shlex.split(line) for line in told.splitlines() if line.startswith("  omopsql query ")]
    assert len(commands) == 2
    for _, *arguments in commands:
        result = CliRunner().invoke(main, [*arguments, "--format", "csv"])
        assert result.exit_code == 0, result.output
        assert len(result.stdout.splitlines()) > 3


def test_an_older_demo_is_replaced_and_anything_else_refused(here):
    assert run("-o", "new", "--patients", "20").exit_code == 0
    (here / "new" / "source" / "old.csv").write_text("left from before")
    assert run("-o", "new", "--patients", "20").exit_code == 0
    assert not (here / "new" / "source" / "old.csv").exists()
    (here / "mine").mkdir()
    (here / "mine" / "thesis.txt").write_text("years of work")
    result = run("-o", "mine", "--patients", "20")
    assert result.exit_code == 1
    assert "mine holds something that is no demo of omopsql; give a new folder" in result.stderr
    assert sorted(path.name for path in here.iterdir()) == ["mine", "new"]
    assert [path.name for path in (here / "mine").iterdir()] == ["thesis.txt"]


def test_a_failed_demo_leaves_the_old_one(here, monkeypatch):
    demo.make("there", patients=20)
    before = (here / "there" / "demo.json").read_bytes()

    def fail(_: demo.Demo) -> int:
        raise OmopsqlError("the last step fails")

    monkeypatch.setattr(demo, "STEPS", (*demo.STEPS[:2], demo.Step("a failure", "cdm", fail)))
    with pytest.raises(OmopsqlError, match="the last step fails"):
        demo.make("there", patients=30)
    assert [path.name for path in here.iterdir()] == ["there"]
    assert (here / "there" / "demo.json").read_bytes() == before
    assert (here / "there" / "cdm").is_dir()


@pytest.mark.parametrize("patients", ["0", "-3", "many"])
def test_a_number_of_patients_that_is_none(here, patients):
    assert run("--patients", patients).exit_code == 2
    assert list(here.iterdir()) == []
