"""The exceptions that cross a room: each is of a kind that its reader knows, and keeps what it was made of."""

from __future__ import annotations

from datetime import timedelta
from inspect import getmembers, isclass

import pytest

from gateway import errors
from gateway.errors import (
    Ambiguous,
    DeliveryFailed,
    GatewayError,
    Malformed,
    NotFound,
    Problem,
    Refused,
    Retry,
    StoreBusy,
    StoreError,
    Unavailable,
    Untrusted,
)

CLASSES = [value for _, value in getmembers(errors, isclass) if issubclass(value, Exception)]
MADE = [
    Untrusted("signature_mismatch", "it does not fit"),
    Malformed("no JSON"),
    Retry("busy", timedelta(seconds=3), {"at": 1}, status=503, service=True),
    Refused("too large", status=413),
    Unavailable("revoked", timedelta(hours=1), status=401),
    Problem(503, "store_unavailable", "the store is away", retry_after=5, answer="try later"),
    StoreBusy("the queue is full", 2),
    Ambiguous("live:a", ["live:a1", "live:a2"], more=True),
]


@pytest.mark.parametrize("kind", CLASSES)
def test_whatever_is_raised_on_purpose_has_one_root(kind: type[Exception]) -> None:
    assert issubclass(kind, GatewayError)
    assert kind.__doc__


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_the_text_of_an_error_is_what_it_was_given(error: GatewayError) -> None:
    detail = getattr(error, "detail", None)
    assert detail is None or str(error) == detail


def test_the_three_words_of_a_sink_are_one_kind_and_those_of_the_store_another() -> None:
    assert {one for one in CLASSES if issubclass(one, DeliveryFailed)} == {DeliveryFailed, Retry, Refused, Unavailable}
    assert issubclass(Ambiguous, NotFound)
    assert issubclass(NotFound, StoreError)


def test_a_class_of_a_plugins_own_that_calls_no_init_of_ours_has_its_attributes_all_the_same() -> None:
    class Own(Retry):
        def __init__(self) -> None:
            pass

    own = Own()
    assert (own.detail, own.status, own.after, own.memo, own.service) == ("", None, None, None, False)


def test_a_name_that_fits_several_says_which_and_that_there_are_more() -> None:
    assert str(MADE[-1]) == "live:a names several events: live:a1, live:a2, …"
