"""What the mail is: headers that no event can change, a text and an HTML part that hostile names have no power in."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError

from gateway import FILE_COMPLETED, RECORDING_FAILED, RECORDING_STARTED, Event, Fault, File, sample
from gateway.config.load import load
from gateway.testing import NOW, cases, delivery, event, events
from plugins.sinks.cards.card import View
from plugins.sinks.cards.template import zone
from plugins.sinks.cards.words import words
from plugins.sinks.email import Email
from plugins.sinks.email.address import parse
from plugins.sinks.email.message import Envelope, compose, message_id, one_line
from plugins.sinks.email.options import EmailOptions
from plugins.sinks.email.render import Drawn, draw, draw_digest
from plugins.sinks.email.words import mail_words
from tests.sinks.email.conftest import USUAL, Mail, mailing, serving

HEADERS = [
    "Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
    "X-Auto-Response-Suppress", "MIME-Version", "Content-Type",
]  # fmt: skip
SENT = NOW.replace(hour=7)
ENVELOPE = Envelope(sender=parse("Recordings <gw@example.com>"), to=[parse("ops@example.com")])


def drawn(
    *of: Event, language: str = "en", links: Any = "full", timezone: str = "UTC", subject: str | None = None
) -> Drawn:
    view = View(words(language), zone(timezone), links)
    if len(of) == 1:
        return draw(view, mail_words(language), delivery(of[0]), subject)
    return draw_digest(view, mail_words(language), [delivery(one) for one in of])


def made(*of: Event, envelope: Envelope = ENVELOPE, **how: Any) -> Mail:
    draw = drawn(*of, **how)
    data = compose(envelope, of, subject=draw.subject, text=draw.text, html=draw.html, at=SENT)
    return Mail("", [], data, False, None)


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


# --- headers --------------------------------------------------------------------------------------------------------------


def test_the_headers_are_these_and_say_what_machines_want_to_know() -> None:
    one = event()
    mail = made(one).message
    assert list(mail.keys()) == HEADERS
    assert mail["Subject"] == "Recording file ready: push.example.com/live/mystream"
    assert str(mail["From"]) == "Recordings <gw@example.com>"
    assert mail["Date"] == "Thu, 01 Jan 2026 07:00:00 +0000", "when it is sent, however early the callback came"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.com>", mail["Message-ID"])
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_the_same_event_to_the_same_people_is_the_same_bytes() -> None:
    assert made(event()).data == made(event()).data


def test_the_id_is_of_the_event_and_the_recipients() -> None:
    other = dataclasses.replace(ENVELOPE, to=[parse("a@example.com"), parse("b@example.com")])
    turned = dataclasses.replace(ENVELOPE, to=[parse("b@example.com")], cc=[parse("a@example.com")])
    ids = [message_id(ENVELOPE, [event()]), message_id(ENVELOPE, [event(number=2)]), message_id(other, [event()])]
    assert len(set(ids)) == 3
    assert message_id(other, [event()]) == message_id(turned, [event()])


def test_mails_about_one_stream_are_one_conversation() -> None:
    first, second = made(event(RECORDING_STARTED)).message, made(event(RECORDING_FAILED, number=7)).message
    assert first["References"] == second["References"] == first["In-Reply-To"]
    assert first["References"] != made(event(stream="another")).message["References"]
    assert made(event(number=1), event(number=2)).message["References"] == first["References"]
    assert made(event(), event(stream="another")).message["References"] is None


def test_those_in_bcc_are_in_no_header() -> None:
    envelope = dataclasses.replace(
        ENVELOPE,
        cc=[parse("张三 <zhang@例子.example>")],
        bcc=[parse("secret@example.com")],
        reply_to=parse("re@example.com"),
    )
    mail = made(event(), envelope=envelope)
    assert b"secret" not in mail.data
    assert envelope.recipients == ["ops@example.com", "zhang@xn--fsqu00a.example", "secret@example.com"]
    assert mail.message["Cc"] == "张三 <zhang@xn--fsqu00a.example>"
    assert mail.message["Reply-To"] == "re@example.com"


@pytest.mark.parametrize("case", cases("stream"), ids=str)
async def test_hostile_text_adds_no_header_and_no_recipient(case: Any) -> None:
    name = case.value
    options = {"subject": "{{ event.data.stream }} {{ event.data.extra.x }}"}
    async with serving() as server:
        for more in ({}, options):
            async with mailing(server, **more) as sink:
                await sink.deliver(delivery(event(stream=name, app=name, domain=name, extra={"x": name})))
    for mail in server.mails:
        assert mail.recipients == ["ops@example.com"]
        head = mail.data.split(b"\r\n\r\n", 1)[0]
        assert [line.split(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in b" \t"] == HEADERS
        assert sorted(mail.message.keys()) == sorted(HEADERS)
        assert "bcc" not in {key.lower() for key in mail.message}
        assert len(mail.message["Subject"]) <= 200
        assert mail.data.isascii()
        assert all(len(line) <= 998 for line in mail.data.split(b"\r\n"))


@given(st.text(max_size=300), st.text(max_size=300))
@example("=?utf-8?q?x=0d=0aBcc:_evil@e?=", "")
@example("=\u200b?utf-8?q?x=0d=0aBcc:_evil@e?=", "=\u2028?")
@example("= ?utf-8?q?x=0d=0aBcc:_evil@e?=" * 20, "")
@example("==??utf-8?b?eA0KQmNjOiBlQHg=?=", "a\r\nBcc: e@x\r\n\r\nbody")
@example("\ud800", "\x00\x85\x0b\x0c\x1c")
def test_no_text_becomes_a_header(stream: str, app: str) -> None:
    one = replace(sample(FILE_COMPLETED), id="0" * 32, stream=stream, app=app)
    mail = made(one)
    again = message_from_bytes(mail.data, policy=policy.default)
    assert list(again.keys()) == HEADERS
    assert again["Subject"].startswith("Recording file ready")
    assert "=?" not in one_line(stream)
    assert len(one_line(stream)) <= 200


def test_a_subject_is_cleaned_in_this_order() -> None:
    assert one_line("a\r\nBcc: e@x") == "a  Bcc: e@x"
    assert one_line("=?utf-8?q?x?=") == "= ?utf-8?q?x?="
    assert one_line("=\u200b?utf-8?q?x?=") == "= ?utf-8?q?x?=", "what is taken out leaves a space behind"
    assert one_line("录" * 300) == "录" * 200
    assert one_line("\u202egnp.exe") == "gnp.exe"


def test_the_subject_survives_the_wire() -> None:
    for text in ("录制失败 " * 20, "x" * 200, "x " * 100, "录 " * 100, " a", "😀" * 60, "a  b   c", "Ärger über Öl"):
        assert made(event(), subject=text).message["Subject"] == one_line(text)


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
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found = re.search(r"<title>(\d+)</title>", done.stdout)
    assert found
    assert int(found[1]) <= 500, "a long name breaks, and does not push the mail out of the window"


async def test_a_preview_is_the_mail_for_people_and_reaches_no_server() -> None:
    options = {"host": "nowhere.invalid", "tls": "implicit", "bcc": "hidden@example.com", "language": "zh-CN"}
    async with mailing(465, **options) as sink:
        said = await sink.preview(delivery(event(stream="演播室\x1b[2J")))
    assert said.startswith(
        "To nowhere.invalid:465\nMAIL FROM:<gw@example.com>\nRCPT TO:<ops@example.com>\nRCPT TO:<hidden@example.com>\n"
    )
    assert "\nSubject: 录制文件完成: push.example.com/live/演播室 [2J\n" in said
    assert "流名: push.example.com/live/演播室\\x1b[2J" in said
    assert re.search(r"\[and the same as HTML, \d+ characters\]$", said)
    assert "\x1b" not in said


def test_everything_but_the_secrets_is_checked_where_the_secrets_are_not(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "version: 1\nlocale: {timezone: Asia/Shanghai, language: zh-CN}\nsinks:\n"
        "  mail: {type: email, host: '${H}', username: '${U}', password: '${P}', from: '${F}', to: '${T}', cc: ['${C}']}\n"
        "  rows: {type: database, url: '${D}'}\nroutes:\n  - {name: all, to: [mail, rows]}\n"
    )
    loaded = load(path, environ={}, placeholders=True)
    assert not [str(warning) for warning in loaded.warnings if "cannot be checked whole" in str(warning)]
    read = loaded.settings.sinks["mail"].options
    assert (read.timezone, read.language) == ("Asia/Shanghai", "zh-CN")


# --- options ---------------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "clear": ({"host": "mail.example.com", "username": "u", "password": "p"}, "a password is not sent in clear"),
    "no user": ({"password": "p"}, "`username` beside `password`"),
    "no password": ({"username": "u"}, "`password` beside `username`"),
    "nobody": ({"to": []}, "at least one address"),
    "crowd": ({"to": [f"a{n}@example.com" for n in range(101)]}, "at most 100 addresses"),
    "address": ({"to": ["not an address"]}, "an address such as ops@example.com"),
    "two": ({"to": ["a@example.com, b@example.com"]}, "an address such as"),
    "injection": ({"to": ["a@x>\r\nRCPT TO:<evil@x"]}, "an address such as"),
    "name": ({"from": "=?utf-8?q?x=0d=0aBcc:_evil@e?= <gw@example.com>"}, "without =?"),
    "line": ({"from": "a\nBcc: x <gw@example.com>"}, "on one line"),
    "local": ({"to": ["用户@example.com"]}, "with ASCII before the @"),
    "domain": ({"to": ["a@-x.example"]}, "an address such as"),
    "host": ({"host": "smtp://mail.example.com:25"}, "without a scheme or a port"),
    "helo": ({"helo": "a b"}, "a host name, or an address in square brackets"),
    "subject": ({"subject": "{{ event.nope }}"}, "`subject`: "),
    "loop": ({"subject": "{{ 'a' * 100000000 }}"}, "`subject`: "),
    "code": ({"retry_codes": [451]}, "greater than or equal to 500"),
    "idna": ({"to": ["a@" + "é" * 70 + ".example"]}, "an address such as"),
    "line in password": ({"username": "u", "password": "a\r\nRCPT"}, "a password on one line"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_in_the_options_is_found_before_anything_runs(name: str) -> None:
    options, said = BAD[name]
    with pytest.raises(ValidationError) as refused:
        Email.Options.model_validate({**USUAL, **options})
    assert said in str(refused.value)


def test_a_password_may_go_in_clear_to_this_machine_alone() -> None:
    for host in ("localhost", "127.0.0.1", "::1"):
        Email.Options.model_validate({**USUAL, "host": host, "username": "u", "password": "p"})


def test_a_way_in_clear_is_advised_against() -> None:
    def advice(**options: Any) -> list[str]:
        read = Email.Options.model_validate({**USUAL, **options})
        return Email("ops", read, http=None, log=None).advice()  # type: ignore[arg-type]

    assert advice() == []
    assert "lets anybody on the way read" in advice(host="mail.example.com")[0]
    assert advice(host="mail.example.com", tls="implicit") == []


HOSTILE_SUBJECTS = [
    *(case.value for case in cases("stream")), "a\r\nBcc: e@x", "x\u200by", "\u202egnp.exe", "a\tb", "=?utf-8?q?x?=", "  x  ",
    "=\u200b?utf-8?q?x?=", "x\x1b[2J", "me@studio http://nas www.x.example", "{{x}} ${y}", "a\u2028b", "\u00a0x\u3000",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_SUBJECTS, ids=ascii)
async def test_a_subject_from_a_template_is_as_clean_as_the_built_in_one(name: str) -> None:
    one = event(stream=name, app=None, domain=None)
    async with serving() as server:
        for more in ({}, {"subject": "Recording file ready: {{ event.data.stream }}"}):
            async with mailing(server, **more) as sink:
                await sink.deliver(delivery(one))
    built_in, templated = (" ".join(mail.message["Subject"].split()) for mail in server.mails)
    assert templated == built_in
    assert not any(ord(letter) < 0x20 or letter in "\u200b\u202e\u2028" for letter in templated)


async def test_a_subject_over_several_lines_of_a_template_is_one_line() -> None:
    async with (
        serving() as server,
        mailing(server, subject="[{{ event.data.app }}]\n\n  {{ event.data.stream }}  ") as sink,
    ):
        await sink.deliver(delivery(event(stream="x")))
    assert server.mails[0].message["Subject"] == "[live] x"
