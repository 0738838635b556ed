"""Addresses of the configuration: read once, strictly, in the form that envelopes and headers take."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(r"(?:(?P<name>[^<>]*?)\s*<(?P<inner>[^<>]*)>|(?P<bare>[^<>]*))")
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_EXPECTED: Final = "an address such as ops@example.com or Operations <ops@example.com>"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name, perhaps empty, and an ASCII address."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"


def parse(text: str) -> Mailbox:
    """Raises ValueError. A domain in letters of other scripts becomes its ASCII form."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(_EXPECTED)
    name = (match["name"] or "").strip().strip('"').strip()
    if (
        "=?" in name
        or len(name) > 100
        or any(unicodedata.category(letter)[0] in "CZ" and letter != " " for letter in name)
    ):
        raise ValueError(f"{_EXPECTED}, with a name of at most 100 characters, on one line and without =?")
    local, at, domain = (match["inner"] if match["bare"] is None else match["bare"]).rpartition("@")
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except ValueError:
        raise ValueError(_EXPECTED) from None
    labels = domain.split(".")
    if not at or not all(_LABEL.fullmatch(label) for label in labels) or len(domain) > 253:
        raise ValueError(_EXPECTED)
    if not _LOCAL.fullmatch(local) or len(local) > 64:
        raise ValueError(f"{_EXPECTED}, with ASCII before the @ and without quotes")
    return Mailbox(name, local, domain.lower())
