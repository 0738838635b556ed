"""The options of a mail, a preview of it, and a subject from a template."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.load import load
from gateway.testing import cases, delivery, event
from plugins.sinks.email import Email
from tests.sinks.email.conftest import USUAL, mailing, serving


async def test_a_preview_is_the_mail_for_people_and_reaches_no_server() -> None:
    options: dict[str, Any] = {
        "host": "nowhere.invalid",
        "tls": "implicit",
        "bcc": "hidden@example.com",
        "language": "zh-CN",
    }
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
    read: Any = loaded.settings.sinks["mail"].options
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
        subjects: list[dict[str, Any]] = [{}, {"subject": "Recording file ready: {{ event.data.stream }}"}]
        for more in subjects:
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
