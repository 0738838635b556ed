"""The apprise sink: what its services answer is read, and what apprise would do beyond that is kept out."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from msgspec.structs import replace
from pydantic import ValidationError

from gateway import RECORDING_FAILED, RECORDING_STARTED, Fault, Http, Refused, Retry, Secret, Unavailable
from gateway.testing import FrozenClock, Reply, ScriptedServer, SinkPromises, cases, delivery, event, events
from plugins.sinks.apprise import AppriseOptions, AppriseSink
from plugins.sinks.apprise import calls as calls_module
from plugins.sinks.apprise.options import NATIVE, USUAL, schema_of

OK = Reply(headers=[("content-type", "application/json")], body=b'{"id": "x"}')


def ntfy(url: str) -> str:
    return url.replace("http://", "ntfy://") + "/apprise-canary-topic"


class TestAppriseKeepsThePromises(SinkPromises):
    sink = AppriseSink

    def options(self, url: str) -> Mapping[str, Any]:
        return {"url": ntfy(url)}


@asynccontextmanager
async def sending(url: str, **options: Any) -> AsyncIterator[AppriseSink]:
    http = Http(clock=FrozenClock())
    sink = AppriseSink("phone", AppriseOptions.model_validate({"url": url, **options}), http=http, log=None)  # type: ignore[arg-type]
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()
        await http.close()


async def test_an_event_of_every_type_is_one_message_with_its_title_facts_and_links() -> None:
    async with ScriptedServer(otherwise=OK) as server, sending(ntfy(server.url)) as sink:
        for number, one in enumerate(events(), 1):
            assert await sink.deliver(delivery(one)) == "HTTP 200"
            assert len(server.received) == number
        sent = {one.type: json.loads(got.body) for one, got in zip(events(), server.received, strict=True)}
    finished = sent["recording.file.completed"]
    assert finished["topic"] == "apprise-canary-topic"
    assert finished["title"] == "✅ Recording file ready · mystream"
    assert "Duration: 2m\n" in finished["message"]
    assert "Play: https://play.example.com/live/mystream/index.m3u8" in finished["message"]
    assert "PULL_FAILED" in sent[RECORDING_FAILED]["message"]
    assert sent[RECORDING_FAILED]["title"].startswith("❌")
    assert sent[RECORDING_STARTED]["title"].startswith("🔵")


async def test_language_zone_and_links_are_as_configured() -> None:
    options = {"language": "zh-CN", "timezone": "Asia/Shanghai", "links": "none"}
    async with ScriptedServer(otherwise=OK) as server, sending(ntfy(server.url), **options) as sink:
        await sink.deliver(delivery(replay=True))
        said = json.loads(server.received[0].body)
    assert said["title"] == "✅ 录制文件完成（重发） · mystream"
    assert "+08:00" in said["message"]
    assert "https://" not in said["message"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Refused) for status in (400, 413)),
        *((status, Unavailable) for status in (302, 401, 403, 410)),
        *((status, Retry) for status in (404, 429, 500, 503)),
    ],
)
async def test_a_status_means_what_it_means_for_every_sink(status: int, outcome: type[Exception]) -> None:
    reply = Reply(status=status, headers=[("Retry-After", "77"), ("Location", "http://127.0.0.1:1/")], body=b"why")
    async with ScriptedServer(reply) as server, sending(ntfy(server.url)) as sink:
        with pytest.raises(outcome, match=f"HTTP {status} from 127.0.0.1") as failed:
            await sink.deliver(delivery())
        assert len(server.received) == 1
    assert type(failed.value) is outcome
    if status == 429:
        assert failed.value.after == timedelta(seconds=77)  # type: ignore[attr-defined]
        assert failed.value.service  # type: ignore[attr-defined]


async def test_a_redirect_is_not_followed_whatever_the_url_says() -> None:
    async with ScriptedServer() as other:
        reply = Reply(status=307, headers=[("Location", other.url)])
        async with ScriptedServer(reply) as server, sending(ntfy(server.url) + "?redirect=yes&retry=3") as sink:
            with pytest.raises(Unavailable):
                await sink.deliver(delivery())
            assert len(server.received) == 1
        assert other.connections == 0


async def test_no_picture_is_named_whatever_the_url_says() -> None:
    async with ScriptedServer(otherwise=OK) as server, sending(ntfy(server.url) + "?image=yes") as sink:
        await sink.deliver(delivery())
        assert "icon" not in server.received[0].body.decode()
        assert "github" not in str(server.received[0].headers)


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer() as proxy, ScriptedServer(otherwise=OK) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        async with sending(ntfy(server.url)) as sink:
            await sink.deliver(delivery())
        assert (proxy.connections, len(server.received)) == (0, 1)


async def test_what_the_network_does_is_a_retry_of_the_service() -> None:
    async with ScriptedServer() as gone:
        url = gone.url
    async with sending(ntfy(url)) as sink:
        with pytest.raises(Retry, match="ConnectionError") as failed:
            await sink.deliver(delivery())
    assert failed.value.service
    async with ScriptedServer(Reply(raw=b"junk\r\n\r\n")) as server, sending(ntfy(server.url)) as sink:
        with pytest.raises(Retry) as failed:
            await sink.deliver(delivery())
    assert failed.value.service


async def test_an_answer_that_does_not_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "CALL_SECONDS_MAX", 0.2)
    monkeypatch.setattr(calls_module, "_IDLE_SECONDS", 0.3)
    for reply in (Reply(drip=True), Reply(hang=True)):
        async with ScriptedServer(reply) as server, sending(ntfy(server.url)) as sink, asyncio.timeout(5):
            with pytest.raises(Retry, match="Timeout"):
                await sink.deliver(delivery())


async def test_a_long_answer_is_cut() -> None:
    long = Reply(body=b"{" + b" " * 200_000)
    async with ScriptedServer(long) as server, sending(ntfy(server.url)) as sink:
        assert await sink.deliver(delivery()) == "HTTP 200"


async def test_a_service_that_says_no_in_the_body_of_a_200_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """ServerChan's address cannot be configured, so its plugin is pointed to a server here."""
    replies = [Reply(body=b'{"code": 40001, "message": "bad push type"}'), Reply(body=b"<html>"), Reply(body=b"[]")]
    async with (
        ScriptedServer(*replies, otherwise=Reply(body=b'{"code": 0}')) as server,
        sending("schan://apprisecanarykey") as sink,
    ):
        plugin, _ = await sink._worker.run(sink._make)
        monkeypatch.setattr(type(plugin), "notify_url", server.url + "/", raising=False)
        monkeypatch.setattr(
            calls_module.Calls, "request", _redirected(calls_module.Calls.request, server.url), raising=True
        )
        with pytest.raises(Retry, match=r"says no.*40001"):
            await sink.deliver(delivery())
        with pytest.raises(Retry, match="not in JSON"):
            await sink.deliver(delivery())
        with pytest.raises(Retry, match="says no"):
            await sink.deliver(delivery())
        assert await sink.deliver(delivery()) == "HTTP 200"


