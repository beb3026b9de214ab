"""What was planted in a made hospital is found, counted alike by all sites, and befalls its synthetic people too."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from omopsql.synth.hospital import events as layer
from omopsql.synth.hospital.counting import chosen, counted, hashed
from omopsql.synth.hospital.events import feedback, first_round, model, presence, timing
from omopsql.synth.hospital.events.second_round import Parsed
from omopsql.synth.hospital.events.series import Series
from omopsql.synth.hospital.events.structure import Structure
from omopsql.synth.hospital.events.variants import untold
from omopsql.synth.hospital.lives import Events, People, Periods, offsets_of, owners
from omopsql.synth.hospital.plan import PERSONS, TABLE_NUMBERS, Items, Plan
from omopsql.synth.hospital.plan import RULES as PLAN_RULES
from omopsql.synth.hospital.release import release
from omopsql.synth.hospital.sums import Sums

_MIN_CELL = 10
_RULES = {**PLAN_RULES, **layer.RULES}
_MALE, _FEMALE = 8507, 8532
_YEAR = 365.25

# The items of the made hospital, in the order of table and concept.
_ITEMS = {
    "arthrosis": ("condition_occurrence", 1),  # of the old
    "pregnancy": ("condition_occurrence", 2),  # of women
    "blood_group_a": ("condition_occurrence", 3),
    "blood_group_b": ("condition_occurrence", 4),  # never with the other
    "rash": ("condition_occurrence", 5),  # soon after the antibiotic
    "sepsis": ("condition_occurrence", 6),  # with one of two germs
    "check_up": ("procedure_occurrence", 1),  # every year
    "blood_count": ("procedure_occurrence", 2),  # with both of its measurements
    "antibiotic": ("drug_exposure", 1),
    "measles_dose": ("drug_exposure", 2),  # three
    "polio_dose": ("drug_exposure", 3),  # two, on the days of the first two
    "haemoglobin": ("measurement", 1),
    "leucocytes": ("measurement", 2),
    "germ_a": ("observation", 1),
    "germ_b": ("observation", 2),  # never on a day with the other
}
_NUMBER = {name: number for number, name in enumerate(_ITEMS)}
_DOSE_DAYS = (60, 120, 300)


@dataclass(frozen=True)
class Hospital:
    """People and what befell them."""

    people: People
    events: Events

    def some(self, taken: np.ndarray) -> Hospital:
        """Some of the people, in the order that is asked for."""
        people = People(*(getattr(self.people, field.name)[taken] for field in fields(People)))
        place = np.full(len(self.people), -1)
        place[taken] = np.arange(len(taken))
        person = place[owners(self.events.offsets)]
        kept = person >= 0
        return Hospital(people, _events(len(taken), person[kept], self.events.item[kept], self.events.day[kept]))

    def renumbered(self, number: np.ndarray) -> Hospital:
        """The same records under other numbers of the items."""
        item = number[self.events.item]
        return Hospital(self.people, _events(len(self.people), owners(self.events.offsets), item, self.events.day))

    def count(self, name: str) -> np.ndarray:
        """On how many days each person has an item."""
        mine = self.events.item == _NUMBER[name]
        return np.bincount(owners(self.events.offsets)[mine], minlength=len(self.people))

    def days(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The persons and the days of an item."""
        mine = self.events.item == _NUMBER[name]
        return owners(self.events.offsets)[mine], self.events.day[mine].astype(np.int64)

    def on_days(self, name: str) -> set[tuple[int, int]]:
        """The days of an item: (person, day)."""
        return set(zip(*(column.tolist() for column in self.days(name)), strict=True))


def _events(persons: int, person: np.ndarray, item: np.ndarray, day: np.ndarray) -> Events:
    rows = np.unique(np.column_stack([person, day, item]).astype(np.int64), axis=0)
    whole = (rows[:, 2].astype(np.int32), rows[:, 1].astype(np.int32))
    return Events(offsets_of(rows[:, 0], persons), *whole, np.arange(len(rows)), np.zeros(0, np.int32))


def _items() -> Items:
    table = [TABLE_NUMBERS[name] for name, _ in _ITEMS.values()]
    return Items(np.array(table, np.int32), np.array([concept for _, concept in _ITEMS.values()], np.int64))


