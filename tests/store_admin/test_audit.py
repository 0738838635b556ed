"""What people did is written down with what they did it to, and outlives it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from gateway.errors import NotFound
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import Actor, StoreAdmin
from gateway.store.admin.audit import UNDER_WAY, AuditEntry
from gateway.store.records import NewEvent, Refusal
from gateway.store.store import Store
from tests.store.kit import event, new, other, table, take
from tests.store_admin.acts import ME, ONE, refusal, rows


def route(_event: object) -> tuple[list[str], str]:
    return ["app", "ops"], '[{"route":"today"}]'


def accept_it(refusal: Refusal) -> list[NewEvent]:
    return [new(event(9, raw=refusal.body), "app")]


ACTS: list[tuple[str, Callable[[StoreAdmin], object]]] = [
    ("deliveries retry", lambda admin: admin.retry(1, actor=ME)),
    ("deliveries cancel", lambda admin: admin.cancel(1, actor=ME)),
    ("deliveries retry", lambda admin: admin.retry_many([1, 2], actor=ME)),
    ("deliveries cancel", lambda admin: admin.cancel_many([1, 2], actor=ME)),
    ("deliveries move", lambda admin: admin.move("app", "late", actor=ME)),
    ("events replay", lambda admin: admin.replay(ONE, sinks=["late"], actor=ME)),
    ("events replay", lambda admin: admin.replay_many([ONE], route=route, reroute=True, actor=ME)),
    ("events release", lambda admin: admin.release(admin.events(held=True)[0].ref, ["app"], actor=ME)),
    ("events release", lambda admin: admin.release_many([admin.events(held=True)[0].ref], route=route, actor=ME)),
    ("events erase", lambda admin: admin.erase(ONE, actor=ME)),
    ("sinks pause", lambda admin: admin.pause("app", actor=ME)),
    ("sinks resume", lambda admin: admin.resume("app", actor=ME)),
    ("refused retry", lambda admin: admin.take_refused([1], accept_it, actor=ME)),
    ("store migrate", lambda admin: admin.migrate(actor=ME)),
]


@pytest.mark.parametrize(("act", "do"), ACTS, ids=[f"{n}-{act}" for n, (act, _) in enumerate(ACTS)])
async def test_every_change_a_person_makes_is_a_row_with_who_and_from_where(
    store: Store, admin: StoreAdmin, act: str, do: Callable[[StoreAdmin], object]
) -> None:
    await take(store, new(1, "app"), new(2, "app"), other(1, "a"))
    store.keep_refusal(refusal(b"{}"))
    await store.ping()
    do(admin)
    (row,) = admin.audit()
    assert (row.act, row.actor, row.place) == (act, "ada", "laptop")
    assert row.done == row.matched >= 1
    assert row.at > 0
    assert row.result not in ("", UNDER_WAY)


async def test_without_an_actor_it_is_the_user_and_host_of_this_process(store: Store, admin: StoreAdmin) -> None:
    admin.pause("app")
    (row,) = admin.audit()
    here = Actor.here()
    assert (row.actor, row.place) == (here.name, here.place)


async def test_a_row_outlives_what_it_was_done_to(store: Store, admin: StoreAdmin, url: str) -> None:
    await take(store, new(1, "app"))
    admin.cancel(1)
    admin.erase(ONE)
    assert table(url, "count(*)", "events") == [(0,)]
    assert rows(admin) == [
        ("deliveries cancel", "1", 1, 1, "cancelled"),
        ("events erase", ONE, 1, 1, "erased"),
    ]


async def test_what_was_not_done_is_not_written_down_as_done(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"))
    with pytest.raises(NotFound):
        admin.retry(99)
    assert admin.retry_many([98, 99]).failed == 2
    assert rows(admin) == []
    total = admin.cancel_many([99, 1])
    assert [(answer.item, answer.well) for answer in total.answers] == [("99", False), ("1", True)]
    assert rows(admin) == [("deliveries cancel", "1", 2, 1, "done; 1 could not be")]


async def test_acts_are_listed_newest_first_by_page_and_by_what_is_asked(
    store: Store, admin: StoreAdmin, clock: FrozenClock
) -> None:
    for n in range(5):
        (admin.pause if n % 2 == 0 else admin.resume)("app" if n < 3 else "ops", actor=Actor(f"user{n}", "host"))
        clock.advance(60)
    assert [row.actor for row in admin.audit(limit=2)] == ["user4", "user3"]
    assert [row.actor for row in admin.audit(limit=2, before=admin.audit(limit=2)[-1].id)] == ["user2", "user1"]
    assert [row.actor for row in admin.audit(act="* pause")] == ["user4", "user2", "user0"]
    assert [row.actor for row in admin.audit(target="ops")] == ["user4", "user3"]
    assert [row.actor for row in admin.audit(actor="user1")] == ["user1"]
    since = admin.audit()[1].at
    assert [row.actor for row in admin.audit(since=since)] == ["user4", "user3"]


async def test_a_reload_is_written_down_by_the_gateway(store: Store, admin: StoreAdmin) -> None:
    await store.audit(
        AuditEntry(actor=Actor("token ops", "192.0.2.9"), act="reload", target="gateway.yaml"), 1, "reloaded"
    )
    assert rows(admin) == [("reload", "gateway.yaml", 1, 1, "reloaded")]


def test_a_user_without_a_name_is_written_down_by_his_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert Actor.here().name == f"uid {os.getuid()}"
