"""The budget of what is not verified yet, at the real listeners: who goes, who never does, and that it all comes back."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from pathlib import Path
from typing import Any

import pytest

from gateway.config.grammar.listeners import SPARED_BODY_BYTES, ServerSettings
from gateway.errors import Problem
from gateway.web import listeners
from gateway.web.budget import Budget
from gateway.web.listener_limits import ListenerLimits
from tests import patience
from tests.patience import PATIENCE_S
from tests.running import KEY, Player, Running
from tests.web.doors import Answer, Behind, Served, networks, post, settings
from tests.web.raw_client import Client

HEAD = b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
MOST = 1024 * 1024
PATIENT = ListenerLimits(body_seconds=30.0, linger_seconds=0.2, wire_bytes=600_000)


class Held:
    """A holder for the rules alone."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.told: list[Problem] = []

    def give_way(self, problem: Problem) -> None:
        self.told.append(problem)


def test_the_largest_body_of_the_address_that_holds_most_gives_way() -> None:
    budget = Budget(1_000_000)
    small, large, other, fresh = Held("a"), Held("a"), Held("b"), Held("c")
    assert budget.reserve(small, 200_000)
    assert budget.reserve(large, 300_000)
    assert budget.reserve(other, 400_000)
    assert budget.reserve(fresh, 150_000)
    assert [one.told != [] for one in (small, large, other, fresh)] == [False, True, False, False]
    assert (large.told[0].status, large.told[0].code) == (503, "unverified_budget")
    assert budget.occupied_bytes == 750_000
    assert not budget.reserve(other, 300_000), "who holds most is told by its caller, when it is the one that asks"


def test_a_body_under_16_kib_never_gives_way() -> None:
    budget = Budget(64 * (SPARED_BODY_BYTES - 1))
    many = [Held("a") for _ in range(63)]
    for one in many:
        assert budget.reserve(one, SPARED_BODY_BYTES - 1)
    stranger = Held("b")
    assert budget.reserve(stranger, SPARED_BODY_BYTES - 1)
    assert not budget.reserve(stranger, SPARED_BODY_BYTES), (
        "another address has more, but only in bodies that are spared"
    )
    budget.give_back_all(stranger)
    assert not budget.reserve(Held("b"), SPARED_BODY_BYTES), "nobody is there who could go"
    assert not any(one.told for one in many)


def test_what_is_given_back_is_not_held() -> None:
    budget = Budget(1000)
    one, other = Held("a"), Held("a")
    budget.reserve(one, 300)
    budget.reserve(other, 400)
    budget.give_back(one, 100)
    assert budget.occupied_bytes == 600
    budget.give_back_all(one)
    budget.give_back_all(one)
    budget.give_back(other, 400)
    assert (budget.occupied_bytes, budget._peers) == (0, {})


@contextlib.contextmanager
def serving(most: int = MOST, limits: ListenerLimits = PATIENT) -> Any:
    with Served(Behind(settings(server={"unverified_bytes": most})), limits=limits) as served:
        yield served


@pytest.fixture
def budgets(monkeypatch: pytest.MonkeyPatch) -> list[Budget]:
    made: list[Budget] = []

    class Kept(Budget):
        def __init__(self, most: int) -> None:
            super().__init__(most)
            made.append(self)

    monkeypatch.setattr(listeners, "Budget", Kept)
    return made


def until(served: Served, budget: Budget, occupied_bytes: int) -> None:
    """Wait, by asking the loop, until so much is held."""

    def holds() -> bool:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), served.loop).result(PATIENCE_S)
        return budget.occupied_bytes == occupied_bytes

    patience.until(holds, said=lambda: f"{budget.occupied_bytes} bytes are held, not {occupied_bytes}")


def test_past_the_budget_an_unfinished_body_is_answered_503_and_others_are_served(budgets: list[Budget]) -> None:
    with serving() as served, contextlib.ExitStack() as stack:
        open_ = []
        for n in range(6):
            client = stack.enter_context(served.public()).send(HEAD % 262_144 + b"x" * 200_000)
            open_.append(client)
            until(served, budgets[0], min(n + 1, 5) * 200_000)
        little = stack.enter_context(served.public()).send(HEAD % 11 + b"{")
        assert served.post().status == 200
        refused = [open_[0].reply()]
        assert [(reply.status, reply.json()["code"]) for reply in refused] == [(503, "unverified_budget")]
        assert refused[0].header("retry-after") == "2"
        assert little.send(b'"event":1}').reply().status == 200
        assert served.behind.codes() == ["unverified_budget"]
        for client in open_:
            client.sock.close()
        until(served, budgets[0], 0)


ENDS = {
    "taken": lambda client: client.send(post()).reply(),
    "in chunks": lambda client: client.send(
        b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    ).reply(),
    "malformed": lambda client: client.send(post(b"{" * 20_000)).reply(),
    "at no source": lambda client: client.send(post(b"x" * 20_000, path="/hooks/no")).reply(),
    "pipelined": lambda client: [client.send(post(b"{}" + b" " * 5000) * 16), *(client.reply() for _ in range(16))],
    "too large": lambda client: client.send(post(b"x" * 300_000)).rest(),
    "too large in chunks": lambda client: client.send(
        b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"8000\r\n" + b"x" * 32768 + b"\r\n") * 10
    ).rest(),
    "broken off": lambda client: client.send(HEAD % 5000 + b"x" * 4000),
    "reset": lambda client: (
        client.send(HEAD % 5000 + b"x" * 4000),
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"),
    ),
    "broken HTTP": lambda client: client.send(post() + b"\0\0\0").rest(),
    "a bad chunk": lambda client: client.send(
        b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x"
    ).rest(),
    "an offer of another protocol": lambda client: client.send(
        post(more="Connection: upgrade\r\nUpgrade: h2c\r\n")
    ).reply(),
    "too late": lambda client: client.send(HEAD % 5000 + b"x" * 4000).rest(),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_way_a_request_ends_gives_its_bytes_back(budgets: list[Budget], name: str) -> None:
    limits = ListenerLimits(body_seconds=0.3, linger_seconds=0.2, wire_bytes=600_000)
    with serving(limits=limits) as served:
        for _ in range(3):
            with served.public() as client:
                ENDS[name](client)
        until(served, budgets[0], 0)
        assert budgets[0]._peers == {}


