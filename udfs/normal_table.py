"""The standard normal distribution from tables: several times as fast as ``normal``, for kernels that need it in bulk.

Each function expands in a Taylor series about the nearest point of an equal grid.
"""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .normal import norm_cdf, norm_pdf, norm_ppf

_REACH = 8.0  # beyond it, the cumulative probability is 0 or 1 to the last bit but a few
_STEPS = 64
_GRID = np.arange(-_REACH * _STEPS, _REACH * _STEPS + 1) / _STEPS
_BELOW = np.array([norm_cdf(z) for z in _GRID])
_DENSITY = np.array([norm_pdf(z) for z in _GRID])

_SHARES = 1024
_TAIL = 1.0 / 64.0  # nearer to 0 or 1, the quantile is computed
_QUANTILE = np.array([norm_ppf(k / _SHARES) if 0 < k < _SHARES else 0.0 for k in range(_SHARES + 1)])
_SLOPE = np.array([1.0 / norm_pdf(z) for z in _QUANTILE])


@njit(nogil=True, inline="always")
def table_cdf(z):
    """Probability that a standard normal variable is at most ``z``, taken as in [-8, 8]; absolute error below 1e-15."""
    z = z if z > -_REACH else -_REACH  # NaN, too, so that no index leaves the table
    z = z if z < _REACH else _REACH
    at = np.int64((z + _REACH) * _STEPS + 0.5)
    x = at * (1.0 / _STEPS) - _REACH
    h = z - x
    fifth = h * (x * x * (x * x - 6.0) + 3.0) * (1.0 / 120.0)
    fourth = h * (x * (3.0 - x * x) * (1.0 / 24.0) + fifth)
    third = h * ((x * x - 1.0) * (1.0 / 6.0) + fourth)
    return _BELOW[at] + _DENSITY[at] * h * (1.0 + h * (-0.5 * x + third))


@njit(nogil=True, inline="always")
def _central_ppf(p):
    at = np.int64(p * _SHARES + 0.5)
    z = _QUANTILE[at]
    h = (p - at * (1.0 / _SHARES)) * _SLOPE[at]
    fifth = h * (7.0 + z * z * (46.0 + 24.0 * z * z)) * (1.0 / 120.0)
    fourth = h * (z * (7.0 + 6.0 * z * z) * (1.0 / 24.0) + fifth)
    third = h * ((1.0 + 2.0 * z * z) * (1.0 / 6.0) + fourth)
    return z + h * (1.0 + h * (0.5 * z + third))


@borrowing(cache=True)
def fill_ppf(p, z, rows):
    """Fill ``z[:rows]`` with the standard normal quantiles of ``p``, strictly between 0 and 1; error below 1e-10.

    Two passes: the first has no branches, the second corrects the tails.
    """
    for i in range(rows):
        z[i] = _central_ppf(p[i])
    for i in range(rows):
        if abs(p[i] - 0.5) > 0.5 - _TAIL:
            z[i] = norm_ppf(p[i])
