"""No value of any kind in any field is more than a 400 or a problem, and no flaw of the authentication is less than a 401."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from starlette.datastructures import Headers

from gateway import (
    RECORDING_ARCHIVED,
    Callback,
    Malformed,
    Played,
    Scene,
    Source,
    Trust,
    Untrusted,
    sign_webhook,
    signing_key,
    to_document,
    to_json,
)
from gateway.intake import pipeline
from gateway.plugin import contract
from gateway.testing import NOW, callback, factories
from plugins.sources.common.keyed import Keyed
from tests.sources.vendors import KEY, NEEDED, WHSEC, make

AT = int(NOW.timestamp())
KINDS: tuple[Any, ...] = (None, True, 0, -1, 1.5, 2**62, "", "x", ["x", 1], [{}], {"a": {"b": [1]}})
OF_JSON = sorted(set(NEEDED) - {"twilio", "standard-webhooks"})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in entries:
        yield from places(part, (*path, name))


def put(said: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(said)
    inner: Any = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return changed


def outcome(source: Source, received: Callback) -> list[str]:
    """The problems of its events; a refusal has none. Whatever else is raised is the failure."""
    try:
        verified = contract.checked_verdict(source, source.verify(received))
        events = contract.checked(source, received, source.normalise(received, verified))
    except (Malformed, Untrusted):
        return []
    for event in events:
        json.loads(to_json(event))
    return [problem for event in events for problem in event.problems]


@pytest.mark.parametrize("type", OF_JSON)
def test_any_value_of_any_kind_in_any_field_is_a_refusal_or_an_event(type: str) -> None:
    source = make(type)
    seen = 0
    for scene in source.scenes:
        said = json.loads(source.play(Scene(type=scene, number=1, now=NOW)).body)
        for path in places(said):
            for kind in KINDS:
                changed = put(said, path, kind)
                fields = {path[0]: changed[path[0]]}  # the rest is signed as it was
                outcome(source, callback(source.play(Scene(type=scene, number=1, now=NOW, fields=fields))))
                seen += 1
    assert seen > 50


DOUBLED = ('{"x":1,"x":2}', '[{"x":1,"x":{"y":1,"y":2}}]')


@pytest.mark.parametrize("type", OF_JSON)
@pytest.mark.parametrize("odd", DOUBLED)
def test_a_doubled_key_in_any_field_of_the_signature_too_is_a_refusal_or_an_event(type: str, odd: str) -> None:
    """By the way of the gateway, where an object with a doubled key is none of JSON's own kinds."""
    source = make(type)
    seen = 0
    for scene in source.scenes:
        good = source.play(Scene(type=scene, number=1, now=NOW))
        said = json.loads(good.body)
        for path in places(said):
            text = json.dumps(put(said, path, "@@ODD@@")).replace('"@@ODD@@"', odd)
            headers = good.headers
            if isinstance(source, Keyed) and type not in (*FIELDS, "hmac"):  # whose signatures cover other things
                headers = {**headers, **source.headers(text.encode(), AT, source._keys[0])}
            received = callback(text.encode(), headers=headers)
            with contextlib.suppress(Malformed, Untrusted):
                verified = pipeline.verify(source, received, Trust.NONE)
                for event in pipeline.normalise(source, received, verified, keep_ids=False):
                    to_json(event)
            seen += 1
    assert seen >= 10


def test_any_value_in_a_document_of_another_gateway_is_a_refusal_or_an_event() -> None:
    source = make("standard-webhooks")
    callbacks = to_document(factories.event("recording.file.completed", extra={"a": [1]}, problems=("x",)))
    for said, path in (
        (one, path) for one in (callbacks, to_document(factories.event(RECORDING_ARCHIVED))) for path in places(one)
    ):
        for kind in KINDS:
            body = json.dumps(put(said, path, kind)).encode()
            marks = sign_webhook("m1", AT, body, [signing_key(WHSEC)])
            headers = {"webhook-id": "m1", "webhook-timestamp": str(AT), "webhook-signature": marks}
            outcome(source, callback(body, headers=headers))


def test_a_doubled_key_in_a_document_of_another_gateway_is_a_refusal_or_an_event() -> None:
    source = make("standard-webhooks")
    said = to_document(factories.event(RECORDING_ARCHIVED, extra={"a": [1]}, problems=("x",)))
    for path in places(said):
        for odd in DOUBLED:
            body = json.dumps(put(said, path, "@@ODD@@")).replace('"@@ODD@@"', odd).encode()
            marks = sign_webhook("m1", AT, body, [signing_key(WHSEC)])
            headers = {"webhook-id": "m1", "webhook-timestamp": str(AT), "webhook-signature": marks}
            with contextlib.suppress(Malformed, Untrusted):
                received = callback(body, headers=headers)
                verified = pipeline.verify(source, received, Trust.NONE)
                for event in pipeline.normalise(source, received, verified, keep_ids=False):
                    to_json(event)


@pytest.mark.parametrize("problems", [5, True, "x", {"a": 1}])
def test_a_document_with_problems_of_another_kind_is_malformed(problems: Any) -> None:
    said = to_document(factories.event("recording.started"))
    said["data"]["problems"] = problems
    body = json.dumps(said).encode()
    marks = sign_webhook("m1", AT, body, [signing_key(WHSEC)])
    headers = {"webhook-id": "m1", "webhook-timestamp": str(AT), "webhook-signature": marks}
    with pytest.raises(Malformed, match=r"data\.problems"):
        make("standard-webhooks").verify(callback(body, headers=headers))


