"""The apprise sink: URLs that may be used, previews, advice, and bounds of every call."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from msgspec.structs import replace
from pydantic import ValidationError

from gateway import Fault, Retry, Secret, Unavailable
from gateway.testing import Reply, ScriptedServer, delivery, event
from plugins.sinks.apprise import AppriseOptions, AppriseSink
from plugins.sinks.apprise import calls as calls_module
from plugins.sinks.apprise.options import NATIVE, USUAL, schema_of
from tests.sinks.apprised import OK, ntfy, sending


async def test_a_url_that_apprise_cannot_use_opens_the_circuit() -> None:
    with pytest.raises(Unavailable, match="cannot use this pover://"):
        async with sending("pover://x"):
            pass


async def test_a_service_that_needs_another_library_opens_the_circuit() -> None:
    with pytest.raises(Unavailable, match="needs another library for growl://"):
        async with sending("growl://127.0.0.1", allow_schemas="growl"):
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
            seen = calls.collect()
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
