"""The gateway at a glance as lines of a terminal: what `status` prints once and `top` again and again."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gateway.admin.overview_results import Attention, Overview, Series
from gateway.admin.sink_results import SinkItem, SourceItem
from gateway.admin.timestamps import milliseconds
from gateway.cli import output
from gateway.cli.table import cut, styled, table_lines, wrapped
from gateway.text.escaping import visible

COUNTS: Final = ("in", "refused", "delivered", "failing", "dead")
SPARK_POINTS: Final = 20  # minutes of a plot beside a sink
TOP_PLOT_POINTS: Final = 30  # minutes of the plots above
BARS: Final = " ▁▂▃▄▅▆▇█"
BARS_ASCII: Final = " .:-=+*%#"
COLOURS: Final = {
    "ready": "green",
    "paused": "yellow",
    "circuit open": "red",
    "waits for a consumer": "cyan",
    "not configured": "red",
}
WHAT_TO_DO: Final = {
    "gateway.stopped": "gateway serve",
    "configuration.refused": "gateway check",
    "event.held": "gateway events list --held",
    "sink.orphaned": "gateway deliveries move {about} --to SINK",
    "sink.down": "gateway sinks test {about}",
    "sink.paused": "gateway sinks resume {about}",
    "store.limit": "gateway store status",
    "reload.refused": "gateway check",
    "key.expiring": "gateway sources show {about}",
    "source.silent": "gateway sources show {about}",
    "source.unlisted": "gateway sources show {about}",
    "sink.behind": "gateway deliveries list --sink {about} --state waiting",
    "owner.behind": "gateway deliveries list --sink {about} --state waiting",
    "sink.unfetched": "gateway deliveries list --sink {about} --state waiting",
    "delivery.dead": "gateway deliveries list --sink {about} --state dead",
}


class Line(NamedTuple):
    """One line of plain text, and how it looks where a terminal has colours."""

    text: str
    colour: str | None = None
    bold: bool = False
    dim: bool = False

    def shown(self, width: int | None = None) -> str:
        """As it is printed, in at most so many columns."""
        text = self.text if width is None else cut(self.text, width, middle=False)
        if not (text and (self.colour or self.bold or self.dim)):
            return text
        return styled(text, fg=self.colour, bold=self.bold or None, dim=self.dim or None)


def status_lines(seen: Overview, times: output.Times, width: int | None) -> Iterator[Line]:
    """One screen: whether it runs, what came in and went out, what waits, what needs a person."""
    ages = output.Ages(milliseconds(seen.at))
    yield from (_headline(seen, times, ages))
    yield Line("")
    yield from _counts(seen)
    yield Line("")
    yield from (Line(line) for line in _folded(_now(seen, ages), width, 0))
    for lines in (_sinks(seen.sinks, (), ages, width), _sources(seen.sources, ages, width)):
        if lines:
            yield Line("")
            yield from lines
    yield Line("")
    yield from attention_lines(seen.attention, ages, width)


def top_lines(seen: Overview, times: output.Times, columns: int, rows: int, footer: str) -> list[Line]:
    """The same for a screen of so many columns and rows, with plots; what does not fit is counted."""
    ages = output.Ages(milliseconds(seen.at))
    head = [*_headline(seen, times, ages), *_plots(seen, columns), Line(_now(seen, ages)), Line("")]
    needs = list(attention_lines(seen.attention, ages, columns, commands=False))
    sinks = _sinks(seen.sinks, seen.plots.get("sinks", ()), ages, columns)
    room = max(rows - len(head) - 2, 0)  # but for an empty line and the last one
    for_needs = min(len(needs), max(room - len(sinks), room // 3))
    body = [*_fitting(sinks, room - for_needs, "sinks"), Line(""), *_fitting(needs, for_needs, "lines")]
    lines = [*head, *body][: max(rows - 1, 0)]
    return [*lines, *[Line("")] * (rows - 1 - len(lines)), Line(footer, dim=True)][:rows]


def attention_lines(
    needs: Sequence[Attention], ages: output.Ages, width: int | None, *, commands: bool = True
) -> Iterator[Line]:
    """What needs a person, since when, and the command to begin with."""
    if not needs:
        yield Line("nothing needs a person", colour="green")
        return
    yield Line("needs a person:", bold=True)
    for need in needs:
        since = f" (for {ages(milliseconds(need.since))})" if need.since else ""
        for number, line in enumerate(_folded(visible(need.text) + since, width, 2)):
            yield Line(f"{'  ' if number else '! '}{line}", colour="red")
        if commands and need.kind in WHAT_TO_DO:
            command = visible(WHAT_TO_DO[need.kind].format(about=need.about))
            yield from (Line(f"  {line}", dim=True) for line in _folded(command, width, 2))


def _folded(text: str, width: int | None, indent: int) -> Sequence[str]:
    return [text] if width is None else wrapped(text, max(width - indent, 10))


def _headline(seen: Overview, times: output.Times, ages: output.Ages) -> Iterator[Line]:
    if not seen.running and seen.started_at is None:
        yield Line(f"no gateway runs here (version {seen.version})", colour="red", bold=True)
        return
    if len(seen.running) <= 1:
        since = next((one.since for one in seen.running if one.since), seen.started_at)
        name = visible(seen.running[0].name) if seen.running else "the gateway"
        yield Line(f"runs{_since(since, times, ages)}: {name}, version {seen.version}", bold=True)
        return
    yield Line(f"{len(seen.running)} gateways run, version {seen.version}", bold=True)
    for one in seen.running:
        yield Line(f"  {visible(one.name)}{_since(one.since, times, ages)}")


def _since(at: str | None, times: output.Times, ages: output.Ages) -> str:
    if at is None:
        return ""
    return f" since {times(milliseconds(at))} ({ages(milliseconds(at))})"


def _counts(seen: Overview) -> Iterator[Line]:
    spans = (("last 1 h", seen.last_1h), ("last 24 h", seen.last_24h))
    columns = [
        [
            title,
            *(
                f"{count:,}"
                for count in (
                    counts.arrived,
                    sum(counts.refused.values()),
                    counts.delivered,
                    counts.failing,
                    counts.dead,
                )
            ),
        ]
        for title, counts in spans
    ]
    widths = [max(map(len, column)) for column in columns]
    for number, name in enumerate(("", *COUNTS)):
        cells = "  ".join(f"{column[number]:>{wide}}" for column, wide in zip(columns, widths, strict=True))
        bad = name in ("failing", "dead") and any(column[number] != "0" for column in columns)
        yield Line(f"{name:<9}  {cells}", bold=number == 0, colour="yellow" if bad else None)


def _now(seen: Overview, ages: output.Ages) -> str:
    now = seen.now
    oldest = f" (the oldest for {ages(milliseconds(now.oldest_waiting_at))})" if now.oldest_waiting_at else ""
    return f"now: {now.waiting:,} waiting{oldest}, {now.sending:,} sending, {now.dead:,} dead, {now.held:,} held"


def _plots(seen: Overview, columns: int) -> Iterator[Line]:
    """What came in and went out in the last minutes: the last whole minute as a number, those before as bars."""
    last = seen.minutes[-2] if len(seen.minutes) > 1 else seen.minutes[-1]
    points = min(TOP_PLOT_POINTS, max(columns - 40, 0))
    for name, number, wrong, bad, values in (
        ("in ", last.arrived, last.refused, "refused", [one.arrived for one in seen.minutes]),
        ("out", last.delivered, last.failing, "failing", [one.delivered for one in seen.minutes]),
    ):
        plot = sparkline(values[-points:]) if points else ""
        yield Line(f"{name} {number:>7,}/min {plot} {wrong:,} {bad}/min", colour="yellow" if wrong else None)


def _sinks(sinks: Sequence[SinkItem], plots: Sequence[Series], ages: output.Ages, width: int | None) -> list[Line]:
    series = {one.name: one for one in plots}
    head = ["sink", "state", "waiting", "sending", "dead", "ok 1h", "failed 1h", "p95", *(["plot"] if plots else [])]
    rows = []
    for sink in sinks:
        row = [
            sink.name,
            sink.state,
            f"{sink.waiting:,}",
            f"{sink.sending:,}",
            f"{sink.dead:,}",
            f"{sink.attempts_1h - sink.failed_1h:,}",
            f"{sink.failed_1h:,}",
            "" if sink.latency is None else f"{sink.latency.p95:g} s",
        ]
        if plots:
            row.append(sparkline(series[sink.name].good[-SPARK_POINTS:]) if sink.name in series else "")
        rows.append(row)
    if not rows:
        return []
    title, *lines = table_lines(head, rows, width)
    return [
        Line(title, bold=True),
        *(Line(line, colour=_colour(sink)) for line, sink in zip(lines, sinks, strict=True)),
    ]


def _colour(sink: SinkItem) -> str | None:
    return "yellow" if sink.state == "ready" and (sink.dead or sink.failed_1h) else COLOURS.get(sink.state)


def _sources(sources: Sequence[SourceItem], ages: output.Ages, width: int | None) -> list[Line]:
    rows = [
        [
            source.name,
            "never" if source.last_seen is None else ages(milliseconds(source.last_seen)),
            f"{source.events_24h:,}",
            f"{sum(source.refused_24h.values()):,}",
        ]
        for source in sources
    ]
    if not rows:
        return []
    title, *lines = table_lines(["source", "last seen", "in 24h", "refused 24h"], rows, width)
    return [Line(title, bold=True), *map(Line, lines)]


def _fitting(lines: Sequence[Line], rows: int, what: str) -> Sequence[Line]:
    if len(lines) <= rows:
        return lines
    return [*lines[: max(rows - 1, 0)], Line(f"… {len(lines) - max(rows - 1, 0)} more {what}", dim=True)][
        : max(rows, 0)
    ]


def sparkline(values: Sequence[int]) -> str:
    """The values as bars of eighths; in ASCII where the terminal's encoding has no others."""
    bars = BARS
    try:
        BARS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        bars = BARS_ASCII
    most = max(values, default=0) or 1
    return "".join(bars[-(-value * (len(bars) - 1) // most)] for value in values)
