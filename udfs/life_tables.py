"""The tables that lives are made from, and the memory of one life."""

from typing import NamedTuple

import numpy as np
from numba import njit

from .even import ROUNDS

EPISODES = 1 << 13  # of one person, at most
STEPS = 400  # of one stream, at most


class Bins(NamedTuple):
    """Rows of bins: see omopsql.synth.hospital.events.tables.BinTable."""

    offsets: np.ndarray
    low: np.ndarray
    high: np.ndarray
    cumulative: np.ndarray


class Streams(NamedTuple):
    """States by their hash, rising, and the steps from each."""

    states: np.ndarray
    offsets: np.ndarray
    by_age: np.ndarray
    driver: np.ndarray
    mask: np.ndarray
    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray
    dosed: np.ndarray


class Variants(NamedTuple):
    """The companions that drivers come with: masks with cumulative weights by band of age and calendar."""

    offsets: np.ndarray
    mask: np.ndarray
    cumulative: np.ndarray
    member: np.ndarray
    kept: np.ndarray
    apart: np.ndarray
    meets: np.ndarray
    companions_of: np.ndarray
    companion: np.ndarray
    bit: np.ndarray
    ages: np.ndarray
    first_calendar: int
    calendars: int


class Presence(NamedTuple):
    """Who has which driver, and how often."""

    order: np.ndarray
    threshold: np.ndarray
    loadings: np.ndarray
    own: np.ndarray
    first: np.ndarray
    second: np.ndarray
    shift: np.ndarray
    quantiles: np.ndarray
    times: np.ndarray
    excluded_offsets: np.ndarray
    excluded: np.ndarray
    apart_offsets: np.ndarray
    apart: np.ndarray


class Times(NamedTuple):
    """When drivers occur."""

    is_regular: np.ndarray
    axis: np.ndarray
    when: Bins
    gaps: Bins
    again: np.ndarray
    again_bounds: np.ndarray
    trigger: np.ndarray
    chance: np.ndarray
    lags: Bins
    leads: np.ndarray
    visited: np.ndarray
    on_visit: np.ndarray
    bands_of_visits: np.ndarray
    host: np.ndarray
    hosted: np.ndarray


class Tables(NamedTuple):
    """All that lives are made from."""

    streams: Streams
    variants: Variants
    presence: Presence
    times: Times


class People(NamedTuple):
    """Whose lives are made: arrays of one entry a person.

    ``cell`` is the stratum of presence, ``band`` that of numbers, ``born`` the cohort; ``birth`` is in days since 1970.
    """

    number: np.ndarray
    cell: np.ndarray
    band: np.ndarray
    born: np.ndarray
    birth: np.ndarray
    first_day: np.ndarray
    last_day: np.ndarray


class Work(NamedTuple):
    """Memory for one life: its episodes, where those of each driver stand and how many, and what the person has."""

    item: np.ndarray
    day: np.ndarray
    mask: np.ndarray
    pos: np.ndarray
    n: np.ndarray
    has: np.ndarray
    has_item: np.ndarray
    common: np.ndarray
    used: np.ndarray
    taken: np.ndarray
    spare: np.ndarray
    block: np.ndarray  # which block of persons ``words`` are of
    words: np.ndarray  # (items and factors, rounds): where persons of the block stand in each


@njit(nogil=True)
def work_for(tables):
    """Memory for the life of one person."""
    items, most = len(tables.presence.first), tables.presence.times.shape[2] + 1
    return Work(
        np.empty(EPISODES + most, np.int64),
        np.empty(EPISODES + most, np.int64),
        np.zeros(EPISODES + most, np.int64),
        np.zeros(items, np.int64),
        np.zeros(items, np.int64),
        np.zeros(items, np.bool_),
        np.zeros(items, np.bool_),
        np.empty(items, np.float64),
        np.zeros((tables.times.trigger.shape[1], max(most, STEPS) + 1), np.bool_),
        np.empty(EPISODES + most, np.int64),
        np.empty((3, EPISODES + most), np.int64),
        np.full(1, -1, np.int64),
        np.empty((items + len(tables.presence.loadings), ROUNDS), np.uint64),
    )
