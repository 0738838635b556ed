"""Cursors of pages: the last key that was seen, written so that a mistyped one is noticed."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from gateway.errors import Problem

_KEY_MAX: Final = 2**62
_CHECK_BYTES: Final = 4  # bytes


def cursor(kind: str, key: int) -> str:
    """The cursor behind the row with this key, in the listing of this kind."""
    digits = str(key).encode()
    return base64.urlsafe_b64encode(_check(kind, digits) + digits).decode().rstrip("=")


def key_of(kind: str, text: str) -> int:
    """The key of a cursor. Raises Problem where it is none of this listing's. It grants nothing, so it is not signed."""
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if text.isascii() else b""
    except (binascii.Error, ValueError):
        content = b""
    check, digits = content[:_CHECK_BYTES], content[_CHECK_BYTES:]
    if not digits.isdigit() or check != _check(kind, digits) or len(digits) > 19 or int(digits) > _KEY_MAX:
        raise Problem(400, "invalid_cursor", "the cursor is not one that this listing gave: begin without one")
    return int(digits)


def _check(kind: str, digits: bytes) -> bytes:
    return hashlib.sha256(kind.encode() + b"\0" + digits).digest()[:_CHECK_BYTES]
