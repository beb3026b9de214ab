"""The demonstration: its vocabulary and map, the hospital harmonized to the last row, and the command."""

from __future__ import annotations

import contextlib
import csv
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from commands import run, value

import omopsql
from omopsql import demo
from omopsql.errors import OmopsqlError
from omopsql.harmonize.run import harmonize

ROOT = Path(__file__).parents[1]
CONCEPT_MAP = ROOT / "sql" / "harmonize" / "demo" / "source_to_concept_map.csv"
VOCABULARY = ROOT / "sql" / "demo" / "vocabulary"
EVENTS = ("visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "procedure_occurrence")


@pytest.fixture(scope="module")
def cdm(demo_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The CDM and its concepts as tables, and beside them the report, the codes and the lineage."""
    with contextlib.closing(duckdb.connect()) as con:
        for file in (*(demo_folder / "cdm").glob("*.parquet"), *(demo_folder / "cdm" / "_harmonize").glob("*.parquet")):
            con.execute(f"CREATE VIEW {file.stem} AS FROM '{file}'")
        con.execute(f"CREATE VIEW concept AS FROM '{demo_folder}/vocabulary/concept.csv'")
        yield con


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


def test_every_row_is_accounted_for(demo_folder, cdm):
    counted = cdm.execute(
        "SELECT source_table, CAST(sum(rows) AS BIGINT) FROM report WHERE outcome <> 'note' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    extracts = {name: f"read_csv('{demo_folder}/source/{name}.csv', all_varchar = true)" for name in demo.EXTRACTS}
    assert counted == [(name, value(cdm, f"SELECT count(*) FROM {extracts[name]}")) for name in sorted(extracts)]


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


def test_the_command_says_what_it_made_and_what_to_do_next(folder):
    result = run("demo", "--patients", "60", "--seed", "4")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert [path.name for path in folder.iterdir()] == ["omopsql_demo"]
    folders = ["cdm", "demo.json", "quality", "source", "synthetic", "vocabulary"]
    assert sorted(path.name for path in (folder / "omopsql_demo").iterdir()) == folders
    told = json.loads((folder / "omopsql_demo" / "demo.json").read_text())
    assert told == {"omopsql": omopsql.__version__, "patients": 60, "seed": 4}
    for step in demo.STEPS:
        assert step.what in result.stderr
    for extract in demo.EXTRACTS:
        assert extract in result.stderr


def test_the_next_commands_run(folder):
    told = run("demo", "-o", "o'clock", "--patients", "60").stderr
    commands = [shlex.split(line) for line in told.splitlines() if line.startswith("  omopsql ")]
    assert [verb for _, verb, *_ in commands] == ["query", "query", "check", "synthesize"]
    for _, verb, *arguments in commands:
        result = run(verb, *arguments, *(["--format", "csv"] if verb == "query" else []))
        assert result.exit_code == 0, result.output
        assert len(result.output.splitlines()) > 3
    assert (folder / "synthetic" / "person.parquet").exists()
    assert (folder / "quality.html").stat().st_size > 100_000


def test_an_older_demo_is_replaced_and_anything_else_refused(folder):
    assert run("demo", "-o", "new", "--patients", "20").exit_code == 0
    (folder / "new" / "source" / "old.csv").write_text("left from before")
    assert run("demo", "-o", "new", "--patients", "20").exit_code == 0
    assert not (folder / "new" / "source" / "old.csv").exists()
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").write_text("years of work")
    result = run("demo", "-o", "mine", "--patients", "20")
    assert result.exit_code == 1
    assert "mine holds something that is no demo of omopsql; give a new folder" in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["mine", "new"]
    assert [path.name for path in (folder / "mine").iterdir()] == ["thesis.txt"]


def test_a_failed_demo_leaves_the_old_one(folder, monkeypatch):
    demo.make("there", patients=20)
    before = (folder / "there" / "demo.json").read_bytes()

    def fail(_: demo.Demo) -> int:
        raise OmopsqlError("the last step fails")

    monkeypatch.setattr(demo, "STEPS", (*demo.STEPS[:2], demo.Step("a failure", "cdm", fail)))
    with pytest.raises(OmopsqlError, match="the last step fails"):
        demo.make("there", patients=30)
    assert [path.name for path in folder.iterdir()] == ["there"]
    assert (folder / "there" / "demo.json").read_bytes() == before
    assert (folder / "there" / "cdm").is_dir()


@pytest.mark.parametrize("patients", ["0", "-3", "many"])
def test_a_number_of_patients_that_is_none(folder, patients):
    assert run("demo", "--patients", patients).exit_code == 2
    assert list(folder.iterdir()) == []


def test_the_demo_keeps_ohdsis_rules_of_form(con, demo_folder):
    failed = con.execute(
        f"""SELECT checkId, numViolatedRows FROM '{demo_folder}/quality/checks.parquet'
        WHERE failed = 1 AND severity = 'fatal' AND checkName NOT IN ('cdmTable', 'cdmField')"""
    ).fetchall()
    assert failed == []
    assert con.execute(
        f"SELECT count(*), sum(passed) > 600 FROM '{demo_folder}/quality/checks.parquet'"
    ).fetchall() == [(2374, True)]
