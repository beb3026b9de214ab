"""Plots as SVG: drawn once, readable without a script, on a phone and in print.

Each is a ``<figure>`` with a caption; colours come from the page's style, by the classes real and synthetic.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 340.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 10.0, 10.0, 34.0
_TICKS = 4
_LONGEST = 16  # letters of a label below a bar

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Frame:
    """The part of a plot that data stand in, and the numbers at its edges."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point stands."""
        (x0, x1), (y0, y1) = self.x, self.y
        across = (x - x0) / ((x1 - x0) or 1.0)
        up = (y - y0) / ((y1 - y0) or 1.0)
        width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + across * width, _TOP + (1.0 - up) * height

    def axes(self, x_label: str, y_label: str, x_ticks: bool = True) -> str:
        """Draw both axes with their ticks and what they measure."""
        bottom, left = _HEIGHT - _BOTTOM, _LEFT
        parts = [f'<path class="axis" d="M{left} {_TOP}V{bottom}H{_WIDTH - _RIGHT}"/>']
        for value in _ticks(*self.y):
            y = self.at(self.x[0], value)[1]
            parts.append(f'<path class="grid" d="M{left} {y:.1f}H{_WIDTH - _RIGHT}"/>')
            parts.append(f'<text class="tick end" x="{left - 4}" y="{y + 3:.1f}">{_number(value)}</text>')
        for value in _ticks(*self.x) if x_ticks else []:
            x = self.at(value, self.y[0])[0]
            parts.append(f'<text class="tick middle" x="{x:.1f}" y="{bottom + 12}">{_number(value)}</text>')
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        parts.append(f'<text class="label middle" x="{middle:.0f}" y="{_HEIGHT - 4}">{html.escape(x_label)}</text>')
        centre = (_TOP + bottom) / 2
        turned = f'transform="rotate(-90 10 {centre:.0f})"'
        parts.append(f'<text class="label middle" x="10" y="{centre:.0f}" {turned}>{html.escape(y_label)}</text>')
        return "".join(parts)


def histogram(
    title: str, labels: Sequence[str], real: Sequence[float], synthetic: Sequence[float], x_label: str = ""
) -> str:
    """Draw two distributions over the same bins: bars for the real shares, a line of steps for the synthetic ones."""
    most = max([*real, *synthetic, 1e-9])
    frame = Frame((0.0, float(len(labels))), (0.0, most))
    base = frame.at(0, 0)[1]
    parts = [frame.axes(x_label, "share", x_ticks=False)]
    for place, share in enumerate(real):
        (x0, y), (x1, _) = frame.at(place + 0.08, share), frame.at(place + 0.92, share)
        parts.append(f'<rect class="real" x="{x0:.1f}" y="{y:.1f}" width="{x1 - x0:.1f}" height="{base - y:.1f}"/>')
    for place, share in enumerate(synthetic):
        (x0, y), (x1, _) = frame.at(place, share), frame.at(place + 1, share)
        parts.append(f'<path class="synthetic" d="M{x0:.1f} {y:.1f}H{x1:.1f}"/>')
    step = max(1, math.ceil(len(labels) / 5))
    for place in range(0, len(labels), step):
        x = frame.at(place + 0.5, 0)[0]
        text = html.escape(_short(labels[place]))
        parts.append(f'<text class="tick middle" x="{x:.1f}" y="{base + 12:.1f}">{text}</text>')
    rows = zip(labels, real, synthetic, strict=True)
    told = "; ".join(f"{label}: real {_share(a)}, synthetic {_share(b)}" for label, a, b in rows)
    return _figure(title, "".join(parts), told)


def scatter(title: str, points: Points, x_label: str, y_label: str) -> str:
    """Draw points beside the line on which both numbers are equal."""
    most = max([value for point in points for value in point] or [1.0])
    frame = Frame((0.0, most), (0.0, most))
    (x0, y0), (x1, y1) = frame.at(0, 0), frame.at(most, most)
    parts = [frame.axes(x_label, y_label), f'<path class="equal" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>']
    for x, y in (frame.at(*point) for point in points):
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>')
    return _figure(title, "".join(parts), f"{len(points)} points; on the line both numbers are equal", legend=False)


def curves(
    title: str, real: Points, synthetic: Points, x_label: str, y_label: str, *, from_zero: bool = True, steps: bool
) -> str:
    """Draw one real and one synthetic curve, as steps or as lines."""
    every = [*real, *synthetic] or [(0.0, 0.0), (1.0, 1.0)]
    low = 0.0 if from_zero else min(y for _, y in every)
    frame = Frame(
        (min(x for x, _ in every), max(x for x, _ in every)), (low, max(max(y for _, y in every), low + 1e-9))
    )
    parts = [frame.axes(x_label, y_label)]
    for name, points in (("real", real), ("synthetic", synthetic)):
        parts.append(f'<path class="curve {name}" d="{_path(frame, points, steps)}"/>')
    told = ", ".join(
        f"{name} ends at {_number(points[-1][1])}"
        for name, points in (("real", real), ("synthetic", synthetic))
        if points
    )
    return _figure(title, "".join(parts), told)


