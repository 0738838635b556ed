"""A vendor that is described, and the events that its expressions make."""

from __future__ import annotations

import json
from typing import Any

from gateway import Event, Source, Trust, Verified, to_json
from gateway.testing import callback
from tests.sources.vendors import make

VERIFIED = Verified(trust=Trust.BODY, scheme="test", key=0)


PLAIN: dict[str, Any] = {"signed": "{body}", "timestamp_header": None, "event": {}}


def source(**options: Any) -> Source:
    return make("hmac", **{**PLAIN, **options})


def event(said: dict[str, Any], **map: Any) -> Event:
    (made,) = source(event=map).normalise(callback(said), VERIFIED)
    json.loads(to_json(made))
    return made
