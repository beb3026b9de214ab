"""The partial likelihood of proportional hazards, with ties after Efron.

Sources: D. R. Cox, Journal of the Royal Statistical Society B 34 (1972) 187-220; B. Efron, Journal of the American
Statistical Association 72 (1977) 557-565.
"""

import numpy as np
from numba import njit

from .borrowing import borrowing


@borrowing(cache=True, error_model="numpy")
def _add(hazard, row, whole, first, second):
    """Add a row to the sums over those at risk: of the hazard, and of its first and second moments."""
    for j in range(row.size):
        weighted = hazard * row[j]
        first[j] += weighted
        for k in range(j + 1):
            second[j, k] += weighted * row[k]
    return whole + hazard


@njit(nogil=True, cache=True, error_model="numpy")
def partial_likelihood(days, is_event, predictors, slopes):
    """Log likelihood, gradient (d) and information (d, d) at ``slopes``. Rows stand by rising ``days``."""
    n, d = predictors.shape
    likelihood, gradient, information = 0.0, np.zeros(d), np.zeros((d, d))
    at_risk, first, second = 0.0, np.zeros(d), np.zeros((d, d))
    moment = np.zeros(d)
    last = n
    while last > 0:
        start = last - 1
        while start > 0 and days[start - 1] == days[last - 1]:
            start -= 1
        dying, dying_first, dying_second, deaths = 0.0, np.zeros(d), np.zeros((d, d)), 0
        for i in range(start, last):
            line = 0.0
            for j in range(d):
                line += predictors[i, j] * slopes[j]
            hazard = np.exp(line)
            at_risk = _add(hazard, predictors[i], at_risk, first, second)
            if is_event[i]:
                dying = _add(hazard, predictors[i], dying, dying_first, dying_second)
                deaths += 1
                likelihood += line
                for j in range(d):
                    gradient[j] += predictors[i, j]
        for death in range(deaths):
            gone = death / deaths
            left = at_risk - gone * dying
            likelihood -= np.log(left)
            for j in range(d):
                moment[j] = (first[j] - gone * dying_first[j]) / left
                gradient[j] -= moment[j]
                for k in range(j + 1):
                    information[j, k] += (second[j, k] - gone * dying_second[j, k]) / left - moment[j] * moment[k]
        last = start
    for j in range(d):
        for k in range(j):
            information[k, j] = information[j, k]
    return likelihood, gradient, information
