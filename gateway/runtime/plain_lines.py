"""The lines that are written for every event: one encoder and one look for secrets, without structlog's proxies.

What is not plain (a text with an escape, a secret, a URL with arguments) goes the usual way and comes out the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Final

from gateway.compact_json import encode_struct_or_str
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.traces import current
from gateway.text.redaction import redact

_INFO_LEVEL: Final = 20


class PlainLines:
    """Where lines of level `info` go while the log is JSON in UTF-8; `processors` are structlog's, of which ours is `last`."""

    def __init__(self, put: Callable[[str], None], processors: list[object], last: object) -> None:
        self._put = put
        self._processors = processors
        self._last = last
        self._second = 0  # of the last line
        self._head = ""  # its date and time

    def put(self, event: str, values: Mapping[str, object]) -> bool:
        """Write the line, if nothing in it has to be looked at more closely; False: it was not written."""
        if not self._processors or self._processors[-1] is not self._last:  # somebody else listens, such as a test
            return False
        if current.get() is not None:  # inside a trace, which the usual way adds
            return False
        try:
            line = encode_struct_or_str({"ts": self._now(), "level": "info", "event": event, **values}).decode()
        except (RecursionError, TypeError, ValueError):
            return False
        # Only where every text stands in the line as it is, finding no secret in the line is finding none in its texts.
        if not line.isascii() or "\\" in line or "\x7f" in line or redact(line) != line:
            return False
        self._put(line)
        return True

    def _now(self) -> str:
        second, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
        if second != self._second:
            self._head = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._second = second
        return f"{self._head}{milliseconds:03d}Z"


class PlainLogger:
    """A logger whose `info` takes the short way where there is one. All else is structlog's."""

    lines: ClassVar[PlainLines | None] = None  # of the process

    def __init__(self, name: str) -> None:
        self.usual = import_structlog().get_logger(name)

    def info(self, event: str, **values: object) -> None:
        """As structlog's."""
        self.say(event, values)

    def say(self, event: str, values: Mapping[str, object]) -> None:
        """`info`, for a line that is put together already."""
        if self.lines is None or not self.lines.put(event, values):
            self.usual.info(event, **values)


def use(lines: PlainLines | None) -> None:
    """For `logs.configure`: the short way from now on; None: there is none."""
    PlainLogger.lines = lines
