"""The keys of HTTP Message Signatures (RFC 9421, 3.3): what signs and checks a signature base, by the key's own form alone.

Asymmetric keys need `cryptography` when they are used; a shared secret needs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.extras import how_to_install
from gateway.signing.ed25519 import PRIVATE, PUBLIC, PrivateKey, PublicKey
from gateway.signing.shared_keys import DEMO, signing_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

HMAC: Final = "hmac-sha256"
ED25519: Final = "ed25519"
ECDSA: Final = "ecdsa-p256-sha256"
ALGORITHMS: Final = (HMAC, ED25519, ECDSA)
SHARED_CHARS_MIN: Final = 16  # the least length of a secret that is a plain text
_PEM: Final = "-----BEGIN "
_NUMBER_BYTES: Final = 32  # of each half of a signature on P-256
_LACKING: Final = "a key in PEM only where the library for it is installed: " + how_to_install("ed25519")


class MessageSigner(Protocol):
    """A key that signs."""

    algorithm: str

    def sign(self, base: bytes) -> bytes:
        """The signature's bytes."""


class MessageVerifier(Protocol):
    """A key that checks."""

    algorithm: str

    def fits(self, signature: bytes, base: bytes) -> bool:
        """Whether the key's owner signed this."""


class SharedSecret:
    """HMAC-SHA256: the one key of both sides."""

    algorithm = HMAC

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, base: bytes) -> bytes:
        """32 bytes."""
        return hmac.new(self._key, base, hashlib.sha256).digest()

    def fits(self, signature: bytes, base: bytes) -> bool:
        """In constant time."""
        return hmac.compare_digest(self.sign(base), signature)


class Ed25519Signer(PrivateKey):
    """Ed25519, the private half."""

    algorithm = ED25519


class Ed25519Verifier(PublicKey):
    """Ed25519, the public half."""

    algorithm = ED25519


class EcdsaSigner:
    """ECDSA on P-256 with SHA-256, the private half."""

    algorithm = ECDSA

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA as Ecdsa
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        self._key = key
        self._algorithm = Ecdsa(SHA256())
        self._decode = decode_dss_signature

    def sign(self, base: bytes) -> bytes:
        """64 bytes: two numbers one behind the other, not DER."""
        numbers = self._decode(self._key.sign(base, self._algorithm))
        return b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)


class EcdsaVerifier:
    """ECDSA on P-256 with SHA-256, the public half."""

    algorithm = ECDSA

    def __init__(self, key: EllipticCurvePublicKey) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA as Ecdsa
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        self._key = key
        self._algorithm = Ecdsa(SHA256())
        self._encode = encode_dss_signature
        self._does_not_fit = InvalidSignature

    def fits(self, signature: bytes, base: bytes) -> bool:
        """Whether these 64 bytes were made over this base by the private key."""
        if len(signature) != 2 * _NUMBER_BYTES:
            return False
        r, s = (int.from_bytes(half, "big") for half in (signature[:_NUMBER_BYTES], signature[_NUMBER_BYTES:]))
        try:
            self._key.verify(self._encode(r, s), base, self._algorithm)
        except self._does_not_fit:
            return False
        return True


def message_signer(text: str) -> MessageSigner:
    """The key in this text: `whsec_…` or any text of 16 characters and more (HMAC), `whsk_…` (Ed25519), or a private key in
    PEM (Ed25519, P-256). Raises ValueError, which never shows it."""
    text = text.strip()
    if text.startswith(PUBLIC):
        raise ValueError(f"{PRIVATE}, the private key; {PUBLIC} is the public one, which the receiver gets")
    if text.startswith(PRIVATE):
        return Ed25519Signer(text)
    if not text.startswith(_PEM):
        return _shared(text)
    key = _loaded(text, private=True)
    raw = _ed25519(key)
    return EcdsaSigner(key) if raw is None else Ed25519Signer(PRIVATE + _base64(raw))


def message_verifier(text: str) -> MessageVerifier:
    """The key in this text: a shared secret as for `message_signer`, `whpk_…`, or a public key in PEM. Raises ValueError."""
    text = text.strip()
    if text.startswith(PRIVATE):
        raise ValueError(f"{PUBLIC}, the public key; {PRIVATE} is the private one, which the sender keeps")
    if text.startswith(PUBLIC):
        return Ed25519Verifier(text)
    if not text.startswith(_PEM):
        return _shared(text)
    key = _loaded(text, private=False)
    raw = _ed25519(key)
    return EcdsaVerifier(key) if raw is None else Ed25519Verifier(PUBLIC + _base64(raw))


def _shared(text: str) -> SharedSecret:
    if text.removeprefix(DEMO).startswith("whsec_"):
        return SharedSecret(signing_key(text))
    if len(text) < SHARED_CHARS_MIN:
        raise ValueError(f"a secret of at least {SHARED_CHARS_MIN} characters; `gateway secret webhook` makes one")
    return SharedSecret(text.encode())


def _loaded(text: str, *, private: bool) -> Any:
    """The library's key."""
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    except ImportError:
        raise ValueError(_LACKING) from None
    half = "private" if private else "public"
    if ("PRIVATE" in text.partition("\n")[0]) != private:
        raise ValueError(f"the {half} half of a key in PEM")
    try:
        return load_pem_private_key(text.encode(), None) if private else load_pem_public_key(text.encode())
    except Exception:  # the library's own, of many kinds, and its words may show the key
        raise ValueError(f"a {half} key in PEM that can be read, without a passphrase") from None


def _ed25519(key: object) -> bytes | None:
    """The raw bytes of an Ed25519 key; None for one on P-256. Raises ValueError for any other."""
    from cryptography.hazmat.primitives.asymmetric.ec import (
        SECP256R1,
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    if isinstance(key, Ed25519PrivateKey):
        return key.private_bytes_raw()
    if isinstance(key, Ed25519PublicKey):
        return key.public_bytes_raw()
    if isinstance(key, EllipticCurvePrivateKey | EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return None
    raise ValueError("a key of Ed25519 or on the curve P-256")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
