"""Where an event goes, and why not elsewhere."""

from gateway.routing.router import (
    ERROR,
    FAILED,
    MATCH_KEYS,
    MATCHED,
    NOT_REACHED,
    Route,
    RouteLike,
    Router,
    RoutingDecision,
    Verdict,
)
from gateway.routing.verdicts import explain

__all__ = [
    "ERROR",
    "FAILED",
    "MATCHED",
    "MATCH_KEYS",
    "NOT_REACHED",
    "Route",
    "RouteLike",
    "Router",
    "RoutingDecision",
    "Verdict",
    "explain",
]
