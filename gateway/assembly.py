"""Makes the parts that a configuration describes: the store, sinks, and an endpoint for each source."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Mapping

from gateway.admin.store_place import cipher_of
from gateway.config.grammar.delivery import DeliverySettings
from gateway.config.grammar.directory import DirectorySettings
from gateway.config.grammar.listeners import ServerSettings
from gateway.config.grammar.settings import Settings
from gateway.config.grammar.store import StoreSettings
from gateway.config.load import Loaded
from gateway.dispatch.policy import BatchPolicy, DeliveryPolicy, OwnerPolicy, RetryPolicy
from gateway.egress.client import Http
from gateway.fields.network_set import NetworkSet
from gateway.intake.under_way import SourceEndpoint
from gateway.plugin import Sink, Source
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.store.store import Keep, Store


def make_sink(loaded: Loaded, name: str, http: Http) -> Sink:
    """The sink of this name, not opened yet."""
    return loaded.sink(name, http, import_structlog().get_logger("sink"))


def make_store(settings: StoreSettings, clock: Clock, observe: Callable[[int, float], None]) -> Store:
    """The store, not opened yet. `observe` gets the items and the seconds of every commit."""
    return Store(
        settings.url,
        password=settings.password.reveal() if settings.password else None,
        cipher=cipher_of(settings),
        keep=keep_of(settings),
        clock=clock,
        # unique a start, because in a container the next process has the same name and number
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}",
        observe=observe,
    )


def keep_of(settings: StoreSettings) -> Keep:
    """`remember`, `keep` and `limits` as the store takes them."""
    return Keep(
        remember=settings.remember,
        delivered=settings.keep.delivered,
        unrouted=settings.keep.unrouted,
        dead=settings.keep.dead,
        refused=settings.keep.refused,
        waiting=settings.limits.waiting,
        free_disk=settings.limits.free_disk,
    )


def sink_policies(settings: Settings) -> Mapping[str, DeliveryPolicy]:
    """How every sink is to be carried."""
    return {name: delivery_policy(sink.delivery, sink.directory) for name, sink in settings.sinks.items()}


def delivery_policy(settings: DeliverySettings, owners: DirectorySettings | None = None) -> DeliveryPolicy:
    """A sink's `delivery` as its lane takes it, and its directory."""
    batch, retry = settings.batch, settings.retry
    return DeliveryPolicy(
        timeout=settings.timeout,
        concurrency=settings.concurrency,
        rate=settings.rate,
        order=settings.order,
        owners=None if owners is None else _owner_policy(owners),
        batch=None if batch is None else BatchPolicy(max=batch.max, window=batch.window, group_by=batch.group_by),
        retry=RetryPolicy(
            initial=retry.initial,
            max=retry.max,
            give_up_after=retry.give_up_after,
            max_retry_after=retry.max_retry_after,
        ),
    )


def _owner_policy(settings: DirectorySettings) -> OwnerPolicy:
    directory = settings.table
    assert directory is not None  # without it the configuration had been refused
    return OwnerPolicy(directory=directory, concurrency=settings.concurrency, rate=settings.rate)


def make_endpoints(loaded: Loaded) -> Mapping[str, SourceEndpoint]:
    """An endpoint for each source, by its path."""
    server = loaded.settings.server
    endpoints = {}
    for name, configured in loaded.settings.sources.items():
        source = loaded.source(name)
        endpoints[configured.path] = SourceEndpoint(
            name=name,
            path=configured.path,
            source=source,
            min_trust=configured.min_trust,
            hold_conflicts=configured.on_conflict == "hold",
            keep_ids=configured.keep_ids,
            reconciles=_places_are_wanted(source, redacted=name in loaded.redactions),
            redaction=loaded.redactions.get(name),
            allow_from=NetworkSet(configured.networks),
            max_body=configured.max_body or _most_of(source, server),
        )
    return endpoints


def _places_are_wanted(source: Source, *, redacted: bool) -> bool:
    """Whether it is kept where the files of its events lie: its vendor is asked, or may be one day, and what is redacted says it
    no more then."""
    return source.reconcile is not None or (redacted and type(source).list_recordings is not Source.list_recordings)


def _most_of(source: Source, server: ServerSettings) -> int:
    """What fits the vendor; where the file says less for all, that."""
    usual = source.max_body or server.max_body
    return min(usual, server.max_body) if "max_body" in server.model_fields_set else usual
