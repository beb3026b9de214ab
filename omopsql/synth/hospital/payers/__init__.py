"""The layer of payer plan periods: who pays for a person, in which plan, from when to when.

A kind is what is told of a period's payer, plan and sponsor; a kind of too few persons counts as its payer alone, or
as unknown. Periods follow each other: the first begins around the first day of observation; each ends before, on or
after the last one; then another follows after a gap or none, of the same kind or, depending on age, of another.
"""

from __future__ import annotations

from .first_round import margins
from .generated import Plans, plans_of
from .model import PayerModel, compiled
from .second_round import sums
from .source import Covers, read
from .statistics import ROUNDED, RULES, UNCOVERED

__all__ = [
    "ROUNDED",
    "RULES",
    "UNCOVERED",
    "Covers",
    "PayerModel",
    "Plans",
    "compiled",
    "margins",
    "plans_of",
    "read",
    "sums",
]
