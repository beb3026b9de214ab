"""The characterization: against Achilles' own results, and on a small CDM whose every answer is plain to see."""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import duckdb
import pytest

from omopsql.quality.characterize.analyses import every_analysis
from omopsql.quality.characterize.stories import story
from omopsql.quoting import identifier, literal

PAGE = Path(__file__).parents[1] / "docs" / "characterize.md"
STRATA = ("stratum_1", "stratum_2", "stratum_3", "stratum_4", "stratum_5")
MEASURES = ("min", "max", "avg", "stdev", "median", "p10", "p25", "p75", "p90")
RUN_TIMES = 2_000_000

# What differs from Achilles on the reference CDM, for the reasons that the page gives.
DIFFERENT_COUNTS = {0}
DIFFERENT_DISTRIBUTIONS = {511}

CDM = """
CREATE SCHEMA cdm;
CREATE TABLE cdm.person (
    person_id BIGINT, gender_concept_id INTEGER, year_of_birth INTEGER, race_concept_id INTEGER,
    ethnicity_concept_id INTEGER, provider_id BIGINT
);
INSERT INTO cdm.person VALUES (1, 8507, 1950, 8527, 0, 1), (2, 8532, 1985, 8527, 0, 99), (3, 8532, 1990, 0, 0, NULL);
CREATE TABLE cdm.observation_period (
    person_id BIGINT, observation_period_start_date DATE, observation_period_end_date DATE,
    period_type_concept_id INTEGER
);
INSERT INTO cdm.observation_period VALUES
    (1, '2000-06-15', '2003-06-14', 7), (1, '2003-02-01', '2004-12-31', 7), (2, '2001-01-01', '2001-12-31', 7),
    (3, '2002-02-28', '2002-02-28', 8);
CREATE TABLE cdm.condition_occurrence (
    person_id BIGINT, condition_concept_id INTEGER, condition_start_date DATE, condition_end_date DATE,
    condition_type_concept_id INTEGER, condition_source_value VARCHAR, provider_id BIGINT
);
INSERT INTO cdm.condition_occurrence VALUES
    (1, 11, '2000-06-15', '2000-06-14', 5, 'a', 1), (1, 11, '2003-03-01', NULL, 5, 'a', 98),
    (1, 12, '2004-12-31', '2004-12-31', 6, 'b', NULL), (2, 11, '2001-12-31', '2002-01-31', 5, 'a', 1),
    (1, 0, '1999-01-01', NULL, 5, 'outside', NULL), (4, 0, '2001-01-01', NULL, 5, 'nobody', NULL);
CREATE TABLE cdm.measurement (
    person_id BIGINT, measurement_concept_id INTEGER, measurement_date DATE, unit_concept_id INTEGER,
    value_as_number DOUBLE, value_as_concept_id INTEGER, range_low DOUBLE, range_high DOUBLE
);
INSERT INTO cdm.measurement SELECT 1, 21, DATE '2001-01-01', 9, value, NULL, 3, 8 FROM range(1, 11) AS v (value);
INSERT INTO cdm.measurement VALUES
    (2, 21, '2001-02-01', 9, NULL, 4181412, NULL, NULL), (2, 21, '2001-02-02', NULL, NULL, 0, NULL, NULL),
    (2, 22, '2001-02-03', NULL, 5.5, NULL, NULL, NULL);
CREATE TABLE cdm.provider (provider_id BIGINT);
INSERT INTO cdm.provider VALUES (1), (2);
"""


