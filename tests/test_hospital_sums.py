"""Sums add up in any order, and what is released holds enough persons."""

from __future__ import annotations

from pathlib import Path

import duckdb
import hospital_cdm as made
import numpy as np
import pyarrow as pa
import pytest
from hospital_twins import bare, second_rounds
from hypothesis import given
from hypothesis import strategies as st

from omopsql.errors import OmopsqlError
from omopsql.synth.hospital.describe import words
from omopsql.synth.hospital.fit import RULES, fit
from omopsql.synth.hospital.generate import Hospital
from omopsql.synth.hospital.release import DROP, KEEP, POOL, release, summed
from omopsql.synth.hospital.sums import HEADER, Header, Sums

_MIN_CELL = 10
_ROW = st.tuples(
    st.sampled_from(["a", "b"]), st.integers(-3, 3), st.integers(0, 60), st.sampled_from(["x", "y", None]),
    st.integers(0, 12),
)  # fmt: skip
_ROWS = st.lists(_ROW, max_size=80)


def _sums(rows: list[tuple[str, int, int, str | None, int]]) -> Sums:
    sums = Sums()
    for statistic, group, value, label, n in rows:
        labels = pa.array([label], pa.string()) if statistic == "b" else None
        sums.put(statistic, [[group, value]], [n], labels)
    return sums


def _pooled(rows: list[tuple[str, int, int, str | None, int]]) -> tuple[Sums, Sums]:
    exact = Sums()
    for _, group, value, _, n in rows:
        exact.put("h", [[group, value]], [n])
    return exact, release(exact, {"h": POOL}, _MIN_CELL)


@given(_ROWS, st.randoms())
def test_parts_add_up_to_the_whole_in_any_order(rows: list, random) -> None:  # type: ignore[type-arg,no-untyped-def]
    parts: list[list] = [[], [], []]  # type: ignore[type-arg]
    for row in rows:
        parts[random.randrange(3)].append(row)
    random.shuffle(parts)
    assert Sums.merged(map(_sums, parts)).to_table().equals(_sums(rows).to_table())


@given(_ROWS)
def test_a_table_reads_back_in_any_order_of_its_rows(rows: list) -> None:  # type: ignore[type-arg]
    table = _sums(rows).to_table()
    backwards = table.take(np.arange(len(table))[::-1])
    assert Sums.from_table(backwards, "a model").to_table().equals(table)


@given(_ROWS)
def test_no_small_cell_is_released(rows: list) -> None:  # type: ignore[type-arg]
    shown = release(_sums(rows), {"a": DROP, "b": DROP}, _MIN_CELL)
    assert all(row["n"] >= _MIN_CELL for row in shown.to_table().to_pylist())
    _, joined = _pooled(rows)
    assert all(joined.get("h", 3)[1] >= _MIN_CELL)


@given(_ROWS)
def test_joined_bins_are_disjoint_and_hold_their_persons(rows: list) -> None:  # type: ignore[type-arg]
    exact, joined = _pooled(rows)
    (cells, n), (bins, held) = exact.get("h", 2), joined.get("h", 3)
    for group in np.unique(cells[:, 0]):
        own, counts = cells[cells[:, 0] == group, 1], n[cells[:, 0] == group]
        low, high, persons = (column[bins[:, 0] == group] for column in (bins[:, 1], bins[:, 2], held))
        assert (low <= high).all()
        assert (low[1:] > high[:-1]).all()
        assert [counts[(own >= a) & (own <= b)].sum() for a, b in zip(low, high, strict=True)] == persons.tolist()
        assert counts.sum() < _MIN_CELL or len(low)


def test_a_frequent_value_stays_on_its_own() -> None:
    exact = Sums()
    exact.put("h", [[value] for value in range(8)], [4, 4, 4, 90, 2, 3, 6, 1])
    bins, n = release(exact, {"h": POOL}, _MIN_CELL).get("h", 2)
    assert bins.tolist() == [[0, 2], [3, 3], [4, 7]]
    assert n.tolist() == [12, 90, 12]


def test_a_run_that_is_too_small_vanishes() -> None:
    exact = Sums()
    exact.put("h", [[0], [1], [2]], [9, 90, 3])
    assert release(exact, {"h": POOL}, _MIN_CELL).get("h", 2)[0].tolist() == [[1, 1]]


def test_facts_are_kept() -> None:
    exact = Sums()
    exact.put("fact", [[7]], [0])
    assert release(exact, {"fact": KEEP}, _MIN_CELL).to_table().equals(exact.to_table())


def test_a_sum_of_nine_persons_stays() -> None:
    """Whatever it adds up to, and whatever follows the key that its persons share."""
    exact = Sums()
    exact.put("persons", [[1], [2], [3]], [9, 10, 500])
    exact.put("score", [[1, 0], [1, 1], [2, 0], [2, 1], [4, 0]], [-5000, 70000, 3, -8, 9000])
    shown = release(exact, {"persons": DROP, "score": summed("persons")}, _MIN_CELL)
    assert shown.get("score", 2)[0].tolist() == [[2, 0], [2, 1]]
    assert shown.get("score", 2)[1].tolist() == [3, -8]


