"""The reference of docs/plugins.md is what there is: names, hooks, members."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gateway
import gateway.testing
from gateway import Sink, Source
from gateway.plugin import hookspecs
from tests.plugin.test_public_api import PACKAGE, PROVISIONAL
from tests.testing.page import TEXT

# -- the reference


def rows(heading: str) -> list[str]:
    section = re.split(rf"^#+ {re.escape(heading)}$", TEXT, flags=re.MULTILINE)[1].split("\n#")[0]
    cells = re.findall(r"^\| (`[^|]+`[^|]*) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)", cell)]


def test_every_exported_name_is_documented_as_stable_or_provisional_and_nothing_else() -> None:
    assert sorted(rows("gateway") + rows("gateway, provisional")) == sorted(PACKAGE.__all__)
    assert sorted(rows("gateway, provisional")) == sorted(PROVISIONAL)
    assert sorted(rows("gateway.testing")) == sorted(gateway.testing.__all__)


def test_every_hook_is_documented_with_its_arguments() -> None:
    section = TEXT.split("\n## Hooks\n")[1].split("\n## ")[0]
    documented = dict(re.findall(r"^\| `(\w+)\(([^)]*)\)", section, re.MULTILINE))
    specs = {
        name: ", ".join(inspect.signature(value).parameters)
        for name, value in vars(hookspecs).items()
        if hasattr(value, f"{hookspecs.PROJECT}_spec")
    }
    assert documented == specs
    assert set(specs) == set(hookspecs.NAMES)


@pytest.mark.parametrize(("base", "given"), [(Sink, {"name", "options", "http", "log"}), (Source, {"name", "options"})])
def test_every_member_is_documented_and_no_other(base: type[Any], given: set[str]) -> None:
    public = {name for name in {**vars(base), **base.__annotations__} if not name.startswith("_")}
    assert set(rows(f"{base.__name__}: members")) == public | given


def test_every_public_member_says_what_it_is_for() -> None:
    for base in (Sink, Source, gateway.testing.RunningGateway):
        for name, member in vars(base).items():
            if inspect.isfunction(member) and not name.startswith("_"):
                assert inspect.getdoc(member), f"{base.__name__}.{name}"


@pytest.mark.parametrize("room", [gateway, gateway.testing], ids=lambda room: room.__name__)
def test_a_room_lists_its_names_and_knows_no_other(room: ModuleType) -> None:
    assert dir(room) == sorted(room.__all__)
    with pytest.raises(AttributeError, match=f"module '{room.__name__}' has no attribute 'Snk'"):
        room.Snk  # noqa: B018


def test_no_public_name_is_also_a_modules() -> None:
    """Because importing the module would put it in the name's place."""
    for room in (gateway, gateway.testing):
        folder = Path(str(room.__file__)).parent
        assert not [name for name in room.__all__ if (folder / f"{name}.py").exists() or (folder / name).is_dir()]


@pytest.fixture(scope="module")
def hidden_by_modules() -> dict[str, list[str]]:
    """The names of each room that are modules once every module was imported, in a process of its own: once for both rooms."""
    script = """
import importlib, json, pkgutil, sys, types
rooms = [importlib.import_module(name) for name in sys.argv[1:]]
for found in pkgutil.walk_packages(rooms[0].__path__, "gateway."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
hidden = {
    room.__name__: [name for name in room.__all__ if isinstance(getattr(room, name), types.ModuleType)] for room in rooms
}
print(json.dumps(hidden))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, "gateway", "gateway.testing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("room", [gateway, gateway.testing], ids=lambda room: room.__name__)
def test_every_exported_name_is_there_in_whatever_order_it_is_asked_for(
    room: ModuleType, hidden_by_modules: dict[str, list[str]]
) -> None:
    assert hidden_by_modules[room.__name__] == []
