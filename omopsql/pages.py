"""Pages of one file on their own, which load nothing and send nothing."""

from __future__ import annotations

import base64
import hashlib
import json


def policy(style: str, script: str | None = None) -> str:
    """Return a content security policy that lets no other style and script in than these, which stand in the page."""
    scripts = f"; script-src {_hashed(script)}" if script is not None else ""
    return f"default-src 'none'; style-src {_hashed(style)}{scripts}"


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(data: object) -> str:
    """Write data as JSON that cannot end the block which it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
