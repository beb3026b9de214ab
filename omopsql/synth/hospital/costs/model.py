"""The model of costs, compiled from what was released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..choices import Choices
from ..histograms import PERSONS_A_RUNG, Ladder
from ..lives import Int64s
from ..plan import Plan
from ..sums import Sums
from ..told import fields_of, labels_of
from .patterns import AMOUNTS, letters_of
from .statistics import (
    CHOSEN,
    FIRST,
    LINK,
    NUMBER,
    PATTERN,
    RATIOS,
    SAID,
    SIZES,
    TOLD,
    VALUE,
)


@dataclass(frozen=True)
class CostModel:
    """What costs are drawn from. ``domains`` are the numbers of the tables whose records have some.

    Pattern i is number ``patterns[i]``: ``letters`` (patterns, amounts) tells what each amount is, ``named`` the place
    that it names. ``told`` are the other fields, by number.
    """

    domains: Int64s
    patterns: Int64s
    letters: npt.NDArray[np.str_]
    named: Int64s
    told: dict[int, dict[str, Any]]
    number: Choices
    chosen: Choices
    first: Choices
    sizes: Ladder
    value: Choices
    ratios: Ladder
    said: Choices
    link: Choices


def compiled(released: Sums, plan: Plan) -> CostModel:
    """Arrange what was released for drawing. A model without these statistics makes no costs."""
    least = PERSONS_A_RUNG * plan.min_cell
    labels = labels_of(released, PATTERN)
    patterns = sorted(labels)
    parts = [letters_of(labels[number]) for number in patterns]
    return CostModel(
        domains=np.unique(released.get("costs.number", 2)[0][:, 0]),
        patterns=np.array(patterns, np.int64),
        letters=np.array([[letter for letter, _ in own] for own in parts], "U1").reshape(-1, len(AMOUNTS)),
        named=np.array([[place for _, place in own] for own in parts], np.int64).reshape(-1, len(AMOUNTS)),
        told=fields_of(released, TOLD),
        number=Choices.shares(released, NUMBER),
        chosen=Choices.shares(released, CHOSEN),
        first=Choices.shares(released, FIRST),
        sizes=Ladder.of(released, SIZES, least),
        value=Choices.shares(released, VALUE),
        ratios=Ladder.of(released, RATIOS, least),
        said=Choices.shares(released, SAID),
        link=Choices.shares(released, LINK),
    )
