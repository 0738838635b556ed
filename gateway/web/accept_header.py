"""What a scraper asks for in `Accept`: Prometheus' own text, or OpenMetrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_OPENMETRICS: Final = ("application/openmetrics-text", "application/*", "*/*")
_TEXT: Final = ("text/plain", "text/*", "*/*")
_VERSIONS: Final = ("1.0.0", "0.0.1")  # of OpenMetrics: what 1.0 can be read as
_WEIGHTS_MAX: Final = 64  # entries of the header that are looked at


def wants_openmetrics(accept: Iterable[str]) -> bool:
    """Whether OpenMetrics is preferred. Where both are as good, and where neither is named, it is the text (RFC 9110, 12.5.1)."""
    weights: dict[str, float] = {}
    for entry in ",".join(accept).split(",")[:_WEIGHTS_MAX]:
        media, *parameters = (part.strip().lower() for part in entry.split(";"))
        media_parameters = dict(part.partition("=")[::2] for part in parameters)
        version = media_parameters.get("version", "").strip('"')
        if media == _OPENMETRICS[0] and version and version not in _VERSIONS:
            continue
        weights[media] = max(weights.get(media, 0.0), _weight(media_parameters.get("q", "1")))
    return _best(weights, _OPENMETRICS) > _best(weights, _TEXT)


def _best(weights: dict[str, float], names: tuple[str, ...]) -> float:
    """The weight of the most specific entry that names it."""
    return next((weights[name] for name in names if name in weights), 0.0)


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
