"""The closed room that templates run in: a short list of what the language may do, and budgets for all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway import suggestion
from plugins.sinks.cards.text import ELLIPSIS, Clean, Escape, Invalid, cut, plain

OUTPUT_CHARS_MAX: Final = 64 * 1024  # characters
LOOP_TURNS_MAX: Final = 2000  # of all loops together
LOOP_DEPTH_MAX: Final = 2  # of loops in one another
_VALUE_CHARS_MAX: Final = 2000  # characters of one value
_JOINED_MAX: Final = 100  # elements of a list that `join` shows
_SOURCE_CHARS_MAX: Final = 8 * 1024

# Whatever is not named here cannot be written. Calls, imports, macros, blocks and assignments are not.
_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.If,
    nodes.For, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Filter, nodes.Test,
    nodes.Add, nodes.Sub, nodes.Div, nodes.Neg, nodes.Pos, nodes.Keyword, nodes.List, nodes.Tuple,
)  # fmt: skip
_LOOP: Final = frozenset({"index", "index0", "first", "last", "length", "revindex"})
_TESTS: Final = (
    "defined", "undefined", "none", "number", "string", "eq", "ne", "lt", "le", "gt", "ge", "in", "equalto", "==",
    "!=", "<", "<=", ">", ">=", "true", "false", "odd", "even",
)  # fmt: skip
_TEXT_CHARS_MAX: Final = 8192  # characters of a text that a template gets to see


class RawText(str):
    """A text that needs no escape any more, such as a cleaned address."""

    __slots__ = ()


class Open(dict[str, Any]):
    """A mapping in which any key may be missing: the vendor's own fields."""


class Nothing(Undefined):
    """What is absent in an event: written as nothing, and so is everything below it."""


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "/"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._below(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, list | tuple) and isinstance(argument, int):
            return obj[argument] if -len(obj) <= argument < len(obj) else Nothing()
        return self._below(obj, argument)

    def _below(self, obj: Any, key: Any) -> Any:
        if obj is None or isinstance(obj, Nothing):
            return Nothing()
        if isinstance(obj, Undefined):
            return obj._fail_with_undefined_error()
        if isinstance(obj, LoopContext) and key in _LOOP:
            return getattr(obj, key)
        if isinstance(obj, dict) and isinstance(key, str):
            if key in obj:
                return obj[key]
            if isinstance(obj, Open):
                return Nothing()
            raise SecurityError(f"there is no {key}{suggestion(key, obj)}")
        raise SecurityError(
            f"a {_kind(obj)} has no {key!r}" if isinstance(key, str) else f"a {_kind(obj)} has no such item"
        )

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(one, int | float) and abs(one) < 2**63 for one in (left, right)):
            raise SecurityError(f"{operator} is for numbers")
        return super().call_binop(context, operator, left, right)


class Compiled:
    """A template that can be rendered again and again."""

    def __init__(self, template: jinja2.Template) -> None:
        self._template = template

    def render(self, values: Mapping[str, Any], *, strict: bool) -> str:
        """Raises Invalid for whatever fails; `strict`: also for too much output."""
        parts: list[str] = []
        left = OUTPUT_CHARS_MAX
        given = {name: _plain_data(value) for name, value in values.items()}
        try:
            for part in self._template.generate(given, _turns=[LOOP_TURNS_MAX]):
                parts.append(part[: max(left, 0)])
                left -= len(part)
                if left < 0:
                    if strict:
                        _fail("it makes more than 64 KiB of text")
                    parts[-1] = parts[-1][:-1] + ELLIPSIS  # so that a reader sees that it goes on
                    break
        except Invalid:
            raise
        except jinja2.TemplateError as error:
            _fail(cut(plain(str(error.message), 300), 300))
        except TypeError:
            _fail("it compares or computes with a value that is absent or of another type; ask for it first with an if")
        except Exception as error:
            _fail(f"it fails with {type(error).__name__}")
        return "".join(parts)


