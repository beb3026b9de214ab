"""Attacks on whole CDMs: a person is what all tables together know of him."""

import duckdb
import pytest
from hospital_cdm import make_hospital

import omopsql
from omopsql.harmonize.cdm_source import open_cdm

COPYING = ("exact_copies", "near_copies", "unique_copies", "singled_out", "membership_tpr_rare")


def rows_of(con, arguments):
    table = con.sql(f"FROM omopsql.privacy({arguments})").to_arrow_table()
    return {(row["metric"], row["subject"]): row for row in table.to_pylist()}


def make_cdm(con, schema, persons):
    """A CDM of persons who are alike but for their conditions and drugs, given as numbers and shifts of the date."""
    con.execute(f"CREATE SCHEMA {schema}")
    con.execute(
        f"CREATE TABLE {schema}.person AS SELECT place AS person_id, 8532 AS gender_concept_id, 1950 AS year_of_birth, "
        f"8527 AS race_concept_id, 0 AS ethnicity_concept_id FROM range({len(persons)}) AS ids (place)"
    )
    for table, part in (("condition_occurrence", "condition"), ("drug_exposure", "drug")):
        start = f"{part}_start_date" if part == "condition" else "drug_exposure_start_date"
        con.execute(f"CREATE TABLE {schema}.{table} (person_id BIGINT, {part}_concept_id BIGINT, {start} DATE)")
    for place, (condition, drug, days) in enumerate(persons):
        con.execute(
            f"INSERT INTO {schema}.condition_occurrence VALUES ({place}, {condition}, DATE '2000-01-01' + {days})"
        )
        con.execute(f"INSERT INTO {schema}.drug_exposure VALUES ({place}, {drug}, DATE '2000-02-01' + {days})")


UNIQUE = (1, 20, 0)
PERSONS = [(1, 10, 0), (1, 10, 5), UNIQUE, (2, 20, 0), (2, 20, 9)]  # condition, drug, days later


def test_a_person_unique_only_after_joining_two_tables_is_found(con):
    make_cdm(con, "hospital", PERSONS)
    make_cdm(con, "synthetic", [(2, 10, 0), (1, 20, 30)])
    make_cdm(con, "holdout", [(2, 10, 0), (2, 10, 1), (3, 10, 0)])
    rows = rows_of(con, "'hospital', 'synthetic', 'holdout'")
    for alone in ("person", "condition_occurrence", "drug_exposure"):
        assert rows["uniqueness", alone]["value"] == 0
    assert rows["uniqueness", ""]["value"] == pytest.approx(1 / 5)
    assert rows["uniqueness", ""]["note"].endswith("1 of them only when tables are joined")
    assert rows["unique_copies", ""]["value"] == 1.0  # his dates are shifted, and he is found all the same
    assert rows["unique_copies", ""]["reference"] == 0.0
    assert rows["exact_copies", ""]["note"] == "1 of 5 persons; holdout: 2 of 3"


def test_records_differ_by_their_days_and_their_number(con):
    make_cdm(con, "hospital", PERSONS)
    make_cdm(con, "synthetic", [UNIQUE])
    assert rows_of(con, "'hospital', 'synthetic'")["exact_copies", ""]["value"] == pytest.approx(1 / 5)
    con.execute("UPDATE synthetic.drug_exposure SET drug_exposure_start_date = drug_exposure_start_date + 1")
    rows = rows_of(con, "'hospital', 'synthetic'")
    assert rows["exact_copies", ""]["value"] == 0
    assert rows["exact_copies", "sex, year of birth and concepts"]["value"] == pytest.approx(1 / 5)
    con.execute("UPDATE synthetic.drug_exposure SET drug_exposure_start_date = drug_exposure_start_date - 1")
    con.execute("INSERT INTO synthetic.drug_exposure FROM synthetic.drug_exposure")
    assert rows_of(con, "'hospital', 'synthetic'")["exact_copies", ""]["value"] == 0


