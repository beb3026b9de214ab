"""The gates, and the verdict on scores of several seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.table import Table
from scipy.stats import t

from .distances import Score

MET, AS_REAL, MISSED, UNKNOWN = "met", "as near as real", "missed", "not measured"


@dataclass(frozen=True)
class Gate:
    """What a measure must reach: at least ``low``, at most ``high``, or between both; and what it had better reach.

    ``by_bound``: the upper 95 % bound of the mean over seeds must reach it, not the mean.
    """

    measure: str
    words: str
    low: float = -np.inf
    high: float = np.inf
    stretch: float | None = None
    by_bound: bool = False

    def is_met(self, value: float) -> bool:
        """Whether the value lies within the gate."""
        return bool(self.low <= value <= self.high)

    def shortfall(self, value: float) -> float:
        """How far a value is from the best one."""
        if np.isinf(self.low):
            return value
        return -value if np.isinf(self.high) else abs(value - (self.low + self.high) / 2)

    def told(self) -> str:
        """The gate in signs."""
        if np.isinf(self.low):
            return f"≤ {self.high:g}"
        return f"≥ {self.low:g}" if np.isinf(self.high) else f"{self.low:g} to {self.high:g}"


EVENTS = (
    Gate("prevalence_r2", "concept prevalence R²", low=0.998),
    Gate("prevalence_log_r2", "the same, logarithms", low=0.97),
    Gate("prevalence_sex_age_r2", "prevalence by sex and age band R²", low=0.985),
    Gate("pair_joint_r2", "two concepts in one person R²", low=0.995),
    Gate("pair_log_lift_r2", "log-lift of two concepts R²", low=0.93),
    Gate("count_tvd", "records per concept and person, mean TVD", high=0.010),
    Gate("same_day_r2", "company of a day R²", low=0.98, stretch=0.99),
    Gate("same_day_log_r2", "the same, logarithms", low=0.60, stretch=0.80),
    Gate("transition_records_r2", "one after another within a year, records R²", low=0.95, stretch=0.97),
    Gate("transition_persons_r2", "first one, then another, persons R²", low=0.90, stretch=0.95),
    Gate("age_ks", "age at first event, mean KS", high=0.125),
    Gate("gap_ks", "gap between events of a concept, mean KS", high=0.10),
    Gate("c2st", "C2ST, person features", high=0.65, stretch=0.58),
    Gate("c2st_rich", "C2ST, lags and times too", high=0.92, stretch=0.75),
    Gate("landmark_loss", "new diseases and drugs after 40: AUROC lost", high=0.02),
    Gate("bleed_rate_ratio", "bleeding in 90 days after the NSAID, rate ratio", low=0.9, high=1.1),
    Gate("exclusive_violated", "exclusive pairs of concepts violated", high=0),
    Gate("nearer_to_train", "nearer to fitted persons than to others", high=0.55, by_bound=True),
    Gate("membership_auc", "membership AUROC", high=0.52),
    Gate("exact", "histories equal to a fitted one", high=0),
    Gate("small_cells", "released cells below min_cell", high=0),
)
MEASUREMENTS = (
    Gate("ks_value_excess", "values, KS over the real half's own", high=0.005, stretch=0.002),
    Gate("ks_mean_excess", "patients' means, the same", high=0.01, stretch=0.005),
    Gate("ks_min_excess", "patients' minima, the same", high=0.015, stretch=0.008),
    Gate("ks_max_excess", "patients' maxima, the same", high=0.02, stretch=0.01),
    Gate("ks_count_excess", "patients' counts, the same", high=0.02, stretch=0.01),
    Gate("lag_1", "lag-1 correlation, error", high=0.04, stretch=0.02),
    Gate("lag_1_within", "the same within a patient", high=0.08, stretch=0.05),
    Gate("intraclass", "intraclass correlation, error", high=0.025, stretch=0.018),
    Gate("level_correlation", "correlation of patients' means, RMSE", high=0.050, stretch=0.042),
    Gate("residual_correlation", "correlation of residuals, RMSE", high=0.065, stretch=0.052),
    Gate("ever", "ever measured, error", high=0.006, stretch=0.005),
    Gate("both", "two ever measured, error", high=0.010, stretch=0.007),
    Gate("death_trees", "death in the stay, boosted trees: AUROC lost", high=0.025, stretch=0.015),
    Gate("death_logistic", "the same, logistic regression", high=0.020, stretch=0.012),
    Gate("slope_trees", "calibration slope, boosted trees", low=0.8, high=1.2),
    Gate("slope_logistic", "calibration slope, logistic regression", low=0.8, high=1.2),
    Gate("c2st", "C2ST", high=0.88, stretch=0.75),
    Gate("small_cells", "released cells below min_cell", high=0),
)
GENOMICS = (
    Gate("gene_prevalence_r2", "genes mutated, prevalence R²", low=0.98),
    Gate("gene_pairs_r2", "two genes mutated in one person R²", low=0.9),
    Gate("survival_within", "Kaplan-Meier within the bootstrap's 95 %, share of groups", low=0.95),
    Gate("hazard_inside", "log hazard ratio inside the real 95 %, share", low=0.95),
    Gate("small_cells", "released cells below min_cell", high=0),
)


@dataclass(frozen=True)
class Line:
    """A gate with its scores over seeds, their means, and the verdict."""

    gate: Gate
    value: float
    bound: float
    fitted: float
    own: float
    verdict: str

    @property
    def is_measured(self) -> bool:
        """Whether any seed has a score."""
        return self.verdict != UNKNOWN

    @property
    def is_reached(self) -> bool:
        """Whether the gate is met, or as near as real persons are."""
        return self.verdict in (MET, AS_REAL)


def lines(gates: tuple[Gate, ...], seeds: list[dict[str, Score]]) -> Iterator[Line]:
    """Judge the mean over seeds. What misses a gate but is as near as the real half counts as such."""
    for gate in gates:
        scores = [scores[gate.measure] for scores in seeds if gate.measure in scores]
        values, fitted, own = ([getattr(score, name) for score in scores] for name in ("value", "fitted", "own"))
        value, bound = _mean(values), _upper_bound(values)
        judged = bound if gate.by_bound else value
        yield Line(gate, value, bound, _mean(fitted), _mean(own), _verdict(gate, judged, _mean(own)))


def _verdict(gate: Gate, value: float, own: float) -> str:
    if np.isnan(value):
        return UNKNOWN
    if gate.is_met(value):
        return MET
    return AS_REAL if not np.isnan(own) and gate.shortfall(value) <= gate.shortfall(own) else MISSED


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan


def _upper_bound(values: list[float]) -> float:
    """The one-sided upper 95 % bound of the mean; of one value, itself."""
    if len(values) < 2:
        return _mean(values)
    return _mean(values) + float(t.ppf(0.95, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))


def rendered(title: str, judged: list[Line]) -> Table:
    """The table to print."""
    table = Table(title=title)
    for heading in ("", "gate", "stretch", "value", "on the fitted half", "real half's own", "verdict"):
        table.add_column(heading, no_wrap=True)
    for line in judged:
        gate = line.gate
        value = f"{number(line.value)} (up to {number(line.bound)})" if gate.by_bound else number(line.value)
        stretch = "" if gate.stretch is None else f"{gate.stretch:g}"
        own, fitted = number(line.own), number(line.fitted)
        table.add_row(gate.words, gate.told(), stretch, value, fitted, own, line.verdict)
    return table


def number(value: float) -> str:
    """Four digits; nothing for what was not measured."""
    return "" if np.isnan(value) else f"{value:.4g}"
