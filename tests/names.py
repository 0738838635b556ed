"""What names a file gives, read from its syntax tree: for the tests that hold the vocabulary."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import TypeGuard

from tests.syntax import walked

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def long_lived(tree: ast.AST, names: set[str], lines: int) -> Iterator[tuple[str, str, int]]:
    """The variables of these names that are used more than so many lines below the place where they were bound: the
    function, the name, and the distance. What a nested function uses of its outer one counts."""
    for scope in (node for node in walked(tree) if isinstance(node, _SCOPES)):
        bound = defaultdict(list)
        for node in _own(scope):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound[node.id].append(node.lineno)
            elif isinstance(node, ast.arg):
                bound[node.arg].append(node.lineno)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                bound[node.name].append(node.lineno)
        for name in names & bound.keys():
            uses = [node.lineno for node in walked(scope) if isinstance(node, ast.Name) and node.id == name]
            distance = max(
                (use - max(n for n in bound[name] if n <= use) for use in uses if use >= min(bound[name])), default=0
            )
            if distance > lines:
                yield scope.name, name, distance


@cache
def _own(scope: ast.AST) -> tuple[ast.AST, ...]:
    """The nodes of a scope without those of the scopes inside, in the order in which they stand."""
    own: list[ast.AST] = []
    left = [*ast.iter_child_nodes(scope)][::-1]
    while left:
        node = left.pop()
        if not isinstance(node, _SCOPES):
            own.append(node)
            left += [*ast.iter_child_nodes(node)][::-1]
    return tuple(own)


def shared(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that are used elsewhere than where they are given: the kind, and the name. Functions inside functions are
    left out, and methods and functions whose name begins with an underscore."""
    for node in (node for scope in walked(tree) if isinstance(scope, ast.Module | ast.ClassDef) for node in scope.body):
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield "function", node.name
        elif isinstance(node, ast.ClassDef):
            yield "class", node.name
            yield from (
                ("field", item.target.id)
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            )
    for part in walked(tree):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            yield "attribute", part.attr


def types(tree: ast.Module) -> Iterator[str]:
    """The names of types: of classes, and of what stands for one on a module's own level. Left out are variables of types
    that have one letter, or end in `T`."""
    yield from (node.name for node in walked(tree) if isinstance(node, ast.ClassDef))
    for statement in _on_its_own_level(tree.body):
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if not isinstance(target, ast.Name) or not re.fullmatch(
                "_*[A-Z]([A-Za-z0-9]*[a-z][A-Za-z0-9]*)?", target.id
            ):
                continue
            made_by = statement.value.func if isinstance(statement.value, ast.Call) else None
            of_types = isinstance(made_by, ast.Name) and made_by.id in ("TypeVar", "ParamSpec")
            if not (of_types and target.id.lstrip("_")[1:] in ("", target.id.lstrip("_")[1:-1] + "T")):
                yield target.id


def _on_its_own_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements, and those under an `if` or a `try` among them."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from _on_its_own_level([*statement.body, *statement.orelse])


def variables(tree: ast.AST) -> set[str]:
    """The names that anything is put into: variables and parameters."""
    names = {node.id for node in walked(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names | {node.arg for node in walked(tree) if isinstance(node, ast.arg)}


def words_of(name: str) -> set[str]:
    """The words of a name, in small letters: `_SqliteDesk` is sqlite and desk."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def constants(tree: ast.AST) -> Iterator[tuple[str, ast.Assign | ast.AnnAssign]]:
    """The constants of a module and of its classes, members of enumerations left out: the name, and the statement."""
    for scope in walked(tree):
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


_ASKS_MANY = {"rows", "fetch", "fetchall", "fetchmany"}
_ASKS_ONE = {"fetchone", "fetchrow"}
_ROWS_BY_NAME = {"row", "column", "columns", "gap"}


def columns_by_place(tree: ast.AST) -> Iterator[int]:
    """The lines where a column of a row is asked by a number: of what a database gave, by whatever name, and of what is
    called a row. A row itself may be asked by its place among rows."""
    for scope in (node for node in walked(tree) if isinstance(node, _SCOPES)):
        many, single = _filled(scope)
        lines = {
            node.lineno for node in _own(scope) if _is_place(node) and _is_row(node.value, many, single | _ROWS_BY_NAME)
        }
        yield from sorted(lines)


def _filled(scope: ast.AST) -> tuple[set[str], set[str]]:
    """The names of a function that hold rows, and those that hold one."""
    many: set[str] = set()
    single: set[str] = set()
    for _ in range(3):  # because one may be filled from another that is filled further down
        for node in _own(scope):
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                into = many if _is_rows(node.value, many) else single if _is_row(node.value, many, single) else None
            elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
                targets, into = [node.target], single if _is_rows(node.iter, many) else None
            else:
                continue
            if into is not None:
                into |= {target.id for target in targets if isinstance(target, ast.Name)}
    return many, single


def _asked(node: ast.AST, by: set[str]) -> bool:
    node = node.value if isinstance(node, ast.Await) else node
    called = node.func if isinstance(node, ast.Call) else None
    return (getattr(called, "attr", "") or getattr(called, "id", "")) in by


def _is_rows(node: ast.AST, many: set[str]) -> bool:
    return _asked(node, _ASKS_MANY) or (isinstance(node, ast.Name) and node.id in many)


def _is_row(node: ast.AST, many: set[str], single: set[str]) -> bool:
    if _asked(node, _ASKS_ONE) or (isinstance(node, ast.Name) and node.id in single):
        return True
    return isinstance(node, ast.Subscript) and _is_place(node) and _is_rows(node.value, many)


def _is_place(node: ast.AST) -> TypeGuard[ast.Subscript]:
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and type(node.slice.value) is int
