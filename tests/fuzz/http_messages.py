"""HTTP Message Signatures (RFC 9421) a second time, over the structured fields of the library http_sf."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Any

import http_sf

from gateway import Trust

HOST = "gateway.example"
PATH = "/hooks/rfc9421"
REQUIRED = ("@method", "@authority", "@path", "content-digest")
Headers = list[tuple[str, str]]


def message_headers(body: bytes, key: bytes, at: int) -> Headers:
    """Host, digest and signature over what is required."""
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    headers = [("host", HOST), ("content-digest", digest)]
    inner: Any = ([(name, {}) for name in REQUIRED], {"created": at, "alg": "hmac-sha256"})
    mark = base64.b64encode(hmac.digest(key, _base(inner, headers) or b"", "sha256")).decode()
    return [*headers, ("signature-input", "sig1=" + http_sf.ser([inner])), ("signature", f"sig1=:{mark}:")]


def covered_by_message(headers: Headers, body: bytes, keys: list[bytes], at: int, tolerance: int) -> Iterator[Trust]:
    """`body` for each signature in it that fits: all that is required is covered, the digest is the body's, the time is now."""
    inputs, marks, digests = (_read(headers, name) for name in ("signature-input", "signature", "content-digest"))
    hashed = (hashlib.sha256(body).digest(), hashlib.sha512(body).digest())
    if not any(_bare(digests.get(name)) == one for name, one in zip(("sha-256", "sha-512"), hashed, strict=True)):
        return
    for label, inner in inputs.items():
        if not isinstance(inner, tuple) or not isinstance(inner[0], list):
            continue
        names = [item[0] for item in inner[0]]
        created, expires = inner[1].get("created"), inner[1].get("expires", at)
        base = _base(inner, headers)
        if base is None or not set(REQUIRED) <= set(names) or type(created) is not int or type(expires) is not int:
            continue
        fits = any(_bare(marks.get(label)) == hmac.digest(key, base, "sha256") for key in keys)
        if fits and abs(created - at) <= tolerance and expires >= at:
            yield Trust.BODY


def _base(inner: Any, headers: Headers) -> bytes | None:
    lines = []
    for name, parameters in inner[0]:
        hosts = [re.sub(":(80|443)$", "", value.strip().lower()) for key, value in headers if key == "host"]
        derived = {"@method": "POST", "@path": PATH, "@authority": hosts[0] if len(hosts) == 1 else None}
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
