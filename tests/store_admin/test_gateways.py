"""Which gateways serve a store is known beside it, and what is new in it is found by its key; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gateway.admin.news_exchange import NewsExchange
from gateway.admin.stream import LiveHub, NewsFilter, message_of
from gateway.cli.news import NewsBeside
from gateway.runtime.activity import News
from gateway.runtime.clock import FrozenClock
from gateway.runtime.metrics import Metrics
from gateway.store.admin import live
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine.session import Session
from gateway.store.store import Store
from tests.cli.stocked import accept, an_event, wanted

T = TypeVar("T")


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
    asked: list[dict[str, Any]] = [
        {},
        {"type": "recording.*"},
        {"source": "live", "stream": "stream-*"},
        {"state": "waiting"},
    ]
    for filters in asked:
        assert [row.seq for row in admin.events(after=seqs[1], **filters)] == seqs[:1]
    assert admin.events(after=seqs[0]) == []
    assert admin.events(after=seqs[1], type="recording.started") == []


async def test_news_are_read_from_where_it_began_and_gateways_hear_that_somebody_reads(
    store: Store, admin: StoreAdmin, clock: FrozenClock
) -> None:
    def tell(number: int) -> News:
        body = {"n": number}
        return News(clock.ms(), "attempt", "live", "app", "recording.failed", "ab", body)

    await store.write(lambda session: live.write_news(session, [tell(1)], 0))
    assert not await store.ask(live.watched)
    with NewsBeside(admin, NewsFilter(sink=("app",))) as news:
        assert await store.ask(live.watched)
        assert news.wait(0.0) == []
        await store.write(lambda session: live.write_news(session, [tell(2), tell(3)._replace(sink="ops")], 4))
        items = news.wait(0.0)
    assert [(item.kind, item.data.get("n")) for item in items] == [("attempt", 2), ("missed", None)]


async def test_news_that_one_gateway_alone_wrote_are_told_without_being_read_again(
    store: Store, clock: FrozenClock
) -> None:
    body = {"sink": "its own", "n": 1, "text": '直播 "x" \u2028'}
    told = News(clock.ms(), "attempt", "live", "app", "recording.failed", "ab", body)
    empty = told._replace(kind="alarm", source="", sink="", type="", body={})
    written = await store.write(lambda session: live.write_news(session, [told, empty], 4))
    read = await store.ask(lambda session: live.after(session, 0))
    assert list(written) == ([] if store.shared else list(read))
    assert [message_of(row).data for row in read] == [
        {"at": told.at, "source": "live", "type": "recording.failed"} | body,
        {"at": told.at},
        {"at": told.at, "missed": 4},
    ]


async def test_news_are_read_only_where_another_may_have_told_some(store: Store, clock: FrozenClock) -> None:
    metrics, hub = Metrics(clock), LiveHub()
    exchange = NewsExchange(store, metrics, hub, clock)
    questions: list[object] = []
    ask = store.ask

    async def asked(question: Callable[[Session], T]) -> T:
        questions.append(question)
        return await ask(question)

    store.ask = asked  # type: ignore[assignment,method-assign]
    with hub.place(None):
        await exchange.stand_at_newest()
        exchange.hurry()
        await exchange.turn()
        for number in range(3):
            questions.clear()
            metrics.activity.publish("job", {"n": number})
            await exchange.turn()
            assert bool(questions) == store.shared
        await store.write(lambda session: live.write_news(session, [News(0, "job", "", "", "", "", {"n": 3})], 0))
        metrics.activity.publish("job", {"n": 4})
        await exchange.turn()
        assert questions
        news = hub.follow(NewsFilter(), 0, earlier=lambda id: ask(lambda session: (live.after(session, id), 0)))
        assert [(await anext(news)).data for _ in range(6)][1:] == [
            {"at": at, "n": number} for number, at in enumerate([clock.ms(), clock.ms(), clock.ms(), 0, clock.ms()])
        ]
