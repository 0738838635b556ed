"""What may reach a terminal or a log."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.escaping import quoted, visible, visible_json

HOSTILE = st.text(
    st.characters(codec="utf-8") | st.sampled_from("\x1b\x07\x9b\u202e\u2028\u2029\x85\x00\ud800\U000e0041")
)


def _obeyed(text: str) -> list[str]:
    """Characters that a terminal would act on, or that break a line."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@given(HOSTILE)
def test_what_is_shown_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    assert not _obeyed(visible(text))
    assert not _obeyed(quoted(text))
    assert len(visible(text).splitlines()) <= 1


def test_not_one_character_of_unicode_that_a_terminal_obeys_is_left_out() -> None:
    assert not _obeyed(visible("".join(map(chr, range(0x110000)))))


@given(st.text(st.characters(categories=["L", "N", "P"])))
def test_letters_of_every_language_are_shown_as_they_are(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;t\x07", "\\x1b[2J\\x1b]0;t\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("one\r\ntwo\tthree", "one\\r\\ntwo\\tthree"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_unseen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("", '""'), ("two words", '"two words"'), ('say "a=b"', '"say \\"a=b\\""'), ("中文", "中文")],
)
def test_a_text_is_quoted_where_its_ends_could_not_be_seen(text: str, shown: str) -> None:
    assert quoted(text) == shown


@given(
    st.recursive(HOSTILE | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner))
)
def test_json_reads_back_as_it_was_and_holds_nothing_that_a_terminal_obeys(value: object) -> None:
    for written in (visible_json(value), visible_json(value, ascii=True)):
        assert not _obeyed(written)
        assert json.loads(written) == value
    laid_out = visible_json(value, indent=True)
    assert json.loads(laid_out) == value
    assert not _obeyed(laid_out.replace("\n", ""))


def test_json_for_ascii_streams_is_ascii() -> None:
    assert visible_json("中\x7f", ascii=True) == '"\\u4e2d\\u007f"'


def test_json_writes_out_what_is_unseen_beyond_the_first_plane() -> None:
    assert visible_json("\U000e0041") == '"\\udb40\\udc41"'
    assert json.loads(visible_json("\U000e0041")) == "\U000e0041"
