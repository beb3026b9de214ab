"""The layers of a hospital, in the order in which they are counted and generated.

Each is a module with

- ``RULES``: how each of its statistics is released,
- ``margins(site)`` and ``sums(site, plan)``: what it counts in the first and in the second round,
- ``compiled(released, plan)``: the arrays of its model, a pure function of what was released,
- ``generate(model, ..., seed, numbers)``: what becomes of the persons of these numbers (attributes: see ``tables``).
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

NAMES = ("people", "events", "visits", "attributes", "values")


def _layers() -> dict[str, ModuleType]:
    found = {name: f"{__package__}.{name}" for name in NAMES if importlib.util.find_spec(f"{__package__}.{name}")}
    modules = {name: importlib.import_module(module) for name, module in found.items()}
    return {name: module for name, module in modules.items() if hasattr(module, "compiled")}


LAYERS = _layers()
