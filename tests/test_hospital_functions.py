"""A synthetic hospital in SQL: what cdm_fit, cdm_sample, cdm_views, cdm_describe and merge answer and refuse."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from commands import value
from hypothesis import given
from hypothesis import strategies as st

import omopsql
from omopsql.harmonize.cdm import storage_type, table
from omopsql.synth.hospital.describe import words
from omopsql.synth.hospital.fit import RULES
from omopsql.synth.hospital.generate import Hospital
from omopsql.synth.hospital.merge import _disjoint
from omopsql.synth.hospital.release import pooled
from omopsql.synth.hospital.sums import HEADER, Counted
from omopsql.transport import persons as transport

DIABETES, WOMAN, MAN = 201826, 8532, 8507
PERSONS = 300


@pytest.fixture(scope="module")
def learned(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of the demonstration's CDM, as a file."""
    path = tmp_path_factory.mktemp("learned") / "m.parquet"
    with contextlib.closing(omopsql.connect()) as con:
        con.execute(f"FROM omopsql.use_vocabulary('{demo_folder / 'vocabulary'}')").fetchall()
        con.execute(f"COPY (FROM omopsql.cdm_fit('{demo_folder / 'cdm'}')) TO '{path}'")
    return path


@pytest.fixture(scope="module")
def con(learned: Path, demo_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the model as table m, and the demonstration's vocabulary in use."""
    with contextlib.closing(omopsql.connect()) as connection:
        connection.execute(f"CREATE TABLE m AS FROM '{learned}'")
        connection.execute(f"FROM omopsql.use_vocabulary('{demo_folder / 'vocabulary'}')").fetchall()
        yield connection


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the persons whose lives are made, but for the one by which a table's columns are known."""
    numbers: list[int] = []
    lives = Hospital.lives

    def recorded(self: Hospital, seed: int, asked_for: np.ndarray):
        numbers.extend(asked_for.tolist())
        return lives(self, seed, asked_for)

    monkeypatch.setattr(Hospital, "lives", recorded)
    return numbers


def tables_of(con: duckdb.DuckDBPyConnection) -> list[str]:
    return [name for name, _, _ in con.execute("FROM omopsql.cdm_tables('m')").fetchall()]


def sample(name: str, persons: int = PERSONS, seed: int = 5, more: str = "") -> str:
    return f"omopsql.cdm_sample('m', '{name}', persons := {persons}, seed := {seed}{more})"


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    return con.execute(f"FROM ({sql}) ORDER BY ALL").fetchall()


# --- tables


def test_every_table_has_the_columns_of_the_cdm(con):
    names = tables_of(con)
    assert {"person", "observation_period", "visit_occurrence", "condition_occurrence", "condition_era"} <= set(names)
    for name in names:
        described = con.execute(f"DESCRIBE FROM {sample(name, 3)}").fetchall()
        assert [(row[0], row[1]) for row in described] == [
            (field.name, storage_type(field)) for field in table("5.4", name).values()
        ]


def test_the_demo_has_records_of_all_kinds(con):
    for name in ("person", "visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "drug_era"):
        assert value(con, f"SELECT count(*) FROM {sample(name)}") > 0, name


def test_a_person_is_the_same_among_few_and_many(con):
    for name in tables_of(con):
        if "person_id" in table("5.4", name):
            few = rows(con, f"FROM {sample(name, 40)}")
            assert few == rows(con, f"FROM {sample(name, PERSONS)} WHERE person_id <= 40"), name


def test_a_seed_makes_other_persons(con):
    assert rows(con, f"FROM {sample('person')}") != rows(con, f"FROM {sample('person', seed=6)}")


def test_threads_and_order_change_nothing(con):
    for name in ("person", "condition_occurrence", "condition_era"):
        answers = []
        for threads in (1, 4):
            con.execute(f"SET threads = {threads}")
            answers.append(con.execute(f"FROM {sample(name)}").fetchall())
        con.execute("RESET threads")
        assert answers[0] == answers[1]
        assert [row[0] for row in answers[0]] == sorted(row[0] for row in answers[0])


@pytest.mark.parametrize(
    "name", ["person", "observation_period", "visit_occurrence", "condition_occurrence", "condition_era", "drug_era"]
)
def test_a_filter_makes_only_those_persons(con, asked, name):
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)  # nobody else's, or lives would be there already
    con.execute(f"FROM {sample(name, 100_000, seed)} WHERE person_id IN (77, 99)").fetchall()
    assert sorted(asked) == [1, 77, 99]  # 1: whose rows tell the columns
    asked.clear()
    con.execute(f"FROM {sample(name, 100_000, seed)} WHERE person_id BETWEEN 5 AND 9").fetchall()
    assert sorted(asked) == [5, 6, 7, 8, 9]


def test_lives_are_made_once_for_several_tables(con, asked):
    for name in ("person", "condition_occurrence", "drug_exposure"):
        con.execute(f"FROM {sample(name, 3000, seed=20261122)}").fetchall()
    assert len(asked) == 1 + 3000


def test_keys_of_a_person_fit_in_all_tables(con):
    for name in ("condition_occurrence", "drug_exposure", "measurement", "observation_period"):
        assert not value(con, f"SELECT count(*) FROM {sample(name)} ANTI JOIN {sample('person')} USING (person_id)"), (
            name
        )
    orphans = f"""SELECT count(*) FROM {sample("condition_occurrence")} AS r
        ANTI JOIN {sample("visit_occurrence")} AS v USING (visit_occurrence_id, person_id)
        WHERE r.visit_occurrence_id IS NOT NULL"""
    assert value(con, orphans) == 0
    for name in ("visit_occurrence", "condition_occurrence", "condition_era", "drug_era"):
        assert value(con, f"SELECT count(*) = count(DISTINCT {name}_id) FROM {sample(name)}")


def test_no_persons(con):
    for name in ("person", "condition_occurrence", "condition_era"):
        assert value(con, f"SELECT count(*) FROM {sample(name, 0)}") == 0


def test_views_are_a_hospital(con):
    sql = value(con, "SELECT omopsql.cdm_views('m', 'virtual hospital', persons := 50, seed := 5)")
    con.execute(sql)
    try:
        assert rows(con, 'FROM "virtual hospital".condition_era') == rows(con, f"FROM {sample('condition_era', 50)}")
        shown = con.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = 'virtual hospital'").fetchall()
        assert sorted(name for (name,) in shown) == sorted(tables_of(con))
    finally:
        con.execute('DROP SCHEMA "virtual hospital" CASCADE')


# --- wishes


def test_given_is_had_by_all(con):
    women = sample("person", more=f", given := {{'gender_concept_id': {WOMAN}, 'min_age': 40}}")
    assert con.execute(f"SELECT count(*), min(gender_concept_id), max(gender_concept_id) FROM {women}").fetchall() == [
        (PERSONS, WOMAN, WOMAN)
    ]
    diabetics = sample("condition_occurrence", more=f", given := {{'condition': {DIABETES}}}")
    ill = f"SELECT count(DISTINCT person_id) FROM {diabetics} WHERE condition_concept_id = {DIABETES}"
    assert value(con, ill) == PERSONS


def test_a_wished_person_does_not_depend_on_the_others(con):
    wished = f", given := {{'condition': {DIABETES}}}"
    few = rows(con, f"FROM {sample('person', 20, more=wished)}")
    assert few == rows(con, f"FROM {sample('person', 200, more=wished)} WHERE person_id <= 20")
    assert few != rows(con, f"FROM {sample('person', 20)}")


def test_shares_are_met(con):
    for share in (0.1, 0.9):
        balanced = sample("person", 1000, more=f", shares := {{'gender_concept_id': {{'{WOMAN}': {share}}}}}")
        women = value(con, f"SELECT avg(CAST(gender_concept_id = {WOMAN} AS INTEGER)) FROM {balanced}")
        assert abs(women - share) < 0.05  # five standard deviations


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (", given := {'sex': 1}", "given: 'sex' cannot be asked for; say gender_concept_id, race_concept_id"),
        (", given := {'condition': 7}", "given: the model has no condition 7; its concepts are "),
        (", given := {'condition': 'diabetes'}", "given: condition is 'diabetes'; give a whole number"),
        (", given := {'is_dead': 1}", "given: is_dead is 1; say true or false"),
        (", given := {'min_age': [1, 2]}", "min_age is [1, 2]; give one number of years"),
        (", given := {'min_age': 500}", "none of 20,000 attempts at person 1 fits; wish for less"),
        (", shares := {'gender_concept_id': 0.5}", "shares: gender_concept_id is 0.5; give a share for each value"),
        (", shares := {'gender_concept_id': {'8507': 0.7, '8532': 0.7}}", "those of gender_concept_id sum to 1.4"),
        (", shares := {'gender_concept_id': {'8507': 2.0}}", "has the share 2.0; give a number above 0"),
        (", shares := {'gender_concept_id': {'man': 0.5}}", "has no value 'man'; give a whole number"),
    ],
)
def test_wishes_that_cannot_be_fulfilled(con, more, told):
    with pytest.raises(duckdb.Error) as raised:
        con.execute(f"FROM {sample('person', more=more)}").fetchall()
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("cdm_sample('m', 'persons')", "'persons' is no table of CDM 5.4; it makes person, "),
        ("cdm_sample('m', 'person', persons := -1)", "persons is -1; give 0 to "),
        ("cdm_sample('nowhere', 'person')", "there is no table or view 'nowhere' here"),
        ("cdm_sample('omopsql.functions', 'person')", "omopsql.functions is no model of a hospital"),
        ("cdm_describe('omopsql.functions')", "omopsql.functions is no model of a hospital"),
        ("cdm_fit('nowhere')", "there is no schema or folder 'nowhere' with a CDM"),
        ("merge('m')", "merge takes a list of models, as in ['a.parquet', 'b.parquet'], not 'm'"),
        ("merge(['m'])", "m alone cannot be merged"),
        ("merge(['m', 'm'])", "m is given twice, and would count twice"),
    ],
)
def test_what_is_asked_wrongly(con, call, told):
    with pytest.raises(duckdb.Error) as raised:
        con.execute(f"FROM omopsql.{call}").fetchall()
    assert told in str(raised.value)


