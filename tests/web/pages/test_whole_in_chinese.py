"""What a Chinese reader sees is Chinese: every page, also after an act and after a mistake, of real answers."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from gateway.web.pages.sentences import SENTENCES, sentence
from gateway.web.pages.words import PageWords
from tests.patience import until
from tests.web.doors import Served
from tests.web.pages.browser import Browser

PHRASE = re.compile(r"[A-Za-z]{2,}(?:[ ,;:]+[A-Za-z]{2,})+")
VALUES = re.compile(r"'[^']*'|`[^`]*`|现有：.*|仍被拒绝.*")  # names; a list of them; what a source's plugin says
VERBATIM = ("pre", "code", "textarea", "script", "style", "option")
VOID = ("img", "input", "meta", "link", "br", "hr")
NAMES = {"Recording Gateway"}
MISTAKES = (
    "/events?source=lve", "/events?type=recording.strated", "/events?since=yesterday", "/events?tpye=x", "/events?limit=no",
    "/events?limit=0", "/events?limit=9999", "/events?held=perhaps", "/events?cursor=forged", "/events?q=" + "a" * 300,
    "/events?until=9999-99-99", "/deliveries?sink=fil", "/deliveries?state=ded", "/deliveries?reason=bored", "/dead?sink=fil",
    "/dead?reason=bored", "/refused?source=lve", "/refused/99", "/refused/nine", "/nothing", "/audit?hwo=ops", "/audit?since=1000000d",
    "/events/00ff", "/events/0123456789abcdef0123456789abcdef", "/sinks/fil", "/sinks/file?event=0123", "/sources/lve", "/jobs/7",
    "/route?event=0123", "/?window=2h", "/jobs?cursor=x",
)  # fmt: skip


class Shown(HTMLParser):
    """The text of a page that is not a value: nothing of what is set in letters of one width or in another language."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._verbatim: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.texts += [value for name in ("aria-label", "title", "alt") if (value := values.get(name))]
        if tag not in (*VOID, "html"):
            verbatim = tag in VERBATIM or "mono" in (values.get("class") or "").split() or "lang" in values
            self._verbatim.append(verbatim or any(self._verbatim[-1:]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in (*VOID, "html") and self._verbatim:
            self._verbatim.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._verbatim[-1:]):
            self.texts.append(data)


def english(body: bytes) -> set[str]:
    page = Shown()
    page.feed(body.decode())
    page.close()
    without = (re.sub(VALUES, " ", text) for text in page.texts)
    return {phrase for text in without for phrase in PHRASE.findall(text)} - NAMES


@pytest.fixture
def chinese(served: Served) -> Browser:
    browser = Browser(served, language="zh-CN")
    assert browser.sign_in().status == 303
    return browser


def test_every_page_and_what_an_act_says_is_in_chinese(chinese: Browser) -> None:
    listing = chinese.get("/events?type=recording.file.completed").body.decode()
    ref = listing.split('href="/events/')[1].split('"')[0]
    acts = (
        ("/deliveries/1/retry", {}), ("/deliveries/1/cancel", {}), ("/dead/retry", {"id": "1"}), ("/dead/retry", {}),
        (f"/events/{ref}/replay", {"to": "file"}), (f"/events/{ref}/replay", {"to": "fil"}), (f"/events/{ref}/release", {}),
        ("/sinks/file/pause", {}), ("/sinks/file/pause", {}), ("/sinks/file/resume", {}), ("/sinks/file/resume", {}),
        ("/refused/1/retry", {}), ("/config/reload", {}), ("/bulk", {"act": "retry", "state": "dead"}),
        ("/route", {"event": "{", "config": ""}), ("/route", {"event": "[]", "config": ""}), ("/jobs/3/cancel", {}),
    )  # fmt: skip
    for path, fields in acts:
        reply = chinese.send(path, **fields)
        shown = chinese.get(reply.header("location") or "/") if reply.status == 303 else reply
        assert english(shown.body) == set(), (path, fields)
    for path in ("/", "/events", f"/events/{ref}", "/deliveries", "/dead", "/jobs", "/sinks", "/sinks/file", "/sources", "/sources/live", "/refused", "/refused/1", "/route", "/config", "/audit"):  # fmt: skip
        assert english(chinese.get(path).body) == set(), path
    audit = chinese.get("/audit").body.decode()
    assert "暂停目标" in audit
    assert "已暂停" in audit


@pytest.mark.parametrize("path", MISTAKES)
def test_a_mistake_is_explained_in_chinese_with_the_word_that_was_meant(chinese: Browser, path: str) -> None:
    reply = chinese.get(path)
    assert reply.status < 500
    assert english(reply.body) == set()


def test_an_alarm_says_what_it_is_about_and_that_no_callback_made_it(chinese: Browser, served: Served) -> None:
    path = "/events?type=gateway.*"
    until(lambda: 'href="/events/' in chinese.get(path).body.decode())  # an alarm comes when it comes
    body = chinese.get(path).body.decode()
    ref = body.split('href="/events/')[1].split('"')[0]
    page = chinese.get(f"/events/{ref}").body
    assert "回调被拒绝" in page.decode()
    assert "网关发现了此情况" in page.decode()
    assert 'href="/sources/gateway"' not in page.decode()
    assert english(page) <= {"gateway refused list"}
    assert "alarms: {to: […]}" in page.decode()


def test_a_near_miss_is_named_in_chinese(chinese: Browser) -> None:
    body = chinese.get("/events?source=lve").body.decode()
    assert "没有来源 &#39;lve&#39;。您是指 &#39;live&#39; 吗？" in body


@pytest.mark.parametrize("english", SENTENCES)
def test_a_sentence_with_any_value_in_it_is_found_again(english: str) -> None:
    values = {name: f"{number}; {{0}}" for number, name in enumerate(re.findall(r"\{(\w+)\}", english))}
    translated = sentence(PageWords("zh"), english.format(**values))
    assert translated != english.format(**values)
    assert all(value in translated for value in values.values())
    assert sentence(PageWords("en"), english) == english


def test_a_text_that_is_no_sentence_of_ours_is_shown_as_it_came() -> None:
    t = PageWords("zh")
    for text in ("", "the disk is on fire", "x" * 100_000, "{0.__class__}", "no sink"):
        assert sentence(t, text) == text
