"""What a plugin author inherits from: Source (pure, synchronous) and Sink (asynchronous), and what they are handed."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from gateway.follow_up import DeliveryResult, Done
from gateway.model import Delivery, Erased, Event, Trust, Verified
from gateway.plugin.callback import Callback
from gateway.plugin.key_times import KeyTimes
from gateway.plugin.options import Options
from gateway.plugin.vendor_api import CallbackConfiguration, ListedPage, ListSpan, Reconcile
from gateway.text.signing_key import keys_of

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from gateway.egress.client import Http


@dataclass(frozen=True)
class Response:
    """An answer of a source's own, for vendors that read the body."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What `gateway send` asks a source to play: one callback, signed as the vendor signs it.

    `type` is the vendor's name of the type; `number` makes it different from every other; `now` is when it is sent.
    """

    type: str
    number: int
    now: datetime
    scheme: str | None = None  # which signature, in the source's own words; None: the source's usual one
    tampered: bool = False  # changed after signing
    expired: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)  # values that replace the sample's


@dataclass(frozen=True)
class Played:
    """The request that `gateway send` posts. Without a content-type it goes as application/json."""

    body: bytes
    headers: Mapping[str, str]


class Source:
    """Turns one vendor's callbacks into events. Pure and synchronous: no I/O, no clock of its own.

    Subclass it, set `type` and, where there are options, `Options` (a model derived from `gateway.Options`).
    `__init__` belongs to the core; derive what is costly in `prepare`.
    """

    type: ClassVar[str]
    Options: ClassVar[builtins.type[BaseModel]] = Options
    origin: ClassVar[str] = ""
    """Where the class came from, for errors and logs: a distribution and its version, or a file. The core sets it."""
    media_types: ClassVar[Sequence[str]] = ()
    """Media types this source takes, such as ("application/json",); empty: whatever the header says."""
    max_body: ClassVar[int | None] = None
    """Bytes of the largest body this vendor sends; None: `server.max_body`. `max_body` of the configuration holds over it."""
    key_fields: ClassVar[Sequence[str]] = ()
    """Fields at the top of the JSON that the signature or the id is made of: a body with one of them twice is no valid
    callback (400) whoever sent it. One that is not listed is refused too, but where nothing fits it is called 401."""
    scenes: ClassVar[Sequence[str]] = ()
    """The vendor types that `play` can make."""
    starter: ClassVar[str] = ""
    """This type's options as `gateway init` writes them: lines of YAML with comments. `@KEY@` becomes a fresh key,
    `@WEBHOOK_SECRET@` one of Standard Webhooks, `@PATH@` the path; `@DOMAINS@`, `@APPS@` and `@HOST@` are asked for."""
    first_choice: ClassVar[bool] = False
    """Whether `gateway init` begins with this type where none is named."""

    def __init__(self, name: str, options: Any) -> None:
        self.name = name
        self.options = options
        self.key_times = KeyTimes.of(self)
        self.key_marks = tuple(key.mark for key in keys_of(options))
        self.prepare()

    def prepare(self) -> None:
        """Called once, when name and options are there."""

    def verify(self, callback: Callback) -> Verified:
        """What the signature covers, or raise Untrusted(code, detail) or Malformed(detail). Compare in constant time."""
        raise NotImplementedError

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """The events of a verified callback; empty: 200 and no row. Raise Malformed where identity cannot be read."""
        raise NotImplementedError

    def vendor_type(self, callback: Callback) -> str | None:
        """The vendor's name of a verified callback's type, for people: asked where `normalise` made no event of it."""
        return None

    def acknowledge(self, callback: Callback, events: Sequence[Event]) -> Response | None:
        """The answer after the commit; None: the usual body."""
        return None

    @property
    def unsigned(self) -> bool:
        """Whether these options ask for no signature at all: `min_trust` is then `none` where it is not configured."""
        return False

    @property
    def most_trust(self) -> Trust | None:
        """The most that a signature covers with these options; None: not known. `check` warns of a higher `min_trust`."""
        return Trust.NONE if self.unsigned else None

    @property
    def always(self) -> Mapping[str, Sequence[str]]:
        """What holds of every event with these options: globs by key of `match`, one of which it fits, such as
        {"provider": ["acme"], "domain": ["live.example.com"]}; an empty list where no event has the key. What is not
        named may be anything. `check` warns of a route that no event can match."""
        return {}

    def advice(self) -> Sequence[str]:
        """Warnings about these options, for `gateway check` and the start: a weak key, a glob that opens a split."""
        return ()

    def play(self, scene: Scene) -> Played:
        """A callback as the vendor would send it, signed with the first key. Raise ValueError where it cannot."""
        raise ValueError(f"the source type {self.type} cannot be played")

    # -- the vendor's own API, for a type that has one. These alone may wait and call; they raise what a sink raises,
    # with a text for people: Retry (later, perhaps not before `after`), Unavailable and Refused (somebody has to act).

    @property
    def reconcile(self) -> Reconcile | None:
        """What these options say of asking the vendor; None: it is not asked. Everything below needs it."""
        return None

    async def list_recordings(self, http: Http, span: ListSpan, next: str | None) -> ListedPage:
        """A page of the finished recordings that the vendor lists for `span`: the first, or the one that `next` names.

        The same recording must be the same event each time: its id of `event_id`, its trust what came over TLS from the
        vendor itself is worth. The core knows by the place of the file whose callback came already.
        """
        raise NotImplementedError

    def expected_configuration(self, url: str) -> Sequence[CallbackConfiguration]:
        """How the vendor is to call this source at `url`, each domain and app by itself. Pure. Raise ValueError where the options do
        not say it."""
        raise NotImplementedError

    async def read_configuration(self, http: Http) -> Sequence[CallbackConfiguration]:
        """How the vendor calls back, as it says itself."""
        raise NotImplementedError

    async def write_configuration(self, http: Http, wanted: CallbackConfiguration) -> str | None:
        """Let the vendor call back like this: change the configuration of this `id`, or make one where it has none. The answer
        is what is left to do by hand, in a sentence."""
        raise NotImplementedError


class Sink:
    """Carries events to one place. Asynchronous; may be slow, may fail, is used by several tasks at once.

    Subclass it, set `type` and, where there are options, `Options`. `__init__` belongs to the core. Options called
    `timezone` and `language` (types in `gateway.fields`) that the file leaves out get the values of its `locale`.
    Return a short receipt (or None, or a Done with the events that follow) when delivered; raise Retry, Refused or Unavailable; anything else is a Retry
    logged with its traceback. The core bounds every attempt by `delivery.timeout`.
    """

    type: ClassVar[str]
    Options: ClassVar[builtins.type[BaseModel]] = Options
    origin: ClassVar[str] = ""
    """Where the class came from, for errors and logs: a distribution and its version, or a file. The core sets it."""
    default_rate: ClassVar[str | None] = None
    """A rate that fits the service, such as "20/m", used where the configuration names none."""
    batches_when_asked: ClassVar[bool] = False
    """Whether only a `delivery.batch` of the sink's own makes it batch, not the one for all sinks: a receiver that was
    written for single events would not know what to make of several."""
    pulled: ClassVar[bool] = False
    """Whether consumers fetch what is for this sink (docs/api.md, Pull) instead of the gateway calling `deliver`."""
    owner_columns: ClassVar[Mapping[str, str]] = {}
    """What a `directory` may say of an owner: each column of its table, and the option that it gives, such as {"url": "url",
    "secret": "sign.secrets[]"}. `.` goes into a mapping; `[]` is an option that takes several, with `;` between them in the
    cell. Empty: a sink of this type has no directory."""
    batched: bool = False
    """Whether `delivery.batch` holds for this sink. The core sets it; one delivery alone still comes to `deliver`."""

    def __init__(self, name: str, options: Any, *, http: Http, log: FilteringBoundLogger) -> None:
        self.name = name
        self.options = options
        self.http = http
        self.log = log

    async def open(self) -> None:
        """Called before the first delivery; a failure opens the circuit, it does not stop the gateway."""

    async def close(self) -> None:
        """Called after the last delivery; must end within 5 seconds."""

    async def deliver(self, delivery: Delivery) -> str | Done | None:
        """Carry one event. See the class for what to return and raise."""
        raise NotImplementedError

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[DeliveryResult]:
        """Carry several at once (only with `delivery.batch`): one result each, same length and order."""
        raise NotImplementedError

    async def erased(self, events: Sequence[Erased]) -> None:
        """People erased these events: let go of what is held of them, and of what is being delivered of them now.

        For a sink that keeps what it was given (a feed, an index). Called within a second or so, with the events of
        every source, whether they came here or not; all of the last `store.remember` again after each start; and again
        until it does not raise. So it has to be harmless where there is nothing to let go of.
        """

    def for_owner(self, options: Any) -> Sink:
        """A sink like this one for an owner of its `directory`: `options` are this one's with the owner's in their place.

        It is opened before its first delivery and closed after its last, while this one stays open; what may be shared (a
        connection to a server that all go through) can be handed on here.
        """
        return type(self)(self.name, options, http=self.http, log=self.log)

    @classmethod
    def usual_rate(cls, options: Any) -> str | None:
        """The rate for these options where the configuration names none: `default_rate`, unless they decide it."""
        return cls.default_rate

    @classmethod
    def takes_batches(cls, options: Any = None) -> bool:
        """Whether several deliveries may go in one call, with these options: there is a `deliver_batch`."""
        return cls.deliver_batch is not Sink.deliver_batch

    async def preview(self, delivery: Delivery) -> str | None:
        """What `deliver` would send, as text for people; nothing is sent, and `open` was not called.

        None, the default: `gateway sinks preview` calls `open` and `deliver` with an `http` that keeps the requests and
        sends none. A sink that speaks in another way than `self.http` writes its own.
        """
        return None

    async def connect(self) -> str | None:
        """For `gateway check --connect`, after `open`: reach the target without delivering anything, and say what answered.

        None, the default: nothing was tried. Raises Unavailable where it cannot be reached.
        """
        return None

    def missing(self) -> Sequence[str]:
        """What is not installed here and must be, a sentence each; `gateway check` and `serve` refuse to go on then."""
        return ()

    @property
    def wanted_fields(self) -> Sequence[str]:
        """What of an event this sink cannot do without: paths as `redact` has them, such as `$.data.files[*].download_url`, and
        `raw` for the vendor's bytes. `gateway check` refuses a route that brings it events of which that is redacted."""
        return ()

    @property
    def wanted_trust(self) -> Trust:
        """What the vendor's signature should have covered for what this sink does with an event.

        `gateway check` warns where a route may bring less. Whether the sink then refuses is its own matter.
        """
        return Trust.NONE

    def advice(self) -> Sequence[str]:
        """Warnings about these options, for `gateway check` and the start."""
        return ()
