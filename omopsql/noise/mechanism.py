"""The three ways in which anything leaves the data under noise, each by OpenDP and each entered in the ledger.

The guarantee is zero-concentrated: every release has a rho, those of several releases add up, and ε follows from their
sum at δ. Sources: M. Bun, T. Steinke, TCC 2016 (zCDP); C. Canonne, G. Kamath, T. Steinke, NeurIPS 2020 (the discrete
Gaussian); R. Rogers, 2023, arXiv 2309.09170 (unknown labels); what is spent may depend on earlier releases as long as
the sum is fixed beforehand: M. Lécuyer, 2021, arXiv 2103.01379.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from omopsql.errors import OmopsqlError

_TIGHTER = 10.0  # OpenDP lets rho be so many times what the plain formula does, at most
_HALVINGS = 32
_SLACK = 1e-9  # of rho: what rounding may add up to


@cache
def opendp() -> Any:
    """The library OpenDP. Raises OmopsqlError when it is absent."""
    try:
        library = importlib.import_module("opendp.prelude")
    except ImportError as error:
        raise OmopsqlError("epsilon needs OpenDP: pip install 'omopsql[noise]'") from error
    library.enable_features("contrib")
    return library


def epsilon_of(rho: float, delta: float) -> float:
    """Convert a sum of rho to ε at ``delta``, as OpenDP does."""
    if rho <= 0.0:
        return 0.0
    dp = opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
    gaussian = dp.m.make_gaussian(*space, scale=1.0 / math.sqrt(2.0 * rho))
    return float(dp.c.make_zCDP_to_approxDP(gaussian).map(1.0).epsilon(delta))


@cache
def rho_of(epsilon: float, delta: float) -> float:
    """The largest rho that costs at most ``epsilon`` at ``delta``."""
    told = math.log(1.0 / delta)
    known = (math.sqrt(told + epsilon) - math.sqrt(told)) ** 2  # by Bun and Steinke; OpenDP's is tighter
    low, high = math.log(known), math.log(_TIGHTER * known)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if epsilon_of(math.exp(middle), delta) <= epsilon else (low, middle)
    return math.exp(low)


@dataclass(frozen=True)
class Release:
    """One release of the ledger: what was told of which columns, how many ``values``, and what it cost.

    ``sensitivity`` is by how much one person can move it: in L2 for sums, in the largest score for a choice. ``scale``
    is that of the noise, ``threshold`` the count below which a label stays hidden (0: there is none).
    """

    name: str
    columns: tuple[str, ...]
    values: int
    sensitivity: float
    scale: float
    rho: float
    delta: float = 0.0
    threshold: int = 0


@dataclass
class Account:
    """A budget of (epsilon, delta) for persons of at most ``rows`` rows each, and what was spent of it.

    Half of delta is for the conversion of rho, half for labels that are not known beforehand.
    """

    epsilon: float
    delta: float
    rows: int = 1
    releases: list[Release] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rho = rho_of(self.epsilon, 0.5 * self.delta) * (1.0 - _SLACK)
        self.label_delta = 0.5 * self.delta

    @property
    def left(self) -> float:
        """What of rho is left."""
        return self.rho - sum(release.rho for release in self.releases)

    def sums(
        self, name: str, columns: Sequence[str], counts: np.ndarray, rho: float, sensitivity: float = 1.0
    ) -> np.ndarray:
        """Release integer sums of any shape, to which one row adds at most ``sensitivity`` in L2."""
        dp = opendp()
        sensitivity = sensitivity * self.rows
        scale = scale_of(rho, sensitivity)
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
        noisy = dp.m.make_gaussian(*space, scale=scale)
        self._enter(Release(name, tuple(columns), int(counts.size), sensitivity, scale, noisy.map(sensitivity)))
        return np.array(noisy(counts.reshape(-1).tolist()), np.int64).reshape(counts.shape)

    def labels(
        self, name: str, columns: Sequence[str], counts: dict[str, int], rho: float, delta: float
    ) -> tuple[dict[str, int], float]:
        """Release counts by labels that nobody knew, those above a threshold; and the scale of their noise.

        One row adds 1 to one label.
        """
        scale = scale_of(rho, self.rows)
        threshold = _threshold(scale, delta, self.rows)
        noisy = _label_noise(scale, threshold)
        spent, failing = noisy.map((self.rows, self.rows, self.rows))
        found: dict[str, int] = noisy(counts) if counts else {}
        entered = Release(name, tuple(columns), len(found), self.rows, scale, spent, failing, threshold)
        self._enter(entered)
        return found, scale

    def cells(
        self, name: str, counts: np.ndarray, persons_cells: int, rho: float, delta: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Release those of many cells that show above a threshold: their places, rising, and their noisy counts.

        One person adds 1 to each of ``persons_cells`` cells at most, however many rows he has.
        """
        moved = (persons_cells, _length(persons_cells), 1)
        scale = scale_of(rho, moved[1])
        threshold = _cells_threshold(scale, delta, persons_cells)
        noisy = _label_noise(scale, threshold, "i64")
        spent, failing = noisy.map(moved)
        told = noisy(dict(enumerate(counts.tolist()))) if len(counts) else {}
        places = np.array(sorted(told), np.int64)
        self._enter(Release(name, (), len(places), moved[1], scale, spent, failing, threshold))
        return places, np.array([told[place] for place in places.tolist()], np.int64)

    def choice(
        self, name: str, columns: Sequence[str], scores: np.ndarray, rho: float, sensitivity: float = 1.0
    ) -> int:
        """Choose the largest of scores that one row moves by at most ``sensitivity`` each."""
        dp = opendp()
        sensitivity = sensitivity * self.rows
        scale = scale_of(rho, sensitivity)
        space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.linf_distance(T=float)
        noisy = dp.m.make_noisy_max(*space, dp.zero_concentrated_divergence(), scale=scale)
        self._enter(Release(name, tuple(columns), len(scores), sensitivity, scale, noisy.map(sensitivity)))
        return int(noisy([float(score) for score in scores]))

    def _enter(self, release: Release) -> None:
        if release.rho > self.left + _SLACK * self.rho:
            raise OmopsqlError(f"epsilon = {self.epsilon:g} does not suffice for the release of {release.name}")
        self.releases.append(release)


