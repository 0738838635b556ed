"""The line on a long delivery: how far it is, in 80 columns, whatever its sink says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.progress_line import progress_line
from gateway.store.admin.shown_rows import UnderWay

AMOUNT = st.none() | st.integers(0, 2**63 - 1)


@pytest.mark.parametrize(
    ("done", "total", "text", "line"),
    [
        (2 * 10**9, 5 * 10**9, "segment 3", "copy [####      ] 40% 2 GB of 5 GB, segment 3 (delivery 7)"),
        (12, None, "", "copy 12 B (delivery 7)"),
        (None, None, "waits for more", "copy, waits for more (delivery 7)"),
        (9, 5, "", "copy [##########] 100% 9 B of 5 B (delivery 7)"),
        (0, 0, "", "copy 0 B of 0 B (delivery 7)"),
    ],
    ids=["bar", "no total", "words alone", "more than all", "nothing"],
)
def test_it_says_how_far_it_is(done: int | None, total: int | None, text: str, line: str) -> None:
    assert progress_line("copy", UnderWay(delivery=7, event_ref="x", done=done, total=total, text=text)) == line


@given(done=AMOUNT, total=AMOUNT, text=st.text(max_size=200))
def test_it_fits_a_terminal(done: int | None, total: int | None, text: str) -> None:
    line = progress_line("s" * 60, UnderWay(delivery=2**40, event_ref="x", done=done, total=total, text=text))
    assert len(line) <= 80
    assert line.endswith(f"(delivery {2**40})")
