"""The vendors' side, written a second time from their own pages: what each signs, and how.

Nothing here is of `plugins` or of `gateway.signing`, because a mistake that both sides share would never be found.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import jwt

from gateway import Trust
from gateway.testing import NOW
from tests.fuzz.configured import BEGUN_KEY, COMING_KEY, ENDED_KEY, SECRETS, vendor_of
from tests.fuzz.http_messages import message_headers
from tests.sources.vendors import KEY, OLD_KEY, URL

AT = int(NOW.timestamp())
SIGNED_BY_HUAWEI = ("event_type", "publish_domain", "app", "stream", "download_url", "play_url")

Headers = list[tuple[str, str]]


@dataclass
class Request:
    """A callback as it goes over the wire; header names in lower case, doubles kept."""

    source: str
    headers: Headers
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


@dataclass
class Ledger:
    """What the vendors really signed where the formula cannot tell: the fields under each signature, cut as they were."""

    cuts: dict[str, list[Any]] = field(default_factory=dict)

    def note(self, mark: str, cut: Any) -> None:
        self.cuts.setdefault(mark, []).append(cut)

    def trust(self, mark: str, cut: Any, full: Trust) -> Trust:
        return full if cut in self.cuts.get(mark, ()) else Trust.TIMESTAMP


def hexed(key: str | bytes, text: bytes, hash: str = "sha256") -> str:
    return hmac.new(key.encode() if isinstance(key, str) else key, text, hash).hexdigest()


def md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogatepass")).hexdigest()


def document(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; an empty one where there is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def with_fields(body: bytes, **fields: Any) -> bytes:
    """The body with these fields in front, byte for byte as it was behind them: so that odd JSON stays odd."""
    text = body.lstrip(b" \t\r\n\xef\xbb\xbf")
    if not text.startswith(b"{"):
        return body
    rest = text[1:]
    comma = b"" if rest.lstrip().startswith(b"}") else b","
    return b"{" + json.dumps(fields)[1:-1].encode() + comma + rest


LIVEKIT_NAMES = {
    KEY: "APInew",
    OLD_KEY: "APIold",
    BEGUN_KEY: "APIbegun",
    ENDED_KEY: "APIended",
    COMING_KEY: "APIcoming",
}


def sign(name: str, body: bytes, ledger: Ledger, *, key: str = KEY, at: int = AT) -> Request:
    """The body as the vendor of this source sends it at this second, signed with this key."""
    type = vendor_of(name)
    headers: Headers = [("content-type", "application/json")]
    now = str(at)
    if type == "huawei-live":
        expires = str(at + 600)
        cut = huawei_cut(document(body))
        mark = hexed(key, (expires + "".join(cut)).encode("utf-8", "surrogatepass"))
        ledger.note(mark, cut)
        return Request(name, headers, with_fields(body, auth_timestamp=expires, auth_sign=mark))
    if type in ("tencent-css", "volcengine-live"):
        return Request(name, headers, with_fields(body, sign=md5(f"{key}{at + 600}"), t=at + 600))
    if type == "twilio":
        headers = [("content-type", "application/x-www-form-urlencoded")]
        pairs = form_of(body) or []
        mark = base64.b64encode(hmac.digest(key.encode(), twilio_text(URL, pairs), "sha1")).decode()
        ledger.note(mark, sorted(set(pairs)))  # a pair that is there twice is signed once
        return Request(name, [*headers, ("x-twilio-signature", mark)], body)
    if type == "livekit":
        headers = [("content-type", "application/webhook+json")]
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        claims = {"iss": LIVEKIT_NAMES.get(key, "APIold"), "nbf": at, "exp": at + 300, "sha256": digest}
        with warnings.catch_warnings(action="ignore"):  # because wrong keys are short
            return Request(name, [*headers, ("authorization", jwt.encode(claims, key, "HS256"))], body)
    if type == "rfc9421":
        return Request(name, [*headers, *message_headers(name, body, key, at)], body)
    made: dict[str, Callable[[], Headers]] = {
        "mux": lambda: [("mux-signature", f"t={now},v1={hexed(key, f'{now}.'.encode() + body)}")],
        "cloudflare-stream": lambda: [
            ("webhook-signature", f"time={now},sig1={hexed(key, f'{now}.'.encode() + body)}")
        ],
        "agora": lambda: [("agora-signature-v2", hexed(key, body))],
        "zoom": lambda: [
            ("x-zm-request-timestamp", now),
            ("x-zm-signature", "v0=" + hexed(key, f"v0:{now}:".encode() + body)),
        ],
        "alibaba-live": lambda: [
            ("ali-live-timestamp", now),
            ("ali-live-signature", md5(f"hooks.example.com|{now}|{key}")),
        ],
        "hmac": lambda: [("x-timestamp", now), ("x-signature", hexed(key, f"{now}.".encode() + body))],
        "standard-webhooks": lambda: [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", now),
            (
                "webhook-signature",
                "v1," + standard_mark("msg_1", now, body, SECRETS.get(key, "whsec_" + "eA==" * 9)),
            ),
        ],
    }
    return Request(name, [*headers, *made[type]()], body)


def huawei_cut(said: dict[str, Any]) -> tuple[str, ...]:
    return tuple(one if isinstance(one := said.get(name), str) else "" for name in SIGNED_BY_HUAWEI)


def standard_mark(id: str, at: str, body: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_").replace("=", "") + "==")
    return base64.b64encode(hmac.digest(key, f"{id}.{at}.".encode("latin-1") + body, "sha256")).decode()


def form_of(body: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        return None


def twilio_text(url: str, pairs: list[tuple[str, str]]) -> bytes:
    return (url + "".join(name + value for name, value in sorted(set(pairs)))).encode()
