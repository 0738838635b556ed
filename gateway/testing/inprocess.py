"""A whole gateway inside a test: the real listener, a real SQLite file, real lanes, and a clock that stands still."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from starlette.types import Message

from gateway.admin.store_opener import store_admin
from gateway.app import Gateway
from gateway.config.load import Loaded, load
from gateway.events.cloudevents import from_document
from gateway.model import Attempt, Delivery, Event
from gateway.plugin import Played, Scene, Sink, Source
from gateway.runtime.clock import FrozenClock
from gateway.states import DeliveryState
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.shown_rows import DeliveryRow
from gateway.testing.recorder import Recorder
from gateway.testing.registration import Watch, registry_with
from gateway.web.ingress import Ingress
from gateway.web.public import PublicRefusals, public_app

PATIENCE_SECONDS: Final = 10.0  # real seconds to wait for what does not wait for the clock
WATCHERS_PATIENCE_SECONDS: Final = 1.0  # real seconds to wait for plugins that watch, which may block
STEPS_MAX: Final = 200  # the most steps of one `advance`
_PAGE_ROWS: Final = 200
T = TypeVar("T")


@dataclass(frozen=True)
class Posted:
    """What the public listener answered; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> Sequence[str]:
        """The ids of the events in the usual body of a 200."""
        return tuple(self.json()["events"])


class RunningGateway:
    """What `running` gives. `clock` stands still; `folder` holds configuration and store; `gateway` is the thing itself."""

    def __init__(self, make: Callable[[], Loaded], folder: Path, clock: FrozenClock) -> None:
        self._make = make
        self._attempts: list[tuple[Delivery, Attempt]] = []
        self._number = 0
        self.folder = folder
        self.clock = clock

    async def open(self) -> None:
        """Start. `running` does it."""
        loaded = self._make()
        loaded.registry.register(Watch(self._attempts), "gateway.testing")
        self.gateway = Gateway(loaded, clock=self.clock)
        server = loaded.settings.server
        ingress = Ingress(self.gateway, max_body=server.max_body, trusted_proxies=server.trusted_proxies)
        self._app = public_app(ingress, PublicRefusals(self.gateway, ingress))
        await self.gateway.open()
        await self.settle()

    async def close(self) -> None:
        """Stop, as on SIGTERM with a short grace. `running` does it."""
        await self.gateway.close(0.2)

    async def restart(self) -> None:
        """Stop and start again on the same store: what survives a restart is what was promised."""
        await self.close()
        await self.open()

    # -- what comes in

    async def post(
        self,
        body: bytes | str | Mapping[str, object] | Played,
        *,
        source: str | None = None,
        headers: Mapping[str, str] | None = None,
        peer: str = "192.0.2.1",
        settle: bool = True,
    ) -> Posted:
        """Post one callback to a source (the only one, if none is named) and let its deliveries go out.

        A mapping is sent as JSON. `settle=False` returns with the answer and does not wait for deliveries.
        """
        sent = {"content-type": "application/json"}
        if isinstance(body, Played):
            sent |= {name.lower(): value for name, value in body.headers.items()}
            body = body.body
        elif isinstance(body, Mapping):
            body = json.dumps(body, ensure_ascii=False)
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        answer = await self._ask(self.source(source), body.encode() if isinstance(body, str) else body, sent, peer)
        if settle:
            await self.settle()
        return answer

    async def send(
        self, scene: Scene | str | None = None, *, source: str | None = None, settle: bool = True, **changes: Any
    ) -> Posted:
        """Play the vendor, as `gateway send` does: a scene, a vendor's type, or (None) the source's first type.

        Each call is another callback; `changes` are fields of Scene: tampered=True, expired=True, fields={…}, number=….
        """
        player = self.source(source)
        if not isinstance(scene, Scene):
            self._number += 1
            scene = Scene(type=scene or player.scenes[0], number=self._number, now=self.clock.now())
        return await self.post(player.play(replace(scene, **changes)), source=player.name, settle=settle)

    def source(self, name: str | None = None) -> Source:
        """A configured source; None: the only one. Raises LookupError."""
        sources = {endpoint.name: endpoint.source for endpoint in self.gateway.sources_by_path.values()}
        return _one(sources, name, "source")

    def sink(self, name: str | None = None) -> Sink:
        """A configured sink's object; None: the only one. Raises LookupError."""
        return _one(self.gateway.sinks, name, "sink")

    def recorder(self, name: str | None = None) -> Recorder:
        """A sink of the type `recorder`."""
        return cast(Recorder, self.sink(name))

    async def _ask(self, source: Source, body: bytes, headers: Mapping[str, str], peer: str) -> Posted:
        path = next(path for path, endpoint in self.gateway.sources_by_path.items() if endpoint.source is source)
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        raw.append((b"content-length", str(len(body)).encode()))
        scope = {"type": "http", "method": "POST", "path": f"/hooks/{path}", "headers": raw, "client": (peer, 1)}
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, send)
        head, *rest = messages
        answered = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head["headers"]}
        return Posted(head["status"], answered, b"".join(part.get("body", b"") for part in rest))

    # -- time

    async def advance(self, seconds: float, *, settle: bool = True) -> None:
        """Let so many seconds pass on the gateway's clock: a second a step, or more where that would be over 200 steps.

        What falls due in a step is carried before the next one (`settle=False`: it is not waited for).
        `delivery.timeout` is measured in real time, because it bounds real work.
        """
        step = max(1.0, seconds / STEPS_MAX)
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            if settle:
                await self.settle()

    async def settle(self, within: float = PATIENCE_SECONDS) -> None:
        """Wait until nobody has work that does not wait for the clock. Raises TimeoutError after `within` real seconds,
        naming the sinks that still work."""
        dispatcher = self.gateway.dispatcher
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        quiet = 0
        while quiet < 2:
            for _ in range(5):
                await asyncio.sleep(0)
            await self.gateway.store.ping()
            await self.gateway.store.gates()
            for _ in range(5):
                await asyncio.sleep(0)
            quiet = 0 if dispatcher.busy or self.gateway.alarms.busy else quiet + 1
            if dispatcher.busy:
                if loop.time() > until:
                    raise TimeoutError(f"after {within:g} s these sinks still work: {', '.join(dispatcher.busy)}")
                await asyncio.sleep(0.001)
        if self.gateway.watch_threads.busy:
            await asyncio.to_thread(self.gateway.watch_threads.flush, WATCHERS_PATIENCE_SECONDS)

    async def erase(self, *events: Event) -> None:
        """Erase these as `gateway events erase` does, and let a second pass, in which sinks that have `erased` hear of it."""
        with self._admin() as admin:
            total = admin.erase([f"{event.source}:{event.ref}" for event in events])
        if total.failed:
            raise LookupError("; ".join(answer.text for answer in total.answers if not answer.well))
        await self.advance(1)

    # -- what came of it, as the store says

    def events(self) -> list[Event]:
        """Every event that is kept, oldest first."""
        with self._admin() as admin:
            rows = list(_pages(lambda before: admin.events(limit=_PAGE_ROWS, before=before), lambda row: row.seq))
            return [self._event(admin, row.ref) for row in reversed(rows)]

    def following(self, event: Event) -> list[Event]:
        """What followed on this event, oldest first."""
        return [one for one in self.events() if one.cause is not None and one.cause.id == event.ref]

    def deliveries(self, sink: str | None = None, *, state: DeliveryState | None = None) -> list[DeliveryRow]:
        """Deliveries as `gateway deliveries list` shows them, oldest first; `state` is waiting, sending, delivered or dead."""
        with self._admin() as admin:
            return self._rows(admin, sink, state)

    def delivered(self, sink: str | None = None) -> list[Event]:
        """The events that were delivered to this sink (None: to the only one), in the order they were accepted."""
        name = self.sink(sink).name
        with self._admin() as admin:
            return [self._event(admin, row.event_ref) for row in self._rows(admin, name, "delivered")]

    def attempts(self, sink: str | None = None) -> list[Attempt]:
        """Every attempt since the start, in the order they ended; `sink` leaves out those of others."""
        return [attempt for delivery, attempt in self._attempts if sink in (None, delivery.sink)]

    def metric(self, name: str, **labels: str) -> float:
        """A sample of the metrics, by its name without `recording_gateway_`; 0 where there is none yet."""
        return self.gateway.metrics.registry.get_sample_value(f"recording_gateway_{name}", labels) or 0.0

    @contextmanager
    def _admin(self) -> Iterator[StoreAdmin]:
        with store_admin(self.gateway.settings, clock=self.clock) as admin:
            yield admin

    def _rows(self, admin: StoreAdmin, sink: str | None, state: DeliveryState | None) -> list[DeliveryRow]:
        def page(before: int | None) -> Sequence[DeliveryRow]:
            return admin.deliveries(sink=sink, state=state, limit=_PAGE_ROWS, before=before)

        return list(_pages(page, lambda row: row.id))[::-1]

    def _event(self, admin: StoreAdmin, ref: str) -> Event:
        full = admin.event(ref)
        event = from_document(json.loads(full.body), raw=full.raw)
        variant = full.row.ref.removeprefix(full.row.id).removeprefix("~")
        return event.replace(id=full.row.id, variant=variant) if variant else event


