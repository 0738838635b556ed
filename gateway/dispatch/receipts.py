"""What a consumer shows to speak of what it was given: which delivery, under which fencing token, leased when; sealed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from typing import Final, NamedTuple

from gateway.errors import Problem
from gateway.store.records import FencingToken, Lease

_FIELDS: Final = struct.Struct(">QQQ")
SEAL_BYTES: Final = 18  # with the fields 42 in all, which base64 writes in one way only
RECEIPT_CHARS_MAX: Final = 100  # of one; ours have 56


class Receipt(NamedTuple):
    """One lease. `leased_at` is ms by the store's clock, and what makes the same word said twice one word."""

    delivery: int
    token: FencingToken
    leased_at: int


class Receipts:
    """Writes and reads the receipts of one sink. `key` is the store's, so that every gateway on it reads them."""

    def __init__(self, key: bytes, sink: str) -> None:
        self._key = key
        self._sink = sink.encode()

    def receipt_of(self, lease: Lease, length: int) -> str:
        """The receipt of a lease of `length` ms."""
        fields = _FIELDS.pack(lease.delivery, lease.token, max(lease.until - length, 0))
        return base64.urlsafe_b64encode(fields + self._seal(fields)).decode().rstrip("=")

    def parse(self, text: str) -> Receipt:
        """What a receipt says. Raises Problem 400 where it was not made here, or is another sink's."""
        try:
            if not text.isascii():
                raise ValueError
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            fields, seal = sealed[: _FIELDS.size], sealed[_FIELDS.size :]
            if len(fields) != _FIELDS.size or not hmac.compare_digest(seal, self._seal(fields)):
                raise ValueError
        except (ValueError, binascii.Error):
            raise Problem(
                400, "receipt_invalid", f"{text[:20]!r} is no receipt of this sink: send it as the lease gave it"
            ) from None
        return Receipt(*_FIELDS.unpack(fields))

    def _seal(self, fields: bytes) -> bytes:
        return hmac.digest(self._key, self._sink + b"\0" + fields, hashlib.sha256)[:SEAL_BYTES]
