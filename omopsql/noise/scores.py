"""The copula under noise: sums of products of normal scores, each row's scores clipped together.

What a row adds is bounded by the length of its score vector, clipped to a radius that follows from the margins. So one
release tells every correlation at once, and its noise grows with the number of columns only, not of their pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from omopsql.synth.hermite import SCALE, scored
from omopsql.synth.joint import Joint
from omopsql.synth.latent import Latents, latents_of
from omopsql.synth.margins import Margin
from omopsql.synth.strata import Strata

from .mechanism import Account

_ROOM = 1.6  # squared radius over the mean squared length of a row's scores
_ORDER_SHARE, _ORDERED = 0.25, 6  # of rho: in which order labels lie; of fewer columns, less in proportion
_PRIOR_CORRELATION = 0.1  # variance of correlations: those that noise hides are taken for weaker
_PRIOR_VARIANCE = 0.04  # of the mean score of a label in another column


@dataclass(frozen=True)
class Scored:
    """The scores of every latent's column cells, side by side: int16 at ``offsets``, and the clipping radius."""

    columns: np.ndarray
    offsets: np.ndarray
    scores: np.ndarray
    variances: np.ndarray
    radius: int


def noisy_joint(
    cells: np.ndarray, margins: list[Margin], rows: int, rho: float, account: Account
) -> tuple[Joint, Latents]:
    """Learn the joint statistics of a copula from cells, (columns, rows), under noise. ``rows``: as released."""
    latents = latents_of(margins, rows, [])
    latents = latents.ordered({k: _by_text(latents, k, margins) for k in _free(latents, margins)})
    free, names = _free(latents, margins), [margin.column.name for margin in margins]
    orders: dict[int, np.ndarray] = {}
    if free:
        share = _ORDER_SHARE * min(len(free) / _ORDERED, 1.0)
        orders = _orders(cells, latents, free, share * rho, account, names)
        latents, rho = latents.ordered(orders), (1.0 - share) * rho
    return noisy_products("products of scores", [(cells, latents)], orders, rho, account, names)[0], latents


def noisy_products(
    name: str,
    strata: list[tuple[np.ndarray, Latents]],
    orders: dict[int, np.ndarray],
    rho: float,
    account: Account,
    names: list[str],
) -> list[Joint]:
    """Release the products of scores of every stratum, given its cells, (columns, rows), and its latents.

    It is one release: a row is in one stratum, and moves the products there by no more than the radius allows.
    """
    scores = [_scored(latents) for _, latents in strata]
    radius, width = max(of.radius for of in scores), len(strata[0][1])
    second, first = np.tril_indices(width, -1)
    sums = np.zeros((len(strata), width, width), np.int64)
    for (cells, _), of, products in zip(strata, scores, sums, strict=True):
        _add_products(cells, of.columns, of.offsets, of.scores, float(radius), products)
    told = account.sums(name, names, sums[:, second, first], rho, products_bound(radius, width))
    weights = [_weights(latents, of.variances) for (_, latents), of in zip(strata, scores, strict=True)]
    own = np.maximum(np.array([of[second, first] for of in weights]), 1).astype(float)
    kept = np.rint(own * _shrunk(told / own, (account.releases[-1].scale / own) ** 2)).astype(np.int64)
    joints = []
    for (_, latents), of, products, weight in zip(strata, scores, kept, weights, strict=True):
        noisy = np.diag(np.rint(_asked(latents) * of.variances * SCALE**2).astype(np.int64))
        noisy[second, first] = products
        joints.append(Joint([], orders, Strata(-1), noisy, weight))
    return joints


def products_bound(radius: int, width: int) -> float:
    """By how much a row moves the products of its scores in L2, one of each pair, if they lie within the radius.

    The sum of squared products of pairs is (|s|^4 - sum of s_i^4) / 2, and that sum is at least |s|^4 / width.
    """
    return float(radius) ** 2 * math.sqrt(0.5 * (1.0 - 1.0 / width))


