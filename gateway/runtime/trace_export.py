"""Chooses where spans go, as the environment asks."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.trace_settings import header_values, is_exported, problems
from gateway.runtime.traces import OFF, Traces
from gateway.text.redaction import learn_secret

log = import_structlog().get_logger("gateway.traces")


def make_traces(environ: Mapping[str, str]) -> Traces:
    """As the environment asks. Raises nothing: where the library is missing, that is said, and there are no spans."""
    if not is_exported(environ):
        return OFF
    for variable, text in problems(environ):
        log.error("traces_off", variable=variable, problem=text)
        return OFF
    for value in header_values(environ):
        learn_secret(value)
    try:
        from gateway.runtime.otel import OtelTraces

        return OtelTraces()
    except Exception:  # because a gateway that tells nothing is better than none
        log.exception("traces_off")
        return OFF
