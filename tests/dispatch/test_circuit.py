"""When a sink counts as broken, and for how long."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.circuit import OPEN_SECONDS_MAX, WINDOW_ATTEMPTS, Circuit, answered, failed_service, open_seconds
from gateway.errors import Refused, Retry, Unavailable

DOWN = Retry("502", status=502, service=True)


def opened_after(circuit: Circuit, deliveries: list[int], result: BaseException | str | None = DOWN) -> int | None:
    return next((n for n, delivery in enumerate(deliveries, 1) if circuit.note(delivery, result)), None)


def test_unavailable_opens_at_once() -> None:
    assert opened_after(Circuit(), [1], Unavailable("revoked")) == 1


def test_ten_failures_of_the_service_among_three_deliveries_open() -> None:
    assert opened_after(Circuit(), [1, 2, 3] * 4) == 10


def test_one_or_two_deliveries_alone_never_open() -> None:
    assert opened_after(Circuit(), [1] * 50) is None
    assert opened_after(Circuit(), [1, 2] * 50) is None


def test_the_third_delivery_opens_when_the_last_ten_were_failures() -> None:
    assert opened_after(Circuit(), [*[1, 2] * 10, 3]) == 21


def test_any_answer_starts_the_row_anew() -> None:
    for answer in ("ok", None, Refused("400"), Retry("busy, said the sink")):
        circuit = Circuit()
        assert opened_after(circuit, [1, 2, 3] * 3) is None
        assert not circuit.note(4, answer)
        assert opened_after(circuit, [1, 2, 3] * 3) is None


def test_a_plugins_own_exception_neither_counts_nor_answers() -> None:
    circuit = Circuit()
    assert opened_after(circuit, [1, 2, 3] * 3) is None
    assert opened_after(circuit, list(range(100)), KeyError("a bug")) is None
    assert circuit.note(4, DOWN)


def test_after_a_reset_it_takes_ten_again() -> None:
    circuit = Circuit()
    opened_after(circuit, [1, 2, 3] * 3)
    circuit.reset()
    assert opened_after(circuit, [1, 2, 3] * 4) == WINDOW_ATTEMPTS


def test_who_answered_and_who_failed() -> None:
    assert answered("x")
    assert answered(None)
    assert answered(Refused("no"))
    assert not answered(Unavailable("x"))
    assert not answered(DOWN)
    assert failed_service(DOWN)
    assert not failed_service(Retry("own"))
    assert not failed_service(TimeoutError())


@given(st.integers(-5, 10_000), st.integers(), st.floats(0, 1e6))
def test_a_pause_grows_to_five_minutes_and_what_the_target_asked_for_only_lengthens_it(
    opened: int, seed: int, least: float
) -> None:
    length = open_seconds(opened, Random(seed), least=least)
    assert length >= least
    assert length <= max(OPEN_SECONDS_MAX * 1.2, least)
    assert length >= min(5 * 2 ** min(max(opened, 0), 10), OPEN_SECONDS_MAX) * 0.8
