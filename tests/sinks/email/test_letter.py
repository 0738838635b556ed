"""What the mail is: headers that no event can change, a text and an HTML part that hostile names have no power in."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gateway import RECORDING_FAILED, RECORDING_STARTED, Fault, File, sample
from gateway.testing import cases, delivery, event, events
from plugins.sinks.cards.card import View
from plugins.sinks.cards.template import zone
from plugins.sinks.cards.words import words
from plugins.sinks.email.mail_layout import draw, draw_digest
from plugins.sinks.email.options import EmailOptions
from plugins.sinks.email.words import mail_words
from tests.patience import PATIENCE_S
from tests.sinks.email.conftest import mailing, serving
from tests.sinks.email.drawn import made


class Parts(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


# --- bodies ---------------------------------------------------------------------------------------------------------------


def test_everything_that_is_known_is_said_in_both_parts() -> None:
    one = event(error=Fault(code="E1", message="it broke"))
    mail = made(one, timezone="Asia/Shanghai")
    [file] = one.files
    for kind in ("plain", "html"):
        said = mail.part(kind)
        for expected in (
            "push.example.com/live/mystream", "3.96 MB", "2m", "1280x720", "2026-01-01 20:02:00 +08:00", "E1: it broke",
            "fields", one.id, file.play_url, file.download_url,
        ):  # fmt: skip
            assert str(expected) in said, (kind, expected)


def test_chinese_mails_are_chinese() -> None:
    mail = made(event(RECORDING_FAILED), language="zh-CN")
    assert mail.message["Subject"] == "录制失败: push.example.com/live/mystream"
    assert "由 Recording Gateway 发送 · 来源 live" in mail.part("plain")
    assert '<html lang="zh-CN">' in mail.part("html")
    digest = made(event(RECORDING_FAILED), event(), event(RECORDING_STARTED), language="zh")
    assert digest.message["Subject"] == "3 条录制事件 (1 条失败)"


def test_links_go_where_they_are_wanted_and_nowhere_else() -> None:
    url = "https://cdn.example.com/a.m3u8?auth_key=SECRET"
    one = event(files=(File(play_url=url, download_url="javascript:alert(1)"),))
    full, short, none = (made(one, links=links) for links in ("full", "short", "none"))
    assert "SECRET" in full.part("html")
    assert "SECRET" not in short.part("html") + short.part("plain")
    assert "https://cdn.example.com/a.m3u8" in short.part("html")
    assert "cdn.example.com" not in none.part("html") + none.part("plain")
    assert "javascript" not in full.part("html")
    targets = [attributes["href"] for tag, attributes in Parts(full.part("html")).tags if tag == "a"]
    assert targets == [url]


def test_a_mail_says_until_when_its_link_leads_somewhere_and_a_late_one_that_it_has_ended() -> None:
    ends = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    one = event(files=(File(download_url="https://d.example.com/1?key=SECRET", expires_at=ends),))
    view = View(words("en"), zone("UTC"), "short")
    for now, word in ((ends - timedelta(seconds=1), "Link until"), (ends, "Link ended")):
        letter = draw(view, mail_words("en"), delivery(one), now=now)
        digest = draw_digest(view, mail_words("en"), [delivery(one), delivery(one)], now=now)
        for text in (letter.text, letter.html, digest.text, digest.html):
            assert word in text
            assert "2026-01-02 03:04:05 UTC" in text
            assert "SECRET" not in text


def test_the_options_of_a_mail_leave_the_signature_out_of_links() -> None:
    given = {"host": "mail.example.com", "from": "gw@example.com", "to": ["ops@example.com"]}
    assert EmailOptions.model_validate(given).links == "short"


def test_nothing_is_fetched_when_the_mail_is_read() -> None:
    for html in (made(event()).part("html"), made(event(), event(RECORDING_FAILED)).part("html")):
        parts = Parts(html)
        assert {tag for tag, _ in parts.tags} <= {
            "html", "head", "meta", "title", "body", "div", "table", "tr", "td", "a", "b", "span",
        }  # fmt: skip
        assert all(set(attributes) & {"src", "background", "srcset", "poster"} == set() for _, attributes in parts.tags)
        assert not re.search(r"url\(|@import|<style|<script", html)
        assert len(html) < 100_000, "Gmail cuts mails there"


@pytest.mark.parametrize("case", cases("stream"), ids=str)
def test_hostile_text_is_text_and_nothing_else(case: Any) -> None:
    harmless = made(event(stream="harmless"))
    one = event(stream=case.value, error=Fault(message=case.value), extra={"x": case.value})
    for of in ((one,), (one, event(RECORDING_FAILED, stream=case.value))):
        mail = made(*of)
        parts = Parts(mail.part("html"))
        if len(of) == 1:
            rows = [tag for tag, _ in parts.tags]
            assert set(rows) == {tag for tag, _ in Parts(harmless.part("html")).tags}
        assert all(not (attributes.get("href") or "").startswith("http://evil") for _, attributes in parts.tags)
        assert not any(name.startswith("on") for _, attributes in parts.tags for name in attributes)
        for kind in ("plain", "html"):
            said = mail.part(kind)
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]", said)
            assert "http://evil" not in said, "no mail program makes a link of it"


def test_an_event_that_lacks_everything_is_a_mail_too() -> None:
    for one in (*events(), *(sample(one.type, full=False) for one in events())):
        mail = made(one)
        assert mail.message["Subject"]
        assert mail.part("plain").strip()
        assert "None" not in mail.part("plain") + mail.part("html")


def test_a_replay_says_so() -> None:
    view = View(words("en"), zone("UTC"), "full")
    said = draw(view, mail_words("en"), delivery(event(), replay=True))
    assert said.subject.startswith("Recording file ready (sent again): ")
    assert "(sent again)" in said.html


def test_no_template_switches_escaping_off() -> None:
    folder = Path(__file__).resolve().parents[3] / "plugins" / "sinks" / "email"
    found = sorted(folder.glob("*.html"))
    assert found
    for path in found:
        assert not re.search(r"\|\s*safe|autoescape|Markup", path.read_text())


async def test_an_address_in_a_subject_stays_as_it_is() -> None:
    async with serving() as server, mailing(server, subject="{{ event.data.stream }}") as sink:
        await sink.deliver(delivery(event(stream="me@studio http://nas")))
    assert server.mails[0].message["Subject"] == "me@studio http://nas"


async def test_a_template_makes_the_subject_and_one_that_fails_on_an_event_does_not_stop_its_mail() -> None:
    logged: list[Any] = []
    subject = "{% if event.data.extra.n %}{{ 10 / event.data.extra.n }}{% endif %}[{{ event.data.app }}]"
    async with serving() as server, mailing(server, subject=subject, logged=logged) as sink:
        await sink.deliver(delivery(event(number=1, app="live")))
        await sink.deliver(delivery(event(number=2, extra={"n": "x"})))
    assert [mail.message["Subject"] for mail in server.mails] == [
        "[live]",
        "Recording file ready: push.example.com/live/mystream",
    ]
    assert [entry["event"] for entry in logged] == ["template_failed"]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to look at the mail with")
def test_a_browser_draws_the_mail_as_wide_as_its_window(tmp_path: Path) -> None:
    html = made(event(stream="long" * 200), language="zh").part("html")
    measured = html.replace("</body>", "<script>document.title = document.documentElement.scrollWidth</script></body>")
    (tmp_path / "mail.html").write_text(measured)
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=500,800", "--dump-dom", f"file://{tmp_path / 'mail.html'}",
        ],
        capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    found = re.search(r"<title>(\d+)</title>", done.stdout)
    assert found
    assert int(found[1]) <= 500, "a long name breaks, and does not push the mail out of the window"
