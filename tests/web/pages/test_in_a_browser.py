"""The pages in Chromium: the way of an operator with mouse and with keys alone, both themes and languages, no scripts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.config.load import load
from tests.running import KEY, Player, Receiver, receiving
from tests.web.doors import Served
from tests.web.pages.browser import OPERATE
from tests.web.pages.chromium import axe, chromium, size, text, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
PAGES = ("/", "/events", "/recordings", "/deliveries", "/dead", "/jobs", "/sinks", "/sinks/app", "/sources", "/sources/live", "/refused", "/refused/1", "/route", "/config", "/audit")  # fmt: skip

SHIFT_MAX = 0.01  # a tenth of what is called good (web.dev/articles/cls)
SHIFT = """const [wait, done] = arguments; let sum = 0
  new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) sum += one.value })
    .observe({type: 'layout-shift', buffered: true})
  setTimeout(() => done(sum), wait)"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(400) as receiver:
        yield receiver


@pytest.fixture
def served(tmp_path: Path, receiver: Receiver) -> Iterator[Served]:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"""
version: 1
server: {{port: 0}}
admin: {{port: 0, token: {OPERATE}}}
store: sqlite:///gateway.db
sources:
  live: {{type: huawei-live, keys: ["{KEY}"], domains: [push.example.com], apps: [live]}}
sinks:
  app: {{type: forward, url: "{receiver.url}"}}
routes:
  - {{name: all, to: [app]}}
""")
    path.chmod(0o600)
    gateway: Any = Gateway(load(path, environ={}))
    with Served(gateway) as served:
        assert served.post(b'{"event_type": "RECORD_START"}').status == 401
        yield served


def base(served: Served) -> str:
    return f"http://127.0.0.1:{served.addresses.private.sockets[0].getsockname()[1]}"


def sign_in(driver: Any, served: Served, path: str = "/events") -> None:
    from selenium.webdriver.common.by import By

    driver.get(base(served) + path)
    driver.find_element(By.ID, "token").send_keys(OPERATE + "\n")
    until(driver, lambda d: d.current_url == base(served) + path)


def rows(driver: Any) -> list[Any]:
    return list(driver.find_elements("css selector", "tbody tr"))


def no_complaint(driver: Any) -> None:
    """Nothing was refused by the policy of the pages, and nothing failed."""
    bad = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE" or "Security" in entry["message"]]
    assert bad == []


def callback(served: Served, number: int) -> None:
    assert served.post(Player().body("RECORD_FAILED", number=number)).status == 200


def test_an_operator_sees_why_an_event_did_not_arrive_mends_the_target_and_sends_it(
    served: Served, receiver: Receiver
) -> None:
    from selenium.webdriver.common.by import By

    with chromium() as driver:
        sign_in(driver, served)
        until(driver, lambda d: text(d, "[data-live-sign]") == "Live")
        assert "Recording failed" not in text(driver, "main > :not(form)")
        callback(served, 1)
        until(driver, lambda d: "Recording failed" in text(d, "#rows"))  # it came by itself
        until(driver, lambda d: "dead" in text(d, "#rows"))
        driver.find_element(By.LINK_TEXT, "Recording failed").click()
        until(driver, lambda d: "It did not arrive at app" in text(d))
        assert "HTTP 400" in text(driver, "#timeline") or "(400)" in text(driver, "#timeline")
        receiver.answer = 200
        driver.find_element(By.XPATH, "//button[text()='Retry']").click()
        until(driver, lambda d: "It is tried again now." in text(d))
        until(driver, lambda d: "It arrived at app." in text(d))
        assert len(receiver.requests) == 2
        no_complaint(driver)


def test_a_long_name_leaves_room_for_others_and_a_blank_one_can_be_followed(served: Served) -> None:
    for number, stream in enumerate(["W" * 3000, "Z\u0335\u0361" * 500, "   "]):
        assert served.post(Player().body("RECORD_FAILED", number=number, fields={"stream": stream})).status == 200
    with chromium(400) as driver:
        sign_in(driver, served)
        for path in ("/events", "/deliveries", "/dead", "/sinks/app", "/recordings"):
            until(driver, lambda d, path=path: d.get(base(served) + path) or len(rows(d)) >= 3)
            assert all(row.size["height"] < 250 for row in rows(driver)), path
        assert sorted(link.text[0] for link in driver.find_elements("css selector", "tbody a")) == ["#", "W", "Z"]


