"""What a command of ours says, as an answer; and one that does not end is ended."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gateway.admin import own_command
from gateway.admin.acts import preview_answer, test_answer
from gateway.admin.own_command import Ran, run_own_command
from gateway.errors import Problem
from tests.patience import eventually

answer_of_a_test = test_answer
del test_answer  # or it would be taken for one


def children() -> set[str]:
    """The processes that this one has begun and not heard the end of."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_a_command_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_command, "COMMAND_SECONDS_MAX", 0.01)
    before = children()
    with pytest.raises(Problem, match="did not end within") as raised:
        await run_own_command(tmp_path / "gateway.yaml", ["schema"])
    assert (raised.value.status, raised.value.code) == (504, "took_too_long")
    assert children() <= before


async def test_a_command_whose_asker_has_left_is_ended(tmp_path: Path) -> None:
    before = children()
    asking = asyncio.create_task(run_own_command(tmp_path / "gateway.yaml", ["schema"]))
    await eventually(lambda: children() - before)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert children() <= before


@pytest.mark.parametrize(
    ("ran", "outcome", "seconds", "detail"),
    [
        (Ran(0, "app: delivered in 12 ms: ok\n", ""), "delivered", 0.012, "ok"),
        (Ran(0, "app: delivered in 1 ms\n", ""), "delivered", 0.001, ""),
        (Ran(1, "", "Error: app: refused in 40 ms: 400 https://x.example/?token=canary\n"), "refused", 0.04, "400 https://x.example/?token=********"),
        (Ran(1, "", "Error: app: not delivered in 5 ms: a line\nand another\n"), "not delivered", 0.005, "a line\nand another"),
    ],
)  # fmt: skip
def test_what_became_of_a_test_message_is_read(ran: Ran, outcome: str, seconds: float, detail: str) -> None:
    answer = answer_of_a_test("app", ran)
    assert (answer.outcome, answer.seconds, answer.detail) == (outcome, seconds, detail)


@pytest.mark.parametrize(
    ("error", "said"),
    [("Error: the store is away\n", "the store is away"), ("", "it could not be tried"), ("x" * 9000, "x" * 500)],
)
def test_what_could_not_be_tried_is_no_outcome(error: str, said: str) -> None:
    with pytest.raises(Problem) as raised:
        answer_of_a_test("app", Ran(1, "", error))
    assert (raised.value.status, raised.value.code, raised.value.detail) == (409, "not_tested", said)


def test_a_preview_is_text_or_a_reason() -> None:
    assert (
        preview_answer("app", Ran(0, "POST https://x.example/?token=canary\n", "")).text
        == "POST https://x.example/?token=********"
    )
    for ran, status, code in (
        (Ran(1, "", "Error: nothing would be sent\n"), 409, "nothing_sent"),
        (Ran(2, "", "Usage: gateway sinks preview\n\nError: no type 'x'\n"), 400, "unknown_value"),
    ):
        with pytest.raises(Problem) as raised:
            preview_answer("app", ran)
        assert (raised.value.status, raised.value.code) == (status, code)
