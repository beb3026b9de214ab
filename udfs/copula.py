from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def fill_copula(ints, reals, seed, first, out):
    out[:] = 0.0
