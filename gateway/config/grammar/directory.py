"""The `directory` of a sink: a table whose rows are the targets of owners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PrivateAttr

from gateway.config.grammar.section import Section
from gateway.fields import MAY_BE_EMPTY, ConfigPath, Rate

if TYPE_CHECKING:
    from gateway.owners.directory import Directory

DIRECTORY_CONCURRENCY: int = 32
"""Attempts at once of a sink with a directory where nothing else is said: each owner is a target of its own."""


class DirectorySettings(Section):
    """Whose event it is, and where that owner's target stands."""

    file: Annotated[
        ConfigPath,
        Field(
            description="A CSV file with a header: `owner`, then the options that each owner has for itself. It is watched like the configuration."
        ),
    ]
    key: Annotated[
        str,
        Field(
            min_length=1, description="A CEL expression over `event` that says whose it is: a text or a whole number."
        ),
    ]
    missing: Annotated[
        Literal["refuse", "fallback"],
        Field(
            description="What becomes of an event whose owner is not in the table: `refuse`, dead at once with the reason "
            "`no_owner`; `fallback`, to the sink's own options."
        ),
    ] = "refuse"
    rate: Annotated[
        Rate | None,
        MAY_BE_EMPTY,
        Field(
            description="Most attempts of one owner in a time, by each gateway where several share a store. Default: what fits the type. null: as many as there are."
        ),
    ] = None
    concurrency: Annotated[int, Field(ge=1, le=1000, description="Most attempts of one owner at once.")] = 2

    _directory: Directory | None = PrivateAttr(default=None)

    @property
    def table(self) -> Directory | None:
        """The table as it was when the configuration was read; None: it stands for one that is not here."""
        return self._directory

    def hold(self, directory: Directory) -> None:
        """Note what the table says."""
        self._directory = directory

    def __eq__(self, other: object) -> bool:
        """Whether both, tables included, say the same: a table that changed makes its sink another."""
        if not isinstance(other, DirectorySettings) or self.written != other.written:
            return False
        mine, theirs = self.table, other.table
        return mine is theirs or (mine is not None and theirs is not None and mine.same_rows(theirs))

    __hash__ = None  # type: ignore[assignment]

    @property
    def written(self) -> tuple[object, ...]:
        """What the configuration file says, without the table."""
        return (self.file, self.key, self.missing, self.rate, self.concurrency)
