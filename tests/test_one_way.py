"""One way to make a thing: what has a place of its own is written again nowhere else, or for a reason that is said here."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.syntax import OURS, ROOT, last_name, nodes, tree, walked

# What stands for one way, the file whose way it is, and the others that have it too, with the reason.
ENCODERS: Mapping[str, str] = {
    "gateway/text/escaping.py": "laid out in lines, for people: an indent is not compact",
    "plugins/sinks/feed/state.py": "a plugin's own Struct, beside the decoder that reads it back",
}
DIFFERENCES: Mapping[str, str] = {
    "gateway/text/suggest.py": "how much one word is like another, which is no list of lines"
}
POWERS: Mapping[str, str] = {
    "plugins/sinks/chat/replies.py": "a plugin says how long with `Retry(after=…)`; the core's strategies go on from there",
    "plugins/sinks/database/column_values.py": "the bounds of so many bits",
}
MASKED: Mapping[str, str] = {
    "gateway/config/schema.py": "takes a default that holds the mask out of a schema, and masks nothing"
}


_MAKERS = {"JSONEncoder", "Encoder", "encode"}


def _encoders(tree: ast.AST) -> int:
    """How often a file makes an encoder of JSON, spells one without blanks, or uses msgspec's."""
    count = 0
    for node in walked(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func) if last_name(node.func) in _MAKERS else ""
            made = called.endswith(("JSONEncoder", "json.Encoder")) or called == "msgspec.json.encode"
            count += made or any(word.arg == "separators" for word in node.keywords)
    return count


def _places(count: dict[str, int]) -> set[str]:
    return {place for place, number in count.items() if number}


def _counted(of: Callable[[ast.AST], int]) -> dict[str, int]:
    return {str(path.relative_to(ROOT)): of(tree(path)) for path in OURS}


def test_compact_json_is_written_in_one_place() -> None:
    there = _places(_counted(_encoders))
    assert there - {"gateway/compact_json.py"} == ENCODERS.keys(), "use gateway.compact_json, or give it a variant"


def test_an_encoder_is_seen_however_it_is_made() -> None:
    for text in (
        "json.JSONEncoder(indent=2).encode",
        "JSONEncoder(sort_keys=True)",
        "json.dumps(value, separators=(',', ':'))",
        "json.dump(value, file, ensure_ascii=True, separators=SEPARATORS)",
        "msgspec.json.Encoder(enc_hook=str)",
        "msgspec.json.encode(value)",
    ):
        assert _encoders(ast.parse(text)) == 1, text
    assert _encoders(ast.parse("json.dumps(value, indent=2); text.encode()")) == 0


def test_two_documents_are_compared_in_one_place() -> None:
    def imports(tree: ast.AST) -> int:
        names = [alias.name for node in walked(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [str(node.module) for node in walked(tree) if isinstance(node, ast.ImportFrom)]
        return names.count("difflib")

    assert _places(_counted(imports)) - {"gateway/text/json_difference.py"} == DIFFERENCES.keys()


def test_what_is_masked_by_its_name_is_masked_in_one_walk() -> None:
    """A function that calls itself and names the mask is a walk of its own."""

    def walks(tree: ast.AST) -> int:
        count: Counter[str] = Counter()
        for function in (node for node in walked(tree) if isinstance(node, ast.FunctionDef)):
            names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            count[function.name] += {function.name, "MASK"} <= names
        return count.total()

    assert _places(_counted(walks)) - {"gateway/text/mask.py"} == MASKED.keys()
    twice = "def a(v):\n    return {n: MASK if hidden(n) else a(i) for n, i in v.items()}"
    assert walks(ast.parse(twice)) == 1


def _powers(tree: ast.AST) -> int:
    """How often two is raised to what is only known at run time, as a pause is that doubles."""
    return sum(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Pow)
        and isinstance(node.left, ast.Constant)
        and node.left.value == 2
        and not isinstance(node.right, ast.Constant)
        for node in walked(tree)
    )


def test_a_pause_that_doubles_is_a_strategy_of_tenacitys() -> None:
    assert _places(_counted(_powers)) == POWERS.keys(), "use gateway.runtime.rising_pause with a strategy"
    assert _powers(ast.parse("min(first * 2.0 ** (attempt - 1), most); 2**20; 10**places")) == 1


def test_what_is_this_machine_alone_is_asked_in_one_place() -> None:
    def lists(tree: ast.AST) -> int:
        """Hosts written one behind the other, to look a host up in: 127.0.0.2 and `localhost.` are in none."""
        kinds = (ast.Tuple, ast.List, ast.Set)
        words = [
            {getattr(item, "value", None) for item in node.elts} for node in walked(tree) if isinstance(node, kinds)
        ]
        return sum({"localhost", "127.0.0.1"} <= one for one in words)

    assert _places(_counted(lists)) == set(), "use gateway.fields.hosts.is_loopback"
    assert lists(ast.parse("host in ('localhost', '::1', '127.0.0.1')")) == 1


# Functions that stand twice to the letter, and why.
TWICE: Mapping[str, str] = {
    "_component": "an option of a sink and of a source, which share only what is public",
    "_network": "the same",
    "deliver": "one delivery as a batch of one, for sinks whose batches answer in types of their own",
}
BODY_CHARS_MIN = 90  # of what a function does; what is shorter is a word or two, said in the same way


def _bodies(path: Path) -> Iterator[tuple[str, str]]:
    """The functions of a file: the name, and what they do as it is written, in whatever depth."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    for node in walked(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[bool(ast.get_docstring(node, clean=False)) :]
            yield node.name, "\n".join(lines[body[0].lineno - 1 : body[-1].end_lineno]) if body else ""


def test_no_function_stands_twice() -> None:
    names: dict[str, list[str]] = {}
    for name, body in (function for path in OURS for function in _bodies(path)):
        if len(body) >= BODY_CHARS_MIN:
            names.setdefault(body, []).append(name)
    assert {name for twice in names.values() if len(twice) > 1 for name in twice} == TWICE.keys()


DESCRIPTION_FILES_MAX = 2


def test_an_option_that_several_have_is_described_in_one_place() -> None:
    """Two sources of one family may say the same of themselves; what three have is a type with its description."""
    places: dict[str, set[str]] = {}
    for path in OURS:
        for node in nodes(path):
            if isinstance(node, ast.keyword) and node.arg == "description":
                places.setdefault(ast.unparse(node.value), set()).add(str(path.relative_to(ROOT)))
    shared = {text: files for text, files in places.items() if len(files) > DESCRIPTION_FILES_MAX}
    assert {text: files for text, files in shared.items() if text != "'At most so many.'"} == {}
