"""`SDK-HMAC-SHA256`: how calls of Huawei Cloud's APIs are signed with an access key (AK) and its secret (SK).

The facts are those of the vendor's Python SDK (`huaweicloudsdkcore.signer`, 3.1), which is the oracle of the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

ALGORITHM: Final = "SDK-HMAC-SHA256"
DATE_HEADER: Final = "X-Sdk-Date"
CONTENT_HEADER: Final = "X-Sdk-Content-Sha256"
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
_HASHED_TYPES: Final = ("application/json", "application/bson")  # a body of another type is not signed, says the SDK
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_UNSIGNED: Final = frozenset({"authorization"})  # it is what the signature goes into


def sign_call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    access_key: str,
    secret_key: str,
    now: datetime,
) -> dict[str, str]:
    """The headers that make this a signed request: add them to `headers`, and send everything else as it was given.

    `url` is absolute and as it is sent; `now` is aware. All of `headers` are signed, and `Host`, which the client sends
    by itself. A body that is neither JSON nor BSON is not covered by the signature, as in the vendor's SDK: then
    `X-Sdk-Content-Sha256: UNSIGNED-PAYLOAD` is among what is returned, unless `headers` have that one with the hash.
    Raises ValueError for what cannot be signed: no key, a URL without a host, one header twice, a control character.
    No message has a key in it.
    """
    if not access_key or not secret_key:
        raise ValueError("an access key and its secret key")
    if not url.isprintable() or " " in url:  # urlsplit would drop some of them, and the signature be of another URL
        raise ValueError("a URL without spaces and control characters")
    target = urlsplit(url)
    given = _given(headers)
    added = {}
    if DATE_HEADER.lower() not in given:
        added[DATE_HEADER] = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    media_type = given.get("content-type")
    if media_type and not media_type.startswith(_HASHED_TYPES) and CONTENT_HEADER.lower() not in given:
        added[CONTENT_HEADER] = UNSIGNED_PAYLOAD
    signed = {"host": _host(target), **given, **{name.lower(): value for name, value in added.items()}}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        (
            method.upper(),
            _canonical_path(target.path),
            _canonical_query(target.query),
            "".join(f"{name}:{signed[name]}\n" for name in sorted(signed)),
            names,
            _payload_hash(body, signed),
        )
    )
    to_sign = "\n".join((ALGORITHM, signed[DATE_HEADER.lower()], hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(secret_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return {**added, "Authorization": f"{ALGORITHM} Access={access_key}, SignedHeaders={names}, Signature={signature}"}


def _given(headers: Mapping[str, str]) -> dict[str, str]:
    """What of them is signed, in lower case. One with `_` is not, because proxies drop or rename such."""
    signed: dict[str, str] = {}
    for name, value in headers.items():
        lower, text = name.lower(), value.strip()
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise ValueError(f"a value of the header {lower!r} without control characters")
        if lower in signed:
            raise ValueError(f"the header {lower!r} just once")
        if "_" not in lower and lower not in _UNSIGNED:
            signed[lower] = text
    return signed


def _host(target: SplitResult) -> str:
    """As an HTTP client sends it: without user, and without a port that is the scheme's own."""
    if not target.hostname:
        raise ValueError("an absolute URL with a host")
    host = target.netloc.rpartition("@")[2]
    if target.port is not None and target.port == _DEFAULT_PORTS.get(target.scheme):
        return host.rpartition(":")[0]
    return host.removesuffix(":")


def _canonical_path(path: str) -> str:
    canonical = "/".join(_encoded(segment) for segment in unquote(path).split("/"))
    return canonical if canonical.endswith("/") else canonical + "/"


def _canonical_query(query: str) -> str:
    """Sorted before it is encoded: so does the SDK. A `+` is a space, as in any form."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True, max_num_fields=None))
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)


def _encoded(text: str) -> str:
    return quote(text, safe="~")


def _payload_hash(body: bytes, signed: Mapping[str, str]) -> str:
    """An empty body has its hash, even where a header says that bodies are not signed."""
    return (body and signed.get(CONTENT_HEADER.lower())) or hashlib.sha256(body).hexdigest()
