"""Which gateways serve a store is known beside it, and what is new in it is found by its key; on both databases."""

from __future__ import annotations

from collections.abc import Callable

from gateway.admin.stream import NewsFilter
from gateway.cli.news import NewsBeside
from gateway.runtime.activity import News
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import live
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from tests.cli.stocked import accept, an_event, wanted


async def test_a_gateway_that_serves_is_named_with_its_start_and_one_that_stopped_is_not(
    url: str, clock: FrozenClock, admins: Callable[..., StoreAdmin]
) -> None:
    store = Store(url, clock=clock, owner="host:4711:abcdef")
    await store.open(lock_wait=0)
    admin = admins()
    (serving,) = admin.serving()
    assert ":abcdef" not in serving.name
    assert serving.since is not None
    if not url.startswith("sqlite"):
        assert (serving.name, serving.since) == ("host:4711", clock.ms())
        clock.advance(61)  # without a sign of life
        assert admin.serving() == []
    await store.disown()
    await store.close()
    assert admin.serving() == []


async def test_what_is_new_is_read_above_a_key_with_every_filter(store: Store, admin: StoreAdmin) -> None:
    await accept(store, *[wanted(an_event(number=number)) for number in range(4)])
    seqs = [row.seq for row in admin.events()]
    for filters in ({}, {"type": "recording.*"}, {"source": "live", "stream": "stream-*"}, {"state": "waiting"}):
        assert [row.seq for row in admin.events(after=seqs[1], **filters)] == seqs[:1]
    assert admin.events(after=seqs[0]) == []
    assert admin.events(after=seqs[1], type="recording.started") == []


async def test_news_are_read_from_where_it_began_and_gateways_hear_that_somebody_reads(
    store: Store, admin: StoreAdmin, clock: FrozenClock
) -> None:
    def tell(number: int) -> News:
        body = {"n": number}
        return News(clock.ms(), "attempt", "live", "app", "recording.failed", "ab", body)

    await store.write(lambda session: live.put(session, [tell(1)], 0))
    assert not await store.ask(live.watched)
    with NewsBeside(admin, NewsFilter(sink=("app",))) as news:
        assert await store.ask(live.watched)
        assert news.wait(0.0) == []
        await store.write(lambda session: live.put(session, [tell(2), tell(3)._replace(sink="ops")], 4))
        items = news.wait(0.0)
    assert [(item.kind, item.data.get("n")) for item in items] == [("attempt", 2), ("missed", None)]
