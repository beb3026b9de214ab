"""What is told of events becomes chances: of the few, of the rare, of days inside of bins and of life."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from planted_events import FEMALE, MALE, MIN_CELL, NUMBER, Hospital, events_of, model_of, planted_people, relived

from omopsql.synth.hospital import events as layer
from omopsql.synth.hospital.counting import counted
from omopsql.synth.hospital.events import model, presence, timing
from omopsql.synth.hospital.plan import PERSONS, TABLE_NUMBERS, Plan
from omopsql.synth.hospital.release import release
from omopsql.synth.hospital.sums import Sums


def test_persons_of_strata_too_small_to_be_released_are_in_the_model() -> None:
    """Of 60 men 20 are known to be in one of three bands of years observed; of 50 women nothing is."""
    released = Sums()
    released.put("events.sex", np.array([[MALE], [FEMALE]]), [60, 50])
    released.put("events.persons_years", np.array([[0, 0]]), [20])
    structure: Any = SimpleNamespace(sexes=np.array([MALE, FEMALE]), outcomes=3, born=np.array([390]))
    strata = presence.Strata.of(released, structure)
    assert strata.persons.sum(1) == pytest.approx([20, 20, 20, 50 / 3, 50 / 3, 50 / 3])
    assert strata.persons.sum(0) == pytest.approx([30, 30, 25, 25])


def test_persons_of_years_of_birth_too_small_to_be_released_are_expected_to_have_items() -> None:
    margins = Sums()
    margins.put("events.sex", np.array([[MALE]]), [100])
    margins.put("events.born", np.array([[392]]), [40])
    lustra, persons = model._lustra(margins, np.array([[390, 394]]))
    assert lustra.tolist() == [390, 391, 392, 393, 394]
    assert persons.tolist() == [15, 15, 40, 15, 15]


def test_a_rhythm_that_lasts_to_the_end_of_observation_does_so_when_made() -> None:
    people = planted_people(600, np.random.default_rng(5))
    start, end = people.start.astype(np.int64), people.end.astype(np.int64)
    first = start + np.random.default_rng(6).integers(0, end - start - 730)
    person = np.repeat(np.arange(600), (end - first) // 180 + 1)
    step = np.arange(len(person)) - np.repeat(np.searchsorted(person, np.arange(600)), np.bincount(person))
    day = first[person] + 180 * step
    source = Hospital(people, events_of(600, person, np.full(len(person), NUMBER["arthrosis"]), day))
    others = planted_people(2000, np.random.default_rng(7))
    made = relived(model_of(source), others)
    whose, when = made.days("arthrosis")
    last = np.full(2000, -1)
    np.maximum.at(last, whose, when)
    left = (others.end - last)[last >= 0]
    assert (left < 180).mean() > 0.9


def test_pairs_that_few_have_are_told_from_pairs_that_nobody_can_have() -> None:
    """By chance, 45 of 800 would have each pair; those of one cohort never meet those of the other."""
    margins = Sums()
    margins.put("events.sex", np.array([[MALE]]), [800])
    margins.put("events.born", np.array([[390], [400]]), [400, 400])
    table = [TABLE_NUMBERS["condition_occurrence"]] * 3
    margins.put(PERSONS, np.column_stack([table, [1, 2, 3]]), [190, 190, 190])
    cohorts = [(1, 390, 190), (2, 400, 190), (3, 390, 15), (3, 400, 175)]
    keys = [[table[0], item, born, born] for item, born, _ in cohorts]
    margins.put("events.cohort", np.array(keys), [n for _, _, n in cohorts])
    apart = model._Apart.of(Plan(margins, MIN_CELL))
    assert apart.excluded.tolist() == [[False, True, False], [True, False, True], [False, True, False]]
    assert apart.in_cohorts.tolist() == [[False, False, False], [False, False, True], [False, True, False]]
    assert apart.few[0, 2] == pytest.approx(7.0)
    assert apart.few[apart.excluded].tolist() == [0.0] * 4


def test_how_often_a_person_has_an_item_hangs_on_his_rank_in_his_own_stratum() -> None:
    """A stratum in which nearly all have an item has it as often as one in which most have it."""
    threshold = np.array([[0.0, -0.5], [0.0, -4.0]])
    persons, none = np.array([[0.0] * 4, [50.0, 50, 0, 0]]), np.full(2, -1)
    tree = presence.Tree(np.array([-1, 0]), none, persons, persons * 0.85)
    _, quantiles = model._calibrated(threshold, np.full(2, 0.5), np.zeros((2, 1)), np.ones(2), tree, np.arange(2))
    assert np.abs(quantiles[1, :2] - np.linspace(0, 1, quantiles.shape[2])).max() < 0.03


def test_numbers_are_smooth_inside_of_bins_and_some_lie_beyond_them() -> None:
    bins = (np.array([1, 3, 5]), np.array([2, 4, 9]), np.array([30.0, 40.0, 20.0]))
    smooth = model._smooth(bins, 27)
    assert [smooth[:2].sum(), smooth[2:4].sum(), smooth[4:9].sum()] == pytest.approx([30, 40, 20])
    assert (np.diff(smooth[4:9]) < 0).all()
    assert smooth[9:].sum() == 0.0
    untold = model._untold(bins, 3.0, 27)
    assert untold.sum() == pytest.approx(3.0)
    assert untold[:9].sum() == 0.0
    assert (np.diff(untold[9:]) < 0).all()


def _rates_of(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and last day of what is drawn from, given the days of life on which persons had an item."""
    exact = Sums()
    nothing = np.zeros_like(days)
    exact.put("events.birth", *counted(nothing, nothing - 1, days))
    exact.put("events.until", *counted(nothing, nothing - 1, nothing + 90))
    released = release(exact, layer.RULES, 10)
    when = timing.compiled_timing(released, SimpleNamespace(), 1).when  # type: ignore[arg-type]
    inside = slice(int(when.offsets[timing.CLASS_COUNT - 1]), int(when.offsets[timing.CLASS_COUNT]))
    return when.low[inside], when.high[inside]


def test_what_happens_at_any_age_happens_between_the_persons_of_the_source_too() -> None:
    """Blocks are cut where persons stand close together: between them is a seventh of a life, where nobody stood."""
    days = np.random.default_rng(1).integers(0, 80 * 365, 300)
    low, high = _rates_of(days)
    held = (high - low + 1).sum() / (high[-1] - low[0] + 1)
    assert held > 0.99


def test_what_happens_in_childhood_and_in_old_age_does_not_happen_between() -> None:
    """A hole far wider than the distance of two persons is no accident of the sample."""
    rng = np.random.default_rng(2)
    child, old = rng.integers(0, 5 * 365, 100), rng.integers(70 * 365, 80 * 365, 100)
    low, high = _rates_of(np.concatenate([child, old]))
    between = (low < 60 * 365) & (high > 10 * 365)
    assert not between.any()


def test_single_days_stay_single() -> None:
    """A day that many persons share keeps its own bin, whatever stands beside it."""
    days = np.concatenate([np.full(50, 365), np.random.default_rng(3).integers(400, 800, 60)])
    low, high = _rates_of(days)
    assert (low[0], high[0]) == (365, 365)
    assert low[1] >= 400
