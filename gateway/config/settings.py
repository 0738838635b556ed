"""The grammar of the configuration file as pydantic models (DESIGN part 2). Plugins' own options live in `options`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.network import Host, Mode, Network, overlap
from gateway.config.words import EventForm, Name, PathSegment, RouteName, Timezone
from gateway.fields import (
    ONE_OR_MANY,
    ConfigPath,
    Duration,
    Glob,
    Globs,
    Rate,
    Secret,
    Size,
    between,
    parse_duration,
    parse_size,
    secret,
)
from gateway.model import Trust

if TYPE_CHECKING:
    from gateway.store.store import Keep


class Section(BaseModel):
    """The base of every part of the settings: final, and without keys that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


class Listener(Section):
    """Where one of the two listeners is."""

    host: Annotated[Host, Field(description="Address or name to listen on; `0.0.0.0` is every IPv4 address.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port; 0 takes a free one.")] = 8080
    uds: Annotated[
        ConfigPath | None, Field(description="Path of a unix socket to listen on, instead of host and port.")
    ] = None
    uds_mode: Annotated[Mode, Field(description="Permissions of the unix socket, in octal digits.")] = 0o660

    @property
    def address(self) -> tuple[str, int] | str:
        """(host, port), or the path of the unix socket."""
        return str(self.uds) if self.uds is not None else (self.host, self.port)


class ServerSettings(Listener):
    """The public listener: vendors' callbacks and nothing else."""

    max_body: Annotated[
        Size,
        between(1024, 16 * 1024 * 1024),
        Field(description="Largest body of a callback; a larger one is answered 413."),
    ] = parse_size("256KiB")
    body_timeout: Annotated[
        Duration, between("100ms", "10m"), Field(description="Time in which a request's body must have come.")
    ] = parse_duration("10s")
    shutdown_grace: Annotated[
        Duration,
        between("0", "1h"),
        Field(description="Time that what is being sent has to end when the gateway stops."),
    ] = parse_duration("20s")
    trusted_proxies: Annotated[
        tuple[Network, ...], Field(description="Addresses or networks of proxies whose `X-Forwarded-For` is believed.")
    ] = ()
    connections: Annotated[
        int, Field(ge=1, le=100_000, description="Most open connections; past it the oldest incomplete one is closed.")
    ] = 1000


class TokenSettings(Section):
    """One admin token."""

    name: Annotated[Name, Field(description="What logs call the holder of this token.")]
    token: Annotated[Secret, secret(min_length=32), Field(description="The token itself: at least 32 characters.")]
    role: Annotated[
        Literal["read", "operate"], Field(description="`read` looks, `operate` changes things as well.")
    ] = "read"


class AdminSettings(Listener):
    """The private listener: health, readiness and metrics."""

    port: Annotated[int, Field(ge=0, le=65535, description="TCP port; 0 takes a free one.")] = 9090
    hosts: Annotated[
        tuple[Host, ...], Field(description="Names, beside localhost, that a request's Host header may hold.")
    ] = ()
    token: Annotated[
        Annotated[Secret, secret(min_length=32)] | None,
        Field(
            description="Short for one entry of `tokens`, called admin, with the role `operate`. "
            "Left out, or `${NAME:-}` that comes out empty: none."
        ),
    ] = None
    tokens: Annotated[tuple[TokenSettings, ...], Field(description="Admin tokens, for the API and the dashboard.")] = ()

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        names = [token.name for token in self.tokens]
        if len(set(names)) < len(names):
            raise PydanticCustomError("tokens", "two of `tokens` have the same name")
        if self.token is not None and "admin" in names:
            raise PydanticCustomError(
                "tokens", "`token` is short for one called admin, and `tokens` has one of that name"
            )
        return self

    @property
    def all_tokens(self) -> Sequence[TokenSettings]:
        """`tokens`, and `token` as the entry it is short for."""
        if self.token is None:
            return self.tokens
        return (TokenSettings(name="admin", token=self.token, role="operate"), *self.tokens)


class KeepSettings(Section):
    """How long finished things stay."""

    delivered: Annotated[Duration, between("1d"), Field(description="Events all of whose deliveries arrived.")] = (
        parse_duration("7d")
    )
    unrouted: Annotated[Duration, between("1d"), Field(description="Events that no route wanted.")] = parse_duration(
        "7d"
    )
    dead: Annotated[Duration, between("1d"), Field(description="Events with a dead delivery.")] = parse_duration("90d")
    refused: Annotated[
        int, Field(ge=0, le=100_000, description="The last refused callbacks of each source, masked; 0 keeps none.")
    ] = 200


class LimitSettings(Section):
    """Past these limits callbacks are answered 503."""

    waiting: Annotated[int, Field(ge=1, description="Most deliveries that wait.")] = 1_000_000
    free_disk: Annotated[Size, Field(description="Least free space on the store's disk (SQLite).")] = parse_size(
        "256MiB"
    )


