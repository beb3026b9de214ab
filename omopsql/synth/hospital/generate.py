"""A hospital that was learned, and the lives of its synthetic people.

A person is a pure function of the model, the seed and the person's number: which other persons are made beside, where
and in which order, changes nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.threads import on_one_thread

from . import events, people, periods, values, visits
from .fit import plan_of
from .layers import LAYERS
from .lives import Int64s, Lives
from .plan import Items
from .sums import Header, Sums


class Hospital:
    """A model, compiled to arrays. ``models`` holds those of each layer by its name."""

    @on_one_thread
    def __init__(self, table: pa.Table, name: str = "the model") -> None:
        """Compile the model's table. Raises OmopsqlError when it is none, or holds sums that may not be released."""
        self.sums = Sums.from_table(table, name)
        self.header = Header.of(self.sums, name)
        if self.header.private:
            if self.header.epsilon is not None:
                raise OmopsqlError(
                    f"{name} holds noisy sums of one round: merge those of all hospitals and both rounds"
                )
            raise OmopsqlError(
                f"{name} holds exact sums, for addition only: merge it with those of other hospitals, which suppresses "
                "small cells, or fit it without --for-merge"
            )
        self.plan = plan_of(self.sums, self.header.min_cell)
        self.version = self.header.cdm_version
        self.models: dict[str, Any] = {layer: module.compiled(self.sums, self.plan) for layer, module in LAYERS.items()}

    @property
    def items(self) -> Items:
        """The items of the model."""
        return self.plan.items

    def lives(self, seed: int, numbers: Int64s) -> Lives:
        """Make the lives of the persons of these numbers (from 1)."""
        numbers = np.ascontiguousarray(numbers, np.int64)
        models = self.models
        made = people.generate(models["people"], seed, numbers)
        observed = periods.generate(models["periods"], made, seed, numbers)
        found = observed.unfolded(events.generate(models["events"], observed.people(made), seed, numbers))
        found, stays = visits.generate(models["visits"], made, found, seed, numbers, observed)
        measured = values.generate(models["values"], made, found, stays, seed, numbers)
        return Lives(numbers, made, found, stays, measured, observed)
