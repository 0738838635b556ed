"""HTTP Message Signatures (RFC 9421) a second time, over the structured fields of the library http_sf."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Any

import http_sf
from cryptography.exceptions import InvalidSignature

from gateway import Trust
from tests.fuzz.configured import ED25519, OPEN, PRIVATE_KEYS

HOST = "gateway.example"
USUAL = ("@method", "@authority", "@path", "content-digest")
Headers = list[tuple[str, str]]


def required(name: str) -> tuple[str, ...]:
    """What a signature for this source has to cover."""
    return ("@method", "@path") if name == OPEN else USUAL


def message_headers(name: str, body: bytes, key: str, at: int) -> Headers:
    """Host, digest and signature over what is required. A key that is none of Ed25519 makes an HMAC, as an attacker would."""
    private = PRIVATE_KEYS.get(key) if name == ED25519 else None
    algorithm = "hmac-sha256" if private is None else "ed25519"
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    headers = [("host", HOST), ("content-digest", digest)]
    inner: Any = ([(one, {}) for one in required(name)], {"created": at, "alg": algorithm})
    base = _base(name, inner, headers) or b""
    mark = base64.b64encode(
        hmac.digest(key.encode(), base, "sha256") if private is None else private.sign(base)
    ).decode()
    return [*headers, ("signature-input", "sig1=" + http_sf.ser([inner])), ("signature", f"sig1=:{mark}:")]


def covered_by_message(
    source: str, headers: Headers, body: bytes, keys: tuple[str, ...], at: int, tolerance: int
) -> Iterator[Trust]:
    """What each signature in it covers that fits: of all that is required, at this time; the body by its digest."""
    inputs, marks, digests = (_read(headers, name) for name in ("signature-input", "signature", "content-digest"))
    hashed = (hashlib.sha256(body).digest(), hashlib.sha512(body).digest())
    is_its = any(_bare(digests.get(name)) == one for name, one in zip(("sha-256", "sha-512"), hashed, strict=True))
    for label, inner in inputs.items():
        if not isinstance(inner, tuple) or not isinstance(inner[0], list):
            continue
        names = [item[0] for item in inner[0]]
        created, expires = inner[1].get("created"), inner[1].get("expires", at)
        base = _base(source, inner, headers)
        if (
            base is None
            or not set(required(source)) <= set(names)
            or type(created) is not int
            or type(expires) is not int
        ):
            continue
        fits = any(_fits(source, _bare(marks.get(label)), base, key) for key in keys)
        if not fits or abs(created - at) > tolerance or expires < at:
            continue
        if is_its and "content-digest" in names:
            yield Trust.BODY
        elif "content-digest" not in required(source):
            yield Trust.TIMESTAMP


def _fits(source: str, mark: Any, base: bytes, key: str) -> bool:
    if source != ED25519:
        return bool(mark == hmac.digest(key.encode(), base, "sha256"))
    try:
        PRIVATE_KEYS[key].public_key().verify(mark, base)
    except (InvalidSignature, TypeError):
        return False
    return True


def _base(source: str, inner: Any, headers: Headers) -> bytes | None:
    lines = []
    for name, parameters in inner[0]:
        hosts = [re.sub(":(80|443)$", "", value.strip().lower()) for key, value in headers if key == "host"]
        derived = {"@method": "POST", "@path": f"/hooks/{source}", "@authority": hosts[0] if len(hosts) == 1 else None}
        values = [value.strip() for key, value in headers if key == name]
        value = derived.get(name) if str(name).startswith("@") else ", ".join(values) if values else None
        if parameters or value is None:
            return None
        lines.append(f'"{name}": {value}')
    return "\n".join([*lines, f'"@signature-params": {http_sf.ser([inner])}']).encode("latin-1", "replace")


def _read(headers: Headers, name: str) -> dict[str, Any]:
    text = ", ".join(value for key, value in headers if key == name)
    try:
        read = http_sf.parse(text.encode("latin-1"), tltype="dictionary")
    except (ValueError, http_sf.StructuredFieldError):
        return {}
    return read if isinstance(read, dict) else {}


def _bare(item: Any) -> Any:
    return item[0] if isinstance(item, tuple) else None
