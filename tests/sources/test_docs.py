"""docs/event.md and docs/sources.md say what the code does."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cloudevents import from_document, to_document
from gateway.config.load import load
from gateway.fields import format_duration
from gateway.model import EVENT_TYPES, Event, File, Trust
from gateway.testing.factories import callback
from plugins.sources.huawei_live import HuaweiLive, HuaweiLiveOptions
from plugins.vendors.huawei_live.signature import USUAL_SPELLINGS

DOCS = Path(__file__).parents[2] / "docs"
EVENT = (DOCS / "event.md").read_text("utf-8")
SOURCES = (DOCS / "sources.md").read_text("utf-8")
KEY = "demo-key-of-the-documentation-0001"
RECEIVED_AT = datetime(2020, 3, 8, 14, 12, 27, 31000, UTC)


def block(text: str, kind: str) -> str:
    (found,) = re.findall(rf"```json {kind}\n(.*?)```", text, re.DOTALL)
    return found


def table(text: str, heading: str) -> dict[str, list[str]]:
    """The rows below a heading: what stands in backticks first, and the other cells."""
    section = text.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", section, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


def documented() -> Event:
    source = HuaweiLive("live", HuaweiLiveOptions.model_validate({"keys": [KEY]}))
    received = callback(block(EVENT, "callback").encode(), received_at=RECEIVED_AT)
    (event,) = source.normalise(received, source.verify(received))
    return event


def test_the_example_is_what_the_source_makes_of_the_callback() -> None:
    event = documented()
    assert to_document(event) == json.loads(block(EVENT, "event"))
    again = from_document(json.loads(block(EVENT, "event")), raw=event.raw)
    assert to_document(again) == to_document(event)


def test_every_field_is_described_where_it_stands_and_no_other() -> None:
    document = json.loads(block(EVENT, "event"))
    assert list(table(EVENT, "## Around it")) == list(document)
    assert table(EVENT, "## Inside `data`").keys() == document["data"].keys()
    assert table(EVENT, "## Inside each of `files`").keys() == document["data"]["files"][0].keys()
    described = {**table(EVENT, "## Around it"), **table(EVENT, "## Inside `data`")}
    told_in_words = {"raw", "raw_type", "_json"}
    assert {field.name for field in fields(Event)} - told_in_words == described.keys() & {
        field.name for field in fields(Event)
    }
    assert [field.name for field in fields(File)] == list(table(EVENT, "## Inside each of `files`"))


def test_every_type_and_every_trust_is_described() -> None:
    assert list(table(EVENT, "## Types")) == list(EVENT_TYPES)
    assert list(table(EVENT, "## Trust")) == list(Trust)


@pytest.mark.parametrize("name", ["raw", "stream", "files", "error", "source"])
def test_what_is_said_of_python_is_so(name) -> None:
    assert hasattr(documented(), name)


# --- sources.md


def test_every_option_of_huawei_live_is_in_the_table_with_its_default() -> None:
    rows = table(SOURCES, "## huawei-live")
    model = HuaweiLiveOptions.model_fields
    options = {name: rows[name] for name in rows if name in model}
    assert options.keys() == model.keys()
    for name, (default, text) in options.items():
        value = model[name].default
        if name in {"keys", "domains", "apps"}:
            assert (value, default) in {((), ""), ((), "any")}
        elif name == "sign_type":
            assert default == f"`{value[0]}`"
        elif hasattr(value, "total_seconds"):
            assert default in {f"`{format_duration(value)}`", f"`{int(value.total_seconds() // 3600)}h`"}
        else:
            assert default == f"`{str(value).lower()}`"
        assert text


def test_every_sign_type_is_described() -> None:
    section = SOURCES.split("### What its signatures cover", 1)[1].split("\n#", 1)[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)) - {"sign_type"} == set(USUAL_SPELLINGS)


@pytest.mark.parametrize("number", range(SOURCES.count("```yaml")))
def test_every_configuration_is_accepted(number, tmp_path) -> None:
    text = re.findall(r"```yaml\n(.*?)```", SOURCES, re.DOTALL)[number]
    path = tmp_path / "gateway.yaml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    loaded = load(path, environ={"HUAWEI_LIVE_KEY": "k" * 32, "HUAWEI_LIVE_NEW_KEY": "n" * 32})
    assert loaded.settings.sources["live"].type == "huawei-live"


def test_the_tightest_configuration_leaves_nothing_to_advise() -> None:
    options = {"keys": ["k" * 32], "sign_type": "hmac-sha256-fields", "domains": ["push.example.com"], "apps": ["live"]}
    assert HuaweiLive("live", HuaweiLiveOptions.model_validate(options)).advice() == ()
