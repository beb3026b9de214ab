"""The gates of a synthetic hospital: their measures on data whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.hospital import (
    event_metrics,
    folders,
    histories,
    measurement_metrics,
    page,
    privacy_metrics,
    survival_metrics,
    table,
)
from benchmarks.hospital.distances import Score, ks, r_squared
from omopsql.evaluate.cdm.histories import Histories, People
from omopsql.udfs.sequences import same_day, transitions


def _persons(n: int, seed: int) -> Histories:
    """Persons with drug 0 every half a year and often a panel, 1 and 2, on its day, or else drug 3 and its effect 4.

    Nobody has both drugs. Everyone has some of the items 5 to 34 on other days.
    """
    rng = np.random.default_rng(seed)
    others = 1 / np.arange(1, 31)
    records = []
    for person in range(n):
        start = int(rng.integers(1000, 9000))
        if rng.random() < 0.5:
            days = start + np.arange(rng.integers(2, 6)) * 182
            records += [(person, day, item) for day in days for item in (0, 1, 2) if rng.random() < 1 - item / 5]
        else:
            records += [(person, start, 3)] + [(person, start + 30, 4)] * int(rng.random() < 0.5)
        for item in rng.choice(30, rng.integers(8, 18), p=others / others.sum()):
            records.append((person, rng.integers(15000), item + 5))
    person, t, item = np.array(sorted(records)).T
    offsets = np.searchsorted(person, np.arange(n + 1))
    born, length, none = rng.integers(1930, 1990, n).astype(float), rng.integers(15000, 25000, n), np.zeros(n, np.int64)
    people = People(
        person_id=np.arange(n), group=none, sex=rng.integers(0, 2, n), race=np.full(n, histories.WHITE), ethnicity=none,
        by=born, origin=none, start=none, len=length, death=none - 1,
    )  # fmt: skip
    return Histories(people, offsets, item, t)


def _shuffled(persons: Histories, seed: int) -> Histories:
    """The same records, each with an item and a day of someone else."""
    rng = np.random.default_rng(seed)
    item, t = rng.permutation(persons.item), rng.permutation(persons.t)
    order = np.lexsort((item, t, persons.person))
    return Histories(persons.people, persons.offsets, item[order], t[order])


def _missed(gates: tuple[table.Gate, ...], scores: dict[str, Score]) -> set[str]:
    return {line.gate.measure for line in table.lines(gates, [scores]) if line.verdict == table.MISSED}


def test_others_of_the_same_kind_are_as_near_as_the_real_half() -> None:
    scores = event_metrics.judge(_persons(800, 1), _persons(800, 2), _persons(3200, 3))
    shares = {name: scores[name] for name in (gate.measure for gate in table.EVENTS) if name.endswith("_r2")}
    assert not [name for name, score in shares.items() if score.value < score.own - 0.05]
    assert 0.45 < scores["c2st"].value < 0.55
    assert 0.45 < scores["c2st_rich"].value < 0.55
    assert not _missed(table.EVENTS, scores) & {"nearer_to_train", "membership_auc", "exact", "exclusive_violated"}
    assert scores["exclusive_pairs"].value >= 4


def test_shuffled_persons_miss_what_the_shuffle_destroys() -> None:
    real = _persons(800, 1), _persons(800, 2)
    missed = _missed(table.EVENTS, event_metrics.judge(*real, _shuffled(_persons(3200, 3), 4)))
    assert {"same_day_r2", "pair_log_lift_r2", "gap_ks", "c2st", "c2st_rich", "exclusive_violated"} <= missed


def test_copies_of_the_fitted_persons_are_seen() -> None:
    train = _persons(300, 1)
    scores = event_metrics.judge(train, _persons(300, 2), train)
    assert {"membership_auc", "exact"} <= _missed(table.EVENTS, scores)
    assert scores["exact"].value == 300


def test_pairs_of_a_day_and_of_a_year() -> None:
    offsets, item, t = np.array([0, 4, 6]), np.array([0, 1, 0, 2, 0, 2]), np.array([10, 10, 20, 400, 5, 6])
    assert same_day(offsets, item, t, 3).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    records, persons = transitions(offsets, item, t, 3, 385)
    assert records.tolist() == [[1, 0, 2], [1, 0, 0], [0, 0, 0]]
    assert persons.tolist() == [[1, 0, 1], [1, 0, 0], [0, 0, 0]]


def test_transitions_agree_with_a_walk_through_all_pairs() -> None:
    persons = _persons(40, 5)
    expected = np.zeros((35, 35), np.int64)
    for start, end in zip(persons.offsets, persons.offsets[1:], strict=False):
        for i in range(start, end):
            later = (persons.t[i + 1 : end] > persons.t[i]) & (persons.t[i + 1 : end] <= persons.t[i] + 365)
            expected[persons.item[i], np.unique(persons.item[i + 1 : end][later])] += 1
    assert (transitions(persons.offsets, persons.item, persons.t, 35, 365)[0] == expected).all()


def test_distances() -> None:
    assert ks(np.array([1.0, 2.0, np.nan]), np.array([2.0, 3.0])) == 0.5
    assert ks(np.array([1.0]), np.array([])) == 1.0
    assert np.isnan(ks(np.array([]), np.array([1.0])))
    assert r_squared(np.array([0.0, 2.0]), np.array([0.0, 1.0])) == 0.5
    assert np.isnan(r_squared(np.array([1.0, 1.0]), np.array([1.0, 1.0])))


def test_nearness_counts_ties_half() -> None:
    train, holdout = np.array([[0.0], [10.0]]), np.array([[2.0], [30.0]])
    near = privacy_metrics.nearness(train, holdout, np.array([[1.0], [0.5], [9.0], [29.0]]))
    assert near["nearer_to_train"][0] == 2.5 / 4
    assert near["exact"][0] == 0.0


def _person_ids(con: duckdb.DuckDBPyConnection, cdm: Path) -> list[tuple[int]]:
    return con.execute(f"SELECT person_id FROM '{cdm}/person.parquet'").fetchall()


def test_split_halves_hold_every_person_once(tmp_path: Path) -> None:
    cdm = tmp_path / "cdm"
    cdm.mkdir()
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT i AS person_id, 8507 AS gender_concept_id FROM range(200) AS r (i)) "
                    f"TO '{cdm}/person.parquet'")  # fmt: skip
        con.execute(f"COPY (SELECT i AS note_id, i // 2 AS person_id FROM range(400) AS r (i)) TO '{cdm}/note.parquet'")
        con.execute(
            f"COPY (SELECT i AS note_nlp_id, i AS note_id FROM range(400) AS r (i)) TO '{cdm}/note_nlp.parquet'"
        )
        con.execute(f"COPY (SELECT 1 AS concept_id) TO '{cdm}/concept.parquet'")
        halves = folders.split(cdm, tmp_path / "halves", 1)
        numbers = [folders.persons(half) for half in halves]
        assert sum(numbers) == 200
        assert 60 < numbers[0] < 140
        chosen = [_person_ids(con, half) for half in (halves[0], folders.split(cdm, tmp_path / "again", 2)[0])]
        assert chosen[0] != chosen[1]
        for half, persons in zip(halves, numbers, strict=True):
            notes = f"SELECT count(*) FROM '{half}/note.parquet' SEMI JOIN '{half}/person.parquet' USING (person_id)"
            assert con.execute(notes).fetchall() == [(2 * persons,)]
            assert con.execute(f"SELECT count(*) FROM '{half}/note_nlp.parquet'").fetchall() == [(2 * persons,)]
            assert con.execute(f"SELECT * FROM '{half}/concept.parquet'").fetchall() == [(1,)]


def test_histories_of_a_cdm(tmp_path: Path) -> None:
    rows = {
        "person": "SELECT 7 AS person_id, 8507 AS gender_concept_id, 8527 AS race_concept_id, 1950 AS year_of_birth, "
        "7 AS month_of_birth, 1 AS day_of_birth, NULL::TIMESTAMP AS birth_datetime "
        "UNION ALL SELECT 9, 8532, 0, 1960, NULL, NULL, TIMESTAMP '1960-02-01 03:00:00'",
        "observation_period": "SELECT 7 AS person_id, DATE '1950-07-03' AS observation_period_start_date, "
        "DATE '1950-07-11' AS observation_period_end_date "
        "UNION ALL SELECT 9, DATE '1960-02-01', DATE '1960-03-01'",
        "condition_occurrence": "SELECT 7 AS person_id, 201 AS condition_concept_id, "
        "unnest([DATE '1950-07-31', DATE '1949-01-01']) AS condition_start_date",
    }
    with duckdb.connect() as con:
        for name, select in rows.items():
            con.execute(f"COPY ({select}) TO '{tmp_path / name}.parquet'")
    (read,), items = histories.read([tmp_path])
    people = read.people
    assert read.offsets.tolist() == [0, 2, 2]
    assert read.t.tolist() == [0, 10]
    assert (people.sex.tolist(), people.by.tolist(), people.len.tolist()) == ([1, 0], [1950, 1960], [10, 29])
    assert (people.start.tolist(), people.death.tolist()) == ([2, 0], [-1, -1])
    assert items.names() == [("condition_occurrence", 201)]


def _stays(patients: int, seed: int, within: float = 0.3) -> measurement_metrics.Stays:
    """Two variables every hour for a day: a patient's level, shared by both, and noise; high levels die."""
    rng = np.random.default_rng(seed)
    level = rng.standard_normal(patients)
    patient, variable, minute = (x.ravel() for x in np.meshgrid(range(patients), range(2), range(24), indexing="ij"))
    value = level[patient] + within * rng.standard_normal(patient.size)
    is_dead = rng.random(patients) < 1 / (1 + np.exp(2 - 2 * level))
    return measurement_metrics.Stays(
        patient, variable, 60 * minute, value, 2, rng.normal(60, 10, patients), np.zeros(patients, np.int64), is_dead
    )


