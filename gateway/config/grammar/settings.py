"""The grammar of the configuration file as pydantic models (docs/configuration.md). Plugins' own options live in `options`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, PrivateAttr

from gateway.config.grammar.alarms import AlarmSettings, AlarmSetup
from gateway.config.grammar.delivery import BatchSettings, DeliverySettings, RetrySettings
from gateway.config.grammar.directory import DirectorySettings
from gateway.config.grammar.identifiers import PathSegment
from gateway.config.grammar.listeners import AdminSettings, ServerSettings, TokenSettings
from gateway.config.grammar.network import AllowFile, AllowFrom, overlap
from gateway.config.grammar.routes import CallbackSettings, MatchSettings, RouteSettings, TestSettings
from gateway.config.grammar.section import Section
from gateway.config.grammar.store import KeepSettings, LimitSettings, StoreSettings
from gateway.config.grammar.watch import WatchSettings
from gateway.fields import Language, NotEmpty, Size, Timezone, between
from gateway.fields.event_paths import EventPaths
from gateway.fields.hosts import is_loopback
from gateway.model import Trust
from gateway.text.signing_key import keys_of

__all__ = [
    "AdminSettings",
    "AlarmSettings",
    "BatchSettings",
    "CallbackSettings",
    "DeliverySettings",
    "KeepSettings",
    "LimitSettings",
    "LocaleSettings",
    "LogSettings",
    "MatchSettings",
    "RetrySettings",
    "RouteSettings",
    "Section",
    "ServerSettings",
    "Settings",
    "SinkSettings",
    "SourceSettings",
    "StoreSettings",
    "TestSettings",
    "TokenSettings",
]


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
    language: Annotated[Language, Field(description="Language tag of texts for people: en, zh-CN.")] = "en"


class SourceSettings(Section):
    """`type`, `path`, `min_trust`, `allow_from`, `max_body`, `on_conflict`, `keep_ids`, `redact` are the core's; every other key belongs to the type's options."""

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
    allow_from: Annotated[
        AllowFrom,
        NotEmpty("at least one network; leave the key out to take callbacks from anywhere"),
        Field(
            description="Addresses or networks that callbacks may come from, or `{file: PATH}` with them, alone or among "
            "others; without it, from anywhere. Behind a proxy it needs `server.trusted_proxies`."
        ),
    ] = ()
    max_body: Annotated[
        Annotated[Size, between(1024, 16 * 1024 * 1024)] | None,
        Field(description="Largest body of a callback of this source. Default: what the vendor sends at most."),
    ] = None
    on_conflict: Annotated[
        Literal["hold", "deliver"],
        Field(
            description="What becomes of an event whose id is known with other content: held for a person, or delivered."
        ),
    ] = "hold"
    keep_ids: Annotated[
        bool,
        Field(
            description="Whether an id taken over from the sender's document stays as it is, for a gateway of your own "
            "behind this source. Else it goes out as `id~source`, because another source may use the same."
        ),
    ] = False
    redact: Annotated[
        EventPaths,
        Field(
            description="Paths of what is taken out of this source's events before anybody but the source has seen it, beside "
            "those of `store.redact`, such as `$.data.files[*].download_url`."
        ),
    ] = ()
    options: Annotated[object, Field(description="The type's own options.")] = None

    @property
    def allow_files(self) -> Sequence[AllowFile]:
        """The files among `allow_from`."""
        entries = (self.allow_from,) if isinstance(self.allow_from, AllowFile) else self.allow_from
        return [entry for entry in entries if isinstance(entry, AllowFile)]

    @property
    def networks(self) -> Sequence[IPv4Network | IPv6Network]:
        """Where callbacks may come from, those of files among them; none: from anywhere."""
        if isinstance(self.allow_from, AllowFile):
            return self.allow_from.networks
        listed = [entry.networks if isinstance(entry, AllowFile) else (entry,) for entry in self.allow_from]
        return [network for networks in listed for network in networks]


class Pulls(Protocol):
    """What is asked of a sink's class here."""

    @property
    def pulled(self) -> bool: ...


class SinkSettings(Section):
    """`type`, `delivery` and `directory` are the core's; every other key belongs to the type's options."""

    type: Annotated[str, Field(description="Which kind of sink this is.")]
    delivery: Annotated[DeliverySettings, Field(description="Overrides of the top-level `delivery`, key by key.")] = (
        DeliverySettings()
    )
    directory: Annotated[
        DirectorySettings | None,
        Field(
            description="A table of owners, each with a target of its own, for types whose target can be a person's."
        ),
    ] = None
    options: Annotated[object, Field(description="The type's own options.")] = None

    _pulled: bool = PrivateAttr(default=False)

    @property
    def pulled(self) -> bool:
        """Whether consumers fetch what is for it, as its type says."""
        return self._pulled

    def carried_as(self, other: SinkSettings) -> bool:
        """Whether what carries the other can go on with this: nothing differs, or only what stands in the table of owners."""
        if self.directory is None or other.directory is None:
            return self == other
        mine, theirs = self.directory.table, other.directory.table
        if mine is None or theirs is None or self.directory.written != other.directory.written:
            return False
        return (self.type, self.delivery) == (other.type, other.delivery) and mine.base == theirs.base

    def of_type(self, cls: Pulls) -> Self:
        """Note what the class of its type says of every sink of this type."""
        self._pulled = bool(cls.pulled)
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
    watch: Annotated[
        tuple[WatchSettings, ...], Field(description="What should come, and by when; what does not is told.")
    ] = ()
    alarms: Annotated[AlarmSettings, Field(description="Who is told what the gateway says of itself.")] = (
        AlarmSettings()
    )
    tests: Annotated[tuple[TestSettings, ...], Field(description="Route tests, run by `gateway check`.")] = ()

    @functools.cached_property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine can connect to either listener."""
        return all(one.uds is not None or is_loopback(one.host) for one in (self.server, self.admin))

    @property
    def all_routes(self) -> tuple[RouteSettings, ...]:
        """`routes`, and behind them the one that `alarms` is short for."""
        route = self.alarms.route
        return self.routes if route is None else (*self.routes, route)

    @property
    def alarm_setup(self) -> AlarmSetup:
        """What is needed to write an alarm."""
        every = round(self.alarms.every.total_seconds() * 1000)
        keys = {name: keys_of(one.options) for name, one in self.sources.items()}
        language = self.alarms.language or self.locale.language
        return AlarmSetup(every, language, self.admin.page, keys, self.alarms.key_ends_within)

    @property
    def listeners_overlap(self) -> bool:
        """Whether both listeners would want the same address."""
        return overlap(self.server.address, self.admin.address)
