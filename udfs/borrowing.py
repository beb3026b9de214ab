"""How kernels are compiled that make no arrays: they borrow those they are given.

Numba counts the references to an array in every function that takes it, at each call and in each round of a loop, with
operations that lock memory. A tuple of twenty arrays, handed on to a function for every record, costs more than all
that the function does. One that makes no arrays needs none of this: whoever called it holds them.
"""

from functools import partial

from numba import njit

borrowing = partial(njit, nogil=True, _nrt=False)
