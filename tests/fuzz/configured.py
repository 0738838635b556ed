"""The sources of a campaign by name: of every vendor one as it is usual and one whose keys begin and end; and of RFC 9421 some more."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.testing import NOW
from tests.sources.vendors import KEY, NEEDED, OLD_KEY, WHSEC

BEGUN_KEY: Final = "a-key-that-holds-from-this-very-moment"
ENDED_KEY: Final = "a-key-that-held-until-this-very-moment"
COMING_KEY: Final = "a-key-that-holds-from-one-second-later"
_TIMES: Final = {
    BEGUN_KEY: {"name": "begun", "valid_from": NOW.isoformat()},
    ENDED_KEY: {"name": "ended", "valid_until": NOW.isoformat()},
    COMING_KEY: {"name": "coming", "valid_from": (NOW + timedelta(seconds=1)).isoformat()},
}
AGED: Final = "-aged"  # behind the vendor's name: its source has these keys too
SECRETS: Final = {KEY: WHSEC} | {key: "whsec_" + base64.b64encode(key.encode()).decode() for key in _TIMES}
PRIVATE_KEYS: Final = {key: Ed25519PrivateKey.from_private_bytes(key.encode()[-32:]) for key in (KEY, OLD_KEY)}
PUBLIC_KEYS: Final = {
    key: "whpk_" + base64.b64encode(one.public_key().public_bytes_raw()).decode() for key, one in PRIVATE_KEYS.items()
}
OPEN: Final = "rfc9421-open"  # leaves the body unsigned
ED25519: Final = "rfc9421-ed25519"


def _aged(vendor: str) -> dict[str, Any]:
    if vendor == "standard-webhooks":
        return {"secrets": [WHSEC, *({"key": SECRETS[key], **times} for key, times in _TIMES.items())]}
    keys = NEEDED[vendor]["keys"]
    if isinstance(keys, dict):
        return {"keys": keys | {f"API{times['name']}": {"key": key, **times} for key, times in _TIMES.items()}}
    return {"keys": [*keys, *({"key": key, **times} for key, times in _TIMES.items())]}


CONFIGURED: Final[dict[str, dict[str, Any]]] = {
    **{vendor: {"type": vendor, **needed} for vendor, needed in NEEDED.items()},
    **{vendor + AGED: {"type": vendor, **needed, **_aged(vendor)} for vendor, needed in NEEDED.items()},
    OPEN: {"type": "rfc9421", **NEEDED["rfc9421"], "components": ["@method", "@path"]},
    ED25519: {"type": "rfc9421", **NEEDED["rfc9421"], "keys": list(PUBLIC_KEYS.values())},
}
"""What stands under `sources:`; each is at /hooks/NAME."""


def vendor_of(name: str) -> str:
    """The type of this source."""
    return str(CONFIGURED[name]["type"])


def keys_of(name: str) -> tuple[str, ...]:
    """The keys that this source's vendor may sign with now."""
    usual = (KEY,) if vendor_of(name) == "standard-webhooks" else (KEY, OLD_KEY)
    return (*usual, BEGUN_KEY) if name.endswith(AGED) else usual