def _people(n: int, random: np.random.Generator) -> People:
    """Half are observed from birth on, half from some day of their adult life; for three to fifteen years."""
    is_child = random.random(n) < 0.5
    start = np.where(is_child, 0, random.integers(20 * 365, 80 * 365, n))
    end = start + random.integers(3 * 365, 15 * 365, n)
    birth = 14600 + random.integers(0, 2000, n) - start
    sex = random.choice([_MALE, _FEMALE], n)
    zero = np.zeros(n, np.int64)
    return People(sex, zero, zero, *(days.astype(np.int32) for days in (birth, start, end, np.full(n, -1))))


def _hospital(n: int, seed: int = 1) -> Hospital:
    """Plant what the model must find."""
    random = np.random.default_rng(seed)
    people = _people(n, random)
    start, end = people.start.astype(np.int64), people.end.astype(np.int64)
    found: list[tuple[np.ndarray, str, np.ndarray]] = []

    def has(name: str, share: Any, persons: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        taken = np.flatnonzero((random.random(n) < share) & (True if persons is None else persons))
        day = random.integers(start[taken], end[taken] + 1)
        found.append((taken, name, day))
        return taken, day

    is_child = start == 0
    has("arthrosis", np.where(is_child, 0.02, np.where(start > 50 * 365, 0.6, 0.2)))
    has("pregnancy", 0.4, (people.sex == _FEMALE) & ~is_child)
    group = random.random(n)
    has("blood_group_a", 1.0, group < 0.3)
    has("blood_group_b", 1.0, group > 0.6)
    treated, day = has("antibiotic", 0.4)
    reacts = random.random(len(treated)) < 0.6
    found.append((treated[reacts], "rash", day[reacts] + random.integers(1, 30, reacts.sum())))
    has("rash", 0.05)
    septic, day = has("sepsis", 0.3)
    germ = random.random(len(septic)) < 0.5
    found += [(septic[germ], "germ_a", day[germ]), (septic[~germ], "germ_b", day[~germ])]
    counted_on, day = has("blood_count", 0.5)
    found += [(counted_on, "haemoglobin", day), (counted_on, "leucocytes", day)]
    checked = np.flatnonzero((random.random(n) < 0.5) & ~is_child)
    first = start[checked] + random.integers(0, 365, len(checked))
    found += [(checked, "check_up", first + 365 * k) for k in range(6)]
    vaccinated = np.flatnonzero((random.random(n) < 0.9) & is_child)
    found += [(vaccinated, "measles_dose", np.full(len(vaccinated), day)) for day in _DOSE_DAYS]
    found += [(vaccinated, "polio_dose", np.full(len(vaccinated), day)) for day in _DOSE_DAYS[:2]]
    person = np.concatenate([person for person, _, _ in found])
    item = np.concatenate([np.full(len(person), _NUMBER[name]) for person, name, _ in found])
    day = np.concatenate([day for _, _, day in found])
    seen = (day >= start[person]) & (day <= end[person])
    return Hospital(people, _events(n, person[seen], item[seen], day[seen]))


def _site(hospital: Hospital) -> Any:
    def events(items: Items, without: frozenset[int] = frozenset()) -> Events:
        return hospital.events

    observed = Periods.whole(hospital.people)
    return SimpleNamespace(people=hospital.people, observed=observed, own_items=_items(), events=events)


def _margins(hospital: Hospital) -> Sums:
    """The first round of the layer, and the persons of each item."""
    items = _items()
    series = Series.of(hospital.events.offsets, hospital.events.item, hospital.events.day)
    keys, n = counted(series.item)
    persons = Sums()
    persons.put(PERSONS, np.column_stack([items.table, items.concept])[keys[:, 0]], n)
    return Sums.merged([persons, layer.margins(_site(hospital))])


def _plan(margins: Sums) -> Plan:
    return Plan(release(margins, _RULES, _MIN_CELL), _MIN_CELL)


def _released(hospital: Hospital) -> tuple[Sums, Plan]:
    plan = _plan(_margins(hospital))
    exact = layer.sums(_site(hospital), plan)
    return Sums.merged([plan.margins, release(exact, _RULES, _MIN_CELL)]), plan


def _model(hospital: Hospital) -> layer.EventModel:
    return layer.compiled(*_released(hospital), _people(10_000, np.random.default_rng(3)))


def _born_again(model: layer.EventModel, people: People, seed: int = 1) -> Hospital:
    return Hospital(people, layer.generate(model, people, seed, np.arange(1, len(people) + 1)))


@dataclass(frozen=True)
class Learned:
    """A planted hospital, its model, and what befell the synthetic people of one more like it."""

    source: Hospital
    model: layer.EventModel
    made: Hospital


@pytest.fixture(scope="module")
def learned() -> Learned:
    source = _hospital(2000)
    model = _model(source)
    people = _people(6000, np.random.default_rng(2))
    return Learned(source, model, _born_again(model, people))


def _share(hospital: Hospital, name: str, among: np.ndarray) -> float:
    return float((hospital.count(name)[among] > 0).mean())


def test_chances_that_are_far_off_are_put_right(learned: Learned) -> None:
    released, plan = _released(learned.source)
    people = _people(10_000, np.random.default_rng(4))
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
    weight = np.ones(len(_ITEMS))
    weight[companion] = 3.0
    heavier = feedback.reweighted(variants, weight, np.zeros(len(variants.companion)))
    before, after = (np.diff(each.cumulative[sets, 0], prepend=0) for each in (variants, heavier))
    holds = (variants.mask[sets] >= 0) & (variants.mask[sets] & 1 == 1)
    assert holds.any() and not holds.all()
    assert after == pytest.approx(before * np.where(holds, 3, 1) / (before * np.where(holds, 3, 1)).sum())


def test_what_too_many_lack_comes_with_drivers_that_it_is_not_told_of(learned: Learned) -> None:
    variants = learned.model.variants._replace(member=np.zeros_like(learned.model.variants.member))
    hidden = np.full(len(variants.companion), 0.4)
    weight = np.ones(len(_ITEMS))
    weight[_NUMBER["haemoglobin"]] = feedback._WANTING
    weight[_NUMBER["leucocytes"]] = 0.5
    member = feedback.reweighted(variants, weight, hidden).member
    assert member[variants.companion == _NUMBER["haemoglobin"]] == pytest.approx(0.4)
    assert not member[variants.companion != _NUMBER["haemoglobin"]].any()


def test_what_is_not_told_is_of_fewer_than_min_cell(learned: Learned) -> None:
    released, plan = _released(learned.source)
    grammar = Structure.decided(plan).grammar
    members, _ = released.get("events.member", 2)
    told = grammar.companions_of[members[:, 0]] + members[:, 1]
    chance = untold(released, grammar, plan.min_cell)
    assert not chance[told].any()
    keys, n = released.get("events.presence", 1)
    total = dict(zip(keys[:, 0].tolist(), n.tolist(), strict=True))
    drivers = np.repeat(np.arange(len(_ITEMS)), np.diff(grammar.companions_of))
    for place in np.setdiff1d(np.arange(len(chance)), told):
        assert chance[place] * max(total.get(int(drivers[place]), 0), plan.min_cell) == pytest.approx(plan.min_cell - 1)


def test_items_of_other_layers_are_nobodys_companions(learned: Learned) -> None:
    plan, x = _released(learned.source)[1], _NUMBER["haemoglobin"]
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
@pytest.mark.parametrize("sex", [_MALE, _FEMALE])
@pytest.mark.parametrize("name", list(_ITEMS))
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
    assert learned.made.count("pregnancy")[people.sex == _FEMALE].sum() > 300
    assert learned.made.count("pregnancy")[people.sex == _MALE].sum() == 0


def test_items_that_exclude_each_other_never_meet(learned: Learned) -> None:
    made = learned.made
    one, other = made.count("blood_group_a") > 0, made.count("blood_group_b") > 0
    assert one.sum() > 1000
    assert other.sum() > 1000
    assert not (one & other).any()
    presence = learned.model.presence
    first = presence.excluded_offsets[_NUMBER["blood_group_a"]]
    last = presence.excluded_offsets[_NUMBER["blood_group_a"] + 1]
    assert _NUMBER["blood_group_b"] in presence.excluded[first:last]
    assert not made.on_days("germ_a") & made.on_days("germ_b")


def test_a_sepsis_has_just_one_germ(learned: Learned) -> None:
    made = learned.made
    assert made.on_days("sepsis") == made.on_days("germ_a") | made.on_days("germ_b")


def test_what_is_always_together_is_one_episode(learned: Learned) -> None:
    structure = Structure.decided(_plan(_margins(learned.source)))
    episodes = Parsed.of(learned.source.events, structure.grammar)
    driven = episodes.driver == _NUMBER["blood_count"]
    assert set(structure.grammar.companions(_NUMBER["blood_count"])) == {
        _NUMBER["haemoglobin"],
        _NUMBER["leucocytes"],
    }
    assert (episodes.mask[driven] == 0b11).all()
    assert not np.isin(episodes.driver, [_NUMBER["haemoglobin"], _NUMBER["leucocytes"]]).any()
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
    assert np.isin(day[is_child[person]], _DOSE_DAYS).mean() > 0.98
    person, day = made.days("polio_dose")
    assert np.isin(day[is_child[person]], _DOSE_DAYS[:2]).mean() > 0.98
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
    source = _hospital(300)
    mine = np.isin(source.events.item, [_NUMBER[name] for name in kept])
    person, item, day = owners(source.events.offsets)[mine], source.events.item[mine], source.events.day[mine]
    few = Hospital(source.people, _events(300, person, item, day))
    made = _born_again(_few_items_model(few, kept), few.people)
    assert len(made.events) < 2 * len(few.events) + 1
    assert len(made.events) > 0.5 * len(few.events) - 1


def test_what_comes_back_in_clusters_does_so_and_what_comes_at_any_time_does_not() -> None:
    random = np.random.default_rng(4)
    n = 1500
    end = random.integers(40 * 365, 60 * 365, n)
    zero = np.zeros(n, np.int64)
    people = People(np.full(n, _MALE), zero, zero, *(days.astype(np.int32) for days in (zero, zero, end, zero - 1)))
    first = random.integers(0, end - 1500)
    anywhere = random.integers(0, end[:, None] + 1, (n, 2))
    day = np.concatenate([first, first + random.integers(200, 1500, n), anywhere[:, 0], anywhere[:, 1]])
    item = np.repeat([_NUMBER["rash"], _NUMBER["sepsis"]], 2 * n)
    model = _few_items_model(Hospital(people, _events(n, np.tile(np.arange(n), 4), item, day)), ["rash", "sepsis"])
    assert model.structure.is_regular.tolist() == [True, False]
    made = layer.generate(model, people, 2, np.arange(1, n + 1))
    series = Series.of(made.offsets, made.item, made.day)
    entries, gap = series.gaps()
    source = np.median(np.abs(anywhere[:, 1] - anywhere[:, 0]))
    for of_item, wanted in ((0, 850.0), (1, source)):
        gaps = gap[series.item[entries] == of_item]
        assert len(gaps) > 0.9 * n
        assert 0.85 * wanted < np.median(gaps) < 1.15 * wanted


def _few_items_model(hospital: Hospital, kept: list[str]) -> layer.EventModel:
    """The model of a hospital that has only some of the items, which are numbered anew."""
    number = np.full(len(_ITEMS), -1)
    number[sorted(_NUMBER[name] for name in kept)] = np.arange(len(kept))
    own = hospital.renumbered(number)
    every = _items()
    taken = np.flatnonzero(number >= 0)
    items = Items(every.table[taken], every.concept[taken])
    site: Any = SimpleNamespace(
        people=own.people,
        observed=Periods.whole(own.people),
        own_items=items,
        events=lambda items, without=frozenset(): own.events,
    )
    keys, n = counted(Series.of(own.events.offsets, own.events.item, own.events.day).item)
    persons = Sums()
    persons.put(PERSONS, np.column_stack([items.table, items.concept])[keys.reshape(-1)], n)
    plan = _plan(Sums.merged([persons, layer.margins(site)]))
    exact = layer.sums(site, plan)
    released = Sums.merged([plan.margins, release(exact, _RULES, _MIN_CELL)])
    return layer.compiled(released, plan, _people(10_000, np.random.default_rng(3)))


# Sums of sites


def _rounds(hospital: Hospital, plan: Plan) -> tuple[Sums, Sums]:
    return _margins(hospital), layer.sums(_site(hospital), plan)


@pytest.fixture(scope="module")
def planned() -> tuple[Hospital, Plan, tuple[Sums, Sums]]:
    """A small hospital, its plan, and the sums of both rounds."""
    hospital = _hospital(400)
    plan = _plan(_margins(hospital))
    return hospital, plan, _rounds(hospital, plan)


def test_the_sums_of_split_sites_are_those_of_the_whole(planned: tuple[Hospital, Plan, tuple[Sums, Sums]]) -> None:
    hospital, plan, whole = planned
    site_of = np.random.default_rng(3).integers(0, 3, len(hospital.people))
    parts = [_rounds(hospital.some(np.flatnonzero(site_of == site)), plan) for site in range(3)]
    for number in (0, 1):
        merged = Sums.merged([part[number] for part in parts])
        assert merged.to_table().equals(whole[number].to_table())


def test_the_order_of_persons_does_not_matter(planned: tuple[Hospital, Plan, tuple[Sums, Sums]]) -> None:
    hospital, plan, whole = planned
    shuffled = hospital.some(np.random.default_rng(4).permutation(len(hospital.people)))
    for one, other in zip(_rounds(shuffled, plan), whole, strict=True):
        assert one.to_table().equals(other.to_table())


def test_a_site_that_numbers_its_items_otherwise_counts_the_same(
    planned: tuple[Hospital, Plan, tuple[Sums, Sums]],
) -> None:
    hospital, _, _ = planned
    items, number = _items(), np.random.default_rng(5).permutation(len(_ITEMS))
    place = np.argsort(number)
    renumbered = Items(items.table[place], items.concept[place])
    one = first_round.first_round(hospital.people, hospital.events, items)
    other = first_round.first_round(hospital.people, hospital.renumbered(number).events, renumbered)
    ordered = _pairs_in_order(one).to_table(), _pairs_in_order(other).to_table()
    assert ordered[0].equals(ordered[1])


def _pairs_in_order(sums: Sums) -> Sums:
    """Name each pair of a symmetric statistic by its smaller item first."""
    ordered = Sums()
    for statistic in sums:
        counts = sums.counted(statistic)
        keys = counts.keys.copy()
        if statistic in ("events.ever", "events.sameday"):
            turned = (keys[:, 0] > keys[:, 2]) | ((keys[:, 0] == keys[:, 2]) & (keys[:, 1] > keys[:, 3]))
            keys[turned] = keys[turned][:, [2, 3, 0, 1]]
        ordered.put(statistic, keys, counts.n)
    return ordered


def test_a_person_counts_once_at_most_in_each_cell_and_histogram(
    planned: tuple[Hospital, Plan, tuple[Sums, Sums]],
) -> None:
    hospital, plan, _ = planned
    for person in range(60):
        for sums in _rounds(hospital.some(np.array([person])), plan):
            for statistic in sums:
                counts = sums.counted(statistic)
                assert (counts.n == 1).all(), statistic
                if _RULES[statistic].kind == "pool":
                    assert len(np.unique(counts.keys[:, :-1], axis=0)) == len(counts), statistic


# What persons' records are chosen and counted by


_RECORDS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 60)), min_size=1, max_size=40)


