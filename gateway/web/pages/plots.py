"""Plots as SVG elements without a single style or script, so that the strictest policy lets them through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from gateway.admin.overview_results import Minute, Series
from gateway.web.pages.formats import Formats
from gateway.web.pages.words import PageWords

WIDTH: Final = 860
HEIGHT: Final = 210
_LEFT: Final = 62
_BOTTOM: Final = 28
_TOP: Final = 14
SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 26
SPARK_BARS_MAX: Final = 60


def traffic(minutes: Sequence[Minute], t: PageWords, f: Formats) -> Markup:
    """What came, what was delivered, and what went wrong, over time."""
    arrived = [one.arrived for one in minutes]
    delivered = [one.delivered for one in minutes]
    bad = [one.failing + one.refused for one in minutes]
    top = _round_up(max([1, *arrived, *delivered, *bad]))
    inner, low = WIDTH - _LEFT - 4, HEIGHT - _BOTTOM
    step = inner / max(1, len(minutes))

    def y(value: float) -> float:
        return low - (low - _TOP) * value / top

    parts = []
    for share in (0, 0.5, 1):
        at = y(top * share)
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(_LEFT, WIDTH, at, at)
        )
        if top * share == int(top * share):
            label = _short(int(top * share))
            parts.append(Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(_LEFT - 7, at + 4, label))
    for number, value in enumerate(bad):
        if value:
            x, height = _LEFT + number * step, max(2.0, low - y(value))
            parts.append(
                Markup('<rect class="bar-bad" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    x, low - height, max(1.0, step * 0.8), height
                )
            )
    for name, values in (("in", arrived), ("out", delivered)):
        points = " ".join(f"{_LEFT + (n + 0.5) * step:.1f},{y(value):.1f}" for n, value in enumerate(values))
        parts.append(Markup('<polyline class="{}" points="{}"/>').format(name, points))
    for quarter, number in enumerate(sorted({part * len(minutes) // 4 for part in range(4)} if minutes else ())):
        name = "between" if quarter % 2 else "at"  # those between have no room on a phone
        parts.append(
            Markup('<text class="{}" x="{:.1f}" y="{}">{}</text>').format(
                name, _LEFT + number * step, HEIGHT - 6, f.clock(minutes[number].at)
            )
        )
    label = t(
        "{arrived} came, {delivered} delivered, {bad} failed or refused",
        arrived=f.number(sum(arrived)),
        delivered=f.number(sum(delivered)),
        bad=f.number(sum(bad)),
    )
    return Markup('<svg class="plot" id="traffic" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, Markup("").join(parts)
    )


def spark(series: Series | None, t: PageWords, f: Formats) -> Markup:
    """One source or sink, small."""
    good, bad = ([], []) if series is None else (_fewer(series.good), _fewer(series.bad))
    top = max([1, *(g + b for g, b in zip(good, bad, strict=False))])
    step = SPARK_WIDTH / max(1, len(good))
    parts = []
    for number, (well, ill) in enumerate(zip(good, bad, strict=False)):
        tall_well, tall_ill = SPARK_HEIGHT * well / top, SPARK_HEIGHT * ill / top
        for name, height, below in (("bar-in", tall_well, 0.0), ("bar-bad", tall_ill, tall_well)):
            if height:
                parts.append(
                    Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                        name, number * step, SPARK_HEIGHT - below - height, max(0.8, step * 0.85), max(1.0, height)
                    )
                )
    parts.append(
        Markup('<line class="grid" x1="0" x2="{}" y1="{}" y2="{}"/>').format(
            SPARK_WIDTH, SPARK_HEIGHT - 0.5, SPARK_HEIGHT - 0.5
        )
    )
    label = t("{good} well, {bad} badly", good=f.number(sum(good)), bad=f.number(sum(bad)))
    return Markup('<svg class="plot spark" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        SPARK_WIDTH, SPARK_HEIGHT, label, Markup("").join(parts)
    )


def _fewer(values: Sequence[int]) -> list[int]:
    """As many bars as there is room for, each the sum of some points."""
    size = -(-len(values) // SPARK_BARS_MAX) or 1
    return [sum(values[at : at + size]) for at in range(0, len(values), size)]


def _short(value: int) -> str:
    """A number for an axis, where there is room for four letters."""
    for scale, sign in ((1_000_000, "M"), (1000, "k")):
        if value >= scale:
            return f"{value / scale:g}{sign}"
    return str(value)


def _round_up(value: int) -> int:
    """The next of 1, 2, 4, 5, 10, 20, 40, 50 …, so that the middle line has a number one can say."""
    scale = 1
    while True:
        for digit in (1, 2, 4, 5):
            if value <= digit * scale:
                return digit * scale
        scale *= 10
