from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def fill_tree(ints, reals, seed, first, out):
    out[:] = 0.0
