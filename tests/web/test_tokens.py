"""Tokens of the admin API: who may come in, and how guessing is slowed down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from starlette.requests import Request

from gateway.errors import Problem
from gateway.runtime.clock import FrozenClock
from gateway.text.secret import Secret
from gateway.web.tokens import FAILURES_MAX, PEER_FAILURES_MAX, TokenRole, Tokens


@dataclass(frozen=True)
class Holder:
    name: str
    token: Secret
    role: TokenRole


OPERATE = Holder("deploy", Secret("o" * 40), "operate")
READ = Holder("look", Secret("r" * 40), "read")


def request(*authorization: str, peer: str = "192.0.2.1", query: str = "") -> Request:
    headers = [(b"authorization", one.encode("latin-1")) for one in authorization]
    return Request(
        {"type": "http", "method": "GET", "headers": headers, "client": (peer, 1), "query_string": query.encode()}
    )


def code(tokens: Tokens, asked: Request, role: TokenRole = "operate") -> int:
    try:
        tokens.check(asked, role)
    except Problem as problem:
        return problem.status
    return 200


def tokens(clock: FrozenClock | None = None, holders: Any = (OPERATE, READ)) -> Tokens:
    return Tokens(lambda: holders, clock or FrozenClock())


def test_the_holder_of_a_right_token_is_named_wherever_it_stands_in_the_list() -> None:
    assert tokens().check(request("Bearer " + "o" * 40), "operate").name == "deploy"
    assert tokens().check(request("bearer  " + "r" * 40), "read").name == "look"
    assert tokens().check(request("Bearer " + "o" * 40), "read").name == "deploy"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request(), 401),
        (request("Bearer "), 401),
        (request("Basic " + "o" * 40), 401),
        (request("Bearer " + "o" * 39), 401),
        (request("Bearer " + "o" * 40, "Bearer " + "o" * 40), 401),
        (request("Bearer \xff\xfe"), 401),
        (request("Bearer " + "r" * 40), 403),
        (request("Bearer " + "o" * 40, query="token=x"), 400),
        (request("Bearer " + "o" * 40, query="access_TOKEN=x"), 400),
    ],
)
def test_everybody_else_is_refused(asked: Request, answer: int) -> None:
    assert code(tokens(), asked) == answer


def test_without_a_configured_token_there_is_nothing() -> None:
    assert code(tokens(holders=()), request("Bearer " + "o" * 40)) == 404


def test_guessing_from_one_address_is_braked_for_a_minute_and_a_right_token_never() -> None:
    clock = FrozenClock()
    mine = tokens(clock)
    wrong = request("Bearer " + "x" * 40)
    assert [code(mine, wrong) for _ in range(PEER_FAILURES_MAX + 2)] == [401] * PEER_FAILURES_MAX + [429, 429]
    assert code(mine, request("Bearer " + "o" * 40)) == 200
    assert code(mine, request("Bearer " + "x" * 40, peer="192.0.2.2")) == 401
    clock.advance(61)
    assert code(mine, wrong) == 401


def test_guessing_from_many_addresses_is_braked_in_all() -> None:
    mine = tokens()
    answers = [code(mine, request("Bearer " + "x" * 40, peer=f"192.0.2.{n}")) for n in range(FAILURES_MAX + 1)]
    assert answers == [401] * FAILURES_MAX + [429]
    assert code(mine, request("Bearer " + "o" * 40, peer="198.51.100.1")) == 200


def test_asking_without_a_token_guesses_nothing() -> None:
    mine = tokens()
    assert {code(mine, request()) for _ in range(50)} == {401}
    assert code(mine, request("Bearer " + "x" * 40)) == 401


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    clock = FrozenClock()
    mine = tokens(clock)
    for n in range(3000):
        code(mine, request("Bearer " + "x" * 40, peer=f"10.0.{n // 250}.{n % 250}"))
        clock.advance(1)
    assert len(mine._peers) <= 1024
