"""YAML that is read strictly: what is not known is refused, with the file, the line, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from omopsql.errors import OmopsqlError, first_line

_NUMBER, _WHOLE, _TRUTH = "tag:yaml.org,2002:float", "tag:yaml.org,2002:int", "tag:yaml.org,2002:bool"
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_FEW = 30  # names that fit into a message
_KINDS = {"scalar": "a single value", "sequence": "a list", "mapping": "keys with values"}


@dataclass(frozen=True)
class Value:
    """One value of a file, and where it stands: ``key`` is the way to it, as in ``learn.cdm.tables``."""

    node: Any
    file: str
    key: str

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return bool(self.node.id == "sequence")

    @property
    def is_mapping(self) -> bool:
        """Whether it has keys of its own."""
        return bool(self.node.id == "mapping")

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands behind the key."""
        return self.node.id == "scalar" and str(self.node.value) in ("", "~", "null")

    def wrong(self, told: str) -> OmopsqlError:
        """Write the error: the file, the line, the key, and what is told."""
        where = f"{self.key}: " if self.key else ""
        return OmopsqlError(f"{self.file} line {self.node.start_mark.line + 1}: {where}{told}")

    def entries(self, known: Iterable[str] | None = None) -> dict[str, Value]:
        """Return the values by key. Raises OmopsqlError for a key that is not ``known``, or given twice."""
        if self.is_empty:
            return {}
        if not self.is_mapping:
            raise self.wrong(f"write keys with values below it, not {_KINDS[self.node.id]}")
        found: dict[str, Value] = {}
        for key, value in self.node.value:
            name = Value(key, self.file, self.key).text()
            if name in found:
                raise Value(key, self.file, self.key).wrong(f"the key {name} is given twice; keep one")
            if known is not None and name not in known:
                raise Value(key, self.file, self.key).unknown("key", name, known)
            found[name] = Value(value, self.file, ".".join(filter(None, (self.key, name))))
        return found

    def unknown(self, what: str, name: str, known: Iterable[str]) -> OmopsqlError:
        """Write the error for a name that is none of those known, with the one that may have been meant."""
        choice = list(known)
        holding = sorted((one for one in choice if name in one), key=lambda one: not one.startswith(name))
        near = get_close_matches(name, choice, 1) or holding
        few = f"known are {', '.join(choice)}" if len(choice) <= _FEW else ""
        told = f"write {near[0]}" if near else few or "see the commented policy of omopsql policy init"
        return self.wrong(f"there is no {what} {name!r}; {told}")

    def items(self) -> list[Value]:
        """Return the values of a list; none when it is empty."""
        if self.is_empty:
            return []
        if not self.is_list:
            raise self.wrong(f"write a list, as in [one, two], not {_KINDS[self.node.id]}")
        return [Value(item, self.file, self.key) for item in self.node.value]

    def text(self) -> str:
        """Return a text."""
        if self.node.id != "scalar" or self.is_empty:
            raise self.wrong("write a text")
        return str(self.node.value)

    def texts(self) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(item.text() for item in self.items())

    def one_of(self, known: Iterable[str]) -> str:
        """Return one of the texts that are known."""
        choice = list(known)
        found = self.text() if self.node.id == "scalar" else ""
        if found not in choice:
            raise self.wrong(f"write one of {', '.join(choice)}, not {self._shown()}")
        return found

    def whole(self, least: int) -> int:
        """Return a whole number of at least ``least``."""
        if self.node.id != "scalar" or self.node.tag != _WHOLE or not str(self.node.value).lstrip("+-").isdigit():
            raise self.wrong(f"write a whole number, not {self._shown()}")
        if int(self.node.value) < least:
            raise self.wrong(f"write a whole number of at least {least}, not {self.node.value}")
        return int(self.node.value)

    def number(self) -> float:
        """Return a number. YAML takes ``1e-6`` for a text; here it is a number."""
        is_bare = self.node.id == "scalar" and self.node.style is None and self.node.tag != _TRUTH
        try:
            found = float(self.node.value) if is_bare else float("nan")
        except ValueError:
            found = float("nan")
        if found != found or abs(found) == float("inf"):
            raise self.wrong(f"write a number, not {self._shown()}")
        return found

    def truth(self) -> bool:
        """Return true or false."""
        if self.node.id != "scalar" or self.node.tag != _TRUTH:
            raise self.wrong(f"write true or false, not {self._shown()}")
        return _TRUTHS[str(self.node.value).lower()]

    def _shown(self) -> str:
        return repr(str(self.node.value)) if self.node.id == "scalar" else _KINDS[self.node.id]


def compose(text: str, file: str) -> Value:
    """Read a file's text. Raises OmopsqlError where it is no YAML, holds several documents, or pyyaml is missing."""
    try:
        import yaml
    except ImportError as error:
        raise OmopsqlError(f"reading {file} needs pyyaml: pip install 'omopsql[publish]'") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark is not None else ""
        raise OmopsqlError(
            f"{file}{where} is no YAML: {getattr(error, 'problem', None) or first_line(error)}"
        ) from error
    if node is None:
        raise OmopsqlError(f"{file} is empty; omopsql policy init -o {file} writes a commented one")
    return Value(node, file, "")
