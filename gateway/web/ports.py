"""What the web room asks of the gateway behind it, so that it can be served and tested without knowing the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from gateway.config.grammar.settings import Settings
from gateway.errors import Problem
from gateway.fields.network_set import IpNetwork
from gateway.plugin import Callback
from gateway.reload import Reloaded
from gateway.runtime.clock import Clock
from gateway.store.admin.audit import Actor

if TYPE_CHECKING:
    from gateway.admin.service import AdminService


class EndpointLike(Protocol):
    """A configured source, found by its path."""

    @property
    def name(self) -> str: ...
    @property
    def media_types(self) -> Sequence[str]:
        """What it takes, such as ("application/json",); empty: whatever the header says."""

    @property
    def allow_from(self) -> Sequence[IpNetwork]:
        """Where callbacks may come from; empty: anywhere."""

    @property
    def max_body(self) -> int | None:
        """Bytes of the largest body; None: what the listener takes."""


EndpointT = TypeVar("EndpointT", bound=EndpointLike)


class AnswerLike(Protocol):
    """The answer to a callback that was taken."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def media_type(self) -> str: ...


TellAnswer = Callable[[AnswerLike | BaseException], None]
"""Hears once what became of a callback: its answer, a Problem that was counted, or a mistake of ours."""


class Exposition(Protocol):
    """The metrics, as the private listener needs them."""

    def text(self) -> bytes:
        """The Prometheus exposition format."""

    def openmetrics(self) -> bytes:
        """The same as OpenMetrics 1.0."""


class Behind(Protocol):
    """What both listeners ask of the gateway."""

    @property
    def clock(self) -> Clock: ...
    @property
    def stopping(self) -> bool: ...
    @property
    def metrics(self) -> Exposition: ...

    def count_refusal(self, source: str | None, problem: Problem) -> None:
        """Count what was refused before there was a callback. `source` None: the path named none."""

    def keep_unknown(self, problem: Problem, callback: Callback, size: int) -> None:
        """Remember a request to a path that names no source. Must not fail."""

    async def readiness(self) -> tuple[bool, Mapping[str, str]]:
        """Whether callbacks would be taken now, and the state of each part."""


class TakesCallbacks(Behind, Protocol[EndpointT]):
    """The gateway as the public listener sees it. A callback goes back to the gateway with the endpoint it gave."""

    @property
    def sources_by_path(self) -> Mapping[str, EndpointT]:
        """Endpoint by what follows /hooks/."""

    def take_callback(self, endpoint: EndpointT, callback: Callback, answered: TellAnswer) -> None:
        """Take it; `answered` hears after the commit."""


class Serving(Behind, Protocol):
    """The gateway as pages and API see it: with its settings, what people can do, and its life."""

    @property
    def settings(self) -> Settings: ...

    @property
    def token_place(self) -> str:
        """Where the first admin token is written, for people who look for it."""

    @property
    def admin(self) -> AdminService:
        """Every reading function and every act of the API and the pages."""

    async def open(self) -> None:
        """Take the store's lock and start. Raises GatewayError."""

    def stop(self) -> None:
        """From now on callbacks are answered 503 and readiness says no."""

    async def reload(self, actor: Actor) -> Reloaded:
        """Run what the configuration file says now, or raise and change nothing; `actor` asked for it."""

    async def watch(self) -> None:
        """Reload whenever the configuration file became another one, until cancelled."""

    async def close(self, grace: float | None = None) -> None:
        """Let what is under way end within `grace` seconds; then close everything."""


class WholeGateway(TakesCallbacks[EndpointT], Serving, Protocol[EndpointT]):
    """What `listeners.serve` opens, serves and closes; `gateway.app.Gateway` is one."""
