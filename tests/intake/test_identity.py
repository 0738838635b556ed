"""What tells events apart, from the door to the receiver: their source, their id, and how much their signature covered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway import Event, Retry, Source, Trust, Verified, event_id
from gateway.model import FILE_COMPLETED, id_of_source
from gateway.plugin import Callback, Scene
from gateway.store.outbox.contents import CONTENTS_MAX
from gateway.testing import NOW, RunningGateway, running

HUAWEI = "{type: huawei-live, keys: [a-key-of-thirty-two-characters-00], domains: [push.example.com], apps: [live]}"
CONFIG = f"""
sources: {{live: {HUAWEI}}}
sinks: {{app: {{type: recorder}}}}
routes: [{{to: [app]}}]
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TWO = """
sources:
  one: {{type: standard-webhooks, secrets: {secret}, min_trust: none, {one}}}
  two: {{type: standard-webhooks, secrets: {secret}, min_trust: none, {two}}}
sinks: {{app: {{type: recorder}}}}
routes: [{{to: [app]}}]
"""


def finished(gateway: RunningGateway, scheme: str, **fields: Any) -> Any:
    """A finished file, signed by one of the vendor's two formulas."""
    scene = Scene(type="RECORD_FILE_COMPLETE", number=1, now=NOW, scheme=scheme, fields=fields)
    return gateway.source().play(scene)


async def test_a_weakly_signed_forgery_never_holds_the_genuine_callback_up() -> None:
    async with running(CONFIG) as gateway:
        forged = await gateway.post(finished(gateway, "hmac-sha256-timestamp", file_size=1))
        genuine = await gateway.post(finished(gateway, "hmac-sha256-fields"))
        assert (forged.json()["status"], genuine.json()["status"]) == ("accepted", "accepted")
        await gateway.settle()
        first, second = gateway.recorder("app").seen
        assert (first.event.trust, second.event.trust) == (Trust.TIMESTAMP, Trust.FIELDS)
        assert second.event.supersedes == first.event.ref == first.event.id
        assert second.event.ref == f"{first.event.id}~{second.event.variant}"
        again = await gateway.post(finished(gateway, "hmac-sha256-timestamp", file_size=2))
        assert again.json()["status"] == "duplicate"
        assert gateway.metric("held_total", source="live", reason="conflict") == 1


async def test_beyond_the_contents_of_an_id_the_answer_is_503_and_the_callback_is_among_the_refused() -> None:
    async with running(CONFIG) as gateway:
        sent = [
            await gateway.post(finished(gateway, "hmac-sha256-timestamp", file_size=size))
            for size in range(CONTENTS_MAX + 2)
        ]
        assert [one.status for one in sent] == [200] * (CONTENTS_MAX + 1) + [503]
        assert sent[-1].json()["code"] == "too_many_contents"
        assert "retry-after" in sent[-1].headers
        await gateway.gateway.store.ping()
        with gateway._admin() as admin:
            (refused,) = admin.refused()
            stored = {event.raw for event in gateway.events()}
        assert refused.refusal.code == "too_many_contents"
        assert refused.refusal.verified  # so junk cannot push it out
        bodies = [finished(gateway, "hmac-sha256-timestamp", file_size=size).body for size in range(CONTENTS_MAX + 2)]
        assert {*stored, refused.refusal.body} == set(bodies)
        assert (await gateway.post(finished(gateway, "hmac-sha256-fields"))).status == 200


# -- ids that come from outside --------------------------------------------------------------------------------------


async def relayed(gateway: RunningGateway, source: str, **fields: Any) -> str:
    """One event of another gateway, the same id each time, for any of the sources; how it was answered."""
    played = gateway.source("one").play(Scene(type=FILE_COMPLETED, number=1, now=gateway.clock.now(), fields=fields))
    answer = await gateway.post(played, source=source)
    assert answer.status == 200, answer.json()
    return str(answer.json()["status"])


