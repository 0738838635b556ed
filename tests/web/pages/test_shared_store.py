"""Two gateways on one PostgreSQL: the pages of either one show and steer both."""

from __future__ import annotations

from pathlib import Path

from tests.web.admin_api import OPERATE as TOKEN
from tests.web.admin_api import ask, fill, serve, until
from tests.web.pages.browser import Browser


def test_the_pages_of_either_gateway_show_and_steer_both(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "other").mkdir()
    with (
        serve(tmp_path, store=str(postgres_url)) as one,
        serve(tmp_path / "other", store=str(postgres_url)) as other,
    ):
        fill(one, 2)
        here, there = Browser(one), Browser(other)
        assert here.sign_in(TOKEN).status == there.sign_in(TOKEN).status == 303
        until(other, "/deliveries?state=delivered", lambda page: len(page["items"]) == 2)
        item = ask(other, "/events").json()["items"][0]
        for browser in (here, there):
            assert item["subject"] in browser.get("/events").body.decode()
            assert browser.get(f"/events/{item['ref']}").status == 200
            assert "Resume" not in browser.get("/sinks/file").body.decode()
        assert there.send("/sinks/file/pause").status == 303
        for browser in (here, there):
            assert "Resume" in browser.get("/sinks/file").body.decode()
            assert "sinks pause" in browser.get("/audit").body.decode()
        fill(one, 3)
        until(one, "/deliveries?state=waiting", lambda page: len(page["items"]) == 3)
        assert here.send("/sinks/file/resume").status == 303
        until(other, "/deliveries?state=delivered", lambda page: len(page["items"]) == 5)
        assert "Resume" not in there.get("/sinks/file").body.decode()
        for served in (one, other):
            served.ask()
            served.result()
