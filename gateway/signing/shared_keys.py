"""The secrets that both sides of a webhook hold, and what is raised where a signature does not fit one."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from gateway.signing.ed25519 import PRIVATE, PUBLIC

KEY_BYTES_MIN: Final = 24  # the least length of a key
DEMO: Final = "demo-"  # how a key of the example configuration begins; not part of the key
_PREFIX: Final = "whsec_"


class InvalidSignature(Exception):
    """These bytes are not from who they say, or not of today. `code` is `missing`, `stale` or `mismatch`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def signing_key(secret: str) -> bytes:
    """The key in a secret such as `whsec_…` (base64 of 24 bytes or more). Raises ValueError, which never shows it."""
    text = secret.strip().removeprefix(DEMO)
    if text.startswith((PRIVATE, PUBLIC)):
        raise ValueError(f"a {_PREFIX} secret; {PRIVATE} and {PUBLIC} are the Ed25519 keys of v1a")
    text = text.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{_PREFIX} followed by base64; `gateway secret` makes one") from None
    if len(key) < KEY_BYTES_MIN:
        raise ValueError(
            f"{_PREFIX} followed by base64 of at least {KEY_BYTES_MIN} bytes, not {len(key)}; `gateway secret` makes one"
        )
    return key
