"""The forward in every dress: CloudEvents' binary mode, the vendor's callback signed afresh, each signature, each way in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from msgspec.structs import replace

from gateway import EVENT_TYPES, Refused, Trust, Unavailable, to_document, verify_webhook
from gateway.signing.ed25519 import generate
from gateway.testing import NOW, FrozenClock, HttpSinkPromises, Reply, ScriptedServer, callback, delivery, event
from plugins.sinks.forward import Forward
from plugins.sources.huawei_live import HuaweiLive, HuaweiLiveOptions
from tests.egress.test_client_tls import make_certificate, server_context
from tests.sinks.test_forward import AFRESH, GITHUB, NEW, OLD, SIGN, forwarding

CALLBACK = json.dumps(
    {
        "event_type": "RECORD_FILE_COMPLETE",
        "publish_domain": "push.example.com",
        "app": "live",
        "stream": "直播-1",
        "job_id": "j",
        "download_url": "https://a/b.m3u8",
        "auth_sign": "0" * 64,
        "auth_timestamp": "1",
    },
    ensure_ascii=False,
).encode()


def vendors_own() -> Any:
    """An event as a callback of the vendor becomes one."""
    return event(provider="huawei-live", raw=CALLBACK, raw_type="application/json;charset=UTF-8", trust=Trust.FIELDS)


class TestBinaryModeKeepsThePromises(HttpSinkPromises):
    sink = Forward

    def options(self, url: str) -> Mapping[str, Any]:
        return {"url": f"{url}/", "body": "binary", "sign": [SIGN, GITHUB]}


# -- bodies


@pytest.mark.parametrize("kind", EVENT_TYPES)
async def test_binary_mode_says_in_headers_and_body_what_the_event_says_in_one_piece(kind: str) -> None:
    one = event(kind, stream='录制 "100%"~é')
    async with ScriptedServer() as server, forwarding(server.url, body="binary", sign=SIGN) as sink:
        await sink.deliver(delivery(one))
        [got] = server.received
    said: dict[str, Any] = {name[3:]: unquote(value) for name, value in got.headers if name.startswith("ce-")}
    said |= {name: json.loads(said[name]) for name in ("cause", "depth") if name in said}
    document = to_document(one)
    assert json.loads(got.body) == document.pop("data")
    assert document.pop("datacontenttype") == got.header("content-type") == "application/json"
    assert said == document
    assert verify_webhook(got.body, dict(got.headers), OLD, now=NOW) == one.id


async def test_a_binary_header_is_encoded_as_the_cloudevents_binding_says() -> None:
    one = event(domain="a", app="b", stream='录 "%')
    async with ScriptedServer() as server, forwarding(server.url, body="binary") as sink:
        await sink.deliver(delivery(one))
        assert server.received[0].header("ce-subject") == "a/b/%E5%BD%95%20%22%25"


@pytest.mark.parametrize("scheme", ["hmac-sha256", "hmac-sha256-timestamp", "MD5"])
async def test_a_receiver_written_for_the_vendor_works_unchanged_behind_the_gateway(scheme: str) -> None:
    clock = FrozenClock()
    sign = {**AFRESH, "sign_type": scheme, "validity": "10m"}
    async with (
        ScriptedServer(Reply(status=503)) as server,
        forwarding(server.url, clock, body="huawei-live", sign=sign) as sink,
    ):
        with pytest.raises(Exception, match="503"):
            await sink.deliver(delivery(vendors_own()))
        clock.advance(3600)
        await sink.deliver(delivery(vendors_own(), attempt=2))
        first, got = server.received
    receiver = HuaweiLive("x", HuaweiLiveOptions.model_validate({"keys": [AFRESH["key"]], "sign_type": scheme}))
    verified = receiver.verify(callback(got.body, received_at=clock.now()))
    assert verified.validity == 600
    assert got.header("content-type") == "application/json;charset=UTF-8"
    assert got.header("recording-gateway-trust") == "fields"
    assert first.body != got.body
    said, sent = json.loads(CALLBACK), json.loads(got.body)
    assert {**sent, "auth_sign": "", "auth_timestamp": ""} == {**said, "auth_sign": "", "auth_timestamp": ""}


async def test_only_a_callback_of_the_vendor_can_be_signed_afresh() -> None:
    async with ScriptedServer() as server, forwarding(server.url, body="huawei-live", sign=AFRESH) as sink:
        for wrong, words in [
            (event(provider="another"), "came from 'another'"),
            (replace(vendors_own(), raw=b""), "not a JSON object"),
            (replace(vendors_own(), raw=b"[]"), "not a JSON object"),
            (replace(vendors_own(), raw=b'{"stream": 5}'), "stream is not text"),
        ]:
            with pytest.raises(Refused, match=words):
                await sink.deliver(delivery(wrong))
        assert not server.received


async def test_raw_carries_the_media_type_the_vendors_bytes_came_with() -> None:
    async with ScriptedServer() as server, forwarding(server.url, body="raw") as sink:
        for kind in ("application/x-www-form-urlencoded", "text/plain; charset=gbk", "", "application/\x80"):
            await sink.deliver(delivery(event(raw=b"a=1", raw_type=kind)))
        assert [got.header("content-type") for got in server.received] == [
            "application/x-www-form-urlencoded",
            "text/plain; charset=gbk",
            "application/json",
            "application/octet-stream",
        ]


@pytest.mark.parametrize("body", ["event", "binary", "raw"])
async def test_content_type_replaces_that_of_the_body(body: str) -> None:
    kind = "application/json; charset=utf-8"
    async with ScriptedServer() as server, forwarding(server.url, body=body, content_type=kind) as sink:
        await sink.deliver(delivery(event(raw=b"{}")))
        assert [value for name, value in server.received[0].headers if name == "content-type"] == [kind]


# -- signatures


async def test_every_signature_is_made_at_once_over_exactly_the_bytes_sent() -> None:
    key = generate()
    sign = [
        {"scheme": "standard-webhooks", "secrets": [OLD, key.text, NEW]},
        GITHUB,
        {**AFRESH, "sign_type": "hmac-sha256-fields"},
    ]
    one = vendors_own()
    async with ScriptedServer() as server, forwarding(server.url, body="huawei-live", sign=sign) as sink:
        await sink.deliver(delivery(one))
        [got] = server.received
    for secret in (OLD, NEW, key.public):
        assert verify_webhook(got.body, dict(got.headers), secret, now=NOW) == one.id
    wanted = hmac.new(GITHUB["secret"].encode(), got.body, hashlib.sha256).hexdigest()
    assert got.header("x-hub-signature-256") == f"sha256={wanted}"
    options = {"keys": [AFRESH["key"]], "domains": ["push.example.com"], "apps": ["live"]}
    receiver = HuaweiLive("x", HuaweiLiveOptions.model_validate(options))
    assert receiver.verify(callback(got.body, received_at=NOW)).trust is Trust.FIELDS


async def test_githubs_own_example_comes_out() -> None:
    """https://docs.github.com/webhooks, "Validating webhook deliveries"."""
    sign = {"scheme": "github", "secret": "It's a Secret to Everybody"}
    async with ScriptedServer() as server, forwarding(server.url, body="raw", sign=sign) as sink:
        await sink.deliver(delivery(event(raw=b"Hello, World!")))
        [got] = server.received
    assert got.header("x-hub-signature-256") == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )
    assert got.header("webhook-signature") is None


