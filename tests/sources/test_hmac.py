"""The source `hmac`: what can be described, what is refused as a description, and what its expressions make of a body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from gateway import Scene, Trust, Untrusted
from gateway.plugin.registry import Registry
from gateway.testing import NOW, callback
from tests.sources.described import VERIFIED, source
from tests.sources.vendors import KEY, OLD_KEY

AT = int(NOW.timestamp())


# --- what is signed


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64", "base64url"])
@pytest.mark.parametrize("prefix", ["", "sha=", "Signature "])
def test_every_algorithm_and_every_spelling(algorithm: str, encoding: str, prefix: str) -> None:
    body = b'{"a": [1,\n2]}'
    made = hmac.new(OLD_KEY.encode(), body, algorithm).digest()
    text = {
        "hex": made.hex(),
        "base64": base64.b64encode(made).decode(),
        "base64url": base64.urlsafe_b64encode(made).decode().rstrip("="),
    }[encoding]
    one = source(algorithm=algorithm, encoding=encoding, prefix=prefix)
    verified = one.verify(callback(body, headers={"X-SIGNATURE": prefix + text}))
    assert (verified.trust, verified.scheme, verified.key) == (Trust.BODY, f"hmac-{algorithm}", 1)
    for wrong in (text[:-4], "x" + prefix + text, (prefix + text).swapcase() if prefix else text + "0"):
        with pytest.raises(Untrusted):
            one.verify(callback(body, headers={"X-Signature": wrong}))


@pytest.mark.parametrize(
    ("options", "said", "headers", "text"),
    [
        (
            {"signed": "v0:{timestamp}:{body}", "timestamp_header": "X-Time"},
            {},
            {"x-time": str(AT)},
            f"v0:{AT}:{{}}",
        ),
        (
            {"signed": "{timestamp}\n{body}", "timestamp_header": "X-Time"},
            {},
            {"x-time": f"{AT}123"},
            f"{AT}123\n{{}}",
        ),
        (
            {"signed": "{body}{timestamp}", "timestamp_header": "X-Time"},
            {},
            {"x-time": "2026-01-01T00:00:00Z"},
            "{}2026-01-01T00:00:00Z",
        ),
        ({"signed": "{body}", "timestamp_field": "sent"}, {"sent": AT}, {}, f'{{"sent": {AT}}}'),
        ({"signed": "{timestamp}", "timestamp_field": "sent"}, {"sent": str(AT)}, {}, str(AT)),
        ({"signed": "{id}.{body}", "id_header": "X-Id"}, {}, {"x-id": "m1"}, "m1.{}"),
    ],
    ids=str,
)
def test_what_is_signed_is_put_together_from_its_pieces(options: Any, said: Any, headers: Any, text: str) -> None:
    made = hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    one = source(**options)
    received = callback(json.dumps(said).encode(), headers={**headers, "x-signature": made})
    verified = one.verify(received)
    assert verified.trust is (Trust.BODY if "{body}" in options["signed"] else Trust.TIMESTAMP)
    (event,) = one.normalise(received, verified)
    assert "sent" not in event.extra


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_key_may_be_written_in_another_way(encoding: str) -> None:
    key = bytes(range(32))
    text = key.hex() if encoding == "hex" else base64.b64encode(key).decode()
    one = source(keys=text, key_encoding=encoding)
    assert one.verify(callback(b"{}", headers={"x-signature": hmac.new(key, b"{}", "sha256").hexdigest()}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signed": "body"}, "{body}"),
        ({"signed": "{id}"}, "{body}"),
        ({"signed": "{body}{body}"}, "at most once"),
        ({"signed": "{body}{host}"}, "no other braces"),
        ({"signed": "{timestamp}{body}"}, "timestamp_header, timestamp_part or timestamp_field"),
        ({"timestamp_header": "X-Time"}, "proves nothing"),
        ({"timestamp_part": "t"}, "proves nothing"),
        ({"signed": "{timestamp}{body}", "timestamp_header": "X-Time", "timestamp_field": "t"}, "one place"),
        ({"id_header": "X-Id"}, "names nothing"),
        ({"signed": "{id}.{body}"}, "id_header"),
        ({"header": "X Signature"}, "a header name"),
        ({"header": "X-Signature\r\nX"}, "a header name"),
        ({"keys": []}, "at least one key"),
        ({"keys": "short"}, "at least 6 characters"),
        ({"keys": "not hex", "key_encoding": "hex"}, "a key in hex"),
        ({"keys": "not=base64!", "key_encoding": "base64"}, "a key in base64"),
        ({"event": {"stream": "body."}}, "a CEL expression over `body`"),
        ({"event": {"stream": "boddy.stream"}}, "no name 'boddy'"),
        ({"event": {"stream": "file.stream"}}, "no name 'file'"),
        ({"event": {"stream": "strng(body.x)"}}, "no function 'strng'"),
        ({"event": {"stream": 'body.x.matches("a+")'}}, "not for callbacks"),
        ({"event": {"stream": "body.a.all(x, body.b.all(y, x == y))"}}, "inside another"),
        ({"event": {"stream": "body.x == 99999999999999999999"}}, "column 11: invalid int"),
        ({"event": {"stream": "has(body)"}}, "invalid argument to has()"),
        ({"event": {"file": {"format": "body.format"}}}, "no name 'body'"),
        ({"event": {"types": {"x": "recording.nothing"}}}, "recording.started"),
        ({"event": {"streem": "body.x"}}, "streem"),
    ],
    ids=str,
)
def test_a_description_that_cannot_be_right_is_refused(options: Any, words: str) -> None:
    cls = Registry().source("hmac")
    with pytest.raises(ValidationError) as caught:
        cls.Options.model_validate({"keys": [KEY], "header": "X-Signature", **options})
    assert words in str(caught.value.errors(include_input=False)), caught.value.errors(include_input=False)
    assert "not=base64!" not in str(caught.value.errors(include_input=False))


def test_what_is_unwise_is_said() -> None:
    assert source(keys=[KEY]).advice() == []
    time_only = source(keys=[KEY, KEY + " "], signed="{timestamp}", timestamp_header="X-Time").advice()
    assert any("any other" in text for text in time_only)
    assert any("white space" in text for text in time_only)
    assert any("the same as" in text for text in source(keys=[KEY, KEY]).advice())
    joined = source(signed="{timestamp}{body}", timestamp_header="X-Time").advice()
    assert any("nothing separates" in text for text in joined)


# --- headers


def signed_for(body: bytes, *keys: str) -> list[str]:
    return [hmac.new(key.encode(), body, "sha256").hexdigest() for key in keys]


def test_the_type_may_stand_in_a_header_and_the_trust_says_that_no_signature_covers_it() -> None:
    for text in ('headers["X-GitHub-Event"]', "headers['x-github-event']", 'headers [ "X-GITHUB-EVENT" ]'):
        one = source(event={"type": text, "types": {"done": "recording.ended"}})
        body = b'{"a":1}'
        headers = {"X-Signature": signed_for(body, KEY)[0], "x-github-event": "done"}
        received = callback(body, headers=headers)
        verified = one.verify(received)
        assert verified.trust is one.most_trust is Trust.FIELDS
        assert verified.seal == one.verify(callback(body, headers=headers | {"x-github-event": "other"})).seal
        assert verified.seal is not None
        assert verified.seal.most == 1
        assert "x-github-event" in " ".join(one.advice())
        (made,) = one.normalise(received, verified)
        assert (made.type, made.vendor_type, made.trust) == ("recording.ended", "done", Trust.FIELDS)
        absent = callback(body, headers={"X-Signature": signed_for(body, KEY)[0]})
        assert one.normalise(absent, verified)[0].vendor_type is None


def test_a_header_that_is_signed_costs_no_trust_and_one_that_is_there_twice_says_nothing() -> None:
    from starlette.datastructures import Headers

    one = source(signed="{id}.{body}", id_header="X-Id", event={"identity": ['headers["X-Id"]']})
    assert one.most_trust is Trust.BODY
    two = source(event={"type": "headers.topic"})
    raw = [(b"topic", b"a"), (b"topic", b"b")]
    (made,) = two.normalise(replace(callback({"a": 1}), headers=Headers(raw=raw)), VERIFIED)
    assert made.vendor_type is None


def test_headers_that_a_map_reads_are_played() -> None:
    one = source(
        event={"type": 'headers["X-Topic"]', "types": {"done": "recording.ended"}, "identity": ['headers["X-Id"]']}
    )
    received = callback(one.play(Scene(type="done", number=1, now=NOW)))
    (made,) = one.normalise(received, one.verify(received))
    assert (made.type, received.headers["x-topic"]) == ("recording.ended", "done")


@pytest.mark.parametrize("text", ["headers", "headers[body.name]", "headers.exists(h, h == 'x')"])
def test_any_header_is_some_header_that_no_signature_covers(text: str) -> None:
    one = source(
        signed="{id}.{body}", id_header="X-Id", event={"stream": f"string(size({text}))" if text == "headers" else text}
    )
    assert one.most_trust is Trust.FIELDS
    assert "any" in " ".join(one.advice())


@pytest.mark.parametrize(
    ("prefix", "template"),
    [
        ("", "{0},{1}"), ("", "{0} {1}"), ("", "{0}; {1}"), ("sha256=", "sha256={0},sha256={1}"),
        ("sha256=", "sha1=abc,sha256={0} sha256={1},sha512=x"), ("v1,", "v1,{0} v1,{1}"), ("v1,", "v1a,zz v1,{0},v1,{1}"),
    ],
)  # fmt: skip
def test_several_signatures_in_one_header_are_all_tried(prefix: str, template: str) -> None:
    body = b'{"a":1}'
    wrong = "0" * 64
    for right in signed_for(body, KEY, OLD_KEY):
        for pair in ((right, wrong), (wrong, right)):
            assert source(prefix=prefix).verify(callback(body, headers={"X-Signature": template.format(*pair)}))
    with pytest.raises(Untrusted):
        source(prefix=prefix).verify(callback(body, headers={"X-Signature": template.format(wrong, wrong)}))


@pytest.mark.parametrize(
    "template", ["ts={0};h1={1}", "ts={0}; h1={2}; h1={1}", 'ts="{0}", h1="{2}", h1="{1}"', "h1={1} ts={0}"]
)
def test_parts_may_stand_between_semicolons_and_one_name_may_have_several(template: str) -> None:
    body = b'{"a":1}'
    text = f"{AT}:".encode() + body
    (made,) = signed_for(text, KEY)
    one = source(part="h1", timestamp_part="ts", signed="{timestamp}:{body}")
    assert one.verify(callback(body, headers={"X-Signature": template.format(AT, made, "0" * 64)})).key == 0
    for twice in (f"ts={AT};ts={AT - 1};h1={made}", f"h1={made}", f"ts=;h1={made}"):
        with pytest.raises(Untrusted):
            one.verify(callback(body, headers={"X-Signature": twice}))


@pytest.mark.parametrize(
    ("signed", "most"),
    [
        ("{body}", None),
        ("{timestamp}.{body}", None),
        ("{timestamp}{body}", 1),
        ("{id}{timestamp}{body}", 1),
        ("{id}.{timestamp}.{body}", 1),
    ],
)
def test_a_signed_text_that_may_be_cut_elsewhere_has_a_seal_of_one_content(signed: str, most: int | None) -> None:
    options: dict[str, Any] = {"signed": signed}
    options |= {"timestamp_header": "X-Timestamp"} if "timestamp" in signed else {}
    options |= {"id_header": "X-Id"} if "{id}" in signed else {}
    one = source(**options, keys=[KEY, OLD_KEY])
    seal = one.verify(callback(one.play(Scene(type="callback", number=1, now=NOW)))).seal
    assert (None if seal is None else seal.most) == most
