"""Validates one part of the file against one model, and gathers what is wrong with it."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from gateway.config.document.diagnostics import Diagnostic
from gateway.config.document.nodes import Items, Table, YamlNode, describe, is_null, stand_ins
from gateway.config.document.placeholders import ATTEMPTS_MAX
from gateway.config.typed_reader import TypedReader
from gateway.plugin.own_code import PluginExit, own_code

M = TypeVar("M", bound=BaseModel)


class Validation(msgspec.Struct):
    """One configuration being read. `base` is the folder that relative paths start from."""

    base: Path
    problems: list[Diagnostic] = msgspec.field(default_factory=list)
    warnings: list[Diagnostic] = msgspec.field(default_factory=list)

    def table(self, node: YamlNode | None, where: YamlNode) -> Table | None:
        """The node as a table; nothing is an empty one at `where`; anything else is a problem."""
        if isinstance(node, Table):
            return node
        if node is None or is_null(node):
            place = node or where
            return Table(file=place.file, line=place.line, column=place.column, path=place.path)
        hint = "each entry is a key of its own, `name: …`, without `- ` before it" if isinstance(node, Items) else ""
        self.problems.append(node.problem(found=describe(node), expected="a mapping", hint=hint))
        return None

    def model(
        self, table: Table, model: type[M], *, others: Collection[str] = (), given: Mapping[str, object] | None = None
    ) -> M | None:
        """The model of this table, or None and problems. `given` are values for keys that the table leaves out."""
        for attempt in range(ATTEMPTS_MAX if stand_ins(table) else 1):
            reader = TypedReader()
            values = {**(given or {}), **reader.model(table, model, others=others)}
            if attempt == 0:
                self.problems.extend(reader.problems)
            try:
                with own_code():
                    checked = model.model_validate(values, context={"base": self.base})
            except ValidationError as error:
                from gateway.config.pydantic_errors import problems_of  # because a gateway that starts has none

                mistakes = problems_of(error, table)
            except Exception as error:  # a plugin's validator may raise anything
                mistakes = [((), table.problem(found=f"its options cannot be validated: {where_raised(error)}"))]
            else:
                self.problems.extend(_nothing(*one) for one in reader.empty)
                return None if reader.empty else checked
            if real := [problem for blamed, problem in mistakes if not blamed]:
                said = {problem.path for problem in real}
                self.problems.extend([*real, *(_nothing(*one) for one in reader.empty if one[0].path not in said)])
                return None
            for scalar in {id(scalar): scalar for blamed, _ in mistakes for scalar in blamed}.values():
                scalar.tried += 1  # a stand-in that was refused is not a mistake in the file: try another
        self.warnings.append(table.problem(found="cannot be checked whole without the values that are not here"))
        return None


def _nothing(node: YamlNode, expected: str) -> Diagnostic:
    hint = "leave the key out where nothing is meant: it then has its default" if expected == "a value" else ""
    return node.problem(
        found="an empty list" if isinstance(node, Items) else describe(node), expected=expected, hint=hint
    )


def where_raised(error: BaseException) -> str:
    """The kind of a plugin's exception and the line that raised it; never its text, which may repeat a secret."""
    if isinstance(error, PluginExit) and error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    place = f" at {Path(last.filename).name}:{last.lineno}" if last else ""
    return f"{type(error).__name__}{place}"
