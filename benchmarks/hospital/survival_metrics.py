"""Genes and survival: how often genes are mutated and together, and who lives how long.

Survival: E. L. Kaplan and P. Meier, JASA 53 (1958) 457-481; D. R. Cox, JRSS B 34 (1972) 187-220, with the treatment of
ties of B. Efron, JASA 72 (1977) 557-565.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .distances import Score, r_squared
from .folders import opened, query

_BOOTSTRAPS = 400
_LEAST_AT_RISK = 10
_LEAST_TOGETHER = 5  # persons with two genes, found or expected
_NORMAL = 1.959964
_STEPS = 30


@dataclass(frozen=True)
class Cohort:
    """Persons followed up: ``days``, ``is_dead``, ``age``; who has which marker and gene, bool[persons, columns]."""

    days: np.ndarray
    is_dead: np.ndarray
    age: np.ndarray
    markers: np.ndarray
    genes: np.ndarray


def read(folders: list[Path]) -> tuple[list[Cohort], list[str], list[str]]:
    """Read CDM folders, the first two of them real. Returns cohorts with the names of their markers and genes.

    Markers are those that 5 to 95 % of the first folder's persons have; genes are those that the real folders place.
    """
    tables = [_Tables.of(folder) for folder in folders]
    gene_of = _genes_by_concept(tables[:2])
    genes = sorted(set(gene_of.values()) | {g for t in tables[:2] for g in t.placed_genes()})
    names = tables[0].frequent_markers()
    return [_cohort(t, names, genes, gene_of) for t in tables], names, genes


@dataclass(frozen=True)
class _Tables:
    survivors: pa.Table
    markers: pa.Table
    mutations: pa.Table

    @classmethod
    def of(cls, folder: Path) -> _Tables:
        with opened(folder) as con:
            return cls(*(_answer(con, name) for name in ("survivors", "markers", "mutations")))

    def frequent_markers(self) -> list[str]:
        share = {
            entry["values"]: entry["counts"] / self.survivors.num_rows
            for entry in self.markers["marker"].value_counts().to_pylist()
        }
        return sorted(name for name, of_all in share.items() if 0.05 <= of_all <= 0.95)

    def placed_genes(self) -> set[str]:
        placed = self.mutations.filter(self.mutations["is_placed"])
        return set(placed["gene"].drop_null().to_pylist())


def _answer(con: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    return con.sql(query(name)).to_arrow_table()


def _genes_by_concept(tables: list[_Tables]) -> dict[int, str]:
    """The gene of each concept that a mutation has."""
    placed = pa.concat_tables([t.mutations.filter(t.mutations["is_placed"]) for t in tables])
    told = placed.filter(pc.greater(placed["concept_id"], 0)).to_pydict()
    return dict(zip(told["concept_id"], told["gene"], strict=True))


def _cohort(tables: _Tables, names: list[str], genes: list[str], gene_of: dict[int, str]) -> Cohort:
    s, mutations = tables.survivors, tables.mutations.to_pydict()
    told = zip(mutations["gene"], mutations["concept_id"], strict=True)
    found = [gene if gene in genes else gene_of.get(concept) for gene, concept in told]
    persons = s["person_id"].to_numpy()
    return Cohort(
        s["days"].to_numpy(), s["is_dead"].to_numpy(), s["age"].to_numpy(),
        _table_of(persons, tables.markers["person_id"], tables.markers["marker"], names),
        _table_of(persons, tables.mutations["person_id"], pa.chunked_array([pa.array(found, pa.string())]), genes),
    )  # fmt: skip


def _table_of(persons: np.ndarray, owner: pa.ChunkedArray, name: pa.ChunkedArray, names: list[str]) -> np.ndarray:
    """Who has which of the names, bool[persons, names]."""
    column = pc.index_in(name, pa.array(names, pa.string())).fill_null(-1).to_numpy()
    row = np.searchsorted(persons, owner.to_numpy())
    row = np.where(np.isin(owner.to_numpy(), persons), row, -1)
    has = np.zeros((persons.size, len(names)), dtype=bool)
    known = (column >= 0) & (row >= 0)
    has[row[known], column[known]] = True
    return has


def judge(train: Cohort, holdout: Cohort, synthetic: Cohort, seed: int = 0) -> dict[str, Score]:
    """Judge synthetic persons against the half that was not fitted; ``own``: the fitted half's score there."""
    value, fitted, own = (
        genes(real, of) | survival(real, of, seed) | hazards(real, of)
        for real, of in ((holdout, synthetic), (train, synthetic), (holdout, train))
    )
    return {name: Score(value[name], fitted[name], own[name]) for name in value}


