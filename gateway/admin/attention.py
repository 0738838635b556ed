"""What needs a person now: what is held, dead, behind, paused, or cannot be reached."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Final

from gateway.admin.overview_results import Attention, Now
from gateway.admin.sink_results import SinkItem, SourceItem
from gateway.admin.timestamps import moment, stamp
from gateway.config.document.diagnostics import ConfigError
from gateway.events.alarm_text import alarm_text
from gateway.model import KEY_EXPIRING, RELOAD_REFUSED, SOURCE_SILENT, STORE_LIMIT
from gateway.runtime.duty import LateDuty
from gateway.store.admin.shown_rows import StandingAlarm
from gateway.text.redaction import redact

LONG_WAIT_MS: Final = 15 * 60 * 1000
CONFIGURATION_REFUSED: Final = "configuration.refused"
LIST_FAILURES_MIN: Final = 3  # in a row; a call that fails now and then needs nobody
STANDING_LINKS: Final = {  # {about}: the source
    STORE_LIMIT: "/",
    RELOAD_REFUSED: "/config",
    KEY_EXPIRING: "/sources/{about}",
    SOURCE_SILENT: "/sources/{about}",
}


def attention(
    now: Now,
    sinks: Sequence[SinkItem],
    at: int,
    *,
    served: bool = True,
    sources: Sequence[SourceItem] = (),
    alarms: Sequence[StandingAlarm] = (),
    refused: ConfigError | None = None,
    late: Sequence[LateDuty] = (),
) -> Iterator[Attention]:
    """What needs a person at `at` (ms): first whether any gateway serves, whether the configuration is `refused` as the file is
    now, then what alarms told of the gateway itself, its duties that are late, what is held, sink by sink, and the sources: whose
    vendor's list cannot be had, whose key ends, which are silent."""
    if not served:
        waiting = f", and {_many(now.waiting, 'delivery')} {_verb(now.waiting, 'wait')}" if now.waiting else ""
        text = f"no gateway runs on this store: callbacks are not taken{waiting}"
        yield Attention(kind="gateway.stopped", about="", count=None, text=text, since=now.oldest_waiting_at, link="/")
    if refused is not None:
        then = "a gateway that runs goes on with the one before" if served else "no gateway starts with it"
        text = f"{refused_text(refused)}; {then}"
        yield Attention(kind=CONFIGURATION_REFUSED, about="", count=None, text=text, since=None, link="/config")
    if served and alarms:  # where none runs nobody looks any more at whether they hold
        yield from _standing(alarms, {source.name for source in sources})
    for duty in late:
        text = (
            f"{duty.name} does not get through in the background: the log line background_failed says why, or it hangs"
        )
        since = stamp(at - round(duty.seconds * 1000))
        yield Attention(kind="duty.late", about=duty.name, count=None, text=text, since=since, link="/")
    if now.held:
        text = f"{_many(now.held, 'event')} held: another content came under a known id or signature"
        yield Attention(kind="event.held", about="", count=now.held, text=text, since=None, link="/events?held=true")
    for sink in sinks:
        yield from _of_sink(sink, at)
    for source in sources:
        if source.reconcile_failures >= LIST_FAILURES_MIN:
            text = f"the vendor's list of {source.name} cannot be had: {redact(source.reconcile_error or '')}"
            link = f"/sources/{source.name}"
            yield Attention(kind="source.unlisted", about=source.name, count=None, text=text, since=None, link=link)


def refused_text(refused: ConfigError) -> str:
    """The first that is wrong with a configuration: where, what, and what to do; and how much else is."""
    first, *others = refused.problems
    more = f", and {len(others)} more" if others else ""
    return redact(f"the configuration is refused: {first.sentence}{more}")


def _standing(alarms: Sequence[StandingAlarm], sources: Container[str]) -> Iterator[Attention]:
    for alarm in alarms:
        kind, of_source = alarm.type.removeprefix("gateway."), "{about}" in STANDING_LINKS[alarm.type]
        if of_source and alarm.about not in sources:
            continue  # a source that is configured no more: its key, or its silence, needs nobody
        text = redact(alarm_text(alarm.type, alarm.about, 1, alarm.detail))
        link = STANDING_LINKS[alarm.type].format(about=alarm.about)
        about = alarm.about if of_source else ""
        yield Attention(kind=kind, about=about, count=None, text=text, since=stamp(alarm.since), link=link)


def _of_sink(sink: SinkItem, at: int) -> Iterator[Attention]:
    def waiting(kind: str, text: str, link: str = f"/sinks/{sink.name}") -> Attention:
        return Attention(
            kind=kind,
            about=sink.name,
            count=sink.waiting,
            text=f"{sink.name} {text}",
            since=sink.oldest_waiting_at,
            link=link,
        )

    deliveries = f"{_many(sink.waiting, 'delivery')} {_verb(sink.waiting, 'wait')}"
    if sink.state == "not configured" and (sink.waiting or sink.sending):
        yield waiting("sink.orphaned", f"is not configured any more, and {deliveries} for it")
    if sink.state == "circuit open":
        yield waiting("sink.down", f"cannot be reached: {redact(sink.reason or 'it failed again and again')}")
    if sink.state == "paused":
        yield waiting("sink.paused", f"is paused; {deliveries}")
    if sink.dead:
        text = f"{_many(sink.dead, 'delivery')} to {sink.name} {'is' if sink.dead == 1 else 'are'} dead"
        link = f"/dead?sink={sink.name}"
        yield Attention(kind="delivery.dead", about=sink.name, count=sink.dead, text=text, since=None, link=link)
    oldest = sink.oldest_waiting_at
    if oldest is not None and oldest < moment(at - LONG_WAIT_MS):
        if sink.state == "ready" and sink.owners is not None:
            link = f"/deliveries?sink={sink.name}&state=waiting"
            yield waiting("owner.behind", f"does not get through to some owners: {deliveries}, some for long", link)
        elif sink.state == "ready":
            yield waiting("sink.behind", f"is behind: {deliveries}")
        elif sink.state == "waits for a consumer":
            yield waiting("sink.unfetched", f"waits for a consumer: {deliveries}, some for long")


def _many(count: int, what: str) -> str:
    plural = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{count:,} {what if count == 1 else plural}" if count <= 10_000 else f"more than 10,000 {plural}"


def _verb(count: int, plural: str) -> str:
    return f"{plural}s" if count == 1 else plural
