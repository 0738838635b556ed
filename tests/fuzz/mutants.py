"""Mutants of valid callbacks, each made of its number alone: the same number is the same mutant on every machine."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from gateway import Scene
from gateway.testing import NOW
from gateway.testing.odd_json import ODD_JSON
from tests.fuzz.configured import BEGUN_KEY, COMING_KEY, CONFIGURED, ENDED_KEY, PUBLIC_KEYS, keys_of, vendor_of
from tests.fuzz.oracle import JUDGES
from tests.fuzz.vendors_side import AT, SIGNED_BY_HUAWEI, Ledger, Request, document, sign, with_fields
from tests.sources.vendors import KEY, make

SOURCES = tuple(name for name in CONFIGURED if vendor_of(name) in JUDGES)
MUTANTS_OF_ONE_MAX = 20 * len(SOURCES)
WRONG_KEYS = (
    *("wrong-key-wrong-key-wrong-key-00", " " + KEY, KEY[:-1], KEY.upper(), "None", "\0"),
    *(BEGUN_KEY, ENDED_KEY, COMING_KEY, *PUBLIC_KEYS.values()),  # which is what an algorithm is confused with
)
TIMES = (-86400, -301, -300, -299, 299, 300, 301, 86400, 2**31)
ODD_TEXTS = (
    "", " ", "0", "-1", "1e9", "9" * 400, "\x7f", "\u00ff", "null", "true", "=", ",", ";", "a=b", "t=1", "../..", "%00", "%ff",
    "http://[", "http://127.0.0.1/", "2026-13-45", "[]", "{}", "A" * 5000, "\"", "'", "\\", "\u00b2",
)  # fmt: skip
_CREDENTIALS = ("auth_sign", "auth_timestamp", "sign", "t")


_source = cache(make)


@lru_cache(maxsize=4 * len(SOURCES))
def bodies(name: str, scene_number: int = 1) -> tuple[bytes, ...]:
    """One body of each kind of callback of this source's vendor, without what signs it."""
    type = vendor_of(name)
    source = _source(type)
    played = [source.play(Scene(type=scene, number=scene_number, now=NOW)).body for scene in source.scenes]
    if type in ("huawei-live", "tencent-css", "volcengine-live"):
        documents = [{key: one for key, one in json.loads(body).items() if key not in _CREDENTIALS} for body in played]
        return tuple(json.dumps(one, separators=(",", ":")).encode() for one in documents)
    if type == "zoom":
        played.append(b'{"event":"endpoint.url_validation","event_ts":1,"payload":{"plainToken":"abc"}}')
    return tuple(played)


