"""Attacks on synthetic data: planted copies are found, and fresh persons score at chance."""

from collections.abc import Iterator
from functools import cache

import duckdb
import numpy as np
import pytest

import omopsql
from omopsql.privacy.membership import Scores, judged
from omopsql.privacy.rates import Rate, ahead, beside, risk
from omopsql.udfs.gower import nearest_mixed, nearest_without
from omopsql.udfs.predicates import AT_LEAST, EQUAL, count_matches

PERSONS, FRESH = 2000, 1000  # of the real data, and of the holdout
COPYING = ("exact_copies", "near_copies", "unique_copies", "singled_out", "membership_tpr_rare")
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def patients() -> Iterator[duckdb.DuckDBPyConnection]:
    """Real patients, a holdout, and synthetic ones of several kinds, in schemas by seed."""
    con = omopsql.connect()
    con.execute("SET enable_progress_bar=false")
    for seed in SEEDS:
        con.execute(f"CREATE SCHEMA s{seed}; USE s{seed}")
        people = f"SELECT * EXCLUDE (patient_id) FROM omopsql.example_patients({2 * PERSONS + FRESH}, seed := {seed})"
        con.execute(f"CREATE TABLE pool AS SELECT row_number() OVER () AS place, * FROM ({people})")
        chosen = "SELECT * EXCLUDE (place) FROM pool WHERE place"
        con.execute(f"CREATE TABLE hospital AS {chosen} <= {PERSONS}")
        con.execute(f"CREATE TABLE holdout AS {chosen} BETWEEN {PERSONS + 1} AND {PERSONS + FRESH}")
        con.execute(f"CREATE TABLE fresh AS {chosen} > {PERSONS + FRESH}")
        copied = PERSONS // 100
        con.execute(f"CREATE TABLE planted AS {chosen} > {PERSONS + FRESH + copied} OR place <= {copied}")
        drawn = f"SELECT 1 + CAST(floor({PERSONS} * omopsql.philox_uniform({seed}, i, 0)) AS BIGINT) AS place"
        con.execute(f"CREATE TABLE drawn AS {drawn} FROM range({PERSONS}) AS rows (i)")
        con.execute("CREATE TABLE bootstrap AS SELECT pool.* EXCLUDE (place) FROM drawn JOIN pool USING (place)")
        independent = f"omopsql.synthesize('hospital', {PERSONS}, seed := {seed}, method := 'independent')"
        con.execute(f"CREATE TABLE independent AS FROM {independent}")
    yield con
    con.close()


@pytest.fixture(scope="module")
def attacked(patients):
    """Attack a table of synthetic patients: its rows by metric and subject."""

    @cache
    def attack(synthetic: str, seed: int) -> dict[tuple[str, str], dict[str, object]]:
        patients.execute(f"USE s{seed}")
        return rows_of(patients, f"'hospital', '{synthetic}', 'holdout', seed := {seed}")

    return attack


def rows_of(con, arguments):
    table = con.sql(f"FROM omopsql.privacy({arguments})").to_arrow_table()
    return {(row["metric"], row["subject"]): row for row in table.to_pylist()}


def excludes_chance(row):
    return row["low"] > row["reference"]


@pytest.mark.parametrize("seed", SEEDS)
def test_copies_of_one_person_in_a_hundred_are_found(attacked, seed):
    rows = attacked("planted", seed)
    for (metric, subject), row in rows.items():
        if metric in COPYING:
            assert row["verdict"] == "fail", (metric, subject, row)
            assert excludes_chance(row), (metric, subject, row)
    assert rows["exact_copies", ""]["value"] == pytest.approx(0.01)
    assert rows["linkability_risk", _linked(rows)]["low"] > 0


def _linked(rows):
    return next(subject for metric, subject in rows if metric == "linkability_risk")


@pytest.mark.parametrize("seed", SEEDS)
def test_fresh_persons_in_the_place_of_copies_score_at_chance(attacked, seed):
    rows = attacked("fresh", seed)
    assert not [key for key, row in rows.items() if row["verdict"] == "fail"]
    for attack in ("distance", "density", "shadow models"):
        row = rows["membership_auroc", attack]
        assert row["low"] < 0.5 < row["high"]
        assert row["verdict"] == "pass"
    assert rows["exact_copies", ""]["value"] == 0
    assert rows["dcr_share", ""]["low"] < 0.5 < rows["dcr_share", ""]["high"]


