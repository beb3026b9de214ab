"""Growing one column's context tree: binary splits on earlier columns, chosen from integer counts.

A node holds rows; a split sends the rows whose code of one earlier column lies in a set (a 64-bit mask) to the left.
"""

import math

import numpy as np
from numba import njit

from .borrowing import borrowing
from .descent import CHILD, descend

MOST_CODES = 64  # codes of a column that may stand in a split: one bit each
MOST_BINS = 32  # bins of the column that the tree predicts
_ROUNDS = 6
_BLOCK = 2048
_NOMINAL_COST = 0.7  # about log 2: each code of a nominal column is one more choice of side


@borrowing(cache=True)
def pair_counts(bins, first, second, table):
    """Add the contingency counts of two columns of ``bins`` (columns, rows) to ``table``."""
    for row in range(bins.shape[1]):
        table[bins[first, row], bins[second, row]] += 1


@njit(nogil=True, cache=True)
def entropy_terms(rows):
    """Return k log k for k = 0 .. rows."""
    terms = np.zeros(rows + 1)
    for k in range(2, rows + 1):
        terms[k] = k * math.log(k)
    return terms


@borrowing(cache=True)
def _group_bins(count, ordered, least, group):
    """Group a node's bins so that cuts are judged on full groups; return how many groups there are.

    Ordered bins join their neighbours up to ``least`` rows; of nominal ones each that occurs is a group.
    """
    groups, held = 0, 0
    size = count.size
    if ordered:
        enough = max(least, count.sum() / size)
        for k in range(size):
            if held > 0 and held + 0.5 * count[k] > enough:
                groups += 1
                held = 0
            group[k] = groups
            held += count[k]
        return groups + 1
    for k in range(size):
        group[k] = max(groups - 1, 0)
        if count[k] > 0:
            group[k] = groups
            groups += 1
    return groups


@njit(nogil=True, cache=True)
def _order_codes(table, codes, groups, total, ordered):
    """Order a nominal column's codes along the first correspondence axis of the node's code x group table.

    Reciprocal averaging; where the groups are ordered one round of means suffices. Source: M. O. Hill, Reciprocal
    averaging, Journal of Ecology 61 (1973) 237-249.
    """
    group_score = np.arange(groups).astype(np.float64)
    code_score = np.zeros(codes)
    rows = 0
    for a in range(codes):
        rows += total[a]
    for _ in range(1 if ordered else _ROUNDS):
        for a in range(codes):
            if total[a] > 0:
                code_score[a] = 0.0
                for g in range(groups):
                    code_score[a] += table[a, g] * group_score[g]
                code_score[a] /= total[a]
        mean = spread = 0.0
        for a in range(codes):
            mean += code_score[a] * total[a] / rows
        for a in range(codes):
            spread += (code_score[a] - mean) ** 2 * total[a] / rows
        if ordered or spread <= 1e-18:
            break
        for g in range(groups):
            held = 0
            score = 0.0
            for a in range(codes):
                held += table[a, g]
                score += table[a, g] * (code_score[a] - mean)
            group_score[g] = score / held / math.sqrt(spread) if held > 0 else 0.0
    return np.argsort(code_score, kind="mergesort")


@borrowing(cache=True)
def _best_cut(table, codes, groups, total, count, order, least, terms, left):
    """Find the cut of the ordered codes that gains most likelihood: (gain, its position, cuts tried, codes present)."""
    rows = 0
    whole = 0.0
    for g in range(groups):
        rows += count[g]
        whole -= terms[count[g]]
        left[g] = 0
    whole += terms[rows]
    gain, at, tried, present, passed = 0.0, -1, 0, 0, 0
    for position in range(codes - 1):
        a = order[position]
        if total[a] == 0:
            continue
        present += 1
        passed += total[a]
        for g in range(groups):
            left[g] += table[a, g]
        if passed < least or rows - passed < least:
            continue
        tried += 1
        found = whole - terms[passed] - terms[rows - passed]
        for g in range(groups):
            found += terms[left[g]] + terms[count[g] - left[g]]
        if found > gain:
            gain, at = found, position
    return gain, at, tried, present


