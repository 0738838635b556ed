"""When a link ends goes with the event to every sink, and a delivery that fails too late says that it has ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gateway import Refused, Retry, Scene
from gateway.testing import NOW, RunningGateway, running

CONFIG = """
sources: {live: {type: huawei-live, keys: [a-key-of-thirty-two-characters-00], domains: [push.example.com], apps: [live]}}
sinks: {app: {type: recorder, delivery: {retry: {initial: 10m, max: 10m, give_up_after: 1d}}}}
routes: [{to: [app]}]
"""
END = NOW + timedelta(minutes=30)
LINK = f"https://recordings.example.com/a.mp4?AccessKeyId=AK&Expires={int(END.timestamp())}&Signature=c2ln"


async def posted(gateway: RunningGateway, link: str = LINK) -> Any:
    fields = {"download_url": link, "play_url": "https://play.example.com/a.m3u8"}
    return (await gateway.send("RECORD_FILE_COMPLETE", fields=fields)).json()


async def test_a_signed_link_says_when_it_ends_wherever_its_event_goes() -> None:
    async with running(CONFIG) as gateway:
        assert (await posted(gateway))["status"] == "accepted"
        [given] = gateway.recorder("app").seen
        assert given.event.files[0].expires_at == END
        await gateway.restart()
        await posted(gateway, "https://recordings.example.com/b.mp4?v=2")
        [other] = gateway.recorder("app").seen
        assert other.event.files[0].expires_at is None


async def test_a_repeat_is_the_same_event_also_when_the_time_in_its_link_is_past() -> None:
    later = int((NOW + timedelta(hours=1)).timestamp())
    link = f"https://cdn.example.com/a.mp4?auth_key={later}-0-0-{'0' * 32}"
    async with running(CONFIG) as gateway:
        fields = {"download_url": link, "auth_timestamp": later + 7200}
        body = gateway.source().play(Scene(type="RECORD_FILE_COMPLETE", number=1, now=NOW, fields=fields))
        first = await gateway.post(body)
        gateway.clock.advance(2 * 3600)
        again = await gateway.post(body)
        assert (first.json()["status"], again.json()["status"]) == ("accepted", "duplicate")


async def test_what_fails_after_the_link_has_ended_says_so_and_what_succeeds_does_not() -> None:
    async with running(CONFIG) as gateway:
        sink = gateway.recorder("app")
        sink.answers.extend([Retry("HTTP 503"), Retry("x" * 600), Refused("HTTP 403"), "HTTP 200"])
        await posted(gateway)
        gateway.clock.advance(1800)
        while len(sink.answers) > 1:
            await gateway.advance(300)
        await posted(gateway)
        before, cut, refused, delivered = [attempt.detail for attempt in gateway.attempts("app")]
        ended = f"; the link ended at {END:%Y-%m-%dT%H:%M:%SZ}"
        assert (before, refused, delivered) == ("HTTP 503", f"HTTP 403{ended}", "HTTP 200")
        assert cut == "x" * (500 - len(ended)) + ended


async def test_a_sink_that_says_itself_that_the_link_has_ended_is_not_told_again() -> None:
    async with running(CONFIG) as gateway:
        said = f"the link ended at {END:%Y-%m-%dT%H:%M:%SZ}: HTTP 403"
        gateway.recorder("app").answers.append(Refused(said))
        gateway.clock.advance(1800)
        await posted(gateway)
        assert [attempt.detail for attempt in gateway.attempts("app")] == [said]