class StoreSettings(Section):
    """Where events are kept until they arrived. A text is short for `url`."""

    url: Annotated[
        str,
        Field(
            repr=False,
            description="`sqlite:///file` (beside the configuration), `sqlite:////absolute/file`, "
            "or `postgresql://user@host/database`.",
        ),
    ] = "sqlite:///gateway.db"
    password: Annotated[Secret | None, Field(description="PostgreSQL's password, so that the URL can be shown.")] = None
    remember: Annotated[
        Duration, between("1d"), Field(description="How long ids are known, so that a repeat is a duplicate.")
    ] = parse_duration("30d")
    keep: Annotated[KeepSettings, Field(description="How long finished events stay.")] = KeepSettings()
    limits: Annotated[LimitSettings, Field(description="Past these callbacks are answered 503.")] = LimitSettings()

    def keep_policy(self) -> Keep:
        """`remember`, `keep` and `limits` as the store takes them."""
        from gateway.store.store import Keep

        return Keep(
            remember=self.remember,
            delivered=self.keep.delivered,
            unrouted=self.keep.unrouted,
            dead=self.keep.dead,
            refused=self.keep.refused,
            waiting=self.limits.waiting,
            free_disk=self.limits.free_disk,
        )


class LogSettings(Section):
    """What is logged, and how."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="The least severity that is logged.")
    ] = "info"
    format: Annotated[
        Literal["auto", "text", "json"],
        Field(description="`auto`: text on a terminal, one JSON object a line elsewhere."),
    ] = "auto"


class LocaleSettings(Section):
    """How times and texts are shown to people."""

    timezone: Annotated[Timezone, Field(description="IANA name of the zone that times are shown in.")] = "UTC"
    language: Annotated[
        str,
        Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="Language tag of texts for people: en, zh-CN."),
    ] = "en"


class BatchSettings(Section):
    """Several deliveries in one call, for sinks that can."""

    max: Annotated[int, Field(ge=1, le=1000, description="Most deliveries in one call.")] = 20
    window: Annotated[Duration, between("0", "1h"), Field(description="How long the first one waits for company.")] = (
        parse_duration("30s")
    )


class RetrySettings(Section):
    """When a failed delivery is tried again: exponential with full jitter."""

    initial: Annotated[Duration, between("1ms", "1d"), Field(description="Longest wait before the second attempt.")] = (
        parse_duration("5s")
    )
    max: Annotated[Duration, between("1ms", "30d"), Field(description="Longest wait between two attempts.")] = (
        parse_duration("1h")
    )
    give_up_after: Annotated[
        Duration,
        between("0", "365d"),
        Field(
            description="Time from the first attempt after which a failing delivery is dead; an outage does not count."
        ),
    ] = parse_duration("3d")
    max_retry_after: Annotated[
        Duration, between("0", "30d"), Field(description="Longest wait that a target's `Retry-After` can ask for.")
    ] = parse_duration("6h")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.initial > self.max:
            raise PydanticCustomError("retry", "`initial` is longer than `max`; lower it, or raise `max`")
        return self


class DeliverySettings(Section):
    """How deliveries are carried; a sink overrides key by key under its own `delivery`."""

    timeout: Annotated[Duration, between("1ms", "1h"), Field(description="Time of one attempt, in all.")] = (
        parse_duration("15s")
    )
    concurrency: Annotated[int, Field(ge=1, le=1000, description="Most attempts of one sink at once.")] = 4
    rate: Annotated[
        Rate | None, Field(description="Most attempts in a time: `20/m`, `5/s`. null: as many as there are.")
    ] = None
    order: Annotated[
        Literal["none", "stream"], Field(description="`stream`: one in flight for each stream, the oldest first.")
    ] = "none"
    batch: Annotated[
        BatchSettings | None,
        Field(description="Several events in one call, for sinks that can take them. null: singly."),
    ] = None
    retry: Annotated[RetrySettings, Field(description="When a failed delivery is tried again.")] = RetrySettings()


class SourceSettings(Section):
    """`type`, `path`, `min_trust`, `on_conflict` are the core's; every other key belongs to the type's options."""

    type: Annotated[str, Field(description="Which vendor's callbacks these are.")]
    path: Annotated[
        PathSegment,
        Field(description="Callbacks arrive at `POST /hooks/{path}`. Default: the source's name.", repr=False),
    ]
    min_trust: Annotated[
        Trust,
        Field(
            description="What the vendor's signature must cover at least: `none`, `timestamp`, `fields` or `body`. "
            "Default: `timestamp`, or `none` where the options ask for no signature."
        ),
    ] = Trust.TIMESTAMP
    on_conflict: Annotated[
        Literal["hold", "deliver"],
        Field(
            description="What becomes of an event whose id is known with other content: held for a person, or delivered."
        ),
    ] = "hold"
    options: Annotated[Any, Field(description="The type's own options.")] = None


class SinkSettings(Section):
    """`type` and `delivery` are the core's; every other key belongs to the type's options."""

    type: Annotated[str, Field(description="Which kind of sink this is.")]
    delivery: Annotated[DeliverySettings, Field(description="Overrides of the top-level `delivery`, key by key.")] = (
        DeliverySettings()
    )
    options: Annotated[Any, Field(description="The type's own options.")] = None


class MatchSettings(Section):
    """Every key that is there must match: a glob or a list of globs, case-sensitive, the whole value."""

    type: Annotated[Globs | None, Field(description="Event type, such as `recording.failed`.")] = None
    source: Annotated[Globs | None, Field(description="Name of the source.")] = None
    provider: Annotated[Globs | None, Field(description="Vendor, such as `huawei-live`.")] = None
    domain: Annotated[Globs | None, Field(description="Publishing domain.")] = None
    app: Annotated[Globs | None, Field(description="Application.")] = None
    stream: Annotated[Globs | None, Field(description="Stream.")] = None
    format: Annotated[Globs | None, Field(description="Recording format.")] = None
    project_id: Annotated[Globs | None, Field(description="The vendor's project or account.")] = None
    trust: Annotated[Globs | None, Field(description="How much the signature covered.")] = None

    @field_validator("*")
    @classmethod
    def _not_empty(cls, globs: tuple[Glob, ...] | None) -> tuple[Glob, ...] | None:
        if globs == ():
            raise PydanticCustomError("globs", "at least one glob; leave the key out to match everything")
        return globs


class RouteSettings(Section):
    """One route: who is meant, and where to."""

    name: Annotated[RouteName, Field(description="Name in explanations and metrics. Default: `route-1`, `route-2`, …")]
    conditions: Annotated[
        MatchSettings, Field(alias="match", description="Conditions by field; without any, everything matches.")
    ] = MatchSettings()
    where: Annotated[str | None, Field(description="A CEL expression over `event`; only `true` matches.")] = None
    to: Annotated[tuple[Name, ...], ONE_OR_MANY, Field(description="The sinks that get what matches.")] = ()
    stop: Annotated[bool, Field(description="Whether the search ends here when this route matches.")] = False

    @model_validator(mode="after")
    def _has_purpose(self) -> Self:
        if not self.to and not self.stop:
            raise PydanticCustomError("to", "`to` names no sink; add one, or `stop: true` to drop what matches")
        return self

    @property
    def match(self) -> Mapping[str, tuple[str, ...]]:
        """The conditions that are there, by field."""
        return {
            key: globs for key in MatchSettings.model_fields if (globs := getattr(self.conditions, key)) is not None
        }


class CallbackSettings(Section):
    """A vendor's callback in a file, for a test."""

    source: Annotated[Name, Field(description="The configured source that reads it, without verification.")]
    file: Annotated[ConfigPath, Field(description="The file with the callback's body.")]


