"""The strict decoder: what it lets through, every store, encoder and label can hold; everything else is told with its place."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Malformed
from gateway.testing.corpus import cases
from gateway.text.strict_json import (
    DEPTH_MAX,
    KEY_CHARS_MAX,
    NODES_MAX,
    TEXT_BYTES_MAX,
    decode_document,
    decode_object,
)
from tests.text.documents import JSON, nested


def refused(body: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        decode_object(body)
    assert caught.value.detail == str(caught.value)
    return str(caught.value)


REPAIRED = [case for case in cases("body") if "problems" in case.expected or case.id in ("B16", "B17")]


@pytest.mark.parametrize("case", [case for case in cases("body") if case not in REPAIRED], ids=str)
def test_the_hostile_bodies_are_refused_at_once_and_in_few_words(case) -> None:
    text = refused(case.value)
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
        (b"\xef\xbb\xbf", "empty"),
        (b'{"a":"\xff"}', "byte 6"),
        (b'{"a":"NaN","b":NaN}', "NaN is not JSON; a number or null is expected (at character 15)"),
        (b'{"a":[1, -Infinity]}', "-Infinity is not JSON; a number or null is expected (at character 9)"),
    ],
    ids=str,
)
def test_the_error_says_what_and_where(body, words) -> None:
    assert words in refused(body)


def test_no_error_repeats_a_value() -> None:
    for value in ('"canary\x01"', '"canary" x', '"canary', '"canary"}{'):
        assert "canary" not in refused(f'{{"auth_sign":{value}}}'.encode())
    assert "canary" not in refused(b"[" + b'{"canary":[]},' * NODES_MAX + b"1]")


BIG = "9" * 5000


ODD: dict[str, tuple[bytes, object, list[str]]] = {
    "half of a pair": (b'{"a":"x\\ud800y"}', {"a": "x\ufffdy"}, ["a"]),
    "the other half": (b'{"a":["\\udc00"]}', {"a": ["\ufffd"]}, ["a[0]"]),
    "halves the wrong way": (b'{"a":"\\udc00\\ud83d"}', {"a": "\ufffd\ufffd"}, ["a"]),
    "NUL": (b'{"a":{"b":"\\u0000"}}', {"a": {"b": "\ufffd"}}, ["a.b"]),
    "a key with half of a pair": (b'{"\\ud800":1}', {"\ufffd": 1}, ["\ufffd"]),
    "a key with NUL": (b'{"k\\u0000":1}', {"k\ufffd": 1}, ["k\ufffd"]),
    "keys that repair makes one": (b'{"\\ud800":1,"\\ud801":2}', {"\ufffd": 1}, ["\ufffd", "\ufffd"]),
    "a long integer": (b'{"a":9223372036854775808}', {"a": "9223372036854775808"}, ["a"]),
    "a negative one": (b'{"a":-9223372036854775808}', {"a": "-9223372036854775808"}, ["a"]),
    "a very long one": (b'{"a":%b}' % BIG.encode(), {"a": BIG}, ["a"]),
    "an infinite float": (b'{"a":1e999,"b":-1E+999}', {"a": "1e999", "b": "-1E+999"}, ["a", "b"]),
    "a long text": (b'{"a":"%b"}' % (b"x" * (TEXT_BYTES_MAX + 1)), {"a": "x" * TEXT_BYTES_MAX}, ["a"]),
    "a long text, between bytes": ('{"a":"x%s"}' % ("é" * TEXT_BYTES_MAX)).encode(),  # type: ignore[dict-item]
    "a long key": (b'{"%b":1}' % (b"k" * 300), {"k" * KEY_CHARS_MAX: 1}, ["k" * 200]),
    "a byte-order mark": (b'\xef\xbb\xbf{"a":1}', {"a": 1}, ["byte-order mark"]),
    "a doubled key": (b'{"a":1,"b":2,"a":1}', {"b": 2}, ["a"]),
    "spelt in two ways": (b'{"app":1,"\\u0061pp":2,"b":1}', {"b": 1}, ["app"]),
    "there three times": (b'{"a":1,"a":2,"a":3}', {}, ["a"]),
    "inside": (b'{"a":[{"b":{"c":1,"c":2}}],"c":1}', {"a": [{"b": {}}], "c": 1}, ["a[0].b.c"]),
    "too deep": (
        nested(DEPTH_MAX + 1),
        json.loads(nested(DEPTH_MAX, "{}").replace(b'"a":{}', b"")),
        [".".join("a" * 16)],
    ),
    "too deep, and more": (b'{"x":%b,"y":2}' % (b"[" * 300 + b"]" * 300), ..., ["x" + "[0]" * (DEPTH_MAX - 1)]),
}


ODD["a long text, between bytes"] = (
    ODD["a long text, between bytes"],  # type: ignore[assignment]
    {"a": "x" + "é" * ((TEXT_BYTES_MAX - 1) // 2)},
    ["a"],
)


@pytest.mark.parametrize("name", ODD)
def test_what_no_store_can_hold_is_repaired_and_named(name: str) -> None:
    body, kept, problems = ODD[name]
    document = decode_document(body)
    if kept is not ...:
        assert document.plain == kept
    assert list(document.problems) == [one[:200] for one in problems]
    json.dumps(document.plain, ensure_ascii=False, allow_nan=False).encode()
    assert decode_document(json.dumps(document.plain).encode()).problems == (), "what was repaired is whole"


def test_the_names_of_what_was_repaired_are_bounded() -> None:
    body = json.dumps({f"{n}" * 300: "\0" for n in range(1, 900)}).encode()
    problems = decode_document(body).problems
    assert len(problems) == 50
    assert max(map(len, problems)) <= 200


def test_before_repair_verification_sees_the_escapes_and_no_doubled_key() -> None:
    said = decode_document(b'{"a":"\\ud800\\u0000","n":1e999,"d":{"x":1,"x":2,"y":3},"z":"\\ud83d\\ude00"}')
    escaped: Any = said.original(escape=True)
    raw = said.original(escape=False)
    assert (escaped["a"], raw["a"], escaped["n"]) == ("\\ud800\\u0000", "\ud800\0", "1e999")
    assert escaped["z"] == "😀"
    assert escaped["d"]["y"] == 3
    inside = escaped["d"]
    reads = (
        lambda: inside["x"],
        lambda: inside.get("x"),
        lambda: "x" in inside,
        lambda: inside.pop("x", None),
        lambda: list(inside),
        lambda: inside.items(),
        lambda: inside.values(),
        lambda: inside.keys(),
        lambda: {**inside},
        lambda: inside | {},
        lambda: len(inside),
    )
    for read in reads:
        with pytest.raises(Malformed, match="the key x is there twice"):
            read()


ORIGINALS = [
    *(f'"{text}"' for text in ("\\ud800", "\\ud801", "\\u0000", "\ufffd", "\\\\ud800", "\\\\u0000", "1e999")),
    *(
        "1e999",
        "2e999",
        "-1e999",
        "9223372036854775808",
        '"9223372036854775808"',
        '"\\\\#1e999"',
        '"\\\\\\"\\\\ud800\\""',
    ),
    *(f'"{"x" * (TEXT_BYTES_MAX + n)}"' for n in (0, 1, 2)),
    *("[" * n + "]" * n for n in (15, 16, 17, 30)),
]


def test_no_two_originals_read_the_same_where_things_are_named() -> None:
    bodies = [b'{"odd":"\\u0000","a":%b}' % one.encode() for one in ORIGINALS]
    bodies += [b'{"odd":"\\u0000",%b:1}' % one.encode() for one in ORIGINALS if one.startswith('"')]
    read = [json.dumps(decode_document(body).naming(0), sort_keys=True) for body in bodies]
    assert len(set(read)) == len(bodies)


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


def test_a_key_may_stand_in_several_objects() -> None:
    assert decode_object(b'{"a":{"b":1},"b":{"a":1}}') == {"a": {"b": 1}, "b": {"a": 1}}


@given(said=st.dictionaries(st.text(max_size=4), JSON, max_size=4), ascii_only=st.booleans())
def test_what_is_accepted_is_what_was_sent_or_named_and_every_holder_can_hold_it(said, ascii_only) -> None:
    body = json.dumps(said, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        document = decode_document(body)
    except Malformed:
        return
    decoded = document.plain
    assert decoded == said or document.problems
    text = json.dumps(decoded, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
    with closing(sqlite3.connect(":memory:")) as database:
        for value in decoded.values():
            held = value if isinstance(value, (int, float, str)) else None
            assert database.execute("SELECT ?", (held,)).fetchone() == (held,)


@given(body=st.binary(max_size=60) | st.text(st.sampled_from('{}[]":,0123456789eE.+-\\u dantrflsNI\n')).map(str.encode))
def test_no_bytes_raise_anything_but_malformed(body) -> None:
    try:
        document = decode_document(body)
    except Malformed as error:
        assert error.detail  # noqa: PT017
    else:
        document.original(escape=True), document.original(escape=False), document.naming(0), document.naming(-1)
        assert document.problems or document.plain == json.loads(body)


def test_a_document_in_which_nothing_is_odd_reads_one_way_whoever_asks() -> None:
    document = decode_document(b'{"a": 1, "b": ["c"]}')
    assert document.plain == {"a": 1, "b": ["c"]}
    assert [document.original(escape=True), document.original(escape=False)] == [document.plain] * 2
    assert [document.naming(0), document.naming(-1)] == [document.plain] * 2


def test_a_doubled_key_cannot_even_be_taken_out() -> None:
    read = decode_document(b'{"a": 1, "a": 2, "b": 3}').original(escape=True)
    assert read.pop("b") == 3
    assert read.pop("b", None) is None
    with pytest.raises(Malformed, match="the key a is there twice"):
        read.pop("a")
