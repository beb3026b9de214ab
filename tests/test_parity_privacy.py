"""The same numbers as anonymeter: its published examples, and itself on the same tables where it is installed."""

import numpy as np
import pytest

import omopsql
from omopsql.evaluate.sides import open_sides
from omopsql.privacy.linking import inference, linkability
from omopsql.privacy.rates import Rate, risk
from omopsql.privacy.singling_out import singling_out
from omopsql.privacy.subjects import open_flat

PERSONS, COPIED = 1500, 500
LINKED = (("sex", "bmi"), ("smoking", "icd10", "systolic_bp"))
KNOWN, SECRETS = ("sex", "bmi", "smoking", "systolic_bp"), ("icd10", "died")


@pytest.fixture(scope="module")
def tables():
    """A third of the synthetic persons are copies: risks are clearly neither 0 nor 1."""
    con = omopsql.connect()
    wanted = "sex, bmi, smoking, systolic_bp, icd10, CAST(died AS VARCHAR) AS died"
    for place, name in enumerate(("hospital", "fresh", "holdout")):
        people = f"omopsql.example_patients({PERSONS}, seed := {place})"
        con.execute(f"CREATE TABLE {name} AS SELECT {wanted} FROM {people} WHERE smoking IS NOT NULL")
    con.execute(f"CREATE TABLE synthetic AS (FROM hospital LIMIT {COPIED}) UNION ALL (FROM fresh LIMIT {2 * COPIED})")
    yield con
    con.close()


@pytest.fixture
def frames(tables):
    """The tables as anonymeter takes them."""
    return [tables.execute(f"FROM {name}").df() for name in ("hospital", "synthetic", "holdout")]


def sides_of(con):
    return open_sides(con.cursor(), "hospital", "synthetic", "holdout")


@pytest.mark.parametrize(
    ("hits", "attacks", "rate", "error"),
    [
        (850, 1000, 0.849, 0.022),
        (0, 1000, 0.002, 0.002),
        (23, 100, 0.23998824451588613, 0.08155558571285167),
        (100, 100, 0.9815032508965071, 0.01849674910349284),
    ],
)
def test_rates_are_those_of_its_examples(hits, attacks, rate, error):
    digits = 3 if attacks == 1000 else 12
    found = Rate(hits, attacks)
    assert (round(found.centre, digits), round(found.error, digits)) == (round(rate, digits), round(error, digits))


def test_links_are_those_of_its_example(con):
    """One of four persons is linked, which is a rate of 0.3725 (0.0456 to 0.6994)."""
    con.execute("CREATE TABLE hospital AS SELECT * FROM (VALUES (0, 0), (0, 1), (4, 9), (0, 4)) AS t (a, b)")
    con.execute("CREATE TABLE synthetic AS SELECT * FROM (VALUES (0, 0), (1, 1), (4, 4), (9, 9)) AS t (a, b)")
    found = linkability(open_sides(con.cursor(), "hospital", "synthetic", "hospital"), (("a",), ("b",)), 0)
    assert found.note.startswith("successes 25.0%")
    rate = Rate(1, 4)
    assert (rate.centre, rate.low, rate.high) == pytest.approx((0.3725, 0.045587, 0.699358), abs=1e-4)


@pytest.mark.parametrize(("synthetic", "share"), [("'a', 'b'), ('c', 'd'", 1.0), ("'a', 'b'), ('c', 'e'", 0.5)])
def test_inferences_are_those_of_its_examples(con, synthetic, share):
    con.execute("CREATE TABLE hospital AS SELECT * FROM (VALUES ('a', 'b'), ('c', 'd')) AS t (known, secret)")
    con.execute(f"CREATE TABLE synthetic AS SELECT * FROM (VALUES ({synthetic})) AS t (known, secret)")
    subjects = open_flat(con.cursor(), ("hospital", "synthetic", "hospital"), None, "known", "secret", 0)
    assert next(inference(subjects, 0)).note.startswith(f"successes {share:.1%}, on the holdout {share:.1%}")


@pytest.mark.parametrize("attack", [5, 480, 900])
def test_risks_are_equal(attack):
    confidence = pytest.importorskip("anonymeter.stats.confidence")
    theirs = confidence.EvaluationResults((1000, 1000, 800), attack, 1, 4, 0.95).risk()
    ours = risk(Rate(attack, 1000), Rate(4, 800))
    assert (ours.value, ours.low, ours.high) == pytest.approx((theirs.value, *theirs.ci), abs=1e-9)


def test_linkability_is_equal(tables, frames):
    evaluators = pytest.importorskip("anonymeter.evaluators")
    real, synthetic, holdout = frames
    wide = tuple(map(list, LINKED))
    attacks = min(len(real), len(holdout))
    theirs = evaluators.LinkabilityEvaluator(real, synthetic, wide, attacks, control=holdout).evaluate(1).risk()
    ours = linkability(sides_of(tables), LINKED, 0)
    assert ours.value == pytest.approx(theirs.value, abs=0.02)  # ties between neighbours
    assert (ours.low, ours.high) == pytest.approx(theirs.ci, abs=0.02)


@pytest.mark.parametrize("secret", SECRETS)
def test_inference_is_equal(tables, frames, secret):
    evaluators = pytest.importorskip("anonymeter.evaluators")
    real, synthetic, holdout = frames
    theirs = evaluators.InferenceEvaluator(
        real, synthetic, list(KNOWN), secret, n_attacks=10_000, control=holdout
    ).evaluate(1)
    subjects = open_flat(tables.cursor(), ("hospital", "synthetic", "holdout"), None, ", ".join(KNOWN), secret, 0)
    ours = next(inference(subjects, 0))
    assert ours.value == pytest.approx(theirs.risk().value, abs=0.02)
    assert (ours.low, ours.high) == pytest.approx(theirs.risk().ci, abs=0.02)


@pytest.mark.parametrize(
    ("mode", "subject", "attacks"), [("univariate", "one column", 40), ("multivariate", "3 columns", 500)]
)
def test_singling_out_is_equal_within_its_randomness(tables, frames, mode, subject, attacks):
    evaluators = pytest.importorskip("anonymeter.evaluators")
    size = min(map(len, frames))  # as many of each: anonymeter's correction for other sizes is another model
    real, synthetic, holdout = (frame.head(size) for frame in frames)
    for name, frame in (("real_part", real), ("synthetic_part", synthetic), ("holdout_part", holdout)):
        tables.register("given", frame)
        tables.execute(f"CREATE OR REPLACE TABLE {name} AS FROM given")
        tables.unregister("given")
    theirs = []
    for seed in range(5):
        evaluator = evaluators.SinglingOutEvaluator(
            real, synthetic, attacks, 3, holdout, max_attempts=200_000, seed=seed
        ).evaluate(mode)
        theirs.append(evaluator.risk().value)
    sides = open_sides(tables.cursor(), "real_part", "synthetic_part", "holdout_part")
    ours = [
        next(row.value for row in singling_out(sides, seed, attacks) if row.subject == subject) for seed in range(5)
    ]
    noise = 2 * np.sqrt((np.var(theirs, ddof=1) + np.var(ours, ddof=1)) / 5) + 0.03
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=noise)