def genes(real: Cohort, synthetic: Cohort) -> dict[str, float]:
    """R² of the shares of persons with a gene mutated, and with two (of pairs that 5 persons have or should)."""
    a, b = real.genes.astype(float), synthetic.genes.astype(float)
    share, made = a.mean(axis=0), b.mean(axis=0)
    joint, joint_made = a.T @ a / len(a), b.T @ b / len(b)
    least = _LEAST_TOGETHER / len(a)
    frequent = np.triu((joint >= least) | (np.outer(share, share) >= least), 1)
    return {
        "gene_prevalence_r2": r_squared(share, made),
        "gene_pairs_r2": r_squared(joint[frequent], joint_made[frequent]),
    }


def survival(real: Cohort, synthetic: Cohort, seed: int) -> dict[str, float]:
    """Kaplan-Meier curves: share of groups whose sup-distance lies within 95 % of the real bootstrap's.

    Groups are all persons, and those with each marker and each gene that 30 real persons with 5 deaths have. The
    bootstrap compares two resamples of the real group.
    """
    within, distances = [], []
    for mine, theirs in _groups(real, synthetic):
        horizon = _horizon(real.days[mine])
        grid = np.unique(np.linspace(0, horizon, 200))
        a = kaplan_meier(real.days[mine], real.is_dead[mine], grid)
        b = kaplan_meier(synthetic.days[theirs], synthetic.is_dead[theirs], grid)
        distances.append(float(np.abs(a - b).max()))
        within.append(distances[-1] <= _bootstrapped(real.days[mine], real.is_dead[mine], grid, seed))
    if not distances:
        return {"survival_distance": np.nan, "survival_within": np.nan, "survival_groups": 0.0}
    return {
        "survival_distance": float(np.mean(distances)),
        "survival_within": float(np.mean(within)),
        "survival_groups": float(len(within)),
    }


def _groups(real: Cohort, synthetic: Cohort) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    everyone = np.ones((real.days.size, 1), bool), np.ones((synthetic.days.size, 1), bool)
    for mine, theirs in (everyone, (real.markers, synthetic.markers), (real.genes, synthetic.genes)):
        for column in range(mine.shape[1]):
            if mine[:, column].sum() >= 30 and real.is_dead[mine[:, column]].sum() >= 5:
                yield mine[:, column], theirs[:, column]


def _horizon(days: np.ndarray) -> float:
    """The last day on which ten persons are still followed up."""
    return float(np.sort(days)[max(days.size - _LEAST_AT_RISK, 0)])


