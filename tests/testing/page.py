"""docs/plugins.md as text."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

from gateway.plugin.registry import Registry

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/plugins.md"


TEXT = PAGE.read_text()


FILES = dict(re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))


def written(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text(FILES[name])
        (folder / name).chmod(0o600)
    return folder


def module(folder: Path, name: str) -> ModuleType:
    registry = Registry([f"./{name}"], written(folder, name))
    found = [
        plugin for plugin in registry._manager.get_plugins() if getattr(plugin, "__file__", "") == str(folder / name)
    ]
    assert isinstance(found[0], ModuleType)
    return found[0]
