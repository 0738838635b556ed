"""What tests wait for: never without an end, and never with less patience than all others (tests/patience.py)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.patience import PATIENCE_S
from tests.syntax import ROOT, last_name, python_files, tree, walked

OF_A_CLOCK = {
    "test_pacing.py",
    "test_simulation.py",
    "test_batch.py",
    "test_background.py",
}  # whose waits are told of a clock that stands
WAITS = {"timeout": 1, "wait": 1, "join": 1, "settimeout": 1, "wait_for": 2}  # by their place, which is the last
WAITS_NAMED = {"timeout", "within"}
CALLS = {
    "run",
    "urlopen",
    "create_connection",
    "HTTPConnection",
    "communicate",
    "result",
    "Barrier",
    "Http",
    "wait_for",
    "end",
}


def unbounded(tree: ast.AST) -> Iterator[str]:
    """Calls that wait for another thread or process without an end; what is awaited ends with its test's time."""
    nodes = list(walked(tree))
    awaited = {id(node.value) for node in nodes if isinstance(node, ast.Await)}
    awaited |= {
        id(node.args[0])
        for node in nodes
        if isinstance(node, ast.Call)
        and node.args
        and last_name(node.func) == "wait_for"
        and ast.unparse(node.func) == "asyncio.wait_for"
    }
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        options = {keyword.arg for keyword in call.keywords}
        match call.func:
            case ast.Attribute(attr="Thread") | ast.Name(id="Thread") if "daemon" not in options:
                yield f"line {call.lineno}: a thread that keeps the process (tests.threads.start)"
            case ast.Attribute(attr="Barrier") | ast.Name(id="Barrier") if "timeout" not in options:
                yield f"line {call.lineno}: a barrier without timeout="
            case ast.Attribute(attr="wait" | "join" | "acquire" | "communicate", value=ast.Name(id=name)) if (
                not call.args and not options and id(call) not in awaited and name != "barrier"
            ):
                yield f"line {call.lineno}: {ast.unparse(call)} without an end"


def test_no_test_waits_for_a_thread_or_a_process_without_an_end() -> None:
    files = [path for path in python_files("tests") if path != ROOT / "tests" / "threads.py"]
    wrong = {str(path.relative_to(ROOT)): list(unbounded(tree(path))) for path in files}
    assert {path: lines for path, lines in wrong.items() if lines} == {}


def impatient(tree: ast.AST) -> Iterator[str]:
    """Waits for so many seconds, which a busy machine needs for what takes a moment; a bound that is meant has a name."""
    for node in walked(tree):
        waits: list[ast.expr] = []
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
                waits += [node.args[-1]] if len(node.args) == WAITS.get(name) else []
                waits += [one.value for one in node.keywords if name in CALLS and one.arg in WAITS_NAMED]
            case ast.BinOp(left=ast.Call(func=ast.Attribute(attr="monotonic" | "time")), op=ast.Add(), right=right):
                waits += [right]
        for wait in waits:
            if isinstance(wait, ast.Constant) and isinstance(wait.value, int | float) and 2 <= wait.value < PATIENCE_S:
                yield f"line {wait.lineno}: {wait.value} s"


def test_no_test_has_less_patience_than_all_others() -> None:
    files = [path for path in python_files("tests") if path.name not in OF_A_CLOCK and "faults" not in path.parts]
    wrong = {str(path.relative_to(ROOT)): list(impatient(tree(path))) for path in files}
    assert {path: lines for path, lines in wrong.items() if lines} == {}
    for text in (
        "process.wait(10)",
        "end = time.monotonic() + 5",
        "await asyncio.wait_for(it, 3)",
        "x.wait_for(y, within=9)",
    ):
        assert len(list(impatient(ast.parse(text)))) == 1
