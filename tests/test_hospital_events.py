"""What was planted in a made hospital is found, counted alike by all sites, and befalls its synthetic people too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_events import (
    DOSE_DAYS,
    FEMALE,
    ITEMS,
    MALE,
    NUMBER,
    Hospital,
    Learned,
    events_of,
    margins_of,
    model_of,
    model_of_items,
    plan_of,
    planted_hospital,
    planted_people,
    released_of,
    relived,
)

from omopsql.synth.hospital import events as layer
from omopsql.synth.hospital.events import feedback
from omopsql.synth.hospital.events.second_round import Parsed
from omopsql.synth.hospital.events.series import Series
from omopsql.synth.hospital.events.structure import Structure
from omopsql.synth.hospital.events.variants import untold
from omopsql.synth.hospital.lives import Events, People, owners


@pytest.fixture(scope="module")
def learned() -> Learned:
    source = planted_hospital(2000)
    model = model_of(source)
    people = planted_people(6000, np.random.default_rng(2))
    return Learned(source, model, relived(model, people))


def _share(hospital: Hospital, name: str, among: np.ndarray) -> float:
    return float((hospital.count(name)[among] > 0).mean())


def test_chances_that_are_far_off_are_put_right(learned: Learned) -> None:
    released, plan = released_of(learned.source)
    people = planted_people(10_000, np.random.default_rng(4))
    presence = learned.model.presence
    off = replace(learned.model, presence=presence._replace(threshold=presence.threshold + 0.4))
    mended = feedback.corrected(off, released, plan, people)
    numbers = np.arange(1, len(people) + 1)
    drivers = presence.order
    wanted, found, before = (
        model.persons_with(people, 5, numbers)[0].sum(1)[drivers] for model in (learned.model, mended, off)
    )
    assert np.abs(before - wanted).max() > 1000
    assert np.abs(found - wanted).max() < 250


def test_sets_of_companions_weigh_as_their_members_do(learned: Learned) -> None:
    variants = learned.model.variants
    driver = int(np.argmax(np.diff(variants.offsets)))
    sets = slice(variants.offsets[driver], variants.offsets[driver + 1])
    companion = variants.companion[variants.companions_of[driver]]
    weight = np.ones(len(ITEMS))
    weight[companion] = 3.0
    heavier = feedback.reweighted(variants, weight, np.zeros(len(variants.companion)))
    before, after = (np.diff(each.cumulative[sets, 0], prepend=0) for each in (variants, heavier))
    holds = (variants.mask[sets] >= 0) & (variants.mask[sets] & 1 == 1)
    assert holds.any() and not holds.all()
    assert after == pytest.approx(before * np.where(holds, 3, 1) / (before * np.where(holds, 3, 1)).sum())


def test_what_too_many_lack_comes_with_drivers_that_it_is_not_told_of(learned: Learned) -> None:
    variants = learned.model.variants._replace(member=np.zeros_like(learned.model.variants.member))
    hidden = np.full(len(variants.companion), 0.4)
    weight = np.ones(len(ITEMS))
    weight[NUMBER["haemoglobin"]] = feedback._WANTING
    weight[NUMBER["leucocytes"]] = 0.5
    member = feedback.reweighted(variants, weight, hidden).member
    assert member[variants.companion == NUMBER["haemoglobin"]] == pytest.approx(0.4)
    assert not member[variants.companion != NUMBER["haemoglobin"]].any()


def test_what_is_not_told_is_of_fewer_than_min_cell(learned: Learned) -> None:
    released, plan = released_of(learned.source)
    grammar = Structure.decided(plan).grammar
    members, _ = released.get("events.member", 2)
    told = grammar.companions_of[members[:, 0]] + members[:, 1]
    chance = untold(released, grammar, plan.min_cell)
    assert not chance[told].any()
    keys, n = released.get("events.presence", 1)
    total = dict(zip(keys[:, 0].tolist(), n.tolist(), strict=True))
    drivers = np.repeat(np.arange(len(ITEMS)), np.diff(grammar.companions_of))
    for place in np.setdiff1d(np.arange(len(chance)), told):
        assert chance[place] * max(total.get(int(drivers[place]), 0), plan.min_cell) == pytest.approx(plan.min_cell - 1)


def test_items_of_other_layers_are_nobodys_companions(learned: Learned) -> None:
    plan, x = released_of(learned.source)[1], NUMBER["haemoglobin"]
    usual, apart = Structure.decided(plan), Structure.decided(replace(plan, dense=frozenset({x})))
    assert x in usual.grammar.companion
    assert x not in apart.grammar.companion and not len(apart.grammar.companions(x))
    assert not (apart.candidates == x).any() and (apart.candidates[x] == -1).all()


_GROUPS = {
    "children": lambda people: people.start == 0,
    "adults": lambda people: (people.start > 0) & (people.start <= 50 * 365),
    "old": lambda people: people.start > 50 * 365,
}


@pytest.mark.parametrize("group", _GROUPS)
@pytest.mark.parametrize("sex", [MALE, FEMALE])
@pytest.mark.parametrize("name", list(ITEMS))
def test_each_item_is_as_frequent_as_in_the_source_by_sex_and_age(
    learned: Learned, name: str, sex: int, group: str
) -> None:
    source, made = learned.source, learned.made
    one, two = (
        _share(hospital, name, (hospital.people.sex == sex) & _GROUPS[group](hospital.people))
        for hospital in (source, made)
    )
    assert abs(one - two) < 0.1  # of 2,000 persons a sixth: 0.03 is chance alone


@pytest.mark.xfail(
    strict=True, reason="what two items share by age counts as if one led to the other, and moves the ages of both"
)
def test_two_items_that_only_age_brings_together_stay_rare_in_children(learned: Learned) -> None:
    """Check-ups are of adults, arthrosis is of the old; given age, the two have nothing to do with each other."""
    for hospital, most in ((learned.source, 0.03), (learned.made, 0.04)):
        assert _share(hospital, "arthrosis", hospital.people.start == 0) < most


def test_an_item_of_one_sex_never_befalls_the_other(learned: Learned) -> None:
    people = learned.made.people
    assert learned.made.count("pregnancy")[people.sex == FEMALE].sum() > 300
    assert learned.made.count("pregnancy")[people.sex == MALE].sum() == 0


def test_items_that_exclude_each_other_never_meet(learned: Learned) -> None:
    made = learned.made
    one, other = made.count("blood_group_a") > 0, made.count("blood_group_b") > 0
    assert one.sum() > 1000
    assert other.sum() > 1000
    assert not (one & other).any()
    presence = learned.model.presence
    first = presence.excluded_offsets[NUMBER["blood_group_a"]]
    last = presence.excluded_offsets[NUMBER["blood_group_a"] + 1]
    assert NUMBER["blood_group_b"] in presence.excluded[first:last]
    assert not made.on_days("germ_a") & made.on_days("germ_b")


def test_a_sepsis_has_just_one_germ(learned: Learned) -> None:
    made = learned.made
    assert made.on_days("sepsis") == made.on_days("germ_a") | made.on_days("germ_b")


def test_what_is_always_together_is_one_episode(learned: Learned) -> None:
    structure = Structure.decided(plan_of(margins_of(learned.source)))
    episodes = Parsed.of(learned.source.events, structure.grammar)
    driven = episodes.driver == NUMBER["blood_count"]
    assert set(structure.grammar.companions(NUMBER["blood_count"])) == {
        NUMBER["haemoglobin"],
        NUMBER["leucocytes"],
    }
    assert (episodes.mask[driven] == 0b11).all()
    assert not np.isin(episodes.driver, [NUMBER["haemoglobin"], NUMBER["leucocytes"]]).any()
    made = learned.made
    assert made.on_days("blood_count") == made.on_days("haemoglobin") == made.on_days("leucocytes")


def _soon_after(hospital: Hospital) -> tuple[float, float]:
    """The share of the treated with a rash within 30 days, and of the others in any 30 days."""
    persons = len(hospital.people)
    given = np.full(persons, -1)
    given[hospital.days("antibiotic")[0]] = hospital.days("antibiotic")[1]
    person, day = hospital.days("rash")
    since = day - given[person]
    soon = np.zeros(persons, bool)
    soon[person[(given[person] >= 0) & (since >= 0) & (since <= 30)]] = True
    others = given < 0
    length = (hospital.people.end - hospital.people.start)[others]
    return soon[~others].mean(), 30 * hospital.count("rash")[others].sum() / length.sum()


def test_the_effect_follows_the_drug_within_thirty_days(learned: Learned) -> None:
    soon, _ = _soon_after(learned.source)
    made_soon, made_by_chance = _soon_after(learned.made)
    assert abs(soon - made_soon) < 0.08
    assert made_soon > 100 * made_by_chance


def test_the_yearly_rhythm_is_kept(learned: Learned) -> None:
    person, day = learned.made.days("check_up")
    gaps = np.diff(day)[np.diff(person) == 0]
    assert len(gaps) > 3000
    assert (gaps == 365).mean() > 0.95
    for times in range(1, 7):
        one, two = (
            (hospital.count("check_up")[hospital.people.start > 0] == times).mean()
            for hospital in (learned.source, learned.made)
        )
        assert abs(one - two) < 0.06


def test_the_three_doses_come_on_their_days(learned: Learned) -> None:
    made = learned.made
    is_child = made.people.start == 0
    assert abs((made.count("measles_dose")[is_child] == 3).mean() - 0.9) < 0.04
    person, day = made.days("measles_dose")
    assert np.isin(day[is_child[person]], DOSE_DAYS).mean() > 0.98
    person, day = made.days("polio_dose")
    assert np.isin(day[is_child[person]], DOSE_DAYS[:2]).mean() > 0.98
    assert made.on_days("polio_dose") <= made.on_days("measles_dose")


def test_no_adult_gets_the_doses_of_a_child(learned: Learned) -> None:
    made = learned.made
    assert learned.source.count("measles_dose")[learned.source.people.start > 0].sum() == 0
    assert (made.count("measles_dose")[made.people.start > 0] > 0).mean() < 0.01


def _same(one: Events, other: Events) -> bool:
    names = ("offsets", "item", "day", "episode")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def _taken(events: Events, low: int, high: int) -> Events:
    """The events of a run of persons."""
    rows = slice(events.offsets[low], events.offsets[high])
    offsets = events.offsets[low : high + 1] - events.offsets[low]
    return Events.generated(offsets, events.item[rows], events.day[rows], events.episode[rows])


def test_a_person_is_the_same_alone_and_in_any_batch(learned: Learned) -> None:
    people, numbers = learned.made.people, np.arange(1, len(learned.made.people) + 1)
    for low, high in [(0, 100), (37, 38), (4000, 4001), (5900, 6000)]:
        batch = learned.made.some(np.arange(low, high)).people
        alone = layer.generate(learned.model, batch, 1, numbers[low:high])
        assert _same(alone, _taken(learned.made.events, low, high))
    backwards = np.arange(len(people))[::-1]
    turned = layer.generate(learned.model, learned.made.some(backwards).people, 1, numbers[backwards])
    assert _same(_taken(turned, 0, 1), _taken(learned.made.events, len(people) - 1, len(people)))


def test_another_seed_or_number_is_another_life(learned: Learned) -> None:
    some = learned.made.some(np.arange(500)).people
    one = layer.generate(learned.model, some, 1, np.arange(1, 501))
    assert not _same(one, layer.generate(learned.model, some, 2, np.arange(1, 501)))
    assert not _same(one, layer.generate(learned.model, some, 1, np.arange(1001, 1501)))
    assert _same(one, layer.generate(learned.model, some, 1, np.arange(1, 501)))


def test_nobody_has_no_events(learned: Learned) -> None:
    nobody = learned.made.some(np.zeros(0, np.int64)).people
    events = layer.generate(learned.model, nobody, 1, np.zeros(0, np.int64))
    assert len(events) == 0
    assert events.offsets.tolist() == [0]


def test_numbers_and_seeds_may_be_huge(learned: Learned) -> None:
    one = learned.made.some(np.array([0])).people
    lives = {
        (seed, number): layer.generate(learned.model, one, seed, np.array([number]))
        for seed in (1, 2**62, -1)
        for number in (1, 2**32 + 1, 2**62)
    }
    found = {tuple(events.day.tolist()) for events in lives.values()}
    assert len(found) > 5


def test_all_days_lie_in_the_time_of_observation_however_short(learned: Learned) -> None:
    people = learned.made.people
    for end in (people.end, people.start, people.start + 1, people.start + 400):
        events = layer.generate(learned.model, replace(people, end=end), 3, np.arange(len(people)))
        person = owners(events.offsets)
        assert len(events) > 100
        assert (events.day >= people.start[person]).all()
        assert (events.day <= end[person]).all()


def test_events_stand_once_each_in_the_order_of_person_day_and_item(learned: Learned) -> None:
    events = learned.made.events
    rows = np.column_stack([owners(events.offsets), events.day, events.item])
    assert np.array_equal(rows, np.unique(rows, axis=0))


def test_a_person_of_a_sex_or_a_time_that_the_source_has_not_is_made_nevertheless(learned: Learned) -> None:
    people = learned.made.some(np.arange(50)).people
    strange = replace(people, sex=np.zeros(50, np.int64), birth=people.birth - 40_000)
    assert len(layer.generate(learned.model, strange, 1, np.arange(50))) > 0


@pytest.mark.parametrize("kept", [[], ["arthrosis"], ["arthrosis", "antibiotic"], ["germ_a"]])
def test_a_hospital_of_few_items_has_a_model(kept: list[str]) -> None:
    source = planted_hospital(300)
    mine = np.isin(source.events.item, [NUMBER[name] for name in kept])
    person, item, day = owners(source.events.offsets)[mine], source.events.item[mine], source.events.day[mine]
    few = Hospital(source.people, events_of(300, person, item, day))
    made = relived(model_of_items(few, kept), few.people)
    assert len(made.events) < 2 * len(few.events) + 1
    assert len(made.events) > 0.5 * len(few.events) - 1


def test_what_comes_back_in_clusters_does_so_and_what_comes_at_any_time_does_not() -> None:
    random = np.random.default_rng(4)
    n = 1500
    end = random.integers(40 * 365, 60 * 365, n)
    zero = np.zeros(n, np.int64)
    people = People(np.full(n, MALE), zero, zero, *(days.astype(np.int32) for days in (zero, zero, end, zero - 1)))
    first = random.integers(0, end - 1500)
    anywhere = random.integers(0, end[:, None] + 1, (n, 2))
    day = np.concatenate([first, first + random.integers(200, 1500, n), anywhere[:, 0], anywhere[:, 1]])
    item = np.repeat([NUMBER["rash"], NUMBER["sepsis"]], 2 * n)
    model = model_of_items(Hospital(people, events_of(n, np.tile(np.arange(n), 4), item, day)), ["rash", "sepsis"])
    assert model.structure.is_regular.tolist() == [True, False]
    made = layer.generate(model, people, 2, np.arange(1, n + 1))
    series = Series.of(made.offsets, made.item, made.day)
    entries, gap = series.gaps()
    source = np.median(np.abs(anywhere[:, 1] - anywhere[:, 0]))
    for of_item, wanted in ((0, 850.0), (1, source)):
        gaps = gap[series.item[entries] == of_item]
        assert len(gaps) > 0.9 * n
        assert 0.85 * wanted < np.median(gaps) < 1.15 * wanted