def mutant(seed: int, number: int, ledger: Ledger) -> tuple[Request, bool]:
    """The mutant of this number, and whether it is none: a callback as its vendor sends it, which must be taken."""
    rng = random.Random(f"{seed}/{number}")
    source = SOURCES[number % len(SOURCES)]
    body = rng.choice(bodies(source, number // MUTANTS_OF_ONE_MAX))  # or the store has had enough contents of one id
    way = rng.choices(
        (_untouched, _odd_content, _changed_after, _odd_credentials, _headers_changed, _moved), (2, 40, 20, 14, 14, 10)
    )[0]
    return way(source, body, rng, ledger), way is _untouched


def _untouched(source: str, body: bytes, rng: random.Random, ledger: Ledger) -> Request:
    return sign(source, body, ledger, key=rng.choice(keys_of(source)))


def _odd_content(source: str, body: bytes, rng: random.Random, ledger: Ledger) -> Request:
    """Odd content that the vendor really signed: all that reads it has to bear it."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        body = _changed(source, body, rng)
    return sign(source, body, ledger)


def _changed_after(source: str, body: bytes, rng: random.Random, ledger: Ledger) -> Request:
    """Changed by somebody who holds one genuine callback."""
    request = sign(source, body, ledger)
    request.body = _changed(source, request.body, rng)
    return request


def _odd_credentials(source: str, body: bytes, rng: random.Random, ledger: Ledger) -> Request:
    """Another key, another time, or another vendor's signature over the same body."""
    way = rng.randrange(4)
    if way == 0:
        return sign(source, body, ledger, key=rng.choice(WRONG_KEYS))
    if way == 1:
        return sign(source, body, ledger, at=AT + rng.choice(TIMES))
    other = rng.choice(SOURCES)
    foreign = sign(other, body, ledger)
    if way == 2:
        return Request(source, foreign.headers, foreign.body)
    request = sign(source, body, ledger)
    values = [value for key, value in foreign.headers if key != "content-type"]
    if values and len(request.headers) > 1:
        place = rng.randrange(1, len(request.headers))
        request.headers[place] = (request.headers[place][0], rng.choice(values))
    elif vendor_of(source) not in ("mux", "agora"):
        request.body = with_fields(body, **{name: rng.choice(ODD_TEXTS) for name in _CREDENTIALS})
    return request


def _headers_changed(source: str, body: bytes, rng: random.Random, ledger: Ledger) -> Request:
    request = sign(source, body, ledger)
    for _ in range(rng.choice((1, 1, 2))):
        if not request.headers:
            break
        place = rng.randrange(len(request.headers))
        name, value = request.headers[place]
        request.headers[place : place + 1] = rng.choice(_OF_HEADERS)(name, value, rng)
    # as bytes on the wire, where a letter such as ÿ has no upper case, and where what is empty around a value is no part of it
    request.headers = [
        (name, value.encode("latin-1", "replace").decode("latin-1").strip(" \t")) for name, value in request.headers
    ]
    return request


_OF_HEADERS: tuple[Callable[[str, str, random.Random], list[tuple[str, str]]], ...] = (
    lambda name, value, rng: [],
    lambda name, value, rng: [(name, value), (name, value)],
    lambda name, value, rng: [(name, value), (name, rng.choice(ODD_TEXTS))],
    lambda name, value, rng: [(name, rng.choice(ODD_TEXTS)), (name, value)],
    lambda name, value, rng: [(name, rng.choice(ODD_TEXTS))],
    lambda name, value, rng: [(name, value + rng.choice(ODD_TEXTS))],
    lambda name, value, rng: [(name, rng.choice(ODD_TEXTS) + value)],
    lambda name, value, rng: [(name, value.swapcase())],
    lambda name, value, rng: [(name, _bytes_changed(value.encode("latin-1"), rng).decode("latin-1"))],
    lambda name, value, rng: [(name, re.sub("[0-9]+", rng.choice(ODD_TEXTS).replace("\\", ""), value, count=1))],
    lambda name, value, rng: [(f"x-{name}", value)],
)


def _moved(source: str, body: bytes, rng: random.Random, ledger: Ledger) -> Request:
    """Bytes moved from one signed field to the next, where the formula puts nothing between them; else a replay with a twist."""
    request = sign(source, body, ledger)
    if vendor_of(source) == "huawei-live":
        said = document(request.body)
        one = rng.randrange(len(SIGNED_BY_HUAWEI) - 1)
        first, second = SIGNED_BY_HUAWEI[one : one + 2]
        text = str(said.get(first) or "") + str(said.get(second) or "")
        at = rng.randrange(len(text) + 1)
        said |= {first: text[:at], second: text[at:]}
        request.body = json.dumps(said).encode()
    elif vendor_of(source) == "twilio":
        pairs = sorted(parse_qsl(body.decode(), keep_blank_values=True))
        text = "".join(name + value for name, value in pairs)
        ends = sorted(rng.sample(range(1, len(text)), min(2 * len(pairs) - 1, 3)))
        if rng.random() < 0.7 and len(pairs) > 1:  # only one border moves
            place = rng.randrange(len(pairs) - 1)
            (name, value), (next_name, next_value) = pairs[place : place + 2]
            whole = name + value + next_name + next_value
            a, b, c = sorted(rng.choices(range(1, len(whole)), k=3))
            pairs[place : place + 2] = [(whole[:a], whole[a:b]), (whole[b:c], whole[c:])]
        else:
            pieces = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
            pairs = list(zip(pieces[::2], [*pieces[1::2], ""], strict=False))
        request.body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs).encode()
    else:
        request.body = rng.choice(
            (request.body + b" ", b" " + request.body, request.body * 2, b"", request.body.swapcase())
        )
    return request


# --- the body -------------------------------------------------------------------------------------------------------------


def _changed(source: str, body: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return _bytes_changed(body, rng)
    return _form_changed(body, rng) if vendor_of(source) == "twilio" else _json_changed(body, rng)


def _bytes_changed(text: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(text) + 1)
    to = min(len(text), at + rng.choice((1, 1, 2, 8, 64)))
    way = rng.randrange(6)
    if way == 0 and text:
        place = min(at, len(text) - 1)
        return text[:place] + bytes([text[place] ^ 1 << rng.randrange(8)]) + text[place + 1 :]
    if way == 1:
        return text[:at] + text[to:]
    if way == 2:
        return text[:to] + text[at:to] * rng.choice((1, 3, 50)) + text[to:]
    if way == 3:
        return text[:at]
    odd = (
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\\u0000",
        b"\\ud800",
        b'"',
        b"{",
        b"[" * 300,
        b"\n",
        b"%00",
        b"&",
    )
    return text[:at] + (rng.choice(odd) if way == 4 else rng.randbytes(rng.choice((1, 4, 40)))) + text[at:]


def _form_changed(body: bytes, rng: random.Random) -> bytes:
    pairs = [part.partition(b"=") for part in body.split(b"&")]
    place = rng.randrange(len(pairs))
    name, _, value = pairs[place]
    odd = quote_plus(rng.choice(ODD_TEXTS)).encode()
    new = rng.choice(
        (b"", name, name + b"=", name + b"=" + odd, odd + b"=" + value, name + b"=" + value + b"&" + name + b"=" + odd)
    )
    return b"&".join([*(b"=".join((one, other)) for one, _, other in pairs[:place]), new,
                      *(b"=".join((one, other)) for one, _, other in pairs[place + 1 :])])  # fmt: skip


def _json_changed(body: bytes, rng: random.Random) -> bytes:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return _bytes_changed(body, rng)
    found = [path for path in _places(said) if path]
    if not found or not isinstance(said, dict | list):
        return rng.choice(ODD_JSON).encode("utf-8", "surrogatepass")
    path = rng.choice(found)
    inner: Any = said
    for name in path[:-1]:
        inner = inner[name]
    way = rng.randrange(8)
    if way == 0:
        del inner[path[-1]]
    elif way == 1 and isinstance(inner, dict):
        inner[rng.choice((*ODD_TEXTS, str(path[-1]).upper(), str(path[-1]) + " ", "__class__"))] = inner.pop(path[-1])
    elif way == 2 and isinstance(inner, dict):
        inner["@@DOUBLED@@"] = inner[path[-1]]
    else:
        inner[path[-1]] = "@@ODD@@"
    text = json.dumps(said, separators=(",", ":")).replace('"@@DOUBLED@@"', json.dumps(path[-1]))
    return text.replace('"@@ODD@@"', rng.choice(ODD_JSON)).encode("utf-8", "surrogatepass")


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _places(part, (*path, name))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _places(part, (*path, place))
