"""Synthetic people are like the people that were counted, one by one and together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import duckdb
import hospital_cdm as made
import numpy as np
import pytest
from scipy.stats import ks_2samp

from omopsql.synth.hospital import people as layer
from omopsql.synth.hospital.fit import released
from omopsql.synth.hospital.histograms import Histograms, bands
from omopsql.synth.hospital.lives import People
from omopsql.synth.hospital.plan import Plan
from omopsql.synth.hospital.reading import Site
from omopsql.synth.hospital.release import release
from omopsql.synth.hospital.sums import Sums

_MIN_CELL = 10


def _some(people: People, chosen: np.ndarray) -> People:
    return People(*(getattr(people, name)[chosen] for name in People.__dataclass_fields__))


def _learned(people: People, min_cell: int = _MIN_CELL) -> layer.PeopleModel:
    site = SimpleNamespace(people=people, periods=np.ones(len(people), np.int32))
    margins = layer.margins(site)  # type: ignore[arg-type]
    plan = Plan(release(margins, layer.RULES, min_cell), min_cell)
    exact = Sums.merged([margins, layer.sums(site, plan)])  # type: ignore[arg-type]
    shown = release(exact, layer.RULES, min_cell)
    return layer.compiled(shown, Plan(shown, min_cell))


def _people(n: int, seed: int = 1) -> People:
    """Adults who come at any age and stay for a while; women longer; the old die, and soon."""
    random = np.random.default_rng(seed)
    sex = random.choice([made.MALE, made.FEMALE], n)
    race = random.choice([8516, 8527, 8515], n, p=[0.2, 0.75, 0.05])
    first = 15000 + random.integers(0, 3000, n)
    start = random.integers(18 * 365, 90 * 365, n)
    length = np.minimum(random.exponential(np.where(sex == made.FEMALE, 900, 300)).astype(int), 4000)
    dead = random.random(n) < start / (365 * 120.0)
    end = start + np.where(dead, length // 4, length)
    death = np.where(dead, end + random.choice([0, 30], n, p=[0.9, 0.1]), -1)
    whole = (first - start, start, end, death)
    return People(sex, race, np.where(race == 8516, 1, 0), *(part.astype(np.int32) for part in whole))


@pytest.fixture(scope="module")
def learned() -> tuple[People, layer.PeopleModel]:
    people = _people(3000)
    return people, _learned(people)


def _made(model: layer.PeopleModel, n: int = 20000) -> People:
    return layer.generate(model, 7, np.arange(1, n + 1))


def test_no_end_of_a_histogram_tells_of_one_person(con: duckdb.DuckDBPyConnection) -> None:
    """The oldest person's age, the first day of all: exact where ten share it, else a multiple of a public step."""
    made.make_hospital(con)
    con.execute("UPDATE cdm.person SET year_of_birth = 1901 WHERE person_id = 1")
    con.execute("UPDATE cdm.observation_period SET observation_period_start_date = '2009-12-31' WHERE person_id < 11")
    site = Site(con.cursor(), "cdm", 10)
    exact = layer.margins(site)
    shown = released(exact, 10)
    for name in layer.ROUNDED:
        keys, n = exact.get(name, 1) if name in exact else (np.zeros((0, 1), np.int64), np.zeros(0, np.int64))
        alone = set(keys[n < 10, 0].tolist())
        ends = shown.get(name, 2)[0]
        assert not {end for end in (ends.min(initial=-1), ends.max(initial=-1)) if end % 8 not in (0, 7)} & alone
    assert shown.get("people.start", 2)[0].min() == np.datetime64("2009-12-31").astype(int)
    assert int(site.people.start.max()) > 105 * 365
    assert int(site.people.start.max()) not in shown.get("people.age", 2)[0]


def test_each_quantity_follows_the_source_by_sex(learned: tuple[People, layer.PeopleModel]) -> None:
    source, synthetic = learned[0], _made(learned[1])
    for sex in (made.MALE, made.FEMALE):
        one, two = (_some(people, people.sex == sex) for people in (source, synthetic))
        assert ks_2samp(one.birth, two.birth).statistic < 0.04
        assert ks_2samp(one.end - one.start, two.end - two.start).statistic < 0.06
        assert ks_2samp(one.birth + one.start, two.birth + two.start).statistic < 0.04
        assert ks_2samp(one.death[one.death >= 0], two.death[two.death >= 0]).statistic < 0.08
        assert abs((one.death >= 0).mean() - (two.death >= 0).mean()) < 0.03


def test_few_persons_have_the_shares_of_the_model(learned: tuple[People, layer.PeopleModel]) -> None:
    """A thousand persons, drawn one by one, would have a sex off by 16."""
    source = learned[0]
    for first in (1, 51_201):
        some = layer.generate(learned[1], 7, np.arange(first, first + 1024))
        for race in np.unique(source.race):
            expected = (source.race == race) & (source.sex == made.MALE)
            found = (some.race == race) & (some.sex == made.MALE)
            assert found.sum() == pytest.approx(expected.mean() * 1024, abs=3)


