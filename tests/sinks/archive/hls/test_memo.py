"""Which files are there is short in a memo, however many they are and in whichever order they came."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.sinks.archive.hls.copied_files import CopiedFiles

COUNT = 30


@given(st.permutations(range(COUNT)), st.lists(st.integers(0, COUNT), max_size=4))
def test_what_was_added_is_known_after_any_restart(order: list[int], restarts: list[int]) -> None:
    memo: dict[str, Any] = {}
    copied = CopiedFiles(memo, COUNT)
    for place, number in enumerate(order):
        if place in restarts:
            memo = json.loads(json.dumps(memo))
            copied = CopiedFiles(memo, COUNT)
        assert number not in copied
        copied.add(number, 10)
        assert [n for n in range(COUNT) if n in copied] == sorted(order[: place + 1])
        assert (len(copied), copied.size_bytes, copied.last) == (place + 1, 10 * (place + 1), max(order[: place + 1]))


def test_a_hundred_thousand_files_of_which_the_first_fails_are_a_small_memo() -> None:
    memo: dict[str, Any] = {}
    copied = CopiedFiles(memo, 100_000)
    for number in range(1, 100_000):
        copied.add(number, 10**7)
    assert memo == {"end": 100_000, "missing": [0], "bytes": 99_999 * 10**7}


@pytest.mark.parametrize(
    "memo",
    [{}, {"end": -1}, {"end": True, "missing": [], "bytes": 0}, {"end": 31, "missing": [], "bytes": 1}, {"end": 2}, {"end": 2, "missing": {}, "bytes": 0}],
)  # fmt: skip
def test_a_memo_that_is_not_ours_says_nothing(memo: dict[str, Any]) -> None:
    copied = CopiedFiles(memo, COUNT)
    assert (len(copied), copied.size_bytes, copied.last) == (0, 0, -1)