def _redirected(real: Any, url: str) -> Any:
    return lambda self, method, _url, **rest: real(self, method, url, **rest)


async def test_hostile_text_mentions_nobody_and_changes_no_target() -> None:
    async with ScriptedServer(otherwise=OK) as server, sending(ntfy(server.url)) as sink:
        for case in cases("stream"):
            await sink.deliver(delivery(event(stream=case.value)))
            said = json.loads(server.received[-1].body)
            assert said["topic"] == "apprise-canary-topic", case.id
            for text in (said["title"], said["message"].split("\nPlay:")[0]):
                assert not {"@everyone", "@all", "<at", "<!", "](", "<script"} & {
                    part for part in ("@everyone", "@all", "<at", "<!", "](", "<script") if part in text
                }, case.id
            assert "\n" not in said["title"]


async def test_a_key_in_the_path_is_masked_where_the_service_repeats_it() -> None:
    reply = Reply(status=400, body=b"no such topic: apprise-canary-topic")
    async with ScriptedServer(reply) as server, sending(ntfy(server.url)) as sink:
        with pytest.raises(Refused) as refused:
            await sink.deliver(delivery())
    assert "canary" not in str(refused.value)


async def test_a_plugin_that_breaks_is_a_retry_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sending("ntfy://127.0.0.1:9/apprise-canary-topic") as sink:
        plugin, _ = await sink._worker.run(sink._make)

        def broken(*_: Any, **__: Any) -> bool:
            raise KeyError("apprise-canary-secret")

        monkeypatch.setattr(type(plugin), "notify", broken)
        with pytest.raises(Retry, match="failed: KeyError") as failed:
            await sink.deliver(delivery())
        assert "canary" not in str(failed.value)
        monkeypatch.setattr(type(plugin), "notify", lambda *_, **__: False)
        with pytest.raises(Retry, match="and not why"):
            await sink.deliver(delivery())
        monkeypatch.setattr(type(plugin), "notify", lambda *_, **__: True)
        assert await sink.deliver(delivery()) == "sent"


async def test_each_message_is_sent_though_it_repeats_the_last() -> None:
    """Because a plugin of apprise remembers what it sent and leaves a repeat out."""
    async with ScriptedServer(otherwise=OK) as server, sending(ntfy(server.url)) as sink:
        for _ in range(3):
            await sink.deliver(delivery())
        assert len(server.received) == 3


async def test_a_url_that_apprise_cannot_use_opens_the_circuit() -> None:
    with pytest.raises(Unavailable, match="cannot use this pover://"):
        async with sending("pover://x"):
            pass


async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(Unavailable, match=r"\.\[apprise\]"):
        async with sending("ntfy://127.0.0.1:9/topic"):
            pass


