"""How the values of a stay move together: autoregressive paths with correlated steps, some of them smooth, and noise.

A rough path is an Ornstein-Uhlenbeck process: where it goes next depends on where it is. A smooth one follows such a
process with the same delay, and so goes on for a while as it went (the Matern process of order 3/2). Both are moved
exactly from moment to moment, whatever lies between.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, 2006, section 4.2 and appendix B.
"""

import math

from numba import njit

from .borrowing import borrowing
from .stream import normal

_HOUR = 60.0
_ROOT = math.sqrt(2.0)  # a process that follows another of variance 1 has half of it


@njit(inline="always", nogil=True)
def correlated(factor, plain, k):
    """Row k of a Cholesky factor times ``plain``; series beyond the factor stand alone."""
    if k >= factor.shape[0]:
        return plain[k]
    z = 0.0
    for j in range(k + 1):
        z += factor[k, j] * plain[j]
    return z


@njit(inline="always", nogil=True)
def moved(kept, rough, follower, first, second):
    """Move a path and the one that follows it to where ``kept`` of a deviation remains, by two normal numbers.

    The path has variance 1, its follower 1/2, and both together a covariance of 1/2, before and after.
    """
    turned = -kept * math.log(kept) if kept > 0.0 else 0.0  # what the follower takes from the path
    own = math.sqrt(1.0 - kept * kept)
    both = 0.5 - kept * (turned + 0.5 * kept)
    rest = 0.5 - turned * turned - kept * (turned + 0.5 * kept)
    shared = both / own if own > 0.0 else 0.0
    alone = math.sqrt(max(rest - shared * shared, 0.0))
    return kept * rough + own * first, kept * follower + turned * rough + shared * first + alone * second


@borrowing
def fill_walk(paths, minute, series, order, level, room, state):
    """Fill ``level`` with the path of each record, in the order of time; ``room`` has five rows of all series."""
    width = paths.keep.size
    plain, other, rough, follower, noise = room[0], room[1], room[2], room[3], room[4]
    smooth = -1  # the last series that is
    for k in range(width):
        rough[k], follower[k] = 0.0, 0.0
        if paths.smooth[k] > 0.0:
            smooth = k
    previous = 0
    begin = 0
    while begin < order.size:
        moment = minute[order[begin]]
        end = begin
        while end < order.size and minute[order[end]] == moment:
            end += 1
        hours = (moment - previous) / _HOUR
        for k in range(width):
            state, plain[k] = normal(state)
        for k in range(smooth + 1):
            state, other[k] = normal(state)
        for k in range(width):
            kept = paths.keep[k] ** hours if begin > 0 else 0.0
            step = correlated(paths.steps, plain, k)
            turn = correlated(paths.steps, other, k) if paths.smooth[k] > 0.0 else 0.0
            rough[k], follower[k] = moved(kept, rough[k], follower[k], step, turn)
        previous = moment
        top = 0
        for i in range(begin, end):
            top = max(top, series[order[i]])
        for k in range(top + 1):
            state, noise[k] = normal(state)
        for i in range(begin, end):
            k = series[order[i]]
            own = correlated(paths.noise, noise, k)
            held = _blended(paths.smooth[k], rough[k], follower[k])
            level[order[i]] = math.sqrt(paths.share[k]) * held + math.sqrt(1.0 - paths.share[k]) * own
        begin = end
    return state


@njit(inline="always", nogil=True)
def _blended(smooth, rough, follower):
    """A path of variance 1, partly rough, partly smooth."""
    if smooth <= 0.0:
        return rough
    rest = 1.0 - smooth
    return (rest * rough + smooth * _ROOT * follower) / math.sqrt(rest * rest + smooth * smooth + _ROOT * rest * smooth)
