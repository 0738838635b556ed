"""Published vectors, vectors of the vendors' own libraries, and what every signature in a header has to bear."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import Malformed, Played, Scene, Source, Trust, Untrusted
from gateway.testing import NOW, callback
from plugins.sources.common.keyed import from_base64, from_hex, parts
from tests.examples import examples
from tests.sources.played import AT, sent
from tests.sources.vendors import KEY, NEEDED, OLD_KEY, URL, make

HEADERS = {
    "standard-webhooks": "webhook-signature",
    "hmac": "x-signature",
    "alibaba-live": "ali-live-signature",
    "mux": "mux-signature",
    "cloudflare-stream": "webhook-signature",
    "livekit": "authorization",
    "agora": "agora-signature-v2",
    "zoom": "x-zm-signature",
    "twilio": "x-twilio-signature",
}


TIMED = {
    "alibaba-live": "timestamp",
    "mux": "body",
    "cloudflare-stream": "body",
    "zoom": "body",
    "hmac": "body",
    "standard-webhooks": "fields",
}


Code = Callable[[Callable[[], Any]], tuple[str, str]]


def played(source: Source, number: int = 1, **scene: Any) -> Played:
    return source.play(Scene(type=source.scenes[0], number=number, now=NOW, **scene))


FORMULAS: dict[str, Callable[[bytes, str], dict[str, str]]] = {
    "mux": lambda body, key: {"Mux-Signature": f"t={AT},v1={_hex(key, b'%d.%b' % (AT, body))}"},
    "cloudflare-stream": lambda body, key: {"Webhook-Signature": f"time={AT},sig1={_hex(key, b'%d.%b' % (AT, body))}"},
    "zoom": lambda body, key: {
        "x-zm-request-timestamp": str(AT),
        "x-zm-signature": f"v0={_hex(key, b'v0:%d:%b' % (AT, body))}",
    },
    "agora": lambda body, key: {"Agora-Signature-V2": _hex(key, body).upper()},
    "alibaba-live": lambda body, key: {
        "ALI-LIVE-TIMESTAMP": str(AT),
        "ALI-LIVE-SIGNATURE": hashlib.md5(f"old.example.com|{AT}|{key}".encode()).hexdigest(),
    },
}


def _hex(key: str, text: bytes) -> str:
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("type", FORMULAS)
@pytest.mark.parametrize(("key", "position"), [(KEY, 0), (OLD_KEY, 1)])
def test_the_vendors_formula_written_a_second_time_passes_with_either_key(type: str, key: str, position: int) -> None:
    body = b'{\n\t"of": "any shape", "n": 1e2}'
    assert make(type).verify(sent(body, FORMULAS[type](body, key))).key == position


@pytest.mark.parametrize("type", ["tencent-css", "volcengine-live"])
def test_a_token_in_the_body_is_the_md5_of_key_and_expiry(type: str, refusal: Code) -> None:
    source = make(type)
    expires = AT + 600
    for key, position in ((KEY, 0), (OLD_KEY, 1)):
        sign = hashlib.md5(f"{key}{expires}".encode()).hexdigest()
        for t in (expires, str(expires)):
            verified = source.verify(sent(json.dumps({"sign": sign.upper(), "t": t}).encode(), {}))
            assert (verified.trust, verified.key, verified.validity) == (Trust.TIMESTAMP, position, 600)
    sign = hashlib.md5(f"{KEY}{expires}".encode()).hexdigest()
    good = {"sign": sign, "t": expires}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"sign": None}, "signature_missing"),
        ({"sign": ""}, "signature_missing"),
        ({"sign": [sign]}, "signature_missing"),
        ({"sign": "é" * 32}, "signature_mismatch"),
        ({"sign": sign[:-1]}, "signature_mismatch"),
        ({"t": None}, "signature_missing"),
        ({"t": True}, "signature_missing"),
        ({"t": 1.5}, "signature_missing"),
        ({"t": f" {expires}"}, "signature_missing"),
        ({"t": "１７６７"}, "signature_missing"),
        ({"t": f"+{expires}"}, "signature_missing"),
        ({"t": expires + 1}, "signature_mismatch"),
    ]
    for change, code in cases:
        body = json.dumps({**good, **change}).encode()
        assert refusal(lambda body=body: source.verify(sent(body, {})))[0] == code, change  # type: ignore[misc]


@pytest.mark.parametrize("type", ["tencent-css", "volcengine-live"])
def test_both_edges_of_an_expiry_are_exact(type: str, refusal: Code) -> None:
    source = make(type, clock_skew="10s", max_validity="20m")
    body = source.play(Scene(type=source.scenes[0], number=1, now=NOW)).body
    expires = datetime.fromtimestamp(json.loads(body)["t"], UTC)
    tick = timedelta(microseconds=1)
    for at in (expires + timedelta(seconds=10), expires - timedelta(minutes=20)):
        assert source.verify(sent(body, {}, at))
    late = refusal(lambda: source.verify(sent(body, {}, expires + timedelta(seconds=10) + tick)))
    early = refusal(lambda: source.verify(sent(body, {}, expires - timedelta(minutes=20) - tick)))
    assert (late[0], early[0]) == ("signature_expired", "validity_too_long")


# --- every header


@pytest.mark.parametrize("type", HEADERS)
def test_exactly_one_header_of_at_most_four_kibibytes_is_taken(type: str, refusal: Code) -> None:
    source = make(type)
    good = played(source)
    name = HEADERS[type]

    def verify(values: list[str]) -> Any:
        from starlette.datastructures import Headers

        raw = [(key.encode(), value.encode()) for key, value in good.headers.items() if key != name]
        raw += [(name.encode(), value.encode("latin-1")) for value in values]
        return source.verify(replace(callback(good), headers=Headers(raw=raw)))

    value = good.headers[name]
    assert verify([value])
    for values in ([], [""], [value, value], [value, "x"], ["x" * 4097], [value + "," + "x" * 4096]):
        assert refusal(lambda values=values: verify(values))[0] == "signature_missing", values  # type: ignore[misc]
    for other in (
        "é" * 64,
        "0" * 64,
        value[:-6],
        value[:-6] + "\xb2\xb2\xb2\xb2\xb2\xb2",
        "v0=",
        "a.b.c",
        ",,,",
        "=",
        "v1,",
    ):
        assert refusal(lambda other=other: verify([other]))[0] in {"signature_missing", "signature_mismatch"}  # type: ignore[misc]


@pytest.mark.parametrize("type", TIMED)
def test_the_time_of_sending_counts_either_way_and_both_edges_are_exact(type: str, refusal: Code) -> None:
    source = make(type, tolerance="90s")
    good = played(source)
    tick, most = timedelta(microseconds=1), timedelta(seconds=90)
    assert source.verify(callback(good)).trust.value == TIMED[type]
    assert source.verify(callback(good, received_at=NOW + most)).validity == 0
    assert source.verify(callback(good, received_at=NOW - most)).validity == 180
    late = refusal(lambda: source.verify(callback(good, received_at=NOW + most + tick)))
    early = refusal(lambda: source.verify(callback(good, received_at=NOW - most - tick)))
    assert (late[0], early[0]) == ("signature_expired", "validity_too_long")


@pytest.mark.parametrize("type", HEADERS)
@examples(40)
@given(
    text=st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=80), body=st.binary(max_size=60)
)
def test_no_header_and_no_body_makes_anything_but_a_refusal(type: str, text: str, body: bytes) -> None:
    source = make(type)
    good = dict(played(source).headers)
    tries = [({**good, HEADERS[type]: text}, body)]
    if type != "alibaba-live":  # whose signature covers no body
        tries.append((good, body))
    for headers, content in tries:
        with pytest.raises((Untrusted, Malformed)):
            source.verify(sent(content, headers))


# --- Twilio's form


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"no pairs", "no form"),
        (b"a=%ff", "not ASCII"),
        (b"a=\xff", "not ASCII"),
        (b"&".join(b"a=1" for _ in range(201)), "200 fields"),
    ],
    ids=range(4),
)
def test_a_body_that_is_no_form_is_malformed(body: bytes, words: str, refusal: Code) -> None:
    code, text = refusal(lambda: make("twilio").verify(sent(body, {"x-twilio-signature": "x" * 27 + "="})))
    assert code == "malformed_body"
    assert words in text


def test_twilio_signs_the_public_url_with_or_without_its_port() -> None:
    body = b"RecordingSid=RE1&RecordingStatus=completed"
    for url in (URL, URL.replace("example.com", "example.com:443")):
        text = url + "RecordingSidRE1RecordingStatuscompleted"
        made = base64.b64encode(hmac.new(OLD_KEY.encode(), text.encode(), hashlib.sha1).digest()).decode()
        assert make("twilio").verify(sent(body, {"X-Twilio-Signature": made})).key == 1
        assert make("twilio", url=URL.replace(".com/", ".com:443/")).verify(sent(body, {"X-Twilio-Signature": made}))


# --- reading


@given(st.binary(min_size=1, max_size=64))
def test_a_digest_is_read_from_all_its_spellings(data: bytes) -> None:
    size = len(data)
    assert from_hex(data.hex(), size) == from_hex(data.hex().upper(), size) == data
    for text in (base64.b64encode(data).decode(), base64.b64encode(data).decode().rstrip("=")):
        assert from_base64(text, size) == data
    assert from_base64(base64.urlsafe_b64encode(data).decode(), size, url=True) == data
    assert from_hex(data.hex(), size + 1) is None
    assert from_base64(base64.b64encode(data).decode(), size + 1) is None
    assert from_hex(data.hex() + "\n", size) is None
    assert from_base64(base64.b64encode(data).decode() + "\n", size) is None


def test_every_part_of_a_header_counts() -> None:
    assert parts("t=1, v1=a==,v0=b") == {"t": ["1"], "v1": ["a=="], "v0": ["b"]}
    assert parts('v1=a;v1="b";t') == {"v1": ["a", "b"]}


@pytest.mark.parametrize("type", ["mux", "cloudflare-stream"])
def test_each_of_several_signatures_in_one_header_is_tried_while_a_secret_is_changed(type: str, refusal: Code) -> None:
    """As Stripe signs while a secret is rolled: `t=…,v1=old,v1=new`."""
    time_name, name = ("t", "v1") if type == "mux" else ("time", "sig1")
    header = HEADERS[type]
    body = b'{"a":1}'
    good = {key: _hex(key, b"%d.%b" % (AT, body)) for key in (KEY, OLD_KEY)}
    for first, second in (
        (good[KEY], "0" * 64),
        ("0" * 64, good[KEY]),
        ("nonsense", good[KEY]),
        (good[KEY], good[OLD_KEY]),
    ):
        text = f"{time_name}={AT},{name}={first},{name}={second}"
        assert make(type).verify(sent(body, {header: text})).key == 0
        with pytest.raises(Untrusted):
            make(type, keys=["another-key-altogether"]).verify(sent(body, {header: text}))
    for text in (
        f"{time_name}={AT},{time_name}={AT - 1},{name}={good[KEY]}",
        f"{time_name}={AT},{time_name}={AT},{name}={good[KEY]}",
        f"{name}={good[KEY]}",
        f"{time_name}=,{name}={good[KEY]}",
    ):
        assert refusal(lambda text=text: make(type).verify(sent(body, {header: text})))[0] == "signature_missing"  # type: ignore[misc]


@pytest.mark.parametrize("type", sorted(set(NEEDED) - {"huawei-live"}))
def test_what_cannot_be_played_is_told(type: str) -> None:
    source = make(type)
    with pytest.raises(ValueError, match="has no callback 'nothing'"):
        source.play(Scene(type="nothing", number=1, now=NOW))
    with pytest.raises(ValueError, match="not rot13"):
        source.play(Scene(type=source.scenes[0], number=1, now=NOW, scheme="rot13"))
    if type in {"agora", "twilio"}:
        with pytest.raises(ValueError, match="cannot expire"):
            source.play(Scene(type=source.scenes[0], number=1, now=NOW, expired=True))
