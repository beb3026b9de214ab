"""Episodes follow the synthetic records as those of the source follow its own, and hold such records."""

from __future__ import annotations

from pathlib import Path

import hospital_cdm as made
import hospital_episodes as cancers
import numpy as np
import pytest
from hospital_twins import Twins, bare, of_layer, second_rounds, with_noise

import omopsql
from omopsql.synth.hospital import episodes as layer
from omopsql.synth.hospital.counting import representing
from omopsql.synth.hospital.fit import fit
from omopsql.synth.hospital.sums import Sums
from omopsql.udfs import courses as kernel

SOURCE, SYNTHETIC, SEED = 800, 2000, 5
LEVELS = (cancers.DISEASE, cancers.REGIMEN, cancers.CYCLE)


@pytest.fixture(scope="module")
def twins() -> Twins:
    """A hospital where two of five persons have episodes of a cancer."""
    con = omopsql.connect()
    made.make_hospital(con, persons=SOURCE)
    cancers.add_episodes(con)
    return Twins(con, SYNTHETIC, SEED)


def _near(twins: Twins, sql: str, tolerance: float) -> None:
    real, found = twins.by_key(sql)
    assert real
    far = {key: (real.get(key, 0.0), found.get(key, 0.0)) for key in real | found}
    assert not {key: pair for key, pair in far.items() if abs(pair[0] - pair[1]) > tolerance}


_NESTED = """
    SELECT child.*, parent.episode_start_date AS parent_start, parent.episode_end_date AS parent_end,
        parent.episode_concept_id AS parent_concept, parent.episode_object_concept_id AS parent_object,
        parent.person_id AS parent_person
    FROM {0}.episode AS child LEFT JOIN {0}.episode AS parent ON parent.episode_id = child.episode_parent_id
"""
_RECORDS = " UNION ALL ".join(
    f"SELECT person_id, {table}_id AS event_id, {field} AS field, {day} AS day, {concept} AS concept FROM {{0}}.{table}"
    for table, field, day, concept in (
        ("condition_occurrence", cancers.CONDITION_ID, "condition_start_date", "condition_concept_id"),
        ("drug_exposure", cancers.DRUG_ID, "drug_exposure_start_date", "drug_concept_id"),
        ("procedure_occurrence", cancers.PROCEDURE_ID, "procedure_date", "procedure_concept_id"),
        ("measurement", cancers.MEASUREMENT_ID, "measurement_date", "measurement_concept_id"),
    )
)
_EVENTS = f"""
    SELECT episode.*, record.person_id AS of_person, record.day, record.concept
    FROM {{0}}.episode_event JOIN {{0}}.episode USING (episode_id)
    LEFT JOIN ({_RECORDS}) AS record USING (event_id)
    WHERE record.field = episode_event_field_concept_id OR record.field IS NULL
"""


# Episodes


def test_as_many_persons_have_a_disease(twins: Twins) -> None:
    share = f"""
        SELECT episode_object_concept_id, count(DISTINCT person_id) / (SELECT count(*) FROM {{0}}.person)
        FROM {{0}}.episode WHERE episode_concept_id = {cancers.DISEASE} GROUP BY ALL
    """
    _near(twins, share, 0.04)


