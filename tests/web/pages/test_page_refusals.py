"""What goes wrong on the way to a page is a page too, with what is to be done; what a page loads may be kept."""

from __future__ import annotations

import re

import pytest

from gateway.admin.service import AdminService
from gateway.errors import StoreBusy, StoreUnavailable
from gateway.web.pages.render import STATIC
from tests.patience import until
from tests.web.doors import Served
from tests.web.pages.browser import OPERATE, Browser

FORM = {"Origin": "http://localhost:9090", "Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("path", "method"), [("/events", "DELETE"), ("/sinks/file/pause", "PUT"), ("/sign-out", "GET")]
)
def test_a_method_that_is_not_taken_is_refused_on_a_page(operator: Browser, path: str, method: str) -> None:
    reply = operator.ask(method, path, b"", {"Origin": "http://localhost:9090"})
    assert reply.status == 405
    assert reply.header("content-type") == "text/html; charset=utf-8"
    assert "method_not_allowed" in reply.body.decode()


@pytest.mark.parametrize("body", [b"csrf=%FF", "csrf=ü".encode(), b"&".join([b"a=1"] * 501)])
def test_what_is_no_form_is_refused(operator: Browser, body: bytes) -> None:
    reply = operator.ask("POST", "/route", body, FORM)
    assert reply.status == 400
    assert "this is no form" in reply.body.decode()


@pytest.mark.parametrize("token", ["", "   ", OPERATE * 200])
def test_a_sign_in_without_a_token_or_with_anything_long_is_told_that_it_is_none(served: Served, token: str) -> None:
    browser = Browser(served)
    reply = browser.sign_in(token)
    assert reply.status == 401
    assert "This is not a token of this gateway." in reply.body.decode()
    assert browser.cookies == {}


@pytest.mark.parametrize("error", [StoreUnavailable("the disk is away"), StoreBusy("too much waits", retry_after=7)])
def test_a_store_that_is_away_is_said_with_when_to_come_again(
    operator: Browser, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def away(*_: object) -> None:
        raise error

    monkeypatch.setattr(AdminService, "deliveries", away)
    for reply in (operator.get("/deliveries"), operator.get("/api/v1/deliveries", Authorization=f"Bearer {OPERATE}")):
        assert reply.status == 503
        assert reply.header("retry-after") == ("7" if isinstance(error, StoreBusy) else "5")
        assert str(error) in reply.body.decode()


def test_a_bug_in_a_page_is_a_page_and_a_line_in_the_log_and_shows_nothing_of_itself(
    operator: Browser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def bug(*_: object) -> None:
        raise RuntimeError("canary of a bug")

    monkeypatch.setattr(AdminService, "deliveries", bug)
    page, document = operator.get("/deliveries"), operator.get("/api/v1/deliveries", Authorization=f"Bearer {OPERATE}")
    assert (page.status, document.status) == (500, 500)
    assert document.json()["code"] == "internal_error"
    for reply in (page, document):
        assert "the log says why" in reply.body.decode()
        assert "canary" not in reply.body.decode()
    logged = capsys.readouterr().out
    assert "page_failed" in logged
    assert "api_failed" in logged
    assert operator.get("/events").status == 200


def test_a_language_can_be_chosen_before_the_sign_in(served: Served) -> None:
    browser = Browser(served)
    reply = browser.get("/sign-in?next=%2Fdead&lang=zh")
    assert (reply.status, reply.header("location")) == (303, "/sign-in?next=%2Fdead")
    assert browser.get("/sign-in").header("content-language") == "zh"


def test_what_pages_load_may_be_kept_for_ever_because_its_address_is_of_its_content(operator: Browser) -> None:
    links = set(re.findall('"(/static/[^"]+)"', operator.get("/").body.decode() + operator.get("/route").body.decode()))
    assert {link.rpartition("/")[2] for link in links} <= set(STATIC)
    assert links
    for link in links:
        reply = operator.get(link)
        assert reply.status == 200
        assert reply.body
        assert reply.header("cache-control") == "public, max-age=31536000, immutable"
        assert reply.header("content-type") == STATIC[link.rpartition("/")[2]]
        folder, _, name = link.rpartition("/")
        assert operator.get(f"{folder[:-1]}x/{name}").status == 404
        assert operator.post(link).status == 404


def test_refused_callbacks_of_no_source_are_listed_by_an_empty_source(served: Served, operator: Browser) -> None:
    assert served.post(b"{}", "/hooks/nobody-knows").status == 404

    def listed(source: str) -> list[str]:
        return re.findall('href="(/refused/[0-9]+)"', operator.get(f"/refused?source={source}").body.decode())

    until(lambda: listed(""))  # it is written beside its answer
    (link,) = listed("")
    assert "/hooks/nobody-knows" in operator.get(link).body.decode()
    assert link not in listed("live")