def test_a_few_copies_hide_in_the_median_distance(attacked):
    planted, fresh = attacked("planted", 1)["dcr", ""], attacked("fresh", 1)["dcr", ""]
    assert planted["low"] <= fresh["value"] <= planted["high"]
    assert "not sufficient" in planted["note"]


def test_a_bootstrap_resample_fails(attacked):
    rows = attacked("bootstrap", 1)
    for metric in (*COPYING, "membership_auroc", "singling_out_risk", "linkability_risk", "dcr_share"):
        verdicts = {row["verdict"] for (name, _), row in rows.items() if name == metric}
        assert verdicts == {"fail"}, metric
    assert rows["inference_risk", ""]["verdict"] == "fail"
    assert rows["exact_copies", ""]["value"] == pytest.approx(1 - np.exp(-1), abs=0.03)


def test_independent_columns_pass(attacked):
    rows = attacked("independent", 1)
    assert not [key for key, row in rows.items() if row["verdict"] == "fail"]
    for metric in ("exact_copies", "unique_copies", "singled_out"):
        assert rows[metric, ""]["verdict"] == "pass"


def test_shuffled_columns_give_rare_values_away(patients):
    """No record is copied, but values that one person has are."""
    patients.execute("USE s1")
    columns = [name for name, *_ in patients.execute("DESCRIBE hospital").fetchall()]
    order = "row_number() OVER (ORDER BY omopsql.philox_uniform({}, place, 1)) AS k"
    parts = (f"(SELECT {name}, {order.format(i)} FROM pool WHERE place <= {PERSONS})" for i, name in enumerate(columns))
    joined = " JOIN ".join(f"{part} AS c{i}{' USING (k)' * (i > 0)}" for i, part in enumerate(parts))
    patients.execute(f"CREATE OR REPLACE TABLE shuffled AS SELECT {', '.join(columns)} FROM {joined}")
    rows = rows_of(patients, "'hospital', 'shuffled', 'holdout'")
    assert rows["exact_copies", ""]["verdict"] == "pass"
    assert rows["singling_out_risk", "one column"]["verdict"] == "fail"


def test_the_same_seed_gives_the_same_numbers(patients):
    patients.execute("USE s1")
    first, second = (rows_of(patients, "'hospital', 'planted', 'holdout', seed := 7") for _ in range(2))
    assert first == second


def test_copies_with_noise_are_near_copies(patients):
    patients.execute("USE s1")
    noisy = "bmi + 0.01 AS bmi, birth_date + 1 AS birth_date"
    patients.execute(
        f"CREATE OR REPLACE TABLE noisy AS SELECT * REPLACE ({noisy}) FROM hospital LIMIT 40; "
        f"INSERT INTO noisy FROM fresh LIMIT {PERSONS - 40}"
    )
    rows = rows_of(patients, "'hospital', 'noisy', 'holdout'")
    assert rows["exact_copies", ""]["value"] == 0
    assert rows["near_copies", ""]["verdict"] == "fail"
    assert rows["membership_tpr_rare", "distance"]["verdict"] == "fail"


def test_a_column_that_others_do_not_tell_is_learned_only_by_copying(patients):
    """A secret drawn at random: nothing but a copy of the person gives it away."""
    patients.execute("USE s2")
    code = "CAST(floor(8 * omopsql.philox_uniform(5, row_number() OVER (), {})) AS VARCHAR) AS secret"
    for place, table in enumerate(("hospital", "holdout", "fresh")):
        patients.execute(f"CREATE OR REPLACE TABLE {table}_told AS SELECT *, {code.format(place)} FROM {table}")
    patients.execute(
        "CREATE OR REPLACE TABLE leaking AS (FROM hospital_told LIMIT 800) UNION ALL (FROM fresh_told LIMIT 1200)"
    )
    arguments = "'hospital_told', '{}', 'holdout_told', secret := 'secret'"
    leaking, fresh = (
        rows_of(patients, arguments.format(name))["inference_risk", "secret"] for name in ("leaking", "fresh_told")
    )
    assert leaking["verdict"] == "fail"
    assert leaking["low"] <= 0.4 <= leaking["high"]
    assert fresh["verdict"] == "pass"


