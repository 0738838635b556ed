"""A sink's directory: whose event it is, and the options that make that owner's target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gateway.model import Event
from gateway.owners.owner_key import NoKey, OwnerKey

NOBODY = ""
"""Whose an event is that nobody in the table owns, where the sink's own options take it."""


class Owned(NamedTuple):
    """Whose event it is; `missing` says why it is nobody's."""

    owner: str
    missing: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Directory:
    """A table as it was read, kept as plain texts: ten thousand owners are ten thousand short tuples.

    `read` makes the options of one row, which were tried when the table was read; `base` is what all rows have in common, as
    the configuration file has it; `own` are the sink's own options, where they take what has no owner.
    """

    file: Path
    key: OwnerKey
    columns: Sequence[str]
    rows: Mapping[str, tuple[str | None, ...]] = field(repr=False)
    read: Callable[[Mapping[str, str]], object] = field(repr=False)
    base: Mapping[str, object] = field(repr=False)
    own: object = None

    def __len__(self) -> int:
        return len(self.rows)

    def owned(self, event: Event) -> Owned:
        """Whose event this is by the table of now. The key picks a row, and is used for nothing else."""
        try:
            owner = self.key.key_of(event)
        except NoKey as problem:
            return self._nobody(str(problem))
        if owner in self.rows:
            return Owned(owner)
        return self._nobody(f"{owner[:100]!r} is not in {self.file.name}" if owner else "the key is empty")

    def _nobody(self, why: str) -> Owned:
        return Owned(NOBODY, "" if self.own is not None else why)

    def options(self, owner: str) -> object:
        """The options of an owner who is in the table; of NOBODY, the sink's own."""
        return self.own if owner == NOBODY else self.read(self.cells(owner))

    def cells(self, owner: str) -> Mapping[str, str]:
        """What the table says of an owner; nothing where it has none."""
        row = self.rows.get(owner, ())
        return {name: text for name, text in zip(self.columns, row, strict=False) if text is not None}

    def same_rows(self, other: Directory) -> bool:
        """Whether both tables say the same."""
        return self.rows == other.rows and tuple(self.columns) == tuple(other.columns)
