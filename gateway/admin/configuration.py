"""What runs, as a person may see it; and where an event would go, by the routes that run or by others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.admin.access import Running
from gateway.admin.overview_results import Configuration, DiagnosticItem, LastReload, RouteAnswer
from gateway.admin.shown_settings import masked
from gateway.admin.timestamps import moment
from gateway.config import route_trial
from gateway.config.document.diagnostics import Diagnostic as Mistake
from gateway.config.loaded import Loaded
from gateway.errors import Problem
from gateway.store.admin.admin import StoreAdmin
from gateway.text.escaping import visible
from gateway.text.redaction import MASK, redact

RELOADS_SHOWN_MAX = 10  # that are shown


def configuration(gateway: Running, started_at: int, file_state: str, whole: bool, admin: StoreAdmin) -> Configuration:
    """What runs, with every secret masked."""
    loaded = gateway.loaded
    rows = admin.audit(act="reload", limit=RELOADS_SHOWN_MAX)
    return Configuration(
        file=visible(str(loaded.path)),
        loaded_at=moment(
            next((row.at for row in rows if row.result == "reloaded" and row.at >= started_at), started_at)
        ),
        current=file_state == "ok",
        settings=_settings(loaded, whole),
        types={
            "sources": {name: source.type for name, source in loaded.settings.sources.items()},
            "sinks": {name: sink.type for name, sink in loaded.settings.sinks.items()},
        },
        pulled=[name for name, sink in loaded.settings.sinks.items() if sink.pulled],
        warnings=[diagnostic(one) for one in loaded.warnings],
        reloads=[LastReload(at=moment(row.at), who=row.actor, result=row.result) for row in rows],
    )


def _settings(loaded: Loaded, whole: bool) -> dict[str, Any]:
    shown: dict[str, Any] = masked(loaded.settings)
    for name, source in shown["sources"].items():
        if not whole and source["path"] != name:
            source["path"] = MASK
    return shown


def diagnostic(mistake: Mistake) -> DiagnosticItem:
    """A mistake as it is shown."""
    return DiagnosticItem(
        file=mistake.file or None,
        path=mistake.path or None,
        line=mistake.line or None,
        column=mistake.column or None,
        message=redact(mistake.message),
        hint=redact(mistake.hint) or None,
    )


def route(loaded: Loaded, event: Mapping[str, object], config: str | None) -> RouteAnswer:
    """Where an event would go, clause by clause. Raises ConfigError for routes that cannot be used, Problem for an event."""
    try:
        meant = route_trial.described(event, loaded)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise Problem(400, "unknown_value", f"event: {redact(str(error))[:500]}") from None
    trial = None if config is None else route_trial.read_routes(config, loaded)
    running = route_trial.decide(loaded.settings.all_routes, meant)
    decision = running if trial is None else route_trial.decide(trial.routes, meant)
    tests = () if trial is None else route_trial.test_problems(trial, loaded)
    return RouteAnswer(
        event={"id": meant.id, "type": meant.type, "subject": meant.subject, "source": meant.source},
        sinks=list(decision.sinks),
        routes=json.loads(decision.json()),
        now=None if trial is None else list(running.sinks),
        tests=[diagnostic(one) for one in tests],
    )
