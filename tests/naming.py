"""What names a file gives, read from its syntax tree: for the tests that hold the vocabulary."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def long_lived(tree: ast.AST, names: set[str], lines: int) -> Iterator[tuple[str, str, int]]:
    """The variables of these names that are used more than so many lines below the place where they were bound: the
    function, the name, and the distance. What a nested function uses of its outer one counts."""
    for scope in (node for node in ast.walk(tree) if isinstance(node, _SCOPES)):
        bound = defaultdict(list)
        for node in _own(scope):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound[node.id].append(node.lineno)
            elif isinstance(node, ast.arg):
                bound[node.arg].append(node.lineno)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                bound[node.name].append(node.lineno)
        for name in names & bound.keys():
            uses = [node.lineno for node in ast.walk(scope) if isinstance(node, ast.Name) and node.id == name]
            distance = max(
                (use - max(n for n in bound[name] if n <= use) for use in uses if use >= min(bound[name])), default=0
            )
            if distance > lines:
                yield scope.name, name, distance


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope without those of the scopes inside."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, _SCOPES):
            yield node
            yield from _own(node)
