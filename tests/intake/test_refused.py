"""What is kept of what was refused: of whom, how much, and how a vendor with a wrong URL is found."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.intake.near_path import near_path
from gateway.intake.rejections import KEPT_MAX
from gateway.intake.reverify import ids_of, reverifier_of
from gateway.plugin import Scene
from gateway.store.admin.audit import Actor
from gateway.testing import NOW, FrozenClock, RunningGateway, running
from tests.cli.stocked import a_refusal
from tests.store.kit import table

KEY = "a-key-of-thirty-two-characters-00"
CONFIG: dict[str, Any] = {
    "sources": {
        "live": {"type": "huawei-live", "keys": [KEY], "domains": ["push.example.com"]},
        "secret": {"type": "huawei-live", "keys": [KEY], "path": "k3yk3yk3y"},
    },
    "store": {"url": "sqlite:///g.db", "keep": {"refused": 5}},
}


def refused(gateway: RunningGateway) -> list[Any]:
    with gateway._admin() as admin:
        return [row.refusal for row in admin.refused(limit=100)][::-1]


async def test_junk_pushes_out_nothing_that_verified() -> None:
    async with running(CONFIG, clock=FrozenClock(NOW)) as gateway:
        source = gateway.source("live")
        scene = Scene(type="RECORD_START", number=1, now=NOW)
        expired = await gateway.post(source.play(replace(scene, expired=True)), source="live")
        other = await gateway.post(source.play(replace(scene, fields={"publish_domain": "other"})), source="live")
        assert [expired.json()["code"], other.json()["code"]] == ["signature_expired", "domain_not_allowed"]
        for _ in range(80):  # more than the burst that is kept of junk
            assert (await gateway.post(b"{}", source="live", settle=False)).status == 401
        late = await gateway.post(source.play(replace(scene, expired=True, number=2)), source="live")
        assert late.status == 401
        await gateway.settle()
        kept = refused(gateway)
        assert [one.code for one in kept if one.verified] == [
            "signature_expired",
            "domain_not_allowed",
            "signature_expired",
        ]
        assert [one.code for one in kept if not one.verified] == ["signature_missing"] * 5


async def test_what_was_silenced_is_told_once_with_the_next_that_is_not() -> None:
    clock = FrozenClock(NOW)
    async with running(CONFIG, clock=clock) as gateway:
        told: list[int] = []
        for junk in (KEPT_MAX + 7, KEPT_MAX + 3, KEPT_MAX):
            with capture_logs() as lines:
                for _ in range(junk):
                    await gateway.post(b"{}", source="live", settle=False)
            told += [
                line["also_refused"] for line in lines if line["event"] == "callback_refused" and line["also_refused"]
            ]
            clock.advance(60)
        assert told == [7, 3]


MISSES = {
    "/hooks/live/": "live: a slash",
    "/hooks/live%2f": "live: a slash",
    "//hooks/live": "live: it must begin with /hooks/",
    "/live": "live: it must begin with /hooks/",
    "/hooks/LIVE": "live: upper and lower case",
    "/Hooks/live": "live: upper and lower case",
    "/api/hooks/live": "live, though it ends like it",
    "/hooks/lives": "live, but nearly",
    "/hooks/secret": "secret, which has a path of its own",
    "/hooks/k3yk3yk3": "secret, but nearly",
    "/wp-login.php": None,
    "/": None,
    "/hooks/": None,
    "/hooks/\xff\xff": None,
    "/" + "x" * 70_000: None,
}


@pytest.mark.parametrize("path", MISSES, ids=lambda path: ascii(path)[:30])
def test_a_path_that_is_nearly_a_configured_one_is_told(path: str) -> None:
    found = near_path(path, {"live": "live", "k3yk3yk3y": "secret"})
    expected = MISSES[path]
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert expected in found
        assert "k3yk3yk3y" not in found, "a path may be a key"


async def test_a_request_to_a_wrong_path_is_kept_without_a_source_and_with_its_path() -> None:
    async with running(CONFIG, clock=FrozenClock(NOW)) as gateway:
        for path in ("/hooks/live/", *(f"/scan{n}.php" for n in range(200)), "/hooks/Live?token=x"):
            assert await ask(gateway, path) == 404
        await gateway.settle()
        kept = refused(gateway)
        assert {(one.source, one.code, one.method, one.body) for one in kept} == {("", "unknown_source", "POST", b"")}
        assert [one.path for one in kept if one.verified] == ["/hooks/live/", "/hooks/Live"]
        assert "a slash" in next(one.detail for one in kept if one.verified)
        assert len(kept) == 7, "bounded, and no scanner pushes out what is nearly right"
        assert gateway.metric("refused_total", source="", code="unknown_source") == 202


async def ask(gateway: RunningGateway, target: str) -> int:
    path, _, query = target.partition("?")
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"content-length", b"12")], "client": ("192.0.2.1", 1),
    }  # fmt: skip
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    await gateway._app(scope, receive, send)
    return int(said[0]["status"])


async def test_a_verified_callback_that_is_not_about_recordings_is_counted() -> None:
    config = {"sources": {"zoom": {"type": "zoom", "keys": [KEY]}}}
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        answer = await gateway.send("endpoint.url_validation")
        assert answer.status == 200
        assert gateway.events() == []
        assert gateway.metric("ignored_total", source="zoom") == 1


async def test_what_is_taken_after_all_waits_with_its_group(tmp_path: Path) -> None:
    batch = {"batch": {"max": 50, "window": "1h", "group_by": ["stream"]}}
    config = {**CONFIG, "sinks": {"app": {"type": "recorder", "delivery": batch}}, "routes": [{"to": ["app"]}]}
    config["store"] = {"url": f"sqlite:///{tmp_path}/g.db"}
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        source = gateway.source("live")
        one, other = (
            source.play(Scene(type="RECORD_START", number=n, now=NOW, fields={"stream": "s"})) for n in (1, 2)
        )
        assert (await gateway.post(one, source="live", settle=False)).status == 200
        gateway.gateway.store.keep_refusal(a_refusal(other.body, received_at=NOW))
        await gateway.gateway.store.ping()
        with gateway._admin() as admin:
            [row] = admin.refused(limit=10)
            assert admin.take_refused([row.id], reverifier_of(gateway.gateway.loaded)).done == 1
    [(accepted,), (taken,)] = table(f"sqlite:///{tmp_path}/g.db", "group_key", "deliveries")
    assert accepted == taken is not None


async def test_erasing_an_event_takes_the_refused_callbacks_along_that_would_make_it_whoever_signed_them() -> None:
    async with running(CONFIG, clock=FrozenClock(NOW)) as gateway:
        scenes = [Scene(type="RECORD_START", number=number, now=NOW) for number in (1, 2)]
        for scene in scenes:
            await gateway.post(gateway.source("live").play(scene), source="live")
        events = gateway.events()
        for event in events:  # a repeat that nobody signed
            unsigned = re.sub(rb'("auth_sign": ?")', rb"\g<1>0", event.raw)
            assert (await gateway.post(unsigned, source="live")).status == 401
        [first, second] = refused(gateway)
        ids = ids_of(gateway.gateway.loaded)
        assert [ids(first), ids(second)] == [{events[0].id}, {events[1].id}]
        for lost in (first.replace(source="gone"), first.replace(body=b""), first.replace(body=b"no JSON")):
            assert set(ids(lost)) == set()
        with gateway._admin() as admin:
            admin.erase([events[0].ref], ids=ids, actor=Actor("ann", "here"))
        assert refused(gateway) == [second]
