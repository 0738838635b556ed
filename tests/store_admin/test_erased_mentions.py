"""What is erased is not repeated either by what the gateway said of itself meanwhile: alarms, news, answers it keeps."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from gateway.alarms.alarm_event import alarm_event, new_alarm
from gateway.events.alarm_text import alarm_text
from gateway.model import DELIVERY_DEAD, RECORDING_OVERDUE, RECORDING_RECOVERED, SINK_DOWN
from gateway.routing import RoutingDecision
from gateway.runtime.activity import News
from gateway.states import BulkAct
from gateway.store.admin import idempotency_keys, live
from gateway.store.admin.admin import DeliveryFilter, StoreAdmin
from gateway.store.admin.event_search import EventFilter
from gateway.store.admin.job_rows import JobRow
from gateway.store.outbox.conditions import AlarmDue
from gateway.store.records import NewEvent
from gateway.store.store import Store
from tests.store.kit import LEASE, event, new, other, settlement, table, take
from tests.store_admin.acts import ME, ONE
from tests.store_admin.test_traces import CANARY, everything

LANGUAGES = ("en", "zh")


async def told(store: Store, language: str) -> None:
    """Alarms about a delivery that died and about an open circuit, with the causes that sinks named."""

    def make(due: AlarmDue) -> NewEvent:
        return new_alarm(alarm_event(due, language=language, page=None), RoutingDecision((), ()))

    await store.announce((), 0, make)


def alarms(url: str) -> dict[str, dict[str, Any]]:
    """What is kept of the alarms' events, by type."""
    documents = [json.loads(body) for (body,) in table(url, "body", "events")]
    return {one["type"]: one["data"] for one in documents if one["source"] == "/sources/gateway"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", [1, 450, 3000], ids=["short", "cut by the alarm", "cut by the attempt"])
@pytest.mark.plain_rows
async def test_an_alarm_stays_without_the_cause_that_repeats_what_is_erased(
    store: Store, admin: StoreAdmin, url: str, language: str, size: int
) -> None:
    await store.begin_alarms()
    await take(store, new(event(1, stream=CANARY), "app"), new(2, "ops"))
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, "dead", detail=f"no {CANARY} {'x' * size}")])
    (lease,) = await store.claim("ops", 1, LEASE)
    await store.settle([settlement(lease, "dead", detail="no room")])
    await store.serving(["app", "ops"])
    await store.trip("app", 1000, f"down: no {CANARY} {'x' * size}")
    await told(store, language)
    await take(store, other(2, "another", "ops"))
    assert CANARY in str(table(url, "body", "events"))
    admin.erase(ONE)
    assert CANARY not in everything(url)
    assert set(alarms(url)) == {DELIVERY_DEAD, SINK_DOWN}
    for type, said in alarms(url).items():
        assert said["detail"] == "erased"
        assert said["text"] == alarm_text(type, said["about"], said["count"], "erased", language=language)


@pytest.mark.plain_rows
async def test_an_alarm_about_something_else_keeps_its_cause(store: Store, admin: StoreAdmin, url: str) -> None:
    await store.begin_alarms()
    await take(store, new(1, "app"), new(2, "ops"))
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, "dead", detail="HTTP 410")])
    await told(store, "en")
    (lease,) = await store.claim("ops", 1, LEASE)
    await store.settle([settlement(lease, "dead", detail="no room")])
    admin.erase(f"{2:032x}")
    assert alarms(url)[DELIVERY_DEAD]["detail"] == "refused: HTTP 410"
    admin.erase(ONE)
    assert alarms(url)[DELIVERY_DEAD]["detail"] == "erased"


