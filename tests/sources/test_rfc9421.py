"""The source `rfc9421`: what a signature covers is what is believed, the key alone decides how, and forwards arrive."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ValidationError
from starlette.datastructures import Headers

from gateway import Callback, Http, Source, Trust, Untrusted, content_digest
from gateway.testing import NOW, FrozenClock, ScriptedServer, callback, delivery, event
from plugins.sinks.forward import Forward, ForwardOptions
from plugins.sources.rfc9421 import Rfc9421, Rfc9421Options
from tests.patience import PATIENCE_S
from tests.signing.test_http_messages import ECDSA_PRIVATE, ECDSA_PUBLIC, ED25519_PRIVATE, ED25519_PUBLIC, PAIRS, SHARED
from tests.sources.vendors import KEY, OLD_KEY, make


def source(**options: Any) -> Source:
    return make("rfc9421", **{"event": {}, **options})


def signed(body: bytes, *, key: str = KEY, at: int | None = None, covered: Any = None, **extra: str) -> Callback:
    """A request as a sender of its own makes it."""
    from gateway import SignedRequest, message_signer, sign_message

    headers = {"host": "gateway.example", "content-digest": content_digest(body)} | {
        name.replace("_", "-"): value for name, value in extra.items()
    }
    request = SignedRequest("POST", None, list(headers.items()), "/hooks/live")
    components = ("@method", "@authority", "@path", "content-digest") if covered is None else covered
    made = sign_message(request, message_signer(key), components, created=int(NOW.timestamp()) if at is None else at)
    return callback(body, headers=headers | made)


async def forwarded(key: str, path: str = "/hooks/live", **options: Any) -> tuple[str, Callback, Any]:
    """What a forward sends to a source, and where to."""
    one = event(trust=Trust.FIELDS)
    http = Http(clock=FrozenClock(), timeout=PATIENCE_S)
    async with ScriptedServer() as server:
        given = {"url": server.url + path, "sign": {"scheme": "rfc9421", "key": key, **options}}
        sink = Forward("app", ForwardOptions.model_validate(given), http=http, log=None)  # type: ignore[arg-type]
        await sink.open()
        await sink.deliver(delivery(one))
        await http.close()
        [got] = server.received
        return server.url + path, callback(got.body, headers=dict(got.headers)), one


@pytest.mark.parametrize("algorithm", PAIRS)
async def test_what_another_gateway_forwards_arrives_as_it_was(algorithm: str) -> None:
    private, public = PAIRS[algorithm]
    _, received, one = await forwarded(private, algorithm=algorithm, keyid="k")
    here = source(keys=[public])
    verified = here.verify(received)
    assert (verified.trust, verified.scheme, verified.key) == (Trust.FIELDS, "rfc9421", 0)
    (made,) = here.normalise(received, verified)
    assert (made.id, made.type, made.stream, made.source) == (one.id, one.type, one.stream, "live")


async def test_a_request_that_was_signed_for_another_url_is_refused() -> None:
    url, received, _ = await forwarded(SHARED, "/hooks/live?tenant=a")
    assert source(keys=[SHARED], url=url).verify(received)
    for other in (url.replace("tenant=a", "tenant=b"), "https://gateway.example/hooks/live?tenant=a"):
        with pytest.raises(Untrusted) as refused:
            source(keys=[SHARED], url=other).verify(received)
        assert refused.value.code == "signature_mismatch"


@pytest.mark.parametrize(
    ("options", "covered", "trust", "most"),
    [
        ({}, None, Trust.BODY, None),
        ({"components": ["@method"]}, ("@method", "content-digest"), Trust.BODY, None),
        ({"components": ["@method"]}, ("@method",), Trust.TIMESTAMP, None),
        ({"components": ["@method"], "max_bodies_per_signature": 5}, ("@method",), Trust.TIMESTAMP, 5),
        ({"event": {"type": 'headers["x-type"]'}}, None, Trust.FIELDS, 1),
        ({"event": {"type": 'headers["x-type"]'}}, ("@method", "@authority", "@path", "content-digest", "x-type"), Trust.BODY, None),
    ],
)  # fmt: skip
def test_trust_is_what_the_signature_covers(options: Any, covered: Any, trust: Trust, most: int | None) -> None:
    verified = source(**options).verify(signed(b'{"a": 1}', covered=covered, x_type="t"))
    assert verified.trust is trust
    assert (verified.seal is None) is (trust is Trust.BODY)
    if verified.seal is not None:
        assert verified.seal.most == most


@pytest.mark.parametrize("second", ["gateway.example", "evil.example", ""])
def test_of_two_hosts_none_was_signed(second: str) -> None:
    """Our own listener refuses them before; a gateway behind another server may be handed both."""
    received = signed(b"{}")
    hosts = Headers(raw=[*received.headers.raw, (b"host", second.encode())])
    with pytest.raises(Untrusted) as refused:
        source().verify(replace(received, headers=hosts))
    assert refused.value.code == "signature_mismatch"


def test_what_must_be_covered_must_be_whatever_else_is() -> None:
    with pytest.raises(Untrusted, match="does not cover content-digest"):
        source().verify(signed(b"{}", covered=("@method", "@authority", "@path")))


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-300, None), (300, None), (-301, "signature_expired"), (301, "validity_too_long")],
)
def test_the_edges_of_the_time_are_those_of_other_sources(seconds: int, code: str | None) -> None:
    received = signed(b"{}", at=int((NOW + timedelta(seconds=seconds)).timestamp()))
    if code is None:
        assert source().verify(received).validity == 300 + seconds
        return
    with pytest.raises(Untrusted) as refused:
        source().verify(received)
    assert refused.value.code == code


def test_every_key_is_tried_and_no_other_kind_of_key_is() -> None:
    assert source(keys=[ED25519_PUBLIC, OLD_KEY, KEY]).verify(signed(b"{}")).key == 2
    assert source(keys=[KEY, ECDSA_PUBLIC]).verify(signed(b"{}", key=ECDSA_PRIVATE)).key == 1
    for keys in ([ED25519_PUBLIC], [ECDSA_PUBLIC], [OLD_KEY]):
        with pytest.raises(Untrusted) as refused:
            source(keys=keys).verify(signed(b"{}"))
        assert refused.value.code == "signature_mismatch"


def test_a_signed_id_names_the_event() -> None:
    here = source(components=["@method", "content-digest", "x-id"], id_header="x-id")
    first, again, other = (
        signed(b'{"a": 1}', covered=("@method", "content-digest", "x-id"), x_id=id) for id in ("1", "1", "2")
    )
    ids = [here.normalise(one, here.verify(one))[0].id for one in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]


def test_a_public_key_plays_nothing() -> None:
    from gateway import Scene

    here = source(keys=[ED25519_PUBLIC], event={"type": "body.type", "types": {"a": "recording.started"}})
    with pytest.raises(ValueError, match="only the private one signs"):
        here.play(Scene(type=here.scenes[0], number=1, now=NOW))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keys": ["short"]}, "16 characters"),
        ({"keys": [ED25519_PRIVATE]}, "public half"),
        ({"keys": []}, "at least one key"),
        ({"components": ["@status"]}, "a component of a request"),
        ({"components": ["Date"]}, "lower case"),
        ({"components": ["signature"]}, "before the signature"),
        ({"components": ["@method", "@method"]}, "each component once"),
        ({"id_header": "x-id"}, "among `components`"),
    ],
)
def test_a_wrong_option_is_explained(options: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rfc9421Options.model_validate({"keys": [KEY], **options})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, []),
        ({"components": ["@method"]}, ["leave the body open"]),
        ({"event": {"type": 'headers["x-type"]'}}, ["x-type"]),
        ({"keys": [KEY, KEY]}, ["same as"]),
    ],
)
def test_advice_names_what_is_left_open(options: Any, words: list[str]) -> None:
    advice = Rfc9421("live", Rfc9421Options.model_validate({"keys": [KEY], **options})).advice()
    assert len(advice) == len(words)
    assert all(word in line for word, line in zip(words, advice, strict=True))


@pytest.mark.parametrize(
    ("sign", "where", "words"),
    [
        ({"key": "short"}, "sign.rfc9421.key", "16 characters"),
        ({"key": ED25519_PUBLIC}, "sign.rfc9421.key", "private half"),
        ({"key": SHARED, "algorithm": "ed25519"}, "sign.rfc9421", "`algorithm: hmac-sha256`"),
        ({"key": SHARED, "components": []}, "sign.rfc9421.components", "1 to 32"),
        ({"key": SHARED, "components": ["@status"]}, "sign.rfc9421.components.0", "a component of a request"),
        ({"key": SHARED, "components": ["host"]}, "", "host is none"),
        ({"key": SHARED, "components": ["x-a"]}, "", "x-a is none"),
        ({"key": SHARED, "label": "Ä"}, "sign.rfc9421.label", "lower case"),
        ({"key": SHARED, "keyid": "\n"}, "sign.rfc9421.keyid", "printable"),
        ({"key": SHARED, "validity": "2d"}, "sign.rfc9421.validity", "at most 1d"),
    ],
)
def test_what_a_forward_cannot_sign_with_is_explained(sign: Any, where: str, words: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        ForwardOptions.model_validate({"url": "https://x/", "sign": {"scheme": "rfc9421", **sign}})
    [problem] = wrong.value.errors(include_input=False)
    assert ".".join(map(str, problem["loc"])) == where
    assert words in problem["msg"]


async def test_a_forward_covers_headers_of_its_own_and_says_until_when() -> None:
    _, received, _ = await forwarded(
        ECDSA_PRIVATE, components=["content-digest", "recording-gateway-type"], validity="90s"
    )
    text = received.headers["signature-input"]
    at = int(NOW.timestamp())
    assert text == (
        f'sig1=("content-digest" "recording-gateway-type");created={at};expires={at + 90};alg="ecdsa-p256-sha256"'
    )
    assert received.headers["content-digest"] == content_digest(received.body)
    assert json.loads(received.body)
