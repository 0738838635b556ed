"""Answers of real mail servers: whose fault each is, so that a refusal of the whole gateway loses no mail."""

from __future__ import annotations

import asyncio
import re
import socket
from datetime import timedelta
from typing import Any

import pytest

from gateway import Refused, Retry, Unavailable
from gateway.testing import NOW, FrozenClock, delivery, event
from plugins.sinks.email.smtp import _literal, own_name
from tests.patience import PATIENCE_S
from tests.sinks.email.answers import REAL
from tests.sinks.email.conftest import PASSWORD, USER, mailing, serving


@pytest.mark.parametrize(("stage", "answer", "kind"), REAL, ids=lambda value: str(value)[:60])
async def test_an_answer_of_a_real_server_is_the_fault_of_whom_it_names(
    stage: str, answer: str, kind: type[Exception]
) -> None:
    async with serving() as server, mailing(server) as sink:
        server.script[stage] = answer
        with pytest.raises((Refused, Retry, Unavailable)) as failed:
            await sink.deliver(delivery())
        assert type(failed.value) is kind
        assert answer[:3] in str(failed.value)


THREE = ["a@example.com", "b@example.com", "c@example.com"]


@pytest.mark.parametrize(
    "answer",
    ["554 5.7.1 Client host rejected: Access denied", "550 5.7.1 come back", "550 no", "554 5.7.1 Relay access denied"],
)
async def test_what_every_recipient_is_answered_loses_no_mail(answer: str) -> None:
    async with serving() as server, mailing(server, to=THREE) as sink:
        server.script["RCPT"] = answer
        with pytest.raises(Unavailable, match=re.escape(answer)):
            await sink.deliver(delivery())
        server.script.clear()
        await sink.deliver(delivery(attempt=2))
        assert server.mails[0].recipients == THREE


async def test_what_one_of_several_recipients_is_answered_is_about_that_one() -> None:
    async with serving() as server, mailing(server, to=THREE) as sink:
        server.script["RCPT"] = lambda address: "550 no" if address[0] == "b" else None
        assert "not accepted: b@example.com: 550 no" in await sink.deliver(delivery())
        assert server.mails[0].recipients == [THREE[0], THREE[2]]


async def test_a_quota_in_the_middle_of_the_recipients_is_not_the_end_for_the_rest() -> None:
    async with serving() as server, mailing(server, to=THREE) as sink:
        server.script["RCPT"] = lambda address: None if address[0] == "a" else "550 5.4.5 Daily sending quota exceeded"
        with pytest.raises(Retry) as failed:
            await sink.deliver(delivery())
        assert failed.value.memo == {"done": [THREE[0]], "refused": {}}
        server.script.clear()
        await sink.deliver(delivery(attempt=2, memo=failed.value.memo))
        assert [mail.recipients for mail in server.mails] == [[THREE[0]], THREE[1:]]


async def test_a_full_mailbox_told_of_after_the_mail_is_found_and_the_others_get_theirs() -> None:
    async with serving() as server, mailing(server, to=THREE) as sink:
        server.script["DATA"] = "552 5.2.2 Mailbox full"
        served = server.handle_DATA

        async def only_b(smtp: Any, session: Any, envelope: Any) -> str:
            server.script["DATA"] = "552 5.2.2 Mailbox full" if THREE[1] in envelope.rcpt_tos else ""
            if not server.script["DATA"]:
                del server.script["DATA"]
            return await served(smtp, session, envelope)

        server.handle_DATA = only_b  # type: ignore[assignment,method-assign]
        assert "not accepted: b@example.com" in await sink.deliver(delivery())
        assert [mail.recipients for mail in server.mails] == [[THREE[0]], [THREE[2]]]


