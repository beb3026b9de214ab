"""Compiled kernels on disk, and when they are out of date.

Numba keeps compiled kernels beside their files and notices when that file changes. It does not notice when another
file changes whose kernels were compiled into them, and a stale kernel can crash the process.
"""

from pathlib import Path


def drop_stale(roots: list[Path]) -> int:
    """Delete all compiled kernels under the folders when any is older than the newest source; return how many."""
    sources = [path.stat().st_mtime_ns for root in roots for path in root.rglob("*.py")]
    compiled = [path for root in roots for path in root.rglob("*.nb[ci]")]
    if not compiled or min(path.stat().st_mtime_ns for path in compiled) >= max(sources):
        return 0
    for path in compiled:
        path.unlink(missing_ok=True)
    return len(compiled)
