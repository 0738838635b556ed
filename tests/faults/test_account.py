"""The account itself: each thing that it must find is found in ledgers made by hand."""

from __future__ import annotations

import re

import pytest

from tests.faults import mutants
from tests.faults.account import Account
from tests.faults.ledger import Came, Posted

FAULT_AT = 5.0
POSTED = [Posted(1.0, 1, 200, "a"), Posted(2.0, 2, 0, ""), Posted(2.5, 2, 200, "b"), Posted(3.0, 3, 0, "")]
CAME = [Came(1.1, "app", 1, "a"), Came(2.1, "app", 2, "b"), Came(3.1, "app", 3, "c")]


def account(posted: list[Posted] = POSTED, came: list[Came] = CAME, *, streams: int = 0) -> Account:
    return Account(posted=posted, came=came, sinks=("app",), streams=streams, disturbed=[FAULT_AT])


def test_an_account_in_order_closes_whether_or_not_the_unacknowledged_arrived() -> None:
    account().closes(again_max=0)
    account(came=CAME[:2]).closes(again_max=0)
    assert account().unheard == 1


def test_what_arrives_again_over_a_fault_is_allowed_up_to_what_was_in_flight() -> None:
    one = account(came=[*CAME, Came(6.0, "app", 1, "a")])
    one.closes(again_max=1)
    with pytest.raises(AssertionError, match="more arrived again"):
        one.closes(again_max=0)


def test_what_arrives_again_in_a_spell_of_faults_is_allowed() -> None:
    again = [*CAME, Came(1.5, "app", 1, "a")]
    for spell, well in (((1.2, 1.4), True), ((0.5, 2.0), True), ((0.5, 1.0), True), ((1.6, 2.0), False)):
        one = Account(posted=POSTED, came=again, sinks=("app",), spells=[spell])
        assert (one.unexplained == []) == well, spell


WRONG = {
    "acknowledged and never delivered": (POSTED, CAME[1:]),
    "delivered, but never sent": (POSTED, [*CAME, Came(4.0, "app", 9, "x")]),
    "one event under two ids": (POSTED, [*CAME, Came(6.0, "app", 1, "other")]),
    "twice although nothing happened between": (POSTED, [*CAME, Came(1.5, "app", 1, "a")]),
    "nothing was acknowledged": ([Posted(1.0, 1, 503, "")], []),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_account_that_is_not_in_order_does_not_close(wrong: str) -> None:
    posted, came = WRONG[wrong]
    with pytest.raises(AssertionError, match=re.escape(wrong)):
        account(posted, came).closes(again_max=9)


def test_an_account_of_ordered_streams_finds_what_came_first_and_should_not_have() -> None:
    posted = [Posted(1.0, number, 200, str(number)) for number in (2, 3, 4, 5)]
    came = [Came(float(at), "app", number, str(number)) for at, number in enumerate((3, 2, 5, 4))]
    account(posted, came, streams=2).closes(again_max=0)
    with pytest.raises(AssertionError, match="out of order"):
        account(posted, [*came[2:], *(one._replace(at=9.0) for one in came[:2])], streams=2).closes(again_max=0)


def test_each_planted_mistake_still_has_its_place_in_the_program() -> None:
    """Here, because whoever moves a line should hear of it today, and not from the slow tests."""
    for change in (change for mistake in mutants.MUTANTS.values() for change in mistake):
        assert (mutants.ROOT / change.file).read_text().count(change.old) == 1, f"plant this anew: {change}"
