"""The rules of `watch:` as the store and the clock need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.config.grammar.settings import Settings
from gateway.config.grammar.watch import ANY
from gateway.fields.locale import zone_of
from gateway.recordings.silence import SilenceRule
from gateway.store.outbox.watches import WatchRule


class WatchSetup(NamedTuple):
    """All rules of one configuration."""

    events: Sequence[WatchRule]
    silence: Sequence[SilenceRule]


def watch_setup(settings: Settings) -> WatchSetup:
    """The rules of these settings."""
    zone = zone_of(settings.locale.timezone)
    events: list[WatchRule] = []
    silence: list[SilenceRule] = []
    for rule in settings.watch:
        if rule.expect == ANY and rule.source is not None and rule.every is not None:
            silence.append(SilenceRule(rule.name, rule.source, rule.every, rule.window, zone))
        elif rule.when is not None and rule.within is not None:
            events.append(WatchRule(rule.name, rule.when.globs, rule.expect, round(rule.within.total_seconds() * 1000)))
    return WatchSetup(tuple(events), tuple(silence))