@pytest.mark.parametrize("kept", [False, True])
async def test_an_id_taken_over_goes_out_with_its_source_unless_ids_are_kept(kept: bool) -> None:
    keep = f"keep_ids: {str(kept).lower()}"
    async with running(TWO.format(secret=SECRET, one=keep, two=keep)) as gateway:
        assert await relayed(gateway, "one", stream="a") == "accepted"
        assert await relayed(gateway, "two", stream="a") == "accepted"  # the same id, of another source
        assert await relayed(gateway, "two", stream="a") == "duplicate"
        await gateway.settle()
        seen = [delivery.event for delivery in gateway.recorder("app").seen]
        scene = Scene(type=FILE_COMPLETED, number=1, now=NOW, fields={"stream": "a"})
        sent = json.loads(gateway.source("one").play(scene).body)["id"]
        assert [event.source for event in seen] == ["one", "two"]
        wanted = [sent, sent] if kept else [f"{sent}~one", f"{sent}~two"]
        assert [event.ref for event in seen] == wanted


class Borrowed(Source):
    """A vendor's events under the ids that the vendor chose."""

    type = "borrowed"

    def verify(self, callback: Callback) -> Verified:
        return Verified(trust=Trust.BODY, scheme="test")

    def normalise(self, callback: Callback, verified: Verified) -> list[Event]:
        said = callback.json()
        id = said.get("id") or event_id(self.name, FILE_COMPLETED, None, None, None, None, ["own"])
        return [
            Event(
                id=id,
                type=FILE_COMPLETED,
                source=self.name,
                provider="borrowed",
                received_at=callback.received_at,
                trust=verified.trust,
                verified=verified,
                **dict(zip(("domain", "app", "stream"), said.get("like", "").split("/"), strict=False)),
            )
        ]


async def test_an_id_of_any_source_that_comes_from_outside_names_its_source() -> None:
    config = """
sources: {one: {type: borrowed}, two: {type: borrowed}, own: {type: borrowed, keep_ids: true}}
sinks: {app: {type: recorder}}
routes: [{to: [app]}]
"""
    async with running(config, plugins=[Borrowed]) as gateway:
        for source in ("one", "two", "own"):
            assert (await gateway.post({"id": "theirs"}, source=source)).json()["status"] == "accepted"
            assert (await gateway.post({}, source=source)).json()["status"] == "accepted"
        await gateway.settle()
        refs = [delivery.event.ref for delivery in gateway.recorder("app").seen]
        assert {ref for ref in refs if "theirs" in ref} == {"theirs~one", "theirs~two", "theirs"}
        assert len(set(refs)) == 6
        assert all("~" not in ref for ref in refs if "theirs" not in ref)  # `event_id` names the source already


def test_an_id_from_outside_stays_within_its_bound_and_a_circle_ends() -> None:
    assert id_of_source("a", "s") == "a~s"
    assert id_of_source("a~s", "s") == "a~s"  # the gateway that forwards to itself finds it there
    long = id_of_source("x" * 128, "s")
    assert len(long) <= 128
    assert long.endswith("~s")
    assert long != id_of_source("x" * 127, "s")


async def test_an_event_that_goes_in_a_circle_is_refused_in_the_end() -> None:
    async with running(TWO.format(secret=SECRET, one="", two="")) as gateway:
        played = gateway.source("one").play(Scene(type=FILE_COMPLETED, number=1, now=NOW))
        document = json.loads(played.body)
        for _ in range(8):
            document["id"] = id_of_source(id_of_source(document["id"], "one"), "two")
        source: Any = gateway.source("one")
        said = source._signed(document, int(NOW.timestamp()), Scene(type=FILE_COMPLETED, number=1, now=NOW))
        answer = await gateway.post(said, source="one")
        assert (answer.status, answer.json()["code"]) == (400, "malformed_body")
        assert "circle" in answer.json()["detail"]


