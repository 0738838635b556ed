"""Which routes and sinks an alarm reaches, and what `alarms:` is short for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.config.document.diagnostics import ConfigError
from gateway.config.load import load
from gateway.config.route_tests import run_tests
from gateway.events.samples import event_of, sample
from gateway.model import SINK_DOWN, alarm_globs
from gateway.routing import Router
from gateway.routing.router import Route
from gateway.routing.verdicts import explain
from tests.alarms.configured import BASE, TWO

# --- routes


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ({}, False),
        ({"type": ["*"]}, False),
        ({"type": ["recording.*", "stream.*"]}, False),
        ({"type": ["*.down"]}, False),
        ({"source": ["gateway"]}, False),
        ({"trust": ["body"]}, False),
        ({"type": ["gateway.*"]}, True),
        ({"type": ["gateway*"]}, True),
        ({"type": ["*", "gateway.store.*"]}, False),
        ({"type": ["recording.failed", "gateway.sink.down"]}, True),
        ({"type": ["gateway.*"], "source": ["gateway"]}, True),
        ({"type": ["gateway.*"], "stream": ["*"]}, False),
    ],
)
def test_a_route_of_recordings_takes_no_alarm_and_a_route_that_names_them_does(
    match: Mapping[str, Sequence[str]], wanted: bool
) -> None:
    decision = Router([Route(name="one", match=match, to=["mail"])]).decide(sample(SINK_DOWN))
    assert (decision.sinks == ("mail",)) is wanted
    assert explain(decision.json())[0].startswith("+ one" if wanted else "- one")


def test_a_catch_all_that_stops_keeps_no_alarm_from_its_route() -> None:
    routes = [
        Route(name="all", to=["app"], stop=True),
        Route(name="alarms", match={"type": ["gateway.*"]}, to=["mail"]),
    ]
    assert Router(routes).decide(sample(SINK_DOWN)).sinks == ("mail",)
    assert Router(routes).decide(sample("recording.failed")).sinks == ("app",)


def test_the_explanation_says_why_a_sink_hears_nothing_of_itself() -> None:
    route = Route(name="alarms", match={"type": ["gateway.*"]}, to=["ops", "mail"])
    decision = Router([route]).decide(event_of({"type": SINK_DOWN, "about": "ops"}))
    assert decision.sinks == ("mail",)
    assert "not to ops" in "\n".join(explain(decision.json()))
    assert Router([route]).decide(event_of({"type": "gateway.store.limit", "about": "ops"})).sinks == ("ops", "mail")


@pytest.mark.parametrize("globs", [["gateway.*"], ["recording.*"], ["*"]])
def test_only_globs_that_begin_with_gateway_mean_alarms(globs: list[str]) -> None:
    assert bool(alarm_globs(globs)) is (globs == ["gateway.*"])


# --- the configuration


def write(tmp_path: Path, changes: Mapping[str, Any]) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({**BASE, "sinks": {"ops": {"type": "console"}}, "routes": [{"to": ["ops"]}], **changes}))
    path.chmod(0o600)
    return path


def test_alarms_is_short_for_a_route(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, {"alarms": {"to": "ops", "types": "gateway.sink.*", "language": "zh"}}))
    assert loaded.settings.all_routes[-1].match == {"type": ("gateway.sink.*",)}
    assert loaded.settings.alarms.every == timedelta(minutes=1)
    assert loaded.settings.alarm_setup.language == "zh"
    assert load(write(tmp_path, {"alarms": {}})).settings.all_routes == loaded.settings.routes
    test = {"event": {"type": "gateway.sink.up", "about": "app"}, "expect": ["ops"]}
    told = load(
        write(tmp_path, {"routes": [{"to": ["app"]}], "sinks": TWO, "alarms": {"to": ["ops"]}, "tests": [test]})
    )
    assert run_tests(told) == []
    assert not [problem for problem in told.warnings if "no route names" in problem.found]


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"to": ["opps"]}, "did you mean"),
        ({"types": ["gateway.sink.downs"]}, "did you mean"),
        ({"types": ["recording.*"]}, "no alarm is of the type"),
        ({"every": "5s"}, "alarms.every"),
        ({"too": ["ops"]}, "alarms.too"),
        ([], "alarms"),
    ],
)
def test_a_mistake_in_alarms_is_said_where_it_is(tmp_path: Path, section: Any, text: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, {"alarms": section}))
    assert text in str(error.value)