def test_the_same_goes_with_the_keyboard_alone(served: Served, receiver: Receiver) -> None:
    from selenium.webdriver.common.keys import Keys

    def press(key: str) -> None:
        driver.switch_to.active_element.send_keys(key)

    def tab_to(wanted: str) -> None:
        for _ in range(80):
            press(Keys.TAB)
            here = driver.switch_to.active_element
            if wanted in (here.text, here.get_attribute("aria-label")):
                outline = here.value_of_css_property("outline-style")
                assert outline not in ("none", ""), f"{wanted} does not show that it has the focus"
                return
        raise AssertionError(f"{wanted} cannot be reached with Tab")

    with chromium() as driver:
        driver.get(base(served) + "/events")
        press(OPERATE + Keys.ENTER)  # the field has the focus
        until(driver, lambda d: d.current_url.endswith("/events"))
        callback(served, 1)
        until(driver, lambda d: "dead" in text(d, "#rows"))
        press(Keys.TAB)
        assert driver.switch_to.active_element.text == "Skip to the content"
        press(Keys.ENTER)
        tab_to("Recording failed")
        press(Keys.ENTER)
        until(driver, lambda d: "It did not arrive at app" in text(d))
        receiver.answer = 200
        tab_to("Retry")
        press(Keys.ENTER)
        until(driver, lambda d: "It arrived at app." in text(d))
        no_complaint(driver)


def test_what_has_the_focus_and_the_place_on_the_page_stay_while_news_come_in(served: Served) -> None:
    from selenium.webdriver.common.by import By

    for number in range(40):
        callback(served, number)
    with chromium(height=500) as driver:
        sign_in(driver, served)
        until(driver, lambda d: text(d, "[data-live-sign]") == "Live")
        before = len(driver.find_elements(By.CSS_SELECTOR, "#rows tr"))
        assert before >= 40
        link = driver.find_elements(By.CSS_SELECTOR, "#rows a")[20]
        driver.execute_script("arguments[0].focus(); arguments[0].scrollIntoView({block: 'center'})", link)
        top = link.rect["y"] - driver.execute_script("return scrollY")
        known = link.get_attribute("href")
        callback(served, 100)
        until(driver, lambda d: len(d.find_elements(By.CSS_SELECTOR, "#rows tr")) == before + 1)
        focused = driver.switch_to.active_element
        assert focused.get_attribute("href") == known
        assert abs(focused.rect["y"] - driver.execute_script("return scrollY") - top) < 2


def test_a_sink_that_somebody_else_pauses_offers_to_go_on(served: Served) -> None:
    from selenium.webdriver.common.by import By

    with chromium() as driver:
        sign_in(driver, served)
        driver.get(base(served) + "/sinks/app")
        until(driver, lambda d: text(d, "[data-live-sign]") == "Live")
        here = driver.current_window_handle
        driver.switch_to.new_window("tab")
        driver.get(base(served) + "/sinks/app")
        driver.find_element(By.XPATH, "//button[text()='Pause']").click()
        until(driver, lambda d: d.find_elements(By.XPATH, "//button[text()='Resume']"))
        driver.switch_to.window(here)
        until(driver, lambda d: d.find_elements(By.XPATH, "//button[text()='Resume']"))
        assert not driver.find_elements(By.XPATH, "//button[text()='Pause']")
        no_complaint(driver)


