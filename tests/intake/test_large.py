"""One large callback that is genuine makes nobody else wait: what is made of it leaves the loop."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from gateway.events import cloudevents
from gateway.intake import intake, pipeline
from gateway.plugin import Played, Scene
from gateway.testing import NOW, FrozenClock, running

KEY = "a-key-of-thirty-two-characters-00"


def recorded_meeting(source: Any, files: int) -> Played:
    said = json.loads(source.play(Scene(type="recording.completed", number=files, now=NOW)).body)
    meeting = said["payload"]["object"]
    (file,) = meeting["recording_files"]
    meeting["recording_files"] = [{**file, "id": f"{file['id']}{n}"} for n in range(files)]
    body = json.dumps(said).encode()
    return Played(body=body, headers=source.headers(body, int(NOW.timestamp()), KEY.encode()))


@pytest.mark.parametrize(("files", "apart"), [(1, False), (1900, True)])
async def test_what_a_large_callback_costs_leaves_the_loop(
    files: int, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[bool] = []
    main = threading.get_ident()

    def told(name: str, real: Any) -> Any:
        def work(*args: Any, **kwargs: Any) -> Any:
            where.append(threading.get_ident() != main)
            return real(*args, **kwargs)

        return work

    monkeypatch.setattr(intake, "verify", told("verify", pipeline.verify))
    monkeypatch.setattr(intake, "normalise", told("normalise", pipeline.normalise))
    monkeypatch.setattr(intake, "render", told("render", cloudevents.render))
    config = {
        "sources": {"zoom": {"type": "zoom", "keys": [KEY], "max_body": "4MiB"}},
        "sinks": {"app": {"type": "recorder"}},
        "routes": [{"where": "event.data.files.exists(f, f.format == 'mp4')", "to": ["app"]}],
    }
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        answer = await gateway.post(recorded_meeting(gateway.source(), files))
        assert answer.status == 200, answer.body
        assert where == [apart] * 3
        (event,) = gateway.delivered("app")
        assert len(event.files) == files


async def test_a_large_callback_that_is_refused_is_told_as_any_other() -> None:
    async with running({"sources": {"zoom": {"type": "zoom", "keys": [KEY]}}}, clock=FrozenClock(NOW)) as gateway:
        good = recorded_meeting(gateway.source(), 100)
        assert len(good.body) > intake.LARGE_BODY_BYTES
        bad = await gateway.post(Played(body=good.body + b" ", headers=good.headers))
        assert (bad.status, bad.json()["code"]) == (401, "signature_mismatch")
        assert (await gateway.post(good)).status == 200


@pytest.mark.parametrize(("size", "apart"), [(16 * 1024, False), (16 * 1024 + 1, True)])
async def test_what_a_stranger_sends_is_read_off_the_loop_from_16_kib(
    size: int, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 16 KiB the worst body of the dearest source costs the loop 0.9 ms: docs/operations.md."""
    where: list[bool] = []
    main = threading.get_ident()

    def told(*args: Any) -> Any:
        where.append(threading.get_ident() != main)
        return pipeline.verify(*args)

    monkeypatch.setattr(intake, "verify", told)
    config = {"sources": {"calls": {"type": "twilio", "keys": [KEY], "url": "https://example.com/hooks/calls"}}}
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        form = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "A" * 27 + "="}
        answer = await gateway.post(b"a=" + b"x" * (size - 2), headers=form)
    assert answer.status == 401
    assert where == [apart]


async def test_a_body_counts_as_a_strangers_until_its_sender_is_known_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []

    def verify(source: Any, callback: Any, *more: Any) -> Any:
        callback.when_known(lambda: order.append("given back"))
        order.append("verified")
        return pipeline.verify(source, callback, *more)

    def normalise(*args: Any, **more: Any) -> Any:
        order.append("normalised")
        return pipeline.normalise(*args, **more)

    monkeypatch.setattr(intake, "verify", verify)
    monkeypatch.setattr(intake, "normalise", normalise)
    async with running({"sources": {"zoom": {"type": "zoom", "keys": [KEY]}}}, clock=FrozenClock(NOW)) as gateway:
        good = recorded_meeting(gateway.source(), 1)
        assert (await gateway.post(good)).status == 200
        assert order == ["verified", "given back", "normalised"]
        order.clear()
        assert (await gateway.post(good.body, headers={})).status == 401
    assert order == ["verified"]
