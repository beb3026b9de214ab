"""The layer of episodes: diseases, the regimens against them, their cycles, and the records that belong to each.

Episodes follow the records. A record of an item that episodes of a kind begin on is an opportunity for one; whether one
begins there depends on how many came before and how many opportunities were passed over. Its end follows the records
too, or its length, whichever tells more. Children lie in their parents and are made after them. So episodes are a
function of a life, and change nothing of it.
"""

from __future__ import annotations

from . import first_round, model, second_round
from .generated import Made, generate, linked
from .model import EpisodeModel

__all__ = ["ROUNDED", "RULES", "EpisodeModel", "Made", "compiled", "generate", "linked", "margins", "sums"]

RULES = {**first_round.RULES, **second_round.RULES}
ROUNDED = second_round.ROUNDED

margins = first_round.margins
sums = second_round.sums
compiled = model.compiled