# --- words


def test_every_number_of_the_model_is_told(con):
    told = con.execute("SELECT statistic, count(*), sum(n) FROM omopsql.cdm_describe('m') GROUP BY ALL").fetchall()
    assert sorted(told) == sorted(con.execute("SELECT statistic, count(*), sum(n) FROM m GROUP BY ALL").fetchall())
    assert value(con, "SELECT count(*) FROM omopsql.cdm_describe('m') WHERE words IS NULL OR words = ''") == 0


def test_every_statistic_has_words():
    assert set(RULES) - {HEADER} <= set(words()), "say in sql/synth/hospital/statistics.csv what it counts"


def test_concepts_are_named_with_a_vocabulary(con):
    named = f"SELECT subject FROM omopsql.cdm_describe('m') WHERE statistic = 'items' AND words LIKE '%{DIABETES}%'"
    assert value(con, named) == f"{DIABETES} Type 2 diabetes mellitus"


def test_concepts_are_numbers_without_a_vocabulary(con, learned, monkeypatch):
    monkeypatch.delenv("OMOPSQL_VOCABULARY", raising=False)
    with contextlib.closing(omopsql.connect()) as bare:
        told = f"FROM omopsql.cdm_describe('{learned}') WHERE statistic = 'items' AND subject = '{DIABETES}'"
        assert value(bare, f"SELECT count(*) {told}") == 1


