"""An event without the vendor's bytes says why there are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.config.load import load
from tests.running import Player
from tests.web.doors import Served
from tests.web.pages.browser import Browser
from tests.web.pages.conftest import CONFIG

SAID = "They are not kept"


@pytest.fixture(scope="module")
def redacting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("redacting") / "gateway.yaml"
    path.write_text(CONFIG.replace("apps: [live]", 'apps: [live], redact: ["$.data.files[*].download_url"]'))
    path.chmod(0o600)
    gateway: Any = Gateway(load(path, environ={}))
    with Served(gateway) as served:
        assert served.post(Player().body()).status == 200
        yield served
        served.ask()
        served.result()


def event_page(served: Served) -> str:
    browser = Browser(served)
    assert browser.sign_in().status == 303
    listed = browser.get("/events").body.decode()
    return browser.get("/events/" + listed.split('href="/events/')[1].split('"')[0]).body.decode()


def test_of_a_source_with_redact_the_page_says_that_they_are_not_kept(redacting: Served) -> None:
    page = event_page(redacting)
    assert SAID in page
    assert "0 B" not in page.split("As the vendor sent it")[1].split("As the sinks get it")[0]


def test_of_any_other_they_are_shown(served: Served) -> None:
    page = event_page(served)
    assert SAID not in page
    assert "auth_timestamp" in page
