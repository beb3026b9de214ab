"""Unit mixtures: planted ones are found with their units, and one mode, however shaped or rounded, is left in peace."""

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from omopsql.quality.beyond.stories import rows
from omopsql.udfs.valleys import BINS, fill_grain, find_valleys, measure, shortfall

MEASUREMENT = pa.schema(
    [
        ("person_id", pa.int64()),
        ("measurement_concept_id", pa.int64()),
        ("value_as_number", pa.float64()),
        ("unit_concept_id", pa.int64()),
        ("unit_source_value", pa.string()),
    ]
)
CONCEPTS = [
    (1, "Glucose [Mass/volume] in Blood", None),
    (2, "Creatinine [Mass/volume] in Serum or Plasma", None),
    (3, "Cholesterol [Mass/volume] in Serum or Plasma", None),
    (4, "Body temperature", None),
    (5, "Hemoglobin [Mass/volume] in Blood", None),
    (6, "C reactive protein", None),
    (7, "Hemoglobin A1c/Hemoglobin.total in Blood", None),
    (8, "Something that nobody knows", None),
    (8840, "milligram per deciliter", "mg/dL"),
    (8713, "gram per deciliter", "g/dL"),
    (8751, "milligram per liter", "mg/L"),
]


def found(con: duckdb.DuckDBPyConnection, values: np.ndarray, concept=1, unit=0, text=None, persons=None, **options):
    """The mixtures of a CDM whose only measurement has these values, as dicts."""
    con.execute("DROP SCHEMA IF EXISTS lab CASCADE; CREATE SCHEMA lab")
    size = len(values)
    person = np.arange(size) if persons is None else np.arange(size) % persons
    columns = [person, np.full(size, concept), values, np.full(size, unit), [text] * size]
    con.register(
        "given", pa.table([pa.array(c, f.type) for c, f in zip(columns, MEASUREMENT, strict=True)], MEASUREMENT)
    )
    con.execute("CREATE TABLE lab.measurement AS FROM given")
    con.execute("CREATE TABLE lab.concept (concept_id INTEGER, concept_name VARCHAR, concept_code VARCHAR)")
    con.executemany("INSERT INTO lab.concept VALUES (?, ?, ?)", CONCEPTS)
    arguments = "".join(f", {name} := {value}" for name, value in options.items())
    answer = con.execute(f"FROM omopsql.unit_mixtures('lab'{arguments})")
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def values(rng: np.random.Generator, median: float, spread: float, size: int, digits: int | None = None) -> np.ndarray:
    drawn = rng.lognormal(math.log(median), spread, size)
    return drawn if digits is None else np.round(drawn, digits)


def mixed(rng: np.random.Generator, one: tuple, other: tuple, share: float, size: int) -> np.ndarray:
    """Values of one (median, spread, digits), and a share of the other."""
    few = round(share * size)
    return np.concatenate([values(rng, *one[:2], size - few, one[2]), values(rng, *other[:2], few, other[2])])


# Glucose in mg/dL and mmol/L, and the like: (concept, unit, lower, upper, lower unit, upper unit, factor)
PLANTED = {
    "glucose": (1, 8840, (5.3, 0.25, 1), (95, 0.25, 0), "mmol/L", "mg/dL", 18.0156),
    "creatinine": (2, 8840, (0.95, 0.35, 2), (84, 0.35, 0), "mg/dL", "umol/L", 88.402),
    "cholesterol": (3, 8840, (5.0, 0.25, 1), (193, 0.25, 0), "mmol/L", "mg/dL", 38.665),
    "temperature": (4, 0, (36.9, 0.012, 1), (98.5, 0.012, 1), "Cel", "[degF]", 98.42 / 36.9),
    "hemoglobin": (5, 8713, (13.5, 0.15, 1), (135, 0.15, 0), "g/dL", "g/L", 10),
    "HbA1c": (7, 0, (6.4, 0.12, 1), (46.4, 0.2, 0), "%", "mmol/mol", 46.4 / 6.4),
}


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("analyte", PLANTED)
def test_a_planted_mixture_is_found_with_its_units(con, analyte, share):
    concept, unit, lower, upper, lower_unit, upper_unit, factor = PLANTED[analyte]
    (row,) = found(con, mixed(np.random.default_rng(1), lower, upper, share, 2000), concept, unit)
    assert (row["lower_unit"], row["upper_unit"]) == (lower_unit, upper_unit)
    assert row["factor"] == pytest.approx(factor, rel=0.03)
    assert row["upper_share"] == pytest.approx(share, abs=0.003)
    assert row["lower_share"] + row["upper_share"] == pytest.approx(1)
    assert row["lower_median"] == pytest.approx(lower[0], rel=0.03)
    assert row["upper_median"] == pytest.approx(upper[0], rel=0.05)
    assert row["ratio"] == pytest.approx(row["upper_median"] / row["lower_median"])
    assert row["records"] == 2000
    assert row["p_value"] <= 0.01


