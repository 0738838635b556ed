"""The source `standard-webhooks`: what another gateway forwards arrives as it was; any other sender's is mapped."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from gateway import (
    EVENT_TYPES,
    Callback,
    Event,
    Malformed,
    Trust,
    Untrusted,
    Verified,
    sign_webhook,
    signing_key,
    to_document,
    to_json,
)
from gateway.plugin.registry import Registry
from gateway.testing import NOW, callback, factories
from plugins.sources.standard_webhooks import mark
from tests.sources.vendors import WHSEC, make

AT = int(NOW.timestamp())
OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def signed(
    body: bytes, *, id: str = "msg_1", secrets: tuple[str, ...] = (WHSEC,), at: int = AT, extra: str = ""
) -> Callback:
    marks = sign_webhook(id, at, body, [signing_key(secret) for secret in secrets])
    headers = {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": extra + marks}
    return callback(body, headers=headers)


def take(received: Callback, **options: Any) -> tuple[Verified, tuple[Event, ...]]:
    source = make("standard-webhooks", **options)
    verified = source.verify(received)
    return verified, tuple(source.normalise(received, verified))


@pytest.mark.parametrize("type", EVENT_TYPES)
def test_an_event_of_another_gateway_is_taken_as_it_is(type: str) -> None:
    theirs = factories.event(type, source="far", trust=Trust.TIMESTAMP, extra={"more": [1]}, problems=("width",))
    verified, (ours,) = take(signed(to_json(theirs).encode(), id=theirs.id))
    assert (verified.trust, verified.scheme, verified.key) == (Trust.TIMESTAMP, "standard-webhooks", 0)
    expected = replace(theirs, source="live", received_at=NOW, verified=verified, raw=ours.raw)
    assert to_document(ours) == to_document(expected)
    assert ours.id == theirs.id


def test_the_trust_of_what_another_gateway_took_without_a_signature_stays_none() -> None:
    theirs = factories.event(trust=Trust.NONE)
    assert take(signed(to_json(theirs).encode()))[0].trust is Trust.NONE


@pytest.mark.parametrize(
    "change",
    [
        {"specversion": "0.3"},
        {"id": "not-one-of-ours"},
        {"id": 5},
        {"type": "video.ready"},
        {"trust": "whatever"},
        {"data": []},
        {"data": {"provider": ""}},
        {"data": {"provider": "x", "files": 5}},
        {"data": {"provider": "x", "files": [5]}},
        {"data": {"provider": "x", "problems": [5]}},
        {"data": {"provider": "x", "received_at": "yesterday"}},
        {"source": None},
    ],
    ids=str,
)
def test_what_only_looks_like_ours_is_kept_as_unknown_and_not_refused(change: dict[str, Any]) -> None:
    said = {**to_document(factories.event("recording.unknown")), **change}
    verified, (event,) = take(signed(json.dumps(said).encode()))
    assert verified.trust is Trust.BODY
    assert (event.provider, event.extra["specversion"]) == ("standard-webhooks", said["specversion"])
    json.loads(to_json(event))


def test_any_other_sender_is_mapped_and_named_by_its_webhook_id() -> None:
    body = b'{"type": "video.ready", "timestamp": "2026-01-01T00:00:00Z", "data": {"room": "r", "url": "https://x"}}'
    _, (plain,) = take(signed(body))
    assert (plain.type, plain.vendor_type, plain.time) == ("recording.unknown", "video.ready", NOW)
    assert plain.extra == json.loads(body)
    map = {"type": "body.type", "types": {"video.ready": "recording.file.completed"}, "stream": "body.data.room"}
    _, (mapped,) = take(signed(body), event={**map, "file": {"download_url": "file.data.url"}})
    assert (mapped.type, mapped.stream, mapped.files[0].download_url) == ("recording.file.completed", "r", "https://x")
    assert mapped.id == take(signed(body, at=AT + 60), event=map)[1][0].id
    assert mapped.id != take(signed(body, id="msg_2"), event=map)[1][0].id
    assert take(signed(body), event={"type": "body.type", "types": {"video.ready": "ignore"}})[1] == ()


def test_several_signatures_and_several_secrets_while_one_is_being_changed(refusal: Callable[..., Any]) -> None:
    body = b"{}"
    assert take(signed(body, secrets=(OTHER, WHSEC)))[0].key == 0
    assert take(signed(body, secrets=(OTHER,)), secrets=[WHSEC, OTHER])[0].key == 1
    assert take(signed(body, extra="v1a,AAAA v1,AAAA v2,x "))[0].key == 0
    assert take(signed(body, extra="v1,AAAA, "))[0].key == 0  # two lines of a header, joined on the way
    for received in (signed(body, secrets=(OTHER,)), signed(body, extra="v1,")):
        assert refusal(lambda received=received: take(received))[0] == "signature_mismatch"


def test_a_body_that_is_no_object_is_malformed_after_its_signature_passed() -> None:
    with pytest.raises(Malformed):
        take(signed(b"[1]"))
    with pytest.raises(Untrusted):
        take(replace(signed(b"[1]"), body=b"[2]"))


@pytest.mark.parametrize("secrets", [[], "whsec_c2hvcnQ=", "no base64!", [WHSEC] * 9])
def test_secrets_that_are_none_are_refused_and_never_shown(secrets: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Registry().source("standard-webhooks").Options.model_validate({"secrets": secrets})
    assert "c2hvcnQ" not in str(caught.value.errors(include_input=False))


def test_what_is_unwise_is_said() -> None:
    assert make("standard-webhooks").advice() == ()
    assert make("standard-webhooks", secrets=[WHSEC, WHSEC]).advice() == ("secrets[1] is the same as secrets[0]",)


def test_expressions_are_paid_for_only_where_there_are_some() -> None:
    code = (
        "import sys\nfrom tests.sources.vendors import make, NEEDED\n"
        "for type in NEEDED:\n    if type not in ('hmac', 'rfc9421'): make(type)\n"
        "make('hmac', event={})\nassert 'cel' not in sys.modules\nmake('hmac')\nassert 'cel' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=".")


def test_the_names_that_svix_gives_its_headers_are_taken_too(refusal: Callable[..., Any]) -> None:
    body = json.dumps({"type": "video.ready"}).encode()
    good = signed(body)
    as_svix = {name.replace("webhook-", "svix-"): value for name, value in good.headers.items()}
    source = make("standard-webhooks")
    received = callback(body, headers=as_svix)
    verified = source.verify(received)
    (event,) = source.normalise(received, verified)
    assert event.id == source.normalise(good, source.verify(good))[0].id
    mixed = {**as_svix, "webhook-id": good.headers["webhook-id"]}
    for headers in (
        {**as_svix, "svix-signature": "v1,AAAA"},
        mixed,
        {name: as_svix[name] for name in list(as_svix)[:-1]},
    ):
        assert refusal(lambda headers=headers: source.verify(callback(body, headers=headers)))[0].startswith(
            "signature_"
        )


def test_an_id_with_a_dot_is_refused_because_dots_stand_between_what_is_signed(refusal: Callable[..., Any]) -> None:
    made = base64.b64encode(mark(signing_key(WHSEC), "msg.1", str(AT), b"{}")).decode()
    headers = {"webhook-id": "msg.1", "webhook-timestamp": str(AT), "webhook-signature": f"v1,{made}"}
    received = callback(b"{}", headers=headers)
    assert refusal(lambda: make("standard-webhooks").verify(received))[0] == "signature_missing"


def test_a_map_that_reads_a_header_nobody_signed_has_less_trust_and_one_content() -> None:
    event = {"type": 'headers["X-Topic"]'}
    verified, _ = take(signed(b'{"a":1}'), event=event)
    assert verified.trust is Trust.FIELDS
    assert verified.seal is not None
    assert verified.seal.most == 1
    assert "x-topic" in " ".join(make("standard-webhooks", event=event).advice())
    assert take(signed(b'{"a":1}'), event={"type": 'headers["webhook-id"]'})[0].trust is Trust.BODY