@pytest.fixture(scope="module")
def hospitals():
    """A CDM of 1,500 persons, a holdout of 800, and synthetic ones: fresh persons, of whom 1 % may be copies."""
    con = omopsql.connect()
    con.execute("SET enable_progress_bar=false")
    drawn = "omopsql.philox_uniform({}, person_id, {})"
    con.execute(
        "CREATE TABLE everyone AS SELECT person_id, "
        f"CASE WHEN {drawn.format(1, 0)} < 0.5 THEN 8532 ELSE 8507 END AS gender_concept_id, "
        f"CAST(1930 + floor(70 * {drawn.format(1, 1)}) AS INTEGER) AS year_of_birth, "
        "8527 AS race_concept_id, 0 AS ethnicity_concept_id FROM range(4000) AS ids (person_id)"
    )
    con.execute(
        "CREATE TABLE records AS SELECT person_id, number, "
        f"CAST(1 + floor(30 * {drawn.format(2, 'number')} * {drawn.format(3, 'number')}) AS BIGINT) AS concept, "
        f"DATE '2010-01-01' + CAST(floor(3000 * {drawn.format(4, 'number')}) AS INTEGER) AS day "
        f"FROM everyone, range(30) AS numbers (number) WHERE number < 2 + 20 * {drawn.format(5, 0)}"
    )
    chosen = {"hospital": "< 1500", "holdout": "BETWEEN 1500 AND 2299", "fresh": ">= 2300", "planted": ">= 2315"}
    for schema, which in chosen.items():
        kept = f"person_id {which}" + (" OR person_id < 15" if schema == "planted" else "")
        con.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.person AS FROM everyone WHERE {kept}")
        for part, table, start, parity in (
            ("condition", "condition_occurrence", "condition_start_date", 0),
            ("drug", "drug_exposure", "drug_exposure_start_date", 1),
        ):
            con.execute(
                f"CREATE TABLE {schema}.{table} AS SELECT person_id, concept AS {part}_concept_id, day AS {start} "
                f"FROM records WHERE ({kept}) AND number % 2 = {parity}"
            )
    yield con
    con.close()


def test_copies_of_one_person_in_a_hundred_are_found(hospitals):
    rows = rows_of(hospitals, "'hospital', 'planted', 'holdout'")
    assert rows["exact_copies", ""]["value"] == pytest.approx(0.01)
    for (metric, subject), row in rows.items():
        if metric in COPYING:
            assert row["verdict"] == "fail", (metric, subject, row)
            assert row["low"] > row["reference"], (metric, subject, row)


def test_fresh_persons_in_the_place_of_copies_score_at_chance(hospitals):
    rows = rows_of(hospitals, "'hospital', 'fresh', 'holdout'")
    assert not [key for key, row in rows.items() if row["verdict"] == "fail"]
    for attack in ("distance", "density", "shadow models"):
        assert rows["membership_auroc", attack]["low"] < 0.5 < rows["membership_auroc", attack]["high"]


def test_copies_among_simulated_patients_are_found(data_folder):
    folder = data_folder("cdm/gibleed_5.3")
    con = omopsql.connect()
    relations = open_cdm(con.cursor(), str(folder))
    con.execute(
        "CREATE TABLE drawn AS SELECT person_id, row_number() OVER (ORDER BY md5(CAST(person_id AS VARCHAR))) AS place "
        f"FROM {relations['person']}"
    )
    chosen = {"hospital": "place <= 1200", "holdout": "place BETWEEN 1201 AND 2000", "fresh": "place > 2000"}
    for schema, which in {**chosen, "planted": "place > 2000 OR place <= 12"}.items():
        con.execute(f"CREATE SCHEMA {schema}")
        for table in ("person", "condition_occurrence", "drug_exposure", "observation_period"):
            persons = f"SELECT person_id FROM drawn WHERE {which}"
            con.execute(f"CREATE TABLE {schema}.{table} AS FROM {relations[table]} WHERE person_id IN ({persons})")
    planted, fresh = (rows_of(con, f"'hospital', '{name}', 'holdout'") for name in ("planted", "fresh"))
    assert {planted[metric, ""]["verdict"] for metric in ("exact_copies", "unique_copies", "singled_out")} == {"fail"}
    assert planted["membership_tpr_rare", "density"]["verdict"] == "fail"
    assert not [key for key, row in fresh.items() if row["verdict"] == "fail"]


def test_few_persons_and_no_records_are_told(con):
    make_hospital(con, "hospital", 10)
    con.execute("CREATE SCHEMA empty; CREATE TABLE empty.person AS FROM hospital.person")
    rows = rows_of(con, "'hospital', 'empty', 'empty'")
    assert rows["exact_copies", ""]["value"] == 0
    assert "20 persons" in rows["membership_auroc", "distance"]["note"]


def test_what_is_wrong_is_told(con):
    make_hospital(con, "hospital", 30)
    con.execute("CREATE TABLE flat AS FROM hospital.person")
    for arguments, told in (
        ("'hospital', 'hospital', person := 'person_id'", "persons of a CDM have their person_id"),
        ("'hospital', 'flat'", "hospital is a CDM and flat is not"),
        ("'hospital', 'hospital', secret := 'hiv'", "secret: there is no column 'hiv'"),
    ):
        with pytest.raises(duckdb.Error, match=told):
            con.execute(f"FROM omopsql.privacy({arguments})")


def test_cells_of_a_cdm_are_those_of_its_persons(con):
    make_hospital(con, "hospital", 30)
    cells = con.sql("FROM omopsql.k_map('hospital')").to_arrow_table()
    assert cells.column_names[:2] == ["gender_concept_id", "year_of_birth"]
    assert sum(cells["persons"].to_pylist()) == 30
