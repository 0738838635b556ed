"""Compact JSON: the bytes of every variant, which are promised, and what none of them writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from gateway import compact_json

VALUE = {"b": ["直播", 1.5, None, True], "a": {"x": "\u2028/<"}}
WRITTEN = {
    compact_json.encode_json: '{"b":["直播",1.5,null,true],"a":{"x":"\u2028/<"}}',
    compact_json.encode_json_sorted: '{"a":{"x":"\u2028/<"},"b":["直播",1.5,null,true]}',
    compact_json.encode_json_ascii: '{"b":["\\u76f4\\u64ad",1.5,null,true],"a":{"x":"\\u2028/<"}}',
    compact_json.encode_json_or_str: '{"b":["直播",1.5,null,true],"a":{"x":"\u2028/<"}}',
    compact_json.encode_json_or_str_ascii: '{"b":["\\u76f4\\u64ad",1.5,null,true],"a":{"x":"\\u2028/<"}}',
}
STRICT = [compact_json.encode_json, compact_json.encode_json_sorted, compact_json.encode_json_ascii]
Encode = Callable[[object], str]


@pytest.mark.parametrize(("encode", "text"), WRITTEN.items())
def test_the_bytes_of_a_value_are_these(encode: Encode, text: str) -> None:
    assert encode(VALUE) == text
    assert json.loads(text) == VALUE


@pytest.mark.parametrize("encode", [compact_json.encode_struct, compact_json.encode_struct_or_str])
def test_a_struct_is_written_as_the_same_values_are(encode: Callable[[object], bytes]) -> None:
    class One(msgspec.Struct):
        b: list[object]
        a: dict[str, str]

    assert encode(VALUE) == compact_json.encode_json(VALUE).encode()
    assert encode(One(**VALUE)) == compact_json.encode_json(VALUE).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize("encode", STRICT)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_written_that_json_does_not_have(encode: Encode, number: float) -> None:
    with pytest.raises(ValueError):  # its words are the library's
        encode([number])


@pytest.mark.parametrize("encode", STRICT)
def test_what_json_does_not_know_is_a_mistake_but_in_what_people_read(encode: Encode) -> None:
    odd = {"at": datetime(2026, 1, 2, tzinfo=UTC)}
    with pytest.raises(TypeError):
        encode(odd)
    assert compact_json.encode_json_or_str(odd) == '{"at":"2026-01-02 00:00:00+00:00"}'
    assert compact_json.encode_struct_or_str({"sum": complex(1, 2)}) == b'{"sum":"(1+2j)"}'
