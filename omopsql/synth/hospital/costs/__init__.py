"""The layer of costs: which records have some, by what is recorded and who pays, and how much each amount is.

Amounts of a record depend on each other, and how is its pattern: one is missing, zero, equal to another, what another
leaves of a third, or free. A synthetic record draws a pattern, and its free amounts: the first one by itself, the
others as values that many share, or in proportion to the first. The rest follows, so that sums hold as they do in the
source.
"""

from __future__ import annotations

from .first_round import margins
from .generated import DRAWS, NUMBER_DRAWS, Drawn, drawn, numbers_of
from .model import CostModel, compiled
from .patterns import AMOUNTS
from .second_round import sums
from .source import DOMAINS
from .statistics import ROUNDED, RULES

__all__ = [
    "AMOUNTS",
    "DOMAINS",
    "DRAWS",
    "NUMBER_DRAWS",
    "ROUNDED",
    "RULES",
    "CostModel",
    "Drawn",
    "compiled",
    "drawn",
    "margins",
    "numbers_of",
    "sums",
]
