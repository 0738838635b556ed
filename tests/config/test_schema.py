"""The JSON Schema says the same as the loader, and editors can rely on it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.schema import schema
from gateway.errors import PluginError
from gateway.plugin.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
WHOLE: dict[str, Any] = schema()


def fits(value: Any, body: dict[str, Any], whole: dict[str, Any]) -> bool:
    """What a validator of JSON Schema 2020-12 says, as far as our schema goes."""
    if "$ref" in body:
        target = whole
        for part in body["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        if not fits(value, target, whole):
            return False
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str, "number": (int, float), "integer": int, "boolean": bool, "null": type(None), "object": dict, "array": list,
    }  # fmt: skip
    types = body.get("type", list(kinds))
    types = [types] if isinstance(types, str) else types
    if not any(isinstance(value, kinds[one]) and (not isinstance(value, bool) or one == "boolean") for one in types):
        return False
    checks = [
        "enum" not in body or value in body["enum"],
        "const" not in body or value == body["const"],
        "anyOf" not in body or any(fits(value, part, whole) for part in body["anyOf"]),
        "oneOf" not in body or sum(fits(value, part, whole) for part in body["oneOf"]) == 1,
    ]
    if isinstance(value, str):
        checks += [re.search(body.get("pattern", ""), value) is not None, len(value) >= body.get("minLength", 0)]
        checks += [len(value) <= body.get("maxLength", len(value))]
    if isinstance(value, (int, float)):
        checks += [value >= body.get("minimum", value), value <= body.get("maximum", value)]
    if isinstance(value, list):
        checks += [fits(item, body.get("items", {}), whole) for item in value]
        checks += [len(value) >= body.get("minItems", 0)]
    if isinstance(value, dict):
        known, rest = body.get("properties", {}), body.get("additionalProperties", True)
        checks += [key in value for key in body.get("required", ())]
        for key, entry in value.items():
            checks.append(re.search(body.get("propertyNames", {}).get("pattern", ""), key) is not None)
            checks.append(
                fits(entry, known[key], whole)
                if key in known
                else rest is True or (bool(rest) and fits(entry, rest, whole))
            )
    return all(checks)


def good(text: str) -> bool:
    return fits(yaml.safe_load(text), WHOLE, WHOLE)


def test_the_schema_is_json_and_names_every_installed_type() -> None:
    text = json.dumps(WHOLE)
    registry = Registry()
    for name in [*registry.source_types(), *registry.sink_types()]:
        assert f'{{"const": "{name}"' in text
    references = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', text))
    assert references <= set(WHOLE["$defs"])


def test_the_example_and_the_designs_own_forms_fit() -> None:
    assert good((ROOT / "config.example.yaml").read_text())
    assert good("""
server: {port: "${PORT:-8080}", max_body: 262144, body_timeout: 10s, trusted_proxies: [10.0.0.0/8]}
store: sqlite:///gateway.db
delivery: {rate: null, batch: {max: 3}, retry: {initial: "${I}"}}
sources: {live: {type: huawei-live, keys: ["${K}"], domains: push.example.com, clock_skew: 0}}
sinks:
  app: {type: forward, url: "http://a/", sign: {scheme: standard-webhooks, secrets: ["${S}"]}, delivery: {concurrency: "${C}"}}
routes:
  - {match: {stream: ["vip-*", main, 1001]}, to: [app]}
  - {name: x, match: {app: 5}, where: "true", to: app, stop: "${S}"}
tests: [{event: {type: recording.failed}, expect: []}]
""")


@pytest.mark.parametrize(
    "text",
    [
        "versoin: 1", "version: 2", "server: {port: high}", "server: {prot: 1}", "delivery: {timeout: soon}", "delivery: {rate: 5}",
        "sources: {live: {type: huawei-liv}}", "sources: {live: {type: huawei-live, kyes: []}}", "sinks: {a: {type: forward}}",
        "sources: {Live: {type: huawei-live}}", "sinks: {a: {type: console, format: xml}}", "routes: [{match: {ap: x}}]",
        "sources: {live: {type: huawei-live, keys: [short]}}", "admin: {tokens: [{name: a}]}", "routes: {}",
        "tests: [{event: {}}]", "log: {level: loud}", "sinks: {a: {type: file, path: x, delivery: {order: streem}}}",
    ],
)  # fmt: skip
def test_an_editor_sees_the_usual_mistakes(text: str) -> None:
    assert not good(text)


def test_a_type_that_cannot_be_loaded_is_left_open_with_the_reason() -> None:
    class Broken(Registry):
        def sink(self, name: str) -> Any:
            raise PluginError(f"{name} needs a library")

    whole = schema(Broken())
    assert fits(yaml.safe_load("sinks: {a: {type: forward, whatever: 1}}"), whole, whole)
    assert "needs a library" in json.dumps(whole)


def test_defaults_are_written_as_people_write_them() -> None:
    properties = WHOLE["$defs"]["DeliverySettings"]["properties"]
    assert properties["timeout"]["default"] == "15s"
    assert all(part.get("description") for part in properties.values())