def kaplan_meier(days: np.ndarray, is_dead: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Share that survives each of the grid's days, float64[grid]; zero when nobody is followed up."""
    if not days.size:
        return np.zeros(grid.size)
    moments, place = np.unique(days, return_inverse=True)
    deaths = np.bincount(place, is_dead, minlength=moments.size)
    at_risk = days.size - np.concatenate([[0], np.cumsum(np.bincount(place, minlength=moments.size))[:-1]])
    surviving = np.concatenate([[1.0], np.cumprod(1.0 - deaths / at_risk)])
    return surviving[np.searchsorted(moments, grid, "right")]


def _bootstrapped(days: np.ndarray, is_dead: np.ndarray, grid: np.ndarray, seed: int) -> float:
    """95 % quantile of the sup-distance of two resamples."""
    rng = np.random.default_rng(seed)
    curves = []
    for _ in range(_BOOTSTRAPS):
        drawn = rng.integers(0, days.size, days.size)
        curves.append(kaplan_meier(days[drawn], is_dead[drawn], grid))
    halves = np.array(curves[: _BOOTSTRAPS // 2]), np.array(curves[_BOOTSTRAPS // 2 :])
    return float(np.quantile(np.abs(halves[0] - halves[1]).max(axis=1), 0.95))


def hazards(real: Cohort, synthetic: Cohort) -> dict[str, float]:
    """Share of log hazard ratios inside the real 95 % interval: of age, and of each marker and gene given age."""
    inside, errors = [], []
    for covariate, made in _covariates(real, synthetic):
        beta, error = cox(real.days, real.is_dead, covariate)
        found, _ = cox(synthetic.days, synthetic.is_dead, made)
        inside.append(abs(found[0] - beta[0]) <= _NORMAL * error[0])
        errors.append(abs(found[0] - beta[0]))
    return {
        "hazard_inside": float(np.mean(inside)),
        "hazard_error": float(np.mean(errors)),
        "hazard_covariates": float(len(inside)),
    }


def _covariates(real: Cohort, synthetic: Cohort) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Columns for Cox's model, the one asked for first: age in decades; then markers and genes with age beside."""
    decades, made = real.age[:, None] / 10, synthetic.age[:, None] / 10
    yield decades, made
    for mine, theirs in ((real.markers, synthetic.markers), (real.genes, synthetic.genes)):
        for column in range(mine.shape[1]):
            has = mine[:, [column]]
            deaths = real.is_dead[has[:, 0]].sum(), real.is_dead[~has[:, 0]].sum()
            if min(deaths) >= 10:
                yield np.hstack([has, decades]), np.hstack([theirs[:, [column]], made])


def cox(days: np.ndarray, is_dead: np.ndarray, covariates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit Cox's proportional hazards by Newton's method, Efron's ties.

    Takes days and deaths [persons] and covariates [persons, p]. Returns the log hazard ratios and their standard
    errors, both [p]; a ratio that the persons cannot tell, as of a column without spread, is 0 with an infinite error.
    """
    spread = covariates.std(axis=0)
    told = spread > 0
    beta, error = np.zeros(told.size), np.full(told.size, np.inf)
    if told.any() and is_dead.any():
        likelihood = _PartialLikelihood(
            days, is_dead, (covariates[:, told] - covariates[:, told].mean(0)) / spread[told]
        )
        scaled, scaled_error = likelihood.maximum()
        beta[told], error[told] = scaled / spread[told], scaled_error / spread[told]
    return beta, error


class _PartialLikelihood:
    """Cox's partial likelihood: its slope and curvature, from sums over who is at risk."""

    def __init__(self, days: np.ndarray, is_dead: np.ndarray, x: np.ndarray) -> None:
        order = np.argsort(-days, kind="stable")
        self.x, days, dead = x[order], days[order], is_dead[order].astype(bool)
        self.dead = np.flatnonzero(dead)
        _, self.tie, ties = np.unique(days[self.dead], return_inverse=True, return_counts=True)
        last_at_risk = np.searchsorted(-days, -days[self.dead], "right") - 1
        self.last = last_at_risk
        rank = np.arange(self.dead.size) - np.searchsorted(-days[self.dead], -days[self.dead], "left")
        self.left_out = rank / ties[self.tie]  # Efron: the share of the tied deaths that are no longer at risk

    def maximum(self) -> tuple[np.ndarray, np.ndarray]:
        """Newton's steps from 0, none longer than 1. Returns where the slope is zero, and the standard errors there."""
        beta = np.zeros(self.x.shape[1])
        for _ in range(_STEPS):
            slope, curvature = self.derivatives(beta)
            step = np.linalg.lstsq(curvature, slope, rcond=None)[0]
            beta += step / max(1.0, float(np.abs(step).max()))
            if np.abs(step).max() < 1e-8:
                break
        return beta, np.sqrt(np.maximum(np.diag(np.linalg.pinv(self.derivatives(beta)[1])), 0.0))

    def derivatives(self, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The slope [p] and the negative second derivative [p, p] of the logarithm of the likelihood."""
        risk = np.exp(self.x @ beta)
        squares = self.x[:, :, None] * self.x[:, None, :]
        s0, s1, s2 = (self._at_risk(risk.reshape(-1, *[1] * (of.ndim - 1)) * of)
                      for of in (np.ones(risk.size), self.x, squares))  # fmt: skip
        centre = s1 / s0[:, None]
        slope = (self.x[self.dead] - centre).sum(axis=0)
        return slope, (s2 / s0[:, None, None] - centre[:, :, None] * centre[:, None, :]).sum(axis=0)

    def _at_risk(self, weighted: np.ndarray) -> np.ndarray:
        """Sum over those at risk at each death, less the share of the tied deaths that went before."""
        tied = np.zeros((int(self.tie.max()) + 1, *weighted.shape[1:]))
        np.add.at(tied, self.tie, weighted[self.dead])
        gone = self.left_out.reshape(-1, *[1] * (weighted.ndim - 1)) * tied[self.tie]
        return np.cumsum(weighted, axis=0)[self.last] - gone
