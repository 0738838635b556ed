"""Where an event goes: globs, lists, order, stop, and the verdict of every route."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events.samples import sample
from gateway.model import EVENT_TYPES, FOLLOW_UP_TYPES, Event, Trust
from gateway.routing import ERROR, FAILED, MATCH_KEYS, MATCHED, NOT_REACHED, Route, Router

FAILED_EVENT = sample("recording.failed", source="live", stream="vip-7")


def decide(*routes: Route, event=FAILED_EVENT, on_error=None):
    return Router(routes, on_error=on_error).decide(event)


def matches(event=FAILED_EVENT, **match: list[str]) -> bool:
    return bool(decide(Route(name="r", match=match, to=["a"]), event=event).sinks)


def test_a_route_without_conditions_matches_all_but_what_follows_on_an_event() -> None:
    for type in FOLLOW_UP_TYPES:
        assert decide(Route(name="all", to=["a"]), event=sample(type, full=False)).sinks == ()
        assert decide(Route(name="named", match={"type": [type]}, to=["a"]), event=sample(type, full=False)).sinks == (
            "a",
        )
    for type in set(EVENT_TYPES) - FOLLOW_UP_TYPES:
        assert decide(Route(name="all", to=["a"]), event=sample(type, full=False)).sinks == ("a",)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("type", "recording.failed"),
        ("source", "live"),
        ("provider", "sample"),
        ("domain", "push.example.com"),
        ("app", "live"),
        ("stream", "vip-7"),
        ("format", "hls"),
        ("project_id", "70b76000000034253880af501cd00000"),
        ("trust", "fields"),
    ],
)
def test_every_key_compares_its_own_value(key: str, value: str) -> None:
    assert matches(**{key: [value]})
    assert matches(**{key: [value[:2] + "*"]})
    assert not matches(**{key: [value + "x"]})


def test_the_keys_are_the_documented_nine() -> None:
    assert MATCH_KEYS == ("type", "source", "provider", "domain", "app", "stream", "format", "project_id", "trust")


def test_an_unknown_key_is_an_error_that_names_the_route() -> None:
    with pytest.raises(ValueError, match=r"route typo: match has no key 'strem'"):
        Router([Route(name="typo", match={"strem": ["x"]})])


class Watched(Event, frozen=True, kw_only=True, dict=True, eq=False):
    """An event that remembers what it was asked for."""

    def __getattribute__(self, name: str) -> object:
        object.__getattribute__(self, "__dict__").setdefault("asked", set()).add(name)
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("key", [None, *MATCH_KEYS])
def test_of_an_event_only_what_a_route_matches_is_read(key: str | None) -> None:
    watched = Watched(**{name: getattr(FAILED_EVENT, name) for name in FAILED_EVENT.__struct_fields__})
    route = Route(name="r", match={} if key is None else {key: ["*"]}, to=["a"])
    decide(route, event=watched)
    by_itself = {"alarm", "cause", "type"}  # what an event is about, and what it follows on
    assert watched.__dict__["asked"] - {"__dict__"} == by_itself | ({key} - {None})


def test_a_list_matches_when_any_of_it_does() -> None:
    assert matches(stream=["main", "vip-*"])
    assert not matches(stream=["main", "vip"])


def test_an_empty_list_matches_nothing() -> None:
    assert not matches(stream=[])


def test_all_keys_must_hold() -> None:
    assert matches(type=["recording.failed"], app=["live"])
    assert not matches(type=["recording.failed"], app=["vod"])


def test_case_counts() -> None:
    assert not matches(stream=["VIP-*"])
    assert not matches(app=["Live"])


def test_a_glob_must_match_the_whole_value() -> None:
    assert not matches(stream=["vip"])
    assert not matches(stream=["ip-7"])
    assert matches(stream=["*ip-?"])


@pytest.mark.parametrize("absent", [None, ""])
def test_what_is_absent_matches_nothing_not_even_a_star(absent: str | None) -> None:
    event = sample("recording.failed", stream=absent, domain=absent)
    assert not matches(event, stream=["*"])
    assert not matches(event, domain=["*"])
    assert matches(event, app=["*"])


def test_a_glob_sees_line_breaks_as_characters() -> None:
    event = sample("recording.failed", stream="a\nb")
    assert matches(event, stream=["a*b"])
    assert not matches(event, stream=["a"])


def test_trust_can_be_matched() -> None:
    assert matches(sample("recording.ended", trust=Trust.NONE), trust=["none", "timestamp"])


@given(st.text("ab*?[]!-.", max_size=8), st.text("ab-.!", min_size=1, max_size=6))
def test_globs_mean_what_fnmatch_means(glob: str, value: str) -> None:
    event = sample("recording.failed", stream=value)
    assert matches(event, stream=[glob]) == fnmatchcase(value, glob)


def test_every_route_that_matches_gives_its_sinks_once_and_in_order() -> None:
    decision = decide(
        Route(name="one", to=["b", "a"]),
        Route(name="no", match={"app": ["x"]}, to=["z"]),
        Route(name="two", to=["a", "c"]),
    )
    assert decision.sinks == ("b", "a", "c")


def test_an_event_that_no_route_wants_has_no_sinks_and_all_verdicts() -> None:
    decision = decide(Route(name="no", match={"app": ["x"]}, to=["z"]))
    assert decision.sinks == ()
    assert [verdict.outcome for verdict in decision.verdicts] == [FAILED]


def test_no_routes_at_all_is_no_sinks() -> None:
    decision = decide()
    assert (decision.sinks, decision.json()) == ((), "[]")


def test_stop_ends_the_search_only_when_its_route_matches() -> None:
    stopping = Route(name="stop", match={"app": ["x"]}, to=["a"], stop=True)
    assert decide(stopping, Route(name="next", to=["b"])).sinks == ("b",)
    stopping = Route(name="stop", to=["a"], stop=True)
    decision = decide(stopping, Route(name="next", to=["b"]), Route(name="last", to=["c"]))
    assert decision.sinks == ("a",)
    assert [verdict.outcome for verdict in decision.verdicts] == [MATCHED, NOT_REACHED, NOT_REACHED]


def test_where_must_hold_too_and_only_true_does() -> None:
    for where, outcome in [
        ("event.data.stream == 'vip-7'", MATCHED),
        ("event.data.stream == 'x'", FAILED),
        ('"x"', FAILED),
        ("1", FAILED),
        ("event.data.nope > 1", ERROR),
    ]:
        decision = decide(Route(name="r", where=where, to=["a"]))
        assert decision.verdicts[0].outcome == outcome, where
        assert decision.sinks == (("a",) if outcome == MATCHED else ())


def test_where_is_not_asked_when_match_does_not_hold() -> None:
    errors: list[str] = []
    decide(Route(name="r", match={"app": ["x"]}, where="1/0 == 1", to=["a"]), on_error=errors.append)
    assert errors == []


def test_a_where_that_fails_is_counted_under_its_route_and_hurts_no_other() -> None:
    errors: list[str] = []
    decision = decide(
        Route(name="bad", where="1/0 == 1", to=["a"]), Route(name="good", to=["b"]), on_error=errors.append
    )
    assert (decision.sinks, errors) == (("b",), ["bad"])


def test_an_event_that_the_expression_language_cannot_hold_is_an_error_not_a_crash() -> None:
    event = sample("recording.failed", extra={"n": "\ud800"})
    decision = decide(Route(name="r", where="true", to=["a"]), Route(name="all", to=["b"]), event=event)
    assert decision.verdicts[0].outcome == ERROR
    assert decision.sinks == ("b",)


def verdict(*routes: Route, event=FAILED_EVENT) -> list[dict]:
    return json.loads(decide(*routes, event=event).json())


def test_the_verdict_names_the_first_clause_that_did_not_hold_its_pattern_and_the_value_seen() -> None:
    match = {"type": ["recording.*"], "stream": ["main", "x-*"], "app": ["nope"]}
    assert verdict(Route(name="r", match=match, to=["a"])) == [
        {"route": "r", "held": ["type"], "clause": "stream", "pattern": ["main", "x-*"], "value": "vip-7"}
    ]


def test_the_verdict_of_an_absent_value_is_null() -> None:
    event = sample("recording.failed", format=None)
    assert verdict(Route(name="r", match={"format": ["*"]}), event=event)[0]["value"] is None


def test_the_verdict_is_right_for_one_event_after_another() -> None:
    router = Router([Route(name="r", match={"stream": ["main"]})])
    for stream in ("a", "a", "b", "a", None, None):
        event = sample("recording.failed", stream=stream)
        assert json.loads(router.decide(event).json())[0]["value"] == stream


def test_the_verdict_of_a_match_names_what_held_and_the_sinks() -> None:
    route = Route(name="r", match={"app": ["live"]}, where="true", to=["b", "a"], stop=True)
    assert verdict(route, Route(name="next")) == [
        {"route": "r", "held": ["app", "where"], "to": ["b", "a"], "stop": True},
        {"route": "next", "reached": False},
    ]


def test_the_verdict_of_where_tells_false_from_another_answer_from_an_error() -> None:
    routes = [Route(name=str(n), where=where) for n, where in enumerate(["false", "'x'", "1/0 == 1"])]
    false, text, error = verdict(*routes)
    assert false == {"route": "0", "held": [], "clause": "where", "pattern": "false", "value": False}
    assert text["value"] == "str"
    assert "division by zero" in error["error"]


def test_a_long_value_is_cut_in_the_verdict() -> None:
    event = sample("recording.failed", stream="x" * 60_000)
    assert len(decide(Route(name="r", match={"stream": ["main"]}), event=event).json()) < 500


@given(st.text(max_size=40))
def test_any_value_gives_a_verdict_that_is_json(value: str) -> None:
    event = sample("recording.failed", stream=value)
    kept = verdict(Route(name="r", match={"stream": ["\0never"]}), event=event)
    assert kept[0]["value"] == (value or None)
