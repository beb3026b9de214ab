"""The same arrays give the same numbers as the packages that others measure synthetic tables with.

SDMetrics and pyMDMA are compared where they are installed (``pip install sdmetrics pymdma``). NIST's k-marginal score
and the metrics of Alaa et al. are written out here as their authors define them.
"""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from omopsql.evaluate.flat import marginals, margins, pairs
from omopsql.evaluate.flat.coded import Coded, coded
from omopsql.evaluate.flat.neighbourhood import neighbourhood
from omopsql.evaluate.sides import Side, Sides
from omopsql.udfs.neighbours import nearest
from omopsql.udfs.two_samples import ordered_gaps

pd = pytest.importorskip("pandas")
is_numeric_dtype = pd.api.types.is_numeric_dtype

_SEEDS = (0, 1)


def _table(rows: int, seed: int):
    random = np.random.default_rng(seed)
    z = random.normal(size=rows)
    stage = np.array(["I", "II", "III"])[np.clip((z + random.normal(size=rows) + 1.5).astype(int), 0, 2)]
    return pd.DataFrame(
        {
            "age": np.round(60 + 12 * z + 4 * random.normal(size=rows)),
            "bmi": 25 + (2 + seed) * z + 2 * random.normal(size=rows),
            "hba1c": np.where(random.random(rows) < 0.1, np.nan, 5.5 + 0.6 * z + 0.3 * seed),
            "stage": stage,
            "sex": np.where(random.random(rows) < 0.4 + 0.1 * seed, "F", "M"),
        }
    )


@pytest.fixture(scope="module")
def tables():
    """A real table and a synthetic one that differs."""
    return _table(3000, 0), _table(2500, 1)


def _side(name: str, table) -> Side:
    columns = {c: pa.array(table[c], from_pandas=not is_numeric_dtype(table[c])) for c in table}
    return Side(name, len(table), pa.table(columns))


@pytest.fixture(scope="module")
def sides(tables) -> Sides:
    real, synthetic = (_side(name, table) for name, table in zip(("real", "synthetic"), tables, strict=True))
    return Sides(real, synthetic, None, ("age", "bmi", "hba1c"), ("stage", "sex"), ())


def _values(contrasts) -> dict[str, float]:
    return {subject: contrast.value for subject, contrast in contrasts}


def test_scipy_distances(tables, sides):
    for name, apart in margins.numbers_apart(sides):
        real, synthetic = (table[name].dropna().to_numpy() for table in tables)
        assert apart.ks.value == pytest.approx(ks_2samp(real, synthetic).statistic, abs=1e-12)
        expected = wasserstein_distance(real, synthetic) / real.std()
        assert apart.wasserstein.value == pytest.approx(expected, rel=1e-9)


def test_sdmetrics_columns(tables, sides):
    single = pytest.importorskip("sdmetrics.single_column")
    for name, apart in margins.numbers_apart(sides):
        assert 1 - apart.ks.value == pytest.approx(single.KSComplement.compute(*(t[name] for t in tables)), abs=1e-9)
    for name, value in _values(margins.total_variations(sides)).items():
        assert 1 - value == pytest.approx(single.TVComplement.compute(*(t[name] for t in tables)), abs=1e-9)


def test_sdmetrics_pairs(tables, sides):
    both = pytest.importorskip("sdmetrics.column_pairs")
    for pair, value in _values(pairs.correlations(sides)).items():
        columns = pair.split(", ")
        expected = both.CorrelationSimilarity.compute(*(table[columns] for table in tables))
        assert 1 - value / 2 == pytest.approx(expected, abs=1e-9)
    expected = both.ContingencySimilarity.compute(*(table[["stage", "sex"]] for table in tables))
    assert 1 - _values(pairs.pair_distances(coded(sides, 10)))["stage, sex"] == pytest.approx(expected, abs=1e-9)


