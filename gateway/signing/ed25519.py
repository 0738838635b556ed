"""The Ed25519 keys of Standard Webhooks (v1a): `whsk_…` signs, `whpk_…` checks. Needs `cryptography` when it is used."""

from __future__ import annotations

import base64
import binascii
import importlib.util
from typing import TYPE_CHECKING, Final

from gateway.extras import how_to_install

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE: Final = "whsk_"  # base64 of the 32 bytes of a seed, or of these and the public key's 32
PUBLIC: Final = "whpk_"  # base64 of 32 bytes
_KEY_BYTES: Final = 32
_LACKING: Final = "an Ed25519 key only where the library for it is installed: " + how_to_install("ed25519")


class PrivateKey:
    """A key that signs. The library is loaded at the first signature, or by `load`. Raises ValueError, which never shows it."""

    def __init__(self, text: str) -> None:
        raw = _decode(text, PRIVATE)
        if len(raw) not in {_KEY_BYTES, 2 * _KEY_BYTES}:
            raise ValueError(f"{PRIVATE} followed by base64 of 32 or 64 bytes, not {len(raw)}")
        self._seed = raw[:_KEY_BYTES]
        self._key: Ed25519PrivateKey | None = None
        if raw[_KEY_BYTES:] and raw[_KEY_BYTES:] != self._public():
            raise ValueError(f"{PRIVATE} whose two halves belong together; these are of two keys")

    def load(self) -> Ed25519PrivateKey:
        """The library's key; its import takes some 20 ms the first time."""
        if self._key is None:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

            self._key = Ed25519PrivateKey.from_private_bytes(self._seed)
        return self._key

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self.load().sign(data)

    @property
    def text(self) -> str:
        """The key itself, `whsk_…` with both halves. Never put it into a log, an error or a page."""
        return PRIVATE + base64.b64encode(self._seed + self._public()).decode()

    @property
    def public(self) -> str:
        """What a receiver needs: `whpk_…`."""
        return PUBLIC + base64.b64encode(self._public()).decode()

    def _public(self) -> bytes:
        return self.load().public_key().public_bytes_raw()


class PublicKey:
    """A key that checks. Raises ValueError for a text that is none."""

    def __init__(self, text: str) -> None:
        raw = _decode(text, PUBLIC)
        if len(raw) != _KEY_BYTES:
            raise ValueError(f"{PUBLIC} followed by base64 of 32 bytes, not {len(raw)}")
        # now, because with a callback in hand there may be no memory left for it
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        self._key = Ed25519PublicKey.from_public_bytes(raw)
        self._does_not_fit = InvalidSignature

    def fits(self, signature: bytes, data: bytes) -> bool:
        """Whether these 64 bytes were made over this data by the private key."""
        try:
            self._key.verify(signature, data)
        except self._does_not_fit:
            return False
        return True


def generate() -> PrivateKey:
    """A fresh key."""
    import secrets

    return PrivateKey(PRIVATE + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())


def _decode(text: str, prefix: str) -> bytes:
    if not _installed():
        raise ValueError(_LACKING)
    body = text.strip().removeprefix(prefix)
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{prefix} followed by base64") from None


def _installed() -> bool:
    return importlib.util.find_spec("cryptography") is not None
