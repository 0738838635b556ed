"""What the environment says of traces: whether they are wanted, and what about that cannot be.

The names of the variables and what they mean are OpenTelemetry's; docs/tracing.md lists those that count here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.extras import missing

EXTRA: Final = "otel"
MODULES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
FILES: Final = tuple(
    f"OTEL_EXPORTER_OTLP_{kind}{name}"
    for kind in ("TRACES_", "")
    for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
)
RATIO_SAMPLERS: Final = ("traceidratio", "parentbased_traceidratio")
SAMPLERS: Final = (
    "always_on",
    "always_off",
    "parentbased_always_on",
    "parentbased_always_off",
    *RATIO_SAMPLERS,
)
SECRET_CHARS_MIN: Final = 8  # characters of a header's value that is masked from now on wherever it stands


def is_exported(environ: Mapping[str, str]) -> bool:
    """Whether spans are to be exported: an endpoint or the exporter is named, and neither is switched off."""
    if _value_of(environ, "OTEL_SDK_DISABLED").lower() == "true":
        return False
    exporter = _value_of(environ, "OTEL_TRACES_EXPORTER")
    if exporter:
        return exporter != "none"
    return any(_value_of(environ, name) for name in ENDPOINTS)


def problems(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Why what the environment asks for cannot be: (variable, sentence) each. No value that may be secret is named."""
    return list(_problems(environ)) if is_exported(environ) else []


def _problems(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    asking = next((name for name in ("OTEL_TRACES_EXPORTER", *ENDPOINTS) if _value_of(environ, name)), "")
    for text in missing(EXTRA, *MODULES):
        yield asking, f"traces are asked for: {text}"
    exporter = _value_of(environ, "OTEL_TRACES_EXPORTER")
    if exporter not in ("", "otlp"):
        yield "OTEL_TRACES_EXPORTER", f"found {exporter!r}, expected otlp or none"
    for name in PROTOCOLS:
        if _value_of(environ, name) not in ("", "http/protobuf"):
            yield name, f"found {_value_of(environ, name)!r}, expected http/protobuf, the one protocol that is spoken"
    for name in ENDPOINTS:
        if _value_of(environ, name) and not _is_http(_value_of(environ, name)):
            yield name, "it is no http or https URL with a host"
    for name in FILES:
        if (path := _value_of(environ, name)) and Path(path).is_fifo():
            yield name, "a named pipe, which would be waited for at each export: write its content into a file"
    sampler = _value_of(environ, "OTEL_TRACES_SAMPLER").lower()
    if sampler not in ("", *SAMPLERS):
        yield "OTEL_TRACES_SAMPLER", f"found {sampler!r}, expected one of {', '.join(SAMPLERS)}"
    ratio = _value_of(environ, "OTEL_TRACES_SAMPLER_ARG")
    if sampler in RATIO_SAMPLERS and ratio and not _is_ratio(ratio):
        yield "OTEL_TRACES_SAMPLER_ARG", f"found {ratio!r}, expected a number from 0 to 1"
    propagators = [name.strip() for name in _value_of(environ, "OTEL_PROPAGATORS").split(",") if name.strip()]
    if propagators and "tracecontext" not in propagators:
        yield "OTEL_PROPAGATORS", "W3C trace context is the one that is spoken: add tracecontext"


def _value_of(environ: Mapping[str, str], name: str) -> str:
    """Its value; an empty one is as good as none, says the specification."""
    return environ.get(name, "").strip()


def _is_http(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _is_ratio(text: str) -> bool:
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return False


def header_values(environ: Mapping[str, str]) -> Iterator[str]:
    """The values of the exporter's own headers, which are keys of a collector as a rule."""
    for name in HEADERS:
        for pair in _value_of(environ, name).split(","):
            value = unquote(pair.partition("=")[2].strip())
            yield from (part for part in {value, *value.split()} if len(part) >= SECRET_CHARS_MIN)
