"""What the gateway takes of prometheus_client: what counts, and what writes it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.runtime.lean_imports import import_prometheus

if TYPE_CHECKING:
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
else:
    _exposition = import_prometheus()
    CONTENT_TYPE_PLAIN_0_0_4 = _exposition.CONTENT_TYPE_PLAIN_0_0_4
    generate_latest = _exposition.generate_latest

from prometheus_client.metrics import Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Exemplar

CONTENT_TYPE_OPENMETRICS: str = openmetrics.CONTENT_TYPE_LATEST

__all__ = [
    "CONTENT_TYPE_OPENMETRICS",
    "CONTENT_TYPE_PLAIN_0_0_4",
    "Collector",
    "CollectorRegistry",
    "Counter",
    "CounterMetricFamily",
    "Exemplar",
    "Gauge",
    "Histogram",
    "HistogramMetricFamily",
    "Info",
    "Metric",
    "disable_created_metrics",
    "generate_latest",
    "openmetrics",
]