def compiled(
    source: str, escape: Escape, filters: Mapping[str, tuple[Callable[[Any], object], bool]], clean: Clean = plain
) -> Compiled:
    """Raises Invalid, with the line where there is one."""
    if len(source) > _SOURCE_CHARS_MAX:
        _fail("a template of at most 8 KiB")
    environment = _Environment(
        undefined=StrictUndefined,
        autoescape=False,
        cache_size=0,
        finalize=_finalize(escape, clean),
        keep_trailing_newline=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.clear()
    environment.filters = {name: _wrapped(function, raw) for name, (function, raw) in filters.items()}
    environment.filters |= {**_FILTERS, "_turns": _turns}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    try:
        tree = environment.parse(source)
        _check(tree, 0)
        _count_turns(tree)
        return Compiled(environment.from_string(tree))
    except Invalid:
        raise
    except jinja2.TemplateSyntaxError as error:
        raise Invalid(f"line {error.lineno}: {plain(error.message or 'a mistake', 300)}") from None
    except (RecursionError, MemoryError, SyntaxError, ValueError):
        _fail("it is nested too deep")


def _check(node: nodes.Node, depth: int) -> None:
    """Only what is allowed, everywhere below. Raises Invalid."""
    if not isinstance(node, _ALLOWED):
        raise Invalid(f"line {node.lineno}: {type(node).__name__.lower()} cannot be used in a template")
    names = [node.name] if isinstance(node, nodes.Name) else [node.attr] if isinstance(node, nodes.Getattr) else []
    names += [node.name] if isinstance(node, nodes.Filter) else []
    if any(name.startswith("_") for name in names):
        raise Invalid(f"line {node.lineno}: names that begin with _ cannot be used in a template")
    if isinstance(node, nodes.For):
        depth += 1
        if depth > LOOP_DEPTH_MAX:
            raise Invalid(f"line {node.lineno}: at most two loops in one another")
        if node.recursive:
            raise Invalid(f"line {node.lineno}: loops cannot be recursive")
    for child in node.iter_child_nodes():
        _check(child, depth)


def _count_turns(tree: nodes.Template) -> None:
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, "_turns", [], [], None, None, lineno=loop.lineno)


@jinja2.pass_context
def _turns(context: Context, value: Any) -> list[Any]:
    """What is looped over, paid for out of one budget."""
    if value is None or isinstance(value, Nothing):
        return []
    if not isinstance(value, list | tuple | dict):
        raise SecurityError(f"a {_kind(value)} cannot be looped over")
    budget: list[int] = context["_turns"]
    budget[0] -= len(value) + 1
    if budget[0] < 0:
        raise SecurityError(f"all loops together may make {LOOP_TURNS_MAX} turns")
    return list(value)


def _finalize(escape: Escape, clean: Clean) -> Callable[[Any], Any]:
    def final(value: Any) -> Any:
        if isinstance(value, RawText | StrictUndefined):
            return value  # the second fails when it is written, as it should
        if value is None or isinstance(value, Undefined):
            return ""
        if not isinstance(value, str | int | float):
            raise SecurityError(f"a {_kind(value)} cannot be written; name one of its parts")
        text = clean(("true" if value else "false") if isinstance(value, bool) else str(value), _VALUE_CHARS_MAX)
        return text if escape is None else escape(text)

    return final


def _wrapped(function: Callable[[Any], object], raw: bool) -> Callable[[Any], Any]:
    def call(value: Any) -> Any:
        made = function(None if isinstance(value, Undefined) else value)
        return RawText(made) if raw else made

    return call


def _text(value: Any) -> str:
    return "" if _absent(value) else str(value)


def _absent(value: Any) -> bool:
    return value is None or isinstance(value, Undefined)


def _join(value: Any, between: str = ", ") -> str:
    if not isinstance(value, list | tuple):
        return ""
    some = [cut(_text(one), _VALUE_CHARS_MAX) for one in list(value)[:_JOINED_MAX]]
    return str(between)[:20].join([*some, *([ELLIPSIS] if len(value) > _JOINED_MAX else [])])


def _item(value: Any, at: int) -> Any:
    return value[at] if isinstance(value, list | tuple | str) and value else None


def _number(value: Any, other: float = 0) -> float:
    try:
        return float(value) if isinstance(value, str | int | float) else other
    except (ValueError, OverflowError):
        return other


def _rounded(value: Any, digits: int = 0) -> float:
    rounded = round(_number(value), min(max(int(digits), 0), 10))
    return int(rounded) if not digits and abs(rounded) < 2**63 else rounded


_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "default": lambda value, other="": other if _absent(value) else value,
    "upper": lambda value: _text(value).upper(),
    "lower": lambda value: _text(value).lower(),
    "trim": lambda value: _text(value).strip(),
    "cut": lambda value, most=80: cut(_text(value), max(int(most), 1)),
    "join": _join,
    "length": lambda value: len(value) if isinstance(value, list | tuple | dict | str) else 0,
    "first": lambda value: _item(value, 0),
    "last": lambda value: _item(value, -1),
    "number": _number,
    "round": _rounded,
}


def _plain_data(value: Any, open: bool = False) -> Any:
    """Mappings, lists, texts, numbers and nothing else, none of them anybody else's."""
    if isinstance(value, Mapping):
        made = {str(key): _plain_data(inner, open or key == "extra") for key, inner in value.items()}
        return Open(made) if open else made
    if isinstance(value, list | tuple):
        return [_plain_data(inner, open) for inner in value]
    return value if value is None or isinstance(value, int | float | bool) else str(value)[:_TEXT_CHARS_MAX]


def _kind(value: Any) -> str:
    if isinstance(value, Undefined):
        return "name that is not there"
    return "mapping" if isinstance(value, dict) else "list" if isinstance(value, list | tuple) else "text"


def _fail(why: str) -> NoReturn:
    raise Invalid(why)
