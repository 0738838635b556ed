"""`Any` stands where the outside is untyped; what only passes through, or is looked at before it is used, is an `object`."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A room, how often it may say `Any`, and of what. The numbers only get smaller; a new plugin has ten to begin with.
ALLOWED = {
    "gateway/admin": (28, "rows that API models are filled from by name"),
    "gateway/app.py": (2, "what `Served` is behind"),
    "gateway/cli": (72, "answers of an API elsewhere, what click hands over, rich's cells"),
    "gateway/config": (60, "annotations, and what YAML said before it is checked"),
    "gateway/dispatch": (4, "what a sink remembers"),
    "gateway/egress": (6, "aiohttp's connector"),
    "gateway/events": (18, "the JSON of events, as it is stored and sent"),
    "gateway/fields": (12, "what pydantic hands to a validator"),
    "gateway/follow_up.py": (2, "what a sink may say"),
    "gateway/model": (3, "vendor fields without a place"),
    "gateway/plugin": (43, "classes of strangers, looked at when they are loaded, and their options"),
    "gateway/routing": (5, "verdicts as JSON"),
    "gateway/runtime": (4, "structlog's events"),
    "gateway/signing": (1, "JSON Web Keys"),
    "gateway/store": (63, "rows, and parameters of statements, as the drivers have them"),
    "gateway/testing": (33, "events and answers that authors describe"),
    "gateway/text": (31, "JSON before anything is known of it"),
    "gateway/watchdog.py": (1, "a frame"),
    "gateway/web": (33, "bodies and parameters of the API"),
    "gateway/where": (11, "values of CEL"),
    "plugins/sinks/apprise": (21, "apprise has no types"),
    "plugins/sinks/archive": (21, "what a sink remembers of its copies"),
    "plugins/sinks/cards": (7, "Jinja's values"),
    "plugins/sinks/chat": (18, "payloads of services"),
    "plugins/sinks/database": (47, "SQLAlchemy's columns, and values of any type"),
    "plugins/sinks/email": (6, "what the outside says"),
    "plugins/sinks/feed": (2, "what the outside says"),
    "plugins/sinks/forward": (3, "what templates and CEL make"),
    "plugins/sinks/kafka": (5, "aiokafka has no types"),
    "plugins/sinks/mqtt": (7, "paho's callbacks"),
    "plugins/sinks/nats": (2, "what the outside says"),
    "plugins/sinks/redis": (7, "redis-py's replies"),
    "plugins/sinks/storage": (17, "obstore's options"),
    "plugins/sources": (2, "the vendors' JSON"),
    "plugins/sources/common": (12, "the vendors' JSON"),
    "plugins/sources/huawei_live": (4, "the vendor's JSON"),
}
OF_A_NEW_ROOM = 10


def test_a_room_says_any_no_more_often_than_its_outside_makes_it() -> None:
    there: Counter[str] = Counter()
    for path in (file for folder in ("gateway", "plugins") for file in (ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).parts
        folder = parts[0] == "plugins" and len(parts) > 3
        text = path.read_text()
        names = (node for node in ast.walk(ast.parse(text if "Any" in text else "")) if isinstance(node, ast.Name))
        there["/".join(parts[: 3 if folder else 2])] += sum(name.id == "Any" for name in names)
    more = {room: count for room, count in there.items() if count > ALLOWED.get(room, (OF_A_NEW_ROOM, ""))[0]}
    assert more == {}, "say `object`, or the type; where the outside has none, raise the number with its reason"
    assert {room for room in ALLOWED if not there[room]} == set(), "take it off the list"