def test_who_has_a_drug_has_its_regimen_as_often(twins: Twins) -> None:
    """Nobody has a regimen without its first drug; of all who have that drug, as many have the regimen."""
    drugs = ", ".join(f"({regimen}, {drugs[0]})" for regimen, drugs in cancers.DRUGS.items())
    share = f"""
        WITH taken AS (
            SELECT DISTINCT regimen, person_id FROM {{0}}.drug_exposure
            JOIN (VALUES {drugs}) AS d (regimen, drug) ON drug = drug_concept_id
        ), treated AS (
            SELECT DISTINCT episode_object_concept_id AS regimen, person_id FROM {{0}}.episode
            WHERE episode_concept_id = {cancers.REGIMEN}
        )
        SELECT regimen, avg((treated.person_id IS NOT NULL)::INT)
        FROM taken FULL JOIN treated USING (regimen, person_id) GROUP BY ALL
    """
    _near(twins, share, 0.15)
    ((without,),) = twins.con.execute(
        f"SELECT count(*) FROM made.episode JOIN (VALUES {drugs}) AS d (regimen, drug) ON regimen = "
        f"episode_object_concept_id WHERE episode_concept_id = {cancers.REGIMEN} AND NOT EXISTS (FROM "
        "made.drug_exposure AS record WHERE record.person_id = episode.person_id AND drug_concept_id = drug "
        "AND drug_exposure_start_date = episode_start_date)"
    ).fetchall()
    assert without == 0


def test_diseases_begin_at_the_first_record_and_some_go_on(twins: Twins) -> None:
    begins = f"""
        SELECT episode_start_date - (SELECT min(condition_start_date) FROM {{0}}.condition_occurrence AS record
            WHERE record.person_id = episode.person_id AND condition_concept_id = episode_object_concept_id) AS days,
            count(*) / (SELECT count(*) FROM {{0}}.episode WHERE episode_concept_id = {cancers.DISEASE})
        FROM {{0}}.episode WHERE episode_concept_id = {cancers.DISEASE} GROUP BY ALL HAVING count(*) > 3
    """
    real, found = twins.by_key(begins)
    assert set(real) == set(found) == {(0,), (6,)}
    assert abs(real[0,] - found[0,]) < 0.05
    _near(twins, "SELECT episode_concept_id, avg((episode_end_date IS NULL)::INT) FROM {0}.episode GROUP BY ALL", 0.06)


def test_lengths_are_those_of_the_source(twins: Twins) -> None:
    days = "episode_end_date - episode_start_date"
    for quantile in (0.25, 0.5, 0.75):
        length = f"SELECT episode_concept_id, quantile_cont({days}, {quantile}) FROM {{0}}.episode GROUP BY ALL"
        real, found = twins.by_key(length)
        assert found[cancers.CYCLE,] == real[cancers.CYCLE,] == 20
        assert abs(found[cancers.REGIMEN,] - real[cancers.REGIMEN,]) <= 22  # days: one cycle
        assert abs(found[cancers.DISEASE,] / real[cancers.DISEASE,] - 1) < 0.15


def test_parents_are_of_the_person_and_hold_their_children(twins: Twins) -> None:
    real, found = twins.by_key(f"SELECT episode_concept_id, parent_concept, count(*) FROM ({_NESTED}) GROUP BY ALL")
    assert set(real) == set(found)
    ((strangers, early),) = twins.con.execute(
        f"SELECT count(*) FILTER (parent_person <> person_id), count(*) FILTER (episode_start_date < parent_start) "
        f"FROM ({_NESTED.format('made')}) WHERE episode_parent_id IS NOT NULL"
    ).fetchall()
    assert (strangers, early) == (0, 0)
    held = f"""
        SELECT episode_concept_id, avg((coalesce(episode_end_date, DATE '2100-01-01')
            <= coalesce(parent_end, DATE '2100-01-01'))::INT)
        FROM ({_NESTED}) WHERE parent_start IS NOT NULL GROUP BY ALL
    """
    _near(twins, held, 0.02)


def test_children_are_as_many_and_numbered_in_order(twins: Twins) -> None:
    number = """
        SELECT episode_concept_id, avg(children) FROM (
            SELECT parent.episode_id, parent.episode_concept_id, count(child.episode_id) AS children
            FROM {0}.episode AS parent LEFT JOIN {0}.episode AS child ON child.episode_parent_id = parent.episode_id
            GROUP BY ALL)
        GROUP BY ALL
    """
    _near(twins, number, 0.8)
    ((wrong,),) = twins.con.execute(
        "SELECT count(*) FROM (SELECT episode_number, row_number() OVER (PARTITION BY episode_parent_id "
        "ORDER BY episode_start_date) AS place FROM made.episode WHERE episode_parent_id IS NOT NULL) "
        "WHERE episode_number IS DISTINCT FROM place"
    ).fetchall()
    assert wrong == 0
    assert twins.con.execute(
        f"SELECT count(episode_number) FROM made.episode WHERE episode_concept_id = {cancers.DISEASE}"
    ).fetchall() == [(0,)]


