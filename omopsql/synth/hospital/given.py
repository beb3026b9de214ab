"""Wishes for synthetic persons: what all of them are (``given``), and the shares that they are balanced to.

A person who does not fit is born again: attempt k of person p draws from the streams of number p + k * 2^40, and the
first attempt that fits is that person, under the number p. So a person does not depend on who else is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from omopsql.errors import OmopsqlError
from omopsql.udfs.stream import start, uniform

from .lives import Int64s, Lives, owners
from .plan import Items

MOST_PERSONS = 1 << 40
KEYS = (
    "gender_concept_id",
    "race_concept_id",
    "ethnicity_concept_id",
    "min_age",
    "max_age",
    "is_dead",
    "condition",
    "drug",
    "procedure",
    "device",
    "measurement",
    "observation",
    "visit",
)
_CONCEPTS = {"gender_concept_id": "sex", "race_concept_id": "race", "ethnicity_concept_id": "ethnicity"}
_TABLES = {
    "condition": "condition_occurrence",
    "drug": "drug_exposure",
    "procedure": "procedure_occurrence",
    "device": "device_exposure",
    "measurement": "measurement",
    "observation": "observation",
    "visit": "visit_occurrence",
}
_ATTEMPTS = 20_000
_AT_ONCE = 2048  # persons
_SHOWN = 8
_DAYS_A_YEAR = 365.25
_LAYER = 1_000  # streams that no layer of a life draws from

Bools = npt.NDArray[np.bool_]
Test = Callable[[Lives], Bools]  # which persons of a batch fit


class Hospital(Protocol):
    """What wishes need to know of a hospital."""

    @property
    def items(self) -> Items:
        """The items of its model."""

    def lives(self, seed: int, numbers: Int64s) -> Lives:
        """Make persons, by their numbers."""


@dataclass(frozen=True)
class Balance:
    """Alternatives, one drawn for each person by its share. The last takes what the shares of the others leave."""

    alternatives: tuple[Test, ...]
    shares: tuple[float, ...]

    def fits(self, lives: Lives, drawn: npt.NDArray[np.float64]) -> Bools:
        """Which persons fit the alternative that was drawn for them."""
        chosen = np.searchsorted(np.cumsum(self.shares), drawn, side="right")
        masks = np.stack([test(lives) for test in self.alternatives])
        return masks[np.minimum(chosen, len(masks) - 1), np.arange(len(lives))]


@dataclass(frozen=True)
class Wishes:
    """What synthetic persons must be, and how they are balanced. ``told`` is what the user asked for."""

    tests: tuple[Test, ...]
    balances: tuple[Balance, ...]
    told: str

    def fits(self, lives: Lives, drawn: list[npt.NDArray[np.float64]]) -> Bools:
        """Which persons fit. ``drawn`` holds for each balance a uniform number a person."""
        fits = np.ones(len(lives), bool)
        for test in self.tests:
            fits &= test(lives)
        for balance, numbers in zip(self.balances, drawn, strict=True):
            fits &= balance.fits(lives, numbers)
        return fits

    def lives(self, hospital: Hospital, seed: int, numbers: Int64s) -> Lives:
        """Make persons who fit. Raises OmopsqlError when the model has hardly any."""
        if not self.tests and not self.balances:
            return hospital.lives(seed, numbers)
        born = np.full(len(numbers), -1, np.int64)  # the number whose streams make the person
        attempts = 0
        while (waiting := np.flatnonzero(born < 0)).size:
            at_once = min(max(1, _AT_ONCE // waiting.size), _ATTEMPTS - attempts)
            if at_once <= 0:
                raise OmopsqlError(
                    f"{self.told}: none of {_ATTEMPTS:,} attempts at person {numbers[waiting[0]]} fits; wish for less"
                )
            born[waiting] = self._first_fitting(hospital, seed, numbers[waiting], attempts, at_once)
            attempts += at_once
        return replace(hospital.lives(seed, born), numbers=numbers)

    def _first_fitting(self, hospital: Hospital, seed: int, numbers: Int64s, first: int, attempts: int) -> Int64s:
        """The number of the first of several attempts at each person that fits, -1 where none does."""
        tried = (numbers[:, None] + (first + np.arange(attempts)) * MOST_PERSONS).reshape(-1)
        drawn = [_drawn(seed, numbers, _LAYER + i).repeat(attempts) for i in range(len(self.balances))]
        fits = self.fits(hospital.lives(seed, tried), drawn).reshape(-1, attempts)
        found = tried.reshape(-1, attempts)[np.arange(len(numbers)), fits.argmax(axis=1)]
        return np.where(fits.any(axis=1), found, -1)


@njit(cache=True, nogil=True)
def _drawn(seed, numbers, layer):
    """A uniform number for each person, the same in every attempt."""
    drawn = np.empty(numbers.size)
    for i in range(numbers.size):
        _, drawn[i] = uniform(start(seed, numbers[i], layer))
    return drawn


def read_wishes(items: Items, given: dict[str, Any] | None, shares: dict[str, Any] | None) -> Wishes:
    """Read ``given := {'gender_concept_id': 8532, 'condition': 201826}`` and ``shares``.

    ``shares := {'gender_concept_id': {'8532': 0.5}}`` asks for a value's share; the persons that shares leave have none
    of the values. Raises OmopsqlError for a word that is unknown, a concept that the model lacks, and shares that are
    no shares.
    """
    tests = [test for key, value in (given or {}).items() for test in _tests("given", items, key, value)]
    balances = [_balance(items, key, wanted) for key, wanted in (shares or {}).items()]
    told = ", ".join(f"{name} {value}" for name, value in (("given", given), ("shares", shares)) if value)
    return Wishes(tuple(tests), tuple(balances), told)


def _tests(argument: str, items: Items, key: str, value: Any) -> list[Test]:
    """The tests of one wish: a list of concepts wishes for any of them in a person, for all of them in records."""
    if key not in KEYS:
        raise OmopsqlError(f"{argument}: {key!r} cannot be asked for; say {', '.join(KEYS)}")
    if key == "is_dead":
        if not isinstance(value, bool):
            raise OmopsqlError(f"{argument}: is_dead is {value!r}; say true or false")
        return [_is_dead(value)]
    wanted = [_whole(argument, key, one) for one in (value if isinstance(value, list) else [value])]
    if key in _CONCEPTS:
        return [_is_any(_CONCEPTS[key], wanted)]
    if key in _TABLES:
        return [_has(_items_of(argument, items, key, concept)) for concept in wanted]
    if len(wanted) != 1:
        raise OmopsqlError(f"{argument}: {key} is {value!r}; give one number of years")
    return [_is_aged(wanted[0], key == "min_age")]


def _whole(argument: str, key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise OmopsqlError(f"{argument}: {key} is {value!r}; give a whole number, such as a concept_id")
    return value


def _is_dead(wanted: bool) -> Test:
    return lambda lives: (lives.people.death >= 0) == wanted


def _is_any(column: str, wanted: list[int]) -> Test:
    return lambda lives: np.isin(getattr(lives.people, column), wanted)


def _is_aged(years: int, is_least: bool) -> Test:
    """The age at the last day of observation."""
    days = (years if is_least else years + 1) * _DAYS_A_YEAR
    return lambda lives: (lives.people.end >= days) == is_least


def _has(wanted: Int64s) -> Test:
    def test(lives: Lives) -> Bools:
        found = np.zeros(len(lives), bool)
        for layer in (lives.events, lives.values):
            if layer is not None:
                found[owners(layer.offsets)[np.isin(layer.item, wanted)]] = True
        return found

    return test


def _items_of(argument: str, items: Items, key: str, concept: int) -> Int64s:
    """The items that a concept counts as: one, or none, which is an error."""
    concepts, of_table = items.concepts_of(_TABLES[key])
    found = of_table[concepts == concept].astype(np.int64)
    if not found.size:
        known = np.unique(concepts)
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        shown = ", ".join(map(str, known[:_SHOWN].tolist())) or "none"
        raise OmopsqlError(f"{argument}: the model has no {key} {concept}; its concepts are {shown}{more}")
    return found


def _balance(items: Items, key: str, wanted: Any) -> Balance:
    if not isinstance(wanted, dict) or not wanted:
        raise OmopsqlError(f"shares: {key} is {wanted!r}; give a share for each value, as in {{'8532': 0.5}}")
    shares = [_share(key, share) for share in wanted.values()]
    left = 1.0 - sum(shares)
    if left < -1e-9:
        raise OmopsqlError(f"shares: those of {key} sum to {sum(shares):g}; they may sum to 1 at most")
    alternatives = [_all_of(_tests("shares", items, key, _value(key, value))) for value in wanted]
    if left > 1e-9:
        alternatives.append(_none_of(tuple(alternatives)))
        shares.append(left)
    return Balance(tuple(alternatives), tuple(shares))


def _share(key: str, share: Any) -> float:
    if isinstance(share, str):  # a mixture of whole and decimal numbers may come as text
        share = _as_number(share)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise OmopsqlError(f"shares: {key} has the share {share!r}; give a number above 0, at most 1")
    return float(share)


def _as_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _value(key: str, text: str) -> Any:
    """A value as it stands in the name of a struct's field."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not text.lstrip("-").isdigit():
        raise OmopsqlError(f"shares: {key} has no value {text!r}; give a whole number, such as a concept_id")
    return int(text)


def _all_of(tests: Iterable[Test]) -> Test:
    held = tuple(tests)
    return lambda lives: np.logical_and.reduce([test(lives) for test in held])


def _none_of(tests: tuple[Test, ...]) -> Test:
    return lambda lives: ~np.logical_or.reduce([test(lives) for test in tests])
