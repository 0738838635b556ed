"""Reads a CEL expression into a small tree and keeps it within bounds, before the CEL library is shown it.

The library parses and evaluates by recursion without a limit: a long enough chain ends the process, and an evaluation
holds the interpreter's lock from start to end. So the bounds of docs/routing.md are checked here, statically.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.errors import GatewayError

EXPRESSION_BYTES_MAX: Final = 2048
NESTING_MAX: Final = 24  # brackets inside brackets
OPERATORS_MAX: Final = 128
SELECTORS_MAX: Final = 32  # .a[0].b in a row
PATTERN_CHARS_MAX: Final = 128  # characters of the literal given to matches()
MACROS: Final = ("all", "exists", "exists_one", "existsOne", "map", "filter")

_TOKEN: Final = re.compile(
    r"""(?P<blank>(?:\s|//[^\n]*)+)
    |(?P<text>[bB]?[rR](?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
        |[bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+[uU]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_BINDS: Final = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5,
}  # fmt: skip
_CONSTANTS: Final = ("true", "false", "null")


class WhereError(GatewayError):
    """A `where` that cannot be used: what is wrong, the column (from 1) where it is, and what to do about it."""

    def __init__(self, detail: str, hint: str = "", column: int | None = None) -> None:
        place = f"column {column}: " if column else ""
        super().__init__(f"{place}{detail}" + (f"; {hint}" if hint else ""))
        self.detail = detail
        self.hint = hint
        self.column = column


class CelNode(msgspec.Struct, frozen=True):
    """One part of an expression. `kind`: text number constant name select index call list map operator ternary.

    `word` is the token, name, field, function or operator; `parts` are the operands. A call's first part is its target,
    or None for a plain function.
    """

    kind: str
    word: str
    column: int
    parts: tuple[CelNode | None, ...] = ()


def parse(text: str) -> CelNode:
    """The tree of an expression that keeps all bounds. Raises WhereError."""
    if len(text.encode("utf-8", "surrogatepass")) > EXPRESSION_BYTES_MAX:
        raise WhereError(f"the expression is over {EXPRESSION_BYTES_MAX} bytes long", "split it over several routes")
    reader = _SyntaxReader(_tokens(text))
    tree = reader.expression()
    reader.expect_end()
    return tree


def _tokens(text: str) -> list[tuple[str, str, int]]:
    tokens = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            quoted = text[at] in "\"'"
            raise WhereError(
                "the text that begins here is never closed" if quoted else f"{text[at]!r} has no meaning here",
                "" if quoted else "compare with ==" if text[at] == "=" else "this is no part of CEL",
                at + 1,
            )
        if token.lastgroup != "blank":
            tokens.append((str(token.lastgroup), token[0], at + 1))
        at = token.end()
    return [*tokens, ("end", "", at + 1)]


class _SyntaxReader:
    def __init__(self, tokens: Sequence[tuple[str, str, int]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._nested = 0
        self._in_macro = False
        self._operators = 0

    def expect_end(self) -> None:
        if self._tokens[self._at][0] != "end":
            raise self._unexpected("the end of the expression")

    def expression(self) -> CelNode:
        condition = self._binary(1)
        if not self._accept_word("?"):
            return condition
        self._count(condition.column)
        yes = self._binary(1)
        self._expect(":")
        self._enter(condition.column)
        no = self.expression()
        self._nested -= 1
        return CelNode("ternary", "?", condition.column, (condition, yes, no))

    def _binary(self, least: int) -> CelNode:
        left = self._unary()
        while (binds := _BINDS.get(self._word(), 0)) >= least:
            _, word, column = self._next()
            self._count(column)
            left = CelNode("operator", word, column, (left, self._binary(binds + 1)))
        return left

    def _unary(self) -> CelNode:
        signs = []
        while self._word() in {"!", "-"}:
            signs.append(self._next())
            self._count(signs[-1][2])
        node = self._member()
        for _, word, column in reversed(signs):
            node = CelNode("operator", word, column, (node,))
        return node

    def _member(self) -> CelNode:
        node = self._primary()
        for _ in range(SELECTORS_MAX):
            if self._accept_word("."):
                kind, word, column = self._next()
                if kind != "name" or word in _BINDS:
                    raise self._unexpected("a name after the dot", (kind, word, column))
                node = (
                    self._call(node, word, column) if self._word() == "(" else CelNode("select", word, column, (node,))
                )
            elif self._word() == "[":
                column = self._next()[2]
                self._enter(column)
                node = CelNode("index", "[", column, (node, self.expression()))
                self._leave("]")
            else:
                return node
        raise WhereError(f"over {SELECTORS_MAX} selectors in a row", "shorten the chain", node.column)

    def _primary(self) -> CelNode:
        kind, word, column = self._next()
        if kind in {"text", "number"}:
            return CelNode(kind, word, column)
        if kind == "name" and word not in _BINDS:
            if word in _CONSTANTS:
                return CelNode("constant", word, column)
            return self._call(None, word, column) if self._word() == "(" else CelNode("name", word, column)
        if word == "(":
            self._enter(column)
            inner = self.expression()
            self._leave(")")
            return inner
        if word == "[":
            return CelNode("list", "[", column, tuple(self._expressions("]", column)))
        if word == "{":
            return CelNode("map", "{", column, tuple(self._expressions("}", column, pairs=True)))
        raise self._unexpected("a value", (kind, word, column))

    def _call(self, target: CelNode | None, word: str, column: int) -> CelNode:
        self._next()  # the bracket
        macro = target is not None and word in MACROS
        if macro and self._in_macro:
            raise WhereError(
                f"{word}() inside another of {', '.join(MACROS)}",
                "its cost is the square of the number of files; write it without the inner one",
                column,
            )
        self._in_macro = self._in_macro or macro
        arguments = tuple(self._expressions(")", column))
        if macro:
            self._in_macro = False
        call = CelNode("call", word, column, (target, *arguments))
        if word == "matches":
            self._check_pattern(call)
        return call

    def _check_pattern(self, call: CelNode) -> None:
        pattern = call.parts[-1]
        if pattern is None or pattern.kind != "text":
            raise WhereError(
                "matches() takes a pattern written out as text", "a computed pattern has no bound", call.column
            )
        if len(pattern.word) - 2 > PATTERN_CHARS_MAX:
            raise WhereError(f"the pattern is over {PATTERN_CHARS_MAX} characters long", "shorten it", pattern.column)

    def _expressions(self, closing: str, column: int, *, pairs: bool = False) -> list[CelNode]:
        self._enter(column)
        expressions = []
        while self._word() != closing:
            expressions.append(self.expression())
            if pairs:
                self._expect(":")
                expressions.append(self.expression())
            if not self._accept_word(","):
                break
        self._leave(closing)
        return expressions

    def _enter(self, column: int) -> None:
        self._nested += 1
        if self._nested > NESTING_MAX:
            raise WhereError(f"brackets are nested over {NESTING_MAX} deep", "take some away", column)

    def _leave(self, closing: str) -> None:
        self._nested -= 1
        self._expect(closing)

    def _count(self, column: int) -> None:
        self._operators += 1
        if self._operators > OPERATORS_MAX:
            raise WhereError(f"over {OPERATORS_MAX} operators", "split it over several routes", column)

    def _word(self) -> str:
        kind, word, _ = self._tokens[self._at]
        return "" if kind in {"text", "end"} else word

    def _next(self) -> tuple[str, str, int]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _accept_word(self, word: str) -> bool:
        if self._word() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._accept_word(word):
            raise self._unexpected(f"{word!r}")

    def _unexpected(self, wanted: str, found: tuple[str, str, int] | None = None) -> WhereError:
        kind, word, column = found or self._tokens[self._at]
        return WhereError(f"found {'the end' if kind == 'end' else repr(word)}, expected {wanted}", "", column)