# --- merging


@pytest.fixture(scope="module")
def halves(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The demonstration's persons, divided over the CDMs of two hospitals."""
    folders = [tmp_path_factory.mktemp(name) for name in ("north", "south")]
    with contextlib.closing(duckdb.connect()) as con:
        for file in sorted((demo_folder / "cdm").glob("*.parquet")):
            columns = con.sql(f"FROM '{file}'").columns
            for half, folder in enumerate(folders):
                kept = f"WHERE hash(person_id) % 2 = {half}" if "person_id" in columns else ""
                con.execute(f"COPY (FROM '{file}' {kept}) TO '{folder / file.name}'")
    return folders


@pytest.fixture(scope="module")
def federated(con, halves, tmp_path_factory) -> dict[str, str]:
    """What two hospitals learned in two rounds: the files by name."""
    place = tmp_path_factory.mktemp("federated")
    files = {name: str(place / f"{name}.parquet") for name in ("g0", "g1", "g", "m0", "m1", "r0", "r1", "own")}

    def write(name: str, call: str) -> None:
        con.execute(f"COPY (FROM omopsql.{call}) TO '{files[name]}'")

    for i, half in enumerate(halves):
        write(f"g{i}", f"cdm_fit('{half}', for_merge := true, margins_only := true)")
    write("g", f"merge(['{files['g0']}', '{files['g1']}'], for_merge := true)")
    for i, half in enumerate(halves):
        write(f"m{i}", f"cdm_fit('{half}', for_merge := true, margins := '{files['g']}')")
        write(f"r{i}", f"cdm_fit('{half}')")
    write("own", f"cdm_fit('{halves[0]}', for_merge := true)")
    return files


def test_merged_equals_pooled_in_any_order(con, federated):
    pooled_model = con.execute("FROM m").fetchall()
    for parts in (["m0", "m1"], ["m1", "m0"]):
        listed = ", ".join(f"'{federated[part]}'" for part in parts)
        assert con.execute(f"FROM omopsql.merge([{listed}])").fetchall() == pooled_model


def test_exact_sums_are_private(con, federated):
    for call in (f"cdm_sample('{federated['m0']}', 'person')", f"cdm_tables('{federated['g']}')"):
        with pytest.raises(duckdb.Error, match="holds exact sums, for addition only"):
            con.execute(f"FROM omopsql.{call}").fetchall()
    told = value(con, f"SELECT words FROM omopsql.cdm_describe('{federated['m0']}') LIMIT 1")
    assert "private, for addition only" in told


@pytest.mark.parametrize(
    ("parts", "more", "told"),
    [
        (["m0", "r1"], "", "m0.parquet holds exact sums and {r1} a model whose small cells are suppressed"),
        (["r1", "m0"], "", "m0.parquet holds exact sums and {r1} a model whose small cells are suppressed"),
        (["g0", "m1"], "", "are of different rounds: 1 and 2"),
        (["own", "m1"], "", "were counted in different bins; merge their margins first"),
        (["g0", "g1"], "", "holds margins, which are merged for the second round: add --for-merge"),
        (["r0", "r1"], "", "were counted in different bins"),
    ],
)
def test_sums_that_do_not_fit_together(con, federated, parts, more, told):
    listed = ", ".join(f"'{federated[part]}'" for part in parts)
    with pytest.raises(duckdb.Error) as raised:
        con.execute(f"FROM omopsql.merge([{listed}]{more})").fetchall()
    assert told.format(**federated) in str(raised.value)


def test_released_models_add_up_and_are_marked(con, tmp_path):
    con.execute(f"COPY (FROM m) TO '{tmp_path / 'twin.parquet'}'")
    con.execute(f"CREATE OR REPLACE TABLE both_models AS FROM omopsql.merge(['m', '{tmp_path / 'twin.parquet'}'])")
    label = value(con, "SELECT label FROM both_models WHERE statistic = 'merged'")
    assert label == "small cells were suppressed before merging"
    doubled = "SELECT (SELECT sum(n) FROM both_models WHERE statistic <> 'merged') = 2 * (SELECT sum(n) FROM m)"
    assert value(con, doubled)
    assert value(con, "SELECT count(*) FROM omopsql.cdm_sample('both_models', 'person', persons := 10)") == 10


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(1, 30)), max_size=12), max_size=3)
)
def test_joined_bins_of_several_models_are_disjoint(models):
    """Whatever each model released, the sum's bins do not overlap, and no person is lost."""
    released = [
        pooled(Counted.summed(np.array([row[:2] for row in model]), np.array([row[2] for row in model])), 10)
        for model in models
        if model
    ]
    if not released:
        return
    added = Counted.summed(np.concatenate([part.keys for part in released]), np.concatenate([p.n for p in released]))
    joined = _disjoint(added)
    assert joined.n.sum() == added.n.sum()
    for histogram in range(3):
        bins = joined.keys[joined.keys[:, 0] == histogram, 1:]
        assert (bins[:, 0] <= bins[:, 1]).all()
        assert (bins[1:, 0] > bins[:-1, 1]).all()


# --- how rows reach a query


class Countdown:
    """As many rows as the person's number says."""

    def rows(self, numbers: np.ndarray) -> transport.Rows:
        offsets = np.concatenate([[0], np.cumsum(numbers)])
        left = np.concatenate([np.arange(n, 0, -1) for n in numbers] or [np.zeros(0, np.int64)])
        return transport.Rows(offsets, pa.table({"person_id": np.repeat(numbers, numbers), "left": left}))


def test_persons_in_any_order_and_again(con):
    transport.keep(12345, Countdown())
    call = transport.column_sql(12345, 1, pa.int64(), "person")
    asked_for = "(VALUES (3), (1), (2), (3), (0)) AS asked (person)"
    answer = con.execute(f"SELECT person, {call} FROM {asked_for}").fetchall()
    assert answer == [(3, [3, 2, 1]), (1, [1]), (2, [2, 1]), (3, [3, 2, 1]), (0, [])]


def test_a_source_that_was_displaced_is_told(con):
    call = transport.column_sql(999_999, 1, pa.int64(), "person")
    with pytest.raises(duckdb.Error, match="planned long ago"):
        con.execute(f"SELECT {call} FROM range(3) AS asked (person)").fetchall()
