"""What strangers write is text on every page, in every field: no element, no attribute, no address of it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from gateway.testing.corpus import cases
from gateway.web.pages.page_list import PAGES
from tests.web.doors import Served
from tests.web.pages.browser import Browser
from tests.web.pages.fixed import Fixed

HOSTILE = {
    **{case.id: case.value for case in cases("stream")},
    "attribute": '"><img src=x onerror=alert(1)>',
    "single": "' autofocus onfocus=alert(1) x='",
    "comment": "--><svg/onload=alert(1)>",
    "textarea": "</textarea></pre></title><script>alert(1)</script>",
    "link": "javascript:alert(1)",
    "entity": "&#60;script&#62;",
    "format": "{0.__class__} {sink} %s {{ 7*7 }}",
    "unseen": "a\u202eb\u2066c\u0085d\x00e\x1b[2J\ufeff",
    "surrogate-like": "\U0001f600" * 50,
}
PLACES = {"{ref}": "r", "{number}": "1", "{name}": "n"}
SHOWN = [
    page
    for page in PAGES
    if page.method == "GET" or page.path in ("/route", "/bulk", "/events/{ref}/reveal", "/refused/{number}/reveal")
]


class Seen(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))


def seen(body: bytes) -> Seen:
    parser = Seen()
    parser.feed(body.decode())
    parser.close()
    return parser


def wrong(page: Seen) -> Iterator[str]:
    for tag, attributes in page.elements:
        if tag in ("iframe", "object", "embed", "base", "style") or any(name.startswith("on") for name in attributes):
            yield f"{tag} {attributes}"
        if "style" in attributes or "srcdoc" in attributes:
            yield f"{tag} {attributes}"
        if tag == "script" and not attributes.get("src", "").startswith("/static/"):
            yield f"{tag} {attributes}"
        for name in ("href", "src", "action", "formaction"):
            link = attributes.get(name, "/")
            foreign = not link.startswith(("/", "#")) or link.startswith(("//", "/\\"))
            if foreign and not (tag == "a" and link.startswith("https://") and "noopener" in attributes.get("rel", "")):
                yield f"{tag} {name}={link}"


@pytest.fixture
def with_text(served: Served) -> Iterator[Any]:
    gateway: Any = served.behind
    kept = gateway.admin

    def put(text: str, choice: int) -> None:
        gateway.admin = Fixed(text, choice)

    yield put
    gateway.admin = kept


# Every day each text is in each page once, and in each parameter of some page; all with all is a slow walk of the same.
ONE_IN = {"texts": 3, "parameters": 4}
WALKS = [pytest.param(ONE_IN, id="some"), pytest.param({"texts": 1, "parameters": 1}, id="all", marks=pytest.mark.slow)]


def drawn(one_in: int, *places: int) -> bool:
    """Whether a case is walked: one in so many, on the diagonals, so that each two values meet."""
    return sum(places) % one_in == 0


@pytest.mark.wide
@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("page", SHOWN, ids=lambda page: f"{page.method} {page.path}")
def test_a_hostile_text_is_only_text(operator: Browser, with_text: Any, page: Any, walk: dict[str, int]) -> None:
    path = page.path
    for mark, value in PLACES.items():
        path = path.replace(mark, value)
    csrf = operator.csrf()
    for choice in range(3):
        with_text("plain", choice)
        plain = _ask(operator, page, path, csrf)
        assert plain.status == 200, plain.body.decode()
        shape = [(tag, sorted(attributes)) for tag, attributes in seen(plain.body).elements]
        for number, (name, text) in enumerate(HOSTILE.items()):
            if not drawn(walk["texts"], number, choice):
                continue
            with_text(text, choice)
            reply = _ask(operator, page, path, csrf)
            assert reply.status == 200, (name, reply.body.decode())
            page_seen = seen(reply.body)
            assert list(wrong(page_seen)) == [], name
            # the same elements as with a plain text: nothing was begun, nothing was closed
            assert [(tag, sorted(attributes)) for tag, attributes in page_seen.elements] == shape, name
            for unseen in ("\u202e", "\u2066", "\x1b", "\x00"):
                assert unseen not in reply.body.decode(), name


def _ask(browser: Browser, page: Any, path: str, csrf: str) -> Any:
    if page.method == "POST":
        return browser.post(path, {"csrf": csrf, "event": "{}", "config": "", "act": "retry"})
    return browser.get(path)


PARAMETERS = ("q", "type", "cursor", "source", "sink", "window", "next", "event", "x")
ASKED = [page for page in PAGES if page.method == "GET"]


@pytest.mark.wide
@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("page", ASKED, ids=lambda page: page.path)
def test_a_hostile_parameter_is_only_text(operator: Browser, page: Any, walk: dict[str, int]) -> None:
    for number, text in enumerate(HOSTILE.values()):
        value = quote(text.encode("utf-8", "replace")[:1000])
        for place, name in enumerate(PARAMETERS):
            if not drawn(walk["parameters"], number, place, ASKED.index(page)):
                continue
            path = page.path.replace("{ref}", "none").replace("{number}", "1").replace("{name}", "file")
            if page.path == "/sinks/{name}" and name in ("event", "type"):
                continue  # it starts a process
            reply = operator.get(f"{path}?{name}={value}")
            assert reply.status < 500, (path, name, text)
            assert list(wrong(seen(reply.body))) == [], (path, name, text)


@pytest.mark.parametrize("text", ["a%0d%0aSet-Cookie:x=1", "%0d%0aLocation:http://evil", "a%00b", "%e2%80%a8"])
def test_no_header_can_be_written_by_an_address(operator: Browser, text: str) -> None:
    for path in (
        f"/events?lang={text}",
        f"/events?q={text}&lang=zh",
        f"/sign-in?next=/{text}",
        f"/refused?source=*&x={text}",
    ):
        reply = operator.get(path)
        assert reply.status < 500
        assert not any(name in ("x", "evil") or "x=1" in value for name, value in reply.headers if name != "location")


def test_signed_links_are_shown_on_purpose_only_and_that_is_written_down(operator: Browser, reader: Browser) -> None:
    listing = operator.get("/events?type=recording.file.completed").body.decode()
    ref = listing.split('href="/events/')[1].split('"')[0]
    masked = operator.get(f"/events/{ref}").body.decode()
    whole = operator.send(f"/events/{ref}/reveal").body.decode()
    assert whole != masked
    assert "auth_sign" in whole
    assert "********" in masked
    assert "********" not in whole.split('id="raw"')[1].split("</pre>")[0]
    assert reader.send(f"/events/{ref}/reveal").status == 403
    assert "events reveal" in operator.get("/audit").body.decode()
    refused = operator.get("/refused").body.decode().split('href="/refused/')[1].split('"')[0]
    masked, whole = (
        operator.get(f"/refused/{refused}").body.decode(),
        operator.send(f"/refused/{refused}/reveal").body.decode(),
    )
    assert whole != masked
    assert "/reveal" in masked
    assert 'action="/refused' not in whole.split('id="came"')[1]
    assert reader.send(f"/refused/{refused}/reveal").status == 403
    assert "refused reveal" in operator.get("/audit").body.decode()


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("/refused/1/reveal?lang=en", "/refused/1/reveal"),
        ("/refused/1/reveal", "/refused/1"),
        ("/events/live:r~1/replay", "/events/live:r~1"),
        ("/deliveries/7/retry", "/deliveries"),
        ("/bulk", "/"),
    ],
)
def test_a_link_of_a_page_that_a_form_made_leads_to_a_page(operator: Browser, link: str, page: str) -> None:
    reply = operator.get(link)
    assert (reply.status, reply.header("location")) == (303, page)
