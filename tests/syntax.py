"""Our files as Python reads them: each is parsed once in a process, however many tests look at it."""

from __future__ import annotations

import ast
import gc
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def python_files(folder: str) -> tuple[Path, ...]:
    """The Python files of a folder, which is named as seen from the root of the project, in the order of their names."""
    return tuple(sorted((ROOT / folder).rglob("*.py")))


OURS = (*python_files("gateway"), *python_files("plugins"))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file of ours. It is shared: nobody changes it."""
    return _trees(path.relative_to(ROOT).parts[0])[path]


def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file of ours."""
    return walked(tree(path))


@cache
def walked(top: ast.AST) -> tuple[ast.AST, ...]:
    """A node and all below it, in the order of `ast.walk`: kept, because walking through all of ours takes half a second."""
    found = [top]
    for node in found:  # which grows meanwhile
        for field in node._fields:
            below = getattr(node, field, None)
            if isinstance(below, list):
                found += [part for part in below if isinstance(part, ast.AST)]
            elif isinstance(below, ast.AST):
                found.append(below)
    return tuple(found)


def last_name(called: ast.expr) -> str:
    """The last word of what is called: `c` of `a.b.c(…)`. Asked first, because `ast.unparse` of every call takes seconds."""
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


@cache
def _trees(folder: str) -> Mapping[Path, ast.Module]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()  # because no node is garbage, and looking for some takes three times as long as parsing
    try:
        return {path: ast.parse(path.read_bytes()) for path in python_files(folder)}
    finally:
        gc.freeze()  # because else every later collection of the process would walk through millions of nodes
        if was_enabled:
            gc.enable()