# --- logging in ----------------------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_tried_once_with_one_mechanism_on_one_connection() -> None:
    async with serving(auth_required=True) as server:
        tried: list[str] = []

        def refuse(smtp: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
            from aiosmtpd.smtp import AuthResult

            tried.append(mechanism)
            return AuthResult(success=False, handled=False)

        server.authenticate = refuse  # type: ignore[assignment,method-assign]
        async with mailing(server, username=USER, password="wrong-password-1") as sink:
            many = [sink.deliver(delivery(event(number=number), id=number)) for number in range(8)]
            results = await asyncio.wait_for(asyncio.gather(*many, return_exceptions=True), PATIENCE_S)
            assert [type(result) for result in results] == [Unavailable] * 8
            assert all("does not let us in" in str(result) for result in results)
            assert (len(tried), server.connections) == (1, 1)
            with pytest.raises(Unavailable):  # the next probe tries again, once
                await sink.deliver(delivery())
            assert len(tried) == 2


async def test_a_right_password_lets_many_in_at_once() -> None:
    async with serving(auth_required=True) as server, mailing(server, username=USER, password=PASSWORD) as sink:
        await asyncio.gather(*(sink.deliver(delivery(event(number=number))) for number in range(10)))
        assert len(server.mails) == 10


async def test_a_password_that_is_mended_is_let_in() -> None:
    async with serving(auth_required=True) as server, mailing(server, username=USER, password=PASSWORD) as sink:
        right, server.authenticate = server.authenticate, lambda *_: _no()  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            await sink.deliver(delivery())
        server.authenticate = right  # type: ignore[method-assign]
        await sink.deliver(delivery())


def _no() -> Any:
    from aiosmtpd.smtp import AuthResult

    return AuthResult(success=False, handled=False)


# --- how the gateway names itself ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("gw.example.com", "gw.example.com"),
        ("gw", "[127.0.0.1]"),
        ("localhost", "[127.0.0.1]"),
        ("localhost.localdomain", "[127.0.0.1]"),
        ("a1b2c3d4e5f6", "[127.0.0.1]"),
        ("studio mac.local", "[127.0.0.1]"),
        ("gw_1.example.com", "[127.0.0.1]"),
        ("", "[127.0.0.1]"),
    ],
)
async def test_the_gateway_names_itself_by_a_full_name_or_by_its_address(
    host: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    assert own_name() == (named if named == host else None)
    names: list[str] = []
    async with serving() as server, mailing(server) as sink:
        kept = server.handle_EHLO

        async def ehlo(smtp: Any, session: Any, envelope: Any, name: str, responses: list[str]) -> list[str]:
            names.append(name)
            return await kept(smtp, session, envelope, name, responses)

        server.handle_EHLO = ehlo  # type: ignore[assignment,method-assign]
        await sink.deliver(delivery())
    assert set(names) == {named}


@pytest.mark.parametrize(
    ("address", "literal"),
    [
        (("192.0.2.1", 25), "[192.0.2.1]"),
        (("2001:db8::1", 25, 0, 0), "[IPv6:2001:db8::1]"),
        (("fe80::1%eth0", 25, 0, 2), "[IPv6:fe80::1]"),
        (("::ffff:192.0.2.1", 25, 0, 0), "[192.0.2.1]"),
        (None, "[127.0.0.1]"),
        ("", "[127.0.0.1]"),
        (("/run/mail.sock",), "[127.0.0.1]"),
    ],
)
def test_an_address_is_written_as_mail_servers_read_it(address: object, literal: str) -> None:
    assert _literal(address) == literal


async def test_a_configured_name_goes_before_all() -> None:
    async with serving() as server, mailing(server, helo="[192.0.2.7]") as sink:
        await sink.deliver(delivery())
        session = server.open[0].session
        assert session is not None
        assert session.host_name == "[192.0.2.7]"


# --- when and over what --------------------------------------------------------------------------------------------------


async def test_the_date_of_a_mail_is_when_it_is_sent() -> None:
    clock = FrozenClock(NOW + timedelta(hours=3))
    async with serving() as server, mailing(server, clock=clock) as sink:
        await sink.deliver(delivery())
        clock.advance(timedelta(days=2).total_seconds())
        await sink.deliver(delivery(attempt=2))
        first, second = (mail.message for mail in server.mails)
    assert first["Date"].datetime == NOW + timedelta(hours=3)
    assert second["Date"].datetime == NOW + timedelta(days=2, hours=3)
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_kept_connection_that_is_closed_under_a_mail_is_replaced_at_once() -> None:
    async with serving() as server, mailing(server) as sink:
        await sink.deliver(delivery())

        def drop_once(address: str) -> None:
            server.script.clear()
            server.open[0].abort()

        server.script["MAIL"] = drop_once
        receipt = await sink.deliver(delivery(event(number=2)))
        assert "the kept one had been closed" in receipt
        assert (len(server.mails), server.connections) == (2, 2)


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
async def test_a_mail_that_got_an_answer_is_not_sent_again_by_itself(command: str) -> None:
    async with serving() as server, mailing(server) as sink:
        await sink.deliver(delivery())
        server.script[command] = "drop"
        with pytest.raises(Retry, match="closed the connection"):
            await sink.deliver(delivery(event(number=2)))
        assert server.connections == 1


async def test_a_fresh_connection_that_is_closed_is_not_tried_a_second_time() -> None:
    async with serving() as server, mailing(server) as sink:
        server.script["MAIL"] = lambda address: server.open[-1].abort()
        with pytest.raises(Retry, match="closed the connection"):
            await sink.deliver(delivery())
        assert server.connections == 1
