"""`redact` before storage: what it names is in no table, no line and no delivery, and repeats are still known as such."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway import Archived, Delivery, Done, FollowUp, Retry, Sink
from gateway.errors import GatewayError
from gateway.intake.reverify import reverifier_of
from gateway.model import RECORDING_ARCHIVED, REDACTED
from gateway.plugin import Scene
from gateway.testing import NOW, FrozenClock, RunningGateway, running
from tests import store_urls
from tests.commands import invoke
from tests.store.kit import table
from tests.store.test_encrypted import dump

url = store_urls.url

CANARY = "canary-7f3a"
URL = f"https://cdn.example.com/{CANARY}.mp4?token={CANARY}"
PHONE = "+3584012"
RULES = ["$.data.files[*].download_url", "$.data.extra.user", "$.data.files[*].archived.url"]


class Following(Sink):
    """Fails once, then says what followed, with an address of its own."""

    type = "following"

    async def deliver(self, delivery: Delivery) -> Done:
        (file,) = delivery.event.files
        if delivery.attempt == 1:
            raise Retry(f"cannot take {file.download_url}")
        copy = file.replace(archived=Archived(url=f"s3://bucket/{CANARY}"))
        return Done("kept", [FollowUp(RECORDING_ARCHIVED, files=[copy], data={"note": delivery.event.raw.decode()})])


def config(url: str, redact: list[str] | None = RULES, **store: Any) -> dict[str, Any]:
    live = {"type": "huawei-live", "keys": ["a-key-of-thirty-two-characters-00"], "domains": ["push.example.com"]}
    return {
        "store": {"url": url, **store},
        "sources": {"live": {**live, **({"redact": redact} if redact else {})}},
        "sinks": {"app": {"type": "recorder"}, "behind": {"type": "following"}},
        "routes": [
            {"match": {"source": "live", "type": "recording.file.completed"}, "to": ["app", "behind"]},
            {"match": {"source": "live", "type": "recording.archived"}, "to": ["app"], "where": "event.data.files[0].archived.url != ''"},
        ],
    }  # fmt: skip


def finished(gateway: RunningGateway, **more: Any) -> Any:
    fields = {"download_url": URL, "user": {"phone": PHONE}, "copy_of": URL, **more}
    return gateway.source().play(Scene(type="RECORD_FILE_COMPLETE", number=1, now=NOW, fields=fields))


async def through(gateway: RunningGateway) -> list[str]:
    """One event all its way, its repeat, other content under its id, and refused ones; what was answered."""
    answers = [await gateway.post(finished(gateway)), await gateway.post(finished(gateway))]
    answers.append(await gateway.post(finished(gateway, user={"phone": PHONE + "9"})))
    played = finished(gateway)
    for body in (played.body.replace(b"push.example", b"else.example"), played.body[:-2]):
        await gateway.post(body, source="live")
    await gateway.advance(120)
    await gateway.settle()
    return [str(answer.json()["status"]) for answer in answers]


async def test_what_is_redacted_is_nowhere_and_a_repeat_is_still_one(url: str) -> None:
    with capture_logs() as lines:
        async with running(config(url), plugins=[Following], clock=FrozenClock(NOW)) as gateway:
            assert await through(gateway) == ["accepted", "duplicate", "duplicate"]
            assert gateway.metric("held_total", source="live", reason="quarantined") == 1
            assert {event.raw for event in gateway.events()} == {b""}
            seen = [delivery.event for delivery in gateway.recorder("app").seen]
            with gateway._admin() as admin:
                refused = [row.refusal for row in admin.refused(limit=10)]
                copied = admin.event(seen[-1].id)
    assert [event.type for event in seen] == ["recording.file.completed", "recording.archived"]
    assert {event.files[0].download_url for event in seen} == {REDACTED}
    assert seen[0].extra["user"] == seen[0].extra["copy_of"] == REDACTED
    assert json.loads(copied.body)["data"]["files"][0]["archived"] == {"url": REDACTED, "at": None}
    assert [(bool(one.size), one.body) for one in refused] == [(True, b"")] * 2
    stored = dump(url)
    for secret in (CANARY, PHONE):
        assert secret.encode() not in stored
        assert secret not in repr(lines)


@pytest.mark.plain_rows
async def test_without_rules_the_same_is_everywhere(url: str) -> None:
    async with running(config(url, redact=None), plugins=[Following], clock=FrozenClock(NOW)) as gateway:
        assert await through(gateway) == ["accepted", "duplicate", "duplicate"]
    assert dump(url).count(CANARY.encode()) > 8  # else the test before this one finds nothing whatever is done


async def answered(configured: dict[str, Any], folder: Path) -> str:
    async with running(configured, plugins=[Following], clock=FrozenClock(NOW), folder=folder) as gateway:
        return str((await gateway.post(finished(gateway))).json()["status"])


@pytest.mark.parametrize("first", [None, RULES])
async def test_a_repeat_is_known_across_a_change_of_the_rules(first: list[str] | None, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/g.db"
    assert await answered(config(url, redact=first), tmp_path) == "accepted"
    for redact in (RULES, RULES[:1], None):
        assert await answered(config(url, redact=redact), tmp_path) == "duplicate"
        assert table(url, "count(*)", "events WHERE held IS NOT NULL") == [(0,)]


async def test_a_fingerprint_of_what_is_redacted_is_not_found_by_trying(tmp_path: Path) -> None:
    prints = set()
    for name in ("one", "two"):
        url = f"sqlite:///{tmp_path}/{name}.db"
        await answered(config(url), tmp_path)
        prints |= {bytes(one) for (one,) in table(url, "fingerprint", "events")}
    assert len(prints) == 2  # the same content, under the keys of two stores


async def test_the_rules_of_the_store_hold_for_every_source(tmp_path: Path) -> None:
    configured = config(f"sqlite:///{tmp_path}/g.db", redact=None)
    configured["store"] = {"url": configured["store"]["url"], "redact": RULES[0]}
    async with running(configured, plugins=[Following], clock=FrozenClock(NOW)) as gateway:
        await gateway.post(finished(gateway))
        assert gateway.recorder("app").seen[0].event.files[0].download_url == REDACTED
        assert gateway.recorder("app").seen[0].event.extra["user"] == {"phone": PHONE}


async def test_a_refused_callback_without_its_body_says_why_it_cannot_be_tried_again(tmp_path: Path) -> None:
    async with running(config(f"sqlite:///{tmp_path}/g.db"), plugins=[Following], clock=FrozenClock(NOW)) as gateway:
        await gateway.post(finished(gateway).body.replace(b"push.example", b"else.example"), source="live")
        await gateway.settle()
        with gateway._admin() as admin:
            (row,) = admin.refused(limit=10)
        with pytest.raises(GatewayError, match=r"was not kept: of the source live something is redacted"):
            reverifier_of(gateway.gateway.loaded)(row.refusal)


async def test_whoever_asks_for_the_bytes_is_told_why_there_are_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/g.db"
    async with running(config(url), plugins=[Following], clock=FrozenClock(NOW), folder=tmp_path) as gateway:
        (event,) = (await gateway.post(finished(gateway))).events
    (tmp_path / "plain.yaml").write_text(f"store: {url}\n")
    told = invoke(["-c", "plain.yaml", "events", "show", event, "--raw"], cwd=tmp_path)
    assert told.exit_code == 0
    assert "no bytes are kept of it" in told.stderr
    assert told.stdout == ""


async def test_erasing_a_redacted_event_leaves_what_was_refused_without_a_body(tmp_path: Path) -> None:
    async with running(config(f"sqlite:///{tmp_path}/g.db"), plugins=[Following], clock=FrozenClock(NOW)) as gateway:
        (event,) = (await gateway.post(finished(gateway))).events
        await gateway.post(b"{}", source="live")
        await gateway.settle()
        with gateway._admin() as admin:
            admin.erase(event)
            assert len(admin.refused(limit=10)) == 1
            assert not list(admin.events())
