"""A sink that says why it could not, in a way that nobody expects: the outcome is written, and the delivery goes on."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from gateway.errors import Refused, Retry, Unavailable
from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.testing import running


class UnfinishedRetry(Retry):
    def __init__(self) -> None:
        pass


class UnfinishedRefused(Refused):
    def __init__(self) -> None:
        pass


class UnfinishedUnavailable(Unavailable):
    def __init__(self) -> None:
        pass


def _odd(failure: type[Retry] | type[Refused], status: object) -> Callable[[], Exception]:
    said: Any = status
    return lambda: failure("no", status=said)


SAID: dict[str, tuple[Callable[[], Exception], str, int | None]] = {
    "a word": (_odd(Refused, "teapot"), "dead", None),
    "a number in a text": (_odd(Refused, "404"), "dead", None),
    "half a number": (_odd(Refused, 404.5), "dead", None),
    "too large": (_odd(Refused, 10**30), "dead", None),
    "less than none": (_odd(Refused, -1), "dead", None),
    "an enumeration": (_odd(Refused, HTTPStatus.GONE), "dead", 410),
    "a word, again": (_odd(Retry, object()), "waiting", None),
    "no init, retry": (UnfinishedRetry, "waiting", None),
    "no init, refused": (UnfinishedRefused, "dead", None),
    "no init, unavailable": (UnfinishedUnavailable, "waiting", None),
}


@pytest.mark.parametrize("name", SAID)
async def test_its_outcome_is_written_once(name: str) -> None:
    made, state, status = SAID[name]
    calls = 0

    class Odd(Sink):
        type = "odd"

        async def deliver(self, delivery: Delivery) -> str:
            nonlocal calls
            calls += 1
            raise made()

    config = {
        "sources": {"live": {"type": "huawei-live", "keys": ["demo-0123456789abcdef0123456789abcdef"]}},
        "sinks": {"app": {"type": "odd"}},
        "routes": [{"to": ["app"]}],
    }
    async with running(config, plugins=[Odd]) as gateway:
        await gateway.send()
        [row] = gateway.deliveries("app")
        assert (row.state, calls) == (state, 1)
        assert [one.status for one in gateway.attempts("app")] == [status]