def test_measurements_of_the_same_kind_differ_as_halves_do() -> None:
    scores = measurement_metrics.judge(_stays(600, 1), _stays(600, 2), _stays(2400, 3))
    assert abs(scores["ks_mean"].value - scores["ks_mean"].own) < 0.05
    assert scores["lag_1"].value < 0.02
    assert abs(scores["death_trees"].value) < 0.05
    assert 0.4 < scores["c2st"].value < 0.6


def test_noisier_measurements_are_seen() -> None:
    scores = measurement_metrics.judge(_stays(600, 1), _stays(600, 2), _stays(2400, 3, within=2.0))
    missed = _missed(table.MEASUREMENTS, scores)
    assert {"intraclass", "lag_1", "ks_max_excess", "c2st"} <= missed


def test_intraclass_correlation_is_that_of_the_variance() -> None:
    stays = _stays(2000, 1, within=1.0)
    shares = measurement_metrics.Course(stays, stays).intraclass()
    assert shares == pytest.approx(0.5, abs=0.03)


def _cohort(persons: int, seed: int, log_ratio: float) -> survival_metrics.Cohort:
    rng = np.random.default_rng(seed)
    gene = rng.random((persons, 2)) < 0.4
    age = rng.uniform(40, 80, persons)
    death = rng.exponential(1000 * np.exp(-log_ratio * gene[:, 0] - 0.03 * (age - 60)))
    end = rng.uniform(100, 2000, persons)
    days = np.ceil(np.minimum(death, end) / 30)
    return survival_metrics.Cohort(days, death < end, age, np.zeros((persons, 0), bool), gene)


