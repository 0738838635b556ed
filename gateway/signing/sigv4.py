"""AWS Signature Version 4: the headers by which a cloud (AWS, and whoever speaks its protocol) knows who calls."""

from __future__ import annotations

import functools
import hashlib
import hmac
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"  # stands for the body's hash where only S3's TLS protects the body
_END: Final = "aws4_request"
_DATE: Final = "x-amz-date"
_HASH: Final = "x-amz-content-sha256"
_TOKEN: Final = "x-amz-security-token"  # noqa: S105  # the name of a header
# S3 takes the path as it is sent, encoded once and with its dots and double slashes, and wants the body's hash in a header.
_S3: Final = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})
# What proxies and clients change on the way, or add later than the signature.
_NEVER_SIGNED: Final = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)
_PLAIN: Final = "-_.~"  # beside letters and digits, what stays unencoded
_WORD: Final = re.compile(
    r"[\x21-\x2b\x2d\x2e\x30-\x7e]+", re.ASCII
)  # no space, comma and slash: they stand between words
_TOKEN_TEXT: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class SigV4:
    """Credentials for one service in one region. Raises ValueError, which shows no secret, for what cannot be one."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str
    service: str
    session_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("access_key", "region", "service"):
            if not _WORD.fullmatch(getattr(self, name)):
                raise ValueError(f"`{name}` without spaces, slashes, commas and control characters")
        if not self.secret_key:
            raise ValueError("`secret_key` that is not empty")
        if self.session_token is not None and not _TOKEN_TEXT.fullmatch(self.session_token):
            raise ValueError("`session_token` without spaces and control characters")

    def sign(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, now: datetime
    ) -> dict[str, str]:
        """The headers to add (lower case) to a request with these headers and this body.

        `url` and `body` are exactly what is sent: a URL that is percent-encoded already. None for `body`: S3 is told that
        its hash is not signed, which it takes over https alone. Raises ValueError for that anywhere else, and for a URL
        without a host.
        """
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("a URL with a host")
        on_s3 = self.service in _S3
        if body is None and (not on_s3 or parts.scheme != "https"):
            raise ValueError("an unsigned body only for S3 and over https")
        moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        hashed = UNSIGNED_PAYLOAD if body is None else hashlib.sha256(body).hexdigest()
        added = {_DATE: moment}
        if self.session_token is not None:
            added[_TOKEN] = self.session_token
        if on_s3:
            added[_HASH] = hashed
        given = {name.lower(): value for name, value in headers.items()}
        signed = {"host": _host(url), **{n: v for n, v in given.items() if n not in _NEVER_SIGNED}, **added}
        names = ";".join(sorted(signed))
        canonical = "\n".join(
            (
                method.upper(),
                parts.path or "/" if on_s3 else _path(parts.path),
                _query(parts.query),
                *(f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)),
                "",
                names,
                hashed,
            )
        )
        scope = f"{moment[:8]}/{self.region}/{self.service}/{_END}"
        text = "\n".join((ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        key = derived_key(self.secret_key, moment[:8], self.region, self.service)
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        added["authorization"] = (
            f"{ALGORITHM} Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return added


@functools.lru_cache(maxsize=64)  # because it is the same for a whole day, and costs four of the five hashes
def derived_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """The key that signs on this day (`YYYYMMDD`) for this region and service: 32 bytes."""
    key = f"AWS4{secret_key}".encode()
    for text in (day, region, service, _END):
        key = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return key


def _host(url: str) -> str:
    """As the Host header has it: in lower case, without user and without the scheme's own port."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    return host if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{host}:{parts.port}"


def _path(path: str) -> str:
    """Without dots and double slashes, and each segment encoded once more than it is sent."""
    resolved = posixpath.normpath(f"/{path.lstrip('/')}")
    if path.endswith("/") and resolved != "/":
        resolved += "/"
    return quote(resolved, safe=f"/{_PLAIN}")


def _query(query: str) -> str:
    """Sorted by name and value, each encoded in the one way that the other side encodes it in."""
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    return "&".join(f"{name}={value}" for name, value in sorted((_again(name), _again(value)) for name, value in pairs))


def _again(text: str) -> str:
    return quote(unquote_to_bytes(text), safe=_PLAIN)
