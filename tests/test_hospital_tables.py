"""The tables of a synthetic CDM: the CDM's columns and types, keys that fit, no check failed that the source passes."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hospital_cdm import POSITIVE, RECEPTOR, add_findings, make_hospital
from hospital_lives import Learned, learn, relive, site_of

from omopsql.harmonize.cdm import VOCABULARY_TABLES
from omopsql.harmonize.cdm import tables as cdm_tables
from omopsql.quoting import literal
from omopsql.synth.hospital import tables
from omopsql.synth.hospital.lives import Lives

ERAS = ("condition_era", "drug_era", "dose_era")


@pytest.fixture
def made(con: duckdb.DuckDBPyConnection) -> dict[str, pa.Table]:
    """Every table of a small synthetic hospital."""
    make_hospital(con, persons=150)
    con.execute(
        "CREATE TABLE cdm.note (note_id BIGINT, person_id BIGINT, note_date DATE, note_type_concept_id INTEGER)"
    )
    con.execute("INSERT INTO cdm.note SELECT person_id, person_id, DATE '2012-04-05', 44814637 FROM cdm.person")
    site = site_of(con, "cdm")
    learned = learn(site, 10)
    return _all(relive(site, learned), learned)


def _all(lives: Lives, learned: Learned) -> dict[str, pa.Table]:
    return {name: tables.render(name, lives, learned) for name in tables.made(learned)}


def test_columns_are_those_of_the_cdm(made: dict[str, pa.Table]) -> None:
    """In their order and types, and none that is required is NULL."""
    assert {"person", "observation_period", "visit_occurrence", "condition_occurrence", "cdm_source"} <= set(made)
    for name, rows in made.items():
        fields = cdm_tables("5.4")[name]
        assert rows.column_names == list(fields)
        for field in fields.values():
            kind = "VARCHAR" if field.type.startswith("VARCHAR") else field.type
            known = {"date32[day]": "DATE", "timestamp[us]": "TIMESTAMP", "double": "DOUBLE", "string": "VARCHAR"}
            assert (
                known.get(
                    str(rows[field.name].type), {"int32": "INTEGER", "int64": "BIGINT"}.get(str(rows[field.name].type))
                )
                == kind
            )
            if field.is_required:
                assert rows[field.name].null_count == 0, f"{name}.{field.name}"


def test_keys_fit(con: duckdb.DuckDBPyConnection, made: dict[str, pa.Table]) -> None:
    """Keys are unique; each visit that is referred to is there, and of the same person; persons are 1 to N."""
    for name, rows in made.items():
        con.register(f"made_{name}", rows)
        key = next((field.name for field in cdm_tables("5.4")[name].values() if field.is_primary_key), None)
        if key:
            assert con.execute(f"SELECT count(*) - count(DISTINCT {key}) FROM made_{name}").fetchall() == [(0,)]
    assert con.execute("SELECT min(person_id), max(person_id), count(*) FROM made_person").fetchall() == [(1, 150, 150)]
    for name in ("condition_occurrence", "measurement", "note"):
        orphans = con.execute(
            f"""
            SELECT count(*) FROM made_{name} AS r
            LEFT JOIN made_visit_occurrence AS v USING (visit_occurrence_id, person_id)
            WHERE r.visit_occurrence_id IS NOT NULL AND v.visit_concept_id IS NULL
            """
        ).fetchall()
        assert orphans == [(0,)]


def test_nothing_is_outside_a_life(con: duckdb.DuckDBPyConnection, made: dict[str, pa.Table]) -> None:
    """Records and their ends lie inside observation and before death, and no end before its start."""
    for name, rows in made.items():
        con.register(f"made_{name}", rows)
    wrong = con.execute(
        """
        SELECT count(*) FROM made_drug_exposure
        JOIN made_observation_period USING (person_id)
        LEFT JOIN made_death USING (person_id)
        WHERE drug_exposure_start_date < observation_period_start_date
            OR drug_exposure_end_date < drug_exposure_start_date
            OR drug_exposure_end_date > observation_period_end_date
            OR drug_exposure_end_date > death_date
        """
    ).fetchall()
    assert wrong == [(0,)]
    assert made["drug_exposure"].num_rows > 50


def test_a_note_has_no_text(made: dict[str, pa.Table]) -> None:
    """Notes are metadata: their required text is empty."""
    assert made["note"].num_rows == 150
    assert set(made["note"]["note_text"].to_pylist()) == {""}
    assert made["note"]["note_title"].null_count == 150


def test_a_table_made_alone_is_the_same(con: duckdb.DuckDBPyConnection) -> None:
    """Persons made in parts have the rows that they have when made together."""
    make_hospital(con, persons=120)
    site = site_of(con, "cdm")
    learned = learn(site, 10)
    whole = _all(relive(site, learned), learned)
    parts = [relive(site, learned, slice(0, 50)), relive(site, learned, slice(50, 120))]
    for name in ("person", "visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "death"):
        joined = pa.concat_tables([tables.render(name, part, learned) for part in parts])
        assert joined.combine_chunks().equals(whole[name].combine_chunks()), name


def test_birth_is_told_as_exactly_as_in_the_source(con: duckdb.DuckDBPyConnection) -> None:
    """A source that tells the year only makes persons with a year only."""
    make_hospital(con, persons=60)
    con.execute("UPDATE cdm.person SET month_of_birth = NULL, day_of_birth = NULL")
    site = site_of(con, "cdm")
    learned = learn(site, 10)
    rows = tables.render("person", relive(site, learned), learned)
    assert rows["year_of_birth"].null_count == 0
    assert rows["month_of_birth"].null_count == 60
    assert rows["birth_datetime"].null_count == 60


def test_small_tables_are_known_by_what_they_are(con: duckdb.DuckDBPyConnection) -> None:
    """Care sites that enough persons visit become rows; the source's keys and a rare site do not."""
    make_hospital(con, persons=200)
    con.execute(
        """
        CREATE TABLE cdm.care_site AS SELECT * FROM (
            VALUES (987654321, 'Cardiology', 8717), (987654322, 'Oncology', 8717), (987654323, 'Dr. Only', 8756)
        ) AS c (care_site_id, care_site_name, place_of_service_concept_id);
        ALTER TABLE cdm.visit_occurrence ADD COLUMN care_site_id BIGINT;
        UPDATE cdm.visit_occurrence SET care_site_id = CASE WHEN person_id = 1 THEN 987654323
            WHEN person_id % 2 = 0 THEN 987654321 ELSE 987654322 END;
        """
    )
    site = site_of(con, "cdm")
    learned = learn(site, 10)
    lives = relive(site, learned)
    sites = tables.render("care_site", lives, learned)
    assert sites["care_site_name"].to_pylist() == ["Cardiology", "Oncology"]
    assert sites["care_site_id"].to_pylist() == [1, 2]
    visits = tables.render("visit_occurrence", lives, learned)
    assert set(visits["care_site_id"].to_pylist()) <= {1, 2, None}
    assert {1, 2} <= set(visits["care_site_id"].to_pylist())


