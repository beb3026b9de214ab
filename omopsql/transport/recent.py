"""What queries that are about to be planned will ask for, by a number that names it by its content."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from omopsql.errors import OmopsqlError

_MOST = 64
T = TypeVar("T")


class Recent(Generic[T]):
    """The things that were kept last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, T] = OrderedDict()

    def keep(self, handle: int, thing: T) -> None:
        """Keep a thing for the queries that are about to be planned. Equal things have the same handle."""
        self._kept[handle] = thing
        self._kept.move_to_end(handle)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def kept(self, handle: int) -> T:
        """Return the thing of a handle. Raises OmopsqlError when it was displaced by newer ones."""
        try:
            return self._kept[handle]
        except KeyError:
            raise OmopsqlError(
                "this query was planned long ago and its model is no longer in memory; plan it again"
            ) from None