def test_every_page_is_readable_without_scripts(served: Served) -> None:
    callback(served, 1)
    with chromium(scripts=False) as driver:
        sign_in(driver, served)
        for path in PAGES:
            driver.get(base(served) + path)
            assert len(text(driver)) > 20, path


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_fault_for_people_who_need_help(served: Served, language: str, theme: str) -> None:
    script = axe()
    if script is None:
        pytest.skip("axe-core is not here: npm pack axe-core, and AXE_CORE=…/axe.min.js")
    callback(served, 1)
    with chromium() as driver:
        sign_in(driver, served)
        driver.get(f"{base(served)}/events?lang={language}")
        driver.get(f"{base(served)}/events?theme={theme}")
        event = driver.execute_script("return document.querySelector('#rows a').getAttribute('href')")
        for width in (1280, 390):
            size(driver, width, 900)
            for path in (*PAGES, "/recordings/1", event):
                driver.get(base(served) + path)
                driver.execute_script(script)
                result = driver.execute_async_script(
                    "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done)"
                )
                serious = [
                    (one["id"], node["html"][:200], node["failureSummary"])
                    for one in result["violations"]
                    if one["impact"] in ("serious", "critical")
                    for node in one["nodes"]
                ]
                assert serious == [], (path, width)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_on_a_page_jumps_while_it_loads_or_news_come_in(served: Served, width: int) -> None:
    for number in range(30):
        callback(served, number)
    with chromium(width) as driver:
        sign_in(driver, served)
        event = driver.execute_script("return document.querySelector('#rows a').getAttribute('href')")
        for path in (*PAGES, "/recordings/1", event):
            driver.get(base(served) + path)
            shift = driver.execute_async_script(SHIFT, 700)
            assert shift < SHIFT_MAX, path
        driver.get(base(served) + "/events")
        until(driver, lambda d: text(d, "[data-live-sign]") == "Live")
        before = driver.execute_script("return document.querySelectorAll('#rows tr').length")
        driver.execute_script("scrollTo(0, 600)")
        seen = "return document.querySelectorAll('#rows tr').item(arguments[0]).getBoundingClientRect().top"
        place = driver.execute_script(seen, 12)
        callback(served, 900)
        until(driver, lambda d: d.execute_script("return document.querySelectorAll('#rows tr').length") > before)
        assert abs(driver.execute_script(seen, 13) - place) < 1


def test_a_newcomer_signs_in_with_the_token_of_the_example(tmp_path: Path) -> None:
    text_of = Path("config.example.yaml").read_text(encoding="utf-8")
    path = tmp_path / "config.example.yaml"
    path.write_text(re.sub(r"(?m)^(\s*port:) \d+", r"\1 0", text_of), encoding="utf-8")
    gateway: Any = Gateway(load(path, environ={}))
    with Served(gateway) as served, chromium() as driver:
        from selenium.webdriver.common.by import By

        driver.get(base(served))
        token = re.search(r"token: (demo-\S+)", text_of)
        assert token is not None
        driver.find_element(By.ID, "token").send_keys(token[1] + "\n")
        until(driver, lambda d: d.find_element(By.CSS_SELECTOR, "nav a[href='/events']"))
        assert "Sign in" not in text(driver)
        no_complaint(driver)


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_its_window_with_nothing_and_with_much(served: Served, width: int) -> None:
    with chromium(width) as driver:
        sign_in(driver, served)
        for number in (0, 60):
            for count in range(number):
                callback(served, count)
            for path in PAGES:
                driver.get(base(served) + path)
                assert driver.execute_script("return document.documentElement.scrollWidth") <= width, path
        no_complaint(driver)


def test_the_pictures_of_the_readme_are_of_these_pages(served: Served, tmp_path: Path) -> None:
    """With PICTURES=1 they are made anew, for docs/images."""
    from selenium.webdriver.common.by import By

    for number in range(6):
        callback(served, number)
    folder = Path("docs/images") if os.environ.get("PICTURES") else tmp_path
    folder.mkdir(exist_ok=True)
    with chromium(1280, 800) as driver:
        sign_in(driver, served)
        until(driver, lambda d: "dead" in text(d, "#rows"))
        event = driver.find_element(By.LINK_TEXT, "Recording failed").get_dom_attribute("href")
        for theme in ("light", "dark"):
            driver.get(f"{base(served)}/events?theme={theme}")
            driver.get(base(served) + event)
            until(driver, lambda d: text(d, "[data-live-sign]") == "Live")
            picture = folder / f"event-{theme}.png"
            assert driver.save_screenshot(str(picture))
            assert picture.stat().st_size > 10_000