def test_the_demonstration_stays_as_sound_as_it_is(
    con: duckdb.DuckDBPyConnection, demo_folder: Path, tmp_path: Path
) -> None:
    """check_cdm fails no check on the synthetic CDM that it passes on the demonstration's."""
    assert _newly_failed(con, demo_folder / "cdm", tmp_path, 10, demo_folder / "vocabulary") == []


@pytest.mark.parametrize(("name", "min_cell"), [("cdm/gibleed_5.3", 10), ("cdm/synthea27nj_5.4", 3)])
def test_public_cdms_stay_as_sound_as_they_are(
    con: duckdb.DuckDBPyConnection, data_folder: Callable[[str], Path], tmp_path: Path, name: str, min_cell: int
) -> None:
    """check_cdm fails no check on the synthetic CDM that it passes on the source."""
    assert _newly_failed(con, data_folder(name), tmp_path, min_cell) == []


def _newly_failed(
    con: duckdb.DuckDBPyConnection, source: Path, folder: Path, min_cell: int, vocabulary: Path | None = None
) -> list[str]:
    """Write a synthetic CDM with the source's persons and events; return the checks that only it fails."""
    site = site_of(con, str(source), min_cell)
    learned = learn(site, min_cell)
    for name, rows in _all(relive(site, learned), learned).items():
        pq.write_table(rows, folder / f"{name}.parquet")
    for name in VOCABULARY_TABLES:
        if (source / f"{name}.parquet").exists():
            (folder / f"{name}.parquet").symlink_to(source / f"{name}.parquet")
    words = f", vocabulary := {literal(str(vocabulary))}" if vocabulary else ""
    for era in ERAS:
        if (source / f"{era}.parquet").exists():
            call = f"omopsql.{era}({literal(str(folder))}{words if era != 'condition_era' else ''})"
            rows = con.sql(f"FROM {call}").to_arrow_table()
            pq.write_table(rows, folder / f"{era}.parquet")
    failed = [
        {
            row[0]
            for row in con.execute(
                f"SELECT checkId FROM omopsql.check_cdm({literal(str(cdm))}{words}) WHERE failed = 1"
            ).fetchall()
        }
        for cdm in (folder, source)
    ]
    return sorted(failed[0] - failed[1] - _OF_PEOPLE)


_OF_PEOPLE = {  # the date of cdm_source is that of the layer of people, which is not learned here
    "field_plausiblevaluelow_cdm_source_cdm_release_date",
    "field_plausiblevaluelow_cdm_source_source_release_date",
}


def test_unmapped_records_tell_the_sources_code(con: duckdb.DuckDBPyConnection) -> None:
    """Concept 0 with a code that enough persons have, or its symbol; a result has its value."""
    make_hospital(con, persons=160)
    add_findings(con)
    site = site_of(con, "cdm")
    learned = learn(site, 10)
    con.register("made_measurement", tables.render("measurement", relive(site, learned), learned))
    found = con.execute(
        """SELECT measurement_concept_id, measurement_source_value, value_as_concept_id, count(*) FROM made_measurement
        WHERE value_as_concept_id IS NOT NULL OR measurement_concept_id = 0 GROUP BY ALL ORDER BY ALL NULLS LAST"""
    ).fetchall()
    assert found == [
        (0, "TP53", None, 44),
        (0, "TP53 p.R175H", None, 40),
        (0, None, None, 73),
        (RECEPTOR, "ER", POSITIVE, 80),
    ]
