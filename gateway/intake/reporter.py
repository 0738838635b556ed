"""What people hear of callbacks that were taken: one line an event, counters, and the hook `event_stored`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Final

from gateway.intake.activity import SourceActivity
from gateway.intake.pipeline import SEAL_CONTENTS_MAX
from gateway.model import Event, Trust, Verified
from gateway.plugin import Callback, Source
from gateway.plugin.hooks import Hooks, Watchers, WatchThreads
from gateway.routing import RoutingDecision
from gateway.runtime.counters import LoopCount
from gateway.runtime.failure_shield import harmless
from gateway.runtime.histograms import Observed
from gateway.runtime.metrics import BoundedLabel, Metrics
from gateway.runtime.plain_lines import PlainLogger
from gateway.runtime.traces import Span, exemplar, log_fields
from gateway.store.records import Accepted

_FIELDS_RANK: Final = Trust.FIELDS.rank
EVENTS_NOTED_MAX: Final = 20  # events of one callback that its span names


class Unquoted(Exception):
    """Where something was raised and what kind it was, without what it said."""

    @classmethod
    def unquoted(cls, error: BaseException) -> Unquoted:
        """With the lines that led there; not with what was raised before, which has texts too."""
        said = cls(f"{type(error).__name__}; its text is left out, because it may quote what `redact` takes out")
        return said.with_traceback(error.__traceback__)


class Journal:
    """Says what happened; decides nothing. A watching plugin that fails is named once, and hurts nobody."""

    def __init__(
        self, *, hook: Hooks, metrics: Metrics, activity: SourceActivity, threads: WatchThreads | None = None
    ) -> None:
        self._lines = PlainLogger("gateway.intake")
        self._log = self._lines.usual.bind()  # bound once, because the lazy proxy binds at each call
        self._watchers = Watchers(hook, "event_stored", threads)
        self._metrics = metrics
        self._activity = activity
        self._schemes = BoundedLabel()
        self._warned: set[str] = set()  # sources whose first weakly signed callback was told
        self._overused: set[str] = set()  # sources of which a signature carried too many contents, and that was told
        self._callbacks = cache(self._callbacks_of)  # because finding a metric by its labels costs more than counting
        self._verified = cache(self._verified_of)
        self._validity = cache(self._validity_of)

    def _callbacks_of(self, source: str, result: str) -> LoopCount:
        return self._metrics.callbacks.labels(source, result)

    def _verified_of(self, source: str, scheme: str, key: int | None, trust: Trust) -> tuple[LoopCount, str]:
        position = "" if key is None else str(key)
        counter = self._metrics.verified.labels(source, scheme, position, trust.value)
        return counter, f"{source} {scheme} {position} {trust.value}"

    def _validity_of(self, source: str) -> Observed:
        return self._metrics.validity_seconds.labels(source)

    @harmless
    def answered(self, source: str, result: str, at: datetime) -> None:
        """Count one answered callback: accepted, duplicate, or ignored where it held no event."""
        self._activity.taken(source, at.timestamp())
        self._callbacks(source, result).inc()
        self._metrics.activity.callback(source, good=True)

    @harmless
    def ignored(self, source: Source, callback: Callback, *, redacted: bool = False) -> None:
        """Count a callback that held no event, and keep that it came: there is no row of it."""
        self._metrics.ignored.labels(source.name).inc()
        try:
            vendor_type = source.vendor_type(callback)
        except BaseException as error:
            self.broken(source, "vendor_type", error, redacted=redacted)
            return
        self._activity.ignored(source.name, callback, vendor_type or "")

    @harmless
    def verified(self, origin: Source, verified: Verified, callback: Callback) -> None:
        """Count by scheme, key and trust; warn of the first whose signature covered less than its fields."""
        source = origin.name
        scheme = self._schemes(verified.scheme)
        if callback.span is not None:
            callback.span.note(
                "verified",
                {"recording_gateway.scheme": scheme, "recording_gateway.trust": verified.trust.value},
            )
        counter, name = self._verified(source, scheme, verified.key, verified.trust)
        counter.inc()
        if verified.key is not None and verified.key < len(origin.key_marks):
            self._metrics.activity.key_used(source, origin.key_marks[verified.key])
        self._metrics.activity.verified(name)
        if verified.validity is not None:
            trace = callback.trace
            self._validity(source).observe(verified.validity, None if trace is None else exemplar(trace))
        if verified.trust.rank < _FIELDS_RANK and source not in self._warned:
            self._warned.add(source)
            self._log.warning(
                "trust_below_fields",
                source=source,
                scheme=verified.scheme,
                trust=verified.trust.value,
                hint="the signature did not cover what the callback says; "
                + (verified.hint or f"to refuse such, add `min_trust: fields` under sources.{source}"),
            )

    @harmless
    def stored(
        self,
        events: Sequence[Event],
        decisions: Sequence[RoutingDecision],
        accepted: Sequence[Accepted],
        callback: Callback | None = None,
    ) -> None:
        """One line an event after the commit. `callback` is what they came in; alarms came in none."""
        traced = log_fields(None if callback is None else callback.trace)
        if callback is not None and callback.span is not None:
            _note_stored(callback.span, events, accepted)
        for event, decision, answer in zip(events, decisions, accepted, strict=True):
            if answer.full:
                continue  # it is told as refused
            if answer.weak:
                self._tell_of_weak(event)
            if self._metrics.activity.watched:
                self._tell_those_who_watch(event, decision, answer)
            if answer.held is not None:
                self._metrics.held.labels(event.source, answer.held.value).inc()
                self._log.warning(
                    "event_held",
                    source=event.source,
                    id=answer.id,
                    type=event.type,
                    subject=event.subject,
                    reason=answer.held.value,
                    **traced,
                )
                continue
            stored = answer.new or answer.variant != ""  # other content under a known id, with `on_conflict: deliver`
            sinks = decision.sinks if stored else ()
            line: dict[str, object] = {
                "source": event.source,
                "id": str(answer.id),
                "type": event.type,
                "subject": event.subject,
                "trust": event.trust._value_,  # `.value` is two calls of enum's
                "new": answer.new,
                "sinks": list(sinks),
            }
            if answer.variant:
                line["variant"] = answer.variant
            if answer.supersedes:
                line["supersedes"] = answer.supersedes
            line |= traced
            self._lines.say("event", line)
            if stored and self._watchers.any:
                watched = (
                    event.replace(id=answer.id, variant=answer.variant, supersedes=answer.supersedes)
                    if answer.variant
                    else event
                )
                self._watchers.notify(size=len(event.raw), event=watched, sinks=sinks)

    def _tell_those_who_watch(self, event: Event, decision: RoutingDecision, answer: Accepted) -> None:
        activity = self._metrics.activity
        if not (answer.new or answer.variant or answer.held) or not activity.wants_news():
            return
        ref = f"{answer.id}~{answer.variant}" if answer.variant else answer.id
        body: dict[str, object] = {
            "ref": ref,
            "subject": event.subject,
            "trust": event.trust.value,
            "received_at": event.received_at.isoformat(),
        }
        body |= {
            "held": answer.held.value if answer.held else None,
            "sinks": [] if answer.held else list(decision.sinks),
        }
        activity.publish("event", body, source=event.source, type=event.type, event=answer.id)

    def _tell_of_weak(self, event: Event) -> None:
        self._metrics.ranked_last.labels(event.source).inc()
        if event.source not in self._overused:
            self._overused.add(event.source)
            self._log.warning(
                "signature_overused",
                source=event.source,
                trust=event.trust.value,
                contents=SEAL_CONTENTS_MAX,
                hint="one signature came over more different callbacks than that; from here on they are delivered after "
                f"everything else; to hold them instead, set sources.{event.source}.max_bodies_per_signature, where "
                "the type has it",
            )

    @harmless
    def broken(self, source: Source, step: str, error: BaseException, *, redacted: bool = False) -> None:
        """A source plugin's own bug. `redacted`: something is taken out of its events, and what it raised may quote that."""
        raised = Unquoted.unquoted(error) if redacted else error
        self._log.error(
            "source_failed", source=source.name, type=source.type, plugin=source.origin, step=step, exc_info=raised
        )

    @harmless
    def refused_by_the_database(self, source: str, error: Exception) -> None:
        """A bug of ours: the listener lets nothing in that a database refuses."""
        self._log.error("item_refused", source=source, error=str(error))


def _note_stored(span: Span, events: Sequence[Event], accepted: Sequence[Accepted]) -> None:
    """One note an event: which it is, and what became of it. Not whose stream it is: names are for the gateway's own pages."""
    for event, answer in list(zip(events, accepted, strict=True))[:EVENTS_NOTED_MAX]:
        result = "held" if answer.held else "refused" if answer.full else "new" if answer.new else "duplicate"
        if result == "duplicate" and answer.variant:
            result = "new"  # other content under a known id
        span.note(
            "stored",
            {
                "messaging.message.id": answer.id,
                "recording_gateway.event.type": event.type,
                "recording_gateway.result": result,
            },
        )
