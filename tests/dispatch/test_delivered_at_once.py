"""What was delivered at once is told and written as anything else that was delivered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.dispatch import reporter
from gateway.dispatch.delivered_at_once import DeliveredAtOnce
from gateway.dispatch.reporter import AttemptReporter, DeliveredCall
from gateway.errors import Refused, Retry
from gateway.model import Attempt, Delivery
from gateway.plugin.hookspecs import hookimpl
from tests.patience import eventually
from tests.shortage import Shortage

from .conftest import Batching, Build, House, Scripted, event

ANSWERS: dict[str, list[Any]] = {
    "one, plain": ["HTTP 200"],
    "one, silent": [None],
    "many, plain": ["HTTP 204"] * 5,
    "many, silent": [None] * 5,
    "one of many is to come again": [
        "HTTP 200",
        "HTTP 200",
        Retry("busy", timedelta(seconds=60)),
        "HTTP 200",
        "HTTP 200",
    ],
    "one of many is refused": ["HTTP 200", "HTTP 200", "HTTP 200", "HTTP 200", Refused("no")],
    "two words": ["HTTP 200", "HTTP 202", "HTTP 200"],
    "a word of the sink's own": ["id 17", "id 17"],
    "a secret": ["https://user:pass@example.com/a?key=b"],
}


async def _account(folder: Path, name: str, answers: Sequence[Any], plugins: Sequence[object] = ()) -> dict[str, Any]:
    """What is left of one call with these answers."""
    sink = Batching()

    async def one(delivery: Delivery) -> Any:
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    async def together(deliveries: Sequence[Delivery]) -> Sequence[Any]:
        return answers[: len(deliveries)]

    sink.script, sink.together = one, together
    delivery = {"concurrency": 1, "batch": {"max": 10, "window": "0s"}}
    house = await House(f"sqlite:///{folder / name}.db", sink, delivery=delivery, plugins=plugins).open()
    try:
        with capture_logs() as lines:
            await house.put(*(event(number) for number in range(len(answers))))
            await eventually(lambda: len(house.attempts()) == len(answers) and not house.dispatcher._settler.pending)
        metrics = house.metrics.text().decode()
        (count,) = [count.count for count in house.metrics.activity.fetch_counts() if count.kind == "sink"]
        lane = house.dispatcher.lanes["app"]
        return {
            "lines": lines,
            "deliveries": house.rows("id, state, rank, due_at, token, attempts, note, last_error, memo, owner, reason"),
            "attempts": house.attempts("*"),
            "metrics": [
                line for line in metrics.splitlines() if re.match("recording_gateway_(deliver|attempt|end|dead)", line)
            ],
            "count": (count.total, count.good, count.bad, count.dead, count.spread),
            "slots": (
                lane.occupied,
                set(lane.slots.leased),
                lane.slots._unwritten,
                lane.slots._usual,
                lane.slots.alone,
            ),
            "calls": sink.batches,
        }
    finally:
        await house.close()


@pytest.mark.parametrize("how", ANSWERS)
async def test_it_is_told_and_written_as_in_the_usual_way(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = await _account(tmp_path, "quick", ANSWERS[how])
    with monkeypatch.context() as patched:
        patched.setattr(DeliveredAtOnce, "record", lambda *_: False)
        usual = await _account(tmp_path, "usual", ANSWERS[how])
    assert quick == usual
    assert len([line for line in quick["lines"] if line["event"] == "attempt"]) == len(ANSWERS[how])


@pytest.mark.parametrize("how", ["one, plain", "many, plain"])
async def test_whoever_watches_hears_of_each(how: str, tmp_path: Path) -> None:
    class Watch:
        def __init__(self) -> None:
            self.seen: list[tuple[int, int]] = []

        @hookimpl
        def attempt_finished(self, delivery: Delivery, attempt: Attempt) -> None:
            self.seen.append((delivery.id, attempt.number))

    watch = Watch()
    await _account(tmp_path, "watched", ANSWERS[how], [watch])
    assert watch.seen == [(number + 1, 1) for number in range(len(ANSWERS[how]))]


async def test_a_plain_batch_is_told_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = AttemptReporter.report_delivered

    def noted(self: AttemptReporter, call: DeliveredCall) -> None:
        calls.append(len(call[0]))
        real(self, call)

    monkeypatch.setattr(AttemptReporter, "report_delivered", noted)
    monkeypatch.setattr(AttemptReporter, "report", lambda *_: pytest.fail("one by one"))
    await _account(tmp_path, "together", ANSWERS["many, plain"])
    assert calls == [5]


@pytest.mark.parametrize("fails", [False, True])
async def test_calls_that_end_in_one_turn_of_the_loop_are_told_together(
    fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[Any]] = []
    answer_now = asyncio.Event()

    def say_all(_event: str, each: Sequence[Mapping[str, Any]], **_more: Any) -> None:
        told.append([facts["delivery"] for facts in each])
        if fails and len(told) == 1:
            raise MemoryError

    async def wait(_delivery: Delivery) -> str:
        await answer_now.wait()
        return "HTTP 200"

    monkeypatch.setattr(reporter, "_lines", SimpleNamespace(say_all=say_all))
    sink = Scripted(script=wait)
    house = await House(f"sqlite:///{tmp_path}/turn.db", sink, delivery={"concurrency": 8}).open()
    try:
        await house.put(*(event(number) for number in range(5)))
        await eventually(lambda: sink.under_way == 5)
        answer_now.set()
        await eventually(lambda: len(house.attempts()) == 5 and not house.dispatcher._settler.pending)
        await house.put(event(5))  # one that has nobody beside it, and comes behind a telling that may have failed
        await eventually(lambda: len(house.attempts()) == 6 and not house.dispatcher._settler.pending)
    finally:
        await house.close()
    assert told == [[1, 2, 3, 4, 5], [6]]


async def test_what_there_was_no_memory_to_tell_keeps_none_behind_it_untold(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    lines = SimpleNamespace(say_all=lambda _, each, **__: told.extend(facts["delivery"] for facts in each))
    monkeypatch.setattr(reporter, "_lines", lines)
    shortage = Shortage(reporter)
    with shortage.watching():
        house = await build(Scripted())

        async def deliver() -> int:
            number = len(house.attempts())
            await house.put(event(number))
            await eventually(lambda: len(house.attempts()) > number)
            return number + 1

        with shortage.on():
            await deliver()
            await eventually(lambda: len(told) == 1)
        places = [place for place in shortage.places if "deliver" in place.name]
        assert places
        for place in places:
            with shortage.on(place):
                await deliver()
                last = await deliver()
            assert shortage.hit == place
            await eventually(partial(_is_last, told, last))


def _is_last(told: Sequence[int], delivery: int) -> bool:
    return bool(told) and told[-1] == delivery