def _series_of(records: list[tuple[int, int, int]]) -> Series:
    rows = np.unique(np.array(records, np.int64), axis=0)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 2], rows[:, 0]))]
    return Series.of(offsets_of(rows[:, 0], 5), rows[:, 1], rows[:, 2])


@given(_RECORDS)
def test_series_hold_the_days_of_each_person_and_item(records: list[tuple[int, int, int]]) -> None:
    days: dict[tuple[int, int], list[int]] = {}
    for person, item, day in sorted(set(records)):
        days.setdefault((person, item), []).append(day)
    series = _series_of(records)
    entries = list(zip(series.person.tolist(), series.item.tolist(), strict=True))
    assert entries == sorted(days)
    assert [days[entry] for entry in entries] == [
        series.day[start : start + count].tolist()
        for start, count in zip(series.start.tolist(), series.count.tolist(), strict=True)
    ]
    assert all(series.day[some] in days[entry] for some, entry in zip(series.some, entries, strict=True))
    places, gaps = series.gaps()
    assert [entry for entry in entries if len(days[entry]) > 1] == [entries[place] for place in places]
    assert all(gap in np.diff(days[entries[place]]) for place, gap in zip(places, gaps, strict=True))
    for place, distance in zip(*series.distances(), strict=True):
        own = days[entries[place]]
        assert distance in {abs(a - b) for a in own for b in own if a != b}


