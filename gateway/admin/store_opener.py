"""Opens the store of a configuration for people: neither of the two knows the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.grammar.settings import Settings
from gateway.config.grammar.store import StoreSettings, key_bytes
from gateway.errors import StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.store.admin.admin import StoreAdmin
from gateway.text.store_address import StoreAddress, parse_address

if TYPE_CHECKING:
    from gateway.store.engine.cipher import Cipher


def store_address(settings: Settings) -> StoreAddress:
    """The place that a configuration names. Raises StoreUnavailable."""
    store = settings.store
    try:
        return parse_address(store.url, None if store.password is None else store.password.reveal())
    except ValueError as error:
        raise StoreUnavailable(str(error)) from None


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


def cipher_of(store: StoreSettings) -> Cipher | None:
    """The keys, the first of which encrypts; None: what is stored is stored in plain. Raises StoreUnavailable (no library)."""
    if store.encryption is None:
        return None
    from gateway.store.engine.cipher import Cipher  # because its library is an extra, and slow to import

    keys = {one.name: key_bytes(one.key.reveal()) or b"" for one in store.encryption.keys}
    return Cipher(keys, store.encryption.lost)