def heatmap(title: str, names: Sequence[str], cells: dict[tuple[str, str], float], most: float) -> str:
    """Draw a number for each pair of names: the darker, the nearer to ``most``."""
    place = {name: number for number, name in enumerate(names)}
    size = (_WIDTH - 80.0) / max(len(names), 1)
    parts = []
    for (one, other), value in cells.items():
        for row, column in ((place[one], place[other]), (place[other], place[one])):
            told = html.escape(f"{one}, {other}: {value:.3g}")
            parts.append(
                f'<rect class="heat" x="{80 + column * size:.1f}" y="{row * size:.1f}" width="{size:.1f}" '
                f'height="{size:.1f}" fill-opacity="{min(value / most, 1.0):.2f}"><title>{told}</title></rect>'
            )
    for name, row in place.items():
        y = (row + 0.7) * size
        parts.append(f'<text class="tick end" x="76" y="{y:.1f}">{html.escape(_short(name))}</text>')
    largest = max(cells.items(), key=lambda cell: cell[1], default=None)
    told = "" if largest is None else f"largest: {' and '.join(largest[0])}, {largest[1]:.3g}"
    return _figure(title, "".join(parts), told, legend=False, height=max(size * len(names), 20.0))


@dataclass(frozen=True)
class Interval:
    """A number with its interval, what fresh real data would score, and its verdict."""

    name: str
    value: float
    low: float | None
    high: float | None
    reference: float | None
    verdict: str


def intervals(title: str, rows: Sequence[Interval], x_label: str) -> str:
    """Draw numbers with their intervals one below the other; a tick stands where fresh real data would."""
    every = [number for row in rows for number in (row.value, row.low, row.high, row.reference) if number is not None]
    low, high = min([0.0, *every]), max([*every, 1e-9])
    left, line = 128.0, 18.0
    height = line * len(rows) + 30.0

    def across(value: float) -> float:
        return left + (value - low) / ((high - low) or 1.0) * (_WIDTH - left - 12.0)

    parts = []
    for value in _ticks(low, high):
        x = across(value)
        parts.append(f'<path class="grid" d="M{x:.1f} 0V{height - 28:.1f}"/>')
        parts.append(f'<text class="tick middle" x="{x:.1f}" y="{height - 16:.1f}">{_number(value)}</text>')
    for number, row in enumerate(rows):
        y = (number + 0.5) * line
        parts.append(f'<text class="tick end" x="{left - 6}" y="{y + 3:.1f}">{html.escape(row.name)}</text>')
        if row.low is not None and row.high is not None:
            parts.append(
                f'<path class="span {row.verdict}" d="M{across(row.low):.1f} {y:.1f}H{across(row.high):.1f}"/>'
            )
        if row.reference is not None:
            parts.append(f'<path class="reference" d="M{across(row.reference):.1f} {y - 6:.1f}v12"/>')
        parts.append(f'<circle class="point {row.verdict}" cx="{across(row.value):.1f}" cy="{y:.1f}" r="3.4"/>')
    parts.append(
        f'<text class="label middle" x="{(left + _WIDTH) / 2:.0f}" y="{height - 3:.1f}">{html.escape(x_label)}</text>'
    )
    told = "; ".join(f"{row.name} {_number(row.value)}" for row in rows)
    return _figure(title, "".join(parts), told, legend=False, height=height)


def _figure(title: str, drawn: str, told: str, *, legend: bool = True, height: float = _HEIGHT) -> str:
    key = '<span class="key real">real</span> <span class="key synthetic">synthetic</span>' if legend else ""
    name = html.escape(title)
    return (
        f'<figure><figcaption>{name} {key}</figcaption><svg viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" '
        f'aria-label="{html.escape(f"{title}. {told}")}">{drawn}</svg></figure>'
    )


def _path(frame: Frame, points: Points, steps: bool) -> str:
    places = [frame.at(*point) for point in points]
    if not places:
        return ""
    (x, y), *others = places
    return f"M{x:.1f} {y:.1f}" + "".join(f"H{a:.1f}V{b:.1f}" if steps else f"L{a:.1f} {b:.1f}" for a, b in others)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low]
    rough = span / _TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e5 else f"{value:.2g}"


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
