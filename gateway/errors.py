"""The exceptions that cross a room: what a source, a sink, the store and the configuration say when they cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from gateway.states import ProblemCode, RefusalCode


class GatewayError(Exception):
    """The root of everything the gateway raises on purpose."""


# --- what a source says -------------------------------------------------------------------------------------------


class Untrusted(GatewayError):
    """The callback is not who it says it is: answered 401 with `code`, which is stable and documented.

    `detail` is for people and never holds a secret, an expected signature or the body. `answer`: what the sender hears
    in its place, where only whoever runs the gateway may know more.
    """

    def __init__(self, code: RefusalCode, detail: str, *, answer: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.answer = answer


class Malformed(GatewayError):
    """The callback cannot be read where verification or identity need it: answered 400 `malformed_body`."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


# --- what a sink says ---------------------------------------------------------------------------------------------


class DeliveryFailed(GatewayError):
    """The root of the three things a sink can say instead of returning."""

    detail: str = ""  # here too, for classes of a plugin's own whose __init__ does not call ours
    status: int | None = None

    def __init__(self, detail: str, *, status: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status  # the HTTP status behind it, where there was one


class Retry(DeliveryFailed):
    """Try this delivery again, not before `after` has passed; `memo` comes back with the next attempt.

    `service` says that the target as a whole failed (transport, 429, 5xx): such failures can open the circuit.
    """

    after: timedelta | None = None
    memo: Mapping[str, object] | None = None
    service: bool = False

    def __init__(
        self,
        detail: str,
        after: timedelta | None = None,
        memo: Mapping[str, object] | None = None,
        *,
        status: int | None = None,
        service: bool = False,
    ) -> None:
        super().__init__(detail, status=status)
        self.after = after
        self.memo = memo
        self.service = service


class Refused(DeliveryFailed):
    """This message can never be delivered to this sink: the delivery is dead at once, reason `refused`."""


class Unavailable(DeliveryFailed):
    """The whole target is broken (token revoked, host gone): the circuit opens, the attempt is given back, nothing is lost."""

    after: timedelta | None = None

    def __init__(self, detail: str, after: timedelta | None = None, *, status: int | None = None) -> None:
        super().__init__(detail, status=status)
        self.after = after


class Stopping(GatewayError):
    """The gateway is to stop, or this delivery is no longer its own: raised by `Delivery.alive`.

    Let it pass: the delivery is handed over with the memo that was kept last, and no attempt is counted.
    """


# --- what the listener answers ------------------------------------------------------------------------------------


class Problem(GatewayError):
    """A refusal at the public listener, rendered as application/problem+json (RFC 9457) with a stable `code`.

    `answer`: what the caller hears in place of `detail`, which only whoever runs the gateway may know.
    """

    def __init__(
        self,
        status: int,
        code: ProblemCode,
        detail: str,
        *,
        retry_after: int | None = None,
        answer: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.answer = answer
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after  # seconds


# --- what the store says ------------------------------------------------------------------------------------------


class StoreError(GatewayError):
    """The root of the store's refusals."""


class StoreUnavailable(StoreError):
    """The commit did not happen, or nobody can say that it did: nothing may be acknowledged."""


class PageDamaged(StoreUnavailable):
    """A page of the database cannot be read, and what was asked for lies on it."""


class StoreFileGone(StoreUnavailable):
    """The SQLite file (or one beside it) was deleted, renamed or replaced under the open connection; the text says what to do."""


class StoreBusy(StoreError):
    """The writer's queue is full; `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class StoreFull(StoreError):
    """A configured limit (waiting deliveries, free disk) is passed: answered 503 `over_limits`."""


class ItemRefused(StoreError):
    """The database refuses this one item for ever (a constraint, a value it cannot hold); its batch is not hurt."""


class StoreKeyMissing(StoreError):
    """What is stored is encrypted with a key that is not given; the text names it."""


class ValueUnreadable(StoreError):
    """A stored value will never be opened: its key is lost, or it was changed or moved; the text says which."""


class StoreInUse(StoreError):
    """Another process holds this SQLite file; the text names it."""


class SchemaMismatch(StoreError):
    """The tables are newer than this program, or were never made and the caller may not make them."""


class NotFound(StoreError):
    """A person named an event, delivery or refused callback that is not there."""


class Ambiguous(NotFound):
    """A person's name for an event fits several. `candidates` are names that fit one each."""

    code: Final = "ambiguous"

    def __init__(self, ref: str, candidates: Sequence[str], *, more: bool = False) -> None:
        self.candidates = tuple(candidates)
        super().__init__(f"{ref} names several events: {', '.join(candidates)}{', …' if more else ''}")


# --- what the configuration and the plugins say -------------------------------------------------------------------


class SinkNotOpened(GatewayError):
    """A sink that a reload brings cannot be opened; the text names it and says why."""


class PluginError(GatewayError):
    """A plugin cannot be used; the text names the plugin, its distribution or file, and what to do."""
