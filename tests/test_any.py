"""`Any` stands where the outside is untyped; what only passes through, or is looked at before it is used, is an `object`."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress

import pytest

from tests.syntax import OURS, ROOT, tree, walked

# A room, how often it says `Any` as a type, and what stands there untyped outside. The numbers are exact: one that is gone
# is taken off, and one that is new needs its reason here.
ALLOWED = {
    "gateway/admin": (4, "settings and events as JSON, read by key"),
    "gateway/cli": (
        22,
        "JSON of a gateway elsewhere that may be older or newer, what stands for a store and settings there, JSON Schema",
    ),
    "gateway/config": (
        6,
        "PyYAML's events, which its stubs leave half untyped; JSON Schema; what a file said before it is checked",
    ),
    "gateway/dispatch": (3, "what a plugin says follows, before it is looked at"),
    "gateway/egress": (
        6,
        "the JSON of an answer, for its reader; what aiohttp and the resolver hand on; jobs of any result",
    ),
    "gateway/events": (
        12,
        "the JSON of events, read by key, and values of strangers' events before they are looked at",
    ),
    "gateway/fields": (3, "what pydantic hands to a validator, and an overload that ipaddress has for no union"),
    "gateway/follow_up.py": (2, "JSON that a sink writes, and the core looks at"),
    "gateway/model": (3, "JSON that a plugin keeps (`memo`) or finds (`extra`) and reads back itself"),
    "gateway/plugin": (
        15,
        "a class's own options, a callback's JSON, pluggy's relay; events of strangers before they are looked at",
    ),
    "gateway/routing": (3, "the JSON of verdicts, and a `where` before and after it is compiled"),
    "gateway/runtime": (1, "modules by their names, with a stand-in among them"),
    "gateway/signing": (1, "a key that cryptography loaded, of whichever kind"),
    "gateway/store": (6, "columns as the drivers have them; filters by their fields' names"),
    "gateway/testing": (13, "what authors describe by the names of fields and read back: events, log lines, JSON"),
    "gateway/text": (20, "JSON before anything is known of it, read by the type of each value"),
    "gateway/web": (
        5,
        "an operation, whose model was checked where it is declared; uvicorn's scope; the JSON of verdicts",
    ),
    "gateway/where": (4, "the CEL library's program, context and values"),
    "plugins/sinks/apprise": (6, "apprise has no types, and calls us as it would requests"),
    "plugins/sinks/archive": (11, "JSON that the sink remembers, m3u8's parts, files and hashes of several kinds"),
    "plugins/sinks/cards": (2, "what a template iterates over"),
    "plugins/sinks/chat": (11, "the JSON of services, read by key"),
    "plugins/sinks/database": (11, "SQLAlchemy's columns and the drivers' errors; what CEL makes"),
    "plugins/sinks/email": (5, "arguments that go through to aiosmtplib, and what the sink remembers"),
    "plugins/sinks/feed": (2, "feedgen has no types"),
    "plugins/sinks/mqtt": (5, "arguments that go through to aiomqtt, and paho's callbacks"),
    "plugins/sinks/nats": (2, "nats-py's options, and its headers, whose values it types by no alias"),
    "plugins/sinks/redis": (4, "redis-py's options and replies, and what it tells a connection that it drops"),
    "plugins/sinks/storage": (5, "obstore's options, which are other dictionaries for each store"),
    "plugins/sources": (2, "the JSON of vendors"),
    "plugins/sources/common": (5, "the JSON of vendors, and options by their names"),
    "plugins/sources/huawei_live": (2, "the JSON of the vendor, field by field"),
}
CASTS = 9  # and what the checker is told to overlook: neither stands in for an `Any`
OVERLOOKED = 60


def _as_types(tree: ast.AST) -> Iterator[ast.expr]:
    """Where types stand: annotations, what is in brackets or between bars, and what a name is made to mean. An `Any` that a
    value is compared with is not among them."""
    for node in walked(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.Subscript):
            yield node.slice
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            yield node
        elif isinstance(node, ast.Assign):
            yield from [node.value] if isinstance(node.value, ast.Name | ast.Attribute) else []
        elif isinstance(node, ast.Call) and _called(node.func) in {"cast", "NewType", "TypeVar", "TypeAdapter"}:
            yield from (*node.args, *(word.value for word in node.keywords))


def _called(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def said_any(file: ast.Module) -> int:
    """How often a file says `Any` as a type: by its own name or another, through `typing`, or in a text."""
    names = {
        alias.asname or alias.name
        for node in walked(file)
        if isinstance(node, ast.ImportFrom) and node.module in {"typing", "typing_extensions"}
        for alias in node.names
        if alias.name == "Any"
    }
    return len({place for type_ in _as_types(file) for place in _places(type_, names)})


def _places(type_: ast.expr, names: Collection[str]) -> Iterator[tuple[int, int]]:
    for node in ast.walk(type_):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "Any" in node.value:
            with suppress(SyntaxError):  # it is words, and no type
                if any(_places(ast.parse(node.value, mode="eval").body, names)):
                    yield node.lineno, node.col_offset
        elif (isinstance(node, ast.Attribute) and node.attr == "Any") or (
            isinstance(node, ast.Name) and node.id in names
        ):
            yield node.lineno, node.col_offset


@pytest.mark.parametrize(
    ("said", "times"),
    [
        ("def f(a: Any, *b: list[Any], **c: Any) -> Any: ...", 4),
        ("class A(dict[str, Any]):\n    b: Any\n    c: Any = 1", 3),
        ("Alias = Any", 1),
        ("Alias = dict[str, Any] | Any", 2),
        ("a = cast(Any, b); c = TypeVar('c', bound=Any)", 2),
        ("def f(a: 'list[Any]', b: \"Any\") -> None: ...", 2),
        ("a = Decoder(list[Any])", 1),
        ("import typing\ndef f(a: typing.Any) -> None: ...", 1),
        ("from typing import Any as Whatever\na: Whatever", 1),
        ("a: Annotated[str, Field(description='Any of these')]", 0),
        ("if a is Any or Any in b: c = [*d, Any]", 0),
        ("def f(a: object) -> int: ...", 0),
    ],
)
def test_an_any_is_seen_wherever_a_type_stands(said: str, times: int) -> None:
    assert said_any(ast.parse(f"from typing import Any\n{said}")) == times


def test_a_room_says_any_as_often_as_its_outside_makes_it() -> None:
    there: Counter[str] = Counter()
    for path in OURS:
        parts = path.relative_to(ROOT).parts
        folder = parts[0] == "plugins" and len(parts) > 3
        if "Any" in path.read_text():
            there["/".join(parts[: 3 if folder else 2])] += said_any(tree(path))
    counted = {room: count for room, count in there.items() if count}
    assert counted == {room: count for room, (count, _) in ALLOWED.items()}, (
        "say `object`, or the type; where the outside has none, write the number down with its reason"
    )


def test_nothing_stands_in_for_an_any() -> None:
    texts = [path.read_text() for path in OURS]
    casts = sum(len(re.findall(r"\bcast\(", text)) for text in texts)
    overlooked = sum(len(re.findall(r"# type: ignore", text)) for text in texts)
    assert casts <= CASTS
    assert overlooked <= OVERLOOKED
