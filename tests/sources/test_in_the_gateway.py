"""The source inside a whole gateway on a real SQLite file: what is accepted, known already, held, or refused."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.errors import Problem
from gateway.testing import NOW, FrozenClock, cases, running

Post = Callable[..., Awaitable[tuple[str, str | None]]]


@pytest.fixture
async def post(live) -> AsyncIterator[Callable[..., Awaitable[Post]]]:
    """Opens a gateway with these options; what it gives posts a callback: (status, why the event is held)."""
    async with contextlib.AsyncExitStack() as opened:

        async def open_(**options: Any) -> Post:
            source = {"type": "huawei-live", "keys": [live.key]} | options
            gateway = await opened.enter_async_context(running({"sources": {"live": source}}, clock=FrozenClock(NOW)))
            held: dict[str, float] = {}

            async def post(said: dict[str, Any] | bytes) -> tuple[str, str | None]:
                answer = await gateway.post(said, settle=False)
                if answer.status != 200:
                    raise Problem(answer.status, answer.json()["code"], answer.json()["detail"])
                now = {
                    reason: gateway.metric("held_total", source="live", reason=reason)
                    for reason in ("conflict", "quarantined")
                }
                risen = [reason for reason, count in now.items() if count > held.get(reason, 0)]
                held.update(now)
                return answer.json()["status"], risen[0] if risen else None

            return post

        yield open_


async def test_the_vendors_second_try_is_a_duplicate_also_with_a_fresh_signature(post, live) -> None:
    send = await post()
    assert await send(live.signed()) == ("accepted", None)
    assert await send(live.signed()) == ("duplicate", None)
    assert await send(live.signed(expires=live.now_seconds + 900)) == ("duplicate", None)
    assert await send(dict(reversed(live.signed().items()))) == ("duplicate", None)


async def test_changed_unsigned_fields_under_a_genuine_signature_are_held(post, live) -> None:
    send = await post()
    (case,) = (case for case in cases("sign") if case.id == "S11")
    assert await send(live.signed()) == ("accepted", None)
    assert (await send(live.signed() | case.value))[1] == "quarantined"
    assert (await send(live.signed() | {"job_id": "another", "asset_id": "another"}))[1] == "quarantined"
    assert (await send(live.signed() | {"file_size": 1}))[1] in {"quarantined", "conflict"}
    assert await send(live.signed()) == ("duplicate", None)


async def test_a_callback_that_was_re_cut_until_a_rule_broke_is_held_too(post, live) -> None:
    send = await post()
    said = live.signed()
    assert await send(said) == ("accepted", None)
    whole = said["stream"] + said["download_url"] + said["play_url"]
    assert (await send(said | {"stream": whole, "download_url": "", "play_url": ""}))[1] == "quarantined"


async def test_a_forger_who_claims_an_id_first_does_not_hold_the_genuine_event_up(post, live) -> None:
    send = await post(domains=["push.example.com"], apps=["live"])
    forged = live.signed(formula="timestamp", file_size=1)
    assert await send(forged) == ("accepted", None)
    assert await send(live.signed()) == ("accepted", None)
    assert (await send(live.signed(formula="timestamp", file_size=2)))[1] == "conflict"


async def test_thirty_two_timestamp_signed_events_of_one_second_all_arrive(post, live) -> None:
    send = await post()
    for number in range(32):
        said = live.signed(formula="timestamp", job_id=f"job-{number}")
        assert await send(said) == ("accepted", None)


async def test_past_the_configured_number_of_contents_a_signature_is_quarantined(post, live) -> None:
    send = await post(max_bodies_per_signature=2)
    found = [await send(live.signed(formula="timestamp", job_id=f"job-{number}")) for number in range(3)]
    assert [held for _, held in found] == [None, None, "quarantined"]


async def test_two_domains_two_apps_two_formats_and_two_mornings_are_four_accepted_pairs(post, live) -> None:
    send = await post()
    assert await send(live.signed(live.started)) == ("accepted", None)
    for changes in ({"publish_domain": "push2.example.com"}, {"app": "live2"}, {"record_format": "MP4"}):
        assert await send(live.signed(live.started, **changes)) == ("accepted", None)
    assert await send(live.signed(live.started, expires=live.now_seconds + 86400)) == ("accepted", None)


async def test_less_trust_than_asked_for_is_refused_with_its_code(post, live) -> None:
    send = await post(min_trust="fields", domains=["push.example.com"], apps=["live"])
    assert await send(live.signed()) == ("accepted", None)
    for said in (live.signed(formula="timestamp"), live.signed(stream="a://b"), live.signed(event_type="RECORD_NEW")):
        with pytest.raises(Problem) as caught:
            await send(said)
        assert (caught.value.status, caught.value.code) == (401, "trust_too_low")


@pytest.mark.parametrize("case", cases("body"), ids=str)
async def test_a_hostile_body_is_refused(post, case) -> None:
    send = await post()
    with pytest.raises(Problem) as caught:
        await send(case.value)
    wanted = (401, "signature_missing") if case.expected.startswith("401") else (400, "malformed_body")
    assert (caught.value.status, caught.value.code) == wanted


@pytest.mark.parametrize("case", cases("stream"), ids=str)
async def test_a_hostile_stream_name_is_accepted_and_stored(post, live, case) -> None:
    send = await post()
    assert await send(live.signed(stream=case.value)) == ("accepted", None)
