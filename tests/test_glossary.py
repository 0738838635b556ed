"""One word for one thing: the words of docs/glossary.md are the ones the code uses."""

from __future__ import annotations

import re
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
