"""Pages of one file on their own, which load nothing and send nothing: their frame, style and security policy."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files
from string import Template

from omopsql import __version__

GENERATOR = f"omopsql {__version__}"


def page(title: str, body: str, style: str, script: str | None = None, *, head: str = "", loads: str = "") -> str:
    """Return a page: ``body`` is HTML, ``style`` comes after the style of all pages, ``script`` after the body.

    The page's content security policy lets no other style and script in than these. ``loads`` widens its rule for
    scripts (sources, and further rules after a semicolon); ``head`` is HTML for the head, such as links.
    """
    every_style = part("pages", "base.css") + style
    return Template(part("pages", "frame.html")).substitute(
        policy=_policy(every_style, script, loads),
        head=head,
        title=html.escape(title),
        generator=html.escape(GENERATOR),
        style=every_style,
        body=body if script is None else f"{body}\n<script>{script}</script>",
    )


def part(*path: str) -> str:
    """Return the text of a file of the package: ``part("quality", "page", "page.css")``."""
    return files("omopsql").joinpath(*path).read_text(encoding="utf-8")


def facts(told: dict[str, str]) -> str:
    """Write terms and what is known of them, as the items of a list of descriptions."""
    return "\n".join(
        f"<div><dt>{html.escape(term)}</dt><dd>{html.escape(value)}</dd></div>" for term, value in told.items()
    )


def embedded(data: object) -> str:
    """Write data as JSON that cannot end the block which it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _policy(style: str, script: str | None, loads: str) -> str:
    scripts = f"; script-src {_hashed(script)} {loads}".rstrip() if script is not None else ""
    return f"default-src 'none'; style-src {_hashed(style)}{scripts}"


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
