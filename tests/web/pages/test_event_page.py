"""The page of one event: its story in whatever state it is, and its bytes whatever they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.admin.results import EventDetail
from gateway.admin.service import AdminService
from gateway.cli.timeline import detail_of
from gateway.model import Event
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.audit import Actor
from gateway.store.store import Store
from gateway.web.pages.story import route_view, story_of
from gateway.web.pages.words import PageWords
from tests.cli.stocked import accept, an_event, settle, stock, wanted
from tests.web.admin_api import ask, serve
from tests.web.doors import Served
from tests.web.pages.browser import Browser

BINARY = b"\x1f\x8b\x08\x00binary\xff"


def told(folder: Path, work: Callable[[Store], Awaitable[object]]) -> EventDetail:
    stock(folder, work)
    with StoreAdmin(f"sqlite:///{folder}/gateway.db") as admin:
        (row,) = admin.events()
        return detail_of(admin.event(row.ref), [admin.delivery(one.id) for one in admin.deliveries(event=row.ref)])


def test_what_is_on_its_way_is_said_to_be(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await accept(store, wanted(an_event(), ["lines", "screen"]))
        await settle(store, "lines", "delivered")
        await store.claim("screen", 1, 30_000)

    detail = told(tmp_path, work)
    assert list(story_of(detail, PageWords("en")).summary) == [
        "It is being sent to screen now.",
        "It arrived at lines.",
    ]
    assert [one.next.why for one in detail.deliveries if one.next] == ["it is being sent now"]


def test_what_only_the_vendors_list_had_is_not_said_to_have_come(tmp_path: Path) -> None:
    event = replace(an_event(), reconciled=True)
    story = story_of(told(tmp_path, lambda store: accept(store, wanted(event, ["lines"]))), PageWords("en"))
    assert story.steps[0].text == "The vendor's own list had it; no callback had come."


def test_a_clause_about_what_the_event_does_not_have_says_so() -> None:
    view = route_view({"route": "r", "clause": "app", "pattern": ["live", "vod"], "value": None}, PageWords("en"))
    assert view is not None
    assert (view.matched, view.why) == (False, "app is not there; wanted: live or vod")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with one event of bytes that are no text, and a pair of which one is held."""
    folder = tmp_path_factory.mktemp("events")

    def now(event: Event) -> Event:
        return replace(event, received_at=datetime.now(UTC))

    async def work(store: Store) -> None:
        binary = replace(now(an_event(number=1)), raw=BINARY)
        first = now(an_event(number=9))
        other = now(an_event(number=9, id=first.id, app="other"))
        await accept(store, wanted(binary, []), wanted(first, []), wanted(other, []))

    stock(folder, work)
    with serve(folder) as served:
        yield served
        served.ask()
        served.result()


@pytest.fixture
def operator(served: Served) -> Browser:
    browser = Browser(served)
    assert browser.sign_in().status == 303
    return browser


def ref_of(served: Served, query: str) -> str:
    (item,) = ask(served, f"/events?{query}").json()["items"]
    return str(item["ref"])


def test_bytes_that_are_no_text_are_shown_in_hex(served: Served, operator: Browser) -> None:
    ref = ref_of(served, "stream=stream-1")
    page = operator.send(f"/events/{ref}/reveal").body.decode()
    assert "000000  1f 8b 08 00 62 69 6e 61 72 79 ff" in page
    assert "· 11 B" in page
    assert ask(served, f"/events/{ref}", "o" * 40).json()["raw"]["base64"] == "H4sIAGJpbmFyef8="


def test_a_held_event_is_compared_with_the_first_and_shown_alone_when_that_is_erased_meanwhile(
    served: Served, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, first = ref_of(served, "held=true"), ref_of(served, "stream=stream-9&held=false")
    assert "&#34;other&#34;" in operator.get(f"/events/{held}").body.decode().split('id="difference"')[1]
    event = AdminService.event

    async def erased_before(self: AdminService, ref: str, **more: object) -> EventDetail:
        if ref == first:
            assert (await self.erase([first], Actor.here())).answers[0].done
        return await event(self, ref, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(AdminService, "event", erased_before)
    page = operator.get(f"/events/{held}")
    assert page.status == 200
    assert 'id="difference"' not in page.body.decode()
