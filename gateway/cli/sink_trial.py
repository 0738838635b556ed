"""One sink by itself, outside of a gateway: given one event, or asked what it would send."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.vendor_player import a_scene
from gateway.runtime.clock import Clock
from gateway.text.escaping import visible
from gateway.text.redaction import learn_secret
from gateway.text.secret import secrets_of

if TYPE_CHECKING:
    import httpx

    from gateway.config.load import Loaded
    from gateway.dispatch.attempt import AttemptResult
    from gateway.egress.client import Http
    from gateway.model import Delivery, Event
    from gateway.plugin import Sink, Source
    from gateway.states import TrialOutcome

TEST_SOURCE: Final = "test"
TEST_STREAM: Final = "test-message"
_NOTE: Final = "a test message of `gateway sinks test`: nothing was recorded"
_CLOSE_SECONDS: Final = 5.0  # seconds


# -- what to send


def test_event(loaded: Loaded, type: str) -> Event:
    """An event of this type that says of itself that it is a test; new each time.

    It is made from a vendor's callback where a configured source can play one, so that there are bytes for a sink that
    passes them on. Raises UsageError for a type that there is none.
    """
    from gateway.events.samples import sample
    from gateway.model import Trust, Verified

    now = Clock().now()
    try:
        event = sample(type, received_at=now)
    except ValueError as error:
        raise click.UsageError(f"--type {type}: {error}") from None
    event = _played(loaded, type) or event.replace(raw=b"{}", raw_type="application/json")
    return event.replace(
        id=secrets.token_hex(16),
        source=TEST_SOURCE,
        stream=TEST_STREAM,
        received_at=now,
        # because the test is of the sink: whether it believes an event is said of real ones
        trust=Trust.FIELDS,
        verified=Verified(trust=Trust.FIELDS, scheme="test"),
        extra={**event.extra, "test": _NOTE},
    )


def _played(loaded: Loaded, type: str) -> Event | None:
    for name in loaded.settings.sources:
        source = loaded.source(name)
        for scene in source.scenes:
            for event in _play(loaded, source, scene):
                if event.type == type:
                    return event
    return None


def _play(loaded: Loaded, source: Source, scene: str) -> Sequence[Event]:
    from gateway.plugin.own_code import own_code

    try:
        with own_code():
            played = source.play(replace(a_scene(), type=scene))
        callback = loaded.callback(source.name, played.body, headers=played.headers.items(), received_at=Clock().now())
        with own_code():
            events = source.normalise(callback, source.verify(callback))
        kind = callback.headers.get("content-type", "")
        return [loaded.redact(event).replace(raw_type=kind) for event in events]  # as a sink gets it
    except Exception:  # a plugin's own code; there is a sample for whom it cannot play
        return ()


def owner_of(loaded: Loaded, name: str, event: Event, owner: str | None) -> str | None:
    """Whose target it is that this sink sends to; None: it has no directory, or its own. `owner` names one in place of the
    event's. Raises ClickException where there is none."""
    from gateway.owners.csv_rows import folded
    from gateway.owners.directory import NOBODY
    from gateway.text.suggest import suggestion

    settings = loaded.settings.sinks[name].directory
    directory = None if settings is None else settings.table
    if directory is None:
        if owner is not None:
            raise click.UsageError(f"--owner: the sink {name} has no directory")
        return None
    if owner is not None:
        if folded(owner) not in directory.rows:
            near = suggestion(owner, list(directory.rows)[:1000]) if len(directory) <= 20 else ""
            raise click.UsageError(f"--owner: {owner!r} is not in {directory.file.name}{near}")
        return folded(owner)
    owned = directory.owned(event)
    if owned.missing:
        raise click.ClickException(f"{name}: no owner: {visible(owned.missing)}; --owner names one")
    return None if owned.owner == NOBODY else owned.owner


# -- sending it


