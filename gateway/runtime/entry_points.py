"""Entry points of the installed distributions, read from their files: `importlib.metadata` brings mail, zip files and tables
with it, 1.5 MB and 0.05 s of every start."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

import msgspec

ORIGINS_MAX: Final = 64  # distributions whose name and version are kept, because each is read from a file
_INFO = re.compile(r"(?P<name>[^-]+)(-.*)?\.(dist-info|egg-info)", re.IGNORECASE)


class EntryPoint(msgspec.Struct, frozen=True):
    """`value` is `module:object`. `origin` says which distribution brings it, with its version."""

    name: str
    value: str
    origin: Callable[[], str]

    def load(self) -> object:
        """What it names. Raises what importing it raises, AttributeError where the module has no such object."""
        module, _, path = self.value.partition("[")[0].partition(":")
        found: object = importlib.import_module(module.strip())
        for name in filter(None, path.strip().split(".")):
            found = getattr(found, name)
        return found


def entry_points(group: str) -> Sequence[EntryPoint]:
    """Those of a group. Of two distributions with one name the first of the path counts, as `import` sees it."""
    if _plain():
        return [entry for folder, text in _texts() for entry in _of_group(text, group, folder)]
    from importlib.metadata import (
        Distribution,
        entry_points,
    )  # because distributions may lie in an archive, or come from an importer

    def origin(of: Distribution | None) -> str:
        return "an unknown distribution" if of is None else f"{of.metadata['Name']} {of.metadata['Version']}"

    found = entry_points(group=group)
    return [EntryPoint(one.name, one.value, partial(origin, one.dist)) for one in found]


def _plain() -> bool:
    """Whether distributions can only lie in folders of the path."""
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder is not PathFinder):
        return False
    return not any(os.path.isfile(place) for place in sys.path)


def _texts() -> Iterator[tuple[Path, str]]:
    seen: set[str] = set()
    for place in sys.path:
        try:
            names = sorted(os.listdir(place or "."))
        except OSError:  # no folder, as it often stands in the path
            continue
        for name in names:
            if (match := _INFO.fullmatch(name)) is None:
                continue
            plain = re.sub("[-_.]+", "-", match["name"]).lower()
            if plain in seen:
                continue
            seen.add(plain)
            folder = Path(place or ".", name)
            try:
                text = (folder / "entry_points.txt").read_text("utf-8")
            except (OSError, UnicodeDecodeError):  # most bring none
                continue
            yield folder, text


def _of_group(text: str, group: str, folder: Path) -> Iterator[EntryPoint]:
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            inside = line[1:-1] == group
        elif inside and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield EntryPoint(name.strip(), value.strip(), lambda: _origin(folder))


@lru_cache(maxsize=ORIGINS_MAX)
def _origin(folder: Path) -> str:
    """Name and version, as the head of the distribution's description has them."""
    named = {"name": "None", "version": "None"}
    for file in ("METADATA", "PKG-INFO"):
        try:
            with (folder / file).open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    if not line.strip():
                        break
                    key, _, value = line.partition(":")
                    if key.lower() in named:
                        named[key.lower()] = value.strip()
            break
        except OSError:
            continue
    return f"{named['name']} {named['version']}"
