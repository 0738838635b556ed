"""What is written of an attempt: bounded, masked, storable, with the memo that the next attempt needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.memos import MEMO_CHARS_MAX
from gateway.dispatch.outcome import DETAIL_CHARS_MAX, READ_CHARS_MAX, attempt_record, describe
from gateway.dispatch.retry import RetryDecision
from gateway.errors import Refused, Retry, Unavailable
from gateway.model import Outcome
from gateway.store.records import Lease
from gateway.text.redaction import learn_secret

from .conftest import event


def lease(**options: Any) -> Lease:
    return Lease(
        delivery=1,
        token=2,
        sink="app",
        event=event(1),
        attempt=3,
        round=0,
        replay=False,
        first_at=0,
        stalled=0,
        until=0,
        **options,
    )


def written(result: Any, decision: RetryDecision | None = None, **options: Any) -> Any:
    again = decision or RetryDecision(state="waiting", outcome=Outcome.RETRY, delay=1.5)
    return attempt_record(lease(**options), result, again, started_at=1000, seconds=0.25)


def test_everything_people_see_is_in_both_records() -> None:
    given = written(Retry("busy", status=429))
    assert (given.settlement.detail, given.settlement.status, given.settlement.took_ms) == ("busy", 429, 250)
    assert (given.settlement.delivery, given.settlement.token, given.settlement.delay) == (1, 2, 1500)
    assert (given.attempt.number, given.attempt.detail, given.attempt.status) == (3, "busy", 429)
    assert given.attempt.started_at.timestamp() == 1


def test_a_delay_is_rounded_up_so_that_the_last_try_is_the_last() -> None:
    given = written(Retry("x"), RetryDecision(state="waiting", outcome=Outcome.RETRY, delay=0.0001))
    assert given.settlement.delay == 1


def test_a_failure_of_the_plugins_own_is_named_by_its_class() -> None:
    assert describe(KeyError("x")) == "KeyError: 'x'"
    assert describe(ValueError()) == "ValueError"
    assert describe(Refused("as it said")) == "as it said"
    assert describe(None) == ""


def test_an_exception_whose_text_fails_is_named_by_its_class() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe(Mute()) == "Mute"


def test_a_secret_is_masked_in_receipts_and_errors() -> None:
    learn_secret("canary-4711-secret")
    for result in ("took canary-4711-secret", Retry("canary-4711-secret said no"), OSError("canary-4711-secret")):
        assert "canary" not in describe(result)


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=50))
def test_whatever_text_comes_both_databases_hold_it(text: str) -> None:
    for result in (text, Retry(text), ValueError(text)):
        clean = describe(result)
        assert "\0" not in clean
        clean.encode()


def test_a_text_is_cut_to_what_a_row_may_hold() -> None:
    assert len(describe("x" * 10**7)) == DETAIL_CHARS_MAX


@pytest.mark.parametrize("shown", range(0, 25, 4))
@pytest.mark.parametrize(
    "raised", [lambda text: text, Retry, Refused, Unavailable, KeyError], ids=lambda one: one.__name__
)
def test_a_detail_that_is_cut_in_the_middle_of_a_secret_shows_no_half_of_it(
    shown: int, raised: Callable[[str], Any]
) -> None:
    secret = "kT7-never-said-aloud-9Qx"
    learn_secret(secret)
    for limit in (DETAIL_CHARS_MAX, READ_CHARS_MAX):
        detail = describe(raised("x" * (limit - shown) + secret + "x" * limit))
        assert "kT7" not in detail
        assert len(detail) <= DETAIL_CHARS_MAX


def test_a_new_memo_replaces_the_old_and_no_memo_keeps_it() -> None:
    assert written(Retry("x", memo={"done": [2]}), memo={"done": [1]}).settlement.memo == {"done": [2]}
    assert written(Retry("x"), memo={"done": [1]}).settlement.memo == {"done": [1]}
    assert written(KeyError("x"), memo={"done": [1]}).settlement.memo == {"done": [1]}
    assert written(Retry("x")).settlement.memo is None
    assert written(Retry("x", memo={}), memo={"done": [1]}).settlement.memo == {}


@pytest.mark.parametrize(
    ("memo", "said"),
    [
        ({"at": object()}, "no JSON"),
        ({"x": float("nan")}, "no JSON"),
        ([1, 2], "a list"),
        ({"x": "y" * MEMO_CHARS_MAX}, "characters"),
    ],
)
def test_a_memo_that_cannot_be_kept_is_reported_and_the_one_before_stays(memo: Any, said: str) -> None:
    given = written(Retry("x", memo=memo), memo={"done": [1]})
    assert given.settlement.memo == {"done": [1]}
    assert said in given.trouble