def test_regimens_are_those_of_their_disease_and_cycles_of_their_regimen(twins: Twins) -> None:
    pairs = f"""
        SELECT parent_object, episode_object_concept_id, count(DISTINCT person_id) / (SELECT count(*) FROM {{0}}.person)
        FROM ({_NESTED}) WHERE parent_object IS NOT NULL AND episode_number = 1 GROUP BY ALL
    """
    real, found = twins.by_key(pairs)
    assert set(found) == set(real)


def test_what_else_is_told_fits_the_object(twins: Twins) -> None:
    told = """
        SELECT DISTINCT episode_concept_id, episode_object_concept_id, episode_type_concept_id, episode_source_value
        FROM {}.episode ORDER BY ALL
    """
    assert twins.con.execute(told.format("made")).fetchall() == twins.con.execute(told.format("cdm")).fetchall()


def test_episodes_lie_in_the_observed_life(twins: Twins) -> None:
    ((outside, dead),) = twins.con.execute(
        """
        SELECT count(*) FILTER (episode_start_date < observation_period_start_date
            OR coalesce(episode_end_date, episode_start_date) > observation_period_end_date
            OR episode_end_date < episode_start_date),
            count(*) FILTER (greatest(episode_start_date, episode_end_date) > death_date)
        FROM made.episode JOIN made.observation_period USING (person_id) LEFT JOIN made.death USING (person_id)
        """
    ).fetchall()
    assert (outside, dead) == (0, 0)


# What they hold


def test_events_are_records_of_the_person_as_often_within_the_episode(twins: Twins) -> None:
    ((events,),) = twins.con.execute("SELECT count(*) FROM made.episode_event").fetchall()
    found = twins.con.execute(
        f"SELECT count(*), count(*) FILTER (of_person = person_id) FROM ({_EVENTS.format('made')})"
    )
    assert found.fetchall() == [(events, events)]
    assert events > 5 * SYNTHETIC
    inside = f"""
        SELECT episode_concept_id, avg((day >= episode_start_date AND day <= coalesce(episode_end_date, day))::INT)
        FROM ({_EVENTS}) GROUP BY ALL
    """
    real, _ = twins.by_key(inside)
    assert real[cancers.DISEASE,] < 0.98
    _near(twins, inside, 0.02)


def test_episodes_hold_as_many_records_of_each_concept(twins: Twins) -> None:
    """Of the concepts of the source; of the records of drugs, as many as there are in synthetic regimens."""
    held = f"""
        SELECT episode_concept_id, concept, count(*) / first(episodes)
        FROM ({_EVENTS}) JOIN (SELECT episode_concept_id, count(*) AS episodes FROM {{0}}.episode GROUP BY ALL)
            USING (episode_concept_id)
        GROUP BY ALL
    """
    real, found = twins.by_key(held)
    assert set(real) == set(found)
    for key in ((cancers.DISEASE, cancers.COLON), (cancers.DISEASE, cancers.SURGERY)):
        assert abs(found[key] / real[key] - 1) < 0.15, key
    of_all = f"""
        SELECT episode_concept_id, concept, count(event.event_id) / count(*) FROM {{0}}.episode AS episode
        JOIN ({_RECORDS}) AS record ON record.person_id = episode.person_id
            AND day BETWEEN episode_start_date AND coalesce(episode_end_date, day)
        LEFT JOIN {{0}}.episode_event AS event ON event.episode_id = episode.episode_id
            AND event.event_id = record.event_id AND field = episode_event_field_concept_id
        WHERE concept >= 4000 GROUP BY ALL HAVING count(*) > 300
    """
    real, found = twins.by_key(of_all)
    assert {key for key, share in real.items() if share > 0} == {key for key, share in found.items() if share > 0}
    assert not {key: share for key, share in found.items() if abs(share - real.get(key, share)) > 0.1}
    assert abs(found[cancers.CYCLE, cancers.MARKER] - real[cancers.CYCLE, cancers.MARKER]) < 0.05


