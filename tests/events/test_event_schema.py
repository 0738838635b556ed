"""The schema of the event: committed, true of every event, and never changed under its readers."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given

from gateway.events.cloudevents import DATA_SCHEMA, from_document, render, to_document, to_json
from gateway.events.event_schema import event_schema
from gateway.events.samples import largest, sample
from gateway.model import ALL_TYPES, FILE_COMPLETED, RECORDING_ARCHIVED, SINK_DOWN, Event
from gateway.testing import running
from tests import delivered_events
from tests.cli.conftest import Cli
from tests.delivered_events import what_is_wrong
from tests.events.schema_changes import breaks
from tests.events.test_cloudevents import ANY_EVENT

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "docs/event.schema.json"
SCHEMA: dict[str, Any] = event_schema()


def document_of(event: Event) -> Any:
    """As a reader has it."""
    return json.loads(json.dumps(to_document(event)))


def test_nothing_changed_that_breaks_a_reader_of_the_committed_schema() -> None:
    assert breaks(json.loads(COMMITTED.read_text()), SCHEMA) == [], (
        "readers of events rely on it: leave it as it was, or give DATA_SCHEMA another number and tell in CHANGELOG.md"
    )


def test_the_command_prints_what_is_committed() -> None:
    printed = Cli()("schema", "event").stdout
    assert json.loads(printed) == SCHEMA
    assert printed == COMMITTED.read_text(), (
        "nothing breaks; write it anew: gateway schema event > docs/event.schema.json"
    )


def test_it_is_a_schema_of_2020_12_and_its_examples_fit() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    assert SCHEMA["$schema"].endswith("2020-12/schema")
    assert f"{SCHEMA['$id']}#{SCHEMA['$defs']['data']['$anchor']}" == DATA_SCHEMA
    assert [what_is_wrong(example) for example in SCHEMA["examples"]] == [[]] * len(SCHEMA["examples"])
    assert what_is_wrong(SCHEMA["examples"], "batch") == []
    assert what_is_wrong(SCHEMA["examples"][0]["data"], "data") == []


@pytest.mark.parametrize("full", [True, False], ids=["full", "sparse"])
@pytest.mark.parametrize("type", ALL_TYPES)
def test_every_type_is_as_the_schema_says(type: str, full: bool) -> None:
    document = document_of(sample(type, full=full))
    assert what_is_wrong(document) == []
    assert document["dataschema"] == DATA_SCHEMA


def test_the_largest_event_and_all_that_can_be_known_of_a_file_are_as_the_schema_says() -> None:
    looked = sample(RECORDING_ARCHIVED).files[0]
    everything = sample(RECORDING_ARCHIVED).replace(
        supersedes="x", reconciled=True, files=(looked.replace(confirmed=looked.measured),)
    )
    for event in (largest(FILE_COMPLETED).replace(id="large"), everything):
        assert what_is_wrong(document_of(event)) == []


@given(event=ANY_EVENT)
def test_an_event_is_as_the_schema_says_both_ways_of_writing_it(event: Any) -> None:
    short, long = json.loads(to_json(event)), to_document(event)
    assert what_is_wrong(short) == what_is_wrong(long)
    assert list(short) == list(long)


def test_what_a_version_without_a_schema_stored_is_still_as_the_schema_says_and_is_the_same_content() -> None:
    event = sample(FILE_COMPLETED)
    document = document_of(event)
    del document["dataschema"]
    assert what_is_wrong(document) == []
    assert render(from_document(document))[1] == render(event)[1]


def test_docs_name_every_field_of_the_schema() -> None:
    page = (ROOT / "docs/event.md").read_text()
    for part in (SCHEMA, *SCHEMA["$defs"].values()):
        for name in part.get("properties", ()):
            assert re.search(rf"^\| `{name}` \||`{name}`", page, re.MULTILINE), name
    assert DATA_SCHEMA in page


Change = Callable[[Any], Any]


def _at(*path: str) -> Callable[[Any], Any]:
    def found(schema: Any) -> Any:
        for name in path:
            schema = schema[name]
        return schema

    return found


DATA = _at("$defs", "data")
BREAKS: dict[str, Change] = {
    "a property is gone": lambda s: DATA(s)["properties"].pop("job_id"),
    "a property of a file is gone": lambda s: s["$defs"]["file"]["properties"].pop("archived"),
    "a property inside one is gone": lambda s: s["properties"]["cause"]["properties"].pop("earlier"),
    "one of an alarm is gone": lambda s: DATA(s)["properties"].pop("link"),
    "it may be absent": lambda s: DATA(s)["required"].remove("stream"),
    "one of an alarm may be absent": lambda s: s["then"]["properties"]["data"]["required"].remove("text"),
    "an optional one has to be there": lambda s: s["required"].append("subject"),
    "a new one has to be there": lambda s: (DATA(s)["properties"].update(x={}), DATA(s)["required"].append("x")),
    "a type is narrower": lambda s: DATA(s)["properties"]["app"].update(type="string"),
    "a type is another": lambda s: s["$defs"]["file"]["properties"]["width"].update(type=["string", "null"]),
    "a type is wider": lambda s: s["$defs"]["file"]["properties"]["sha256"].update(type=["string", "null"]),
    "a number is bounded": lambda s: s["$defs"]["file"]["properties"]["width"].update(maximum=10),
    "a number has no bound": lambda s: s["$defs"]["file"]["properties"]["width"].pop("minimum"),
    "a text has a form": lambda s: s["properties"]["subject"].update(pattern="/"),
    "a list has less values": lambda s: s["properties"]["trust"]["enum"].remove("none"),
    "a list has more values": lambda s: s["properties"]["trust"]["enum"].append("more"),
    "a constant is another": lambda s: s["properties"]["dataschema"].update({"const": "urn:x"}),
    "the elements are others": lambda s: DATA(s)["properties"]["problems"]["items"].update(type="integer"),
    "what it refers to is another": lambda s: DATA(s)["properties"]["files"].update(items={"$ref": "#/$defs/measured"}),
    "a part is gone": lambda s: s["$defs"].pop("batch"),
    "it is closed": lambda s: DATA(s).update(additionalProperties=False),
    "alarms are others": lambda s: s["if"]["properties"]["type"].update(pattern="^x"),
    "it has another name": lambda s: s.update({"$id": "urn:x"}),
}
ALLOWED: dict[str, Change] = {
    "nothing": lambda s: None,
    "a property more": lambda s: DATA(s)["properties"].update(more={"type": "string"}),
    "an object more": lambda s: s["properties"].update(more={"type": "object", "required": ["a"]}),
    "another wording": lambda s: s["properties"]["id"].update(description="Another."),
    "a type of events more": lambda s: s["properties"]["type"]["examples"].append("recording.more"),
    "another order": lambda s: DATA(s)["required"].reverse(),
    "written where it stands": lambda s: s["properties"].update(data=copy.deepcopy(DATA(s))),
    "a part more": lambda s: s["$defs"].update(more={"type": "object"}),
}


@pytest.mark.parametrize("change", BREAKS.values(), ids=BREAKS)
def test_a_change_that_breaks_readers_is_found(change: Change) -> None:
    changed = copy.deepcopy(SCHEMA)
    change(changed)
    assert breaks(SCHEMA, changed)


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_a_change_that_breaks_nobody_is_allowed(change: Change) -> None:
    changed = copy.deepcopy(SCHEMA)
    change(changed)
    assert breaks(SCHEMA, changed) == []


async def test_a_delivered_event_that_is_not_as_the_schema_says_fails_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    config = (
        f"sources: {{live: {{type: standard-webhooks, secrets: [whsec_{'c2VjcmV0' * 6}]}}}}\n"
        "sinks: {all: {type: recorder}}\nroutes: [{to: [all]}]\n"
    )
    monkeypatch.setattr("gateway.events.struct_json.DATA_SCHEMA", "urn:another")
    delivered_events.watch()
    async with running(config) as gateway:
        await gateway.send(FILE_COMPLETED)
    with pytest.raises(AssertionError, match="dataschema"):
        delivered_events.complain()


def test_a_property_that_the_schema_does_not_name_fails_the_test_that_delivers_it() -> None:
    document = document_of(sample(SINK_DOWN))
    for place in (document, document["data"]):
        place["unheard"] = 1
        assert what_is_wrong(document)
        del place["unheard"]
    document["data"]["extra"]["unheard"] = 1
    assert what_is_wrong(document) == []