def test_any_text_in_any_field_of_a_form_is_a_refusal_or_an_event() -> None:
    source = make("twilio")
    for scene in source.scenes:
        for name in ("RecordingSid", "RecordingUrl", "RecordingStatus", "RecordingDuration", "RecordingStartTime", "Size",
                     "StatusCallbackEvent", "Timestamp", "ErrorCode", "Container", "AccountSid"):  # fmt: skip
            for text in ("", "x", "-1", "1e9", "é", "http://[", "\x7f", "9" * 400, "[]", "{}"):
                fields = {name: text}
                outcome(source, callback(source.play(Scene(type=scene, number=1, now=NOW, fields=fields))))


# --- the authentication

HEADERS: dict[str, tuple[str, ...]] = {
    "standard-webhooks": ("webhook-id", "webhook-timestamp", "webhook-signature"),
    "hmac": ("x-signature", "x-timestamp"),
    "rfc9421": ("signature", "signature-input", "content-digest"),
    "alibaba-live": ("ali-live-signature", "ali-live-timestamp"),
    "mux": ("mux-signature",),
    "cloudflare-stream": ("webhook-signature",),
    "livekit": ("authorization",),
    "agora": ("agora-signature-v2",),
    "zoom": ("x-zm-signature", "x-zm-request-timestamp"),
    "twilio": ("x-twilio-signature",),
}
FIELDS = {
    "huawei-live": ("auth_sign", "auth_timestamp"),
    "tencent-css": ("sign", "t"),
    "volcengine-live": ("sign", "t"),
}


def test_every_type_is_in_one_of_the_tables() -> None:
    assert NEEDED.keys() - {*HEADERS, *FIELDS} == set(), "which headers or fields is its authentication made of?"
    assert {*HEADERS, *FIELDS} - NEEDED.keys() == set()


@pytest.mark.parametrize(("type", "name"), [(type, name) for type, names in HEADERS.items() for name in names])
def test_a_header_of_the_authentication_that_is_missing_empty_doubled_or_odd_is_refused(type: str, name: str) -> None:
    source = make(type)
    good = source.play(Scene(type=source.scenes[0], number=1, now=NOW))
    value = good.headers[name]
    rest = [(key.encode(), text.encode()) for key, text in good.headers.items() if key != name]
    tries = (
        [],
        [""],
        [" "],
        [value, value],
        [value, ""],
        ["", value],
        ["null"],
        ["0"],
        ["-1"],
        ["true"],
        ["\xff"],
        [value + "x"],
    )
    for values in tries:
        headers = Headers(raw=[*rest, *((name.encode(), one.encode("latin-1")) for one in values)])
        with pytest.raises(Untrusted):
            source.verify(replace(callback(good), headers=headers))


@pytest.mark.parametrize(("type", "name"), [(type, name) for type, names in FIELDS.items() for name in names])
def test_a_field_of_the_authentication_that_is_missing_empty_or_odd_is_refused(type: str, name: str) -> None:
    source = make(type)
    good = json.loads(source.play(Scene(type=source.scenes[0], number=1, now=NOW)).body)
    absent = {key: value for key, value in good.items() if key != name}
    for changed in (
        absent,
        *({**good, name: kind} for kind in KINDS),
        {**good, name: [good[name]]},
        {**good, name: f" {good[name]}"},
    ):
        with pytest.raises(Untrusted):
            source.verify(callback(Played(body=json.dumps(changed).encode(), headers={})))


BODY = b'{"event":"egress_started"}'
CLAIMS: dict[str, Any] = {
    "iss": "APInew",
    "exp": AT + 300,
    "nbf": AT,
    "sha256": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
}


def token(claims: dict[str, Any], head: dict[str, Any]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (head, claims)]
    signed = ".".join(parts)
    made = hmac.new(KEY.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


def verify(claims: dict[str, Any], head: dict[str, Any] | None = None) -> Any:
    made = token(claims, {"alg": "HS256"} if head is None else head)
    return make("livekit").verify(callback(BODY, headers={"authorization": made}))


@pytest.mark.parametrize("name", ["iss", "exp", "sha256"])
def test_a_claim_of_livekits_token_that_is_missing_is_refused(name: str) -> None:
    assert verify(CLAIMS).trust.value == "body"
    with pytest.raises(Untrusted):
        verify({key: value for key, value in CLAIMS.items() if key != name})


def test_a_token_without_nbf_is_good_and_one_without_alg_is_not() -> None:
    assert verify({key: value for key, value in CLAIMS.items() if key != "nbf"}).trust.value == "body"
    with pytest.raises(Untrusted):
        verify(CLAIMS, {"typ": "JWT"})
    with pytest.raises(Untrusted):
        verify({})


@pytest.mark.parametrize("name", list(CLAIMS))
@pytest.mark.parametrize("kind", [None, True, "", "soon", [], {}, -1, 1e300], ids=str)
def test_a_claim_of_another_kind_is_refused(name: str, kind: Any) -> None:
    with pytest.raises(Untrusted):
        verify({**CLAIMS, name: kind})