async def test_a_key_whose_library_cannot_be_loaded_opens_the_circuit_and_not_the_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from gateway.signing import ed25519

    def broken(self: ed25519.PrivateKey) -> None:
        raise ImportError("libssl is gone")

    seed = "whsk_" + base64.b64encode(b"a seed alone: nothing is loaded "[:32]).decode()
    monkeypatch.setattr(ed25519.PrivateKey, "load", broken)
    with pytest.raises(Unavailable, match="Ed25519"):
        async with forwarding("http://127.0.0.1:9", sign={"secrets": [seed]}):
            pass


# -- ways in


async def test_a_forward_through_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head)
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, str(path))
    async with forwarding("http://app.internal/recordings", uds=str(path), sign=SIGN) as sink:
        assert await sink.deliver(delivery()) == "HTTP 204"
    server.close()
    await server.wait_closed()
    [head] = seen
    assert head.startswith(b"POST /recordings HTTP/1.1\r\n")
    assert b"host: app.internal\r\n" in head.lower()
    assert b"webhook-signature: v1," in head.lower()


async def test_mutual_tls_with_a_private_authority(tmp_path: Path) -> None:
    authority, key = make_certificate(tmp_path, "authority")
    certificate, _ = make_certificate(tmp_path, "127.0.0.1", key)
    ours, _ = make_certificate(tmp_path, "client", key)
    context = server_context(certificate, authority)
    assert context.verify_mode is ssl.CERT_REQUIRED
    async with ScriptedServer(tls=context) as server:
        async with forwarding(server.url, ca=str(authority), certificate=str(ours), sign=SIGN) as sink:
            assert await sink.deliver(delivery()) == "HTTP 200"
        certificate_alone, key_alone = tmp_path / "alone.crt", tmp_path / "alone.key"
        for file, word in ((certificate_alone, "CERTIFICATE"), (key_alone, "PRIVATE KEY")):
            parts = re.findall(
                rf"-----BEGIN [A-Z ]*{word}-----.*?-----END [A-Z ]*{word}-----\n", ours.read_text(), re.DOTALL
            )
            file.write_text("".join(parts))
        apart: dict[str, Any] = {"certificate": str(certificate_alone), "key": str(key_alone)}
        async with forwarding(server.url, ca=str(authority), sign=SIGN, **apart) as sink:
            assert await sink.deliver(delivery()) == "HTTP 200"
        async with forwarding(server.url, ca=str(authority), sign=SIGN) as sink:
            with pytest.raises(Exception, match=r"TLS|closed|reset"):
                await sink.deliver(delivery())
        assert len(server.received) == 2


async def test_an_unknown_authority_is_taken_only_where_that_is_written_down(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path, "127.0.0.1")
    async with ScriptedServer(tls=server_context(certificate)) as server:
        async with forwarding(server.url, sign=SIGN) as sink:
            with pytest.raises(Exception, match="certificate"):
                await sink.deliver(delivery())
        assert not server.received
        async with forwarding(server.url, verify=False, sign=SIGN) as sink:
            assert await sink.deliver(delivery()) == "HTTP 200"


def test_the_vendors_words_want_a_signature_over_them() -> None:
    def wanted(**options: Any) -> Trust:
        read = Forward.Options.model_validate({"url": "http://127.0.0.1:9/", **options})
        return Forward("x", read, http=None, log=None).wanted_trust  # type: ignore[arg-type]

    assert wanted() is wanted(body="binary") is Trust.NONE
    assert wanted(body="raw") is wanted(body="huawei-live", sign=AFRESH) is Trust.FIELDS


def test_a_duration_of_validity_is_read() -> None:
    read = Forward.Options.model_validate(
        {"url": "http://127.0.0.1:9/", "body": "huawei-live", "sign": {**AFRESH, "validity": "90s"}}
    )
    scheme: Any = read.signs[0]
    assert scheme.validity == timedelta(seconds=90)
