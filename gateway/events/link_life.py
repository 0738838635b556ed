"""When the links of a file end: the time that stands inside a signed URL, whoever signed it.

Known by the names of the parameters, because the forms are few and shared by many object stores and networks:

* `x-NAME-date` and `x-NAME-expires` (seconds after it), signed by `x-NAME-signature`; without a date the expiry is a time.
* `Expires` and `Signature`: a time.
* `q-sign-time` and `q-key-time`, each `begin;end`, signed by `q-signature`: the earlier end.
* `se` and `ske` (the key's own end), RFC 3339, signed by `sig`: the earlier.
* `NAMETime` beside `NAMESecret`, `t` beside `sign`: a time, in hexadecimal or ten decimal digits.
* `auth_key` or `sign` as `time-random-user-hash`, or `/YYYYMMDDhhmm/hash/` (UTC+8) and `/time/hash/` at a path's begin.

The last line, and a few of the one before, give the moment from which the network counts a validity that only it knows.
So these say when a link may end at the earliest, and count only where that is clearly after the end of the recording: one
that was just signed carries the time of its making, which says nothing of its end. All of it follows from what the callback
says and not from when it came, because a repeat has to be the same event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from operator import is_
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from gateway.events.event_annotations import amend
from gateway.model import Event, File

_URL_CHARS_MAX: Final = 8192  # characters of a URL that is looked into
_FIELDS_MAX: Final = 64  # parameters of one
_LIFE_SECONDS_MAX: Final = 10**9
_SIGNED_WITHIN: Final = timedelta(minutes=15)  # after the end of a recording its links are signed
_PATH_ZONE: Final = timezone(timedelta(hours=8))  # of the path that spells a time in digits

_STORE: Final = re.compile(r"x-([a-z0-9]{1,16})-expires", re.A)
_SIGNED_TIME: Final = re.compile(r"([a-z]{1,8})time", re.A)
_DATE: Final = re.compile(r"\d{8}T\d{6}Z", re.A)
_SECONDS: Final = re.compile(r"\d{1,10}", re.A)
_TIME: Final = re.compile(r"[1-9]\d{9,10}", re.A)  # seconds since 1970, from 2001 on: a shorter number is a validity
_DECIMAL: Final = re.compile(r"[1-9]\d{9}", re.A)
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]{8}", re.A | re.I)
_HASH: Final = r"[0-9a-f]{32}(?:[0-9a-f]{32})?"
_HASHED: Final = re.compile(_HASH, re.A | re.I)
_TOKEN: Final = re.compile(rf"([1-9]\d{{9}})-[^-]{{1,64}}-[^-]{{1,64}}-{_HASH}", re.A | re.I)
_PATH: Final = re.compile(rf"/(?:(20\d{{10}})|([1-9]\d{{9}}))/{_HASH}/", re.A | re.I)
_BEGIN_AND_END: Final = re.compile(r"\d{1,11};(\d{1,11})", re.A)


def name_link_ends(event: Event) -> None:
    """Let each of its files say when its links end, as far as they do themselves; what a file says already stays."""
    files = tuple([_named(file, event.time) for file in event.files])
    if not all(map(is_, files, event.files)):
        amend(event, files=files)


def ended_at(event: Event, now: datetime) -> datetime | None:
    """When the first of its files' links ended, where one did before `now`."""
    ends = [file.expires_at for file in event.files if file.expires_at is not None and file.expires_at <= now]
    return min(ends, default=None)


def _named(file: File, time: datetime | None) -> File:
    if file.expires_at is not None:
        return file
    finished = file.ended_at or time
    end = link_end(file.download_url, finished)
    if end is None:
        end = link_end(file.play_url, finished)
    return file if end is None else file.replace(expires_at=end)


def link_end(url: str | None, finished: datetime | None = None) -> datetime | None:
    """When a link to what was `finished` then ends, aware UTC; None where it does not say."""
    if not url or len(url) > _URL_CHARS_MAX or not ("?" in url or _PATH.search(url)):
        return None
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, max_num_fields=_FIELDS_MAX) if parts.query else []
    except ValueError:
        return None
    given: dict[str, str] = {}
    for name, value in pairs:
        given.setdefault(name.lower(), value)
    if ends := [end for end in _ends(given) if end is not None]:
        return min(ends)
    earliest = [end for end in _earliest(given, parts.path) if end is not None]
    if finished is not None:
        earliest = [end for end in earliest if end - finished > _SIGNED_WITHIN]
    return min(earliest, default=None)


def _ends(given: Mapping[str, str]) -> Iterator[datetime | None]:
    """Times at which the link ends, for certain."""
    for name, value in given.items():
        if (store := _STORE.fullmatch(name)) and f"x-{store[1]}-signature" in given:
            yield _after(given.get(f"x-{store[1]}-date"), value)
    if "signature" in given and "expires" in given:
        yield _at(given["expires"])
    if "q-signature" in given:
        for name in ("q-sign-time", "q-key-time"):
            if window := _BEGIN_AND_END.fullmatch(given.get(name, "")):
                yield _at(window[1])
    if "sig" in given and "se" in given:
        yield _written(given["se"])
        yield _written(given.get("ske", ""))
    if "txsecret" in given and "txtime" in given:
        yield _digits(given["txtime"])
    if "t" in given and _HASHED.fullmatch(given.get("sign", "")):
        yield _digits(given["t"])


def _earliest(given: Mapping[str, str], path: str) -> Iterator[datetime | None]:
    """Times before which it does not end."""
    for name in ("auth_key", "sign"):
        if token := _TOKEN.fullmatch(given.get(name, "")):
            yield _at(token[1])
    for name, value in given.items():
        if (signed := _SIGNED_TIME.fullmatch(name)) and f"{signed[1]}secret" in given:
            yield _digits(value)
    if found := _PATH.match(path):
        yield _at(found[2]) if found[2] else _minute(found[1])


def _after(date: str | None, seconds: str) -> datetime | None:
    if date is None:
        return _at(seconds)
    if not _DATE.fullmatch(date) or not _SECONDS.fullmatch(seconds) or int(seconds) > _LIFE_SECONDS_MAX:
        return None
    try:
        begin = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return begin + timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        return None


def _at(seconds: str) -> datetime | None:
    return datetime.fromtimestamp(int(seconds), UTC) if _TIME.fullmatch(seconds) else None


def _digits(text: str) -> datetime | None:
    if _DECIMAL.fullmatch(text):
        return _at(text)
    return datetime.fromtimestamp(int(text, 16), UTC) if _HEXADECIMAL.fullmatch(text) else None


def _minute(digits: str) -> datetime | None:
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M").replace(tzinfo=_PATH_ZONE).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _written(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a plus that was not encoded
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
