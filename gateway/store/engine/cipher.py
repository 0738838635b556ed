"""Encrypts what is secret in a row before it is stored, and opens it after it was read: AES-256-GCM, keys by name.

A encrypted value is bound to its table, its column and its row, so that it opens nowhere else. It begins with `~`, which no
text that is stored in these columns does, and then names its key. What stands in plain is read as it is, so that
encryption may begin, and keys may change, while the store is in use.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from gateway.errors import StoreKeyMissing, StoreUnavailable, ValueUnreadable
from gateway.extras import how_to_install

MARK: Final = "~"
KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12  # random: by NIST SP 800-38D one key may encrypt 2^32 values
_CHECK_CHARS: Final = 16

CipherRow = Sequence[str | int | bytes]


class Cipher:
    """The keys of one store, by name: the first one encrypts, all of them open. `lost`: keys that nobody has any more."""

    def __init__(self, keys: Mapping[str, bytes], lost: Collection[str] = ()) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise StoreUnavailable(
                f"store.encryption needs an extra: {how_to_install('encryption')} ({error})"
            ) from None
        self.first = next(iter(keys))
        self.lost = frozenset(lost)
        self.checks = {name: _check(key) for name, key in keys.items()}
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self._broken = InvalidTag

    def encrypt_text(self, column: str, row: CipherRow, text: str, clear: str = "") -> str:
        """A text, encrypted. `clear` stays readable beside it."""
        nonce = os.urandom(_NONCE_BYTES)
        bound = _bound(column, row, self.first, clear)
        encrypted = binascii.b2a_base64(
            nonce + self._keys[self.first].encrypt(nonce, text.encode(), bound), newline=False
        )
        return f"{MARK}{self.first}{MARK}{clear}{MARK}{encrypted.decode()}"

    def binary(self, column: str, row: CipherRow, content: bytes) -> bytes:
        """Bytes, encrypted."""
        nonce = os.urandom(_NONCE_BYTES)
        bound = _bound(column, row, self.first, "")
        return b"~%s~" % self.first.encode() + nonce + self._keys[self.first].encrypt(nonce, content, bound)

    def open_text(self, column: str, row: CipherRow, encrypted: str) -> str:
        """What `text` encrypted. Raises StoreKeyMissing, ValueUnreadable."""
        _, name, clear, content = encrypted.split(MARK, 3)
        try:
            return self._open(column, row, name, clear, binascii.a2b_base64(content, strict_mode=True)).decode()
        except ValueError:
            raise _changed(column) from None

    def open_binary(self, column: str, row: CipherRow, encrypted: bytes) -> bytes:
        """What `binary` encrypted. Raises StoreKeyMissing, ValueUnreadable."""
        _, name, content = encrypted.split(b"~", 2) if encrypted.count(b"~") > 1 else (b"", b"", encrypted)
        return self._open(column, row, name.decode("utf-8", "replace"), "", content)

    def _open(self, column: str, row: CipherRow, name: str, clear: str, content: bytes) -> bytes:
        key = self._keys.get(name)
        if key is None:
            if name in self.lost:
                raise ValueUnreadable(
                    f"{column} is encrypted with the key {name!r}, which store.encryption.lost says is lost"
                )
            raise key_missing(column, name)
        try:
            return key.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], _bound(column, row, name, clear))
        except (self._broken, ValueError):
            raise _changed(column) from None


def key_missing(column: str, name: str) -> StoreKeyMissing:
    """What to say where a value's key is not given."""
    return StoreKeyMissing(
        f"{column} is encrypted with the key {name!r}, which is not among store.encryption.keys: "
        "add it there, after the first; or, if nobody has it any more, name it under store.encryption.lost"
    )


def is_encrypted(text: str | None) -> bool:
    """Whether a text of a column that may be encrypted is."""
    return text is not None and text.startswith(MARK)


def key_of(text: str) -> str:
    """The name of the key that a text is encrypted with; empty: it stands in plain."""
    return text.split(MARK, 2)[1] if is_encrypted(text) else ""


def clear_of(encrypted: str) -> str:
    """What stands readable beside a encrypted text."""
    return encrypted.split(MARK, 3)[2]


def _changed(column: str) -> ValueUnreadable:
    return ValueUnreadable(
        f"{column} cannot be opened: it was changed where it is stored, or it belongs to another row or another store"
    )


def _bound(column: str, row: CipherRow, name: str, clear: str) -> bytes:
    parts = [part.hex() if isinstance(part, (bytes, memoryview)) else part for part in row]
    return json.dumps([column, name, clear, *parts]).encode()


def _check(key: bytes) -> str:
    """What a store notes of a key, so that another one of that name is known at once."""
    return hmac.new(key, b"recording gateway: check of a store's key", hashlib.sha256).hexdigest()[:_CHECK_CHARS]
