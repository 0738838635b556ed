"""The lines that are written for every event: one encoder and one look for secrets, without structlog's proxies.

What is not plain (a text with an escape, a secret, a URL with arguments) goes the usual way and comes out the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from gateway.compact_json import encode_struct_or_str, encode_structs_or_str
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.line_writer import FACTS_BYTES, LineFacts, LineOutput
from gateway.runtime.traces import current
from gateway.text.redaction import masks_more, redact

_INFO_LEVEL: Final = 20


class PlainLines:
    """Where lines of level `info` go while the log is JSON in UTF-8; `processors` are structlog's, of which ours is `last`."""

    def __init__(self, output: LineOutput, processors: list[object], last: Callable[..., str]) -> None:
        self._output = output
        self._processors = processors
        self._last = last
        self._second = (0, "")  # of the last line, with its date and time
        self._last_head: tuple[tuple[int, str], bytes] = (0, ""), b""
        output.render = self.render

    def put_all(self, event: str, each: Sequence[Mapping[str, object]], *, short: bool = False) -> bool:
        """Have a line of each written; False: they have to go the usual way. `short`: none is longer than nearly all."""
        if not self._processors or self._processors[-1] is not self._last:  # somebody else listens, such as a test
            return False
        if current.get() is not None:  # inside a trace, which the usual way adds
            return False
        at = time.time_ns() // 1_000_000
        many = []
        for values in each:  # not a comprehension, which is a call for what is mostly one line
            many.append(LineFacts(at, event, values, FACTS_BYTES if short else _size_of(values)))
        if masks_more():  # the writer's thread does not know what this task masks
            for line in self.render(many):
                self._output.write_line(line.decode().removesuffix("\n"))
        else:
            self._output.put_facts(many)
        return True

    def render(self, facts: Sequence[LineFacts]) -> list[bytes]:
        """Their lines, as the usual way would write them. Encoded and looked at together, which takes a third of the time."""
        try:
            bodies = encode_structs_or_str([fact.values for fact in facts]).splitlines(keepends=True)
        except MemoryError:
            raise
        except Exception:  # a value of one whose `__str__` fails, or that holds itself: the others are lines
            bodies = []
        if len(bodies) != len(facts) or b"{}\n" in bodies:
            return [self._usual(fact) for fact in facts]
        lines = [self._head(fact.at, fact.event) + body[1:] for fact, body in zip(facts, bodies, strict=True)]
        # no secret that has no line's end in it is in two lines, see redact_event
        if _is_plain(b"".join(lines)):
            return lines
        return [line if _is_plain(line) else self._usual(fact) for line, fact in zip(lines, facts, strict=True)]

    def _usual(self, fact: LineFacts) -> bytes:
        line = self._last(None, "info", {"event": fact.event, "ts": self._time(fact.at), **fact.values})
        return (line + "\n").encode("utf-8", "backslashreplace")

    def _head(self, at: int, event: str) -> bytes:
        """The beginning of a line, before what its values say: the same for many."""
        known, head = self._last_head
        if known != (at, event):
            head = encode_struct_or_str({"ts": self._time(at), "level": "info", "event": event})[:-1] + b","
            self._last_head = (at, event), head
        return head

    def _time(self, at: int) -> str:
        second, milliseconds = divmod(at, 1000)
        known, head = self._second
        if second != known:
            head = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._second = second, head
        return f"{head}{milliseconds:03d}Z"


def _size_of(values: Mapping[str, object]) -> int:
    """Bytes that they keep in memory, where that is more than nearly always: a name of a stream may be as long as a body."""
    texts = 0
    for value in values.values():
        if isinstance(value, str):
            texts += len(value)
    return FACTS_BYTES if texts <= FACTS_BYTES else FACTS_BYTES + texts


def _is_plain(lines: bytes) -> bool:
    """Whether every text in them stands there as it is, and holds no secret: where it stands as it is, finding none in the
    line is finding none in the text."""
    if not lines.isascii() or b"\\" in lines or b"\x7f" in lines:
        return False
    text = lines.decode("ascii")
    return redact(text) == text


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
        self.say_all(event, (values,))

    def say_all(self, event: str, each: Sequence[Mapping[str, object]], *, short: bool = False) -> None:
        """A line of each of these, which are of one moment. `short`: all of their texts are, so that nobody need look."""
        if self.lines is None or not self.lines.put_all(event, each, short=short):
            for values in each:
                self.usual.info(event, **values)


def use(lines: PlainLines | None) -> None:
    """For `logs.configure`: the short way from now on; None: there is none."""
    PlainLogger.lines = lines
