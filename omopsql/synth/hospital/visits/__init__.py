"""The layer of visits: which contacts are visits, how long they last, and where in them the events fall.

A visit lasts until the end of the person's time as often as it does in the source, or else as long as others of its
kind with as much time left. Events on the first day of a visit belong to it as often as theirs do, are repeated within
it, and lag behind its start. Events that are never outside a visit open one where there is none.
"""

from __future__ import annotations

from ..reading import Site
from ..sums import Sums
from .generated import Details, details, generate
from .model import VisitModel, compiled
from .second_round import sums
from .statistics import RULES

__all__ = ["RULES", "Details", "VisitModel", "compiled", "details", "generate", "margins", "sums"]


def margins(site: Site) -> Sums:
    """Count nothing: this layer decides nothing by margins."""
    return Sums()