def test_the_old_die_and_the_dead_leave_early(learned: tuple[People, layer.PeopleModel]) -> None:
    for people in (learned[0], _made(learned[1])):
        dead, old, length = people.death >= 0, people.start > 70 * 365, people.end - people.start
        assert dead[old].mean() > 1.5 * dead[~old].mean()
        assert length[dead].mean() < 0.5 * length[~dead].mean()
        assert 0.85 < (people.death == people.end)[dead].mean() < 0.95


def test_race_and_ethnicity_go_together(learned: tuple[People, layer.PeopleModel]) -> None:
    source, synthetic = learned[0], _made(learned[1])
    assert np.array_equal(synthetic.ethnicity == 1, synthetic.race == 8516)
    for race in np.unique(source.race):
        assert abs((source.race == race).mean() - (synthetic.race == race).mean()) < 0.02


def test_days_are_in_order(learned: tuple[People, layer.PeopleModel]) -> None:
    people = _made(learned[1])
    assert (people.start >= 0).all()
    assert (people.end >= people.start).all()
    assert ((people.death == -1) | (people.death >= people.end)).all()
    assert (people.birth + people.end).max() <= (learned[0].birth + learned[0].end).max()


def test_a_person_is_the_same_in_any_batch(learned: tuple[People, layer.PeopleModel]) -> None:
    numbers = np.array([5, 1 << 45, 999, 6])
    together = layer.generate(learned[1], 3, numbers)
    for at, number in enumerate(numbers):
        alone = layer.generate(learned[1], 3, np.array([number]))
        assert all(getattr(alone, name)[0] == getattr(together, name)[at] for name in People.__dataclass_fields__)
    other = layer.generate(learned[1], 4, numbers)
    assert not np.array_equal(other.birth, together.birth)


def test_the_middle_of_the_year_stays_so() -> None:
    people = _people(2000)
    years = people.birth.astype("datetime64[D]").astype("datetime64[Y]")
    middle = (years.astype("datetime64[D]").astype(np.int64) + 181).astype(np.int32)
    shift = people.birth - middle
    moved = People(people.sex, people.race, people.ethnicity, middle, people.start + shift, people.end + shift,
                   np.where(people.death < 0, -1, people.death + shift))  # fmt: skip
    made_people = _made(_learned(moved), 2000)
    birth = made_people.birth.astype("datetime64[D]")
    assert set((birth - birth.astype("datetime64[Y]")).astype(int)) == {181}


def test_a_rare_sex_and_a_rare_race_vanish() -> None:
    people = _people(400)
    people.sex[:3] = 8551
    people.race[:9] = 8657
    synthetic = _made(_learned(people), 5000)
    assert set(synthetic.sex) == {made.MALE, made.FEMALE}
    assert 8657 not in synthetic.race


@pytest.mark.parametrize("persons", [12, 30])
def test_few_persons_make_a_model(persons: int) -> None:
    synthetic = _made(_learned(_people(persons)), 500)
    assert (synthetic.end >= synthetic.start).all()
    assert synthetic.birth.min() > -40000


def test_no_death_without_deaths() -> None:
    people = _people(200)
    people.death[:] = -1
    assert (_made(_learned(people), 1000).death == -1).all()


def test_a_value_comes_from_its_bin() -> None:
    sums = Sums()
    sums.put("h", [[0, 1, 1], [0, 5, 8], [1, 20, 29]], [30, 10, 50])
    histograms = Histograms.of(sums, "h", 1)
    cell = histograms.find(np.array([[0], [0], [0], [1], [2]]))
    assert cell.tolist() == [0, 0, 0, 1, -1]
    at = histograms.bin_of(cell[:4], np.array([0.0, 0.74, 0.76, 0.999]))
    assert at.tolist() == [0, 0, 1, 2]
    assert histograms.share_below(np.array([0, 0, 1]), np.array([5, 7, 25])).tolist() == [0.75, 0.875, 0.5]
    inside = histograms.value_in(np.zeros(3, int), np.array([0.0, 0.5, 0.99]), np.full(3, 6), np.full(3, 8))
    assert inside.tolist() == [6, 7, 8]


def test_bands_hold_about_as_many_persons() -> None:
    sums = Sums()
    sums.put("h", [[v, v] for v in range(100)], [10] * 100)
    assert bands(Histograms.of(sums, "h", 0), 4).tolist() == [25, 50, 75]
    assert bands(Histograms.of(sums, "h", 0), 1).tolist() == []


def test_a_real_hospital_is_as_near_as_its_own_other_half(
    data_folder: Callable[[str], Path], con: duckdb.DuckDBPyConnection
) -> None:
    people = Site(con.cursor(), str(data_folder("cdm/gibleed_5.3"))).people
    half = np.random.default_rng(5).random(len(people)) < 0.5
    fitted, other = _some(people, half), _some(people, ~half)
    synthetic = _made(_learned(fitted))
    for sex in (made.MALE, made.FEMALE):
        one, two, three = (_some(each, each.sex == sex) for each in (fitted, other, synthetic))
        for quantity in ("birth", "end"):
            own = ks_2samp(getattr(one, quantity), getattr(two, quantity)).statistic
            assert ks_2samp(getattr(three, quantity), getattr(one, quantity)).statistic < 0.035
            assert ks_2samp(getattr(three, quantity), getattr(two, quantity)).statistic < own + 0.02
