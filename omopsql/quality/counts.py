"""What a check counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """How many rows violate a check, of how many; or why that cannot be told."""

    violated: int | None = None
    examined: int | None = None
    error: str | None = None
