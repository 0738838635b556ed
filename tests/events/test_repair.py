"""What no store could hold is repaired in place and named, whatever form a source read it of: values that JSON never gives too."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.events.event_annotations import original_of
from gateway.events.repair import make_storable
from gateway.model import Event, Fault, File
from gateway.testing import event
from gateway.text.json_bounds import DEPTH_MAX, INTEGER_MAX, KEY_CHARS_MAX


def repaired(**fields: Any) -> Event:
    it = event(**fields)
    make_storable(it)
    return it


def nested(depth: int, innermost: object) -> object:
    return innermost if depth == 0 else {"in": nested(depth - 1, innermost)}


def test_a_number_that_no_store_holds_becomes_its_digits() -> None:
    mended = repaired(extra={"most": INTEGER_MAX, "more": INTEGER_MAX + 1, "list": [1, -INTEGER_MAX - 2]})
    assert mended.extra == {"most": INTEGER_MAX, "more": str(INTEGER_MAX + 1), "list": [1, str(-INTEGER_MAX - 2)]}
    assert mended.problems == ("more", "list[1]")


def test_one_of_more_digits_than_python_writes_keeps_its_value() -> None:
    number = 10**5000 + 7
    mended = repaired(extra={"long": number, number: 1}, files=(File(size_bytes=number),))
    assert mended.problems == ("files[0].size_bytes", "long", hex(number)[:KEY_CHARS_MAX])
    assert int(mended.extra["long"], 16) == number


def test_two_originals_of_so_many_digits_are_told_apart() -> None:
    first, second, again = (repaired(extra={"in": [{"long": 10**5000 + n}]}) for n in (1, 2, 1))
    assert original_of(first) == original_of(again) != original_of(second)


def test_what_is_nested_too_deep_is_left_out_and_its_neighbours_stay() -> None:
    mended = repaired(extra={"deep": nested(DEPTH_MAX, {"lost": 1}), "list": [nested(DEPTH_MAX, [1]), 2], "kept": 3})
    assert mended.extra["kept"] == 3
    assert mended.extra["deep"] == nested(DEPTH_MAX - 2, {})
    assert mended.extra["list"][1] == 2
    assert [one.partition(".")[0] for one in mended.problems] == ["deep", "list[0]"]


@pytest.mark.parametrize(
    ("key", "name"), [(7, "7"), (None, "None"), ("a\0b", "a\ufffdb"), ("k" * 999, "k" * KEY_CHARS_MAX)]
)
def test_a_key_that_is_no_text_or_no_store_holds_is_mended(key: object, name: str) -> None:
    mended = repaired(extra={key: {"a": 1}})
    assert (dict(mended.extra), mended.problems) == ({name: {"a": 1}}, (name,))


def test_of_two_keys_that_become_one_the_first_stays() -> None:
    mended = repaired(extra={"7": "text", 7: "number", "b\0": 1, "b\ufffd": 2})
    assert mended.extra == {"7": "text", "b\ufffd": 2}
    assert mended.problems == ("7", "b\ufffd")


def test_a_number_of_a_file_never_becomes_a_text() -> None:
    mended = repaired(files=(File(size_bytes=INTEGER_MAX + 1, width=1), File(size_bytes=1)))
    assert [(file.size_bytes, file.width) for file in mended.files] == [(None, 1), (1, None)]
    assert mended.problems == ("files[0].size_bytes",)


def test_a_long_list_of_what_is_odd_ends_and_what_a_source_named_is_not_named_again() -> None:
    mended = repaired(problems=("a", "b\0"), extra={"a": INTEGER_MAX + 1, "c": "\0"})
    assert mended.problems == ("a", "b\ufffd", "c")
    assert 10 < len(repaired(extra={str(n): "\0" for n in range(10_000)}).problems) < 1000


def test_two_originals_that_are_repaired_to_one_are_told_apart() -> None:
    mended, clean = (repaired(error=Fault(message=text)) for text in ("a\0", "a\ufffd"))
    assert mended.error == clean.error
    assert (mended.problems, clean.problems) == (("error.message",), ())
    assert original_of(mended) != original_of(clean) == b""