async def test_a_preview_names_the_schema_and_the_text_and_nothing_of_the_key() -> None:
    sink = AppriseSink(
        "phone",
        AppriseOptions.model_validate({"url": "ntfys://h/apprise-canary-topic"}),
        http=None,  # type: ignore[arg-type]
        log=None,  # type: ignore[arg-type]
    )
    said = await sink.preview(delivery())
    assert said.startswith("ntfys:// (success)\n\n✅ Recording file ready")
    assert "canary" not in said


@pytest.mark.parametrize(
    ("options", "where", "words"),
    [
        ({"url": "CANARY"}, "url", "as apprise writes it"),
        ({"url": "https://discord.com/api/webhooks/CANARY"}, "url", "for https://, list it in `allow_schemas`"),
        ({"url": "json://127.0.0.1/CANARY"}, "url", "for json://"),
        ({"url": "feishu://CANARY"}, "url", "`type: chat` with `service: feishu`"),
        ({"url": "LARK://CANARY"}, "url", "`service: feishu`"),
        ({"url": "dingtalk://CANARY"}, "url", "`service: dingtalk`"),
        ({"url": "wecombot://CANARY"}, "url", "`service: wecom`"),
        ({"url": "mailtos://CANARY"}, "url", "`type: email`"),
        ({"url": "feishu://CANARY", "allow_schemas": "feishu"}, "allow_schemas.0", "knows its answers"),
        ({"url": "ntfys://CANARY", "allow_schemas": ["ntfy"]}, "url", "for ntfys://"),
        ({"url": "ntfys://x", "allow_schemas": ["Ntfy://"]}, "allow_schemas.0", "a schema of apprise"),
    ],
)
def test_a_url_that_may_not_be_used_is_refused_without_being_shown(options: Any, where: str, words: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        AppriseOptions.model_validate(options)
    [problem] = wrong.value.errors(include_input=False)
    assert ".".join(map(str, problem["loc"])) == where
    assert words in problem["msg"]
    assert "CANARY" not in problem["msg"]


def test_another_schema_may_be_allowed() -> None:
    assert AppriseOptions.model_validate({"url": "json://127.0.0.1/x", "allow_schemas": "json"})


def test_advice_names_unchecked_certificates() -> None:
    def advice(url: str) -> list[str]:
        return AppriseSink("x", AppriseOptions.model_validate({"url": url}), http=None, log=None).advice()  # type: ignore[arg-type]

    assert advice("ntfys://h/t") == []
    assert "verify=no" in advice("ntfys://h/t?verify=no")[0]


async def test_a_message_that_would_be_too_long_is_shortened_and_then_loses_its_links() -> None:
    file = event().files[0]
    long = event(files=(replace(file, download_url="https://x/" + "y" * 4000),), error=Fault(message="z" * 5000))
    async with ScriptedServer(otherwise=OK) as server, sending(ntfy(server.url)) as sink:
        await sink.deliver(delivery(long))
        said = json.loads(server.received[0].body)["message"]
    assert len(said) < 3000
    assert "https://" not in said
    assert f"gateway events show {long.id}" in said


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head"])
async def test_every_way_to_call_is_bounded_and_seen(method: str) -> None:
    async with ScriptedServer(Reply(status=302, headers=[("Location", "/elsewhere")])) as server:
        calls = calls_module.Calls(requests)

        def call() -> tuple[Any, list[calls_module.ServiceCall]]:
            seen = calls.begin()
            return getattr(calls, method)(server.url), seen

        answer, seen = await asyncio.to_thread(call)
        assert (answer.status_code, seen[0].status, len(server.received)) == (302, 302, 1)
        assert server.received[0].method == method.upper()
        assert calls.codes is requests.codes


async def test_an_answer_that_ends_too_early_is_a_retry() -> None:
    half = Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{")
    async with ScriptedServer(half) as server, sending(ntfy(server.url)) as sink:
        with pytest.raises(Retry, match="ConnectionError"):
            await sink.deliver(delivery())


async def test_a_service_that_is_not_reached_over_http_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sending("syslog://daemon", allow_schemas="syslog") as sink:
        plugin, _ = await sink._worker.run(sink._make)
        monkeypatch.setattr(type(plugin), "notify", lambda *_, **__: True)
        assert await sink.deliver(delivery()) == "sent"


def test_the_documents_name_what_is_refused_and_every_address_shown_is_one() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "sinks.md").read_text().split("\n## apprise\n")[1]
    text = text.split("\n## ")[0]
    told = set(re.findall(r"`(\w+)`", text.split("are refused (")[1].split(")")[0]))
    assert told == {schema for schema in NATIVE if schema not in {"workflow", "mmosts", "rockets", "mailtos"}}
    for url in re.findall(r"`(\w+://[A-Z][^` ]*|\w+://[^` ]*/[A-Z][^` ]*)`", text):
        assert schema_of(Secret(url)) in USUAL, url
