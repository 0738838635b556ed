"""Acme's own tests: what a stranger writes with `gateway.testing` and nothing else of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from acme_recordings import audit
from acme_recordings.cameras import Cameras
from acme_recordings.mailboxes import Mailboxes, is_ours, own_network, path_of
from acme_recordings.shelf import Shelf

from gateway import Done, FollowUp, Refused, Retry, Source, Trust
from gateway.testing import (
    NOW,
    Case,
    FrozenClock,
    HttpSinkPromises,
    Posted,
    Received,
    Recorder,
    Reply,
    RunningGateway,
    ScriptedServer,
    SinkPromises,
    SourcePromises,
    callback,
    callbacks,
    cases,
    delivery,
    event,
    events,
    follow_ups,
    opened,
    running,
)

SECRET = "whsec_" + "YWNtZS1hY21lLWFjbWUtYWNtZS1hY21lLWFjbWUtMQ=="
OLD = "whsec_" + "b2xkZXItYWNtZS1hY21lLWFjbWUtYWNtZS1hY21lLTI="
MAIL = {"token": "a-stamp-of-acme", "people": [{"name": "ann"}, {"name": "bob"}]}


def cameras(**options: Any) -> Cameras:
    return Cameras("live", Cameras.Options.model_validate({"secrets": [SECRET, OLD], **options}))


class TestCameras(SourcePromises):
    credentials = ("webhook-signature", "webhook-timestamp")
    secrets = (SECRET, OLD)

    def make_source(self) -> Source:
        return cameras()


class TestShelf(SinkPromises):
    sink = Shelf

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def options(self, url: str) -> Mapping[str, Any]:
        return {"folder": str(self.folder)}


class TestMailboxes(HttpSinkPromises):
    sink = Mailboxes

    def options(self, url: str) -> Mapping[str, Any]:
        return {"url": url, **MAIL, "people": [{"name": "ann"}]}

    def identity(self, request: Received) -> Any:
        return request.header("x-letter")


def test_callbacks_of_every_type_are_verified() -> None:
    source = cameras()
    made = [source.normalise(one, source.verify(one)) for one in callbacks(source, now=NOW)]
    assert [[one.type for one in some] for some in made] == [
        ["recording.started"],
        ["recording.file.completed"],
        ["recording.failed"],
    ]
    unsigned = cameras(secrets=[])
    assert unsigned.verify(callback({"events": []})).trust is Trust.NONE
    assert len(unsigned.advice()) == 1
    assert isinstance(cases("body")[0], Case)


def test_who_has_got_a_letter_does_not_get_it_again() -> None:
    async def body() -> None:
        full = Reply(status=299, body=b"full")
        async with ScriptedServer(Reply(), full) as server, opened(Mailboxes, {"url": server.url, **MAIL}) as sink:
            with pytest.raises(Retry) as caught:
                await sink.deliver(delivery())
            assert caught.value.memo == {"done": ["ann"]}
            again = delivery(attempt=2, memo=caught.value.memo)
            assert await sink.deliver(again) == "2 letters"
            assert [json.loads(one.body)["to"] for one in server.received] == ["ann", "bob", "bob"]
            assert (is_ours("127.0.0.1"), is_ours("10.0.0.1"), is_ours("8.8.8.8")) == (True, False, True)
            one, two = await sink.deliver_batch([delivery(event(stream="x" * 4001)), delivery(event(number=3))])
            assert isinstance(one, Refused)
            assert two == "2 letters"
            assert await sink.connect() == "the post office takes letters"
            assert await sink.preview(delivery()) == f"2 letters about {event().id}"
            assert sink.usual_rate(sink.options) == "100/s"
            assert path_of(sink.options) is None

    asyncio.run(body())


def test_a_file_is_fetched_within_a_bound() -> None:
    async def body() -> None:
        network = httpx.MockTransport(lambda request: httpx.Response(200, content=b"x" * 100))
        async with opened(Mailboxes, {"url": "http://127.0.0.1:9", **MAIL}, transport=network) as sink:
            got = await sink.http.fetch_untrusted("http://127.0.0.1:8000/f", max_bytes=100, allow=own_network())
            assert got.body == b"x" * 100
            with pytest.raises(Refused):
                await sink.http.fetch_untrusted("http://127.0.0.1:8000/f", max_bytes=99, allow=own_network())
            with pytest.raises(Refused):
                await sink.http.fetch_untrusted("http://127.0.0.1:8000/f", max_bytes=100)

    asyncio.run(body())


def test_every_event_is_on_the_shelf_once(tmp_path: Path) -> None:
    async def body() -> None:
        async with opened(Shelf, {"folder": str(tmp_path)}) as sink:
            for one in (*events(), *events()):
                await sink.deliver(delivery(one))

    asyncio.run(body())
    assert len(list(tmp_path.iterdir())) == len(events())


def test_a_shelf_that_tells_says_where_the_file_lies(tmp_path: Path) -> None:
    async def body() -> None:
        async with opened(Shelf, {"folder": str(tmp_path), "tell": True}) as sink:
            one = delivery()
            done = await sink.deliver(one)
            assert isinstance(done, Done)
            assert isinstance(done.events[0], FollowUp)
            [event] = follow_ups(one, done)
            assert event.files[0].archived.url == (tmp_path / done.receipt).as_uri()

    asyncio.run(body())


def test_the_whole_in_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_AUDIT", str(tmp_path / "audit"))
    config = {
        "plugins": ["acme-audit"],
        "sources": {"cams": {"type": "acme", "secrets": [SECRET], "sites": "north"}},
        "sinks": {
            "shelf": {"type": "acme-second-shelf", "folder": "."},
            "app": {"type": "recorder", "delivery": {"retry": {"initial": "10s"}}},
        },
        "routes": [{"to": ["shelf", "app"]}],
    }

    async def body() -> None:
        clock = FrozenClock()
        async with running(config, folder=tmp_path, clock=clock) as gateway:
            assert isinstance(gateway, RunningGateway)
            recorder = gateway.recorder("app")
            assert isinstance(recorder, Recorder)
            recorder.answers.append(Retry("later"))
            answer = await gateway.send("clip")
            assert isinstance(answer, Posted)
            assert (answer.status, answer.json()) == (202, {"heard": 1})
            await gateway.advance(60)
            assert [one.attempt for one in recorder.seen] == [1, 2]
            assert gateway.delivered("app") == gateway.delivered("shelf")
            assert (await gateway.post({"events": []}, source="cams")).status == 401

    asyncio.run(body())
    said = [line.split()[0] for line in (tmp_path / "audit").read_text().splitlines()]
    assert {word: said.count(word) for word in ("stored", "attempt", "begin", "end")} == {
        "stored": 1,
        "attempt": 3,
        "begin": 3,
        "end": 3,
    }
    assert audit.register_sources() == []
