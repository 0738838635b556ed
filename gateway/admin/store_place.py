"""What a configuration says of its store, as the store takes it: where it is, and its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import StoreUnavailable
from gateway.text.store_address import StoreAddress, parse_address

if TYPE_CHECKING:
    from gateway.config.grammar.settings import Settings
    from gateway.config.grammar.store import StoreSettings
    from gateway.store.engine.cipher import Cipher


def store_address(settings: Settings) -> StoreAddress:
    """The place that a configuration names. Raises StoreUnavailable."""
    store = settings.store
    try:
        return parse_address(store.url, None if store.password is None else store.password.reveal())
    except ValueError as error:
        raise StoreUnavailable(str(error)) from None


def cipher_of(store: StoreSettings) -> Cipher | None:
    """The keys, the first of which encrypts; None: what is stored is stored in plain. Raises StoreUnavailable (no library)."""
    if store.encryption is None:
        return None
    from gateway.config.grammar.store import key_bytes
    from gateway.store.engine.cipher import Cipher  # because its library is an extra, and slow to import

    keys = {one.name: key_bytes(one.key.reveal()) or b"" for one in store.encryption.keys}
    return Cipher(keys, store.encryption.lost)