def _shrunk(r: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Correlations, (strata, pairs), of which noise has the ``variance``: drawn to what strata have in common.

    The more, the more of their differences is noise. What they have in common is drawn to 0 likewise.
    """
    weight = 1.0 / variance
    known = weight.sum(axis=0)
    common = (weight * r).sum(axis=0) / known
    differ, by_noise = r - common, variance - 1.0 / known
    between = max(float((weight**2 * (differ**2 - by_noise)).sum() / (weight**2).sum()), 0.0)
    return np.asarray(common * known / (known + 1.0 / _PRIOR_CORRELATION) + differ * between / (between + variance))


def _asked(latents: Latents) -> np.ndarray:
    """Rows that ask each latent."""
    return np.array([latent.n.sum() for latent in latents.each], float)


def _weights(latents: Latents, variances: np.ndarray) -> np.ndarray:
    """Rows that ask two latents times the variances of both, as if values were missing independently."""
    rows = float(latents.n[0].sum())
    asked = _asked(latents) / rows
    guard = np.array([latents.guard(k) for k in range(len(latents))])
    together = np.outer(asked, asked)
    same = (guard[:, None] == guard[None, :]) & (guard >= 0)[:, None]
    together = np.where(same, np.minimum(asked[:, None], asked[None, :]), together)
    behind = (guard[:, None] == np.arange(len(guard))[None, :]) | (guard[None, :] == np.arange(len(guard))[:, None])
    together = np.where(behind, np.minimum(asked[:, None], asked[None, :]), together)
    return np.asarray(np.tril(np.rint(rows * together * np.outer(variances, variances) * SCALE**2).astype(np.int64)))


def _free(latents: Latents, margins: list[Margin]) -> list[int]:
    """The latents whose bins have no order of their own: three labels or more."""
    values = [(j, int(k)) for j, k in enumerate(latents.value)]
    return [k for j, k in values if margins[j].numbers == 0 and len(latents.each[k].order) >= 3]


def _by_text(latents: Latents, k: int, margins: list[Margin]) -> np.ndarray:
    """A public order of labels: by their texts, those that share a bin last."""
    latent = latents.each[k]
    labels = margins[latent.column].labels
    texts = [labels[cell] if cell < len(labels) else "\U0010ffff" for cell in latent.cells]
    first = [
        max(text for text, b in zip(texts, latent.bins, strict=True) if b == own) for own in range(len(latent.order))
    ]
    return np.array(sorted(range(len(first)), key=lambda b: first[b]), np.int64)


def _scored(latents: Latents) -> Scored:
    tables, variances = [], []
    for k, latent in enumerate(latents.each):
        by_rank, coefficients = scored(latent.thresholds(latent.bin_probabilities[None]))
        states = latents.states(k)
        rank = np.argsort(latent.by_rank)
        tables.append(np.where(states >= 0, by_rank[0][rank[states]], 0).astype(np.int16))
        variances.append(coefficients[0, 1])
    asked = np.array([latent.n.sum() for latent in latents.each]) / latents.n[0].sum()
    length = float((asked * np.array(variances)).sum()) * SCALE**2
    return Scored(
        np.array([latent.column for latent in latents.each]),
        np.concatenate([[0], np.cumsum([len(table) for table in tables])[:-1]]),
        np.concatenate(tables),
        np.array(variances),
        max(math.ceil(math.sqrt(_ROOM * length)), 1),
    )


def _orders(
    cells: np.ndarray, latents: Latents, free: list[int], rho: float, account: Account, names: list[str]
) -> dict[int, np.ndarray]:
    """Order labels by the leading direction of the other columns' mean scores, summed label by label."""
    scores = _scored(latents)
    sizes = np.array([len(latents.each[k].order) for k in free])
    begins = np.concatenate([[0], np.cumsum(sizes)])
    bins = [latents.coarse_states(k) - 1 for k in free]
    places = np.concatenate([[0], np.cumsum([len(of) for of in bins])[:-1]])
    sums = np.zeros((begins[-1], len(latents)), np.int64)
    columns = np.array([latents.each[k].column for k in free])
    _add_by_label(
        cells, scores.columns, scores.offsets, scores.scores, float(scores.radius),
        columns, places, np.concatenate(bins), begins, sums,
    )  # fmt: skip
    noisy = account.sums("scores by label", names, sums, rho, math.sqrt(len(free)) * scores.radius)
    variance = (account.releases[-1].scale / SCALE) ** 2
    orders = {}
    for k, begin, end in zip(free, begins[:-1], begins[1:], strict=True):
        rows = np.maximum(latents.each[k].bin_rows, 1.0)[:, None]
        means = noisy[begin:end] / SCALE * rows / (rows**2 + variance / _PRIOR_VARIANCE)
        orders[k] = _leading(np.delete(means, latents.asked_by(latents.each[k].column), axis=1), rows[:, 0])
    return orders


def _leading(means: np.ndarray, rows: np.ndarray) -> np.ndarray:
    root = np.sqrt(rows / rows.sum())
    weighted = means * root[:, None]
    weighted = weighted - np.outer(root, root @ weighted)
    leading = np.linalg.svd(weighted, full_matrices=False)[0][:, 0] / root
    return np.argsort(leading, kind="stable")


@njit(nogil=True, inline="always")
def _clipped(cells, row, columns, offsets, scores, radius, into):
    """Write a row's scores, shortened to the radius: whole numbers, rounded towards 0."""
    length = 0.0
    for k in range(columns.size):
        score = np.int64(scores[offsets[k] + cells[columns[k], row]])
        into[k] = score
        length += score * score
    if length > radius * radius:
        shrink = (radius - 1.0) / np.sqrt(length)
        for k in range(columns.size):
            into[k] = np.int64(into[k] * shrink)


@njit(nogil=True, cache=True)
def _add_products(cells, columns, offsets, scores, radius, products):
    """Add the products of every row's scores, lower half."""
    own = np.empty(columns.size, np.int64)
    for row in range(cells.shape[1]):
        _clipped(cells, row, columns, offsets, scores, radius, own)
        for i in range(columns.size):
            for j in range(i):
                products[i, j] += own[i] * own[j]


@njit(nogil=True, cache=True)
def _add_by_label(cells, columns, offsets, scores, radius, labelled, places, bins, begins, sums):
    """Add every row's scores to the sums of its label in each labelled column."""
    own = np.empty(columns.size, np.int64)
    for row in range(cells.shape[1]):
        _clipped(cells, row, columns, offsets, scores, radius, own)
        for c in range(labelled.size):
            b = bins[places[c] + cells[labelled[c], row]]
            if b >= 0:
                for k in range(columns.size):
                    sums[begins[c] + b, k] += own[k]
