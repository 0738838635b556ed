"""One near miss for the whole house: the nearest word, whatever its case, or all there are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gateway.text.suggest import nearest, suggestion

KNOWN = ("hmac-sha256", "recording.failed", "stream_key")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("hmac_sha256", "hmac-sha256"),
        ("HMAC-SHA-256", "hmac-sha256"),
        ("recording.faild", "recording.failed"),
        ("stream-key", "stream_key"),
        ("nothing like it", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_the_word_that_was_probably_meant(word: str, meant: str | None) -> None:
    assert nearest(word, KNOWN) == meant


def test_where_nothing_is_like_it_all_there_are_are_named() -> None:
    assert suggestion("faild", ["failed"]) == "; did you mean 'failed'?"
    assert suggestion("zzz", ["failed", "ended"]) == "; there are: failed, ended"
    assert suggestion("zzz", []) == "; there are: none"


def test_nobody_looks_for_a_near_miss_in_another_way() -> None:
    root = Path(__file__).resolve().parents[2]
    files = [path for folder in ("gateway", "plugins") for path in (root / folder).rglob("*.py")]
    users = [
        path.name
        for path in files
        if "get_close_matches" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and node.attr == "get_close_matches"
    ]
    assert users == ["suggest.py"]