def test_words_tell_sums_from_numbers_of_persons() -> None:
    told = {statistic for statistic, said in words().items() if said.startswith("a sum over persons")}
    assert told == {statistic for statistic, rule in RULES.items() if rule.kind == "sum"}


def test_a_sum_whose_persons_nobody_counted_stays() -> None:
    exact = Sums()
    exact.put("score", [[1]], [1000])
    shown = release(exact, {"score": summed("persons")}, _MIN_CELL)
    assert shown.get("score", 1)[0].tolist() == []


@given(_ROWS, st.randoms())
def test_a_sum_leaves_with_its_persons(rows: list, random) -> None:  # type: ignore[type-arg,no-untyped-def]
    exact = Sums()
    for _, group, value, _, n in rows:
        exact.put("persons", [[group]], [n])
        exact.put("score", [[group, value]], [random.randrange(-99, 99)])
    shown = release(exact, {"persons": DROP, "score": summed("persons")}, _MIN_CELL)
    large = {group for (group,) in shown.get("persons", 1)[0].tolist()}
    expected = [key for key in exact.get("score", 2)[0].tolist() if key[0] in large]
    assert shown.get("score", 2)[0].tolist() == expected


def test_a_statistic_without_a_rule_is_not_released() -> None:
    with pytest.raises(KeyError):
        release(_sums([("a", 0, 0, None, 100)]), {}, _MIN_CELL)


def test_keys_of_other_width_are_refused() -> None:
    sums = _sums([("a", 0, 0, None, 100)])
    with pytest.raises(ValueError, match="keys of 2 and 3 numbers"):
        sums.put("a", [[1, 2, 3]], [1])
    with pytest.raises(OmopsqlError, match="keys of statistic 'a' have 2 numbers, not 3"):
        sums.get("a", 3)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(OmopsqlError, match="patients is no model of a hospital"):
        Sums.from_table(pa.table({"n": [1]}), "patients")
    with pytest.raises(OmopsqlError, match="m is no model of a hospital: it has 0 rows"):
        Header.of(Sums(), "m")


def test_a_header_of_another_format_is_refused() -> None:
    sums = Sums()
    sums.put(HEADER, np.zeros((1, 0)), [5], pa.array(['{"format": 99, "omopsql": "9"}']))
    with pytest.raises(OmopsqlError, match="made by omopsql 9 in format 99"):
        Header.of(sums, "m")


# Whole hospitals


@pytest.fixture
def parts(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """One hospital of 120 persons, and the same persons in three."""
    made.make_hospital(con, "pooled", 120)
    for name, persons, first in (("a", 50, 1), ("b", 64, 51), ("c", 6, 115)):
        made.make_hospital(con, name, persons, first)
    return con


def test_two_rounds_of_three_hospitals_count_what_one_fit_counts(parts: duckdb.DuckDBPyConnection) -> None:
    second = second_rounds(parts, "abc", 120)
    pooled = fit(parts.cursor(), "pooled", for_merge=True)[0]
    assert Sums.merged(map(bare, second)).to_table().equals(bare(pooled).to_table())
    assert {Header.of(Sums.from_table(table, "m"), "m").margins for table in [*second, pooled]} == {
        Header.of(Sums.from_table(pooled, "m"), "m").margins
    }


def test_one_fit_equals_itself_and_holds_no_small_cell(parts: duckdb.DuckDBPyConnection) -> None:
    model, said = fit(parts.cursor(), "pooled")
    assert fit(parts.cursor(), "pooled")[0].equals(model)
    assert said == []
    small = [row for row in model.to_pylist() if RULES[row["statistic"]].counts_persons and row["n"] < 10]
    assert small == []


def test_exact_sums_make_no_persons(parts: duckdb.DuckDBPyConnection) -> None:
    exact = fit(parts.cursor(), "pooled", for_merge=True)[0]
    with pytest.raises(OmopsqlError, match="the model holds exact sums, for addition only"):
        Hospital(exact)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_cell": 0}, "min_cell is 0"),
        ({"margins_only": True}, "margins_only is for merging"),
        ({"margins": Sums(), "for_merge": True, "margins_only": True}, "say one of both"),
        (
            {"margins": Header(9, "5.4", 10, private=True, round=2).sums(), "for_merge": True},
            "no exact sums of a first",
        ),
        ({"margins": Header(9, "5.3", 10, private=True, round=1).sums(), "for_merge": True}, "margins are of CDM 5.3"),
    ],
)
def test_options_that_do_not_fit(parts: duckdb.DuckDBPyConnection, options: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(OmopsqlError, match=message):
        fit(parts.cursor(), "pooled", **options)


def test_order_of_rows_and_names_of_persons_change_nothing(parts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    model = fit(parts.cursor(), "pooled")[0]
    parts.execute("CREATE SCHEMA renamed")
    for (table,) in parts.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'pooled'").fetchall():
        has_person = parts.execute(
            f"SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'pooled' AND table_name = '{table}' "
            "AND column_name = 'person_id'"
        ).fetchall()[0][0]
        renamed = "* REPLACE (7000 - person_id * 17 % 1009 AS person_id)" if has_person else "*"
        parts.execute(f"CREATE TABLE renamed.{table} AS SELECT {renamed} FROM pooled.{table} ORDER BY 1 DESC")
    assert fit(parts.cursor(), "renamed")[0].equals(model)
