"""The fidelity of flat tables: what was planted is found, what is like the real data passes, bad input is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.evaluate import fidelity, flat
from omopsql.evaluate.encode import codes, drawn, vectors
from omopsql.evaluate.flat import classifier, discrepancy, pairs
from omopsql.evaluate.flat.contrast import by_cells, by_root
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Side, Sides, open_sides
from omopsql.evaluate.sources import is_cdm

ROWS = 2000


def patients(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Patients whose columns hang together by one latent number."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=rows)
    bmi = 25 + 3 * latent + 2 * random.normal(size=rows)
    stage = np.clip((1.2 * latent + 0.5 * random.normal(size=rows) + 1.5).astype(int), 0, 3)
    return {
        "patient_id": np.arange(rows),
        "record": np.array([f"R{number:012d}" for number in random.integers(0, 10**12, rows)]),
        "age": np.round(60 + 12 * latent + 4 * random.normal(size=rows)),
        "bmi": bmi,
        "hba1c": np.where(random.random(rows) < 0.2, np.nan, 5.5 + 0.6 * latent + 0.4 * random.normal(size=rows)),
        "stage": np.array(["I", "II", "III", "IV"])[stage],
        "drug": np.where((bmi > 27) ^ (random.random(rows) < 0.1), "metformin", "none"),
        "died": latent > 1,
        "visit": np.datetime64("2020-01-01") + random.integers(0, 900, rows).astype("timedelta64[D]"),
    }


def _taken(columns: dict[str, np.ndarray], places: np.ndarray) -> dict[str, np.ndarray]:
    return {name: column[places] for name, column in columns.items()}


def _independent(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    return {name: column[random.permutation(len(column))] for name, column in columns.items()}


@pytest.fixture(scope="module")
def clinic() -> Iterator[duckdb.DuckDBPyConnection]:
    """Real patients, and tables that stand for synthetic ones."""
    real, fresh = patients(ROWS, 0), patients(ROWS, 1)
    made = {
        "real": real,
        "fresh": fresh,
        "bootstrap": _taken(real, np.random.default_rng(2).integers(0, ROWS, ROWS)),
        "independent": _independent(real),
        "shifted": {**fresh, "bmi": fresh["bmi"] + 2.0},
    }
    con = omopsql.connect()
    con.execute("SET enable_progress_bar = false")
    for name, columns in made.items():
        con.register("made", pa.table(columns))
        con.execute(f"CREATE TABLE {name} AS FROM made")
    yield con
    con.close()


def _fidelity(con: duckdb.DuckDBPyConnection, synthetic: str, rest: str = "person := 'patient_id'") -> list[dict]:
    return con.sql(f"FROM omopsql.fidelity('real', '{synthetic}', {rest})").to_arrow_table().to_pylist()


@pytest.fixture(scope="module")
def of_fresh(clinic) -> list[dict]:
    """The fidelity of fresh patients."""
    return _fidelity(clinic, "fresh")


def _verdicts(rows: list[dict]) -> dict[tuple[str, str], str]:
    return {(row["metric"], row["subject"]): row["verdict"] for row in rows}


@pytest.mark.parametrize("synthetic", ["bootstrap", "fresh"])
def test_what_is_like_the_real_table_passes(clinic, of_fresh, synthetic):
    rows = of_fresh if synthetic == "fresh" else _fidelity(clinic, synthetic)
    assert {row["verdict"] for row in rows} == {"pass", "told"}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["low"] is not None)
    assert all(row["reference"] is not None for row in rows if row["verdict"] == "pass")
    assert {row["family"] for row in rows} == {"fidelity"}


def test_independent_columns_are_found_by_pairs_and_classifier_only(clinic):
    verdicts = _verdicts(_fidelity(clinic, "independent"))
    for margin in ("ks_distance", "wasserstein", "total_variation", "missing_share_difference", "pmse"):
        assert verdicts[margin, ""] == "pass", margin
    for joint in ("correlation_difference", "cramers_v_difference", "correlation_ratio_difference", "k_marginal"):
        assert verdicts[joint, ""] == "fail", joint
    assert verdicts["c2st_auroc", ""] == verdicts["mmd", ""] == "fail"
    assert verdicts["pair_distance", "age, stage"] == "fail"
    assert verdicts["pair_distance", "age, visit"] == "pass"  # they have nothing to do with each other


def test_a_shifted_column_is_named(clinic):
    verdicts = _verdicts(_fidelity(clinic, "shifted"))
    for metric in ("ks_distance", "wasserstein"):
        assert {subject for (name, subject), verdict in verdicts.items() if name == metric and verdict == "fail"} == {
            "bmi"
        }
    assert verdicts["c2st_auroc", ""] == "fail"
    assert verdicts["correlation_difference", ""] == "pass"  # a shift changes no correlation


def test_the_key_and_what_is_like_a_key_are_not_compared(of_fresh):
    assert not any("patient_id" in row["subject"] or "record" in row["subject"] for row in of_fresh)
    told = next(row for row in of_fresh if row["metric"] == "columns_compared")
    assert told["value"] == 7
    assert told["note"] == "column record is not compared: nearly all its values differ"


def test_the_same_seed_gives_the_same_numbers():
    sides = _sides(_numbers(200, 0, 0.5), _numbers(200, 1, 0.5))
    one, same, other = (list(flat.metrics(sides, seed)) for seed in (3, 3, 4))
    assert one == same
    assert one != other


def test_the_holdout_is_the_reference(clinic):
    rows = _fidelity(clinic, "fresh", "holdout := 'independent', person := 'patient_id'")
    correlation = next(row for row in rows if (row["metric"], row["subject"]) == ("correlation_difference", "age, bmi"))
    assert correlation["reference"] > 0.4  # the holdout's columns are independent
    assert correlation["verdict"] == "pass"


def test_files_and_columns_that_one_side_lacks(clinic, tmp_path: Path):
    clinic.execute(f"COPY (SELECT age, bmi, stage, 1 AS mine FROM real) TO '{tmp_path}/real.parquet'")
    clinic.execute(f"COPY (SELECT stage, bmi, AGE, 'x' AS theirs FROM fresh) TO '{tmp_path}/fresh.csv'")
    rows = clinic.sql(f"FROM omopsql.fidelity('{tmp_path}/real.parquet', '{tmp_path}/fresh.csv')").to_arrow_table()
    told = rows.to_pylist()[0]
    assert told["value"] == 3
    assert told["note"] == (
        f"column mine is not compared: {tmp_path}/fresh.csv has none; "
        f"column theirs is not compared: {tmp_path}/real.parquet has none"
    )


def _of(con: duckdb.DuckDBPyConnection, real: str, synthetic: str) -> list[dict]:
    con.execute(f"CREATE TABLE real AS {real}")
    con.execute(f"CREATE TABLE synthetic AS {synthetic}")
    return _fidelity(con, "synthetic", "seed := 0")


def test_ten_rows(con):
    ten = "SELECT i AS age, (i % 2)::VARCHAR AS sex, i % 3 = 0 AS died FROM range(10) AS r (i)"
    rows = _of(con, ten, ten)
    notes = {row["metric"]: row["note"] for row in rows if row["verdict"] == "not computed"}
    assert notes["c2st_auroc"] == "50 rows of each side are needed, and there are 10"
    assert notes["coverage"] == notes["mmd"] == "20 rows of each side are needed, and there are 10"
    assert next(row["value"] for row in rows if row["metric"] == "ks_distance") == 0.0


def test_strange_columns(con):
    strange = """
        SELECT
            NULL::DOUBLE AS empty, 7 AS one, 1e9 * random() AS large, 1e300 * (random() + 1) AS vast,
            CASE WHEN i % 10 = 0 THEN 'inf'::DOUBLE WHEN i % 10 = 1 THEN 'nan'::DOUBLE ELSE random() END AS infinite,
            (100 * random())::DECIMAL(10, 2) AS decimal, i % 3 = 0 AS boolean, NULL::VARCHAR AS silent,
            DATE '2020-01-01' + (300 * random())::INTEGER AS day, now() + to_hours(i) AS moment, [i % 2] AS list
        FROM range(300) AS r (i)"""
    rows = {(row["metric"], row["subject"]): row for row in _of(con, strange, strange)}
    assert rows["ks_distance", "empty"]["note"] == "real has no number in it"
    assert rows["ks_distance", "large"]["verdict"] != "not computed"
    assert rows["correlation_difference", "one, large"]["note"] == "a column has one value only"
    assert rows["missing_share_difference", "infinite"]["value"] == 0.0
    assert "real: 30 numbers of infinite are infinite and count as missing" in rows["columns_compared", ""]["note"]
    assert "synthetic: 300 numbers of vast are infinite" in rows["columns_compared", ""]["note"]
    assert rows["columns_compared", ""]["value"] == 11
    for metric in ("c2st_auroc", "pmse", "density", "k_marginal", "mmd"):
        assert rows[metric, ""]["value"] is not None, metric


def test_one_column_of_one_value(con):
    rows = {row["metric"]: row for row in _of(con, "SELECT 1 AS x FROM range(60)", "SELECT 2 AS x FROM range(60)")}
    assert rows["ks_distance"]["value"] == rows["total_variation"]["value"] == rows["c2st_auroc"]["value"] == 1.0
    assert rows["wasserstein"]["note"] == "real has one number only"
    assert rows["k_marginal"]["note"] == "3 columns are needed, and 1 can be compared"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("'real', 'absent'", "there is no table or view 'absent' here"),
        ("'real', 'other'", "real and other share no column, so there is nothing to compare"),
        ("'real', 'empty'", "empty has no rows, so there is nothing to compare"),
        ("'real', 'row'", "row has 1 row, and a comparison needs at least 2"),
        ("'keys', 'keys'", "keys has no column to compare: column k is not compared: nearly all its values differ"),
        ("'real', 'real', person := 'id'", "real has no column 'id'; it has x"),
        ("'real', 'hospital'", "hospital is a CDM and real is not: give CDMs only, or single tables only"),
        ("NULL, 'real'", "fidelity: real is NULL; give a VARCHAR"),
        ("'hospital', 'hospital', person := 'person_id'", "fidelity: person is for tables; leave 'person_id' out"),
    ],
)
def test_what_cannot_be_compared_is_told(con, call, message):
    con.execute("CREATE TABLE real AS SELECT random() AS x FROM range(30)")
    con.execute("CREATE TABLE other AS SELECT random() AS y FROM range(30)")
    con.execute("CREATE TABLE empty AS FROM real LIMIT 0")
    con.execute("CREATE TABLE row AS FROM real LIMIT 1")
    con.execute("CREATE TABLE keys AS SELECT uuid()::VARCHAR AS k FROM range(30)")
    con.execute("CREATE SCHEMA hospital")
    con.execute("CREATE TABLE hospital.person (person_id BIGINT)")
    with pytest.raises(duckdb.Error) as error:
        con.execute(f"FROM omopsql.fidelity({call})").fetchall()
    assert message in str(error.value)


def test_cdms_are_compared_as_such(con, monkeypatch):
    con.execute("CREATE SCHEMA hospital")
    con.execute("CREATE TABLE hospital.person (person_id BIGINT)")
    monkeypatch.setattr(fidelity.cdm, "metrics", lambda caller, *sides: [Metric("pmse", 0.0, note=str(sides))])
    call = "FROM omopsql.fidelity('hospital', 'hospital', seed := 3)"
    assert con.sql(call).to_arrow_table()["note"].to_pylist() == ["('hospital', 'hospital', None, 3)"]


def test_what_is_a_cdm(con, tmp_path: Path):
    con.execute("CREATE SCHEMA hospital")
    con.execute("CREATE TABLE hospital.person (person_id BIGINT)")
    con.execute("CREATE SCHEMA laboratory")
    con.execute("CREATE TABLE laboratory.measurement (person_id BIGINT)")
    con.execute("CREATE TABLE person AS SELECT 1 AS person_id")
    (tmp_path / "cdm").mkdir()
    con.execute(f"COPY person TO '{tmp_path}/cdm/person.parquet'")
    assert [is_cdm(con, source) for source in ("hospital", f"{tmp_path}/cdm")] == [True, True]
    flat_sources = [
        "person",
        "laboratory",
        "hospital.person",
        f"{tmp_path}/cdm/person.parquet",
        "nowhere",
        str(tmp_path),
    ]
    assert [is_cdm(con, source) for source in flat_sources] == [False] * 6
    (tmp_path / "cdm" / "person.parquet").write_text("broken")
    with pytest.raises(OmopsqlError, match=r"person\.parquet cannot be read"):
        is_cdm(con, f"{tmp_path}/cdm")


def test_breast_cancer_records_and_their_bootstrap(con, data_folder):
    """Real measurements: 569 rows, 30 numbers; a resample passes, and swapped columns are found."""
    records = data_folder("tabular") / "wdbc.csv"
    con.execute(f"CREATE TABLE real AS FROM '{records}' ORDER BY ALL")
    con.execute(
        "CREATE TABLE resampled AS SELECT r.* EXCLUDE (place) FROM range(569) AS t (i) JOIN "
        "(SELECT *, row_number() OVER () AS place FROM real) AS r "
        "ON r.place = 1 + floor(569 * omopsql.philox_uniform(1, i, 0))::BIGINT"
    )
    verdicts = [row["verdict"] for row in _fidelity(con, "resampled", "seed := 0")]
    assert "fail" not in verdicts
    assert verdicts.count("look") < 0.05 * len(verdicts)


def _sides(real: dict[str, np.ndarray], synthetic: dict[str, np.ndarray]) -> Sides:
    labels = tuple(name for name, column in real.items() if column.dtype.kind == "U")
    numeric = tuple(name for name in real if name not in labels)
    both = [
        Side(name, len(next(iter(c.values()))), pa.table(c)) for name, c in (("real", real), ("synthetic", synthetic))
    ]
    return Sides(both[0], both[1], None, numeric, labels, ())


def _numbers(rows: int, seed: int, correlation: float) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    y = correlation * x + np.sqrt(1 - correlation**2) * random.normal(size=rows)
    return {
        "x": x,
        "y": y,
        "high": np.where(x + random.normal(size=rows) > 0, "a", "b"),
        "up": np.where(y > 0, "a", "b"),
    }


@pytest.mark.parametrize("metric", ["correlations", "cramers_vs", "correlation_ratios"])
def test_intervals_of_associations_hold_the_true_difference(metric):
    """In 19 of 20 samples, or thereabouts; the truth is a sample of a million."""
    rule = getattr(pairs, metric)
    truth = {name: one.value for name, one in rule(_sides(_numbers(10**6, 0, 0.8), _numbers(10**6, 1, 0.3)))}
    held = []
    for seed in range(2, 82):
        for name, one in rule(_sides(_numbers(400, 2 * seed, 0.8), _numbers(500, 2 * seed + 1, 0.3))):
            if truth[name] > 0.1:
                held.append(abs(one.value - truth[name]) <= 1.96 * one.error)
    assert 0.9 <= np.mean(held) <= 0.99


def test_the_interval_of_a_mean_knows_that_columns_share_rows():
    """Twenty copies of one column: their mean is as uncertain as one of them."""
    random = np.random.default_rng(0)
    one, other = random.normal(size=500), random.normal(0.5, 1, size=500)
    copies = {f"x{i}": one for i in range(20)}, {f"x{i}": other for i in range(20)}
    rows = [m for m in flat.metrics(_sides(*copies)) if m.metric == "ks_distance"]
    assert rows[0].subject == ""
    assert rows[0].high - rows[0].low == pytest.approx(rows[1].high - rows[1].low)


def test_chance_is_reckoned_to_the_rows_of_the_sides():
    """Halves are smaller than the sides, so that chance parts them more."""
    random = np.random.default_rng(1)
    found = {"few": [], "many": []}
    for _ in range(40):
        for kind, values in (("few", 4), ("many", 3000)):
            real, synthetic = ({"x": random.integers(0, values, 1000).astype(str)} for _ in range(2))
            sides = _sides(real, synthetic)
            sides = Sides(sides.real, sides.synthetic, None, (), ("x",), ())
            distance, halved = (
                float(0.5 * np.abs(np.subtract(*(np.bincount(c, minlength=values + 1) / len(c) for c in coded))).sum())
                for coded in (codes(part, "x").sides for part in (sides, sides.fresh(0)))
            )
            found[kind].append(
                (distance, by_cells(halved, sides, sides.fresh(0)), by_root(halved, sides, sides.fresh(0)))
            )
    for kind, tolerance in (("few", 0.2), ("many", 0.02)):
        distance, reckoned, by_the_root = np.mean(found[kind], axis=0)
        assert reckoned == pytest.approx(distance, rel=tolerance)
    assert by_the_root < 0.85 * distance  # where most cells hold one row, the root is wrong


def test_area_under_the_curve_and_its_interval():
    random = np.random.default_rng(0)
    negative, positive = random.normal(size=300).round(1), random.normal(0.5, 1, size=200).round(1)
    area, low, high = classifier.auroc(negative, positive)
    expected = roc_auc_score(np.repeat([0, 1], [300, 200]), np.concatenate([negative, positive]))
    assert area == pytest.approx(expected, abs=1e-12)
    draws = []
    for _ in range(300):
        sample = random.choice(negative, 300), random.choice(positive, 200)
        draws.append(classifier.auroc(*sample)[0])
    assert (high - low) / 3.92 == pytest.approx(np.std(draws), rel=0.15)


def test_propensity_is_at_its_expectation_where_nothing_differs():
    found = [classifier.pmse(_sides(_numbers(400, s, 0.5), _numbers(400, s + 100, 0.5))) for s in range(60)]
    ratio = np.mean([metric.value / metric.reference for metric in found])
    assert ratio == pytest.approx(1.0, abs=0.2)
    assert np.mean([metric.low <= metric.reference <= metric.high for metric in found]) >= 0.9


def test_discrepancy_is_unbiased_and_sees_a_shift():
    random = np.random.default_rng(0)
    found = [discrepancy.mmd(*random.normal(size=(2, 60, 3)), seed)[0] for seed in range(50)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    value, by_chance = discrepancy.mmd(random.normal(size=(200, 3)), random.normal(0.5, 1, size=(200, 3)))
    assert value > by_chance.max()


def test_discrepancy_of_four_rows_by_hand():
    real, synthetic = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
    width = 2 * np.median([1, 0, 4, 1, 1, 4])
    k = lambda a, b: np.exp(-((a - b) ** 2) / width)  # noqa: E731
    expected = k(0, 1) + k(0, 2) - 2 * np.mean([k(0, 0), k(0, 2), k(1, 0), k(1, 2)])
    assert discrepancy.mmd(real, synthetic)[0] == pytest.approx(expected, abs=1e-12)


def test_drawn_sides_are_equally_large_and_code_their_columns_alike(clinic):
    sides = open_sides(clinic, "real", "fresh", without=("patient_id",))
    some = drawn(sides, 30, 1)
    assert [len(side) for side in some.every] == [30, 30]
    assert some.few_valued == sides.few_valued
    assert some.identifiers == sides.identifiers == ("record",)
    assert drawn(sides, 30, 1).real.table["age"].equals(some.real.table["age"])
    assert not any(name.startswith("record") for name in vectors(some).names)


def test_large_tables_are_drawn_from(con):
    con.execute("CREATE TABLE many AS SELECT i AS x, 'a' AS y FROM range(1000) AS r (i)")
    sides = open_sides(con, "many", "many", rows=100)
    assert [len(side) for side in sides.every] == [100, 100]
    assert sides.told == ("many: 100 of 1,000 rows were drawn", "many: 100 of 1,000 rows were drawn")
