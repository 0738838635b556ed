"""The signatures of Huawei Live's callbacks: three formulas, what each covers, and what keeps joined fields apart."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from gateway import Trust

FIELDS: Final = "hmac-sha256-fields"  # the vendor's pages since 2021-09
TIMESTAMP: Final = "hmac-sha256-timestamp"  # the vendor's pages before that
MD5: Final = "md5"
NONE: Final = "none"

COVERS: Final = {FIELDS: Trust.FIELDS, TIMESTAMP: Trust.TIMESTAMP, MD5: Trust.TIMESTAMP, NONE: Trust.NONE}
"""Every scheme, the one that covers most first, and what it covers."""

NAMES: Final = ("event_type", "publish_domain", "app", "stream", "download_url", "play_url")
"""The fields that are joined behind auth_timestamp, in the order of the formula."""

START: Final = "RECORD_START"
FILE_START: Final = "RECORD_NEW_FILE_START"
FILE_COMPLETE: Final = "RECORD_FILE_COMPLETE"
OVER: Final = "RECORD_OVER"
FAILED: Final = "RECORD_FAILED"
TYPES: Final = frozenset({START, FILE_START, FILE_COMPLETE, OVER, FAILED})

_DIGITS: Final = re.compile("[0-9]{1,10}")
_SPELLINGS: Final = {
    "hmacsha256": (FIELDS, TIMESTAMP),
    "hmacsha256fields": (FIELDS,),
    "hmacsha256timestamp": (TIMESTAMP,),
    "md5": (MD5,),
    "none": (NONE,),
}
USUAL_SPELLINGS: Final = ("hmac-sha256", FIELDS, TIMESTAMP, MD5, NONE)


def expiry_of(value: object) -> str | None:
    """auth_timestamp as the digits that were sent, since those are what is signed: a text of 1 to 10 or an integer."""
    text = str(value) if type(value) is int else value
    return text if type(text) is str and _DIGITS.fullmatch(text) else None


def schemes_of(sign_type: str) -> Sequence[str]:
    """The schemes a sign_type names, in any case, hyphens or not; the vendor's `HMACSHA256` means both HMAC formulas.

    Raises ValueError for another word.
    """
    plain = sign_type.replace("-", "").replace("_", "").lower()
    if plain not in _SPELLINGS:
        raise ValueError(f"there is no sign_type {sign_type!r}; known: {', '.join(USUAL_SPELLINGS)}")
    return _SPELLINGS[plain]


@lru_cache(maxsize=64)
def _keyed(key: bytes) -> hmac.HMAC:
    """The state after the key: half of what a short text costs. OpenSSL's own where Python's stands around it."""
    state = hmac.new(key, digestmod="sha256")
    return getattr(state, "_hmac", None) or state


def _hmac(key: bytes, text: bytes) -> bytes:
    # not hmac.digest, because that lets go of the interpreter however short the text: under load each time costs a wait
    state = _keyed(key).copy()
    state.update(text)
    return state.digest()


def sign(scheme: str, key: bytes, timestamp: bytes, fields: bytes) -> bytes:
    """The signature's bytes by one formula: 32 of them, or 16 for MD5.

    `fields` is the text of event_type, publish_domain, app, stream, download_url and play_url, joined with nothing
    between them, where an absent URL is an empty text.
    """
    if scheme == FIELDS:
        return _hmac(key, timestamp + fields)
    if scheme == TIMESTAMP:
        return _hmac(key, key + timestamp)
    return hashlib.md5(key + timestamp, usedforsecurity=False).digest()


PUSH: Final = "hmac-sha256-push"
PUSH_NAMES: Final = ("event", "domain", "app", "stream")
"""The fields of a callback about a stream's push, joined before its auth_timestamp, which there comes last."""


def sign_push(key: bytes, fields: bytes, timestamp: bytes) -> bytes:
    """The signature of a callback about a stream's push: always an HMAC-SHA256, whatever recordings are signed with."""
    return _hmac(key, fields + timestamp)


def matches(
    presented: bytes, *, schemes: Sequence[str], keys: Sequence[bytes], timestamp: bytes, fields: bytes
) -> list[tuple[str, int]]:
    """Every scheme and key position whose signature is the presented one, in the order of `schemes`.

    All are computed and compared whatever was found before, so that the time says nothing about a key's position.
    """
    fits = []
    for scheme in schemes:
        for position, key in enumerate(keys):
            if hmac.compare_digest(sign(scheme, key, timestamp, fields), presented):
                fits.append((scheme, position))
    return fits


def urls_keep_fields_apart(event_type: str, stream: str, download_url: str, play_url: str) -> bool:
    """Whether these values leave only one way to cut the signed text behind `app`.

    The formula joins its fields with nothing between them, so a holder of one callback could move bytes from one field
    to the next and keep the signature. A URL that begins with its scheme and holds no second one, a stream that holds
    no part of one, and a type that is one of five and never begins with a digit, cannot be cut elsewhere.
    """
    if event_type not in TYPES or "://" in stream or stream.endswith(("http", "https")):
        return False
    if event_type != FILE_COMPLETE:
        return not download_url and not play_url
    return _is_one_url(download_url) and (not play_url or _is_one_url(play_url))


def _is_one_url(text: str) -> bool:
    return text.startswith(("http://", "https://")) and text.count("://") == 1
