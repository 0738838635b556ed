"""What a sink answers with more than a receipt: values, which nobody can change once they are given."""

from __future__ import annotations

import pytest

from gateway import RECORDING_ARCHIVED, Done, File, FollowUp


def test_a_result_without_more_is_a_receipt_and_no_event() -> None:
    assert Done("copied") == Done(receipt="copied", events=())
    assert Done() == Done(None)
    assert FollowUp(RECORDING_ARCHIVED).files == ()
    assert dict(FollowUp(RECORDING_ARCHIVED).data) == {}


def test_two_that_say_the_same_are_equal_and_what_tells_them_apart_is_their_identity() -> None:
    one = FollowUp(RECORDING_ARCHIVED, files=[File(format="hls")], identity=["first"])
    assert one == FollowUp(RECORDING_ARCHIVED, files=[File(format="hls")], identity=["first"])
    assert one != one.replace(identity=["second"])


@pytest.mark.parametrize("value", [Done("copied"), FollowUp(RECORDING_ARCHIVED)], ids=["done", "follow-up"])
def test_what_was_answered_cannot_be_changed_afterwards(value: object) -> None:
    with pytest.raises(AttributeError):
        value.receipt = "other"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        value.type = "other"  # type: ignore[attr-defined]
