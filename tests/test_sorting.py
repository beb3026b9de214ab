"""Sorting by packed words is a stable argsort."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from omopsql.synth.sorting import sorted_order

int64 = arrays_of.arrays(np.int64, st.integers(0, 50), elements=st.integers(-(2**63), 2**63 - 1))
small = arrays_of.arrays(np.int64, st.integers(0, 50), elements=st.integers(-5, 5))
uint64 = arrays_of.arrays(np.uint64, st.integers(0, 50), elements=st.integers(0, 2**64 - 1))


@given(int64 | small | uint64)
@example(np.array([-(2**42), 2**42, 0, 0, -(2**42)]))
@example(np.array([2**63 - 1, 2**63 - 2]))
def test_order_is_that_of_a_stable_argsort(values):
    np.testing.assert_array_equal(sorted_order(values), np.argsort(values, kind="stable"))
