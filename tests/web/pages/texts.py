"""Every text of the pages, read from their templates and files: what a translation must have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.web.pages import codes, overview, sentences

PAGES = Path(codes.__file__).parent
_CALL = re.compile(r"\bt(?:\.many)?\(\s*(?=[\"'])")
_TEXT = re.compile(r"\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')\s*")


def texts() -> set[str]:
    """English texts that are shown."""
    found = {text for group in codes.CODES.values() for text in group.values()}
    found |= {text for _, more in overview.ATTENTION.values() for text in (more,)}
    found |= {*sentences.ACTS.values(), *sentences.SENTENCES, *sentences.ENDINGS}
    for path in (PAGES / "templates").glob("*.html"):
        found |= set(_of_template(path.read_text(encoding="utf-8")))
    for path in PAGES.glob("*.py"):
        found |= set(_of_python(path.read_text(encoding="utf-8")))
    return found


def _of_template(content: str) -> Iterator[str]:
    for call in _CALL.finditer(content):
        plural = ".many" in call.group()
        match = _TEXT.match(content, call.end())
        assert match, content[call.start() : call.start() + 80]
        if plural:
            match = _TEXT.match(content, match.end() + 1)  # the form for more than one is the one that is translated
            assert match, content[call.start() : call.start() + 80]
        yield ast.literal_eval(match[1])


def _of_python(content: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(content)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = ast.unparse(node.func)
        at = 1 if name.endswith(".many") or name in ("t.many", "many") else 0
        if name in ("t", "words", "self._words", "visit.words", "self") or at:
            argument = node.args[at] if len(node.args) > at else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value