async def test_what_follows_on_another_gateways_event_is_routed_by_name_here_too_and_names_its_cause_as_it_is_here() -> (
    None
):
    named = "routes: [{to: [app]}, {match: {type: recording.archived}, to: [copies]}]"
    config = TWO.format(secret=SECRET, one="", two="").replace("routes: [{to: [app]}]", named)
    config = config.replace("app: {type: recorder}", "app: {type: recorder}, copies: {type: recorder}")
    async with running(config) as gateway:
        scene = Scene(type="recording.archived", number=1, now=NOW)
        document = json.loads(gateway.source("one").play(scene).body)
        answer = await gateway.post(gateway.source("one").play(scene), source="one")
        assert answer.json()["status"] == "accepted"
        await gateway.settle()
        [event] = [delivery.event for delivery in gateway.recorder("copies").seen]
        assert gateway.recorder("app").seen == []
        assert event.cause is not None
        assert (event.cause.id, event.depth) == (f"{document['cause']['id']}~one", 1)


# -- one signature over many contents --------------------------------------------------------------------------------


async def test_past_32_contents_under_one_timestamp_signature_events_are_ranked_behind_everything_else() -> None:
    async with running(CONFIG.replace("recorder}", "recorder, delivery: {concurrency: 1}}")) as gateway:
        with gateway._admin() as admin:
            admin.pause("app")
        for number in range(40):
            answer = await gateway.post(finished(gateway, "hmac-sha256-timestamp", job_id=f"job {number}"))
            assert answer.json()["status"] == "accepted"
        genuine = await gateway.post(finished(gateway, "hmac-sha256-fields", stream="alarm"))
        assert genuine.json()["status"] == "accepted"
        assert gateway.metric("ranked_last_total", source="live") == 8
        with gateway._admin() as admin:
            admin.resume("app")
        await gateway.advance(2)
        jobs = [delivery.event.job_id for delivery in gateway.recorder("app").seen]
        streams = [delivery.event.stream for delivery in gateway.recorder("app").seen]
        assert len(jobs) == 41
        assert streams.index("alarm") == 32
        assert gateway.metric("held_total", source="live", reason="quarantined") == 0


# -- one source does nothing to another's deliveries -------------------------------------------------------------------


async def test_no_source_stands_before_another_ones_stream() -> None:
    config = f"""
sources: {{live: {HUAWEI}, evil: {{type: borrowed}}}}
sinks: {{app: {{type: recorder, delivery: {{order: stream}}}}}}
routes: [{{to: [app]}}]
"""
    async with running(config, plugins=[Borrowed]) as gateway:
        gateway.recorder("app").answers.append(Retry("poisoned"))
        assert (await gateway.post({"id": "x", "like": "push.example.com/live/s"}, source="evil")).status == 200
        scene = Scene(type="RECORD_FILE_COMPLETE", number=1, now=NOW, fields={"stream": "s"})
        assert (await gateway.post(gateway.source("live").play(scene), source="live")).status == 200
        assert [event.source for event in gateway.delivered("app")] == ["live"]


async def test_a_seal_is_bound_to_its_source() -> None:
    config = f"""
sources: {{live: {HUAWEI}, twin: {HUAWEI}}}
sinks: {{app: {{type: recorder}}}}
routes: [{{to: [app]}}]
"""
    async with running(config) as gateway:
        played = gateway.source("live").play(Scene(type="RECORD_FILE_COMPLETE", number=1, now=NOW))
        other = json.loads(played.body) | {"file_size": 1}
        assert (await gateway.post(played, source="live")).json()["status"] == "accepted"
        assert (await gateway.post(other, source="twin")).json()["status"] == "accepted"  # a signature of its own
        assert gateway.metric("held_total", source="twin", reason="quarantined") == 0
        assert (await gateway.post(other, source="live")).json()["status"] == "duplicate"
        assert gateway.metric("held_total", source="live", reason="quarantined") == 1
