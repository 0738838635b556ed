"""Reads a vendor's JSON fields into the normal form: what cannot be read is kept as it came, and named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gateway.errors import Malformed

MAX_NUMBER: Final = 2**63 - 1  # what a bigint holds
MAX_PIXELS: Final = 2**31 - 1  # what an integer column holds
MAX_SECONDS: Final = 10**9  # some thirty years

_WHOLE: Final = re.compile(r"[0-9]{1,19}")
_DECIMAL: Final = re.compile(r"[0-9]{1,19}(\.[0-9]{1,19})?")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)
_CREDENTIALS: Final = frozenset(
    {"sign", "authsign", "authtimestamp", "authkey", "accesskey", "apikey", "authorization"}
)
_CREDENTIAL_ENDS: Final = ("token", "secret", "password", "signature")


_KINDS: Final = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


def kind_of(value: Any) -> str:
    """What a field holds, in a word for an error, since its value may be a credential."""
    if value is None:
        return "missing"
    return "empty" if value == "" else _KINDS[type(value)]


def text_of(said: Mapping[str, Any], name: str) -> str:
    """A field the event is named by. Raises Malformed where it is missing or no text."""
    value = said.get(name)
    if type(value) is not str:
        raise Malformed(f"{name} is {kind_of(value)}; text is expected, because the event is named by it")
    return value


class Reading:
    """One callback's fields, taken one after the other. Each reader gives None for what is absent, null or unreadable.

    `problems` names what could not be read; `extra()` is that, as it came, and whatever nobody asked for.
    """

    __slots__ = ("_left", "_unread", "problems")

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._left = dict(said)
        self._unread: dict[str, Any] = {}
        self.problems: list[str] = []

    def drop(self, *names: str) -> None:
        """Take fields that have no place anywhere, such as credentials."""
        for name in names:
            self._left.pop(name, None)

    def text(self, name: str) -> str | None:
        """A text; an empty one is absent, because that is how vendors say so."""
        value = self._left.pop(name, None)
        if type(value) is str:
            return value or None
        if value is not None:
            self._keep(name, value)
        return None

    def whole(self, name: str, most: int = MAX_NUMBER) -> int | None:
        """A number from 0 to `most` without a fraction, also as a text of decimal digits."""
        value = self._left.pop(name, None)
        if type(value) is int:
            number = value
        elif value is None or value == "":
            return None
        elif (type(value) is str and _WHOLE.fullmatch(value)) or (type(value) is float and value.is_integer()):
            number = int(value)
        else:
            number = -1
        if 0 <= number <= most:
            return number
        self._keep(name, value)
        return None

    def seconds(self, name: str) -> float | None:
        """A duration in seconds from 0 to MAX_SECONDS, also as a decimal text."""
        value = self._left.pop(name, None)
        if type(value) is int or type(value) is float:
            number = float(value)
        elif value is None or value == "":
            return None
        elif type(value) is str and _DECIMAL.fullmatch(value):
            number = float(value)
        else:
            number = -1.0
        if 0 <= number <= MAX_SECONDS:
            return number
        self._keep(name, value)
        return None

    def time(self, name: str) -> datetime | None:
        """An RFC 3339 time with its zone, as aware UTC."""
        value = self._left.pop(name, None)
        if value is None or value == "":
            return None
        if type(value) is str and _TIME.fullmatch(value):
            try:
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
            except (ValueError, OverflowError):  # the 31st of June; the year 0 in another zone
                pass
        self._keep(name, value)
        return None

    def has(self, *names: str) -> bool:
        """Whether one of these fields still waits to be taken and says something."""
        return any(self._left.get(name) not in (None, "") for name in names)

    def extra(self) -> dict[str, Any]:
        """What has no place in the normal form, without credentials."""
        return {
            name: _without_credentials(value)
            for name, value in (*self._left.items(), *self._unread.items())
            if not _is_credential(name)
        }

    def _keep(self, name: str, value: Any) -> None:
        self._unread[name] = value
        self.problems.append(name)


def _is_credential(name: str) -> bool:
    plain = name.replace("_", "").replace("-", "").lower()
    return plain in _CREDENTIALS or plain.endswith(_CREDENTIAL_ENDS)


def _without_credentials(value: Any) -> Any:
    # The decoder bounds the depth to 16, so recursion is safe here.
    if type(value) is dict:
        return {name: _without_credentials(part) for name, part in value.items() if not _is_credential(name)}
    if type(value) is list:
        return [_without_credentials(part) for part in value]
    return value
