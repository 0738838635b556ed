"""Sending through a real server: TLS or nothing, who has got it and who may still, and connections kept."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from msgspec.structs import replace

from gateway import Refused, Retry, Unavailable
from gateway.testing import SinkPromises, delivery, events
from plugins.sinks.email import Email
from plugins.sinks.email.faults import judge
from tests.sinks.email.conftest import PASSWORD, USER, USUAL, mailing, serving
from tests.sinks.email.logins import THREE

LOGIN: dict[str, Any] = {"username": USER, "password": PASSWORD}


class TestEmailKeepsThePromises(SinkPromises):
    sink = Email

    def options(self, url: str) -> Mapping[str, Any]:
        return {**USUAL, "port": 9, **LOGIN, "subject": "{{ event.type }}"}


# --- the way -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_mail_goes_encrypted_and_logged_in(tls: str, authority: tuple[Path, ssl.SSLContext]) -> None:
    ca, context = authority
    async with serving(tls, context, auth_required=True) as server:
        async with mailing(server, tls=tls, ca=str(ca), **LOGIN) as sink:
            assert await sink.deliver(delivery()) == "250 2.0.0 queued as 12345"
        [mail] = server.mails
    assert (mail.encrypted, mail.user) == (True, USER)
    assert (mail.sender, mail.recipients) == ("gw@example.com", ["ops@example.com"])


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_certificate_of_nobody_known_ends_it_before_anything_is_said(
    tls: str, authority: tuple[Path, ssl.SSLContext]
) -> None:
    async with serving(tls, authority[1]) as server:
        async with mailing(server, tls=tls, **LOGIN) as sink:
            with pytest.raises(Retry, match="certificate is not accepted") as failed:
                await sink.deliver(delivery())
            assert failed.value.service
        assert not server.mails
        assert not server.asked


async def test_a_server_without_starttls_gets_neither_mail_nor_password() -> None:
    async with serving() as server, mailing(server, tls="starttls", **LOGIN) as sink:
        with pytest.raises(Unavailable, match="does not offer STARTTLS"):
            await sink.deliver(delivery())
        assert not server.asked


async def test_a_wrong_password_is_unavailable_and_is_not_repeated() -> None:
    async with serving(auth_required=True) as server:
        server.script["AUTH"] = "535 5.7.8 bad credentials wrong-canary-password"
        async with mailing(server, username=USER, password="wrong-canary-password") as sink:
            with pytest.raises(Unavailable, match="does not let us in") as failed:
                await sink.deliver(delivery())
    assert "canary" not in str(failed.value)


async def test_a_server_that_wants_a_login_and_gets_none_is_unavailable() -> None:
    async with serving(auth_required=True) as server, mailing(server) as sink:
        with pytest.raises(Unavailable, match="530"):
            await sink.deliver(delivery())


async def test_a_server_that_offers_no_login_is_unavailable() -> None:
    async with serving(auth_exclude_mechanism=["LOGIN", "PLAIN"]) as server, mailing(server, **LOGIN) as sink:
        with pytest.raises(Unavailable):
            await sink.deliver(delivery())


async def test_nobody_listening_is_a_retry_of_the_service() -> None:
    async with serving() as server:
        port = server.port
    async with mailing(port) as sink:
        with pytest.raises(Retry, match="connection refused") as failed:
            await sink.deliver(delivery())
        assert failed.value.service


async def test_a_file_of_authorities_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="`ca` cannot be used: No such file"):
        async with mailing(9, tls="implicit", ca=str(tmp_path / "no.pem")):
            pass


async def test_an_event_of_every_type_is_a_mail() -> None:
    async with serving() as server, mailing(server) as sink:
        for one in events():
            await sink.deliver(delivery(one))
        assert len({mail.message["Message-ID"] for mail in server.mails}) == len(events())


OTHERS: list[tuple[BaseException, type[Exception], bool]] = [
    (aiosmtplib.SMTPAuthenticationError(454, "4.7.0 later canary"), Retry, True),
    (aiosmtplib.SMTPNotSupported("SMTPUTF8 is not supported by this server"), Unavailable, False),
    (aiosmtplib.SMTPReadTimeoutError("canary"), Retry, True),
    (TimeoutError(), Retry, True),
    (aiosmtplib.SMTPException("canary"), Retry, True),
    (aiosmtplib.SMTPConnectResponseError(554, "5.3.2 no service here"), Unavailable, False),
    (aiosmtplib.SMTPConnectResponseError(421, "busy"), Retry, True),
    (aiosmtplib.SMTPHeloError(501, "5.5.2 what a name"), Unavailable, False),
    (RuntimeError("canary"), Retry, False),
]


@pytest.mark.parametrize(("error", "kind", "service"), OTHERS, ids=lambda value: repr(value)[:40])
def test_what_else_can_happen_has_an_outcome_too(error: BaseException, kind: type[Exception], service: bool) -> None:
    failure = judge(error, "mail.test:25")
    assert type(failure) is kind
    assert getattr(failure, "service", False) is service
    assert "canary" not in str(failure)


async def test_a_library_that_is_missing_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError(name="aiosmtplib")

    monkeypatch.setattr("plugins.sinks.email.sink._import", missing)
    with pytest.raises(Unavailable, match="aiosmtplib is not installed; in the folder"):
        async with mailing(9):
            pass
    sink = Email("mail", Email.Options.model_validate(USUAL), http=None, log=None)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="aiosmtplib is not installed; in the folder"):
        await sink.preview(delivery())


async def test_a_partial_refusal_is_tried_again_only_for_those_who_may_still_get_it() -> None:
    logged: list[Any] = []
    async with serving() as server, mailing(server, to=THREE[:2], cc=THREE[2], logged=logged) as sink:
        answers = {"late@example.com": "451 4.7.1 greylisted", "never@example.com": "550 5.1.1 no such user"}
        server.script["RCPT"] = lambda address: answers.get(address)
        one = delivery()
        with pytest.raises(Retry, match=r"not yet for 1 of 3: late@example.com: 451 4\.7\.1 greylisted") as failed:
            await sink.deliver(one)
        assert not failed.value.service
        memo = failed.value.memo
        assert memo == {"done": ["good@example.com"], "refused": {"never@example.com": "550 5.1.1 no such user"}}
        assert [entry["recipient"] for entry in logged] == ["never@example.com"]
        server.asked.clear()
        answers.clear()
        receipt = await sink.deliver(replace(one, attempt=2, memo=memo))
        assert server.asked == ["late@example.com"]
        assert receipt.startswith("250 2.0.0 queued")
        assert "not accepted: never@example.com: 550 5.1.1 no such user" in receipt
        first, second = server.mails
    assert (first.recipients, second.recipients) == (["good@example.com"], ["late@example.com"])
    assert first.data == second.data, "the same mail: ids and addresses, and here the time too"
    assert second.message["To"] == "good@example.com, late@example.com"


async def test_when_the_last_may_never_get_it_the_others_have() -> None:
    async with serving() as server, mailing(server, to=THREE) as sink:
        server.script["RCPT"] = "550 5.1.1 unknown"
        memo = {"done": ["good@example.com"], "refused": {"late@example.com": "550"}}
        assert "not accepted" in await sink.deliver(delivery(memo=memo))
        assert server.asked == ["never@example.com"]
        server.asked.clear()
        done = {"done": THREE, "refused": {}}
        assert await sink.deliver(delivery(memo=done)) == "sent"
        assert server.asked == []


async def test_when_nobody_ever_will_it_is_refused() -> None:
    async with serving() as server, mailing(server, to=THREE[:2]) as sink:
        server.script["RCPT"] = "550 5.1.1 unknown"
        with pytest.raises(Refused, match=r"no recipient is accepted: good@example\.com: 550"):
            await sink.deliver(delivery())
        server.script["RCPT"] = lambda address: "550 5.1.1 no" if "good" in address else "452 4.2.2 full"
        with pytest.raises(Retry) as failed:
            await sink.deliver(delivery())
        assert failed.value.memo == {"done": [], "refused": {"good@example.com": "550 5.1.1 no"}}


CODES: list[tuple[str, str, str]] = [
    ("MAIL", "451 4.3.0 later", "service"),
    ("MAIL", "550 5.7.1 not from you", "unavailable"),
    ("MAIL", "552 5.3.4 too large", "refused"),
    ("RCPT", "450 4.2.0 later", "retry"),
    ("RCPT", "550 4.7.1 greylisted", "retry"),  # the enhanced code knows better
    ("RCPT", "450 5.1.1 never", "refused"),
    ("RCPT", "550 no", "unavailable"),  # nobody is named, and it is said to all there are
    ("RCPT", "550 no such user", "refused"),
    ("RCPT", "421 4.3.2 shutting down", "service"),
    ("DATA", "451 4.3.0 disk full", "service"),
    ("DATA", "554 5.6.0 content not liked", "refused"),
    ("DATA", "552 5.2.3 too large", "refused"),
    ("DATA", "421 4.3.2 shutting down", "service"),
]


@pytest.mark.parametrize(("command", "answer", "expected"), CODES, ids=lambda value: value)
async def test_each_answer_means_what_it_should(command: str, answer: str, expected: str) -> None:
    async with serving() as server, mailing(server) as sink:
        server.script[command] = answer
        kind = {"unavailable": Unavailable, "refused": Refused}.get(expected, Retry)
        with pytest.raises(kind) as failed:
            await sink.deliver(delivery())
        assert type(failed.value) is kind
        assert getattr(failed.value, "service", False) is (expected == "service")
        assert answer[:3] in str(failed.value)
        server.script.clear()
        await sink.deliver(delivery())
        assert len(server.mails) == 1


async def test_a_server_that_says_never_and_means_later_can_be_told_of() -> None:
    async with serving() as server, mailing(server, retry_codes=[550]) as sink:
        for command in ("MAIL", "RCPT", "DATA"):
            server.script = {command: "550 5.7.1 come back"}
            with pytest.raises(Retry):
                await sink.deliver(delivery())


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
async def test_a_connection_that_breaks_is_a_retry_with_the_same_mail(command: str) -> None:
    async with serving() as server, mailing(server) as sink:
        server.script[command] = "drop"
        one = delivery()
        with pytest.raises(Retry) as failed:
            await sink.deliver(one)
        assert failed.value.service
        server.script.clear()
        await sink.deliver(replace(one, attempt=2))
        assert len(server.mails) == 1
