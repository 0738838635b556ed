"""Whose event it is: the key of a directory, a CEL expression over the event."""

from __future__ import annotations

from typing import Final

from gateway.errors import GatewayError
from gateway.model import Event
from gateway.owners.csv_rows import folded
from gateway.where import WhereFailed, compile_where, present

_NAMES: Final[dict[type, str]] = {
    bool: "true or false", float: "a fraction", list: "a list", dict: "a map", bytes: "bytes", type(None): "null",
}  # fmt: skip


class NoKey(GatewayError):
    """The expression gives no key for this event; the text says why."""


class OwnerKey:
    """One compiled expression. Raises WhereError."""

    def __init__(self, text: str) -> None:
        self.where = compile_where(text)

    def key_of(self, event: Event) -> str:
        """The key of the event, as owners are compared; a whole number is its digits. Raises NoKey."""
        try:
            value = self.where.value(self.where.prepare(present(event)))
        except WhereFailed as failure:
            raise NoKey(f"the key cannot be computed ({failure})") from None
        if isinstance(value, str):
            return folded(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        kind = _NAMES.get(type(value), f"a {type(value).__name__}")
        raise NoKey(f"the key is {kind}, not a text or a whole number")
