"""The layers of a hospital, in the order in which they are counted and generated.

Each is a module with

- ``RULES``: how each of its statistics is released,
- ``margins(site)`` and ``sums(site, plan)``: what it counts in the first and in the second round,
- ``compiled(released, plan)``: the arrays of its model, a pure function of what was released,
- ``generate(model, ..., seed, numbers)``: what becomes of the persons of these numbers (attributes, episodes,
  payers and costs: see ``tables``).
"""

from __future__ import annotations

from types import ModuleType

from . import attributes, costs, episodes, events, payers, people, periods, values, visits

LAYERS: dict[str, ModuleType] = {
    "people": people,
    "periods": periods,
    "events": events,
    "visits": visits,
    "attributes": attributes,
    "values": values,
    "episodes": episodes,
    "payers": payers,
    "costs": costs,
}