async def send(loaded: Loaded, name: str, event: Event, owner: str | None = None) -> tuple[AttemptResult, float]:
    """Carry this event through this sink as the gateway would, to this `owner`; what came back, and how many seconds it took."""
    from gateway.dispatch.attempt import Carrier, bounded, carry
    from gateway.egress.client import Http
    from gateway.follow_up import Done

    loaded.registry.register(Carrier(), "gateway")
    http = Http()
    await http.open()
    sink = _make(loaded, name, http, owner)
    timeout = loaded.settings.sinks[name].delivery.timeout.total_seconds()
    clock = Clock()
    started = clock.monotonic()
    try:
        opened = await bounded(sink.open, timeout)
        if isinstance(opened, BaseException):
            return opened, clock.monotonic() - started
        started = clock.monotonic()
        (answer,), _ = await carry(loaded.registry.hook, [_delivery(loaded, name, event, owner)], sink, timeout)
        return answer.receipt if isinstance(answer, Done) else answer, clock.monotonic() - started
    finally:
        await bounded(sink.close, _CLOSE_SECONDS)
        await http.close()


# -- only looking


@dataclass(frozen=True)
class Looked:
    """What a sink would send: HTTP requests, or a text of its own; or why it would not."""

    requests: Sequence[httpx.Request] = ()
    text: str | None = None
    failure: BaseException | None = None
    reached: Sequence[str] = ()  # what it tried beyond that, and was kept from


async def preview_of(loaded: Loaded, name: str, event: Event, owner: str | None = None) -> Looked:
    """Ask this sink what it would send for this event, to this `owner`. Nothing is sent."""
    from gateway.cli.no_side_effects import nothing_leaves
    from gateway.dispatch.attempt import bounded
    from gateway.egress.client import Http

    seen: list[httpx.Request] = []
    http = Http(transport=_recorder(seen))
    sink = _make(loaded, name, http, owner)
    delivery = _delivery(loaded, name, event, owner)
    timeout = loaded.settings.sinks[name].delivery.timeout.total_seconds()
    with nothing_leaves() as reached:
        try:
            preview = await bounded(lambda: sink.preview(delivery), timeout)
            if isinstance(preview, BaseException):
                return Looked(failure=preview, reached=tuple(reached))
            if preview is not None:
                return Looked(text=str(preview), reached=tuple(reached))
            failure = await bounded(sink.open, timeout)
            if not isinstance(failure, BaseException):
                failure = await bounded(lambda: sink.deliver(delivery), timeout)
                await bounded(sink.close, _CLOSE_SECONDS)
        finally:
            await http.close()
    refused = failure if isinstance(failure, BaseException) and not seen else None
    return Looked(requests=tuple(seen), failure=refused, reached=tuple(reached))


def _recorder(seen: list[httpx.Request]) -> httpx.AsyncBaseTransport:
    from gateway.runtime.lean_imports import import_httpx

    library: Any = import_httpx()

    def answer(request: httpx.Request) -> object:
        seen.append(request)
        return library.Response(200, json={})  # whoever waits for words of its service's own goes no further

    transport: httpx.AsyncBaseTransport = library.MockTransport(answer)
    return transport


def options_of(loaded: Loaded, name: str, owner: str | None) -> object:
    """The options that something is sent with to this owner."""
    settings = loaded.settings.sinks[name]
    if owner is None or settings.directory is None or settings.directory.table is None:
        return settings.options
    return settings.directory.table.options(owner)


def _make(loaded: Loaded, name: str, http: Http, owner: str | None) -> Sink:
    import sys

    from gateway.runtime.lean_imports import import_structlog
    from gateway.runtime.logs import LineRenderer, TextRenderer

    structlog = import_structlog()
    # to standard error, and only now: this process has no log of its own
    log = structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr), processors=[LineRenderer(TextRenderer(colours=False))]
    )
    sink = loaded.sink(name, http, log)
    if owner is None:
        return sink
    options = options_of(loaded, name, owner)
    for _, secret in secrets_of(options):
        learn_secret(secret.reveal())
    return sink.for_owner(options)


def _delivery(loaded: Loaded, name: str, event: Event, owner: str | None) -> Delivery:
    from gateway.model import Delivery

    now = Clock().now()
    timeout: timedelta = loaded.settings.sinks[name].delivery.timeout
    return Delivery(
        id=0, event=event, sink=name, attempt=1, first_attempt_at=now, deadline=now + timeout, owner=owner or ""
    )


def outcome_of(result: object) -> TrialOutcome:
    """What became of an attempt, in a word or two."""
    from gateway.errors import Refused, Retry, Unavailable

    match result:
        case Refused():
            return "refused"
        case Unavailable():
            return "unavailable"
        case Retry():
            return "not delivered"
        case BaseException():
            return "failed"
        case _:
            return "delivered"
