"""omopsql: harmonize, synthesise, check and publish OMOP data with SQL functions in DuckDB."""

import contextlib
from pathlib import Path

__version__ = "0.1.0"

_here = Path(__file__).parent
if not (_here / "udfs").is_dir():  # a checkout keeps sql/ and udfs/ beside the package, a wheel inside it
    __path__.append(str(_here.parent))

from .kernel_cache import drop_stale  # noqa: E402  (the path above must stand first)

with contextlib.suppress(OSError):  # a folder that cannot be written holds no kernels of ours
    drop_stale([_here, _here.parent / "udfs"] if len(__path__) > 1 else [_here])

from . import transport  # noqa: E402
from .errors import OmopsqlError  # noqa: E402
from .session import connect, register  # noqa: E402

__all__ = ["OmopsqlError", "__version__", "connect", "register"]

transport.load_native()  # like LOAD: databases opened from here on have the native functions
