"""What a reload may change while the gateway runs, and what needs a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.config.load import Loaded, refuse_demo_keys
from gateway.config.route_tests import run_tests
from gateway.errors import GatewayError
from gateway.plugin import Sink
from gateway.states import ReloadCode

_TOLD_BY_ITSELF = ("sources", "sinks", "routes")  # of the settings, what a reload tells of in a field of its own
_LIVE_ADMIN = ("hosts", "public_url", "token", "tokens")  # of the admin section, what is read anew with every request


class ReloadRefused(GatewayError):
    """The running configuration stays. `code`: restart_needed, or stopping."""

    def __init__(self, code: ReloadCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload changed, by name: for the log and the answer. `settings`: the other parts of the file."""

    sources: Mapping[str, Sequence[str]]
    sinks: Mapping[str, Sequence[str]]
    routes: bool
    settings: Sequence[str] = ()

    @property
    def nothing(self) -> bool:
        return not (self.routes or self.settings or any(self.sources.values()) or any(self.sinks.values()))


def refuse_what_is_wrong(running: Loaded, new: Loaded) -> None:
    """Raises ConfigError where a route test fails, ReloadRefused with every reason why only a restart would do."""
    problems: list[Diagnostic] = [*refuse_demo_keys(new), *run_tests(new)]
    if problems:
        raise ConfigError(problems)
    reasons = _needs_restart(running, new)
    if reasons:
        raise ReloadRefused("restart_needed", f"a restart is needed for: {'; '.join(reasons)}")


def _needs_restart(running: Loaded, new: Loaded) -> list[str]:
    before, after = running.settings, new.settings
    reasons = []
    if before.sources and not after.sources:
        reasons.append("a file that configures nothing that comes in (one that a full disk cut off looks like that)")
    if before.server != after.server:
        reasons.append("server (the public listener)")
    live = dict.fromkeys(_LIVE_ADMIN)
    if before.admin.model_copy(update=live) != after.admin.model_copy(update=live):
        reasons.append("admin (the private listener)")
    if before.store != after.store:
        reasons.append("store")
    if before.log != after.log:
        reasons.append("log")
    reasons += [f"{entry} (edited Python)" for entry in new.registry.edited()]
    return reasons


def kept_sinks(sinks: Mapping[str, Sink], running: Loaded, new: Loaded) -> list[str]:
    """The names of those that can go on as they are: of the same class, and configured as before but for a table of owners."""
    before, after = running.settings.sinks, new.settings.sinks
    return [
        name
        for name, sink in sinks.items()
        if name in after and type(sink) is new.registry.sink(after[name].type) and after[name].carried_as(before[name])
    ]


def compare(running: Loaded, new: Loaded) -> Reloaded:
    """What is different, by name."""
    before, after = running.settings, new.settings
    return Reloaded(
        sources=_difference(before.sources, after.sources),
        sinks=_difference(before.sinks, after.sinks),
        routes=before.all_routes != after.all_routes,
        settings=[
            name
            for name in type(after).model_fields
            if name not in _TOLD_BY_ITSELF and getattr(before, name) != getattr(after, name)
        ],
    )


def _difference(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, list[str]]:
    return {
        "added": sorted(set(after) - set(before)),
        "removed": sorted(set(before) - set(after)),
        "changed": sorted(name for name in set(before) & set(after) if before[name] != after[name]),
    }
