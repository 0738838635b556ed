"""Makes the parts that a configuration describes: sinks, and an endpoint for each source."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.grammar.delivery import DeliverySettings
from gateway.config.grammar.listeners import ServerSettings
from gateway.config.grammar.store import StoreSettings
from gateway.config.load import Loaded
from gateway.dispatch.policy import BatchPolicy, DeliveryPolicy, RetryPolicy
from gateway.egress.client import Http
from gateway.intake.intake import SourceEndpoint
from gateway.plugin import Sink, Source
from gateway.runtime.lean_imports import import_structlog
from gateway.store.store import Keep


def make_sink(loaded: Loaded, name: str, http: Http) -> Sink:
    """The sink of this name, not opened yet."""
    return loaded.sink(name, http, import_structlog().get_logger("sink"))


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


def delivery_policy(settings: DeliverySettings) -> DeliveryPolicy:
    """A sink's `delivery` as its lane takes it."""
    batch, retry = settings.batch, settings.retry
    return DeliveryPolicy(
        timeout=settings.timeout,
        concurrency=settings.concurrency,
        rate=settings.rate,
        order=settings.order,
        batch=None if batch is None else BatchPolicy(max=batch.max, window=batch.window),
        retry=RetryPolicy(
            initial=retry.initial,
            max=retry.max,
            give_up_after=retry.give_up_after,
            max_retry_after=retry.max_retry_after,
        ),
    )


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
            allow_from=configured.allow_from,
            max_body=configured.max_body or _most_of(source, server),
        )
    return endpoints


def _most_of(source: Source, server: ServerSettings) -> int:
    """What fits the vendor; where the file says less for all, that."""
    usual = source.max_body or server.max_body
    return min(usual, server.max_body) if "max_body" in server.model_fields_set else usual
