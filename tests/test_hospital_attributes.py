"""Attributes of synthetic records: joint cells of enough persons, codes that fit their concept, and no free text."""

import json

import duckdb
import numpy as np
import pytest
from hospital_cdm import DRUG, RARE, make_hospital
from hospital_lives import ALL_RULES, first_round, learn, plan_of, relive, second_round, site_of

from omopsql.synth.hospital import attributes, tables
from omopsql.synth.hospital.release import release
from omopsql.synth.hospital.sums import Sums


@pytest.fixture
def pharmacy(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The small hospital with many exposures, whose quantity, supply, route and source code go together."""
    make_hospital(con, persons=400)
    con.execute(
        f"""
        CREATE OR REPLACE TABLE cdm.drug_exposure AS
        SELECT
            i AS drug_exposure_id,
            i AS person_id,
            {DRUG} AS drug_concept_id,
            DATE '2013-01-01' + CAST(i % 50 AS INTEGER) AS drug_exposure_start_date,
            DATE '2013-01-01' + CAST(i % 50 + days AS INTEGER) AS drug_exposure_end_date,
            32838 AS drug_type_concept_id,
            CASE i % 4 WHEN 0 THEN 4132161 ELSE 4171047 END AS route_concept_id,
            CASE i % 4 WHEN 0 THEN 30.5 WHEN 1 THEN 60.0 ELSE 100.0 + i % 97 END AS quantity,
            days AS days_supply,
            CASE WHEN i = 7 THEN 'A-SECRET' WHEN i % 4 = 0 THEN 'ORAL' ELSE 'IV' END AS drug_source_value,
            'patient ' || i AS sig,
            'lot ' || i AS lot_number,
            repeat('a long free text ', 5) AS route_source_value
        FROM (SELECT i, CASE i % 4 WHEN 0 THEN 10 WHEN 1 THEN 30 ELSE i % 7 END AS days FROM range(1, 401) AS r (i))
        """
    )
    return con


def _rendered(con: duckdb.DuckDBPyConnection, name: str, min_cell: int = 10) -> duckdb.DuckDBPyRelation:
    site = site_of(con, "cdm", min_cell)
    learned = learn(site, min_cell)
    rows = tables.render(name, relive(site, learned), learned)
    con.register("made_rows", rows)
    con.execute(f"CREATE OR REPLACE TABLE made_{name} AS FROM made_rows")
    return con.table(f"made_{name}")


def test_attributes_keep_their_company(pharmacy: duckdb.DuckDBPyConnection) -> None:
    """Route, quantity, supply and end come from one cell, with the shares of the source."""
    _rendered(pharmacy, "drug_exposure")
    kinds = pharmacy.execute(
        """
        SELECT
            count(*) FILTER (quantity = 30.5 AND days_supply = 10 AND route_concept_id = 4132161
                AND drug_exposure_end_date = drug_exposure_start_date + 10),
            count(*) FILTER (quantity = 60 AND days_supply = 30
                AND drug_exposure_end_date = drug_exposure_start_date + 30),
            count(*) FILTER (quantity = 30.5),
            count(*) FILTER (quantity = 60),
            count(*)
        FROM made_drug_exposure
        """
    ).fetchall()[0]
    joint_oral, joint_other, oral, other, rows = kinds
    assert rows == 400
    assert joint_oral == oral
    assert joint_other == other
    assert oral == pytest.approx(100, abs=30)
    assert other == pytest.approx(100, abs=30)


def test_rare_numbers_come_from_pooled_bins(pharmacy: duckdb.DuckDBPyConnection) -> None:
    """Quantities between 100 and 196 are spread over their range, and none lies outside."""
    _rendered(pharmacy, "drug_exposure")
    low, high, distinct = pharmacy.execute(
        "SELECT min(quantity), max(quantity), count(DISTINCT quantity) FROM made_drug_exposure WHERE quantity > 60"
    ).fetchall()[0]
    assert low >= 100
    assert high <= 196
    assert distinct > 30


def test_no_rare_code_and_no_free_text(pharmacy: duckdb.DuckDBPyConnection) -> None:
    """A code of one person, sentences, lots and instructions do not leave the site."""
    site = site_of(pharmacy, "cdm")
    learned = learn(site, 10)
    told = learned.released.to_table()["label"].to_pylist()
    text = " ".join(label for label in told if label)
    assert "ORAL" in text
    assert all(secret not in text for secret in ("A-SECRET", "lot ", "patient ", "free text"))
    _rendered(pharmacy, "drug_exposure")
    found = pharmacy.execute(
        """
        SELECT count(sig), count(lot_number), count(route_source_value), list(DISTINCT drug_source_value)
        FROM made_drug_exposure
        """
    ).fetchall()[0]
    assert found[:3] == (0, 0, 0)
    assert set(found[3]) <= {"ORAL", "IV", None}


def test_source_codes_fit_their_concepts(con: duckdb.DuckDBPyConnection) -> None:
    """A source code is made only with a concept that it stood beside in enough persons."""
    make_hospital(con, persons=300)
    con.execute("ALTER TABLE cdm.condition_occurrence ADD COLUMN condition_source_value VARCHAR")
    con.execute("UPDATE cdm.condition_occurrence SET condition_source_value = 'S' || condition_concept_id")
    _rendered(con, "condition_occurrence")
    wrong, told = con.execute(
        """
        SELECT count(*) FILTER (condition_source_value <> 'S' || condition_concept_id), count(condition_source_value)
        FROM made_condition_occurrence WHERE condition_concept_id > 1000
        """
    ).fetchall()[0]
    assert wrong == 0
    assert told > 1000


def test_a_person_counts_once_in_a_histogram(pharmacy: duckdb.DuckDBPyConnection) -> None:
    """The cells of an item, and the codes of each of its columns, add up to its persons."""
    site = site_of(pharmacy, "cdm")
    plan = plan_of(first_round(site), 10)
    sums = second_round(site, plan)
    persons = _totals(sums, attributes.PERSONS, 2)
    assert _totals(sums, attributes.CELL, 2) == persons
    keys, n = sums.get(attributes.CODE, 2)
    by_column: dict[tuple[int, int, str], int] = {}
    for key, label, count in zip(keys.tolist(), sums.labels(attributes.CODE), n.tolist(), strict=True):
        column = (*key, next(iter(json.loads(str(label)))))
        by_column[column] = by_column.get(column, 0) + count
    assert all(count == persons[column[:2]] for column, count in by_column.items())
    assert max(persons.values()) <= len(site.people)


def _totals(sums: Sums, statistic: str, width: int) -> dict[tuple[int, ...], int]:
    keys, n = sums.get(statistic, width)
    totals: dict[tuple[int, ...], int] = {}
    for key, count in zip(keys.tolist(), n.tolist(), strict=True):
        totals[tuple(key)] = totals.get(tuple(key), 0) + count
    return totals


def test_parts_add_up_to_the_whole(con: duckdb.DuckDBPyConnection) -> None:
    """Three sites' sums, of either round, merged in any order, are those of all persons together."""
    make_hospital(con, "whole", persons=150)
    for part in range(3):
        make_hospital(con, f"part{part}", persons=50, first=1 + 50 * part)
    whole = site_of(con, "whole", 1)
    parts = [site_of(con, f"part{part}", 1) for part in range(3)]
    margins = [attributes.margins(site) for site in parts]
    assert Sums.merged(margins[::-1]).to_table().equals(attributes.margins(whole).to_table())
    plan = plan_of(first_round(whole), 10)
    merged = Sums.merged([second_round(site, plan) for site in [parts[1], parts[2], parts[0]]])
    assert merged.to_table().equals(second_round(whole, plan).to_table())


def test_no_released_cell_is_small(pharmacy: duckdb.DuckDBPyConnection) -> None:
    """Whatever is released is of at least min_cell persons, or a fact that is not about persons."""
    site = site_of(pharmacy, "cdm")
    plan = plan_of(first_round(site), 10)
    released = release(second_round(site, plan), ALL_RULES, 10)
    assert min(int(released.counted(name).n.min()) for name in released if len(released.counted(name))) >= 10


def test_concepts_beyond_32_bits(con: duckdb.DuckDBPyConnection) -> None:
    """A custom type concept over 2 billion stays what it is."""
    make_hospital(con, persons=60)
    con.execute("ALTER TABLE cdm.condition_occurrence ALTER condition_type_concept_id TYPE BIGINT")
    con.execute("UPDATE cdm.condition_occurrence SET condition_type_concept_id = 3000000001")
    _rendered(con, "condition_occurrence")
    found = con.execute("SELECT DISTINCT condition_type_concept_id FROM made_condition_occurrence").fetchall()
    assert found == [(3000000001,)]


def test_drawing_a_column_does_not_change_others(pharmacy: duckdb.DuckDBPyConnection) -> None:
    """Columns can be asked for in any order, and twice."""
    site = site_of(pharmacy, "cdm")
    learned = learn(site, 10)
    lives = relive(site, learned)
    offsets = np.arange(len(lives) + 1)
    item = learned.items.of_table("drug_exposure")[np.zeros(len(lives), np.int64)]
    model = learned.models["attributes"]
    once, again = (model.drawn("drug_exposure", learned.items.concept, item, lives, offsets) for _ in range(2))
    first = once.number("quantity")[0]
    again.codes("route_concept_id")
    assert again.number("quantity")[0].tolist() == first.tolist()
    assert once.codes("route_concept_id").tolist() == again.codes("route_concept_id").tolist()


def test_how_a_record_came_about_is_always_told(con: duckdb.DuckDBPyConnection) -> None:
    """A condition of two types, each of nine persons: it has the commonest type of all, and none never."""
    make_hospital(con, persons=360)
    con.execute("UPDATE cdm.condition_occurrence SET condition_type_concept_id = 32819 WHERE person_id % 40 = 7")
    con.execute("CREATE TABLE m AS FROM omopsql.cdm_fit('cdm')")
    sampled = "omopsql.cdm_sample('m', 'condition_occurrence', persons := 400, seed := 1)"
    of_rare = f"SELECT DISTINCT condition_type_concept_id FROM {sampled} WHERE condition_concept_id = {RARE}"
    assert con.execute(of_rare).fetchall() == [(32020,)]
