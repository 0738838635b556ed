"""The apprise sink: what its services answer is read, and what apprise would do beyond that is kept out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from gateway import RECORDING_FAILED, RECORDING_STARTED, Refused, Retry, Unavailable
from gateway.testing import Reply, ScriptedServer, SinkPromises, cases, delivery, event, events
from plugins.sinks.apprise import AppriseSink
from plugins.sinks.apprise import calls as calls_module
from tests.patience import PATIENCE_S
from tests.sinks.apprised import OK, ntfy, sending


class TestAppriseKeepsThePromises(SinkPromises):
    sink = AppriseSink

    def options(self, url: str) -> Mapping[str, Any]:
        return {"url": ntfy(url)}


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
        async with ScriptedServer(reply) as server, sending(ntfy(server.url)) as sink, asyncio.timeout(PATIENCE_S):
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