@asynccontextmanager
async def running(
    config: str | Mapping[str, object] | Path,
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    plugins: Sequence[object] = (),
    clock: FrozenClock | None = None,
) -> AsyncIterator[RunningGateway]:
    """A gateway with this configuration: text, a mapping, or a file, which then gets a store of its own.

    `folder` is where text is written and where `plugins: [./mine.py]` is looked for; None: a fresh one that is removed
    afterwards. `environ` is all that `${NAME}` sees. `plugins` are Sink and Source classes and objects with hooks that
    need no entry point and no file. The type `recorder` is always there. Raises ConfigError as `gateway check` would.
    """
    with tempfile.TemporaryDirectory(prefix="gateway-") as fresh:
        place = folder or Path(fresh)
        variables = dict(environ or {})
        if isinstance(config, Path):
            path = config
            variables.setdefault("GATEWAY_STORE", f"sqlite:///{fresh}/gateway.db")
        else:
            path = place / "under-test.yaml"
            path.write_text(config if isinstance(config, str) else json.dumps(config))
            path.chmod(0o600)

        def make() -> Loaded:
            return load(path, environ=variables, registry=lambda listed, base: registry_with(listed, base, plugins))

        gateway = RunningGateway(make, path.parent, clock or FrozenClock())
        await gateway.open()
        try:
            yield gateway
        finally:
            await gateway.close()


def _pages(page: Callable[[int | None], Sequence[T]], key: Callable[[T], int]) -> Iterator[T]:
    before: int | None = None
    while rows := page(before):
        yield from rows
        before = key(rows[-1])


def _one(known: Mapping[str, T], name: str | None, kind: str) -> T:
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None or name not in known:
        raise LookupError(f"no {kind} {name!r} is configured; there are: {', '.join(known) or 'none'}")
    return known[name]
