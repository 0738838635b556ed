"""What everything here is: a value that never changes."""

from __future__ import annotations

from typing import Self

import msgspec
from msgspec.structs import replace


class Value(msgspec.Struct, frozen=True):
    """What all that follows are: values that never change."""

    def replace(self, **changes: object) -> Self:
        """The same with other values in these fields."""
        return replace(self, **changes)
