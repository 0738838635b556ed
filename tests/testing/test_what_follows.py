"""`follow_ups`: what an author's test sees of an answer is what the gateway would store of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import Done, File, FollowUp
from gateway.testing import delivery, follow_ups


def test_the_events_of_an_answer_are_those_that_would_be_stored() -> None:
    of = delivery(sink="shelf")
    [made] = follow_ups(of, Done("kept", [FollowUp("recording.archived", (File(size_bytes=7),))]))
    assert (made.type, made.files[0].size_bytes, made.source) == ("recording.archived", 7, of.event.source)
    assert made.cause is not None
    assert (made.cause.id, made.cause.sink) == (of.event.id, "shelf")


@pytest.mark.parametrize("answer", [None, "a receipt"])
def test_nothing_follows_on_a_receipt_alone(answer: object) -> None:
    assert follow_ups(delivery(), answer) == ()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (7, "deliver returned a int"),
        (Done(7, []), "the receipt of a Done is a text or None"),  # type: ignore[arg-type]
        (Done(None, [FollowUp("recording.archive")]), "there is no event type 'recording.archive'"),
        (Done(None, [FollowUp("recording.archived", data={"trust": "x"})]), "data may not say 'trust'"),
    ],
)
def test_what_would_not_be_stored_fails_an_authors_test_and_says_why(answer: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        follow_ups(delivery(), answer)