def test_a_unit_that_only_the_source_tells_is_read(con):
    mixture = mixed(np.random.default_rng(3), (0.4, 0.3, 2), (4, 0.3, 1), 0.3, 3000)
    (row,) = found(con, mixture, concept=6, text="MG/DL")
    assert (row["unit"], row["lower_unit"], row["upper_unit"]) == ("MG/DL", "mg/dL", "mg/L")


def test_a_power_of_ten_is_suspected_where_no_unit_is_known(con):
    (row,) = found(con, mixed(np.random.default_rng(4), (3, 0.4, 2), (3000, 0.4, 0), 0.2, 2000), concept=8)
    assert (row["factor"], row["lower_unit"], row["upper_unit"]) == (1000, None, None)
    (row,) = found(con, mixed(np.random.default_rng(4), (3, 0.4, 2), (90, 0.4, 0), 0.2, 2000), concept=8)
    assert row["factor"] is None  # two modes, and no conversion that fits


def test_three_units_are_two_valleys(con):
    rng = np.random.default_rng(6)
    three = np.concatenate([values(rng, 0.95, 0.2, 900), values(rng, 9.5, 0.2, 900), values(rng, 95, 0.2, 900)])
    rows = sorted(found(con, three, concept=1, unit=8840), key=lambda row: row["lower_median"])
    assert [round(row["lower_share"], 2) for row in rows] == [0.5, 0.5]
    assert [(round(row["lower_median"], 1), round(row["upper_median"])) for row in rows] == [(1.0, 10), (9.6, 95)]
    assert [row["factor"] for row in rows] == [10, 10]


@pytest.mark.parametrize("rounding", ["none", "tenths", "whole", "tens", "half whole", "fives"])
def test_clean_log_normals_are_left_in_peace(con, rounding):
    """Two hundred measurements in one CDM, of all sizes, medians and spreads, rounded in many ways."""
    rng = np.random.default_rng(7)
    drawn = [
        (concept, values(rng, 10 ** rng.uniform(-1, 3), rng.uniform(0.03, 1.5), int(10 ** rng.uniform(1.5, 4))))
        for concept in range(200)
    ]
    concept = np.concatenate([np.full(len(v), c) for c, v in drawn])
    value = np.concatenate([v for _, v in drawn])
    some = rng.random(len(value)) < 0.3
    rounded = {
        "none": value,
        "tenths": np.round(value, 1),
        "whole": np.round(value),
        "tens": np.round(value, -1),
        "half whole": np.where(some, np.round(value), np.round(value, 1)),
        "fives": np.where(some, 5 * np.round(value / 5), np.round(value)),
    }[rounding]
    con.execute("CREATE SCHEMA lab")
    con.register("given", pa.table({"concept": concept + 1, "value": rounded}))
    con.execute(
        "CREATE TABLE lab.measurement AS SELECT row_number() OVER () AS person_id, concept AS measurement_concept_id, "
        "value AS value_as_number, NULL::INTEGER AS unit_concept_id FROM given"
    )
    assert con.execute("SELECT count(*) FROM omopsql.unit_mixtures('lab', level := 0.01)").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "drawn",
    [
        lambda rng: rng.exponential(3, 20_000),
        lambda rng: rng.uniform(0.5, 100, 20_000),
        lambda rng: rng.gamma(0.5, 2, 20_000),
        lambda rng: rng.integers(0, 11, 20_000),  # a score
        lambda rng: np.clip(rng.lognormal(0, 1, 20_000), 0.5, 8),  # below and above what can be measured
        lambda rng: np.full(20_000, 7.0),
        lambda rng: rng.pareto(2, 20_000) + 1,
    ],
)
def test_one_mode_of_another_shape_is_left_in_peace(con, drawn):
    assert [row for row in found(con, drawn(np.random.default_rng(8)), concept=8) if row["factor"] is not None] == []


def test_what_is_no_value_or_no_unit_does_not_matter(con):
    mixture = mixed(np.random.default_rng(1), *PLANTED["glucose"][2:4], 0.05, 2000)
    noise = np.array([0, -1, -1e300, math.nan, math.inf, -math.inf] * 100 + [1e308, 5e-324])
    (row,) = found(con, np.concatenate([mixture, noise]), 1, 8840)
    assert (row["lower_unit"], row["upper_unit"]) == ("mmol/L", "mg/dL")
    assert found(con, np.array([]), 1) == []
    assert found(con, np.array([5.0]), 1) == []
    assert found(con, np.array([math.nan, 0.0]), 1) == []