def _sdmetrics_coded(tables) -> Coded:
    """Numbers in ten bins of equal width, of each table's own, as SDMetrics' report cuts them; labels as they are."""
    codes = []
    for name in tables[0]:
        parts = [t[name] for t in tables]
        if not is_numeric_dtype(parts[0]):
            places = pd.factorize(pd.concat(parts))[0]
        else:
            places = np.concatenate([np.digitize(p, np.histogram_bin_edges(p.dropna())) for p in parts])
        codes.append(np.split(places, [len(parts[0])]))
    real, synthetic = (np.array([c[side] for c in codes]) for side in (0, 1))
    return Coded(tuple(tables[0]), real, synthetic, np.maximum(real.max(axis=1), synthetic.max(axis=1)) + 1)


def test_sdmetrics_quality_report(tables, sides):
    reports = pytest.importorskip("sdmetrics.reports.single_table")
    metadata = {
        "columns": {
            name: {"sdtype": "numerical" if is_numeric_dtype(tables[0][name]) else "categorical"} for name in tables[0]
        }
    }
    report = reports.QualityReport()
    report.real_correlation_threshold = report.real_association_threshold = 0  # all pairs
    report.generate(*tables, metadata, verbose=False)
    shapes = [apart.ks.value for _, apart in margins.numbers_apart(sides)]
    shapes += _values(margins.total_variations(sides)).values()
    scores = report.get_properties().set_index("Property")["Score"]
    assert 1 - np.mean(shapes) == pytest.approx(scores["Column Shapes"], abs=1e-9)
    correlations = _values(pairs.correlations(sides))
    contingency = _values(pairs.pair_distances(_sdmetrics_coded(tables)))
    trends = [1 - correlations[p] / 2 if p in correlations else 1 - value for p, value in contingency.items()]
    assert np.mean(trends) == pytest.approx(scores["Column Pair Trends"], abs=1e-9)


def test_pymdma_statistical_similarity(tables, sides):
    """Its distance of numbers is one-sided, on 99 bins; that of labels is the mean over the real values."""
    similarity = pytest.importorskip("pymdma.tabular.measures.synthesis_val.data.similarity")
    columns = {name: {"type": {"tag": "discrete" if name in sides.labels else "continuous"}} for name in ("age", "sex")}
    score = similarity.StatisticalSimScore(col_map=columns)
    coded_sex = [(table["sex"] == "F").astype(float) for table in tables]
    found, _ = score.compute(
        *(np.column_stack([t["age"], sex]) for t, sex in zip(tables, coded_sex, strict=True))
    ).value
    edges = np.linspace(*(f(t["age"].agg(g) for t in tables) for f, g in ((min, "min"), (max, "max"))), 100)
    binned = [pd.DataFrame({"age": np.clip(np.digitize(t["age"], edges) - 1, 0, 98).astype(float)}) for t in tables]
    above = _above(Sides(_side("real", binned[0]), _side("synthetic", binned[1]), None, ("age",), (), ()))
    assert found["age"] == pytest.approx(1 - above, abs=1e-9)
    total_variation = _values(margins.total_variations(sides))["sex"]
    assert found["sex"] == pytest.approx(1 - 2 * total_variation / 2, abs=1e-9)  # half of the sum, over two values


def _above(sides: Sides) -> float:
    """How far the real distribution function is above the synthetic one, at most."""
    real, synthetic = sides.real.numbers("age"), sides.synthetic.numbers("age")
    return ordered_gaps(real, np.argsort(real), synthetic, np.argsort(synthetic))[0]


def test_pymdma_coherence(tables, sides):
    similarity = pytest.importorskip("pymdma.tabular.measures.synthesis_val.data.similarity")
    numbers = [t[["age", "bmi", "hba1c"]].to_numpy() for t in tables]
    found, _ = similarity.CoherenceScore().compute(*numbers).value
    expected = np.mean(list(_values(pairs.correlations(sides)).values()))
    assert found == pytest.approx(1 - expected / 2, abs=5e-4)  # it rounds to three digits


