"""Opens the store of a configuration for people: neither of the two knows the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.errors import StoreUnavailable
from gateway.store.admin.configured import Configured, LateConfigured
from gateway.store.admin.queries import StoreQueries

if TYPE_CHECKING:
    from gateway.config.grammar.settings import Settings
    from gateway.config.loaded import Loaded
    from gateway.runtime.clock import Clock
    from gateway.store.admin.admin import StoreAdmin


def store_admin(settings: Settings, *, clock: Clock | None = None) -> StoreAdmin:
    """The store that a configuration names, with what it says of its sinks. Raises StoreUnavailable."""
    from gateway.admin.store_place import cipher_of
    from gateway.store.admin.admin import StoreAdmin

    store, sinks = settings.store, settings.sinks.items()
    return StoreAdmin(
        store.url,
        password=None if store.password is None else store.password.reveal(),
        cipher=cipher_of(store),
        clock=clock,
        known=lambda: _configured(settings),
        grouped={name: batch.group_by for name, sink in sinks if (batch := sink.delivery.batch) and batch.group_by},
    )


def store_reader(settings: Settings) -> StoreQueries:
    """The same for questions alone."""
    from gateway.admin.store_place import cipher_of

    store = settings.store
    password = None if store.password is None else store.password.reveal()
    return StoreQueries(store.url, password=password, cipher=cipher_of(store), known=lambda: _configured(settings))


def store_questions(url: str, sinks: frozenset[str], settings: Callable[[], Settings]) -> StoreQueries:
    """A store that is kept in plain, for questions alone; `settings` are read when one needs more of them than the names of the
    sinks. Raises StoreUnavailable."""
    return StoreQueries(url, known=lambda: LateConfigured(sinks, lambda: _configured(settings())))


def with_names_of_store(loaded: Loaded) -> Loaded:
    """A configuration of which not all names could be read, with those that its store knows."""
    from gateway.config.refused_file import stand_in_sink, stand_in_source

    settings = loaded.settings
    with suppress(StoreUnavailable), store_admin(settings) as admin:
        sinks = {name: stand_in_sink() for name in admin.sink_names()} | dict(settings.sinks)
        sources = {name: stand_in_source() for name in admin.sources() if name} | dict(settings.sources)
        settings = settings.model_copy(update={"sinks": sinks, "sources": sources})
    return replace(loaded, settings=settings)


def _configured(settings: Settings) -> Configured:
    sinks = settings.sinks.items()
    return Configured(
        sinks=frozenset(settings.sinks),
        rated=frozenset(name for name, sink in sinks if sink.delivery.rate is not None),
        batched=frozenset(name for name, sink in sinks if sink.delivery.batch is not None),
        pulled=frozenset(name for name, sink in sinks if sink.pulled),
        ordered=frozenset(name for name, sink in sinks if sink.delivery.order == "stream"),
        owned=frozenset(name for name, sink in sinks if sink.directory and sink.delivery.order == "none"),
    )
