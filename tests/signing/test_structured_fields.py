"""Structured fields are read as http-sf reads them, no more generously, and written in the one form there is."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import http_sf
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.signing.content_digest import content_digest, digest_fits
from gateway.signing.structured_fields import FieldItem, InnerList, Token, parse_dictionary, written_dictionary

names = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,5}", fullmatch=True)
bare = (
    st.integers(-(10**15) + 1, 10**15 - 1)
    | st.decimals(-(10**12) + 1, 10**12 - 1, places=3)
    | st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
    | st.binary(max_size=8)
    | st.booleans()
    | st.from_regex(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]{0,5}", fullmatch=True).map(Token)
)
params = st.dictionaries(names, bare, max_size=3)
items = st.builds(FieldItem, bare, params)
members = items | st.builds(InnerList, st.lists(items, max_size=3), params)


def plain(member: Any) -> Any:
    """A member in the shape that the library gives."""
    if isinstance(member, InnerList):
        return [plain(item) for item in member.items], _values(member.params)
    return _value(member.value), _values(member.params)


def _value(value: Any) -> Any:
    return str(value) if isinstance(value, Token) else value


def _values(params: Any) -> Any:
    return {name: _value(value) for name, value in params.items()}


def library(text: str) -> Any:
    parsed: Any = http_sf.parse(text.encode(), tltype="dictionary")
    return {name: _library(member) for name, member in parsed.items()}


def _library(member: Any) -> Any:
    value, parameters = member
    if isinstance(value, list):
        return [_library(item) for item in value], _library_values(parameters)
    return _library_value(value), _library_values(parameters)


def _library_values(parameters: Any) -> Any:
    return {name: _library_value(value) for name, value in parameters.items()}


def _library_value(value: Any) -> Any:
    return str(value) if isinstance(value, http_sf.Token) else value


@given(st.dictionaries(names, members, max_size=4))
def test_what_is_written_is_read_as_it_was_here_and_by_the_library(
    dictionary: dict[str, FieldItem | InnerList],
) -> None:
    text = written_dictionary(dictionary)
    read = parse_dictionary(text)
    assert read == dictionary
    assert written_dictionary(read) == text
    assert {name: plain(member) for name, member in read.items()} == library(text)


pieces = st.lists(
    st.sampled_from(['a', '=', '(', ')', '"x"', '"', ';', ',', ' ', '\t', ':AA==:', ':', '?1', '?', '1', '1.5', '.', '-', '*', '\\', 'é', '\x00', "%"]),
    max_size=9,
).map("".join)  # fmt: skip


@given(pieces | st.text(max_size=20))
@example("a=1;b=?0;b, a=()")
@example("a=1 , b")
@example("a=:AA:")
@example("a=-0.0")
def test_any_text_is_read_as_the_library_reads_it_or_by_neither(text: str) -> None:
    try:
        theirs = library(text)
    except Exception:
        theirs = None
    try:
        ours = {name: plain(member) for name, member in parse_dictionary(text).items()}
    except ValueError:
        ours = None
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a=("x""y")', "a space or ) is expected at character 7"),
        ("a=1234567890123456", "a number has too many digits"),
        ("a=1234567890123.5", "a number has too many digits"),
    ],
)
def test_a_mistake_is_said_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_dictionary(text)


@pytest.mark.parametrize("header", ["", "sha-256", "sha-256=:x", "sha-256=1", 'sha-256="x"', "md5=:AA==:"])
def test_a_digest_that_cannot_be_read_fits_no_body(header: str) -> None:
    assert digest_fits(content_digest(b"x"), b"x")
    assert not digest_fits(header, b"x")


@pytest.mark.parametrize("text", ["a=@1", 'a=%"x"'])
def test_a_date_and_a_display_string_are_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_dictionary(text)


@pytest.mark.parametrize("value", [10**15, "é", "a\n"])
def test_a_value_without_a_form_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match="of"):
        written_dictionary({"a": FieldItem(value)})


def test_a_decimal_is_written_without_needless_zeros() -> None:
    assert written_dictionary({"a": FieldItem(Decimal("1.500")), "b": FieldItem(Decimal(2))}) == "a=1.5, b=2.0"
