"""The file that a command writes, as people name it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import click


class NewFile(click.Path):
    """A path that ends in a name: nothing can be written to an empty one, nor to `.` or `/`."""

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(allow_dash=allow_dash, path_type=Path)

    def convert(
        self, value: str | PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | PathLike[str]:
        if not Path(value).name or Path(value).name == "..":
            self.fail(f"{str(value)!r} names no file", param, ctx)
        return super().convert(value, param, ctx)
