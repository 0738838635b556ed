"""The fast way through a document gives what the careful way gives."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import Malformed
from gateway.text import strict_json
from gateway.text.strict_json import (
    INTEGER_MAX,
    KEY_CHARS_MAX,
    NODES_MAX,
    TEXT_BYTES_MAX,
    Document,
    decode_document,
)
from tests.examples import examples

# --- the fast way: it gives what the careful way gives, or leaves it to that ---------------------------------------------

_TEXTS = st.text(st.sampled_from('ab:"\\ é\u0000{}[],'), max_size=6) | st.sampled_from(
    ["app", "http://a:b/c", "\\u003a"]
)


_SPACES = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])


def _spelt(text: str, escape: int) -> str:
    """A JSON text in one of its spellings: as it is, with every letter escaped in small or large digits, or one of them."""
    if escape == 0:
        return json.dumps(text)
    if escape == 1:
        return json.dumps(text, ensure_ascii=False)
    chosen = range(len(text)) if escape < 4 else range(1)
    digits = "%04x" if escape % 2 else "%04X"
    return '"' + "".join(
        "\\u" + digits % ord(letter) if n in chosen else json.dumps(letter)[1:-1] for n, letter in enumerate(text)
    ) + '"'  # fmt: skip


_SPELT = st.builds(_spelt, _TEXTS, st.integers(0, 5))


_LEAVES = _SPELT | st.sampled_from(
    ["null", "true", "0", "-0", "1.5", "1e5", "-1e-7", str(2**63), str(-(2**63)), "1e400", "NaN"]
)


@st.composite
def _objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """An object whose keys may be there twice, in other spellings and with white space anywhere."""
    pairs: list[tuple[str, str]] = draw(st.lists(st.tuples(_SPELT, values), max_size=4))
    if pairs and bool(draw(st.booleans())):
        pairs.append((draw(st.sampled_from(pairs))[0], draw(values)))
    space = draw(_SPACES)
    return "{" + ",".join(f"{key}{space}:{space}{value}" for key, value in pairs) + "}"


_DOCUMENTS = _objects(
    st.recursive(
        _LEAVES,
        lambda inner: st.lists(inner, max_size=3).map(",".join).map("[{}]".format) | _objects(inner),
        max_leaves=6,
    )
)


@given(body=_DOCUMENTS.map(str.encode))
@example(body=b'{"app" :1,"app":2}')
@example(body=b'{"app":1,"\\u0061pp":2}')
@example(body=b'{"app":"x\\u003ay","app":2}')
@example(body=b'{"a":{"b":"::","b":1}}')
@example(body=b'{":":1,"a":":","a":1}')
@examples(200)
def test_the_fast_way_never_misses_a_key_that_is_there_twice(body: bytes) -> None:
    doubled = []

    def pairs(found: list[tuple[str, object]]) -> dict[str, object]:
        doubled.extend(key for key, _ in found if [one for one, _ in found].count(key) > 1)
        return dict(found)

    json.loads(body, object_pairs_hook=pairs)
    plain = strict_json._decode_plain(body, NODES_MAX)
    assert not (doubled and plain is not None)


def _outcome(decode: Callable[[bytes], Document], body: bytes) -> object:
    try:
        document = decode(body)
        return json.dumps(document.plain), list(document.problems), list(document.doubled)
    except Malformed as error:
        return str(error)


@given(
    body=_DOCUMENTS.map(str.encode)
    | st.recursive(st.integers() | st.floats(), lambda inner: st.lists(inner, max_size=3), max_leaves=5).map(
        lambda value: json.dumps({"a": value}).encode()
    )
    | st.binary(max_size=40)
    | st.text(st.sampled_from('{}[]":,0123456789eE.+-\\u dantrflsNI\n'), max_size=30).map(
        lambda text: f'{{"a":{text}}}'.encode()
    )
)
@examples(200)
def test_the_fast_way_gives_what_the_careful_way_gives(body: bytes) -> None:
    assert _outcome(decode_document, body) == _outcome(lambda one: strict_json._decode_with_care(one, NODES_MAX), body)


@given(body=_objects(_LEAVES).map(str.encode))
@example(body=b'{"a":"","b":1,"b":""}')
@example(body=b'{"a":1,"a":"","":0}')
@example(body=b'{"app" :1,"app":":"}')
@examples(200)
def test_what_is_read_flat_is_what_is_read_plainly(body: bytes) -> None:
    flat = strict_json._decode_flat(body, NODES_MAX)
    plain = strict_json._decode_plain(body, NODES_MAX)
    if flat is not None:
        assert repr(flat) == repr(plain)
    elif plain is not None:
        assert b"\\" in body


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("k" * KEY_CHARS_MAX, '"x"', True),
        ("k" * (KEY_CHARS_MAX + 1), '"x"', False),
        ("a", f'"{"x" * (TEXT_BYTES_MAX // 4)}"', True),
        ("a", f'"{"x" * (TEXT_BYTES_MAX // 4 + 1)}"', False),
        ("a", str(INTEGER_MAX), True),
        ("a", str(INTEGER_MAX + 1), False),
        ("a", str(-INTEGER_MAX), True),
        ("a", str(-INTEGER_MAX - 1), False),
        ("a", "[]", False),
        ("a", "1e400", False),
    ],
)
def test_the_bounds_hold_for_what_is_read_flat(key: str, value: str, read: bool) -> None:
    body = f'{{"{key}":{value}}}'.encode()
    assert (strict_json._decode_flat(body, 2) is not None) == read
    assert strict_json._decode_flat(body, 1) is None


def test_what_vendors_send_goes_the_fast_way() -> None:
    said = {
        "event_type": "RECORD",
        "url": "https://a.example/b?c=d:e",
        "at": "2026-01-01T00:00:00Z",
        "size": 5,
        "in": [{"x": 1.5}],
    }
    for body in (json.dumps(said), json.dumps(said, indent=2), json.dumps(said, separators=(",", ":"))):
        assert strict_json._decode_plain(body.encode(), NODES_MAX) == said
        flat = {key: value for key, value in said.items() if key != "in"}
        assert strict_json._decode_flat(json.dumps(flat).encode(), NODES_MAX) == flat
