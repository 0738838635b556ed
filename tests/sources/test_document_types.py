"""A document of another gateway with wrong inner types is taken or 400, whatever field it is, and never 500."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import (
    EVENT_TYPES,
    WEBHOOK_ID,
    WEBHOOK_SIGNATURE,
    WEBHOOK_TIMESTAMP,
    Played,
    sample,
    sign_webhook,
    signing_key,
    to_document,
)
from gateway.testing import NOW, FrozenClock, RunningGateway, running

SECRET = "whsec_" + "Y" * 32
WRONG: tuple[Any, ...] = (
    *(0, -1, 1.5, True, False, "", "x", [], ["x"], [[]], [None], {}, {"a": 1}, {"x": []}, None, 10**30, 1e300),
    *("\0", "9999-12-31T23:59:59-23:59", "2020-02-30T00:00:00Z", "none"),
)


ANSWERS = ((200, None), (400, "malformed_body"), (401, "trust_too_low"), (503, "too_many_contents"))


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(part, (*path, key))


def document(type: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(to_document(sample(type))))
    made["id"] = "0" * 32
    made["data"]["verified"] = {"scheme": "hmac-sha256", "key": 0}
    made["data"].setdefault("error", {"code": "1", "message": "x"})
    return made


DOCUMENTS = {type: document(type) for type in EVENT_TYPES}
# each field once, of the first type that has it
FIELDS = {path: type for type in reversed(EVENT_TYPES) for path in paths(DOCUMENTS[type])}
PATHS = sorted(FIELDS, key=str)


async def sent(gateway: RunningGateway, said: Any, number: int) -> Any:
    source: Any = gateway.source()
    body = json.dumps(said).encode()
    at = int(NOW.timestamp())
    mark = sign_webhook(f"m{number}", at, body, [signing_key(SECRET)])
    headers = {WEBHOOK_ID: f"m{number}", WEBHOOK_TIMESTAMP: str(at), WEBHOOK_SIGNATURE: mark}
    return await gateway.post(Played(body=body, headers=headers), source=source.name, settle=False)


@pytest.mark.wide
@pytest.mark.parametrize("part", [0, 1, 2, 3])
async def test_every_field_with_every_wrong_type_is_taken_or_400(part: int) -> None:
    config = {"sources": {"other": {"type": "standard-webhooks", "secrets": [SECRET]}}}
    async with running(config, clock=FrozenClock(NOW)) as gateway:
        number = 0
        for path in PATHS[part::4]:
            for wrong in WRONG:
                said = copy.deepcopy(DOCUMENTS[FIELDS[path]])
                place: Any = said
                for step in path[:-1]:
                    place = place[step]
                place[path[-1]] = wrong
                number += 1
                answer = await sent(gateway, said, number)
                code = answer.json().get("code")
                assert (answer.status, code) in ANSWERS, (path, wrong, answer.body)