def test_without_a_holdout_there_is_no_control(patients):
    patients.execute("USE s1")
    rows = rows_of(patients, "'hospital', 'planted'")
    unknown = {metric for (metric, _), row in rows.items() if row["verdict"] == "not computed"}
    assert {"near_copies", "unique_copies", "linkability_risk", "membership_auroc", "dcr_share"} <= unknown
    assert all("holdout" in row["note"] for row in rows.values() if row["verdict"] == "not computed")
    assert rows["exact_copies", ""]["verdict"] == "fail"
    assert rows["uniqueness", ""]["value"] == 1.0


def test_a_holdout_of_the_same_persons_is_noticed(patients):
    patients.execute("USE s1")
    rows = rows_of(patients, "'hospital', 'planted', 'hospital'")
    assert rows["holdout_overlap", ""]["verdict"] == "fail"


def test_ten_persons_tell_nothing(con):
    for place, name in enumerate(("ten", "others", "strangers")):
        con.execute(
            f"CREATE TABLE {name} AS SELECT * EXCLUDE (patient_id) FROM omopsql.example_patients(10, seed := {place})"
        )
    rows = rows_of(con, "'ten', 'others', 'strangers'")
    assert {row["verdict"] for row in rows.values()} <= {"told", "look", "not computed", "pass"}
    assert rows["exact_copies", ""]["verdict"] != "pass"  # too few to exclude copying
    assert "20 persons" in rows["membership_auroc", "density"]["note"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("'hospital', 'fresh', 'holdout', secret := 'hiv'", "secret: there is no column 'hiv' on every side"),
        ("'hospital', 'fresh', 'holdout', known := 'sex, height'", "known: there is no column 'height'"),
        ("'hospital', 'fresh', 'holdout', person := 'patient'", "person: there is no column 'patient'"),
        ("'hospital', 'fresh', 'holdout', seed := -1", "seed is -1"),
        ("'hospital', 'unheard_of'", "there is no table or view 'unheard_of'"),
    ],
)
def test_what_is_wrong_is_told(patients, arguments, told):
    patients.execute("USE s1")
    with pytest.raises(duckdb.Error, match=told):
        patients.execute(f"FROM omopsql.privacy({arguments})")


@pytest.mark.parametrize(
    "columns",
    ["sex", "NULL::DOUBLE AS bmi, sex, 1 AS one", "'inf'::DOUBLE AS far, bmi, sex", "bmi * 1e300 AS wide, sex"],
)
def test_odd_columns_are_no_error(con, columns):
    for place, name in enumerate(("hospital", "synthetic", "holdout")):
        con.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM omopsql.example_patients(60, seed := {place})")
    assert rows_of(con, "'hospital', 'synthetic', 'holdout'")


def test_a_record_is_all_rows_of_a_person(con):
    """Two persons share each of their rows, but not both."""
    con.execute("CREATE TABLE hospital (person INTEGER, drug VARCHAR, day INTEGER)")
    con.execute(
        "INSERT INTO hospital VALUES (1, 'a', 1), (1, 'b', 2), (2, 'a', 1), (2, 'c', 3), (3, 'b', 2), (3, 'c', 3)"
    )
    con.execute("CREATE TABLE synthetic AS SELECT person + 10 AS person, drug, day FROM hospital WHERE person = 2")
    con.execute("INSERT INTO synthetic VALUES (20, 'a', 1)")
    rows = rows_of(con, "'hospital', 'synthetic', person := 'person'")
    assert rows["uniqueness", ""]["value"] == 1.0
    assert rows["exact_copies", ""]["value"] == pytest.approx(1 / 3)
    assert rows_of(con, "'hospital', 'synthetic'")["uniqueness", ""]["n"] == 6


def test_k_map_counts_real_persons_of_synthetic_kinds(con):
    con.execute("CREATE TABLE hospital AS SELECT * FROM (VALUES ('F', 1), ('F', 2), ('F', 3), ('M', 4)) AS t (sex, x)")
    con.execute("CREATE TABLE synthetic AS SELECT * FROM (VALUES ('F', 9), ('F', 8)) AS t (sex, x)")
    rows = rows_of(con, "'hospital', 'synthetic'")
    assert rows["k_map", "sex"]["value"] == 3
    assert rows_of(con, "'hospital', 'synthetic', known := 'sex, x'")["k_map", "sex, x"]["verdict"] == "not computed"


