"""Linear algebra on one thread, and the process's own number of threads after it."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from omopsql.threads import on_one_thread


def threads() -> set[int]:
    np.linalg.eigvalsh(np.eye(3))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _several_threads():
    with threadpool_limits(3, user_api="blas"):
        if threads() != {3}:
            pytest.skip("linear algebra here has one thread only")
        yield


def test_a_function_runs_on_one_thread_and_leaves_the_number_as_it_was():
    assert on_one_thread(threads)() == {1}
    assert threads() == {3}


def test_the_number_is_left_as_it_was_after_an_error():
    with pytest.raises(ZeroDivisionError):
        on_one_thread(lambda: 1 // 0)()
    assert threads() == {3}


def test_functions_on_one_thread_may_call_each_other():
    assert on_one_thread(lambda: (on_one_thread(threads)(), threads()))() == ({1}, {1})
    assert threads() == {3}