@hypothesis_settings(max_examples=50)
@given(_RECORDS, st.permutations(range(5)))
def test_the_days_that_stand_for_a_person_do_not_hang_on_his_place(
    records: list[tuple[int, int, int]], place: list[int]
) -> None:
    one, other = _series_of(records), _series_of([(place[person], item, day) for person, item, day in records])
    stands = {(place[p], i): day for p, i, day in zip(one.person, one.item, one.day[one.some], strict=True)}
    assert stands == {(p, i): day for p, i, day in zip(other.person, other.item, other.day[other.some], strict=True)}


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-(2**62), 2**62)), min_size=1, max_size=30))
def test_equal_rows_are_counted_even_where_their_numbers_are_huge(rows: list[tuple[int, int]]) -> None:
    table = np.array(rows, np.int64)
    for columns in (table.T, (table.T[0], table.T[1] % 7)):
        keys, n = counted(*columns)
        plain = list(zip(*(column.tolist() for column in columns), strict=True))
        assert [tuple(key) for key in keys.tolist()] == sorted(set(plain))
        assert n.tolist() == [plain.count(row) for row in sorted(set(plain))]


def test_choices_are_even_and_hang_on_the_record_alone() -> None:
    record = np.arange(60_000)
    choices = chosen(np.full(60_000, 6), record)
    assert np.abs(np.bincount(choices, minlength=6) - 10_000).max() < 500
    assert np.array_equal(choices[::-1], chosen(np.full(60_000, 6), record[::-1]))
    assert len(np.unique(hashed(record, record % 3))) == 60_000
    assert (hashed(record, record + 1) != hashed(record + 1, record)).all()


