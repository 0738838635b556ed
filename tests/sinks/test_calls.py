"""docs/calls.md: each recipe, run against a server that plays the service, on every type of event and on a hostile one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway import EVENT_TYPES, Event, Http, sample
from gateway.config.load import load
from gateway.testing import FrozenClock, Received, ScriptedServer, delivery
from plugins.sinks.forward import Forward
from tests.patience import PATIENCE_S

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "calls.md").read_text().split("## Recipes")[1].split("\n## ")[0]
HOSTILE = 'a", "admin": true, "x": "\r\nX-Evil: 1 </a>&x=y#%00/../\\{{ 7 * 7 }}'
SECRET = "recipe-canary-0123456789"


def pagerduty(said: Any, event: Event) -> bool:
    assert set(said) == {"routing_key", "event_action", "dedup_key", "payload"}
    assert said["event_action"] == ("trigger" if event.type == "recording.failed" else "resolve")
    assert event.stream in said["payload"]["summary"]
    assert len(said["payload"]["summary"]) <= 1024
    assert said["payload"]["severity"] == "error"
    return bool(said["routing_key"] == SECRET)


def opsgenie(said: Any, event: Event) -> bool:
    assert event.stream in said["message"]
    assert len(said["message"]) <= 130
    assert said["priority"] in {"P2", "P4"}
    return bool(said["alias"] == event.subject)


def servicenow(said: Any, event: Event) -> bool:
    assert event.stream in said["short_description"]
    return bool(said["correlation_id"] == event.id and said["urgency"] in "23")


def jira(said: Any, event: Event) -> bool:
    fields = said["fields"]
    assert event.stream in fields["summary"]
    return set(fields) == {"project", "issuetype", "summary", "description", "labels"}


def n8n(said: Any, event: Event) -> bool:
    files = [file.download_url for file in event.files if file.download_url]
    return bool(said == {"type": event.type, "stream": event.stream, "files": files})


def zapier(said: Any, event: Event) -> bool:
    assert list(said) == ["id", "type", "stream", "download_url", "duration"]
    return bool(said["stream"] == event.stream)


def github(said: Any, event: Event) -> bool:
    assert set(said) == {"event_type", "client_payload"}
    return bool(said["client_payload"]["stream"] == event.stream and len(said["event_type"]) <= 100)


def grafana(said: Any, event: Event) -> bool:
    at = event.time or event.received_at
    assert said["time"] == int(at.timestamp() * 1000)
    assert (event.app or "") in said["tags"]
    return bool(said["text"] == f"{event.type}: {event.stream}")


SERVICES: Mapping[str, Callable[[Any, Event], bool]] = {
    service.__name__: service for service in (pagerduty, opsgenie, servicenow, jira, n8n, zapier, github, grafana)
}
RECIPES = {
    str(re.findall(r"^  (\w+):$", text, re.M)[0]): text
    for text in re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.M | re.S)
}


def test_every_service_of_the_list_has_its_recipe() -> None:
    assert set(RECIPES) == set(SERVICES)


@pytest.mark.parametrize("name", RECIPES)
async def test_a_recipe_makes_what_its_service_takes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"version: 1\n{RECIPES[name]}")
    path.chmod(0o600)
    loaded = load(path, environ=dict.fromkeys(re.findall(r"\$\{(\w+)\}", RECIPES[name]), SECRET))
    options: Any = loaded.settings.sinks[name].options
    events = [sample(type, stream=stream) for type in EVENT_TYPES for stream in ("mystream", HOSTILE)]
    events += [sample("recording.failed", full=False, stream="s")]
    http = Http(clock=FrozenClock(), timeout=PATIENCE_S)
    async with ScriptedServer() as server:
        url = urlsplit(options.url)
        here = options.model_copy(update={"url": options.url.replace(f"{url.scheme}://{url.netloc}", server.url)})
        sink = Forward(name, here, http=http, log=None)  # type: ignore[arg-type]
        await sink.open()
        for event in events:
            await sink.deliver(delivery(event))
        await http.close()
        received = server.received
    assert len(received) == len(events)
    for got, event in zip(received, events, strict=True):
        assert SERVICES[name](_said(got), event)
        assert got.target == options.url.partition(url.netloc)[2]
        assert not got.header("x-evil")
        assert SECRET in got.target + str(got.headers) + got.body.decode()


def _said(got: Received) -> Any:
    if str(got.header("content-type")).endswith("form-urlencoded"):
        return dict(parse_qsl(got.body.decode(), keep_blank_values=True, strict_parsing=True))
    return json.loads(got.body)
