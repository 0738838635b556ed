"""Standard Webhooks signatures: made here for what the gateway forwards, checked here by those who receive it."""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from gateway.signing.ed25519 import PRIVATE, PUBLIC, PrivateKey, PublicKey
from gateway.signing.shared_keys import DEMO, InvalidSignature, signing_key

# https://www.standardwebhooks.com: the signed text is `id.timestamp.body`, the key what follows `whsec_` in base64.
WEBHOOK_ID: Final = "webhook-id"
WEBHOOK_TIMESTAMP: Final = "webhook-timestamp"  # seconds since 1970 UTC
WEBHOOK_SIGNATURE: Final = "webhook-signature"  # `v1,` and base64, one for each key
TOLERANCE_SECONDS: Final = 300  # seconds, either way
RFC9421_REQUIRED: Final = ("@method", "@authority", "@path", "content-digest", WEBHOOK_ID)

_VERSION: Final = b"v1,"
_ASYMMETRIC: Final = b"v1a,"
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


WebhookKey = bytes | PrivateKey
"""What a sender signs with, made by `sender_key`."""


def sender_key(secret: str) -> WebhookKey:
    """What `sign_webhook` signs with: the key of a `whsec_…`, or a `whsk_…`. Raises ValueError, which never shows it."""
    text = secret.strip().removeprefix(DEMO)
    if text.startswith(PUBLIC):
        raise ValueError(f"{PRIVATE}, the private key; {PUBLIC} is the public one, which the receiver gets")
    return PrivateKey(text) if text.startswith(PRIVATE) else signing_key(secret)


def sign_webhook(id: str, timestamp: int, body: bytes, keys: Sequence[WebhookKey]) -> str:
    """The `webhook-signature` header: one signature a key, so that a receiver may know the old key or the new one.

    `timestamp` is seconds since 1970 UTC of this attempt; `body` is exactly what is sent; keys are of `sender_key`.
    Raises ValueError for an id with a dot or space, because the signed text could then be read in two ways.
    """
    if not id or "." in id or " " in id or not id.isprintable():
        raise ValueError("a webhook id without dots, spaces and control characters")
    signed = b"%b.%d.%b" % (id.encode(), timestamp, body)
    marks = []
    for key in keys:  # not a generator, which costs each delivery more than its one key
        if isinstance(key, PrivateKey):
            marks.append(_ASYMMETRIC + base64.b64encode(key.sign(signed)))
        else:
            marks.append(_mark(key, signed))
    return b" ".join(marks).decode()


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE_SECONDS,
    now: float | datetime | None = None,
    scheme: Literal["standard-webhooks", "rfc9421"] = "standard-webhooks",
    method: str = "POST",
    url: str | None = None,
) -> str:
    """Check a request that the gateway forwarded; returns its id, by which to drop a repeat.

    `body` is the request's bytes, read before anything decodes them; `headers` may be spelt in any case; `secrets` is
    one secret (`whsec_…`) or public key (`whpk_…`, with the extra `ed25519`) or several; `tolerance` is seconds; `now`
    is for tests. Raises InvalidSignature, and ValueError for a secret that is none.

    `scheme="rfc9421"`: the request must be signed by HTTP Message Signatures, over method, authority, path, content-digest and
    webhook-id at least. `url` is then needed, the one that the gateway calls, and `secrets` may be public keys in PEM too;
    which algorithm counts is said by them alone.
    """
    if scheme == "rfc9421":
        return _verify_message(body, headers, secrets, tolerance, now, method, url)
    keys = [_receiver_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("at least one secret")
    id = _header(headers, WEBHOOK_ID)
    stamp = _header(headers, WEBHOOK_TIMESTAMP)
    signatures = _header(headers, WEBHOOK_SIGNATURE).encode("utf-8", "replace").split(b" ")
    if "." in id:  # because the signed text could then be read in two ways
        raise InvalidSignature("mismatch", f"{WEBHOOK_ID} holds a dot, which no id of ours does")
    if not _SECONDS.fullmatch(stamp):
        raise InvalidSignature("stale", f"{WEBHOOK_TIMESTAMP} is not a number of seconds")
    at = now.timestamp() if isinstance(now, datetime) else time.time() if now is None else now
    if abs(at - int(stamp)) > tolerance:
        raise InvalidSignature("stale", f"{WEBHOOK_TIMESTAMP} is more than {tolerance:g} s away from this clock")
    signed = b"%b.%b.%b" % (id.encode("utf-8", "replace"), stamp.encode(), body)
    good = False
    for key in keys:
        for signature in signatures:  # all of them, so that the time says nothing about which one fitted
            good |= _fits(key, signature, signed)
    if not good:
        raise InvalidSignature("mismatch", f"no signature in {WEBHOOK_SIGNATURE} fits this body and these secrets")
    return id


def _verify_message(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    tolerance: float,
    now: float | datetime | None,
    method: str,
    url: str | None,
) -> str:
    from gateway.signing.http_messages import verify_message
    from gateway.signing.message_components import SignedRequest
    from gateway.signing.message_keys import message_verifier

    if url is None:
        raise ValueError("`url`: the one that the gateway calls, because it is signed")
    keys = [message_verifier(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("at least one secret")
    request = SignedRequest(method, url, list(headers.items()))
    at = time.time() if now is None else now
    verify_message(request, body, keys, required=RFC9421_REQUIRED, tolerance=tolerance, now=at)
    return _header(headers, WEBHOOK_ID)


def _receiver_key(secret: str) -> bytes | PublicKey:
    text = secret.strip().removeprefix(DEMO)
    return PublicKey(text) if text.startswith(PUBLIC) else signing_key(secret)


def _mark(key: bytes, signed: bytes) -> bytes:
    # not hmac.digest, because that lets go of the interpreter however short the text: under load each time costs a wait
    keyed = _keyed(key).copy()
    keyed.update(signed)
    return _VERSION + binascii.b2a_base64(keyed.digest(), newline=False)


@functools.lru_cache(maxsize=64)  # because to take the key in costs as much as a short body
def _keyed(key: bytes) -> hmac.HMAC:
    """The state after the key. OpenSSL's own where Python's stands around it, which takes a call for each of its steps."""
    state = hmac.new(key, digestmod="sha256")
    return getattr(state, "_hmac", None) or state


def _fits(key: bytes | PublicKey, signature: bytes, signed: bytes) -> bool:
    if isinstance(key, bytes):
        return hmac.compare_digest(_mark(key, signed), signature)
    if not signature.startswith(_ASYMMETRIC):
        return False
    try:
        raw = base64.b64decode(signature.removeprefix(_ASYMMETRIC), validate=True)
    except (binascii.Error, ValueError):
        return False
    return key.fits(raw, signed)


def _header(headers: Mapping[str, str], name: str) -> str:
    values = [value for key, value in headers.items() if key.lower() == name]
    if len(values) != 1 or not values[0]:
        raise InvalidSignature("missing", f"the header {name} is {'missing' if not values else 'not there just once'}")
    return values[0]