@pytest.mark.parametrize("seed", _SEEDS)
def test_pymdma_neighbourhood(seed):
    prdc = pytest.importorskip("pymdma.general.measures.prdc")
    random = np.random.default_rng(seed)
    real, synthetic = random.normal(size=(800, 6)), random.normal(0.2, 1.1, size=(800, 6))
    found = neighbourhood(real, synthetic)
    for name, peer in (("density", prdc.Density), ("coverage", prdc.Coverage), ("authenticity", prdc.Authenticity)):
        expected, _ = peer().compute(real, synthetic).value
        assert getattr(found, name)(0)[0] == pytest.approx(expected, abs=1e-6), name


@pytest.mark.parametrize("seed", _SEEDS)
def test_pymdma_nearest_distances(seed):
    """Distance to the closest record and its ratio to the next, from which pyMDMA draws its DCR and NNDR scores."""
    synthetic_data = pytest.importorskip("pymdma.tabular.measures.utils_syn")
    random = np.random.default_rng(seed)
    real, synthetic = random.normal(size=(500, 5)), random.normal(size=(400, 5))
    dcr, nndr = synthetic_data._get_nn_distances(real, synthetic)
    for distances, label in ((nearest(real, real, 2, True)[0], "tgt"), (nearest(synthetic, real, 2, False)[0], "syn")):
        np.testing.assert_allclose(distances[:, 0], dcr[label], rtol=1e-9)
        np.testing.assert_allclose(distances[:, 0] / distances[:, 1], nndr[label], rtol=1e-9)


def test_nist_k_marginal(tables, sides):
    """Its score: (2 less the mean sum of absolute differences of densities) times 500."""
    labels = [t.assign(age=t["age"] // 10, bmi=t["bmi"] // 3)[["age", "bmi", "stage", "sex"]] for t in tables]
    differences = []
    for columns in itertools.combinations(labels[0].columns, 3):
        real, synthetic = (t.groupby(list(columns)).size() / len(t) for t in labels)
        differences.append(real.subtract(synthetic, fill_value=0).abs().sum())
    codes = [np.split(pd.factorize(pd.concat([t[c] for t in labels]))[0], [len(labels[0])]) for c in labels[0]]
    real, synthetic = (np.array([c[side] for c in codes]) for side in (0, 1))
    table = Coded(tuple(labels[0]), real, synthetic, np.maximum(real.max(axis=1), synthetic.max(axis=1)) + 1)
    found = _values(marginals.marginal_distances(table, marginals.chosen(4, 0)))
    assert len(found) == len(differences) == 4
    assert 1000 * (1 - np.mean(list(found.values()))) == pytest.approx((2 - np.mean(differences)) * 500, abs=1e-9)


@pytest.mark.parametrize("seed", _SEEDS)
def test_alpha_precision_and_beta_recall_as_their_authors_define_them(seed):
    random = np.random.default_rng(seed)
    real, synthetic = random.normal(size=(300, 4)), random.normal(0.3, 1.2, size=(300, 4))
    levels = np.linspace(0, 1, 30)
    distances = np.linalg.norm(real[:, None] - synthetic[None], axis=2)
    own = np.linalg.norm(real[:, None] - real[None], axis=2) + np.diag(np.full(300, np.inf))
    centre = real.mean(axis=0)
    radii = np.quantile(np.linalg.norm(real - centre, axis=1), levels)
    precision = [(np.linalg.norm(synthetic - centre, axis=1) <= radius).mean() for radius in radii]
    closest = np.linalg.norm(synthetic[distances.argmin(axis=1)] - synthetic.mean(axis=0), axis=1)
    is_covered = distances.min(axis=1) <= own.min(axis=1)
    recall = [(is_covered & (closest <= radius)).mean() for radius in np.quantile(closest, levels)]
    found = neighbourhood(real, synthetic)
    for name, shares in (("alpha_precision", precision), ("beta_recall", recall)):
        expected = 1 - np.abs(levels - shares).sum() / levels.sum()
        assert getattr(found, name)(0)[0] == pytest.approx(expected, abs=1e-9), name