def test_a_record_is_held_once_by_an_episode(twins: Twins) -> None:
    ((distinct,),) = twins.con.execute("SELECT count(*) FROM (SELECT DISTINCT * FROM made.episode_event)").fetchall()
    assert twins.con.execute("SELECT count(*) FROM made.episode_event").fetchall() == [(distinct,)]


# As every table


def test_no_check_fails_that_the_source_passes(twins: Twins, tmp_path: Path) -> None:
    assert [check for check in twins.newly_failed(tmp_path) if check[1].startswith("episode")] == []


def test_a_person_is_the_same_alone_and_among_many(twins: Twins) -> None:
    with_episodes = np.unique(twins.synthetic["episode"]["person_id"].to_numpy())[:3].tolist()
    for numbers in (with_episodes[:1], with_episodes, [1, *with_episodes]):
        alone = twins.same_alone({*numbers}, ["episode_event", "episode"])
        assert min(rows.num_rows for rows in alone.values()) > 0


def test_no_small_cell_is_released_and_each_is_told_in_words(twins: Twins) -> None:
    unused = {"episodes.first", "episodes.more"}  # here a record begins every episode
    assert twins.released_in_words("episodes") == set(layer.RULES) - unused
    assert all(rule.counts_persons for rule in layer.RULES.values())


def test_three_sites_add_up_to_the_whole() -> None:
    """One of them has no table of episodes."""
    con = omopsql.connect()
    for name, persons, first in (("a", 70, 1), ("b", 130, 71), ("c", 1, 201), ("whole", 200, 1)):
        made.make_hospital(con, name, persons, first)
        cancers.add_episodes(con, name)
    con.execute("INSERT INTO whole.person BY NAME FROM c.person")
    for table in ("observation_period", "visit_occurrence", "condition_occurrence", "drug_exposure", "measurement"):
        con.execute(f"INSERT INTO whole.{table} BY NAME FROM c.{table}")
    con.execute("DROP TABLE c.episode; DROP TABLE c.episode_event")
    second = second_rounds(con, "abc", 201)
    pooled = fit(con.cursor(), "whole", for_merge=True)[0]
    own = of_layer(pooled, "episodes")
    assert len(own) > 20
    added = Sums.merged(map(bare, second)).only(own).to_table()
    assert added.equals(bare(pooled).only(own).to_table())