class TestSettings(Section):
    """One route test: an event, or a callback in a file, and the sinks it must go to."""

    __test__ = False  # because pytest takes every class that begins with Test for one of its own

    name: Annotated[str | None, Field(max_length=200, description="What the test is called when it fails.")] = None
    event: Annotated[
        EventForm | None,
        Field(description="CloudEvents JSON, or the flat form; what is missing gets the type's sample."),
    ] = None
    callback: Annotated[CallbackSettings | None, Field(description="A vendor's callback in a file.")] = None
    expect: Annotated[tuple[Name, ...], ONE_OR_MANY, Field(description="The sinks, in any order; [] is none.")]

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.event is None) == (self.callback is None):
            raise PydanticCustomError("test", "a test has either `event` or `callback`")
        return self


class Settings(Section):
    """The whole file."""

    version: Annotated[Literal[1], Field(description="Version of this grammar.")] = 1
    server: Annotated[ServerSettings, Field(description="The public listener.")] = ServerSettings()
    admin: Annotated[AdminSettings, Field(description="The private listener.")] = AdminSettings()
    store: Annotated[StoreSettings, Field(description="Where events are kept.")] = StoreSettings()
    log: Annotated[LogSettings, Field(description="Logs.")] = LogSettings()
    locale: Annotated[LocaleSettings, Field(description="For people.")] = LocaleSettings()
    delivery: Annotated[DeliverySettings, Field(description="Defaults for every sink.")] = DeliverySettings()
    plugins: Annotated[
        tuple[str, ...],
        Field(description="Python files (`./name.py`), modules, and installed hook plugins to load."),
    ] = ()
    sources: Annotated[Mapping[str, SourceSettings], Field(description="Where callbacks come from, by name.")] = {}
    sinks: Annotated[Mapping[str, SinkSettings], Field(description="Where events go, by name.")] = {}
    routes: Annotated[tuple[RouteSettings, ...], Field(description="Which events go where, in order.")] = ()
    tests: Annotated[tuple[TestSettings, ...], Field(description="Route tests, run by `gateway check`.")] = ()

    @functools.cached_property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine can connect to either listener."""
        from gateway.config.network import is_loopback

        return all(one.uds is not None or is_loopback(one.host) for one in (self.server, self.admin))

    @property
    def listeners_overlap(self) -> bool:
        """Whether both listeners would want the same address."""
        return overlap(self.server.address, self.admin.address)
