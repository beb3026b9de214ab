"""What is asked of a CDM: the arguments that the checks' SQL functions and the command share, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb

from omopsql.errors import OmopsqlError

from .checks import Check
from .judging import Judgement
from .opened import Cdm
from .own_checks import all_checks
from .run import check
from .thresholds import with_thresholds


@dataclass(frozen=True)
class Asked:
    """The arguments of the SQL function ``check_cdm``."""

    cdm: str
    version: str | None = None
    vocabulary: str | None = None
    thresholds: str | None = None
    checks: str | None = None
    today: str | None = None

    def open(self, cursor: duckdb.DuckDBPyConnection) -> Cdm:
        """Open the CDM, with the vocabulary. Raises OmopsqlError when there is none, or for an unknown version."""
        return Cdm(cursor, self.cdm, self.version, self.vocabulary)

    def of(self, cdm: Cdm) -> tuple[Check, ...]:
        """The checks of the CDM's version, those of the user's folder, with the thresholds that were given."""
        found = all_checks(cdm.version, self.checks)
        return found if self.thresholds is None else with_thresholds(cdm.cursor, found, self.thresholds)

    def judge(self, cdm: Cdm) -> list[Judgement]:
        """Answer and judge every check."""
        return check(cdm, self.of(cdm), self.day)

    @property
    def day(self) -> date:
        """The day that counts as today. Raises OmopsqlError when what was given is no day."""
        if self.today is None:
            return date.today()
        try:
            return date.fromisoformat(self.today)
        except ValueError as error:
            raise OmopsqlError(f"today is {self.today!r}; give a day such as 2026-12-31") from error