def test_order_of_rows_and_keys_change_nothing(twins: Twins) -> None:
    con = twins.source.cursor()
    con.execute("CREATE SCHEMA renamed")
    for (table,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'cdm'").fetchall():
        con.execute(f"CREATE TABLE renamed.{table} AS FROM cdm.{table} ORDER BY 1 DESC")
    con.execute(
        "UPDATE renamed.episode SET episode_id = 7 * episode_id % 10000019, "
        "episode_parent_id = 7 * episode_parent_id % 10000019"
    )
    con.execute("UPDATE renamed.episode_event SET episode_id = 7 * episode_id % 10000019")
    own = of_layer(twins.model, "episodes")
    again = bare(fit(con, "renamed")[0])
    assert again.only(own).to_table().equals(bare(twins.model).only(own).to_table())


def test_under_noise_episodes_are_left_out(twins: Twins) -> None:
    """Nothing of them is counted, so nothing exact can be released."""
    noisy = with_noise(twins.source, 200.0, 12)
    assert of_layer(noisy, "episodes") == []
    told = Sums.from_table(noisy, "m")
    assert not {"episode", "episode_event"} & set(map(str, told.labels("attributes.tables")))
    assert not (told.get("items", 2)[0][:, 0] == 8).any()


def test_a_hospital_without_episodes_learns_nothing_of_them() -> None:
    with omopsql.connect() as con:
        made.make_hospital(con)
        assert of_layer(fit(con.cursor(), "cdm")[0], "episodes") == []


# Opportunities, on paper


_KINDS = (
    np.array([0, 3]),  # reach
    np.array([0, 0]),  # level
    np.array([[True], [False]]),
)
_OF_ITEM = (np.array([0, 1, 2]), np.array([0, 1]))  # item i begins kind i


def test_opportunities_are_days_that_no_episode_of_the_kind_covers() -> None:
    """Kind 0 on days 1, 5, 7 and 20, kind 1 on days 6 and 30; episodes of 0 from day 5 to 9, of 1 from day 32 on."""
    scopes = tuple(np.array([value]) for value in (0, 0, 40, 0))
    records = np.array([0, 6]), np.array([1, 5, 6, 7, 20, 30]), np.array([0, 0, 1, 0, 0, 1])
    episodes = np.array([0, 2]), np.array([5, 32]), np.array([9, kernel.OPEN]), np.array([0, 1])
    found, anchors = np.zeros((9, 6), np.int64), np.full(2, kernel.NO_DAY)
    rows = kernel.opportunities(scopes, records, _OF_ITEM, _KINDS, episodes, found, anchors)
    assert anchors.tolist() == [5, 30]
    assert found[:rows].tolist() == [
        [0, 0, 0, 0, 0, 0],  # day 1 is passed over
        [0, 0, 0, 0, 1, 1],  # day 5 begins one, which covers day 7
        [0, 1, 2, 0, 0, 0],  # day 6 lies in one of the other kind
        [0, 0, 0, 1, 0, 0],  # day 20 comes after one
        [0, 1, 0, 0, 1, 1],
    ]


def test_records_that_begin_a_child_are_part_of_an_opportunity() -> None:
    """Kind 1 lies in kind 0; its record on day 9 follows the first opportunity of kind 0, and not the second."""
    kinds = np.array([0, 0]), np.array([0, 1]), np.array([[True, False], [False, True], [False, False]])
    scopes = tuple(np.array([value]) for value in (0, 0, 40, 0))
    records = np.array([0, 3]), np.array([1, 9, 20]), np.array([0, 1, 0])
    nothing = np.zeros(0, np.int64)
    found = np.zeros((9, 6), np.int64)
    rows = kernel.opportunities(
        scopes, records, _OF_ITEM, kinds, (np.array([0, 0]), nothing, nothing, nothing), found, nothing
    )
    assert found[:rows, [1, 2]].tolist() == [[0, 1], [0, 0]]


def test_one_row_of_each_person_and_key_is_chosen_by_its_hash() -> None:
    person, key = np.array([0, 0, 0, 1, 1]), np.array([5, 5, 6, 5, 5])
    hashes = np.array([9, 3, 4, 1, 2], np.uint64)
    assert representing(person, hashes, key).tolist() == [1, 2, 3]


@pytest.mark.parametrize(("most", "expected"), [(9, 12 / 18), (3, 1.0), (6, 12 / 15)])
def test_days_are_drawn_as_often_as_the_histogram_says(most: int, expected: float) -> None:
    """Of 12 persons with 0 to 3 days and 8 with 4 to 11, as far as ``most`` allows."""
    histogram = np.array([0, 2]), np.array([0, 4]), np.array([3, 11]), np.array([12, 8])
    state, drawn = np.uint64(1), []
    for _ in range(4000):
        state, days = kernel._drawn(histogram, 0, most, np.uint64(state))
        drawn.append(days)
    assert (min(drawn), max(drawn)) == (0, most)
    assert abs(np.mean(np.array(drawn) < 4) - expected) < 0.03
