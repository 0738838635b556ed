"""Makes the parts that a configuration describes: sinks, and a door for each source."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from gateway.config.load import Loaded
from gateway.egress.client import Http
from gateway.intake.intake import Door
from gateway.plugin import Sink


def make_sink(loaded: Loaded, name: str, http: Http) -> Sink:
    """The sink of this name, not opened yet."""
    return loaded.sink(name, http, structlog.get_logger("sink"))


def make_doors(loaded: Loaded) -> Mapping[str, Door]:
    """A door for each source, by its path."""
    doors = {}
    for name, configured in loaded.settings.sources.items():
        doors[configured.path] = Door(
            name=name,
            path=configured.path,
            source=loaded.source(name),
            min_trust=configured.min_trust,
            hold_conflicts=configured.on_conflict == "hold",
            keep_ids=configured.keep_ids,
            allow_from=configured.allow_from,
        )
    return doors
