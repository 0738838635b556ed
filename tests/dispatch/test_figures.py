"""What is told of an attempt: a line, a hook, figures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from gateway.errors import Refused, Retry
from gateway.model import Attempt, Delivery, Outcome
from gateway.plugin.hookspecs import hookimpl
from tests.patience import eventually

from .conftest import Build, Scripted, event, raising

# --- what is seen ---------------------------------------------------------------------------------------------------


async def test_an_attempt_is_one_line_in_the_log(build: Build) -> None:
    house = await build(Scripted("app", raising(Retry("busy", timedelta(seconds=60), status=429))))
    with capture_logs() as logs:
        await house.put(event(1))
        await eventually(lambda: house.rows() == ["waiting"])
    (line,) = [line for line in logs if line["event"] == "attempt"]
    assert (line["sink"], line["id"], line["delivery"], line["attempt"]) == ("app", event(1).id, 1, 1)
    assert (line["outcome"], line["status"], line["detail"], line["next_try_in"]) == ("retry", 429, "busy", 60)
    assert line["log_level"] == "warning"
    assert "exc_info" not in line


async def test_a_plugins_own_exception_is_logged_with_its_traceback(build: Build) -> None:
    error = KeyError("bug")
    house = await build(Scripted("app", raising(error)))
    with capture_logs() as logs:
        await house.put(event(1))
        await eventually(lambda: house.rows() == ["waiting"])
    (line,) = [line for line in logs if line["event"] == "attempt"]
    assert line["exc_info"] is error


async def test_a_memo_that_cannot_be_kept_is_logged(build: Build) -> None:
    house = await build(Scripted("app", raising(Retry("x", memo={"o": object()}))))
    with capture_logs() as logs:
        await house.put(event(1))
        await eventually(lambda: house.rows() == ["waiting"])
    assert [line["event"] for line in logs] == ["attempt", "memo_dropped"]


async def test_plugins_that_watch_hear_of_every_attempt(build: Build) -> None:
    class Watch:
        def __init__(self) -> None:
            self.seen: list[tuple[Delivery, Attempt]] = []

        @hookimpl
        def attempt_finished(self, delivery: Delivery, attempt: Attempt) -> None:
            self.seen.append((delivery, attempt))
            raise RuntimeError("watching is hard")

    watch = Watch()
    house = await build(Scripted("app", raising(Refused("no"))), plugins=[watch])
    await house.put(event(1))
    await eventually(lambda: house.rows() == ["dead"])
    ((delivery, attempt),) = watch.seen
    assert delivery.event.id == event(1).id
    assert (attempt.number, attempt.outcome, attempt.detail) == (1, Outcome.REFUSED, "no")


async def test_figures_are_kept(build: Build) -> None:
    async def slow(delivery: Delivery) -> None:
        house.clock.advance(2)

    house = await build(Scripted("app", slow))
    at = house.clock.now()
    house.clock.advance(3)
    await house.put(event(1, at=at))
    await eventually(lambda: house.counted("app", "delivered") == 1)
    assert house.value("attempt_seconds_sum", sink="app") == 2
    assert house.value("end_to_end_seconds_sum", sink="app") == 5
    assert house.value("circuit_open", sink="app") == 0


async def test_depth_and_age_go_back_to_nought(build: Build) -> None:
    house = await build(Scripted("app"))
    assert house.value("waiting", sink="app") == house.value("oldest_waiting_seconds", sink="app") == 0
    await house.put(event(1), to=["gone"])
    await house.later(6)
    assert house.value("waiting", sink="gone") == 1
    house.write("DELETE FROM deliveries")
    house.write("DELETE FROM events")
    await house.later(6)
    assert house.value("waiting", sink="gone") == house.value("oldest_waiting_seconds", sink="gone") == 0


async def test_depth_and_age_are_kept_also_for_a_sink_that_is_gone(build: Build) -> None:
    house = await build(Scripted("app"))
    await house.put(event(1), event(2), to=["gone"])
    await house.later(10)
    assert house.value("waiting", sink="gone") == 2
    age = house.value("oldest_waiting_seconds", sink="gone")
    assert age is not None
    assert 4 <= age <= 10


@pytest.mark.parametrize("round_", [0, 1])
async def test_end_to_end_is_measured_only_for_the_first_round(build: Build, round_: int) -> None:
    house = await build(Scripted("app"))
    await house.fill(1)
    house.write(f"UPDATE deliveries SET round = {round_}, rank = {round_}")
    await house.later(1)
    await eventually(lambda: house.rows() == ["delivered"])
    assert house.value("end_to_end_seconds_count", sink="app") == 1 - round_
