"""What people are told about the routes' decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events.samples import sample
from gateway.model import Cause
from gateway.routing import Route, Router, explain


def explained(*routes: Route, **flat) -> list[str]:
    return explain(Router(routes).decide(sample("recording.failed", **flat)).json())


def test_a_match_says_the_sinks_and_what_held() -> None:
    lines = explained(Route(name="r", match={"type": ["recording.*"]}, to=["a", "b"]))
    assert lines == ["+ r: matched, to a, b", "    held: type"]


def test_a_match_without_conditions_or_sinks_says_so() -> None:
    assert explained(Route(name="r")) == ["+ r: matched, to no sink", "    held: it has no conditions"]


def test_a_clause_that_did_not_hold_says_what_was_seen_and_what_was_wanted() -> None:
    match = {"type": ["recording.*"], "stream": ["main", "vip-*"]}
    assert explained(Route(name="r", match=match), stream="other") == [
        '- r: stream is "other", wanted "main" or "vip-*"',
        "    held: type",
    ]
    assert explained(Route(name="r", match=match), stream=None)[0] == '- r: stream is absent, wanted "main" or "vip-*"'
    assert explained(Route(name="r", match={"app": []}))[0] == '- r: app is "live", wanted nothing (an empty list)'


def test_where_says_false_another_answer_or_why_it_failed() -> None:
    assert explained(Route(name="r", where="false"))[0] == '- r: where "false" is false'
    assert explained(Route(name="r", where="1"))[0] == '- r: where "1" is no true or false (int)'
    assert (
        explained(Route(name="r", where="event.data.nope"))[0]
        == '- r: error, so no match: where "event.data.nope" failed: no such field: nope'
    )


def test_routes_after_a_stop_are_said_not_to_be_reached() -> None:
    lines = explained(Route(name="first", to=["a"], stop=True), Route(name="second"))
    assert lines[0].endswith("the search ends here (stop)")
    assert lines[2] == "- second: not reached, because a route before it stops the search"


def test_no_routes_are_said_to_be_none() -> None:
    assert explained() == ["no routes are configured"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '[{"route":"r"}]', '[{"route":"r","held":3,"to":[]}]'])
def test_what_another_version_wrote_is_said_not_to_be_readable(text: str) -> None:
    assert explain(text) == ["the verdict of the routes is not in a form this version reads"]


@given(st.text(max_size=30))
def test_a_value_never_breaks_the_line_or_moves_the_cursor(value: str) -> None:
    for line in explained(Route(name="r", match={"stream": ["never"]}), stream=f"x{value}"):
        assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u2028\u2029\u202e" for char in line)


def test_a_follow_up_is_told_where_it_may_not_go_and_which_routes_it_needs() -> None:
    follow_up = sample("recording.archived").replace(cause=Cause("e1", "shelf", ("mail",)))
    routes = [
        Route(name="all", to=["shelf"]),
        Route(name="archived", match={"type": ["recording.archived"]}, to=["shelf", "mail", "app"]),
    ]
    decision = Router(routes).decide(follow_up)
    assert explain(decision.json()) == [
        '- all: type is "recording.archived", which goes only to routes that name it',
        "+ archived: matched, to shelf, mail, app",
        "    not to shelf, mail: a follow-up never goes to a sink that it came of",
        "    held: type",
    ]
