"""A CDM is read as arrays, whatever shape it comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import hospital_cdm as made
import numpy as np
import pytest
from hospital_twins import bare, second_rounds

from omopsql.errors import OmopsqlError
from omopsql.synth.hospital.fit import COUNTED_BY, fit, released
from omopsql.synth.hospital.lives import Events, People, owners
from omopsql.synth.hospital.plan import CODES, LEFT_OUT, PERSONS, ROLLED_UP, TABLE_NUMBERS, VALUED, Items
from omopsql.synth.hospital.reading import Site
from omopsql.synth.hospital.sums import Sums

CONDITIONS, MEASUREMENTS = TABLE_NUMBERS["condition_occurrence"], TABLE_NUMBERS["measurement"]


@pytest.fixture
def hospital(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    made.make_hospital(con)
    return con


def _site(con: duckdb.DuckDBPyConnection, cdm: str = "cdm", **options: int) -> Site:
    return Site(con.cursor(), cdm, **options)


def _events(con: duckdb.DuckDBPyConnection) -> Events:
    site = _site(con)
    return site.events(site.own_items)


def _contacts(site: Site) -> list[int]:
    return site.rows("condition_occurrence")["contact"].to_pylist()


def _equal(one: People, two: People) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in People.__dataclass_fields__)


def test_days_count_from_birth(hospital: duckdb.DuckDBPyConnection) -> None:
    site = _site(hospital)
    expected = hospital.execute("""
        SELECT make_date(year_of_birth, month_of_birth, day_of_birth) - DATE '1970-01-01',
            observation_period_start_date - make_date(year_of_birth, month_of_birth, day_of_birth),
            coalesce(death_date, observation_period_end_date) - make_date(year_of_birth, month_of_birth, day_of_birth),
            coalesce(death_date - make_date(year_of_birth, month_of_birth, day_of_birth), -1)
        FROM cdm.person JOIN cdm.observation_period USING (person_id) LEFT JOIN cdm.death USING (person_id)
        ORDER BY person_id""").fetchall()
    people = site.people
    assert list(zip(people.birth, people.start, people.end, people.death, strict=True)) == expected
    assert site.said == []


def test_events_do_not_depend_on_what_was_counted_before(hospital: duckdb.DuckDBPyConnection) -> None:
    known, fresh = _site(hospital), _site(hospital)
    items = Items.of(known.raw_items())
    one, two = known.events(items), fresh.events(items)
    assert len(one)
    assert np.array_equal(one.item, two.item)
    assert np.array_equal(one.day, two.day)


def test_events_stand_on_the_first_day_of_their_visit(hospital: duckdb.DuckDBPyConnection) -> None:
    site = _site(hospital)
    items = site.own_items
    rows = site.rows("condition_occurrence", items)
    late = rows.filter(np.array(rows["own_day"]) != np.array(rows["day"])).to_pydict()
    assert set(np.subtract(late["own_day"], late["day"])) == {2}
    events = site.events(items)
    of_conditions = items.table[events.item] == CONDITIONS
    person, row = owners(events.offsets)[of_conditions], events.row[of_conditions]
    assert np.array_equal(np.array(rows["person"])[row], person)
    assert np.array_equal(np.array(rows["item"])[row], events.item[of_conditions])
    assert np.array_equal(np.array(rows["day"])[row], events.day[of_conditions])


def test_events_are_sorted_and_single(hospital: duckdb.DuckDBPyConnection) -> None:
    hospital.execute("INSERT INTO cdm.condition_occurrence FROM cdm.condition_occurrence")
    site = _site(hospital)
    events = site.events(site.own_items)
    keys = list(zip(owners(events.offsets), events.day, events.item, strict=True))
    assert keys == sorted(set(keys))
    assert len(site.rows("condition_occurrence")) == 2 * (120 * 6 - _after_death(hospital))


def _after_death(con: duckdb.DuckDBPyConnection) -> int:
    return con.execute("""SELECT count(*) // 2 FROM cdm.condition_occurrence JOIN cdm.death USING (person_id)
        WHERE condition_start_date > death_date""").fetchall()[0][0]


def test_records_after_death_are_left_out(hospital: duckdb.DuckDBPyConnection) -> None:
    before = len(_site(hospital).rows("drug_exposure"))
    hospital.execute("UPDATE cdm.death SET death_date = DATE '2012-04-01' WHERE person_id = 10")
    site = _site(hospital)
    assert len(site.rows("drug_exposure")) == before - 1
    assert site.people.end[9] == site.people.death[9]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_folder_reads_as_its_schema(hospital: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str) -> None:
    made.write_hospital(hospital, "cdm", tmp_path / "cdm", kind)
    of_schema, of_folder = _site(hospital), _site(hospital, str(tmp_path / "cdm"))
    assert _equal(of_schema.people, of_folder.people)
    one, two = (site.events(site.own_items) for site in (of_schema, of_folder))
    assert np.array_equal(one.item, two.item)
    assert np.array_equal(one.day, two.day)


@pytest.mark.parametrize("as_text", ["%Y-%m-%d", "%Y%m%d", "%Y-%m-%d 00:00:00"])
def test_dates_as_text(hospital: duckdb.DuckDBPyConnection, as_text: str) -> None:
    before = _events(hospital)
    day = f"strftime(condition_start_date, '{as_text}')"
    hospital.execute(f"ALTER TABLE cdm.condition_occurrence ALTER condition_start_date TYPE VARCHAR USING {day}")
    after = _events(hospital)
    assert np.array_equal(before.day, after.day)


def test_identifiers_of_64_bits_and_custom_concepts(hospital: duckdb.DuckDBPyConnection) -> None:
    before, contacts = _site(hospital).people, _contacts(_site(hospital))
    for table in ("person", "observation_period", "death", "visit_occurrence", "condition_occurrence"):
        hospital.execute(f"UPDATE cdm.{table} SET person_id = person_id - 9223372036854775000")
    hospital.execute("ALTER TABLE cdm.condition_occurrence ALTER condition_concept_id TYPE BIGINT")
    hospital.execute("UPDATE cdm.condition_occurrence SET condition_concept_id = 2100000001 + condition_concept_id")
    after = _site(hospital)
    assert _equal(before, after.people)
    assert 2_100_000_001 + made.COLD in after.own_items.concept[after.own_items.of_table("condition_occurrence")]
    assert _contacts(after) == contacts
    assert max(contacts) == 5


def test_a_visit_of_another_person_is_no_contact(hospital: duckdb.DuckDBPyConnection) -> None:
    hospital.execute("UPDATE cdm.condition_occurrence SET visit_occurrence_id = 201 WHERE person_id = 1")
    rows = _site(hospital).rows("condition_occurrence").to_pylist()
    assert {row["contact"] for row in rows if row["person"] == 0} == {-1}


def test_without_observation_period_the_records_span_it(hospital: duckdb.DuckDBPyConnection) -> None:
    hospital.execute("DELETE FROM cdm.observation_period WHERE person_id = 3")
    site = _site(hospital)
    birth = np.datetime64("1970-01-01") + int(site.people.birth[2])
    first, last = hospital.execute(
        "SELECT min(visit_start_date), max(visit_start_date) FROM cdm.visit_occurrence WHERE person_id = 3"
    ).fetchall()[0]
    assert birth + int(site.people.start[2]) == np.datetime64(first)
    assert birth + int(site.people.end[2]) == np.datetime64(last)


def test_persons_that_nothing_is_known_of_are_left_out_and_said(hospital: duckdb.DuckDBPyConnection) -> None:
    hospital.execute("INSERT INTO cdm.person (person_id, year_of_birth) VALUES (1000, 1950), (1001, NULL)")
    site = _site(hospital)
    assert len(site.people) == 120
    assert len(site.said) == 2
    assert "1 person without a date of birth is left out" in site.said[0]


def test_missing_parts_of_birth_are_the_middle(hospital: duckdb.DuckDBPyConnection) -> None:
    hospital.execute("UPDATE cdm.person SET day_of_birth = NULL WHERE person_id <= 2")
    hospital.execute("UPDATE cdm.person SET month_of_birth = NULL WHERE person_id = 2")
    born = _site(hospital).people.birth[:2].astype("datetime64[D]").astype(str)
    assert list(born) == ["1937-02-15", "1944-07-01"]


def test_missing_tables_and_columns(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE SCHEMA cdm")
    con.execute("CREATE TABLE cdm.person AS SELECT i AS person_id, 1950 AS year_of_birth FROM range(30) AS r (i)")
    con.execute(
        "CREATE TABLE cdm.drug_exposure AS SELECT i AS person_id, 7 AS drug_concept_id, "
        "DATE '2020-01-01' AS drug_exposure_start_date FROM range(30) AS r (i)"
    )
    site = _site(con)
    assert len(site.people) == 30
    assert len(site.events(site.own_items)) == 30
    assert len(site.rows("measurement")) == 0


def test_too_few_persons(hospital: duckdb.DuckDBPyConnection) -> None:
    hospital.execute("DELETE FROM cdm.person WHERE person_id > 1")
    with pytest.raises(OmopsqlError, match="cdm has 1 person to learn from; a model needs 10 or more"):
        _site(hospital, least_persons=10)


def test_a_schema_without_person(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE SCHEMA cdm")
    con.execute("CREATE TABLE cdm.death (person_id BIGINT)")
    with pytest.raises(OmopsqlError, match="cdm has no table person"):
        _site(con)


def test_rare_concepts_count_as_their_ancestor(hospital: duckdb.DuckDBPyConnection) -> None:
    site = _site(hospital, min_cell=10)  # 6 persons each have RARE and RARER, whose ancestor no one has
    shown = released(site.raw_items(), 10)
    assert shown.get(ROLLED_UP, 3)[0].tolist() == [
        [CONDITIONS, made.RARE, made.ABOVE_RARE],
        [CONDITIONS, made.RARER, made.ABOVE_RARE],
    ]
    items = Items.of(shown)
    events = site.events(items)
    ancestor = items.find(np.array([CONDITIONS]), np.array([made.ABOVE_RARE]))[0]
    assert len(np.unique(owners(events.offsets)[events.item == ancestor])) == 12
    assert made.RARE not in items.concept


def test_the_ancestor_of_an_ancestor_changes_nothing(hospital: duckdb.DuckDBPyConnection) -> None:
    """The nearest is taken: those above it, which any whole vocabulary has, find no one waiting any more."""
    nearest = released(_site(hospital, min_cell=10).raw_items(), 10).get(ROLLED_UP, 3)[0].tolist()
    wide = 441_840
    hospital.execute(f"""
        INSERT INTO cdm.concept BY NAME
        SELECT {wide} AS concept_id, domain_id, standard_concept FROM cdm.concept WHERE concept_id = {made.ABOVE_RARE};
        INSERT INTO cdm.concept_ancestor
        SELECT {wide}, descendant_concept_id, 3, 3 FROM cdm.concept_ancestor
        WHERE ancestor_concept_id = {made.ABOVE_RARE}
    """)
    shown = released(_site(hospital, min_cell=10).raw_items(), 10)
    assert shown.get(ROLLED_UP, 3)[0].tolist() == nearest
    assert not len(shown.get(LEFT_OUT, 2)[1])


def test_without_ancestors_rare_concepts_are_left_out_and_listed(hospital: duckdb.DuckDBPyConnection) -> None:
    hospital.execute("DROP TABLE cdm.concept_ancestor")
    shown = released(_site(hospital, min_cell=10).raw_items(), 10)
    assert shown.get(LEFT_OUT, 2)[0].tolist() == [[CONDITIONS, made.RARE], [CONDITIONS, made.RARER]]
    assert shown.get(PERSONS, 2)[1].min() >= 10


@pytest.fixture
def findings(hospital: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    made.add_findings(hospital)
    return hospital


def _persons_of(site: Site, items: Items) -> dict[str | tuple[int, int], int]:
    """The persons with each item that goes by a name."""
    events = site.events(items)
    pairs = np.unique(np.column_stack([owners(events.offsets), events.item]), axis=0)
    names: dict[int, str | tuple[int, int]] = {**items.codes, **items.valued}
    return {name: int((pairs[:, 1] == item).sum()) for item, name in names.items()}


def test_unmapped_records_go_by_their_code_or_its_symbol(findings: duckdb.DuckDBPyConnection) -> None:
    """TP53 stands for 30 variants of one person each, '' for BRCA1 and codes without a symbol; no text is an item."""
    site = _site(findings, min_cell=10)
    items = Items.of(released(site.raw_items(), 10))
    assert _persons_of(site, items) == {
        "TP53 p.R175H": 30,
        "TP53": 33,  # with the concept that 3 persons have, whose source's codes begin with TP53
        "": 15,
        (made.RECEPTOR, made.POSITIVE): 60,
    }
    assert (items.concept[items.of_table("measurement")] < 0).sum() == 4
    assert set(items.mapped[items.of_table("measurement")]) == {0, made.RECEPTOR, made.WEIGHT}


def test_an_unmapped_record_is_one_event(findings: duckdb.DuckDBPyConnection) -> None:
    """Of the model's items; the first round counts it by each of its names."""
    site = _site(findings, min_cell=10)
    items = Items.of(released(site.raw_items(), 10))
    told, own = site.rows("measurement", items), site.events(site.own_items)
    counted = (told["item"].to_numpy() >= 0).sum()
    other_results = 3
    assert counted == len(told) - other_results
    of_measurements = np.isin(site.events(items).item, items.of_table("measurement"))
    assert of_measurements.sum() == counted
    assert np.isin(own.item, site.own_items.of_table("measurement")).sum() > counted


