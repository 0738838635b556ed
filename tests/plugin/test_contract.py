"""What plugin classes, events and answers are held to; each mistake is named with where the plugin came from."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway import (
    Alarm,
    Archived,
    Callback,
    Cause,
    Event,
    Fault,
    File,
    Measured,
    Response,
    Sink,
    Source,
    Trust,
    Verified,
    event_id,
    hookimpl,
)
from gateway.errors import PluginError
from gateway.plugin.registry import Registry
from gateway.testing import running

SINK = "from gateway import Sink\nclass Mine(Sink):\n    type = 'mine'\n"
SOURCE = "from gateway import Source\nclass Mine(Source):\n    type = 'mine'\n"
VERIFY = "    def verify(self, callback): ...\n"


def loaded(folder: Path, text: str) -> Registry:
    (folder / "mine.py").write_text(textwrap.dedent(text))
    (folder / "mine.py").chmod(0o600)
    return Registry(["./mine.py"], folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SINK, "it has no deliver; write `async def deliver(self, delivery)`"),
        (SINK + "    async def delver(self, delivery): ...", "it has no deliver"),
        (SINK + "    async def deliver(self): ...", "cannot be called with (self, delivery)"),
        (SINK + "    async def deliver(self, delivery, sink): ...", "missing a required argument: 'sink'"),
        (SINK + "    def deliver(self, delivery): ...", "its deliver is not asynchronous"),
        (
            SINK + "    async def deliver(self, delivery):\n        yield 1",
            "not asynchronous; write `async def deliver",
        ),
        (SINK + "    async def deliver(self, d): ...\n    def open(self): ...", "its open is not asynchronous"),
        (SINK + "    async def deliver(self, d): ...\n    def erased(self, e): ...", "its erased is not asynchronous"),
        (
            SINK + "    async def deliver(self, d): ...\n    async def erased(self): ...",
            "write `async def erased(self, events)",
        ),
        (
            SINK + "    async def deliver(self, d): ...\n    async def close(self, now): ...",
            "its close cannot be called",
        ),
        (SOURCE, "it has no verify; write `def verify(self, callback)`"),
        (SOURCE + VERIFY, "it has no normalise"),
        (
            SOURCE + VERIFY + "    def normalise(self, callback): ...",
            "cannot be called with (self, callback, verified)",
        ),
        (SOURCE + VERIFY + "    async def normalise(self, c, v): ...", "asynchronous, and sources are not"),
        (SOURCE + VERIFY + "    def normalise(self, c, v):\n        yield 1", "its normalise yields; return"),
        (
            "from gateway import hookimpl\n@hookimpl\nasync def event_stored(event, sinks): ...",
            "the hook event_stored is asynchronous",
        ),
        ("from gateway import hookimpl\n@hookimpl\ndef event_stord(event): ...", "did you mean event_stored?"),
    ],
)
def test_a_wrong_shape_is_found_when_it_is_loaded(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PluginError) as caught:
        loaded(tmp_path, text)
    assert said in str(caught.value)
    assert str(tmp_path / "mine.py") in str(caught.value)


@pytest.mark.parametrize(
    "deliver",
    [
        "    async def deliver(self, delivery, *, loud=False): ...",
        "    async def deliver(self, *all): ...",
        "    @logged\n    async def deliver(self, delivery): ...",
        "    @staticmethod\n    async def deliver(delivery): ...",
    ],
)
def test_a_method_that_can_be_called_is_well(tmp_path: Path, deliver: str) -> None:
    wrapped = "import functools\ndef logged(f):\n    @functools.wraps(f)\n    def g(*a):\n        return f(*a)\n    return g\n"
    assert loaded(tmp_path, wrapped + SINK + deliver).sink("mine").origin == str(tmp_path / "mine.py")


def test_a_class_cannot_be_a_hook_plugin() -> None:
    class Hooks:
        @hookimpl
        def event_stored(self, event: Any) -> None: ...

    with pytest.raises(PluginError, match="Hooks is a class; name a module or an object"):
        Registry().register(Hooks, "acme 1.0")


# -- what a source gives


class Odd(Source):
    """Says what the test wants."""

    type = "odd"
    scenes = ("x",)
    gives: Callable[[Odd, Event], Any]
    verified: Any = Verified(trust=Trust.BODY, scheme="odd")
    answer: Any = None

    def verify(self, callback: Callback) -> Verified:
        return type(self).verified

    def normalise(self, callback: Callback, verified: Verified) -> Any:
        event = Event(
            id=event_id(self.name, "recording.started", None, None, "s", None, [callback.body.decode()]),
            type="recording.started",
            source=self.name,
            provider="odd",
            stream="s",
            received_at=callback.received_at,
            trust=verified.trust,
        )
        return type(self).gives(self, event)

    def acknowledge(self, callback: Callback, events: Any) -> Any:
        return type(self).answer


def odd(gives: Callable[[Event], Any], **members: Any) -> type[Odd]:
    return type("Odd", (Odd,), {"gives": lambda _self, event: gives(event), **members})


CONFIG = {
    "sources": {"live": {"type": "odd"}},
    "sinks": {"app": {"type": "recorder"}},
    "routes": [{"match": {"stream": "s*"}, "to": ["app"]}, {"to": ["app"]}],
}


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        (lambda event: None, "returned a NoneType, not a list of events"),
        (lambda event: event, "returned a Event, not a list of events"),
        (lambda event: iter([event]), "returned a list_iterator"),
        (lambda event: [event, {"id": 1}], "returned a dict among its events"),
        (lambda event: [replace(event, source="other")], "write `source=self.name`"),
        (lambda event: [replace(event, type="recording.paused")], "type is 'recording.paused'; there are"),
        (lambda event: [replace(event, id="")], "make it with gateway.event_id"),
        (lambda event: [replace(event, id=7)], "make it with gateway.event_id"),
        (lambda event: [replace(event, provider=None)], "provider is no text"),
        (lambda event: [replace(event, stream=7)], "stream is a int, not text"),
        (lambda event: [replace(event, received_at=datetime(2026, 1, 1))], "received_at is not an aware datetime"),
        (lambda event: [replace(event, time="2026-01-01")], "time is not an aware datetime"),
        (lambda event: [replace(event, files=[{"url": "x"}])], "files is not a tuple of gateway.File"),
        (lambda event: [replace(event, problems=("a", 1))], "problems is not a tuple of text"),
        (lambda event: [replace(event, error="broken")], "error is no gateway.Fault"),
        (lambda event: [replace(event, raw="text")], "raw is not bytes"),
        (lambda event: [replace(event, alarm=Alarm(about="store"))], "alarms are the gateway's own"),
        (lambda event: [replace(event, cause="s~1")], "cause is no gateway.Cause"),
        (lambda event: [replace(event, cause=Cause(7, "app"))], "cause.id is a int, not text"),  # type: ignore[arg-type]
        (lambda event: [replace(event, cause=Cause("1", "app"), depth=-1)], "depth is no whole number from 0"),
        (lambda event: [replace(event, depth=True)], "depth is no whole number from 0"),
        (lambda event: [replace(event, reconciled=1)], "reconciled is neither true nor false"),
        (lambda event: [replace(event, extra={"a": {1, 2}})], ""),
        (lambda event: [replace(event, extra={"a": "\ud800"})], ""),
        (lambda event: [replace(event, error=Fault(message=5))], "error.message is a int, not text"),  # type: ignore[arg-type]
        (
            lambda event: [replace(event, files=(File(), File(size_bytes="1")))],  # type: ignore[arg-type]
            "files[1].size_bytes is a str, not a whole",
        ),
        (lambda event: [replace(event, files=(File(width=True),))], "files[0].width is a bool, not a whole number"),
        (lambda event: [replace(event, files=(File(ended_at=datetime(2026, 1, 1)),))], "ended_at is not an aware"),
        (lambda event: [replace(event, files=(File(duration_seconds=float("nan")),))], ""),
        (
            lambda event: [replace(event, files=(File(measured=Measured(at=event.received_at, by=None, etag=b"x")),))],  # type: ignore[arg-type]
            "files[0].measured.etag is a bytes, not text",
        ),
        (
            lambda event: [replace(event, files=(File(archived=Archived(url="s3://x", at="today")),))],  # type: ignore[arg-type]
            "files[0].archived.at is a str, not a datetime",
        ),
    ],
)
async def test_nonsense_of_a_source_is_not_acknowledged_and_the_callback_is_kept(
    gives: Callable[[Event], Any], said: str
) -> None:
    from structlog.testing import capture_logs

    async with running(CONFIG, plugins=[odd(gives)]) as gateway:
        with capture_logs() as logs:
            answer = await gateway.post(b"1")
        assert (answer.status, answer.json()["code"]) == (500, "source_failed")
        assert gateway.events() == []
        with gateway._admin() as admin:
            [kept] = admin.refused()
        assert kept.refusal.body == b"1"
    [line] = [line for line in logs if line["event"] == "source_failed"]
    assert (line["source"], line["type"], line["plugin"], line["step"]) == ("live", "odd", "the test", "normalise")
    assert said in str(line["exc_info"])


async def test_a_source_that_exits_ends_nothing_but_its_own_step() -> None:
    def leaves(event: Event) -> Any:
        raise SystemExit(3)

    async with running(CONFIG, plugins=[odd(leaves)]) as gateway:
        answer = await gateway.post(b"1")
        assert (answer.status, answer.json()["code"]) == (500, "source_failed")
        with gateway._admin() as admin:
            assert len(admin.refused()) == 1


async def test_a_source_that_forgets_to_return_its_verdict_lets_nobody_in() -> None:
    async with running(CONFIG, plugins=[odd(lambda event: [event], verified=None)]) as gateway:
        assert (await gateway.post(b"1")).status == 500
        assert gateway.events() == []


@pytest.mark.parametrize(
    "answer",
    [{"ok": 1}, "ok", Response(100), Response(True), Response(200, "text"), Response("200", b""), Response(204, b"x")],  # type: ignore[arg-type]
)
async def test_an_answer_that_cannot_be_sent_is_replaced_by_the_usual_one(answer: Any) -> None:
    async with running(CONFIG, plugins=[odd(lambda event: [event], answer=answer)]) as gateway:
        said = await gateway.post(b"1")
        assert (said.status, said.json()["status"]) == (200, "accepted")
        assert len(gateway.delivered()) == 1


async def test_an_answer_of_a_sources_own_is_sent_after_the_commit() -> None:
    own = odd(lambda event: [event], answer=Response(202, b"<ok/>", "text/xml"))
    async with running(CONFIG, plugins=[own]) as gateway:
        said = await gateway.post(b"1")
        assert (said.status, said.body, said.headers["content-type"]) == (202, b"<ok/>", "text/xml")


async def test_an_event_without_the_vendors_bytes_gets_them() -> None:
    async with running(CONFIG, plugins=[odd(lambda event: (event,))]) as gateway:
        await gateway.post(b"as it came")
        assert [event.raw for event in gateway.events()] == [b"as it came"]


async def test_a_sink_of_the_test_is_named_by_where_it_came_from() -> None:
    class Wrong(Sink):
        type = "wrong"

        async def deliver(self, delivery: Any) -> Any:
            raise SystemExit(3)

    made = {**CONFIG, "sinks": {"app": {"type": "wrong"}}}
    async with running(made, plugins=[odd(lambda event: [event]), Wrong]) as gateway:
        await gateway.post(b"1")
        [row] = gateway.deliveries()
        assert row.last_error is not None
        assert "from the test" in row.last_error
        assert "SystemExit" in row.last_error
