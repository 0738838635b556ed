"""The window that every bound of so many in so many seconds counts with."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.sliding_window import SlidingWindow, SlidingWindows

TIMES = st.lists(st.integers(0, 40), max_size=40).map(sorted)


@given(TIMES, st.integers(1, 10), st.integers(1, 5))
def test_it_holds_what_a_look_at_every_time_says(times: list[int], seconds: int, most: int) -> None:
    window = SlidingWindow(seconds)
    for position, now in enumerate(times):
        window.add(now)
        recent = [at for at in times[: position + 1] if at + seconds > now]
        assert window.count(now) == len(recent)
        wait = window.wait(now, most)
        assert (wait == 0.0) is (len(recent) < most)
        assert sum(at + seconds > now + wait for at in recent) < most
        assert wait == 0.0 or sum(at + seconds > now + wait - 0.5 for at in recent) >= most


def test_a_window_that_holds_nothing_has_nothing_to_wait_for() -> None:
    window = SlidingWindow(10)
    assert window.wait(5.0, 0) == 0.0
    window.add(5.0)
    assert window.wait(6.0, 0) == 9.0


def test_the_key_that_was_asked_for_longest_ago_is_forgotten() -> None:
    windows = SlidingWindows(10, 2)
    windows.window_of("a").add(0.0)
    windows.window_of("b").add(0.0)
    windows.window_of("a")
    windows.window_of("c")
    assert len(windows) == 2
    assert windows.window_of("a").count(1.0) == 1
    assert windows.window_of("b").count(1.0) == 0
