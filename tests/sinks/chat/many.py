"""Many events, and what is shown of them."""

from __future__ import annotations

import json

from .conftest import texts


def shown(body: bytes) -> str:
    return "\n".join(texts(json.loads(body)))
