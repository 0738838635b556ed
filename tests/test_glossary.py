"""One word for one thing: the words of docs/glossary.md are the ones the code uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/glossary.md").read_text()
WORDS = re.findall(r"^\| \*\*([^*]+)\*\* \|", PAGE, re.MULTILINE)
CODE = "\n".join(path.read_text() for path in sorted((ROOT / "gateway").rglob("*.py"))).lower()


def test_the_glossary_has_each_word_once() -> None:
    assert len(WORDS) > 40
    assert sorted(set(WORDS)) == sorted(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_glossary_is_used_in_the_code(word: str) -> None:
    stem = re.escape(word.rstrip("e")).replace(r"\ ", "[ _-]?")  # release, released, releasing
    assert re.search(rf"(?<![a-z]){stem}", CODE), f"no file of gateway/ uses {word!r}"


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
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name


def room(file: Path) -> str:
    place = file.relative_to(ROOT).with_suffix("").parts
    return "/".join(place[:2]) if place[0] == "plugins" else place[1]


def test_a_verb_of_the_glossary_begins_names_in_its_rooms_and_in_no_other() -> None:
    assert len(VERBS) > 20
    there: dict[str, set[str]] = {verb: set() for verb in VERBS}
    for file in (file for folder in ("gateway", "plugins") for file in (ROOT / folder).rglob("*.py")):
        for name in public_functions(file):
            for verb in VERBS:
                if name not in NOUNS and (name == verb or name.startswith(f"{verb}_")):
                    there[verb].add(room(file))
    assert there == VERBS