def test_persons_of_strata_too_small_to_be_released_are_in_the_model() -> None:
    """Of 60 men 20 are known to be in one of three bands of years observed; of 50 women nothing is."""
    released = Sums()
    released.put("events.sex", np.array([[_MALE], [_FEMALE]]), [60, 50])
    released.put("events.persons_years", np.array([[0, 0]]), [20])
    structure: Any = SimpleNamespace(sexes=np.array([_MALE, _FEMALE]), outcomes=3, born=np.array([390]))
    strata = presence.Strata.of(released, structure)
    assert strata.persons.sum(1) == pytest.approx([20, 20, 20, 50 / 3, 50 / 3, 50 / 3])
    assert strata.persons.sum(0) == pytest.approx([30, 30, 25, 25])


def test_persons_of_years_of_birth_too_small_to_be_released_are_expected_to_have_items() -> None:
    margins = Sums()
    margins.put("events.sex", np.array([[_MALE]]), [100])
    margins.put("events.born", np.array([[392]]), [40])
    lustra, persons = model._lustra(margins, np.array([[390, 394]]))
    assert lustra.tolist() == [390, 391, 392, 393, 394]
    assert persons.tolist() == [15, 15, 40, 15, 15]


def test_a_rhythm_that_lasts_to_the_end_of_observation_does_so_when_made() -> None:
    people = _people(600, np.random.default_rng(5))
    start, end = people.start.astype(np.int64), people.end.astype(np.int64)
    first = start + np.random.default_rng(6).integers(0, end - start - 730)
    person = np.repeat(np.arange(600), (end - first) // 180 + 1)
    step = np.arange(len(person)) - np.repeat(np.searchsorted(person, np.arange(600)), np.bincount(person))
    day = first[person] + 180 * step
    source = Hospital(people, _events(600, person, np.full(len(person), _NUMBER["arthrosis"]), day))
    others = _people(2000, np.random.default_rng(7))
    made = _born_again(_model(source), others)
    whose, when = made.days("arthrosis")
    last = np.full(2000, -1)
    np.maximum.at(last, whose, when)
    left = (others.end - last)[last >= 0]
    assert (left < 180).mean() > 0.9


def test_pairs_that_few_have_are_told_from_pairs_that_nobody_can_have() -> None:
    """By chance, 45 of 800 would have each pair; those of one cohort never meet those of the other."""
    margins = Sums()
    margins.put("events.sex", np.array([[_MALE]]), [800])
    margins.put("events.born", np.array([[390], [400]]), [400, 400])
    table = [TABLE_NUMBERS["condition_occurrence"]] * 3
    margins.put(PERSONS, np.column_stack([table, [1, 2, 3]]), [190, 190, 190])
    cohorts = [(1, 390, 190), (2, 400, 190), (3, 390, 15), (3, 400, 175)]
    keys = [[table[0], item, born, born] for item, born, _ in cohorts]
    margins.put("events.cohort", np.array(keys), [n for _, _, n in cohorts])
    apart = model._Apart.of(Plan(margins, _MIN_CELL))
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
