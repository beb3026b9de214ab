"""``about.yaml``: read, with what to write where something is missing or wrong; or asked for, when there is none."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError, first_line

from .entries import ENTRIES, Entry, WrongEntryError
from .said import About

Ask = Callable[[str], str]
_ASKED_PARTS = ("name", "email", "page")


def read(path: Path) -> About:
    """Read ``about.yaml``.

    Raises OmopsqlError, which tells at once all that is missing, wrong or unknown, and what to write.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OmopsqlError(
            f"{path}: {first_line(error)}; `omopsql publish --init` asks for what it must say"
        ) from error
    return parse(text, str(path))


def parse(text: str, name: str = "about.yaml") -> About:
    """Read the text of an ``about.yaml``; see :func:`read`."""
    said = _yaml(text, name)
    wrong: list[str] = [*_unknown(said)]
    known: dict[str, Any] = {}
    access = said.get("access")
    for entry in ENTRIES:
        given = said.get(entry.name)
        if given in (None, "", [], {}):
            if entry.is_needed(access):
                wrong.append(f"{entry.name} is missing: write {entry.says}")
            continue
        try:
            known[entry.name] = entry.read(given)
        except WrongEntryError as error:
            wrong.append(f"{entry.name}: {error}")
    if wrong:
        raise OmopsqlError(f"{name}: " + "; ".join(wrong))
    return About(**known)


def _yaml(text: str, name: str) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise OmopsqlError("reading about.yaml needs PyYAML: pip install 'omopsql[publish]'") from error
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise OmopsqlError(f"{name}{line} is not YAML: write one `name: value` a line, texts in quotes") from error
    if not isinstance(said, dict):
        raise OmopsqlError(f"{name} says nothing: `omopsql publish --init` asks for what it must say")
    return said


def _unknown(said: Mapping[str, Any]) -> Iterator[str]:
    names = [entry.name for entry in ENTRIES]
    for name in said:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1)
            yield f"{name} is no entry of about.yaml" + (f"; did you mean {near[0]}?" if near else ": remove it")


def interview(ask: Ask, tell: Callable[[str], None]) -> str:
    """Ask a steward for what a record cannot do without, and return a commented ``about.yaml``.

    ``ask`` puts one question and returns the answer; ``tell`` says why an answer cannot be used, and it is asked
    again. What is not asked stands in the file as a comment, to be filled in.
    """
    answers: dict[str, Any] = {}
    for entry in ENTRIES:
        if entry.is_needed(answers.get("access")):
            answers[entry.name] = _asked(entry, ask, tell)
    return commented(answers)


def commented(answers: Mapping[str, Any]) -> str:
    """Return an ``about.yaml`` with these entries; every other one is there as a comment with an example."""
    return "# What only a steward can say of this data set. Lines that begin with # are not read.\n" + "".join(
        f"\n# {entry.says[0].upper()}{entry.says[1:]}.{' Needed.' if entry.needed == 'always' else ''}\n"
        + _written(entry, answers.get(entry.name))
        for entry in ENTRIES
    )


def _written(entry: Entry, answer: Any) -> str:
    if answer is not None:
        return "".join(f"{line}\n" for line in _lines(entry.name, answer))
    return "".join(f"# {line}\n" for line in _lines(entry.name, entry.example))


def _lines(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield f"{name}:"
        yield from (f"  {key}: {_scalar(one)}" for key, one in value.items())
    elif isinstance(value, list):
        yield f"{name}:"
        yield from (f"  - {_scalar(one)}" for one in value)
    else:
        yield f"{name}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def _asked(entry: Entry, ask: Ask, tell: Callable[[str], None]) -> Any:
    while True:
        answer = _answer(entry, ask)
        try:
            entry.read(answer)
        except WrongEntryError as error:
            tell(f"{entry.name}: {error}")
        else:
            return answer


def _answer(entry: Entry, ask: Ask) -> Any:
    if isinstance(entry.example, Mapping):
        parts = {part: ask(f"{entry.name}, {part}: {entry.says}").strip() for part in _ASKED_PARTS}
        return {part: answer for part, answer in parts.items() if answer}
    answer = ask(f"{entry.name}: {entry.says}").strip()
    return [part.strip() for part in answer.split(",") if part.strip()] if isinstance(entry.example, list) else answer
