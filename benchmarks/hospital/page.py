"""The verdicts as Markdown, in their place of a page: between the line that names them and the next that ends them."""

from __future__ import annotations

import re
from pathlib import Path

from .table import Line, number

_END = "<!-- end -->"
_HEADINGS = ("", "wanted", "synthetic", "to those learned from", "real half's own", "")


def put(page: Path, name: str, seeds: int, lines: list[Line]) -> None:
    """Write the table of ``name`` anew, between ``<!-- name -->`` and ``<!-- end -->``.

    Raises ValueError when the page has no such place.
    """
    place = re.compile(f"(<!-- {re.escape(name)} -->\n).*?({_END})", re.DOTALL)
    text = page.read_text(encoding="utf-8")
    if not place.search(text):
        raise ValueError(f"{page} has no place for the table: write <!-- {name} --> and {_END} where it shall stand")
    written = place.sub(lambda found: f"{found[1]}{markdown(seeds, lines)}{found[2]}", text)
    page.write_text(written, encoding="utf-8")


def markdown(seeds: int, lines: list[Line]) -> str:
    """A line for each gate that was measured, and how many of them are reached."""
    told = [line for line in lines if line.is_measured]
    rows = [_row(*_HEADINGS), _row(*["---"] * len(_HEADINGS)), *(_row(*_cells(line)) for line in told)]
    reached = sum(line.is_reached for line in told)
    splits = "one split" if seeds == 1 else f"{seeds} splits"
    return "\n".join([*rows, "", f"{reached} of {len(told)} are reached, by the mean of {splits}.", ""])


def _cells(line: Line) -> tuple[str, ...]:
    gate = line.gate
    value = f"{number(line.value)} (up to {number(line.bound)})" if gate.by_bound else number(line.value)
    return gate.words, gate.told(), value, number(line.fitted), number(line.own), line.verdict


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