def test_a_source_that_fails_and_a_caller_that_leaves_give_their_bytes_back(budgets: list[Budget]) -> None:
    async def broken(callback: Any) -> Any:
        raise RuntimeError("no")

    async def refused(callback: Any) -> Any:
        raise Problem(503, "over_limits", "full", retry_after=1)

    async def slow(callback: Any) -> Any:
        assert budgets[0].occupied_bytes == 0, "what is verified does not count"
        return Answer()

    with serving() as served:
        for answer, status in ((broken, 500), (refused, 503), (slow, 200)):
            served.behind.answer = answer
            assert served.post(b"x" * 20_000).status == status
        until(served, budgets[0], 0)


def test_whole_requests_that_wait_behind_one_in_hand_count_too(budgets: list[Budget]) -> None:
    waiting = asyncio.Event()

    async def hang(callback: Any) -> Any:
        await waiting.wait()
        return Answer()

    with serving(60_000) as served, contextlib.ExitStack() as stack:
        served.behind.answer = hang
        client = stack.enter_context(served.public())
        client.send(post() + post(b"x" * 30_000) + post(b"x" * 40_000))
        until(served, budgets[0], 0)
        served.loop.call_soon_threadsafe(waiting.set)
        assert [client.reply().status for _ in range(3)] == [200, 200, 503], "what is whole is answered"
        assert client.closed()


def test_whole_requests_that_wait_give_way_after_the_answer_that_is_due(budgets: list[Budget]) -> None:
    waiting = asyncio.Event()

    async def hang(callback: Any) -> Any:
        await waiting.wait()
        return Answer()

    with serving(60_000) as served, contextlib.ExitStack() as stack:
        served.behind.answer = hang
        piled = stack.enter_context(served.public()).send(post() + post(b"x" * 20_000) + post(b"x" * 20_000))
        until(served, budgets[0], 40_000)
        other = stack.enter_context(served.public()).send(HEAD % 30_000 + b"x" * 29_000)
        until(served, budgets[0], 29_000)
        served.loop.call_soon_threadsafe(waiting.set)
        assert [piled.reply().status for _ in range(2)] == [200, 503], (
            "what was in hand is answered, and then why no more is"
        )
        assert piled.closed()
        assert other.send(b"x" * 1000).reply().status == 200
        assert len(served.behind.taken) == 2
        until(served, budgets[0], 0)


def test_with_trusted_proxies_it_is_the_forwarded_address_that_counts(budgets: list[Budget]) -> None:
    configured = settings(server={"unverified_bytes": MOST, "trusted_proxies": networks("127.0.0.0/8")})
    with Served(Behind(configured), limits=PATIENT) as served, contextlib.ExitStack() as stack:
        clients: list[Client] = []
        occupied_bytes = 0
        for n, size in ((1, 250_000), (2, 200_000), (2, 190_000), (2, 180_000)):
            client = stack.enter_context(served.public())
            head = HEAD[:-2] % 262_144 + f"X-Forwarded-For: 192.0.2.{n}\r\n\r\n".encode()
            clients.append(client.send(head + b"x" * size))
            occupied_bytes += size
            until(served, budgets[0], occupied_bytes)
        stack.enter_context(served.public()).send(HEAD % 262_144 + b"x" * 240_000)
        assert clients[1].reply().status == 503


def test_the_budget_holds_16_kib_for_every_connection_or_is_an_error() -> None:
    assert ServerSettings(connections=2048).unverified_bytes == 32 * 1024 * 1024
    with pytest.raises(ValueError, match="at least 33MiB"):
        ServerSettings(connections=2049)


BODY = 250_000
OPEN = 990


def test_990_unfinished_bodies_cost_a_real_server_no_more_than_the_budget(tmp_path: Path) -> None:
    made = Running(tmp_path / "one", f"sources:\n  live: {{type: huawei-live, keys: ['{KEY}']}}\n")
    made.path.write_text(made.path.read_text().replace("server: {", "server: {body_timeout: 1m, "))
    with made as running, contextlib.ExitStack() as stack:
        assert running.post(Player().body())[0] == 200
        before = resident(running)
        for _ in range(OPEN):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_S))
            with contextlib.suppress(OSError):
                one.sendall(HEAD % 262_144 + b"x" * BODY)
        assert running.post(Player().body(number=2))[0] == 200, "whoever is genuine is served"
        cost = resident(running) - before
    print(f"{OPEN} unfinished bodies of {BODY} bytes cost {cost >> 20} MiB")
    assert cost < 100 * 1024 * 1024, f"{cost >> 20} MiB"  # all of them would be 236 MiB, and twice that while they grow


def resident(running: Running) -> int:
    """Bytes of memory that the process has."""
    assert running.process is not None
    pages = int(Path(f"/proc/{running.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()
