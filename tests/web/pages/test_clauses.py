"""Why a route matched: each clause that held is shown with what the event says there."""

from __future__ import annotations

import pytest

from gateway.web.pages.story import route_view
from gateway.web.pages.words import PageWords

EVENT = {"type": "recording.failed", "source": "live", "data": {"domain": "push.example.com", "app": 5}}


@pytest.mark.parametrize(
    ("clause", "shown"),
    [
        ("type", "type is recording.failed"),
        ("source", "source is live"),
        ("domain", "domain is push.example.com"),
        ("app", "app"),  # no text, so nothing that a clause can be compared with
        ("where", "where"),
        ("data", "data"),
    ],
)
def test_a_clause_that_held_is_shown_with_its_value(clause: str, shown: str) -> None:
    view = route_view({"route": "r", "held": [clause], "to": ["app"]}, PageWords("en"), EVENT)
    assert view is not None
    assert view.satisfied == [shown]


def test_without_an_event_the_clause_alone_is_shown() -> None:
    view = route_view({"route": "r", "held": ["type"], "to": ["app"]}, PageWords("en"))
    assert view is not None
    assert view.satisfied == ["type"]
