"""How often something happened lately: the one way to count for every bound that says so many in so many seconds."""

from __future__ import annotations

from collections import OrderedDict, deque


class SlidingWindow:
    """What happened in the last `seconds`, however it was spread. Times are monotonic seconds and never go back."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._times: deque[float] = deque()

    def add(self, now: float) -> None:
        """It happens once more."""
        self._times.append(now)

    def count(self, now: float) -> int:
        """How often it happened in the window that ends at `now`."""
        while self._times and self._times[0] + self.seconds <= now:
            self._times.popleft()
        return len(self._times)

    def wait(self, now: float, most: int) -> float:
        """Seconds until the window holds fewer than `most`, or nothing; 0.0: it does."""
        over = self.count(now) - most
        if over < 0 or not self._times:
            return 0.0
        return self._times[min(over, len(self._times) - 1)] + self.seconds - now


class SlidingWindows:
    """A window for each key; past `keys_max` the key that was asked for longest ago is forgotten, because keys come from outside."""

    def __init__(self, seconds: float, keys_max: int) -> None:
        self._seconds = seconds
        self._keys_max = keys_max
        self._windows: OrderedDict[str, SlidingWindow] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def window_of(self, key: str) -> SlidingWindow:
        """The window of this key."""
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = SlidingWindow(self._seconds)
            if len(self._windows) > self._keys_max:
                self._windows.popitem(last=False)
        self._windows.move_to_end(key)
        return window