def test_cox_finds_the_hazard_ratio() -> None:
    cohort = _cohort(20000, 1, 0.7)
    beta, error = survival_metrics.cox(cohort.days, cohort.is_dead, np.column_stack([cohort.genes[:, 0], cohort.age]))
    assert beta == pytest.approx([0.7, 0.03], abs=0.04)
    assert 0.01 < error[0] < 0.03


def test_cox_of_tied_deaths_is_efrons() -> None:
    days, is_dead, x = np.array([1.0, 1.0, 2.0, 3.0]), np.array([True, True, True, False]), np.array([1.0, 0, 1, 0])
    beta, _ = survival_metrics.cox(days, is_dead, x[:, None])
    grid = np.linspace(-3, 3, 600001)
    both = np.exp(grid)
    likelihood = 2 * grid - np.log(2 * both + 2) - np.log(2 * both + 2 - (both + 1) / 2) - np.log(both + 1)
    assert beta[0] == pytest.approx(grid[likelihood.argmax()], abs=1e-4)


def test_kaplan_meier_of_four() -> None:
    days, is_dead = np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True])
    curve = survival_metrics.kaplan_meier(days, is_dead, np.array([0.0, 1.0, 2.5, 3.0]))
    assert curve == pytest.approx([1.0, 0.75, 0.5, 0.0])


