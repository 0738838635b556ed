"""The headers of a mail: what machines want to know, nothing that an event can change."""

from __future__ import annotations

import dataclasses
import re
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import FILE_COMPLETED, RECORDING_FAILED, RECORDING_STARTED, Refused, sample
from gateway.testing import NOW, cases, delivery, event
from plugins.sinks.email.address import parse
from plugins.sinks.email.message import compose, message_id, one_line
from tests.sinks.email.conftest import mailing, serving
from tests.sinks.email.drawn import ENVELOPE, made

HEADERS = [
    "Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
    "X-Auto-Response-Suppress", "MIME-Version", "Content-Type",
]  # fmt: skip


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


def test_a_text_that_no_mail_can_hold_is_refused() -> None:
    with pytest.raises(Refused, match="the mail cannot be written: UnicodeEncodeError"):
        compose(ENVELOPE, [event()], subject="x", text="\ud800", html="<p>x</p>", at=NOW)


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
    options: dict[str, Any] = {"subject": "{{ event.data.stream }} {{ event.data.extra.x }}"}
    async with serving() as server:
        for more in (dict[str, Any](), options):
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
