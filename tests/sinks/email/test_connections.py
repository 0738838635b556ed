"""Connections to a mail server: kept, counted, made anew, and one digest for a batch."""

from __future__ import annotations

import asyncio

import pytest

from gateway import Refused, Retry
from gateway.testing import delivery, event
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.sinks.email.conftest import mailing, serving
from tests.sinks.email.logins import THREE

# --- connections --------------------------------------------------------------------------------------------------------


async def test_a_connection_is_kept_and_after_fifty_mails_another_is_made() -> None:
    async with serving() as server, mailing(server) as sink:
        for number in range(60):
            await sink.deliver(delivery(event(number=number)))
        assert (len(server.mails), server.connections) == (60, 2)


async def test_a_connection_that_the_server_has_ended_is_not_used_again() -> None:
    async with serving() as server, mailing(server) as sink:
        await sink.deliver(delivery())
        for one in server.open:
            one.close()
        await sink.deliver(delivery())
        assert (len(server.mails), server.connections) == (2, 2)


async def test_a_connection_that_nobody_needs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.sinks.email.mail_connections.KEPT_SECONDS", 0.0)
    async with serving() as server, mailing(server) as sink:
        await sink.deliver(delivery())
        assert sink._connections is not None
        while sink._connections._kept:
            await asyncio.sleep(0)
        await sink.deliver(delivery())
        assert server.connections == 2


async def test_many_at_once_have_connections_of_their_own() -> None:
    async with serving() as server, mailing(server) as sink:
        await asyncio.gather(*(sink.deliver(delivery(event(number=number))) for number in range(20)))
        assert len({mail.message["Message-ID"] for mail in server.mails}) == 20
        assert server.connections <= 20


async def test_an_attempt_that_is_cut_off_leaves_no_connection_in_doubt() -> None:
    async with serving() as server, mailing(server) as sink:
        await sink.deliver(delivery())
        server.stuck = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(sink.deliver(delivery(event(number=2))))
        await server.stuck[0].wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.stuck[1].set()
        server.stuck = None
        await sink.deliver(delivery(event(number=3)))
        assert server.connections == 2
        assert [mail.recipients for mail in server.mails] == [["ops@example.com"]] * 2


async def test_an_attempt_that_is_cut_off_while_it_asks_for_the_server_leaves_no_connection() -> None:
    async with serving() as server, mailing(server) as sink:
        asked = asyncio.Event()

        async def silent(*_: object) -> str:
            asked.set()
            await asyncio.sleep(PATIENCE_S)
            return "250 OK"

        server.handle_NOOP = silent  # type: ignore[attr-defined]
        await sink.deliver(delivery())
        task = asyncio.create_task(sink.deliver(delivery(event(number=2))))
        await asyncio.wait_for(asked.wait(), PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await sink.deliver(delivery(event(number=3)))
        assert server.connections == 2
        assert len(server.mails) == 2


async def test_a_server_that_is_not_there_is_told_once_for_all_recipients() -> None:
    async with mailing(free_port(), to=["a@example.com", "b@example.com"]) as sink:
        with pytest.raises(Retry, match="refused") as failed:
            await sink.deliver(delivery())
    assert failed.value.service


async def test_after_close_nothing_is_sent() -> None:
    async with serving() as server, mailing(server) as sink:
        await sink.deliver(delivery())
        await sink.close()
        with pytest.raises(Retry, match="closed"):
            await sink.deliver(delivery())


# --- batches -------------------------------------------------------------------------------------------------------------


async def test_a_batch_is_one_digest_with_a_line_an_event() -> None:
    async with serving() as server, mailing(server) as sink:
        batch = [delivery(event(number=number, stream=f"room-{number}"), id=number) for number in range(12)]
        assert await sink.deliver_batch(batch) == ["250 2.0.0 queued as 12345"] * 12
        [mail] = server.mails
    assert mail.message["Subject"] == "12 recording events"
    for kind in ("plain", "html"):
        assert all(f"live/room-{number}" in mail.part(kind) for number in range(12))
    assert mail.message["References"] is None


async def test_in_a_batch_those_that_some_have_already_got_go_alone_to_the_others() -> None:
    async with serving() as server, mailing(server, to=THREE) as sink:
        half = delivery(event(number=9), id=9, memo={"done": ["good@example.com"], "refused": {}})
        batch = [delivery(event(number=1), id=1), half, delivery(event(number=2), id=2)]
        assert len(await sink.deliver_batch(batch)) == 3
        digest, alone = server.mails
    assert digest.recipients == THREE
    assert digest.message["Subject"] == "2 recording events"
    assert alone.recipients == THREE[1:]


async def test_a_digest_that_is_refused_is_sent_one_by_one_and_only_the_bad_one_is_lost() -> None:
    async with serving() as server, mailing(server) as sink:
        server.script["DATA"] = lambda content: (
            "554 5.7.1 spam" if "cG9pc29u" in content or "poison" in content else None
        )
        batch = [delivery(event(number=n, stream=name), id=n) for n, name in enumerate(("a", "poison", "b"))]
        results = await sink.deliver_batch(batch)
        assert [type(result) for result in results] == [str, Refused, str]
        assert len(server.mails) == 2


async def test_a_digest_that_some_get_later_is_remembered_for_each_event() -> None:
    async with serving() as server, mailing(server, to=THREE[:2]) as sink:
        server.script["RCPT"] = lambda address: "450 4.7.1 later" if "late" in address else None
        results = await sink.deliver_batch([delivery(event(number=n), id=n) for n in range(3)])
        assert all(
            isinstance(result, Retry) and result.memo == {"done": ["good@example.com"], "refused": {}}
            for result in results
        )
        server.script.clear()
        again = [delivery(event(number=n), id=n, memo=result.memo) for n, result in enumerate(results)]  # type: ignore[union-attr]
        await sink.deliver_batch(again)
        assert [mail.recipients for mail in server.mails] == [["good@example.com"]] + [["late@example.com"]] * 3


async def test_the_sinks_of_owners_share_its_connections_and_leave_them_open() -> None:
    async with serving() as server, mailing(server) as sink:
        for number, owner in enumerate(("anna", "bob", "carol") * 2):
            options = sink.options.model_copy(update={"to": (f"{owner}@example.com",)})
            owners = sink.for_owner(options)
            await owners.open()
            await owners.deliver(delivery(event(number=number)))
            await owners.close()
        assert server.connections == 1
        assert [mail.recipients for mail in server.mails] == [
            [f"{name}@example.com"] for name in ("anna", "bob", "carol") * 2
        ]
        await sink.deliver(delivery())
        assert server.connections == 1