def scale_of(rho: float, sensitivity: float) -> float:
    """Scale of the noise that hides ``sensitivity`` at the cost of ``rho``."""
    return sensitivity / math.sqrt(2.0 * rho) * (1.0 + _SLACK)


@cache
def _threshold(scale: float, delta: float, rows: int) -> int:
    """The least threshold at which a label of one person alone shows with a chance of at most ``delta``."""
    low, high = rows, rows + math.ceil(40.0 * scale) + 2
    while low < high:
        middle = (low + high) // 2
        failing = _label_noise(scale, middle).map((rows, rows, rows))[1]
        low, high = (low, middle) if failing <= delta else (middle + 1, high)
    return low


def _length(cells: int) -> int:
    """What a person changes who adds 1 to so many cells, in L2, rounded up: it is told in whole numbers."""
    return math.isqrt(max(cells - 1, 0)) + 1


def threshold_of_labels(rho: float, delta: float, rows: int) -> int:
    """The count from which on a label may show, of those that ``Account.labels`` releases."""
    return _threshold(scale_of(rho, rows), delta, rows)


def threshold_of_cells(rho: float, delta: float, persons_cells: int) -> int:
    """The count from which on a cell may show, of those that ``Account.cells`` releases."""
    return _cells_threshold(scale_of(rho, _length(persons_cells)), delta, persons_cells)


@cache
def _cells_threshold(scale: float, delta: float, cells: int) -> int:
    """The least threshold that one of a single person's cells passes with a chance of at most ``delta``."""
    low, high = 1, 1 + math.ceil(40.0 * scale) + 2
    while low < high:
        middle = (low + high) // 2
        failing = _label_noise(scale, middle, "i64").map((cells, _length(cells), 1))[1] if middle > 1 else 1.0
        low, high = (low, middle) if failing <= delta else (middle + 1, high)
    return low


def _label_noise(scale: float, threshold: int, labels: Any = str) -> Any:
    dp = opendp()
    space = (
        dp.map_domain(dp.atom_domain(T=labels), dp.atom_domain(T="i64")),
        dp.l02inf_distance(dp.absolute_distance(T="i64")),
    )
    measure = dp.approximate(dp.zero_concentrated_divergence())
    return dp.m.make_noise_threshold(*space, measure, scale=scale, threshold=threshold)
