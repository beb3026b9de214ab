"""omopsql: harmonize, synthesise, check and publish OMOP data with SQL functions in DuckDB."""

from pathlib import Path

__version__ = "0.1.0"

_here = Path(__file__).parent
if not (_here / "udfs").is_dir():  # a checkout keeps sql/ and udfs/ beside the package, a wheel inside it
    __path__.append(str(_here.parent))

from . import transport  # noqa: E402  (the path above must stand first)
from .errors import OmopsqlError  # noqa: E402
from .session import connect, register  # noqa: E402

__all__ = ["OmopsqlError", "__version__", "connect", "register"]

transport.load_native()  # like LOAD: databases opened from here on have the native functions
