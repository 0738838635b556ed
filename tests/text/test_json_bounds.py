"""How deep, wide and long a document may be, and that no more than that is read."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from gateway.errors import Malformed
from gateway.text import strict_json
from gateway.text.json_bounds import UNVERIFIED_NODES_MAX
from gateway.text.json_tree import decode
from gateway.text.strict_json import (
    DEPTH_MAX,
    INTEGER_MAX,
    KEY_CHARS_MAX,
    NODES_MAX,
    TEXT_BYTES_MAX,
    decode_document,
    decode_object,
)
from tests.text.documents import nested

# --- the bounds, from both sides


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (nested(DEPTH_MAX), nested(DEPTH_MAX + 1)),
        (nested(DEPTH_MAX - 1, "[]"), nested(DEPTH_MAX, "[]")),
        (b'{"' + b"k" * KEY_CHARS_MAX + b'":1}', b'{"' + b"k" * (KEY_CHARS_MAX + 1) + b'":1}'),
        (b'{"a":"' + b"x" * TEXT_BYTES_MAX + b'"}', b'{"a":"' + b"x" * (TEXT_BYTES_MAX + 1) + b'"}'),
        (
            b'{"a":["' + "é".encode() * (TEXT_BYTES_MAX // 2) + b'"]}',
            b'{"a":["' + "é".encode() * (TEXT_BYTES_MAX // 2 + 1) + b'"]}',
        ),
        (b'{"a":%d}' % INTEGER_MAX, b'{"a":%d}' % (INTEGER_MAX + 1)),
        (b'{"a":%d}' % -INTEGER_MAX, b'{"a":%d}' % (-INTEGER_MAX - 1)),
        (b'{"a":1.7976931348623157e308}', b'{"a":1.8e308}'),
    ],
    ids=["depth", "depth of lists", "key", "text", "text in bytes", "integer", "negative", "float"],
)
def test_what_is_inside_the_bounds_is_kept_and_what_is_not_is_repaired(inside, outside) -> None:
    assert decode_document(inside).plain == json.loads(inside)
    assert decode_document(inside).problems == ()
    assert len(decode_document(outside).problems) == 1


@pytest.mark.parametrize("most", [UNVERIFIED_NODES_MAX, NODES_MAX])
@pytest.mark.parametrize("value", ["1", "[]", "{}", '"a,b[{"', '"\\""', "1.5", "null"])
def test_the_number_of_values_is_exact(most: int, value: str) -> None:
    document: Any = decode_object(f'{{"a":[{",".join([value] * (most - 2))}]}}'.encode(), most)
    assert len(document["a"]) == most - 2
    with pytest.raises(Malformed, match=f"more than {most} values"):
        decode_object(f'{{"a":[{",".join([value] * (most - 1))}]}}'.encode(), most)


WIDE = {
    "lists": b"[],",
    "objects": b"{},",
    "numbers": b"1,",
    "texts": b'"",',
    "long numbers": b"1e999,",
    "pairs": b'{"":0},',
}


@pytest.mark.parametrize("name", WIDE)
def test_what_is_too_wide_is_refused_before_it_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(text: str) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(strict_json, "_decode_fast", never)
    monkeypatch.setattr(strict_json, "decode", never)
    body = b'{"a":[' + WIDE[name] * (262_144 // len(WIDE[name])) + b"1]}"
    with pytest.raises(Malformed, match="more than 1000 values"):
        decode_object(body, UNVERIFIED_NODES_MAX)


@pytest.mark.parametrize(
    "body",
    [rb'{"a":"\ud800"}', b'{"a":1,"a":2}', b'{"a":1e999}', b'{"a":99999999999999999999}', b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
     b'{"' + b"k" * 300 + b'":1}', b"\xef\xbb\xbf{}", b'{"a":', b"[1]"],
)  # fmt: skip
def test_what_is_odd_is_decoded_once_more_and_no_more(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    usual = decode

    def counting(text: str) -> object:
        counted.append(text)
        return usual(text)

    monkeypatch.setattr(strict_json, "decode", counting)
    with contextlib.suppress(Malformed):
        strict_json.decode_document(body)
    assert len(counted) == 1


def test_commas_and_brackets_inside_texts_are_no_values() -> None:
    text = "a,b;[c]{d}:" * 5000
    body = json.dumps({"error_message": text, "more": ['\\",\\"' * 100]}).encode()
    assert decode_object(body, UNVERIFIED_NODES_MAX)["error_message"] == text