def test_modes_of_few_persons_are_withheld(con):
    mixture = mixed(np.random.default_rng(1), *PLANTED["glucose"][2:4], 0.05, 2000)
    assert found(con, mixture, 1, 8840, persons=9) == []
    (row,) = found(con, mixture, 1, 8840, persons=9, min_cell=9)
    assert (row["lower_persons"], row["upper_persons"]) == (9, 9)


def test_a_cdm_without_what_is_needed(con):
    con.execute("CREATE SCHEMA bare; CREATE TABLE bare.person (person_id BIGINT)")
    with pytest.raises(duckdb.Error, match="bare has no table measurement"):
        con.execute("FROM omopsql.unit_mixtures('bare')").fetchall()
    con.execute("CREATE TABLE bare.measurement (person_id BIGINT, measurement_concept_id BIGINT)")
    with pytest.raises(duckdb.Error, match="measurement has no column value_as_number"):
        con.execute("FROM omopsql.unit_mixtures('bare')").fetchall()
    con.execute("ALTER TABLE bare.measurement ADD COLUMN value_as_number VARCHAR")
    con.execute("INSERT INTO bare.measurement VALUES (1, 1, 'high'), (1, 1, '5')")
    assert con.execute("FROM omopsql.unit_mixtures('bare')").fetchall() == []
    with pytest.raises(duckdb.Error, match="level is 0"):
        con.execute("FROM omopsql.unit_mixtures('bare', level := 0)").fetchall()


@pytest.mark.parametrize("name", ["cdm/gibleed_5.3", "cdm/synthea27nj_5.4"])
def test_simulated_cdms_have_no_mixture_of_units(con, data_folder, name):
    found = con.execute(f"SELECT count(factor) FROM omopsql.unit_mixtures('{data_folder(name)}')").fetchall()
    assert found == [(0,)]


@pytest.mark.parametrize("row", rows("conversions.csv"), ids=lambda row: f"{row['analyte'][:12]} {row['upper_unit']}")
def test_every_conversion_is_known_and_makes_larger_numbers(con, row):
    given = [float(row[name]) if row[name] else None for name in ("slope", "intercept", "molar_mass")]
    units = [row["lower_unit"], row["upper_unit"]]
    expected = con.execute(
        "SELECT coalesce($1 * 50 + $2, omopsql.convert_unit(50, $4, $5), omopsql.convert_molar(50, $4, $5, $3))",
        [*given, *units],
    ).fetchall()[0][0]
    assert expected is not None
    assert expected > 50


# The kernel -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(1, 300), st.floats(0.05, 5))
def test_chance_exceeds_a_shortfall_as_seldom_as_is_said(fewer, more, narrow):
    """Given their total, the values in the first window are binomial under equal rates."""
    bound = math.exp(-shortfall(float(fewer), narrow, float(more), 1.0))
    exact = stats.binom.cdf(fewer, fewer + more, narrow / (narrow + 1))
    assert bound == 1 or exact <= bound * (1 + 1e-9)


@given(st.sampled_from([0.001, 0.1, 1.0, 10.0]), st.integers(-100, 300))
def test_bins_of_rounded_values_measure_one_over_k(grain, lowest):
    bins = 200
    width, points = measure(np.full(bins, grain), np.full(bins, grain), lowest)
    low, high = math.exp(lowest / BINS) / grain, math.exp((lowest + bins) / BINS) / grain
    if high < 900:
        multiples = np.arange(math.ceil(low - 1e-9), math.ceil(high - 1e-9))
        assert points.sum() == len(multiples)
        assert width.sum() == pytest.approx(sum(1 / k for k in multiples if k))
    if low > 1100:
        assert np.all(width == 1 / BINS)


def test_empty_bins_have_the_coarser_grain_of_their_neighbours():
    nan = math.nan
    np.testing.assert_array_equal(fill_grain(np.array([0.1, nan, nan, 1.0, nan, 0.0])), [0.1, 1, 1, 1, 1, 0])


def test_a_valley_is_where_nothing_is():
    counts = np.zeros(300)
    counts[20:40], counts[200:220] = 50, 5
    (valley,) = find_valleys(counts, np.where(counts > 0, 0.0, np.nan), np.where(counts > 0, 0.0, np.nan), 0, 0.01)
    assert 30 <= valley[0] < valley[1] <= 210
    one = np.where(np.arange(300) < 100, 50.0, 0.0)
    assert len(find_valleys(one, np.zeros(300), np.zeros(300), 0, 0.01)) == 0
