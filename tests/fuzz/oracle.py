"""The oracle: how much of a request its vendor really signed, by the formulas of the vendors' side and nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator

import jwt

from gateway import Trust
from tests.fuzz.configured import SECRETS, keys_of, vendor_of
from tests.fuzz.http_messages import covered_by_message
from tests.fuzz.vendors_side import (
    AT,
    LIVEKIT_NAMES,
    Ledger,
    Request,
    document,
    form_of,
    hexed,
    huawei_cut,
    md5,
    standard_mark,
    twilio_text,
)
from tests.sources.vendors import URL

TOLERANCE_SECONDS = 300
VALIDITY_SECONDS_MAX = 24 * 3600


def expires_well(at: str) -> bool:
    return re.fullmatch("[0-9]{1,10}", at) is not None and AT <= int(at) <= AT + VALIDITY_SECONDS_MAX


def is_current(at: str, tolerance: int = TOLERANCE_SECONDS) -> bool:
    return re.fullmatch("[0-9]{1,10}", at) is not None and abs(int(at) - AT) <= tolerance


def decoded(text: str) -> bytes | None:
    """The bytes of base64, whose last letter has bits to spare; with or without its padding."""
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        return None


def covered(request: Request, ledger: Ledger) -> Trust | None:
    """How much of this request its vendor signed; None: nothing, so whoever lets it in was deceived.

    It reads generously, and takes any header or part that fits, because a gateway may be stricter and never laxer.
    """
    found = [trust for trust in JUDGES[vendor_of(request.source)](request, ledger) if trust is not None]
    return max(found, key=lambda trust: trust.rank, default=None)


Judge = Callable[[Request, Ledger], Iterator[Trust | None]]


def _huawei(request: Request, ledger: Ledger) -> Iterator[Trust | None]:
    said = document(request.body)
    mark, at = str(said.get("auth_sign")).lower(), str(said.get("auth_timestamp"))
    names = ("domain", "app") if "event" in said and "event_type" not in said else ("publish_domain", "app")
    if not expires_well(at) or [said.get(name) for name in names] != ["push.example.com", "live"]:
        return
    cut = huawei_cut(said)
    pushed = "".join(str(said.get(name) or "") for name in ("event", "domain", "app", "stream")) + at
    for key in keys_of(request.source):
        if mark == hexed(key, (at + "".join(cut)).encode("utf-8", "surrogatepass")):
            yield ledger.trust(mark, cut, Trust.FIELDS)
        if mark == hexed(key, (key + at).encode()) or mark == hexed(key, pushed.encode("utf-8", "surrogatepass")):
            yield Trust.TIMESTAMP


def _token_in_body(request: Request, _: Ledger) -> Iterator[Trust | None]:
    said = document(request.body)
    at = str(said.get("t"))
    fits = any(str(said.get("sign")).lower() == md5(key + at) for key in keys_of(request.source))
    yield Trust.TIMESTAMP if fits and expires_well(at) else None


def _timed(header: str, time: str, mark: str) -> Judge:
    def judge(request: Request, _: Ledger) -> Iterator[Trust | None]:
        for value in request.values(header):
            for at in re.findall(rf"\b{time}=\"?([0-9]+)", value):
                for key in keys_of(request.source):
                    if is_current(at) and hexed(key, f"{at}.".encode() + request.body) in value.lower():
                        yield Trust.BODY

    return judge


def _agora(request: Request, _: Ledger) -> Iterator[Trust | None]:
    for value in request.values("agora-signature-v2"):
        yield Trust.BODY if value.lower() in [hexed(key, request.body) for key in keys_of(request.source)] else None


def _two_headers(mark: str, time: str, text: Callable[[str, bytes], bytes], prefix: str) -> Judge:
    def judge(request: Request, _: Ledger) -> Iterator[Trust | None]:
        for at in request.values(time):
            wanted = [prefix + hexed(key, text(at, request.body)) for key in keys_of(request.source)]
            for value in request.values(mark):
                fits = any(one.strip().lower() in wanted for one in re.split(r"[,;\s]+", value))
                yield Trust.BODY if fits and is_current(at) else None

    return judge


def _alibaba(request: Request, _: Ledger) -> Iterator[Trust | None]:
    for at in request.values("ali-live-timestamp"):
        wanted = [
            md5(f"{host}|{at}|{key}")
            for host in ("hooks.example.com", "old.example.com")
            for key in keys_of(request.source)
        ]
        for value in request.values("ali-live-signature"):
            yield Trust.TIMESTAMP if value.lower() in wanted and is_current(at) else None


def _standard_webhooks(request: Request, _: Ledger) -> Iterator[Trust | None]:
    for name in ("webhook", "svix"):
        for id in request.values(f"{name}-id"):
            for at in request.values(f"{name}-timestamp"):
                marks = " ".join(request.values(f"{name}-signature")).split()
                for key in keys_of(request.source):
                    wanted = decoded(standard_mark(id, at, request.body, SECRETS[key]))
                    fits = any(one.startswith("v1,") and decoded(one[3:]) == wanted for one in marks)
                    yield Trust.BODY if is_current(at) and fits else None


def _livekit(request: Request, _: Ledger) -> Iterator[Trust | None]:
    digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    for token in request.values("authorization"):
        for key in keys_of(request.source):
            off = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
            off |= {"verify_sub": False, "verify_jti": False}
            try:
                claims = jwt.decode(token, key, ["HS256"], options=off)  # type: ignore[arg-type]
            except (jwt.PyJWTError, ValueError, RecursionError):
                continue
            until, since = claims.get("exp"), claims.get("nbf", 0)
            if (
                not (isinstance(until, int | float) and isinstance(since, int | float))
                or claims.get("iss") != LIVEKIT_NAMES[key]
            ):
                continue
            current = until + 60 >= AT and since - 60 <= AT
            yield Trust.BODY if current and claims.get("sha256") == digest else None


def _twilio(request: Request, ledger: Ledger) -> Iterator[Trust | None]:
    pairs = form_of(request.body)
    if pairs is None:
        return
    for value in request.values("x-twilio-signature"):
        for url in (URL, URL.replace("example.com/", "example.com:443/")):
            for key in keys_of(request.source):
                for hash in ("sha1", "sha256"):
                    wanted = base64.b64encode(hmac.digest(key.encode(), twilio_text(url, pairs), hash)).decode()
                    if decoded(value) == decoded(wanted):
                        yield ledger.trust(wanted, sorted(set(pairs)), Trust.BODY)


def _rfc9421(request: Request, _: Ledger) -> Iterator[Trust | None]:
    keys = keys_of(request.source)
    yield from covered_by_message(request.source, request.headers, request.body, keys, AT, TOLERANCE_SECONDS)


JUDGES: dict[str, Judge] = {
    "huawei-live": _huawei,
    "tencent-css": _token_in_body,
    "volcengine-live": _token_in_body,
    "mux": _timed("mux-signature", "t", "v1"),
    "cloudflare-stream": _timed("webhook-signature", "time", "sig1"),
    "agora": _agora,
    "zoom": _two_headers(
        "x-zm-signature", "x-zm-request-timestamp", lambda at, body: f"v0:{at}:".encode("latin-1") + body, "v0="
    ),
    "hmac": _two_headers("x-signature", "x-timestamp", lambda at, body: f"{at}.".encode("latin-1") + body, ""),
    "alibaba-live": _alibaba,
    "standard-webhooks": _standard_webhooks,
    "livekit": _livekit,
    "twilio": _twilio,
    "rfc9421": _rfc9421,
}