def test_no_code_of_few_persons_leaves(findings: duckdb.DuckDBPyConnection) -> None:
    exact = _site(findings, min_cell=10).raw_items()
    shown = released(exact, 10)
    assert any("p.X" in str(label) for label in exact.labels(CODES))
    assert shown.labels(CODES) and set(shown.labels(CODES)) == {"TP53 p.R175H", "TP53", ""}
    assert shown.get(VALUED, 4)[0][:, 2:].tolist() == [[made.RECEPTOR, made.POSITIVE]]
    rare = set(exact.get(PERSONS, 2)[0][:, 1].tolist()) - set(shown.get(PERSONS, 2)[0][:, 1].tolist())
    listed = np.concatenate([shown.get(LEFT_OUT, 2)[0].ravel(), shown.get(ROLLED_UP, 3)[0][:, :2].ravel()])
    assert not {name for name in rare if name < 0} & set(listed.tolist())


def test_a_name_that_others_represent_is_no_item(findings: duckdb.DuckDBPyConnection) -> None:
    """Without other variants, TP53 stands for nobody; without other results, the receptor does not."""
    findings.execute("DELETE FROM cdm.measurement WHERE measurement_source_value LIKE 'TP53 p.X%'")
    items = Items.of(released(_site(findings, min_cell=10).raw_items(), 10))
    assert set(items.codes.values()) == {"TP53 p.R175H", ""}
    assert made.RECEPTOR not in items.concept
    assert made.VARIANT not in items.concept


