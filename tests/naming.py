"""What names a file gives, read from its syntax tree: for the tests that hold the vocabulary."""

from __future__ import annotations

import ast
import re
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


def shared(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that are used elsewhere than where they are given: the kind, and the name. Functions inside functions are
    left out, and methods and functions whose name begins with an underscore."""
    for node in (
        node for scope in ast.walk(tree) if isinstance(scope, ast.Module | ast.ClassDef) for node in scope.body
    ):
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield "function", node.name
        elif isinstance(node, ast.ClassDef):
            yield "class", node.name
            yield from (
                ("field", item.target.id)
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield "attribute", node.attr


def words_of(name: str) -> set[str]:
    """The words of a name, in small letters: `_SqliteDesk` is sqlite and desk."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def constants(tree: ast.AST) -> Iterator[tuple[str, ast.Assign | ast.AnnAssign]]:
    """The constants of a module and of its classes, members of enumerations left out: the name, and the statement."""
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.Module | ast.ClassDef):
            continue
        if isinstance(scope, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in scope.bases):
            continue
        for statement in scope.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                    if isinstance(target, ast.Name) and target.id.isupper():
                        yield target.id, statement


def is_number(value: ast.AST | None) -> bool:
    """Whether an expression is written in figures alone."""
    if isinstance(value, ast.BinOp):
        return is_number(value.left) and is_number(value.right)
    if isinstance(value, ast.Tuple):
        return bool(value.elts) and all(map(is_number, value.elts))
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)
