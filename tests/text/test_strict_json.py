"""The strict decoder: what it lets through, every store, encoder and label can hold; everything else is told with its place."""

from __future__ import annotations

import json
import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Malformed
from gateway.testing.corpus import cases
from gateway.text.strict_json import MAX_DEPTH, MAX_INTEGER, MAX_KEY, MAX_NODES, MAX_TEXT, decode_object


def refused(body: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        decode_object(body)
    assert caught.value.detail == str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("case", cases("body"), ids=str)
def test_the_hostile_bodies_are_refused_at_once_and_in_few_words(case) -> None:
    body = case.value
    began = time.perf_counter()
    text = refused(body)
    assert time.perf_counter() - began < 1
    assert 0 < len(text) < 300
    assert text.isprintable()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"[]", "an array"),
        (b'"x"', "a text"),
        (b"true", "a boolean"),
        (b"1", "a number"),
        (b"1.5", "a number"),
        (b"null", "null"),
        (b'{"a":1,}', "line 1 column"),
        (b'{"a":1\n"b":2}', "delimiter at line 2 column 1"),
        (b'{"a":"\x01"}', "control character at line 1"),
        (b"\xef\xbb\xbf{}", "byte-order mark"),
        (b'{"a":"\xff"}', "byte 6"),
        (b'{"a":1,"b":{"a":1,"a":2}}', "the key a is there twice"),
        (b'{"\xe9\x9f\xb3 ":1,"\xe9\x9f\xb3 ":2}', r'the key "\u97f3 " is there twice'),
        (b'{"a":"NaN","b":NaN}', "NaN is not JSON; a number or null is expected (at character 15)"),
        (b'{"a":[1, -Infinity]}', "-Infinity is not JSON; a number or null is expected (at character 9)"),
        (b'{"a":1e999}', "too large for a 64-bit float (at character 5)"),
        (b'{"a":[-1e999]}', "too large for a 64-bit float (at character 6)"),
        (b'{"a":99999999999999999999}', "an integer of 20 digits"),
        (b'{"a":{"b":[0,"\\u0000"]}}', "$.a.b[1] holds a NUL"),
        (b'{"a":{"b":["\\ud800"]}}', "$.a.b[0] holds half of a surrogate pair"),
        (b'{"a b":["\\udc00\\ud800"]}', '$."a b"[0] holds half of a surrogate pair'),
        (b'{"a":{"\\u0000":1}}', "a key in $.a holds a NUL"),
        (b'{"\\ud800":1}', "a key in $ holds half"),
    ],
    ids=str,
)
def test_the_error_says_what_and_where(body, words) -> None:
    assert words in refused(body)


def test_no_error_repeats_a_value() -> None:
    for value in ('"canary\\u0000"', '"canary\\ud800"', '"canary\x01"', '"canary" x', f'"{"canary" * 11000}"'):
        assert "canary" not in refused(f'{{"auth_sign":{value}}}'.encode())
    assert "123456789" not in refused(b'{"auth_timestamp":' + b"123456789" * 5 + b"}")


# --- the bounds, from both sides


def nested(depth: int, inner: str = "1") -> bytes:
    return ('{"a":' * depth + inner + "}" * depth).encode()


@pytest.mark.parametrize(
    ("inside", "outside", "words"),
    [
        (nested(MAX_DEPTH), nested(MAX_DEPTH + 1), "deeper than 16"),
        (nested(MAX_DEPTH - 1, "[]"), nested(MAX_DEPTH, "[]"), "deeper than 16"),
        (
            b'{"a":[' + b"1," * (MAX_NODES - 3) + b"1]}",
            b'{"a":[' + b"1," * (MAX_NODES - 2) + b"1]}",
            "more than 10000 values",
        ),
        (b'{"' + b"k" * MAX_KEY + b'":1}', b'{"' + b"k" * (MAX_KEY + 1) + b'":1}', "257 characters"),
        (b'{"a":"' + b"x" * MAX_TEXT + b'"}', b'{"a":"' + b"x" * (MAX_TEXT + 1) + b'"}', "$.a has 65537 bytes"),
        (
            b'{"a":["' + "é".encode() * (MAX_TEXT // 2) + b'"]}',
            b'{"a":["' + "é".encode() * (MAX_TEXT // 2 + 1) + b'"]}',
            "$.a[0] has 65538 bytes",
        ),
        (b'{"a":%d}' % MAX_INTEGER, b'{"a":%d}' % (MAX_INTEGER + 1), "an integer of 19 digits"),
        (b'{"a":%d}' % -MAX_INTEGER, b'{"a":%d}' % (-MAX_INTEGER - 1), "an integer of 19 digits"),
        (b'{"a":1.7976931348623157e308}', b'{"a":1.8e308}', "64-bit float"),
    ],
    ids=["depth", "depth of lists", "nodes", "key", "text", "text in bytes", "integer", "negative", "float"],
)
def test_the_bounds_are_exact(inside, outside, words) -> None:
    assert decode_object(inside) == json.loads(inside)
    assert words in refused(outside)


@pytest.mark.parametrize(
    "body",
    [
        b" \r\n\t{ } ",
        b'{"":""}',
        b'{"a":"\\u0001\\u001b\\n\\t\x7f"}',
        b'{"a":"\\\\u0000"}',
        '{"a":"😀\u2028\u202e\ufeff"}'.encode(),
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"1\\/2"}',
        b'{"a":-0,"b":-0.0,"c":1e-999,"d":1E5,"e":true,"f":false,"g":null}',
    ],
    ids=ascii,
)
def test_what_is_only_unusual_is_data(body) -> None:
    assert decode_object(body) == json.loads(body)


def test_duplicate_keys_are_found_however_they_are_spelt_and_other_repeats_are_fine() -> None:
    assert "app" in refused(b'{"app":1,"\\u0061pp":1}')
    assert decode_object(b'{"a":{"b":1},"b":{"a":1}}') == {"a": {"b": 1}, "b": {"a": 1}}


# --- properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**66), 2**66) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(said=st.dictionaries(st.text(max_size=4), JSON, max_size=4), ascii_only=st.booleans())
def test_what_is_accepted_is_what_was_sent_and_every_holder_can_hold_it(said, ascii_only) -> None:
    body = json.dumps(said, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        decoded = decode_object(body)
    except Malformed:
        return
    assert decoded == said
    text = json.dumps(decoded, ensure_ascii=False, allow_nan=False)
    text.encode()
    with sqlite3.connect(":memory:") as database:
        for value in decoded.values():
            held = value if isinstance(value, (int, float, str)) else None
            assert database.execute("SELECT ?", (held,)).fetchone() == (held,)
    database.close()


@given(body=st.binary(max_size=60) | st.text(st.sampled_from('{}[]":,0123456789eE.+-\\u dantrflsNI\n')).map(str.encode))
def test_no_bytes_raise_anything_but_malformed(body) -> None:
    try:
        decoded = decode_object(body)
    except Malformed as error:
        assert error.detail  # noqa: PT017
    else:
        assert decoded == json.loads(body)
