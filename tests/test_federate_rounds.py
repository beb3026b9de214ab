"""A table at several sites: the merge of three rounds is the very model that one fit of all rows gives."""

import contextlib
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import done, refused
from federation import MASKED, SITES, digest, mask, write_study

import omopsql
from omopsql.synth.exact import Exact
from omopsql.synth.rounds import Table


@pytest.fixture
def con(folder):
    with contextlib.closing(omopsql.connect()) as connection:
        yield connection


def patients(rows: int = 900, seed: int = 3) -> pa.Table:
    """Every kind of column: keys, numbers, dates, labels, rare labels, numbers in text, free text, missing together."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=rows)
    age = np.clip(60 + 15 * latent + random.normal(size=rows), 18, 99).astype(np.int64)
    unseen = random.random(rows) < 0.2
    stage = np.array(["I", "II", "III", "IV"])[np.clip((latent + 2).astype(int), 0, 3)]
    town = np.array([f"town {i}" for i in range(40)])[np.minimum(random.geometric(0.15, rows), 39)]
    size = np.round(np.exp(0.4 * latent + random.normal(size=rows) * 0.3), 2)
    return pa.table(
        {
            "patient_id": np.arange(rows),
            "age": age,
            "stage": stage,
            "town": town,
            "size": pa.array(size, mask=unseen),
            "grade": pa.array(random.integers(1, 4, rows), mask=unseen),
            "marker": pa.array([f"{value:.1f}" if value < 2.5 else "high" for value in size.tolist()]),
            "seen": pa.array((15000 + 30 * age).astype(np.int32)).cast(pa.date32()),
            "born": pa.array([f"{1900 + value}-0{1 + value % 9}-1{value % 10}" for value in age.tolist()]),
            "remark": pa.array([f"Patient {i} came by with a long story to tell of {i}" for i in range(rows)]),
            "zero": pa.array(np.where(random.random(rows) < 0.5, -0.0, 0.0)),
        }
    )


def split(con: duckdb.DuckDBPyConnection, table: pa.Table, sites: tuple[str, ...] = SITES) -> None:
    """Deal a table out to sites, as Parquet files, with all rows in a table ``pooled``."""
    for part, name in enumerate(sites):
        rows = np.flatnonzero(np.arange(table.num_rows) * 7919 % len(sites) == part)
        pq.write_table(table.take(pa.array(rows)), f"{name}.data.parquet")
    pq.write_table(table, "pooled.data.parquet")


def in_rounds(con: duckdb.DuckDBPyConnection, method: str, options: str = "", sites: tuple[str, ...] = SITES) -> str:
    """Fit and merge every round; return the name of the file with the model."""
    more = "margins_only := true"
    last = 3 if method == "copula" else 1
    for number in range(1, last + 1):
        for name in sites:
            asked = f"method := '{method}', for_merge := true, {more} {options}"
            con.execute(f"COPY (FROM omopsql.copula_fit('{name}.data.parquet', {asked})) TO '{name}.parquet'")
        models = ", ".join(f"'{name}.parquet'" for name in sites)
        merged = f"FROM omopsql.merge([{models}], for_merge := {str(number < last).lower()})"
        con.execute(f"COPY ({merged}) TO 'merged{number}.parquet'")
        more = f"margins := 'merged{number}.parquet'"
    return f"merged{last}.parquet"


def pooled(con: duckdb.DuckDBPyConnection, method: str, options: str = "") -> str:
    """Fit all rows at once; return the name of the file with the model."""
    fitted = f"FROM omopsql.copula_fit('pooled.data.parquet', method := '{method}' {options})"
    con.execute(f"COPY ({fitted}) TO 'whole.parquet'")
    return "whole.parquet"


@pytest.mark.parametrize("method", ["copula", "independent"])
@pytest.mark.parametrize("min_cell", [1, 10, 40])
def test_rounds_equal_one_fit_of_all_rows(con, method, min_cell):
    split(con, patients())
    options = f", min_cell := {min_cell}"
    assert digest(in_rounds(con, method, options)) == digest(pooled(con, method, options))


def test_kinds_that_are_asked_for_are_kept(con):
    split(con, patients(300))
    options = ", columns := {'town': 'skip', 'patient_id': 'number', 'remark': 'category'}"
    assert digest(in_rounds(con, "copula", options)) == digest(pooled(con, "copula", options))


@pytest.mark.parametrize("name", ["heart_failure_clinical_records_dataset", "wdbc", "sdnist_ma2018"])
def test_parts_of_a_real_table_equal_the_whole(con, data_folder, name):
    source = data_folder("tabular") / f"{name}.csv"
    split(con, con.execute(f"FROM read_csv('{source}')").to_arrow_table())
    assert digest(in_rounds(con, "copula")) == digest(pooled(con, "copula"))


def test_a_stratifying_column_is_found_in_rounds_too(con):
    """A label whose meaning turns round between two groups, which one correlation cannot tell."""
    random = np.random.default_rng(1)
    group, x = random.integers(0, 3, 3000), random.normal(size=3000)
    y = np.where(group == 0, x, -x) + 0.1 * random.normal(size=3000)
    split(con, pa.table({"group": group, "x": np.round(x, 2), "y": np.round(y, 2)}))
    found = in_rounds(con, "copula")
    assert con.execute(f"SELECT count(*) FROM '{found}' WHERE statistic = 'stratum'").fetchall() == [(1,)]
    assert digest(found) == digest(pooled(con, "copula"))


def test_sites_may_differ_in_columns(con):
    """A column that a site does not have is missing in all its rows, as in a union by name."""
    table = patients(600)
    split(con, table)
    pq.write_table(pq.read_table("south.data.parquet").drop_columns(["born", "remark", "zero"]), "south.data.parquet")
    files = ", ".join(f"'{name}.data.parquet'" for name in SITES)
    con.execute(f"COPY (FROM read_parquet([{files}], union_by_name := true)) TO 'pooled.data.parquet'")
    assert digest(in_rounds(con, "copula")) == digest(pooled(con, "copula"))


def test_sites_of_one_learned_column_make_an_independent_model(con):
    split(con, patients(300).select(["age", "remark"]))
    assert digest(in_rounds(con, "copula")) == digest(pooled(con, "copula"))


def test_masked_rounds_equal_one_fit_of_all_rows(con, folder):
    split(con, patients(300))
    cards = write_study(Path())
    more = ["--margins-only"]
    for number in (1, 2, 3):
        for name in SITES:
            done("fit", f"{name}.data.parquet", "--method", "copula", "--for-merge", *more, "-o", f"{name}.parquet")
            mask(name, cards, "--room", "65536")
        done("aggregate", *MASKED, "--site", "centre.site", "--cards", *cards, "-o", "all.total")
        done("site", "unmask", "all.total", "--site", "east.site", "--cards", *cards, "-o", f"all{number}.parquet")
        more = ["--margins", f"all{number}.parquet"]
    done("fit", "pooled.data.parquet", "--method", "copula", "-o", "whole.parquet")
    assert digest("all3.parquet") == digest("whole.parquet")
    done("synthesize", "all3.parquet", "-n", "10", "-o", "synthetic.csv")


def test_a_rare_text_stands_as_a_hash(con):
    split(con, patients(300))
    in_rounds(con, "copula")
    for file in ("north.parquet", "merged1.parquet"):
        told = con.execute(
            f"SELECT count(*), count(*) FILTER (n < 4) FROM '{file}' WHERE statistic = 'label'"
        ).fetchall()
        assert told[0][0] > 10
        assert told[0][1] == 0
        assert con.execute(f"SELECT count(*) FROM '{file}' WHERE value LIKE 'Patient%'").fetchall() == [(0,)]


def test_a_label_that_no_site_tells_is_refused(con):
    """Ten sites of one row each, but fitted as if they were two."""
    names = tuple(f"site{i}" for i in range(10))
    split(con, pa.table({"a": ["rare"] * 10, "b": list(range(10))}), names)
    with pytest.raises(duckdb.Error, match="a label of column a has no name at any site: fit all with sites"):
        in_rounds(con, "independent", ", sites := 2", names)
    assert digest(in_rounds(con, "independent", ", sites := 10", names)) == digest(pooled(con, "independent"))


def fitted(con, name: str, options: str = "") -> None:
    asked = f"method := 'independent', for_merge := true {options}"
    con.execute(f"COPY (FROM omopsql.copula_fit('{name}.data.parquet', {asked})) TO '{name}.parquet'")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (", min_cell := 5", "north.parquet has min_cell 10, south.parquet has 5: fit both with one min_cell"),
        (", sites := 9", "north.parquet was fitted for 3 sites, south.parquet for 9: fit both for as many"),
        (", columns := {'age': 'skip'}", "north.parquet and south.parquet take columns for different kinds"),
    ],
)
def test_what_was_fitted_differently_is_not_merged(con, options, told):
    split(con, patients(300))
    fitted(con, "north")
    fitted(con, "south", options)
    with pytest.raises(duckdb.Error, match=told):
        con.execute("FROM omopsql.merge(['north.parquet', 'south.parquet'])").fetchall()


def test_rounds_of_other_sites_are_not_merged(con):
    """A site that is missing in the last round, or sums that each site counted by its own margins alone."""
    split(con, patients(300))
    in_rounds(con, "copula")
    with pytest.raises(duckdb.Error, match="the sums were counted by margins of other sites than theirs"):
        con.execute("FROM omopsql.merge(['north.parquet', 'south.parquet'])").fetchall()
    asked = "FROM omopsql.copula_fit('north.data.parquet', method := 'copula', for_merge := true)"
    for name in ("one", "two"):
        con.execute(f"COPY ({asked}) TO '{name}.parquet'")
    with pytest.raises(duckdb.Error, match="the sums were counted by margins of other sites than theirs"):
        con.execute("FROM omopsql.merge(['one.parquet', 'two.parquet'])").fetchall()


def test_columns_of_two_types_are_refused(con):
    split(con, patients(300))
    table = pq.read_table("south.data.parquet")
    pq.write_table(table.set_column(1, "age", table["age"].cast(pa.string())), "south.data.parquet")
    with pytest.raises(duckdb.Error, match="column age is of type BIGINT at one site, of VARCHAR at another: cast one"):
        in_rounds(con, "independent")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("copula_fit('north.data.parquet', method := 'tree', for_merge := true)", "method 'tree' cannot be merged"),
        ("copula_fit('north.data.parquet', margins_only := true)", "say for_merge := true too"),
        ("copula_fit('north.data.parquet', margins := 'x.parquet')", "say for_merge := true too"),
        ("copula_fit('north.data.parquet', method := 'copula', for_merge := true, sites := 0)", "sites is 0"),
        ("copula_fit('north.data.parquet', method := 'copula', for_merge := true, margins := 'north.data.parquet')",
         "north.data.parquet holds no exact sums of a table"),
        ("copula_fit('north.data.parquet', method := 'copula', for_merge := true, margins := 'north.parquet')",
         "margins were fitted with method independent, not copula"),
        ("copula_sample('north.parquet', 5)", "north.parquet holds exact sums, for addition only: merge it"),
        ("merge(['north.parquet'])", "north.parquet alone cannot be merged"),
        ("merge(['north.parquet', 'north.parquet'])", "north.parquet is given twice"),
        ("merge(['first.parquet', 'second.parquet'])", "first.parquet holds round 1 of 3: merge it with --for-merge"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(con, call, told):
    split(con, patients(300))
    fitted(con, "north")
    asked = "method := 'copula', for_merge := true, margins_only := true"
    for name, source in (("first", "north"), ("second", "south")):
        con.execute(f"COPY (FROM omopsql.copula_fit('{source}.data.parquet', {asked})) TO '{name}.parquet'")
    with pytest.raises(duckdb.Error, match=told.replace("(", r"\(")):
        con.execute(f"FROM omopsql.{call}").fetchall()


def test_a_table_and_a_hospital_are_not_merged(con):
    split(con, patients(300))
    fitted(con, "north")
    con.execute("COPY (SELECT 'hospital' AS statistic, [1] AS key, NULL AS label, 1 AS n) TO 'cdm.parquet'")
    with pytest.raises(duckdb.Error, match=r"north.parquet is of one table, and cdm.parquet of a CDM"):
        con.execute("FROM omopsql.merge(['north.parquet', 'cdm.parquet'])").fetchall()


def test_too_few_rows_at_all_sites_are_refused(con):
    split(con, patients(9))
    with pytest.raises(duckdb.Error, match="all sites together have 9 rows, fewer than min_cell = 10"):
        in_rounds(con, "independent")


def test_the_margins_of_merged_sums_are_those_of_the_data(con):
    split(con, patients(300))
    fitted(con, "pooled")
    table = Table(Exact.from_table(pq.read_table("pooled.parquet"), "pooled.parquet"))
    assert list(table.types) == patients(1).column_names
    assert table.rows == 300


def test_fit_says_which_round_was_counted(folder):
    pq.write_table(patients(100), "north.data.parquet")
    told = ["fit", "north.data.parquet", "--method", "copula", "--for-merge"]
    result = done(*told, "--margins-only", "-o", "n.parquet")
    assert "Counted round 1 of 3 over 100 rows into n.parquet" in result.stderr
    assert result.stderr.splitlines()[-1] == "Next: omopsql merge n.parquet other.parquet --for-merge -o merged.parquet"
    result = done(*told, "-o", "n.parquet")
    assert result.stderr.splitlines()[-1] == "Next: omopsql merge n.parquet other.parquet -o merged.parquet"
    assert "cannot be merged" in refused(1, *told[:2], "--method", "tree", "--for-merge", "-o", "n.parquet")


def test_the_default_method_is_merged_as_a_copula(con):
    """Whoever says nothing of a method can be merged with whoever says copula."""
    split(con, patients(300))
    for name, method in (("north", ""), ("south", ", method := 'copula'"), ("east", ", method := 'auto'")):
        asked = f"for_merge := true, margins_only := true {method}"
        con.execute(f"COPY (FROM omopsql.copula_fit('{name}.data.parquet', {asked})) TO '{name}.parquet'")
    con.execute("COPY (FROM omopsql.merge(['north.parquet', 'south.parquet', 'east.parquet'], for_merge := true)) "
                "TO 'merged.parquet'")  # fmt: skip
    assert Exact.from_table(pq.read_table("merged.parquet"), "merged").header.method == "copula"
    assert "method copula; other sites must say the same" in done(
        "fit", "north.data.parquet", "--for-merge", "--margins", "merged.parquet", "-o", "n.parquet"
    ).stderr  # fmt: skip
