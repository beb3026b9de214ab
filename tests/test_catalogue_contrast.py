"""The colours of the catalogue's pages: what is written can be read, in the light and in the dark."""

import re
from collections.abc import Iterator

import pytest

from omopsql.pages import part


def _colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", css))


def _schemes() -> Iterator[dict[str, str]]:
    """The colours of the pages in the light and in the dark."""
    sheets = [part("pages", "base.css"), part("publish", "catalogue", "page", "site.css")]
    dark = [re.search(r"prefers-color-scheme: dark\) \{(.*?)\n\}", sheet, re.S) for sheet in sheets]
    light = {name: colour for sheet in sheets for name, colour in _colours(sheet.split("@media")[0]).items()}
    yield light
    yield light | {name: colour for found in dark if found for name, colour in _colours(found[1]).items()}


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", list(_schemes()), ids=["light", "dark"])
def test_words_can_be_read_on_every_ground(scheme):
    for ground in ("ground", "sheet", "chip"):
        for ink in ("ink", "soft", "accent"):
            assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
    for ink in ("failed", "error"):
        assert contrast(scheme[ink], scheme[f"{ink}-ground"]) >= 4.5, ink
        assert contrast(scheme["ink"], scheme[f"{ink}-ground"]) >= 4.5
    for ground in ("ground", "sheet"):
        assert contrast(scheme["edge"], scheme[ground]) >= 3, ground  # of a field, which is no text
