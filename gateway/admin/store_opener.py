"""Opens the store of a configuration for people: neither of the two knows the other."""

from __future__ import annotations

from gateway.admin.store_place import cipher_of
from gateway.config.grammar.settings import Settings
from gateway.runtime.clock import Clock
from gateway.store.admin.admin import StoreAdmin


def store_admin(settings: Settings, *, clock: Clock | None = None) -> StoreAdmin:
    """The store that a configuration names, with what it says of its sinks. Raises StoreUnavailable."""
    store, sinks = settings.store, settings.sinks.items()
    return StoreAdmin(
        store.url,
        password=None if store.password is None else store.password.reveal(),
        cipher=cipher_of(store),
        clock=clock,
        configured=tuple(settings.sinks),
        rated=tuple(name for name, sink in sinks if sink.delivery.rate is not None),
        batched=tuple(name for name, sink in sinks if sink.delivery.batch is not None),
        pulled=tuple(name for name, sink in sinks if sink.pulled),
        grouped={name: batch.group_by for name, sink in sinks if (batch := sink.delivery.batch) and batch.group_by},
        ordered=tuple(name for name, sink in sinks if sink.delivery.order == "stream"),
        owned=tuple(name for name, sink in sinks if sink.directory and sink.delivery.order == "none"),
    )
