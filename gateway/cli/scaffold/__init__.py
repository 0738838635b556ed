"""The package that `gateway plugins new` writes: templates beside this file, filled with the plugin's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.version import __version__

FOLDER: Final = Path(__file__).resolve().parent
NAME: Final = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
NAME_TEXT: Final = "a name of small letters and digits with single hyphens between, beginning with a letter, at most 40"
PREFIX: Final = "recording-gateway-"


@dataclass(frozen=True, slots=True)
class ScaffoldNames:
    """Everything a new plugin is called by, made from its type. Raises ValueError saying what was expected."""

    type: str
    kind: str  # sink | source

    def __post_init__(self) -> None:
        if len(self.type) > 40 or not re.fullmatch(NAME, self.type):
            raise ValueError(NAME_TEXT)

    @property
    def distribution(self) -> str:
        """The package's name for pip."""
        return PREFIX + self.type

    @property
    def module(self) -> str:
        """The package's name in Python; the prefix keeps it from standing in front of anybody else's."""
        return self.distribution.replace("-", "_")

    @property
    def cls(self) -> str:
        """The class."""
        return "".join(part.capitalize() for part in self.type.split("-")) + self.kind.capitalize()


def render(names: ScaffoldNames) -> Mapping[str, str]:
    """Every file of the package by its path in it."""
    values = {
        "@TYPE@": names.type,
        "@KIND@": names.kind,
        "@DISTRIBUTION@": names.distribution,
        "@MODULE@": names.module,
        "@CLASS@": names.cls,
        "@ENV@": names.type.replace("-", "_").upper(),
        "@VERSION@": ".".join(__version__.split(".")[:2]),
    }
    files: dict[str, str] = {}
    for folder in ("both", names.kind):
        for template in sorted((FOLDER / folder).rglob("*.txt")):
            path = template.relative_to(FOLDER / folder).with_suffix("")
            target = _fill(str(path), {"MODULE": names.module, "TYPE": names.type.replace("-", "_")})
            files[target] = _fill(template.read_text(encoding="utf-8"), values)
    return files


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files into a folder that is empty or not there. Raises FileExistsError, NotADirectoryError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(entry.name != ".git" for entry in folder.iterdir()):
        raise FileExistsError(folder)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if name == "gateway.yaml":
            path.chmod(0o600)  # because it is where keys will be


def _fill(text: str, values: Mapping[str, str]) -> str:
    for token, value in values.items():
        text = text.replace(token, value)
    return text
