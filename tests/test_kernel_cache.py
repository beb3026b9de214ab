"""Stale compiled kernels are dropped, fresh ones stay."""

import os

from omopsql.kernel_cache import drop_stale


def test_kernels_older_than_any_source_are_dropped(tmp_path):
    source, kernel, index = tmp_path / "a.py", tmp_path / "__pycache__" / "b.nbc", tmp_path / "__pycache__" / "b.nbi"
    kernel.parent.mkdir()
    for path in (source, kernel, index):
        path.touch()
    os.utime(source, ns=(1_000, 1_000))
    assert drop_stale([tmp_path]) == 0
    assert kernel.exists()
    os.utime(kernel, ns=(999, 999))
    assert drop_stale([tmp_path]) == 2
    assert not kernel.exists()
    assert not index.exists()
    assert source.exists()
