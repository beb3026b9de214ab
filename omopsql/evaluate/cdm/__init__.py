"""How faithful a synthetic CDM is: persons, their records and what was measured, compared with a real one."""

from .whole import metrics

__all__ = ["metrics"]
