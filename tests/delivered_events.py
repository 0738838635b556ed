"""Every event that a gateway in this process delivers, and each that comes to a receiver of the tests, is held to the schema.

At one seam each, whatever the test is about: every attempt of a delivery begins with the deliverer's `carry`, and what a
gateway in another process forwards comes to `tests.running.Receiver`.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

SEAM = "gateway.dispatch.deliverer"
WRONG_MAX = 5  # events of a test that are spoken of

_wrong: list[str] = []


def closed(schema: Any, *, open_names: tuple[str, ...] = ("extra",)) -> Any:
    """The same for those who write events: a property that it does not name is wrong, but in what vendors send."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: part if name in open_names or name == "examples" else closed(part) for name, part in schema.items()}
    return made | {"additionalProperties": False} if "required" in schema and "type" in schema else made


@cache
def _validator(anchor: str) -> Any:
    import jsonschema_rs

    from gateway.events.event_schema import event_schema

    schema = closed(event_schema())
    if not anchor:
        return jsonschema_rs.validator_for(schema)
    part = {"$schema": schema["$schema"], "$ref": f"{schema['$id']}#{anchor}"}
    return jsonschema_rs.validator_for(part, registry=jsonschema_rs.Registry([(schema["$id"], schema)]))


def what_is_wrong(document: Any, anchor: str = "") -> list[str]:
    """Where the document is not as the schema says; `anchor` names a part of it. Nothing: it is."""
    validator = _validator(anchor)
    if validator.is_valid(document):
        return []
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(document)]


def hold(text: str | bytes) -> None:
    """Note what is wrong with this JSON of an event."""
    document = json.loads(text)
    if wrong := what_is_wrong(document):
        _wrong.append(f"{document.get('type')} {document.get('id')}: {'; '.join(wrong)}")


def hold_request(media_type: str, body: bytes) -> None:
    """The same for a request, where its media type says that it is an event."""
    if media_type == "application/cloudevents+json":
        hold(body)


def watch() -> None:
    """Look at each delivery from now on, once the gateway's own part is loaded: tests that deliver nothing need not load it."""
    deliverer: Any = sys.modules.get(SEAM)
    if deliverer is None or hasattr(deliverer.carry, "held"):
        return
    from gateway.events.cloudevents import to_json

    carry = deliverer.carry

    def held(hook: Any, deliveries: Any, *more: Any) -> Any:
        for delivery in deliveries:
            try:
                text = to_json(delivery.event)
            except ValueError:  # no JSON can say it, which is what the test is about
                continue
            hold(text)
        return carry(hook, deliveries, *more)

    held.held = True  # type: ignore[attr-defined]
    deliverer.carry = held


def complain() -> None:
    """Raise AssertionError for what was wrong since it was asked the last time."""
    wrong = list(_wrong)
    _wrong.clear()
    assert not wrong, "delivered, and not as docs/event.schema.json says:\n" + "\n".join(wrong[:WRONG_MAX])