def test_other_survival_is_seen() -> None:
    real = _cohort(800, 1, 0.7), _cohort(800, 2, 0.7)
    same = survival_metrics.judge(*real, _cohort(3200, 3, 0.7))
    other = survival_metrics.judge(*real, _cohort(3200, 3, -0.7))
    assert same["survival_within"].value == 1.0
    assert other["survival_within"].value < 1.0
    assert other["hazard_inside"].value < same["hazard_inside"].value


def test_verdicts() -> None:
    high, low = table.Gate("a", "a", high=0.1), table.Gate("b", "b", low=0.9)
    scores = [
        {"a": Score(0.2, own=0.3), "b": Score(0.5, own=0.6)},
        {"a": Score(0.1, own=0.3), "b": Score(0.5, own=0.6)},
    ]
    assert [line.verdict for line in table.lines((high, low), scores)] == [table.AS_REAL, table.MISSED]
    bound = table.Gate("a", "a", high=0.5, by_bound=True)
    (line,) = table.lines((bound,), scores)
    assert line.value == pytest.approx(0.15)
    assert line.bound == pytest.approx(0.15 + 6.3138 * 0.05, abs=1e-3)


def test_a_table_stands_in_its_place_of_a_page_as_often_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("Before\n<!-- a of b -->\n<!-- end -->\nBetween\n<!-- c of b -->\nstays\n<!-- end -->\n")
    gates = (table.Gate("a", "words", high=0.1), table.Gate("b", "nothing of it", low=0.9))
    for value in (0.2, 0.05):
        page.put(path, "a of b", 1, list(table.lines(gates, [{"a": Score(value, own=0.03)}])))
    text = path.read_text()
    assert "| words | ≤ 0.1 | 0.05 |  | 0.03 | met |\n\n1 of 1 are reached, by the mean of one split.\n<!--" in text
    assert "0.2" not in text
    assert "nothing of it" not in text
    assert text.endswith("Between\n<!-- c of b -->\nstays\n<!-- end -->\n")
    with pytest.raises(ValueError, match=r"write <!-- d of b --> and <!-- end -->"):
        page.put(path, "d of b", 1, [])


def _written(path: Path, rows: list[tuple[str, list[int], int]]) -> Path:
    statistic, key, n = zip(*rows, strict=True)
    pq.write_table(pa.table([statistic, pa.array(key, pa.list_(pa.int64())), n], names=["statistic", "key", "n"]), path)
    return path


def test_small_cells_are_counted(tmp_path: Path) -> None:
    """Numbers of persons are judged by themselves, sums by their persons, and facts not at all."""
    rows = [
        ("hospital", [], 40),
        ("people.sex", [8507], 31),
        ("people.sex", [8532], 9),
        ("items.left_out", [4, 7], 0),
        ("values.repeated", [5], 10),
        ("values.again", [5, 0], -70),
        ("values.again", [5, 1], 3),
    ]
    assert folders.small_cells(_written(tmp_path / "m.parquet", rows), 10) == 1
    rows += [("values.repeated", [6], 9), ("values.again", [6, 0], 900), ("values.again", [7, 0], 900)]
    assert folders.small_cells(_written(tmp_path / "more.parquet", rows), 10) == 4


def test_halves_of_real_persons_are_as_near_as_real(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    fit, judged = folders.split(data_folder("cdm/gibleed_5.3"), tmp_path, 1)
    (a, b), items = histories.read([fit, judged])
    scores = event_metrics.judge(a, b, a, items, classify=False)
    judged_measures = [line for line in table.lines(table.EVENTS, [scores]) if line.gate.measure in scores]
    assert not [line for line in judged_measures if line.verdict == table.MISSED and line.gate.measure.endswith("r2")]
