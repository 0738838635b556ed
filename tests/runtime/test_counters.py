"""A counter of the loop is what prometheus_client's shows of the same events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from gateway.runtime.counters import LoopCounter

EVENTS = st.lists(st.tuples(st.sampled_from('a"'), st.sampled_from("bé"), st.integers(0, 3)), max_size=20)


@given(EVENTS)
def test_it_shows_what_the_usual_one_shows(events: list[tuple[str, str, int]]) -> None:
    disable_created_metrics()
    ours, usual = CollectorRegistry(), CollectorRegistry()
    made = LoopCounter("x_callbacks", "Callbacks.", ("source", "result"), ours)
    other = Counter("x_callbacks", "Callbacks.", ("source", "result"), registry=usual)
    for source, result, times in events:
        made.labels(source, result).inc(times)
        other.labels(source, result).inc(times)
    assert generate_latest(ours) == generate_latest(usual)
    shown = [openmetrics.generate_latest(registry, version="1.0.0") for registry in (ours, usual)]
    assert shown[0] == shown[1]


def test_a_series_that_nothing_happened_of_stands_at_nothing() -> None:
    registry = CollectorRegistry()
    LoopCounter("x_callbacks", "Callbacks.", ("source",), registry).labels("live")
    assert 'x_callbacks_total{source="live"} 0.0' in generate_latest(registry).decode()
