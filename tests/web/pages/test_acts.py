"""What a page says after an act: all of what was done, and what was not with its reason."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admin import sink_results
from tests.patience import until
from tests.running import Player
from tests.web.admin_api import CONFIG, ask, post, serve
from tests.web.admin_api import until as until_told
from tests.web.doors import Served
from tests.web.pages.browser import Browser

EVENTS = 6
NOTICE = re.compile('<div class="notice (good|bad)" role="status"><p>(.*?)</p>')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("acts")


@pytest.fixture(scope="module")
def waits(folder: Path) -> Iterator[Served]:
    """A gateway with one sink that is paused, for which something waits."""
    with serve(folder, config=CONFIG.replace("to: [file]}", "to: [gone]}")) as served:
        assert post(served, "/sinks/gone/pause").status == 200
        for number in range(EVENTS):
            assert served.post(Player().body(number=number)).status == 200
        until_told(served, "/deliveries?state=waiting", lambda page: len(page["items"]) == EVENTS)
        yield served
        served.ask()
        served.result()


@pytest.fixture
def operator(waits: Served) -> Browser:
    browser = Browser(waits)
    assert browser.sign_in().status == 303
    return browser


def waiting_ids(served: Served) -> list[int]:
    return [one["id"] for one in ask(served, "/deliveries?state=waiting").json()["items"]]


def said(browser: Browser, path: str, **fields: str) -> tuple[str, str]:
    """How an act went, as the page says to which it leads."""
    return said_at(browser, browser.send(path, **fields))


def said_at(browser: Browser, reply: Any) -> tuple[str, str]:
    assert reply.status == 303, reply.body.decode()
    (notice,) = NOTICE.findall(browser.get(reply.header("location") or "").body.decode())
    return notice[0], html.unescape(notice[1]).strip()


def test_of_some_that_were_chosen_the_page_says_how_many_were_not_done_and_why(
    waits: Served, operator: Browser
) -> None:
    dead = waiting_ids(waits)[0]
    assert said(operator, f"/deliveries/{dead}/cancel") == ("good", "It is cancelled, and not tried any more.")
    form = f"csrf={operator.csrf()}&id={dead}&id=99999"
    reply = operator.ask(
        "POST",
        "/dead/retry",
        form.encode(),
        {"Origin": "http://localhost:9090", "Content-Type": "application/x-www-form-urlencoded"},
    )
    kind, text = said_at(operator, reply)
    assert kind == "bad"
    assert text.startswith("Done: 1. Not done: 1 (")
    assert "99999" in text
    assert dead in waiting_ids(waits)


def test_a_bulk_act_is_shown_first_and_goes_on_by_itself_when_it_is_meant(waits: Served, operator: Browser) -> None:
    assert post(waits, f"/deliveries/{waiting_ids(waits)[0]}/cancel").status == 200
    asked = {"act": "retry", "state": "dead", "sink": "gone"}
    page = operator.send("/bulk", **asked).body.decode()
    assert "Retry: 1 of them?" in page
    upto = re.findall('name="upto" value="([0-9]+)"', page)[0]
    reply = operator.send("/bulk", **asked, upto=upto, rate="200/s")
    assert reply.status == 303
    link = reply.header("location") or ""
    assert re.fullmatch("/jobs/[0-9]+", link)
    until(lambda: "1 / 1" in operator.get(link).body.decode())
    assert ask(waits, f"/api/v1{link}".removeprefix("/api/v1")).json()["rate"] == 200
    assert len(waiting_ids(waits)) == EVENTS


def test_a_bulk_act_that_goes_on_is_ended_by_its_button(waits: Served, operator: Browser) -> None:
    for id in waiting_ids(waits)[:3]:
        assert post(waits, f"/deliveries/{id}/cancel").status == 200
    upto = post(waits, "/bulk", {"act": "retry", "preview": True}).json()["upto"]
    job = post(waits, "/bulk", {"act": "retry", "upto": upto, "rate": "1/1m"}).json()["job"]
    assert f'action="/jobs/{job}/cancel"' in operator.get(f"/jobs/{job}").body.decode()
    kind, text = said(operator, f"/jobs/{job}/cancel")
    assert (kind, text) == ("good", "It ends before its next step. What was done stays done.")
    assert f'action="/jobs/{job}/cancel"' not in operator.get(f"/jobs/{job}").body.decode()
    assert said(operator, f"/jobs/{job}/cancel")[0] == "bad"
    for one in ask(waits, "/deliveries?state=dead").json()["items"]:
        assert post(waits, f"/deliveries/{one['id']}/retry").status == 200


def test_what_needs_a_person_is_said_in_the_readers_language(waits: Served, operator: Browser) -> None:
    assert f"gone is paused; {EVENTS} deliveries wait" in operator.get("/").body.decode()
    operator.language = "zh-CN"
    page = operator.get("/").body.decode()
    assert "deliveries wait" not in page
    assert f"{EVENTS}" in page


def test_a_test_message_that_does_not_arrive_is_not_said_to_have(
    operator: Browser, waits: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tried:
        """In the place of the command that sends it (tests/reload/test_directories.py has that)."""

        async def test(self, name: str, *_: object) -> sink_results.TestAnswer:
            return sink_results.TestAnswer(sink=name, outcome="unavailable", seconds=0.1, detail="nobody answers")

    csrf = operator.csrf()
    with monkeypatch.context() as patch:
        patch.setattr(waits.behind, "admin", Tried())
        reply = operator.post("/sinks/gone/test", {"csrf": csrf})
    assert said_at(operator, reply) == ("bad", "The test message was not delivered: nobody answers")


def test_a_reload_says_what_it_changed(folder: Path, operator: Browser) -> None:
    path = folder / "gateway.yaml"
    before = path.read_text()
    path.write_text(
        before.replace("sinks:\n", "sinks:\n  screen: {type: console}\n").replace("name: all", "name: every")
    )
    assert said(operator, "/config/reload") == ("good", "The new configuration runs. Changed: screen, routes")
    path.write_text(path.read_text() + "locale: {timezone: Asia/Shanghai}\n")
    assert said(operator, "/config/reload") == ("good", "The new configuration runs. Changed: locale")
    assert said(operator, "/config/reload") == ("good", "The file says what runs already.")
    path.write_text(before)
    assert said(operator, "/config/reload")[0] == "good"