@njit(nogil=True, cache=True)
def grow(codes, sizes, nominal, target, bins, ordered, earlier, rows, least, deepest, strictness):
    """Grow the tree of one column; return (feature, mask, left, depth): one entry a node, feature -1 at a leaf.

    ``codes`` (columns, rows) uint8 with ``sizes`` codes each, ``target`` the bins of the column to predict,
    ``earlier`` the columns that may split. Each side of a split keeps ``least`` rows. A split must gain more
    likelihood than chance would among all cuts tried: twice the gain against the tail of a chi-square, as bounded in
    B. Laurent and P. Massart, Annals of Statistics 28 (2000) 1302-1338. The right child follows the left.
    """
    room = 2 * (rows.size // least) + 3
    feature, mask, left = np.full(room, -1), np.zeros(room, np.uint64), np.zeros(room, np.int64)
    begin, end, depth = np.zeros(room, np.int64), np.zeros(room, np.int64), np.zeros(room, np.int64)
    table, total = np.zeros((MOST_CODES, MOST_BINS), np.int64), np.zeros(MOST_CODES, np.int64)
    count, group, passed = np.zeros(bins, np.int64), np.zeros(bins, np.int64), np.zeros(MOST_BINS, np.int64)
    grouped, aside, natural = np.empty(rows.size, np.int64), np.empty(rows.size, np.int64), np.arange(MOST_CODES)
    terms = entropy_terms(rows.size)
    end[0] = rows.size
    nodes, node = 1, 0
    while node < nodes:
        held = rows[begin[node] : end[node]]
        if held.size >= 2 * least and depth[node] < deepest:
            count[:] = 0
            for i in range(held.size):
                count[target[held[i]]] += 1
            groups = _group_bins(count, ordered, least, group)
            in_group = np.zeros(MOST_BINS, np.int64)
            for i in range(held.size):
                grouped[i] = group[target[held[i]]]
                in_group[grouped[i]] += 1
            freedom = groups - 1
            best, chosen, chosen_mask = 0.0, -1, np.uint64(0)
            for candidate in earlier:
                if freedom == 0:
                    break
                size = sizes[candidate]
                table[:size, :groups] = 0
                total[:size] = 0
                of_column = codes[candidate]
                for i in range(held.size):
                    a = of_column[held[i]]
                    table[a, grouped[i]] += 1
                    total[a] += 1
                is_nominal = nominal[candidate] and size > 2
                order = _order_codes(table, size, groups, total, ordered) if is_nominal else natural[:size]
                gain, at, tried, present = _best_cut(table, size, groups, total, in_group, order, least, terms, passed)
                if at < 0:
                    continue
                chances = math.log(tried * earlier.size) + (
                    _NOMINAL_COST * min(present, freedom) if is_nominal else 0.0
                )
                worth = 2.0 * gain - strictness * (freedom + 2.0 * math.sqrt(freedom * chances) + 2.0 * chances)
                if worth > best:
                    best, chosen, chosen_mask = worth, candidate, np.uint64(0)
                    for position in range(at + 1):
                        chosen_mask |= np.uint64(1) << np.uint64(order[position])
            if chosen >= 0:
                feature[node], mask[node], left[node] = chosen, chosen_mask, nodes
                lefts = rights = 0
                for i in range(held.size):
                    row = held[i]
                    if (chosen_mask >> np.uint64(codes[chosen, row])) & np.uint64(1):
                        held[lefts] = row
                        lefts += 1
                    else:
                        aside[rights] = row
                        rights += 1
                held[lefts:] = aside[:rights]
                begin[nodes], end[nodes] = begin[node], begin[node] + lefts
                begin[nodes + 1], end[nodes + 1] = end[nodes], end[node]
                depth[nodes] = depth[nodes + 1] = depth[node] + 1
                nodes += 2
        node += 1
    return feature[:nodes].copy(), mask[:nodes].copy(), left[:nodes].copy(), depth[:nodes].max()


@njit(nogil=True, cache=True)
def count_leaves(codes, target, bins, feature, mask, left, depth):
    """Count the rows of every (node, bin); only leaves are counted. All rows go down level by level, in blocks."""
    counts = np.zeros((feature.size, bins), np.int64)
    words = np.empty(2 * feature.size, np.uint64)
    for node in range(feature.size):  # a leaf leads to itself
        inner = feature[node] >= 0
        words[2 * node] = mask[node] if inner else ~np.uint64(0)
        child, column = (left[node], feature[node]) if inner else (node, 0)
        words[2 * node + 1] = np.uint64(child) << CHILD | np.uint64(column)
    at = np.empty(_BLOCK, np.uint64)
    for start in range(0, target.size, _BLOCK):
        size = min(_BLOCK, target.size - start)
        block = codes[:, start : start + size]
        at[:size] = 0
        descend(words, np.uint64(0), depth, block, at, size)
        for i in range(np.uint64(size)):
            counts[at[i], target[np.uint64(start) + i]] += 1
    return counts
