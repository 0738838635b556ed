"""The closed room that templates run in: a short list of what the language may do, and budgets for all of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway import suggestion
from plugins.sinks.cards.template_data import FixedForm, Nothing, Open, RawText, kind_of_data, plain_data
from plugins.sinks.cards.template_filters import FILTERS, VALUE_CHARS_MAX
from plugins.sinks.cards.text import ELLIPSIS, Clean, Escape, Invalid, cut, plain

OUTPUT_CHARS_MAX: Final = 64 * 1024  # characters
LOOP_TURNS_MAX: Final = 2000  # of all loops together
LOOP_DEPTH_MAX: Final = 2  # of loops in one another
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
TEXT_CHARS_MAX: Final = 8192  # characters of a text that a card's template gets to see
RENDER_SECONDS_MAX: Final = 1.0  # of processor time in loops, which a busy machine makes no longer


class Misnamed(Invalid):
    """It names what no event has, rather than what this one lacks."""


class _UnknownName(SecurityError):
    """A key that a mapping of a fixed form has not."""


class _LoopTurns(list[Any]):
    """What is looped over. Each turn asks how long all of them took."""

    def __init__(self, values: Any, end: float) -> None:
        super().__init__(values)
        self._end = end

    def __iter__(self) -> Iterator[object]:
        for value in super().__iter__():
            if time.thread_time() > self._end:
                raise SecurityError("its loops take too long")
            yield value


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "/"})

    def getattr(self, obj: object, attribute: str) -> object:
        return self._below(obj, attribute)

    def getitem(self, obj: object, argument: object) -> object:
        if isinstance(obj, list | tuple) and isinstance(argument, int):
            return obj[argument] if -len(obj) <= argument < len(obj) else Nothing()
        return self._below(obj, argument)

    def _below(self, obj: object, key: object) -> object:
        if obj is None or isinstance(obj, Nothing):
            return Nothing()
        if isinstance(obj, Undefined):
            return obj._fail_with_undefined_error()
        if isinstance(obj, LoopContext) and key in _LOOP:
            return getattr(obj, key)
        if isinstance(obj, dict) and isinstance(key, str):
            if key in obj:
                return obj[key]
            if isinstance(obj, Open) or (isinstance(obj, FixedForm) and key in obj.optional):
                return Nothing()
            raise _UnknownName(f"there is no {key}{suggestion(key, [*obj, *getattr(obj, 'optional', ())])}")
        raise SecurityError(
            f"a {kind_of_data(obj)} has no {key!r}"
            if isinstance(key, str)
            else f"a {kind_of_data(obj)} has no such item"
        )

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        if not all(isinstance(one, int | float) and abs(one) < 2**63 for one in (left, right)):
            raise SecurityError(f"{operator} is for numbers")
        return super().call_binop(context, operator, left, right)


class Compiled:
    """A template that can be rendered again and again."""

    def __init__(self, template: jinja2.Template, text_chars_max: int = TEXT_CHARS_MAX) -> None:
        self._template = template
        self._text_chars_max = text_chars_max

    def render(self, values: Mapping[str, object], *, strict: bool) -> str:
        """Raises Invalid for whatever fails, Misnamed for a name that no event has; `strict`: also for too much output."""
        parts: list[str] = []
        left = OUTPUT_CHARS_MAX
        given = {name: plain_data(value, self._text_chars_max) for name, value in values.items()}
        end = time.thread_time() + RENDER_SECONDS_MAX
        try:
            for part in self._template.generate(given, _turns=[LOOP_TURNS_MAX], _end=end):
                parts.append(part[: max(left, 0)])
                left -= len(part)
                if left < 0:
                    if strict:
                        _fail("it makes more than 64 KiB of text")
                    parts[-1] = parts[-1][:-1] + ELLIPSIS  # so that a reader sees that it goes on
                    break
        except Invalid:
            raise
        except (_UnknownName, jinja2.UndefinedError) as error:
            raise Misnamed(_line(error) + cut(plain(str(error.message), 300), 300)) from None
        except jinja2.TemplateError as error:
            _fail(_line(error) + cut(plain(str(error.message), 300), 300))
        except TypeError as error:
            _fail(
                _line(error)
                + "it compares or computes with a value that is absent or of another type; ask for it first with an if"
            )
        except Exception as error:
            _fail(_line(error) + f"it fails with {type(error).__name__}")
        return "".join(parts)


def _line(error: BaseException) -> str:
    """Where in the template: Jinja2 puts its lines into the traceback."""
    lines = [
        number for frame, number in traceback.walk_tb(error.__traceback__) if "__jinja_exception__" in frame.f_globals
    ]
    return f"line {lines[-1]}: " if lines else ""


Encoder = Callable[[object], str]
"""What makes of a value the text that stands in its place."""


def compiled(
    source: str,
    escape: Escape,
    filters: Mapping[str, tuple[Callable[..., object], bool]],
    clean: Clean = plain,
    *,
    encoders: Mapping[str, Encoder] = MappingProxyType({}),
    place: Callable[[nodes.Template], None] | None = None,
    text_chars_max: int = TEXT_CHARS_MAX,
) -> Compiled:
    """Raises Invalid, with the line where there is one.

    `place` may put one of `encoders`, as a filter, around each value that is written, by where it stands: what such a one
    makes is neither cleaned nor escaped. Nothing that is absent but None reaches it.
    """
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
    environment.filters = {**FILTERS, "_turns": _turns}
    environment.filters |= {name: _wrapped(function, raw) for name, (function, raw) in filters.items()}
    environment.filters |= {name: _encoding(function) for name, function in encoders.items()}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    try:
        tree = environment.parse(source)
        _check(tree, 0)
        _count_turns(tree)
        if place is not None:
            place(tree)
        return Compiled(environment.from_string(tree), text_chars_max)
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
def _turns(context: Context, value: object) -> Sequence[object]:
    """What is looped over, paid for out of one budget."""
    if value is None or isinstance(value, Nothing):
        return []
    if not isinstance(value, list | tuple | dict):
        raise SecurityError(f"a {kind_of_data(value)} cannot be looped over")
    budget: list[int] = context["_turns"]
    budget[0] -= len(value) + 1
    if budget[0] < 0:
        raise SecurityError(f"all loops together may make {LOOP_TURNS_MAX} turns")
    return _LoopTurns(value, context["_end"])


def _finalize(escape: Escape, clean: Clean) -> Callable[[object], object]:
    def final(value: object) -> object:
        if isinstance(value, RawText | StrictUndefined):
            return value  # the second fails when it is written, as it should
        if value is None or isinstance(value, Undefined):
            return ""
        if not isinstance(value, str | int | float):
            raise SecurityError(f"a {kind_of_data(value)} cannot be written; name one of its parts")
        text = clean(("true" if value else "false") if isinstance(value, bool) else str(value), VALUE_CHARS_MAX)
        return text if escape is None else escape(text)

    return final


def _wrapped(function: Callable[..., object], raw: bool) -> Callable[..., object]:
    def call(value: object, *more: object) -> object:
        made = function(None if isinstance(value, Undefined) else value, *more)
        return RawText(made) if raw else made

    return call


def _encoding(function: Encoder) -> Callable[[object], RawText]:
    def call(value: object) -> RawText:
        if isinstance(value, StrictUndefined):
            value._fail_with_undefined_error()
        return RawText(function(None if isinstance(value, Undefined) else value))

    return call


def _fail(why: str) -> NoReturn:
    raise Invalid(why)