@pytest.fixture
def cdm(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A schema ``cdm`` of three persons, with a record outside their observation periods and one of nobody."""
    con.execute(CDM)
    return con


def counts(con: duckdb.DuckDBPyConnection, analysis: int, min_cell: int = 0, source: str = "cdm") -> dict:
    """The counts of one analysis, by its strata in use."""
    rows = con.execute(
        f"SELECT {', '.join(STRATA)}, count_value FROM omopsql.characterize({literal(source)}, "
        f"min_cell := {min_cell}, analyses := [{analysis}]) WHERE analysis_id < {RUN_TIMES}"
    ).fetchall()
    names = next(found.strata for found in every_analysis() if found.id == analysis)
    return {row[: sum(map(bool, names))]: row[-1] for row in rows}


def distribution(con: duckdb.DuckDBPyConnection, analysis: int, *strata: str) -> tuple:
    """The count and the nine measures of one stratum of a distribution."""
    where = " AND ".join(f"{name} = {literal(value)}" for name, value in zip(STRATA, strata, strict=False))
    rows = con.execute(
        f"SELECT count_value, {', '.join(f'{measure}_value' for measure in MEASURES)} "
        f"FROM omopsql.characterize('cdm', min_cell := 2, analyses := [{analysis}]) WHERE {where or 'true'}"
    ).fetchall()
    assert len(rows) == 1
    return rows[0]


def is_close(row: tuple, other: tuple) -> bool:
    """Whether two rows of numbers and NULLs are equal but for rounding."""
    return [value is None for value in row] == [value is None for value in other] and [
        value for value in row if value is not None
    ] == pytest.approx([value for value in other if value is not None], rel=1e-9, abs=1e-9)


def answered(con: duckdb.DuckDBPyConnection, source: str) -> set[int]:
    """The analyses that have any row."""
    query = f"FROM omopsql.characterize({literal(source)}, min_cell := 2, default_only := false)"
    return {row[0] for row in con.execute(f"SELECT DISTINCT analysis_id {query}").fetchall()}


def test_counts_equal_those_of_achilles(con, data_folder: Callable[[str], Path]):
    source, theirs = data_folder("cdm/synthea27nj_5.4"), data_folder("achilles") / "achilles_results.csv"
    con.execute(f"CREATE TABLE ours AS FROM omopsql.characterize({literal(str(source))}, min_cell := 0)")
    con.execute(f"CREATE TABLE theirs AS FROM read_csv({literal(str(theirs))}, all_varchar := true)")
    columns = f"CAST(analysis_id AS INTEGER) AS analysis_id, {', '.join(STRATA)}, CAST(count_value AS BIGINT)"
    counting = [found.id for found in every_analysis() if not found.is_distribution]
    different = con.execute(f"""
        WITH ours AS (SELECT {columns} FROM ours WHERE analysis_id IN {counting}),
        theirs AS (SELECT {columns} FROM theirs WHERE CAST(analysis_id AS DOUBLE) < {RUN_TIMES}),
        difference AS ((FROM ours EXCEPT ALL FROM theirs) UNION ALL (FROM theirs EXCEPT ALL FROM ours))
        SELECT DISTINCT analysis_id FROM difference
    """).fetchall()
    assert {row[0] for row in different} == DIFFERENT_COUNTS


def test_distributions_equal_those_of_achilles(con, data_folder: Callable[[str], Path]):
    source, theirs = data_folder("cdm/synthea27nj_5.4"), data_folder("achilles") / "achilles_results_dist.csv"
    query = f"FROM omopsql.achilles_results_dist({literal(str(source))}, min_cell := 0) WHERE analysis_id < {RUN_TIMES}"
    ours = {row[:6]: row[6:] for row in con.execute(f"SELECT * {query}").fetchall()}
    read = con.execute(
        f"SELECT CAST(analysis_id AS INTEGER), {', '.join(STRATA)}, CAST(count_value AS BIGINT), "
        + ", ".join(f"CAST({measure}_value AS DOUBLE)" for measure in MEASURES)
        + f" FROM read_csv({literal(str(theirs))}, all_varchar := true) WHERE CAST(analysis_id AS DOUBLE) < {RUN_TIMES}"
    )
    expected = {row[:6]: row[6:] for row in read.fetchall()}
    assert len(expected) > 1000
    assert ours.keys() == expected.keys()
    different = {key[0] for key, row in expected.items() if not is_close(ours[key], row)}
    assert different == DIFFERENT_DISTRIBUTIONS


def test_run_times_have_achilles_numbers(con, data_folder: Callable[[str], Path]):
    theirs = data_folder("achilles")
    source = literal(str(data_folder("cdm/synthea27nj_5.4")))
    for table in ("achilles_results", "achilles_results_dist"):
        ours = con.execute(
            f"SELECT analysis_id, count_value FROM omopsql.{table}({source}, min_cell := 0) "
            f"WHERE analysis_id >= {RUN_TIMES} AND CAST(stratum_1 AS DOUBLE) >= 0"
        ).fetchall()
        expected = con.execute(
            f"SELECT CAST(CAST(analysis_id AS DOUBLE) AS INTEGER) AS id FROM "
            f"read_csv({literal(str(theirs / f'{table}.csv'))}, all_varchar := true) WHERE id >= {RUN_TIMES}"
        ).fetchall()
        assert sorted(ours) == sorted((*row, 1) for row in expected)


def test_a_cdm_5_3_is_characterized(con, data_folder: Callable[[str], Path]):
    source = str(data_folder("cdm/gibleed_5.3"))
    assert counts(con, 1, source=source) == {(): 2694}
    assert len(answered(con, source)) > 120


def test_plain_sql_agrees_on_a_simulated_hospital(con, demo_folder: Path):
    with chdir(demo_folder.parent):
        for table in ("condition_occurrence", "person", "observation_period"):
            con.execute(f"CREATE TABLE {table} AS FROM 'omopsql_demo/cdm/{table}.parquet'")
        con.execute("""
            CREATE TABLE expected AS
            SELECT condition_concept_id, year(condition_start_date) AS year, gender_concept_id,
                floor((year(condition_start_date) - year_of_birth) / 10) AS decile,
                count(DISTINCT person_id) AS persons
            FROM condition_occurrence AS c JOIN person USING (person_id)
            WHERE EXISTS (FROM observation_period AS o WHERE o.person_id = c.person_id
                AND condition_start_date BETWEEN observation_period_start_date AND observation_period_end_date)
            GROUP BY ALL
        """)
        con.execute("CREATE TABLE ours AS FROM omopsql.characterize('omopsql_demo/cdm', analyses := [404])")
    ours = f"SELECT {', '.join(f'CAST({name} AS INTEGER)' for name in STRATA[:4])}, count_value FROM ours"
    assert con.execute("SELECT count(*) > 100 FROM ours").fetchall() == [(True,)]
    assert con.execute(f"({ours}) EXCEPT (FROM expected WHERE persons >= 10)").fetchall() == []
    assert con.execute(f"(FROM expected WHERE persons >= 10) EXCEPT ({ours})").fetchall() == []


def test_only_records_inside_observation_count_and_only_once(cdm):
    assert counts(cdm, 400) == {("11",): 2, ("12",): 1}
    assert counts(cdm, 401) == {("11",): 3, ("12",): 1}  # person 1 has overlapping periods
    assert counts(cdm, 402) == {("11", "200006"): 1, ("11", "200112"): 1, ("11", "200303"): 1, ("12", "200412"): 1}
    assert counts(cdm, 404)[("11", "2001", "8532", "1")] == 1
    assert counts(cdm, 405) == {("11", "5"): 3, ("12", "6"): 1}
    assert counts(cdm, 420) == {("200006",): 1, ("200112",): 1, ("200303",): 1, ("200412",): 1}


def test_what_breaks_a_rule_is_counted_everywhere(cdm):
    assert counts(cdm, 409) == {(): 1}
    assert counts(cdm, 410) == {(): 2}
    assert counts(cdm, 411) == {(): 1}
    assert counts(cdm, 412) == {(): 1}
    assert counts(cdm, 430) == {(): 4}
    assert counts(cdm, 432) == {(str(2 / 6), "2", "6"): 2}
    assert counts(cdm, 431) == {(str(2 / 3), "2", "3"): 2}
    assert counts(cdm, 7) == {(): 1}
    assert counts(cdm, 1900)[("condition_occurrence", "condition_source_value", "nobody")] == 1


@pytest.mark.parametrize(
    ("change", "analysis"),
    [
        ("UPDATE cdm.condition_occurrence SET provider_id = 77 WHERE condition_source_value = 'b'", 412),
        ("UPDATE cdm.condition_occurrence SET person_id = 77 WHERE condition_source_value = 'b'", 409),
        (
            "UPDATE cdm.condition_occurrence SET condition_end_date = '1900-01-01' WHERE condition_source_value = 'b'",
            411,
        ),
        ("UPDATE cdm.condition_occurrence SET condition_start_date = NULL WHERE condition_source_value = 'b'", 410),
        ("INSERT INTO cdm.observation_period VALUES (55, '2001-01-01', '2001-01-02', 7)", 118),
        ("INSERT INTO cdm.observation_period VALUES (3, '1980-01-01', '1980-01-02', 7)", 114),
        ("INSERT INTO cdm.observation_period VALUES (3, '2001-01-03', '2001-01-02', 7)", 115),
    ],
)
def test_a_planted_fault_moves_its_count_by_one(cdm, change: str, analysis: int):
    before = counts(cdm, analysis).get((), 0)
    cdm.execute(change)
    assert counts(cdm, analysis) == {(): before + 1}


def test_observation_periods(cdm):
    assert counts(cdm, 101) == {("50",): 1, ("16",): 1, ("12",): 1}
    assert counts(cdm, 108) == {("36",): 1, ("12",): 1, ("0",): 1}
    assert counts(cdm, 109) == {("2001",): 2, ("2002",): 1, ("2004",): 1}  # 2003 is covered by no single period
    assert counts(cdm, 110) == {("200101",): 2, ("200202",): 1, ("200302",): 1}
    assert counts(cdm, 113) == {("1",): 2, ("2",): 1}
    assert counts(cdm, 117)[("200202",)] == 2
    assert counts(cdm, 119) == {("7",): 3, ("8",): 1}


def test_percentiles_are_the_least_value_that_so_many_reach(cdm):
    ten = distribution(cdm, 1815, "21", "9")
    assert ten == pytest.approx((10, 1, 10, 5.5, 3.0276503540974917, 5, 1, 3, 8, 9))
    assert distribution(cdm, 105)[:3] == (3, 0, 1094)


def test_one_value_has_no_deviation(cdm):
    row = cdm.execute(
        "SELECT stdev_value, median_value FROM omopsql.characterize('cdm', min_cell := 1, analyses := [406]) "
        "WHERE analysis_id = 406 AND stratum_1 = '12'"
    ).fetchall()
    assert row == [(None, 54.0)]


def test_values_of_measurements(cdm):
    assert counts(cdm, 1811) == {(): 12}
    assert counts(cdm, 1814) == {(): 1}
    assert counts(cdm, 1819) == {("21",): 11, ("22",): 1}
    assert counts(cdm, 1821) == {(): 2}
    places = {"Below Range Low": 2, "Within Range": 6, "Above Range High": 2}
    assert counts(cdm, 1818) == {("21", "9", place): n for place, n in places.items()}
    assert counts(cdm, 1891) == {("21", "10"): 1, ("21", "2"): 2, ("22", "1"): 1}


def test_tables_that_the_reference_cdm_leaves_empty(cdm):
    cdm.execute("""
        CREATE TABLE cdm.note AS SELECT 1 AS person_id, 31 AS note_type_concept_id FROM range(3);
        CREATE TABLE cdm.location (location_id BIGINT, zip VARCHAR, state VARCHAR);
        INSERT INTO cdm.location VALUES (5, '69120', 'BW'), (6, '69207', 'BW'), (7, NULL, NULL);
        ALTER TABLE cdm.person ADD COLUMN location_id BIGINT;
        UPDATE cdm.person SET location_id = person_id + 4;
        CREATE TABLE cdm.care_site AS SELECT 8 AS care_site_id, 5 AS location_id, 9202 AS place_of_service_concept_id;
        CREATE TABLE cdm.visit_occurrence (
            person_id BIGINT, visit_occurrence_id BIGINT, visit_concept_id INTEGER, visit_start_date DATE,
            visit_end_date DATE, care_site_id BIGINT, discharge_to_concept_id INTEGER
        );
        INSERT INTO cdm.visit_occurrence VALUES
            (1, 71, 9201, '2001-01-01', '2001-01-04', 8, 0), (2, 72, 9201, '2001-01-01', '2001-01-02', 9, 8717);
        CREATE TABLE cdm.drug_exposure AS SELECT 61 AS drug_exposure_id, 41 AS drug_concept_id;
        CREATE TABLE cdm.cost (
            cost_event_id BIGINT, cost_domain_id VARCHAR, total_cost DOUBLE, paid_by_payer DOUBLE
        );
        INSERT INTO cdm.cost VALUES
            (61, 'Drug', 10, 4), (61, 'Drug', 20, NULL), (61, 'Visit', 99, 9), (1, 'Drug', 5, 5);
        CREATE TABLE cdm.payer_plan_period (
            person_id BIGINT, payer_plan_period_start_date DATE, payer_plan_period_end_date DATE
        );
        INSERT INTO cdm.payer_plan_period VALUES (1, '2001-01-01', '2001-12-31'), (1, '2003-05-01', '2003-06-15');
    """)
    assert (counts(cdm, 2200), counts(cdm, 2201)) == ({("31",): 1}, {("31",): 3})
    assert (counts(cdm, 1100), counts(cdm, 1101)) == ({("691",): 1, ("692",): 1}, {("BW",): 2})
    assert (counts(cdm, 1102), counts(cdm, 1103)) == ({("691",): 1}, {("BW",): 1})
    assert (counts(cdm, 1201), counts(cdm, 1202)) == ({("9202",): 1}, {("9202",): 1})
    assert (counts(cdm, 209), counts(cdm, 1203)) == ({(): 1}, {("8717",): 1})
    assert distribution(cdm, 213)[:4] == (2, 1, 3, 2)
    assert distribution(cdm, 1511)[:4] == (2, 10, 20, 15)
    assert counts(cdm, 1505) == {("41",): 1}
    assert counts(cdm, 1408) == {("12",): 1}
    assert (counts(cdm, 1409), counts(cdm, 1410)) == ({("2001",): 1}, {("200101",): 1, ("200305",): 1})
    assert counts(cdm, 1413) == {("2",): 1}


def test_overlap_of_domains(cdm):
    third = ".33333333333333333333"
    found = counts(cdm, 2004)
    assert found[("1001000", f"0{third.replace('3' * 20, '6' * 19 + '7')}")] == 2
    assert found[("1000000", "1.00000000000000000000")] == 3  # one of them is nobody
    assert counts(cdm, 2003) == {}


@pytest.mark.parametrize("min_cell", [0, 1, 2, 3, 10])
def test_small_cells_are_withheld(cdm, min_cell: int):
    everything = cdm.execute(
        "SELECT * EXCLUDE (analysis_name) FROM omopsql.characterize('cdm', min_cell := 0, default_only := false) "
        f"WHERE analysis_id < {RUN_TIMES}"
    ).fetchall()
    kept = cdm.execute(
        f"SELECT * EXCLUDE (analysis_name) FROM omopsql.characterize('cdm', min_cell := {min_cell}, "
        f"default_only := false) WHERE analysis_id < {RUN_TIMES}"
    ).fetchall()
    count = 6  # its place
    assert kept == [row for row in everything if row[count] >= min_cell]
    assert min(row[count] for row in everything) == 1


def test_run_times_are_there_when_cells_of_one_are(cdm):
    query = "SELECT analysis_id FROM omopsql.characterize('cdm', analyses := [1, 103], min_cell := {})"
    assert cdm.execute(query.format(1)).fetchall() == [(1,), (103,), (2000001,), (2000103,)]
    assert cdm.execute(query.format(2)).fetchall() == [(1,), (103,)]


def test_the_same_cdm_answers_the_same_from_a_schema_and_from_files(cdm, tmp_path: Path):
    tables = cdm.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'cdm'").fetchall()
    for kind in ("parquet", "csv"):
        (tmp_path / kind).mkdir()
        for (table,) in tables:
            file = literal(str(tmp_path / kind / f"{table}.{kind}"))
            cdm.execute(f"COPY cdm.{identifier(table)} TO {file}")
    query = "SELECT * FROM omopsql.characterize({}, min_cell := 0, default_only := false) WHERE analysis_id < 2000000"
    expected = cdm.execute(query.format("'cdm'")).fetchall()
    assert len(expected) > 100
    for kind in ("parquet", "csv"):
        assert cdm.execute(query.format(literal(str(tmp_path / kind)))).fetchall() == expected


def test_a_table_that_is_not_there_or_empty_has_no_rows(cdm):
    conditions = {number for number in answered(cdm, "cdm") if 400 <= number < 500}
    assert conditions
    cdm.execute("DELETE FROM cdm.condition_occurrence")
    assert not {number for number in answered(cdm, "cdm") if 400 <= number < 500}
    cdm.execute("DROP TABLE cdm.condition_occurrence")
    assert not {number for number in answered(cdm, "cdm") if 400 <= number < 500}
    cdm.execute("DROP TABLE cdm.person")
    assert 1 not in answered(cdm, "cdm")
    cdm.execute("DROP TABLE cdm.observation_period")
    assert {number for number in answered(cdm, "cdm") if number < 1800} == {300}


def test_a_column_that_is_not_there_silences_only_what_counts_by_it(cdm):
    before = answered(cdm, "cdm")
    cdm.execute("ALTER TABLE cdm.measurement DROP COLUMN unit_concept_id")
    assert before - answered(cdm, "cdm") == {1807, 1815, 1816, 1817, 1818, 1827}
    cdm.execute("ALTER TABLE cdm.measurement DROP COLUMN person_id")
    assert {number for number in answered(cdm, "cdm") if 1800 <= number < 1900} == {1821}


def test_types_that_a_file_got_wrong_are_read_as_the_cdm_has_them(cdm):
    expected = counts(cdm, 402)
    cdm.execute("ALTER TABLE cdm.condition_occurrence ALTER condition_start_date TYPE VARCHAR")
    cdm.execute("ALTER TABLE cdm.condition_occurrence ALTER condition_concept_id TYPE DOUBLE")
    cdm.execute("ALTER TABLE cdm.condition_occurrence ALTER person_id TYPE VARCHAR")
    assert counts(cdm, 402) == expected
    cdm.execute("UPDATE cdm.condition_occurrence SET condition_start_date = 'soon'")
    with pytest.raises(duckdb.Error, match=r"cdm: event_concepts of condition_occurrence cannot be counted: .*soon"):
        counts(cdm, 402)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("analyses := [401, 424]", "analyses names 424"),
        ("analyses := 'conditions'", "analyses is 'conditions'; give a list of numbers"),
        ("min_cell := -1", "min_cell is -1; give 0 or more"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(cdm, arguments: str, message: str):
    with pytest.raises(duckdb.Error, match=re.escape(message)):
        cdm.execute(f"FROM omopsql.characterize('cdm', {arguments})").fetchall()


def test_what_is_no_cdm_is_told(con, tmp_path: Path):
    with pytest.raises(duckdb.Error, match="holds no table of the CDM"):
        con.execute(f"FROM omopsql.characterize({literal(str(tmp_path))})").fetchall()


def test_achilles_tables_divide_the_characterization(cdm):
    def rows(query: str) -> Counter[tuple]:
        return Counter(cdm.execute(query).fetchall())

    counted = "analysis_id, stratum_1, stratum_2, stratum_3, stratum_4, stratum_5, count_value"
    results = rows("FROM omopsql.achilles_results('cdm', min_cell := 2)")
    distributions = rows(f"SELECT {counted} FROM omopsql.achilles_results_dist('cdm', min_cell := 2)")
    source = (0, None, None, None, None, None, 3)
    assert distributions[source] == 1
    assert results + distributions - Counter([source]) == rows(
        f"SELECT {counted} FROM omopsql.characterize('cdm', min_cell := 2)"
    )


def test_analyses_are_listed(con):
    listed = con.execute("SELECT analysis_id, is_default FROM omopsql.achilles_analysis() ORDER BY ALL").fetchall()
    assert [row[0] for row in listed] == [found.id for found in every_analysis()]
    assert {row[1] for row in listed} == {0, 1}


@pytest.mark.parametrize("name", sorted({found.story for found in every_analysis()}))
def test_every_shape_stands_in_its_story(name: str):
    shapes = {found.shape for found in every_analysis() if found.story == name}
    sql = story(name).sql
    if name == "cost":
        shapes = {shape.rsplit(" by ", 1)[0] for shape in shapes} - {"records"}
    assert [shape for shape in shapes if shape not in sql] == []


def test_the_page_names_what_is_left_out(data_folder: Callable[[str], Path]):
    catalogue = (data_folder("achilles") / "achilles_analysis.csv").read_text(encoding="utf-8")
    theirs = {int(number) for number in re.findall(r"^(\d+),", catalogue, re.M)}
    left_out = theirs - {found.id for found in every_analysis()}
    section = PAGE.read_text(encoding="utf-8").split("## Left out, and different", 1)[1]
    told = {int(n) for line in re.findall(r"^\| ([\d, ]+) \|", section, re.M) for n in line.split(", ")}
    assert told == left_out | DIFFERENT_COUNTS | DIFFERENT_DISTRIBUTIONS


def test_the_page_lists_the_categories():
    told = PAGE.read_text(encoding="utf-8")
    for category in {found.category for found in every_analysis()}:
        of_it = [found for found in every_analysis() if found.category == category]
        defaults = sum(found.is_default for found in of_it)
        distributions = sum(found.is_distribution for found in of_it)
        assert f"| {category} | {len(of_it)} | {defaults} | {distributions} |" in told
