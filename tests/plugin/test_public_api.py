"""What `gateway` exports is what our own plugins are made of, and a type checker sees the same as an author at run time."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import gateway.testing
from tests.patience import PATIENCE_S
from tests.syntax import ROOT, nodes, python_files

PACKAGE: Any = importlib.import_module("gateway")  # as it is at run time: the checker has the names of `__init__.pyi`
PROVISIONAL = [name for _, names in PACKAGE._PROVISIONAL for name in names.split()]

_EXTRA = "an extra of this distribution, and how it is installed: an author has extras of their own"
_CEL = "reads CEL node by node within the bounds of a route's `where`; the tree is the core's, and not promised"
# The plugin files that import more than `gateway`, what, and why.
FILES: Mapping[str, tuple[set[str], str]] = {
    "plugins/sinks/apprise/sink.py": ({"gateway.extras"}, _EXTRA),
    "plugins/sinks/archive/hls/structure.py": ({"gateway.extras"}, _EXTRA),
    "plugins/sinks/cards/template.py": ({"gateway.extras"}, _EXTRA),
    "plugins/sinks/database/sink.py": ({"gateway.extras"}, _EXTRA),
    "plugins/sinks/feed/sink.py": ({"gateway.extras"}, _EXTRA),
    "plugins/sinks/email/sink.py": ({"gateway.extras"}, _EXTRA),
    "plugins/sinks/storage/clients.py": ({"gateway.extras"}, _EXTRA),
    "plugins/sinks/streams/sink.py": ({"gateway.extras"}, _EXTRA),
    "plugins/sinks/database/column_map.py": ({"gateway.where", "gateway.where.names", "gateway.where.syntax"}, _CEL),
    "plugins/sinks/database/whole.py": ({"gateway.where.syntax"}, _CEL),
    "plugins/sinks/forward/shape/cel_body.py": (
        {"gateway.where", "gateway.where.expression", "gateway.where.names"},
        "a body that an expression makes is held to the bounds of a route's `where`, and so are its names",
    ),
    "plugins/sinks/forward/shape/templates.py": ({"gateway.where.names"}, "what an event can have, as it is written"),
    "plugins/sources/common/expressions.py": (
        {"gateway.runtime.lean_imports", "gateway.where.names", "gateway.where.syntax"},
        _CEL,
    ),
}
# What tests of plugins import beside `gateway` and `gateway.testing`, and why.
MODULES: Mapping[str, str] = {
    "gateway.config.load": "whole configurations, and the warnings and errors they get",
    "gateway.config.document.diagnostics": "the same",
    "gateway.config.grammar.settings": "the defaults of `delivery`, which the documentation names",
    "gateway.plugin.registry": "every built-in type, found by its entry point",
    "gateway.plugin": "what the core holds the events of every source to",
    "gateway.assembly": "what a lane makes of `delivery`, and the bounds that the public listener takes from a source",
    "gateway.errors": "`Problem`, what the public listener answers",
    "gateway.events.cloudevents": "`fingerprint`, by which the store knows a repeat",
    "gateway.events.samples": "`largest`, the largest event that a sink may meet",
    "gateway.egress.worker": "how large an event is before it goes to a thread",
    "gateway.intake": "the way of a callback, walked with odd values in every field",
    "gateway.fields": "which secrets a model holds, and how people write quantities",
    "gateway.runtime.traces": "the trace that an attempt runs under, for sinks that send it on by themselves",
    "gateway.text.trace_context": "the same",
    "gateway.signing": "Ed25519 keys, made and broken",
    "gateway.signing.ed25519": "the same",
    "gateway.testing.sinks": "the kit's own log, for fixtures that keep sinks open longer than `opened`",
}


@cache
def _imports(path: Path) -> tuple[tuple[str, str], ...]:
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[tuple[str, str]]:
    """Each (module, name) of `gateway` that a file imports, wherever in it."""
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "gateway":
            yield from ((node.module, name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, "") for name in node.names if name.name.startswith("gateway."))


def _files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in python_files(folder)]


def test_a_built_in_plugin_imports_from_gateway_alone() -> None:
    private = {
        str(path.relative_to(ROOT)): modules
        for path in _files("plugins")
        if (modules := {module for module, _ in _imports(path)} - {"gateway"})
    }
    assert private == {file: modules for file, (modules, _) in FILES.items()}


def test_tests_of_plugins_use_what_an_authors_tests_have() -> None:
    private = {
        module for path in _files("tests/sinks", "tests/sources", "tests/vendors") for module, _ in _imports(path)
    }
    assert private - {"gateway", "gateway.testing"} == MODULES.keys()


def test_a_provisional_name_is_one_that_a_built_in_plugin_uses() -> None:
    used = {name for path in _files("plugins") for module, name in _imports(path) if module == "gateway"}
    assert set(PROVISIONAL) - used - {"ALARM_TYPES"} == set()


def test_a_type_checker_sees_the_names_that_there_are() -> None:
    stub = ast.parse((ROOT / "gateway/__init__.pyi").read_text())
    seen: dict[str, str] = {}
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            for name in node.names:
                assert name.asname == name.name, f"{name.name}: without `as` it is not exported"
                assert name.name not in seen, name.name
                seen[name.name] = str(node.module)
    assert seen == {**PACKAGE._ROOM_OF, "__version__": "gateway.version"}
    assert len(PACKAGE.__all__) == len(set(PACKAGE.__all__))


@pytest.mark.parametrize("room", [gateway, gateway.testing], ids=lambda room: room.__name__)
def test_every_exported_name_says_what_it_is(room: object) -> None:
    """A class and a function by its docstring, a constant and a type by the text beside or below it."""
    silent = []
    for name, module in room._ROOM_OF.items():  # type: ignore[attr-defined]
        value = getattr(room, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            spoken = bool(value.__doc__)
        else:
            spoken = name in _described(importlib.import_module(module))
        silent += [] if spoken else [name]
    assert silent == []


@cache
def _described(module: object) -> set[str]:
    """The names of a module, and of those it takes from others, that have a comment beside them or a text below."""
    path = Path(inspect.getfile(module))  # type: ignore[arg-type]
    text, lines, names = path.read_text(), path.read_text().splitlines(), set[str]()
    body = ast.parse(text).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gateway."):
            names |= _described(importlib.import_module(node.module)) & {name.name for name in node.names}
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name):
            below = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if below or any("#" in line for line in lines[node.lineno - 2 : node.end_lineno]):
                names.add(target.id)
    return names


def test_the_import_of_gateway_brings_nothing_along() -> None:
    script = "import gateway, sys; print(sorted(name for name in sys.modules if name.startswith('gateway.')))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert done.stdout.strip() == "['gateway.version']"


def test_whoever_looks_for_names_finds_the_public_ones_before_they_are_loaded() -> None:
    assert dir(gateway) == sorted(PACKAGE.__all__)
