"""One act on many: a few commits, one row of who did it, nothing newer than the preview."""

from __future__ import annotations

import json

import pytest

from gateway.errors import Untrusted
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import bulk
from gateway.store.admin.admin import DeliveryFilter, StoreAdmin, Watcher
from gateway.store.records import NewEvent, Refusal
from gateway.store.store import Store
from tests.store.kit import event, new, table, take
from tests.store_admin.acts import refusal, rows

# -- many


class Stopping(Watcher):
    """Stops after so many batches."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.heard: list[int] = []

    def committed(self, answers: object) -> None:
        self.heard.append(len(answers))  # type: ignore[arg-type]
        self.left -= 1

    def stopping(self) -> bool:
        return self.left <= 0


async def test_many_are_done_in_a_few_commits_and_have_one_row(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH_ROWS_MAX", 4)
    await take(store, *[new(n, "app") for n in range(1, 11)])
    watcher = Stopping(99)
    wanted = DeliveryFilter(sink="app", state="waiting")
    total = admin.cancel_many(admin.choose(wanted), filter=wanted, watcher=watcher)
    assert watcher.heard == [4, 4, 2]
    assert (total.matched, total.done, total.stopped) == (10, 10, False)
    (row,) = admin.audit()
    assert (row.target, json.loads(row.filter or ""), row.done) == ("app", {"sink": "app", "state": "waiting"}, 10)


async def test_a_bulk_act_that_is_stopped_says_how_far_it_came_and_keeps_what_it_did(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH_ROWS_MAX", 3)
    await take(store, *[new(n, "app") for n in range(1, 11)])
    total = admin.cancel_many(admin.choose(DeliveryFilter(sink="app")), watcher=Stopping(2))
    assert (total.done, total.stopped) == (6, True)
    assert rows(admin)[0][2:] == (10, 6, "stopped after 6 of 10")
    assert len(admin.choose(DeliveryFilter(sink="app", state="dead"))) == 6


async def test_a_bulk_act_that_fails_midway_leaves_whole_batches_and_the_truth_in_its_row(
    store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH_ROWS_MAX", 2)
    await take(store, *[new(n, "app") for n in range(1, 6)])

    class Interrupting(Watcher):
        def committed(self, answers: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        admin.cancel_many([1, 2, 3, 4, 5], watcher=Interrupting())
    assert rows(admin) == [("deliveries cancel", "1 2", 5, 2, "stopped after 2 of 5")]
    assert admin.choose(DeliveryFilter(state="dead")) == [1, 2]


async def test_nothing_newer_than_the_preview_is_touched(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "old"), new(2, "old", "app"))
    chosen = admin.choose(DeliveryFilter(sink="old", state="waiting"))
    assert admin.already_there(chosen, "app") == 1
    await take(store, new(3, "old"))
    total = admin.move("old", "app", deliveries=chosen)
    assert sorted(answer.text for answer in total.answers) == ["cancelled", "moved"]
    assert rows(admin)[0] == ("deliveries move", "old app", 2, 2, "1 moved, 1 cancelled")
    assert [row.event_id for row in admin.deliveries(sink="old", state="waiting")] == [f"{3:032x}"]


async def test_deliveries_are_chosen_by_what_their_event_says(
    store: Store, admin: StoreAdmin, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"), new(event(2, type="recording.failed", stream="vip-1"), "app"))
    await take(store, new(event(3, source="other", stream="vip-2"), "app"))
    assert admin.choose(DeliveryFilter(type="recording.fai*")) == [2]
    assert admin.choose(DeliveryFilter(source="other")) == [3]
    assert admin.choose(DeliveryFilter(stream="vip-*")) == [2, 3]
    assert admin.choose(DeliveryFilter(stream="s1", sink="ops")) == []
    assert admin.choose(DeliveryFilter(since=clock.ms() + 1)) == []
    assert len(admin.choose(DeliveryFilter(since=clock.ms() - 1000 * 86400 * 400))) == 3


# -- refused


async def test_refused_callbacks_that_pass_are_taken_and_those_that_do_not_stay(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    for n in range(3):
        store.keep_refusal(refusal(b'{"n": %d}' % n))
    await store.ping()

    def judge(refusal: Refusal) -> list[NewEvent]:
        if refusal.body == b'{"n": 1}':
            raise Untrusted("signature_mismatch", "still no key")
        return [new(event(9, raw=refusal.body), "app")]

    total = admin.take_refused([1, 2, 3, 99], judge)
    assert [(one.item, one.well) for one in total.answers] == [("1", True), ("2", False), ("3", True), ("99", False)]
    assert total.answers[1].text == "still refused: signature_mismatch: still no key"
    assert table(url, "id", "refused") == [(2,)]
    assert rows(admin) == [("refused retry", "1 3", 4, 2, "done; 2 could not be")]