def test_cells_are_listed_rarest_first(con):
    con.execute("CREATE TABLE hospital AS SELECT * FROM (VALUES ('F', 1), ('F', 1), ('M', NULL)) AS t (sex, zip)")
    con.execute("CREATE TABLE town AS SELECT * FROM (VALUES ('f', 1), ('M', NULL), ('M', NULL)) AS t (sex, zip)")
    assert con.execute("FROM omopsql.k_map('hospital')").fetchall() == [("M", None, 1), ("F", 1, 2)]
    cells = con.execute("FROM omopsql.k_map('hospital', quasi := 'SEX, zip', population := 'town')").fetchall()
    assert cells == [("F", 1, 2, 0), ("M", None, 1, 2)]
    with pytest.raises(duckdb.Error, match="quasi: hospital has no column 'age'; it has sex, zip"):
        con.execute("FROM omopsql.k_map('hospital', quasi := 'age')")


def test_the_interval_beside_a_control_is_newcombes():
    """Newcombe, Statistics in Medicine 17 (1998) 873, example (a), method 10: 56/70 - 48/80, 0.0524 to 0.3339."""
    found = beside(Rate(56, 70), Rate(48, 80))
    assert found.low - 0.6 == pytest.approx(0.0524, abs=1e-4)
    assert found.high - 0.6 == pytest.approx(0.3339, abs=1e-4)


def test_risk_is_what_is_left_beyond_the_control():
    assert risk(Rate(50, 100), Rate(50, 100)).value == 0.0
    found = risk(Rate(9000, 10000), Rate(5000, 10000))
    assert found.value == pytest.approx(0.8, abs=1e-3)
    assert found.low < found.value < found.high


def test_members_ahead_by_chance_are_left_to_chance():
    """Without any leak the interval excludes what chance gives in about 2.5 % of samples, or fewer."""
    random = np.random.default_rng(4)
    members, others, allowed, tries = 400, 200, 1, 2000
    scores = random.random((tries, members + others))
    limit = np.sort(scores[:, members:], axis=1)[:, -1 - allowed]
    counts = (scores[:, :members] > limit[:, None]).sum(axis=1)
    found = [ahead(int(count), members, others, allowed) for count in counts]
    assert np.mean(counts / members) == pytest.approx(found[0][1], rel=0.1)
    assert np.mean([interval.low > chance for interval, chance in found]) <= 0.03


def test_auroc_is_that_of_all_pairs_with_delongs_error():
    random = np.random.default_rng(3)
    members, others = random.normal(0.5, 1, 60).round(1), random.normal(0, 1, 40).round(1)
    row = next(judged("distance", Scores(members, others)))
    wins = (members[:, None] > others).astype(float) + 0.5 * (members[:, None] == others)
    error = np.sqrt(wins.mean(axis=1).var(ddof=1) / 60 + wins.mean(axis=0).var(ddof=1) / 40)
    assert row.value == pytest.approx(wins.mean())
    assert row.high - row.value == pytest.approx(1.96 * error)


def test_nearest_by_mixed_columns():
    points = np.array([[0.0, 0.0, 1.0], [0.5, 0.0, 1.0], [np.nan, 1.0, 2.0]])
    queries = np.array([[0.4, 0.0, 1.0], [np.nan, 1.0, 1.0], [0.0, 1.0, 1.0]])
    assert nearest_mixed(queries, points, 1).tolist() == [1, 2, 0]
    without = nearest_without(queries, points, 1, np.array([-1, 0, 2]))
    assert without[:, 0].tolist() == [1, 2, 0]
    assert without[:, 1].tolist() == [0, 0, 0]  # without the number, rows 0 and 1 are equally near
    assert without[:, 2].tolist() == [1, 2, 0]


def test_predicates_count_rows():
    rows = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 1.0], [np.nan, 1.0]])
    columns = np.array([[0, 1], [0, 1], [0, 1]])
    operators = np.array([[AT_LEAST, EQUAL], [AT_LEAST, EQUAL], [EQUAL, EQUAL]])
    values = np.array([[2.0, 1.0], [3.0, 0.0], [np.nan, 1.0]])
    assert count_matches(rows, columns, operators, values, 10).tolist() == [2, 0, 1]
    assert count_matches(rows, columns, operators, values, 1).tolist() == [1, 0, 1]
