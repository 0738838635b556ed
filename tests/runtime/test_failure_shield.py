"""What only tells undoes nothing by failing, and is said once a minute."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.runtime.clock import FrozenClock
from gateway.runtime.failure_shield import harmless


@pytest.mark.parametrize(
    "failure", [ValueError("x"), SystemExit(3), type("Panic", (BaseException,), {})("x")], ids=repr
)
def test_whatever_a_listener_raises_is_a_line_and_nothing_more(failure: BaseException) -> None:
    heard = []

    @harmless
    def tell(what: str) -> None:
        heard.append(what)
        raise failure

    tell.__wrapped__.__qualname__ = f"of {failure!r}"  # type: ignore[attr-defined]  # because each is said once a minute
    with capture_logs() as lines:
        tell("first")
        tell("second")
    assert heard == ["first", "second"]
    assert [(line["event"], line["what"]) for line in lines] == [("telling_failed", f"of {failure!r}")]


async def test_a_clock_that_stands_lets_others_go_on_where_nothing_is_to_be_waited_for() -> None:
    turns = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await FrozenClock().sleep(0)
    assert turns == [1]