def test_names_of_two_sites_add_up(findings: duckdb.DuckDBPyConnection) -> None:
    for schema, first in (("north", 1), ("south", 61)):
        made.make_hospital(findings, schema, 60, first)
        made.add_findings(findings, schema)
    parts = [_site(findings, schema, min_cell=10).raw_items() for schema in ("north", "south")]
    pooled = _site(findings, min_cell=10).raw_items()
    assert released(Sums.merged(parts), 10).to_table().equals(released(pooled, 10).to_table())


def test_sites_with_codes_merge_to_the_model_of_all(findings: duckdb.DuckDBPyConnection) -> None:
    """Whether a code is rare at one site or not: row for row."""
    cursor = findings.cursor()
    for schema, first in (("north", 1), ("south", 61)):
        made.make_hospital(findings, schema, 60, first)
        made.add_findings(findings, schema)
    merged = Sums.merged(map(bare, second_rounds(cursor, ("north", "south"), 120)))
    merged.drop(COUNTED_BY)
    assert released(merged, 10).to_table().equals(bare(fit(cursor, "cdm")[0]).to_table())


def test_events_pass_over_what_is_not_asked_for(hospital: duckdb.DuckDBPyConnection) -> None:
    site = _site(hospital)
    visits = site.own_items.of_table("visit_occurrence").tolist()
    assert not np.isin(site.events(site.own_items, visits).item, visits).any()
    assert np.isin(site.events(site.own_items).item, visits).any()


def test_real_cdm_of_5_3(data_folder: Callable[[str], Path], con: duckdb.DuckDBPyConnection) -> None:
    site = _site(con, str(data_folder("cdm/gibleed_5.3")))
    assert (site.version, len(site.people)) == ("5.3", 2694)
    assert len(site.rows("condition_occurrence")) == 65332
    assert (site.people.end >= site.people.start).all()