async def test_news_of_what_is_erased_are_gone(store: Store, admin: StoreAdmin, url: str) -> None:
    await take(store, new(event(1, stream=CANARY), "app"), new(2, "app"))
    news = [
        News(1, "event", "live", "", "x", ONE, {"subject": CANARY}),
        News(2, "attempt", "live", "app", "x", ONE, {"subject": CANARY}),
        News(3, "sink", "", "app", "", "", {"reason": CANARY}),
        News(4, "event", "live", "", "x", f"{2:032x}", {"subject": "other"}),
    ]
    await store.write(lambda session: live.write_news(session, news, 0))
    admin.erase(ONE)
    assert CANARY not in everything(url)
    assert table(url, "at", "live") == [(4,)]


@pytest.mark.parametrize("stream", [CANARY, f'{CANARY} "直播"'])
async def test_an_answer_that_is_kept_for_a_repeat_is_taken_back_and_not_done_again(
    store: Store, admin: StoreAdmin, url: str, stream: str
) -> None:
    await take(store, new(event(1, stream=stream), "app"))
    answers = [json.dumps({"filter": {"stream": stream}}, ensure_ascii=ascii).encode() for ascii in (True, False)]
    for number, body in enumerate([*answers, b'{"of": "another"}']):
        name = str(number)
        await store.write(partial(idempotency_keys.note_request, token="t", name=name, digest="d"))
        await store.write(partial(idempotency_keys.keep_answer, token="t", name=name, status=200, body=body))
    admin.erase(ONE)
    assert CANARY not in everything(url)
    known = [
        await store.write(partial(idempotency_keys.note_request, token="t", name=str(n), digest="d")) for n in range(3)
    ]
    assert [one.status for one in known if one is not None] == [410, 410, 200]
    assert json.loads(known[0].body)["code"] == "erased" if known[0] else False


def _started(admin: StoreAdmin, act: BulkAct, wanted: DeliveryFilter | EventFilter) -> int:
    _, upto = admin.preview(wanted)
    return admin.start_job(act, wanted, upto=upto, options={}, pause_us=0, actor=ME, holder="h")


def _stepped(admin: StoreAdmin, id: int, steps: int = 1) -> JobRow:
    for _ in range(steps):
        job = admin.step_job(id, 1, owner="o", holders={"h"}, route=lambda _: (["app"], "[]"), ids=None)
    return job


async def test_what_a_bulk_act_asked_for_is_gone_with_what_it_erased(store: Store, admin: StoreAdmin, url: str) -> None:
    await take(store, new(event(1, stream=CANARY), "app"), new(event(2, stream=CANARY), "app"))
    beside = _started(admin, "retry", DeliveryFilter(stream=CANARY))
    _stepped(admin, beside)
    erasing = _started(admin, "erase", EventFilter(stream=CANARY))
    job = _stepped(admin, erasing, 5)
    assert (job.state, job.done, job.filter) == ("done", 2, {})
    job = _stepped(admin, beside, 5)
    assert (job.finished_at is None, job.filter) == (False, {})
    assert CANARY not in everything(url)


async def test_a_bulk_act_that_nothing_was_erased_beside_keeps_what_it_asked_for(
    store: Store, admin: StoreAdmin
) -> None:
    await take(store, new(event(1, stream="main"), "app"))
    admin.erase(ONE)
    id = _started(admin, "retry", DeliveryFilter(stream="main"))
    job = _stepped(admin, id, 5)
    assert (job.finished_at is None, job.filter) == (False, {"stream": "main"})


@pytest.mark.parametrize("type", [RECORDING_OVERDUE, RECORDING_RECOVERED])
async def test_what_a_watch_said_behind_an_event_is_erased_with_it(
    store: Store, admin: StoreAdmin, url: str, type: str
) -> None:
    first = event(1, stream=CANARY)
    told_of = event(2, type=type, stream=CANARY, extra={"behind": first.id})
    another = event(3, type=type, stream="main", extra={"behind": f"{4:032x}"})
    await take(store, new(first, "app"))
    await take(store, *[new(one, "app") for one in (told_of, another)])
    admin.erase(ONE)
    assert CANARY not in everything(url)
    assert [row.id for row in admin.events()] == [another.id]
