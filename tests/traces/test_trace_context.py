"""Who may say which trace a callback belongs to: only a header that keeps to the letter, and it changes nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.trace_context import TRACESTATE_CHARS_MAX, TraceContext

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"

NONE_OF_THESE = {
    "nothing": [],
    "two": [GOOD, GOOD],
    "empty": [""],
    "upper case": [GOOD.upper()],
    "a blank before": [f" {GOOD}"],
    "a line break": [GOOD + "\n"],
    "no trace": [f"00-{'0' * 32}-{SPAN}-01"],
    "no span": [f"00-{TRACE}-{'0' * 16}-01"],
    "version ff": [GOOD.replace("00-", "ff-", 1)],
    "version 00 with more": [f"{GOOD}-more"],
    "a later version that runs on": [GOOD.replace("00-", "01-", 1) + "x"],
    "a later version without end": [GOOD.replace("00-", "01-", 1) + "-" + "x" * 10_000],
    "too short": [GOOD[:-1]],
    "other digits": [GOOD.replace("4", "٤")],
    "no hexadecimal": [GOOD.replace("4bf9", "4bg9")],
    "two in one field": [f"{GOOD},{GOOD}"],
}


@pytest.mark.parametrize("parents", NONE_OF_THESE.values(), ids=NONE_OF_THESE)
def test_a_traceparent_that_breaks_the_grammar_is_as_none(parents: list[str]) -> None:
    assert TraceContext.of_headers(parents, ["a=1"]) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    read = TraceContext.of_headers([GOOD.replace("00-", "cc-", 1) + "-what-comes"], [])
    assert read == TraceContext(TRACE, SPAN, 1)
    assert read.traceparent == GOOD


def test_flags_that_nobody_knows_are_not_passed_on() -> None:
    read = TraceContext.of_headers([f"00-{TRACE}-{SPAN}-ff"], [])
    assert read is not None
    assert read.traceparent == f"00-{TRACE}-{SPAN}-03"


STATES = {
    "one": (["a=1"], "a=1"),
    "several headers": (["a=1,b=2", "c=3"], "a=1,b=2,c=3"),
    "blanks and empty members": ([" a=1 ,\t, b=2,"], "a=1,b=2"),
    "a tenant": (["9t@vendor=x/y z"], "9t@vendor=x/y z"),
    "no value": (["a="], ""),
    "a key in capitals": (["A=1"], ""),
    "a key twice": (["a=1,a=2"], ""),
    "two equals signs": (["a=1=2"], ""),
    "a control character": (["a=1\r\nx-evil: 1"], ""),
    "no ASCII": (["a=ü"], ""),
    "one bad among good ones": (["a=1,b"], ""),
    "33 members": ([",".join(f"k{n}=1" for n in range(33))], ""),
    "too long to be read": (["a=" + "x" * 1023], ""),
    "too long": ([f"a={'x' * 250},b={'x' * 250},c={'x' * 250}"], ""),
}


@pytest.mark.parametrize(("states", "kept"), STATES.values(), ids=STATES)
def test_a_tracestate_is_kept_whole_or_not_at_all(states: list[str], kept: str) -> None:
    read = TraceContext.of_headers([GOOD], states)
    assert read is not None
    assert read.state == kept


@given(st.lists(st.text(max_size=80), max_size=2), st.lists(st.text(max_size=60), max_size=2))
def test_whatever_comes_is_read_without_an_error_and_stays_bounded_and_inert(
    parents: list[str], states: list[str]
) -> None:
    for given_parents in (parents, [GOOD]):
        read = TraceContext.of_headers(given_parents, states)
        if read is None:
            continue
        text = read.stored()
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= len(GOOD) + 1 + TRACESTATE_CHARS_MAX
        assert TraceContext.of_stored(text) == read
        headers: dict[str, str] = {}
        read.inject(headers)
        assert set(headers) <= {"traceparent", "tracestate"}


@pytest.mark.parametrize("text", [None, "", "nonsense", f"{GOOD}x", "00-" + "0" * 52])
def test_what_somebody_else_wrote_into_the_store_is_as_none(text: str | None) -> None:
    assert TraceContext.of_stored(text) is None


def test_a_header_that_a_sink_was_configured_with_stays() -> None:
    headers = {"traceparent": "mine"}
    TraceContext(TRACE, SPAN, 1, "a=1").inject(headers)
    assert headers == {"traceparent": "mine"}
