"""A histogram of the loop is what prometheus_client's shows of the same values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from gateway.runtime.histograms import LoopHistogram

BOUNDS = (0.01, 0.5, 1.0, 86400.0)
VALUES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, *BOUNDS]) | st.floats(0, 1e6)), max_size=20)


@given(VALUES)
def test_it_shows_what_the_usual_one_shows(values: list[tuple[str, float]]) -> None:
    disable_created_metrics()
    ours, usual = CollectorRegistry(), CollectorRegistry()
    made = LoopHistogram("x_seconds", "How long.", BOUNDS, ("sink",), ours)
    other = Histogram("x_seconds", "How long.", ("sink",), registry=usual, buckets=BOUNDS)
    for sink, value in values:
        made.labels(sink).observe(value)
        other.labels(sink).observe(value)
    assert generate_latest(ours) == generate_latest(usual)


def test_an_exemplar_stands_beside_its_bucket_until_another_comes() -> None:
    registry = CollectorRegistry()
    one = LoopHistogram("x_seconds", "How long.", BOUNDS, ("sink",), registry).labels("a")
    for trace in "12":
        one.observe(0.7, {"trace_id": trace})
    text = openmetrics.generate_latest(registry, version="1.0.0").decode()
    assert '{trace_id="2"} 0.7' in next(line for line in text.splitlines() if 'le="1.0"' in line)
    assert text.count("trace_id") == 1
