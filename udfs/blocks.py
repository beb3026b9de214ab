"""Histograms whose bins hold enough persons, cut where the data are most likely: Bayesian blocks with a least size.

Source: J. D. Scargle et al., Studies in astronomical time series analysis VI, ApJ 764 (2013) 167.
"""

import math

import numpy as np
from numba import njit

_OF_BLOCK = 1.5  # log likelihood that a block must be worth
_OF_PERSON = 2.5  # and that a person left out costs, beyond standing evenly over the whole histogram
_OF_ANYONE = 1e6  # the same where nobody is to be left out
_WIDEST = 4  # blocks hold at most so many times the least, or the share below, unless one bin does
_SHARE = 0.05
_CELLS = 512  # and at most so many bins


@njit(nogil=True, cache=True)
def best_blocks(starts, bins, n, least, whole=False):
    """Join neighbouring bins into blocks of at least ``least`` persons; leave out those that fit nowhere.

    ``whole`` histograms leave out nobody, if they have so many persons at all. ``starts`` delimits the histograms in
    ``bins`` (rising in each) and ``n``. Returns, for each block, its first and its last bin's place, and its persons.
    """
    first, last = np.empty(len(bins), np.int64), np.empty(len(bins), np.int64)
    persons = np.empty(len(bins), np.int64)
    made = 0
    for h in range(len(starts) - 1):
        made = _blocks(starts[h], starts[h + 1], bins, n, least, whole, first, last, persons, made)
    return first[:made], last[:made], persons[:made]


@njit(nogil=True)
def _blocks(a, b, bins, n, least, whole, first, last, persons, made):
    if a == b:
        return made
    total = 0
    for i in range(a, b):
        total += n[i]
    cost = _OF_PERSON + max(0.0, math.log((bins[b - 1] - bins[a] + 1.0) / max(total, 1)))
    if whole:
        cost = _OF_ANYONE
    widest = max(_WIDEST * least, np.int64(total * _SHARE))
    best = np.empty(b - a + 1)  # the best sum up to each bin
    begin = np.empty(b - a + 1, np.int64)  # where the last block of it begins; -1: its last bin is left out
    left = np.zeros(b - a + 1, np.int64)  # persons left out up to each bin
    best[0] = 0.0
    for j in range(a, b):
        best[j - a + 1] = best[j - a] - cost * n[j]
        begin[j - a + 1] = -1
        held = 0
        for i in range(j, max(a, j - _CELLS) - 1, -1):
            held += n[i]
            if held < least:
                continue
            value = best[i - a] + held * math.log(held / (bins[j] - bins[i] + 1.0)) - _OF_BLOCK
            if value > best[j - a + 1]:
                best[j - a + 1] = value
                begin[j - a + 1] = i
            if held > widest and not (whole and left[i - a] > 0):
                break
        k = begin[j - a + 1]
        left[j - a + 1] = left[j - a] + n[j] if k < 0 else left[k - a]
    found = made
    j = b
    while j > a:
        i = begin[j - a]
        if i < 0:
            j -= 1
            continue
        first[found], last[found] = i, j - 1
        persons[found] = 0
        for k in range(i, j):
            persons[found] += n[k]
        found += 1
        j = i
    for k in range((found - made) // 2):  # they were found from the end
        x, y = made + k, found - 1 - k
        first[x], first[y] = first[y], first[x]
        last[x], last[y] = last[y], last[x]
        persons[x], persons[y] = persons[y], persons[x]
    return found
