"""What a user asks for when persons are to be protected."""

from __future__ import annotations

from dataclasses import dataclass

from omopsql.errors import OmopsqlError


@dataclass(frozen=True)
class Noise:
    """What ``epsilon``, ``delta``, ``person`` and ``rows_per_person`` ask for."""

    epsilon: float
    delta: float
    person: str | None
    rows_per_person: int

    def check(self) -> None:
        """Raise OmopsqlError for a budget that is none."""
        if not 0.0 < self.epsilon <= 1000.0:
            raise OmopsqlError(f"epsilon is {self.epsilon:g}; it must be above 0, at most 1000")
        if not 0.0 < self.delta < 0.1:
            raise OmopsqlError(f"delta is {self.delta:g}; it must be above 0, below 0.1")
        if self.rows_per_person < 1:
            raise OmopsqlError(f"rows_per_person is {self.rows_per_person}; it must be at least 1")
