"""Signing in, and what keeps everybody else out: sessions, rights, forged requests, headers."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from gateway.config.grammar.listeners import TokenSettings
from gateway.fields import Secret
from gateway.runtime.clock import FrozenClock
from gateway.web.pages.page_list import PAGES
from gateway.web.pages.visit import local
from gateway.web.sessions import IDLE_SECONDS, SESSIONS_MAX, cookie_name, own_origin
from gateway.web.tokens import Tokens
from tests.web.doors import Served
from tests.web.pages.browser import OPERATE, READ, Browser

HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}


def path_of(template: str) -> str:
    return template.replace("{ref}", "none").replace("{number}", "1").replace("{name}", "file")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_nobody_sees_or_does_anything_without_a_session(browser: Browser, page: Any) -> None:
    path = path_of(page.path)
    reply = browser.get(path) if page.method == "GET" else browser.post(path, {"csrf": "x"})
    assert (reply.status, (reply.header("location") or "").partition("?")[0]) == (303, "/sign-in")
    if page.method == "POST":
        assert browser.post(path, {"csrf": "x"}, Origin="http://evil.example").status == 403


def test_who_presses_a_button_after_the_session_has_ended_signs_in_and_is_back(operator: Browser) -> None:
    """As after a restart of the gateway, which ends all sessions: the page is still there, and its button does nothing."""
    csrf = operator.csrf()
    operator.cookies = dict.fromkeys(operator.cookies, "of-another-life")
    reply = operator.post("/sinks/file/pause", {"csrf": csrf})
    where = reply.header("location") or ""
    assert (reply.status, where) == (303, "/sign-in?next=%2Fsinks%2Ffile&ended=yes")
    assert "was not done" in operator.get(where).body.decode()
    assert operator.sign_in(next="/sinks/file").header("location") == "/sinks/file"
    assert "Resume" not in operator.get("/sinks/file").body.decode()
    again = Browser(operator.served).get("/sinks/file/pause")  # its address, loaded again
    assert again.header("location") == "/sign-in?next=%2Fsinks%2Ffile"


@pytest.mark.parametrize("page", [page for page in PAGES if page.role == "operate"], ids=lambda page: page.path)
def test_a_token_that_may_read_changes_nothing(reader: Browser, page: Any) -> None:
    reply = reader.send(path_of(page.path))
    assert reply.status == 403
    assert b"may read" in reply.body


@pytest.mark.parametrize("page", [page for page in PAGES if page.method == "POST"], ids=lambda page: page.path)
@pytest.mark.parametrize("forged", ["no csrf", "wrong csrf", "other origin", "no origin", "cross-site"])
def test_a_form_that_is_not_of_a_page_of_this_session_does_nothing(operator: Browser, page: Any, forged: str) -> None:
    path, csrf = path_of(page.path), operator.csrf()
    ways: dict[str, dict[str, Any]] = {
        "no csrf": {"fields": {}},
        "wrong csrf": {"fields": {"csrf": "x" * 32}},
        "other origin": {"fields": {"csrf": csrf}, "Origin": "http://evil.example"},
        "no origin": {"fields": {"csrf": csrf}, "Origin": ""},
        "cross-site": {"fields": {"csrf": csrf}, "Sec-Fetch-Site": "cross-site"},
    }
    sent = ways[forged]
    fields = sent.pop("fields")
    assert operator.post(path, fields, **sent).status == 403


def test_the_session_of_a_page_may_use_the_api_only_with_its_own_mark(operator: Browser) -> None:
    assert operator.get("/api/v1/events").status == 200
    assert operator.post("/api/v1/reload").status == 403
    assert operator.post("/api/v1/reload", Origin="http://evil").status == 403
    assert operator.ask("POST", "/api/v1/reload", b"", {"Origin": "http://localhost:9090"}).status == 403
    good = {"Origin": "http://localhost:9090", "X-CSRF-Token": operator.csrf()}
    assert operator.ask("POST", "/api/v1/reload", b"", good).status == 200


def test_a_cookie_adds_nothing_to_a_bearer_token(operator: Browser) -> None:
    assert operator.get("/api/v1/events", Authorization="Bearer wrong").status == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Browser) -> None:
    cookie = browser.sign_in().header("set-cookie") or ""
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert "Secure" in (browser.post("/sign-in", {"token": OPERATE}, Origin="https://localhost:9090").header("set-cookie") or "")  # fmt: skip


def test_an_id_from_before_the_sign_in_is_worth_nothing(served: Served) -> None:
    browser = Browser(served, cookies={"gw9090": "chosen-by-somebody-else"})
    browser.sign_in()
    first = browser.cookies["gw9090"]
    assert first != "chosen-by-somebody-else"
    browser.sign_in()
    assert browser.cookies["gw9090"] != first
    assert Browser(served, cookies={"gw9090": first}).get("/events").status == 303


def test_signing_out_ends_the_session_here_and_not_only_in_the_browser(served: Served, operator: Browser) -> None:
    kept = dict(operator.cookies)
    assert operator.send("/sign-out").status == 303
    assert operator.cookies == {}
    assert Browser(served, cookies=kept).get("/events").status == 303


def test_a_wrong_token_is_refused_and_guessing_is_braked(served: Served) -> None:
    from gateway.web.tokens import PEER_FAILURES_MAX

    browser = Browser(served)
    statuses = [browser.sign_in("w" * 40).status for _ in range(PEER_FAILURES_MAX + 1)]
    assert (statuses[0], statuses[-1], set(statuses)) == (401, 429, {401, 429})
    assert browser.sign_in(OPERATE).status == 303  # never a lock-out


@pytest.mark.parametrize("path", ["/", "/events", "/sign-in", "/static/x/app.css", "/sources/live"])
def test_a_token_in_a_url_is_refused(browser: Browser, path: str) -> None:
    for name in ("token", "access_token", "Token"):
        reply = browser.get(f"{path}?{name}={OPERATE}")
        assert reply.status in (400, 404)
        assert OPERATE.encode() not in reply.body


@pytest.mark.parametrize(
    "link",
    ["//evil.example", "/\\evil.example", "https://evil.example/", "evil.example", "/a b", "/\r\nX: y", '/"><script>', "/é", "/\t/evil", "x" * 5000],
)  # fmt: skip
def test_the_way_after_the_sign_in_leads_to_our_own_pages_only(browser: Browser, link: str) -> None:
    assert local(link) == "/"
    reply = browser.sign_in(next=link)
    assert (reply.status, reply.header("location")) == (303, "/")


def test_what_was_asked_for_is_shown_after_the_sign_in(browser: Browser) -> None:
    asked = browser.get("/events?type=recording.*&since=2d").header("location") or ""
    assert asked.startswith("/sign-in?next=")
    assert (
        browser.sign_in(next="/events?type=recording.*&since=2d").header("location")
        == "/events?type=recording.*&since=2d"
    )


@pytest.mark.parametrize(
    "path", ["/", "/events", "/sign-in", "/config", "/none", "/events/none", "/static/x/y", "/healthz"]
)
def test_every_answer_has_the_headers_that_keep_strangers_out(operator: Browser, path: str) -> None:
    reply = operator.get(path)
    assert {name: reply.header(name) for name in HEADERS} == HEADERS


def test_nothing_of_the_pages_is_at_the_public_door(served: Served) -> None:
    for page in PAGES:
        with served.public() as client:
            client.send(f"GET {path_of(page.path)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.reply().status in (404, 405), page.path


@pytest.mark.parametrize("host", ["evil.example:9090", "localhost.evil.example", "127.0.0.1.nip.io:9090"])
def test_a_name_that_was_bound_to_this_address_sees_no_page(served: Served, host: str) -> None:
    assert Browser(served, host=host).get("/sign-in").status == 421
    assert Browser(served, host=host).sign_in().status == 421


def test_no_page_takes_a_file(operator: Browser) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="config"; filename="x"\r\n\r\nx\r\n--b--\r\n'
    headers = {"Origin": "http://localhost:9090", "Content-Type": "multipart/form-data; boundary=b"}
    for page in PAGES:
        if page.method == "POST":
            assert operator.ask("POST", path_of(page.path), body, headers).status == 415


def test_a_form_that_is_too_large_is_refused(operator: Browser) -> None:
    assert operator.post("/route", {"csrf": "x", "event": "x" * 300_000}).status == 413


def request(cookie: str = "", **headers: str) -> Request:
    fields = {"host": "localhost:9090"} | {**headers, **({"cookie": cookie} if cookie else {})}
    return Request(
        {
            "type": "http", "method": "GET", "path": "/", "query_string": b"", "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        }
    )  # fmt: skip


def tokens(clock: FrozenClock, *configured: TokenSettings) -> tuple[Tokens, list[TokenSettings]]:
    held = list(configured)
    return Tokens(lambda: held, clock), held


OPS = TokenSettings(name="ops", token=Secret(OPERATE), role="operate")
LOOK = TokenSettings(name="look", token=Secret(READ), role="read")


def test_a_session_ends_after_idling_and_with_its_token() -> None:
    clock = FrozenClock()
    gate, held = tokens(clock, OPS, LOOK)
    seen = request(f"gw9090={gate.sign_in(request(), OPERATE.encode())}")
    assert gate.check(seen, "operate").name == "ops"
    clock.advance(IDLE_SECONDS - 1)
    assert gate.sessions.session_of(seen) is not None
    clock.advance(IDLE_SECONDS + 1)
    assert gate.sessions.session_of(seen) is None
    seen = request(f"gw9090={gate.sign_in(request(), OPERATE.encode())}")
    held.remove(OPS)
    session = gate.sessions.session_of(seen)
    assert session is not None
    assert gate.holder(session) is None


def test_sessions_are_bounded_and_the_one_that_idles_longest_goes() -> None:
    gate, _ = tokens(FrozenClock(), OPS)
    ids = [gate.sign_in(request(), OPERATE.encode()) for _ in range(SESSIONS_MAX + 1)]
    assert gate.sessions.session_of(request(f"gw9090={ids[0]}")) is None
    assert gate.sessions.session_of(request(f"gw9090={ids[-1]}")) is not None


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        ("http://localhost:9090", True),
        ("https://localhost:9090", True),
        ("http://LOCALHOST:9090", True),
        ("http://localhost", False),
        ("http://localhost:9091", False),
        ("null", False),
        ("file://localhost:9090", False),
        ("http://localhost:9090.evil", False),
        ("http://user@localhost:9090", False),
        ("", False),
    ],
)
def test_only_our_own_origin_is_ours(origin: str, ours: bool) -> None:
    assert own_origin(request(origin=origin)) is ours


def test_gateways_on_two_ports_of_a_host_do_not_sign_each_other_out() -> None:
    assert cookie_name(request()) == "gw9090"
    assert cookie_name(request(host="gw.example.com")) == "gw"
    assert cookie_name(request(host="[::1]:9191")) == "gw9191"


def test_where_there_is_no_page_a_person_gets_a_page_and_a_stranger_what_a_program_gets(
    served: Served, operator: Browser
) -> None:
    for path in ("/nothing", "/events/a/b", "/static/x"):
        assert operator.get(path).status == 404
        assert "There is nothing here" in operator.get(path).body.decode()
        assert operator.get(path).header("content-security-policy")
        assert Browser(served).get(path).header("content-type") == "application/problem+json"
    assert operator.get("/api/v1/nothing").header("content-type") == "application/problem+json"
