"""One word for one thing: the words of docs/glossary.md are the ones the code uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.names import words_of
from tests.syntax import OURS, ROOT, last_name, nodes, python_files, tree, walked

PAGE = (ROOT / "docs/glossary.md").read_text()
WORDS = re.findall(r"^\| \*\*([^*]+)\*\* \|", PAGE, re.MULTILINE)
FILES = python_files("gateway")


@cache
def _names() -> str:
    """Every name in the code, a line each, its words in small letters with a line below between them: of folders, files,
    classes, functions, variables, and the words that are values (a state, a reason). No comments, and no sentences."""
    names = {part for path in FILES for part in path.relative_to(ROOT).with_suffix("").parts}
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _VALUE.fullmatch(node.value):
                names.add(node.value)
    return "\n".join("_".join(_PARTS.findall(name)).lower() for name in sorted(names))


_VALUE = re.compile(r"[a-z_]+")
_PARTS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def test_the_glossary_has_each_word_once() -> None:
    assert len(WORDS) > 40
    assert sorted(set(WORDS)) == sorted(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_glossary_names_something_in_the_code(word: str) -> None:
    stem = re.escape(word.rstrip("e")).replace(r"\ ", "_").replace(r"\-", "_")  # release, released, releasing
    assert re.search(rf"(?<![a-z]){stem}", _names()), f"nothing in gateway/ is named by {word!r}"


def test_a_word_of_the_glossary_is_one_type() -> None:
    """A class, or what stands for a type: whoever reads `Rank` need not ask which."""
    places: dict[str, set[str]] = {}
    for path in OURS:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, set()).add(str(path.relative_to(ROOT)))
        for node in tree(path).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                places.setdefault(node.targets[0].id, set()).add(str(path.relative_to(ROOT)))
    words = {re.sub(r"\W", "", word.title()) for word in WORDS}
    assert {word: places[word] for word in words if len(places.get(word, ())) > 1} == {}


VERBS = {
    verb: set(re.findall(r"`([^`]+)`", rooms))
    for verb, rooms in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
}
# Names that begin like one of the verbs and are something else.
NOUNS = {
    *("reconcile_failures", "reconcile_last"),  # metrics
    *("retry_after", "release_body"),  # a header; a callable in a scope
    *("pause_writing", "resume_writing"),  # what asyncio calls of a protocol
    *("sign_in", "sign_of"),  # of a person; of a number
}


def public_functions(file: Path) -> Iterator[str]:
    for node in nodes(file):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name


def room(file: Path) -> str:
    place = file.relative_to(ROOT).with_suffix("").parts
    return "/".join(place[:2]) if place[0] == "plugins" else place[1]


def test_a_verb_of_the_glossary_begins_names_in_its_rooms_and_in_no_other() -> None:
    assert len(VERBS) > 20
    there: dict[str, set[str]] = {verb: set() for verb in VERBS}
    for file in OURS:
        for name in public_functions(file):
            for verb in VERBS:
                if name not in NOUNS and (name == verb or name.startswith(f"{verb}_")):
                    there[verb].add(room(file))
    assert there == VERBS


# Where an event that waits for a person is called so: of slots it is `occupied`, of bytes `occupied_bytes`, of a delivery
# `waits_for`, of a clause `satisfied`, of a lease `leased`.
HELD = {
    *(
        "gateway/admin/bulk.py",
        "gateway/admin/overview_results.py",
        "gateway/admin/queries.py",
        "gateway/admin/results.py",
    ),
    *("gateway/cli/assistant/questions.py", "gateway/cli/commands/events.py", "gateway/cli/commands/tail.py"),
    *("gateway/cli/remote_queries.py", "gateway/cli/watch_loop.py", "gateway/model/event_types.py"),
    *("gateway/runtime/metrics.py", "gateway/store/admin/event_search.py", "gateway/store/admin/overview.py"),
    *("gateway/store/admin/pages.py", "gateway/store/admin/queries.py", "gateway/store/admin/shown_rows.py"),
    *("gateway/store/engine/batch.py", "gateway/store/outbox/alarms.py", "gateway/store/outbox/contents.py"),
    *("gateway/store/outbox/recording_state.py", "gateway/store/postgres/batch.py", "gateway/store/records.py"),
    "gateway/store/sqlite/batch.py",
}
# The filter and the answer of the API, whose JSON says `held` of a delivery too: nobody's program is to change for our word.
HELD_BY_CONTRACT = {"gateway/admin/queries.py", "gateway/admin/results.py"}


def test_held_is_said_of_an_event_that_waits_for_a_person_and_of_nothing_else() -> None:
    there = {str(path.relative_to(ROOT)): tuple(_held(tree(path))) for path in OURS}
    assert {place for place, kinds in there.items() if kinds} == HELD
    assert {place for place, kinds in there.items() if any("WaitsFor" in kind for kind in kinds)} == HELD_BY_CONTRACT


def _held(file: ast.Module) -> Iterator[str]:
    """Of what type each name with this word is; empty: nothing says it."""
    for node in walked(file):
        if isinstance(node, ast.arg):
            name, kind = node.arg, node.annotation
        elif isinstance(node, ast.AnnAssign):
            name, kind = last_name(node.target), node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name, kind = node.name, node.returns
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            name, kind = last_name(node), None
        else:
            continue
        if "held" in words_of(name):
            yield "" if kind is None else ast.unparse(kind)
