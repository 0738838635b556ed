"""The short way of a line: what comes out of it is what the usual way would have written, or it is not taken."""

from __future__ import annotations

import io
import json
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.model import EventId
from gateway.runtime import logs
from gateway.runtime.line_writer import BYTES_MAX, LineFacts, LineWriter
from gateway.runtime.plain_lines import PlainLogger
from gateway.text.redaction import MASK, Redactor, learn_secret, masked_within
from tests.patience import PATIENCE_S

SECRET = "hidden-plain-line-7f3a"  # a secret of this test alone

VALUES: list[dict[str, Any]] = [
    {"source": "live", "id": "0" * 32, "new": True, "sinks": ["app", "chat"], "subject": "a/b/c", "seconds": 0.25},
    {"id": EventId("ab" * 16), "sinks": [], "none": None, "number": -7},
    {"subject": 'a "quoted" one'},
    {"subject": "back\\slash"},
    {"subject": "two\nlines"},
    {"subject": "del\x7fete"},
    {"subject": "Bjørn 录制"},
    {"subject": "turned \u202e round"},
    {"subject": "half \ud800"},
    {"detail": f"token={SECRET}"},
    {"detail": "https://user:pass@example.com/a?signature=abc#part"},
    {"detail": "https://example.com/plain"},
    {"sinks": [SECRET]},
    {"odd": object},
    {"nested": {"key": SECRET}},
]


def written(logger: Any, values: dict[str, Any]) -> str:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    logger("test").info("event", **values)
    return re.sub(r'"ts":"[^"]{24}"', '"ts":""', stream.getvalue())


@pytest.mark.parametrize("values", VALUES, ids=lambda values: ascii(values)[:60])
def test_the_short_way_writes_what_the_usual_way_would(values: dict[str, Any]) -> None:
    learn_secret(SECRET)
    line = written(PlainLogger, values)
    assert line == written(structlog.get_logger, values)
    assert SECRET not in line
    assert line.count("\n") == 1
    json.loads(line)


@pytest.mark.parametrize(("level", "format"), [("warning", "json"), ("info", "text"), ("info", "json")])
def test_a_level_and_a_format_hold_for_the_short_way_too(level: str, format: str) -> None:
    lines = []
    for logger in (PlainLogger, structlog.get_logger):
        stream = io.StringIO()
        logs.configure(level, format, stream)
        logger("test").info("event", id="a")
        lines.append(re.sub(r"\d{4}-[^Z]*Z", "", stream.getvalue()))
    assert lines[0] == lines[1]
    assert bool(lines[0]) is (level == "info")


def test_whoever_captures_lines_sees_those_of_the_short_way() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    with structlog.testing.capture_logs() as lines:
        PlainLogger("test").info("event", id="a")
    assert lines == [{"event": "event", "id": "a", "log_level": "info"}]
    assert stream.getvalue() == ""


class Threaded:
    """A file whose lines a thread writes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lines"
        with self._path.open("w") as stream:  # the writer has a descriptor of its own
            logs.configure("info", "json", stream, threaded=True)

    def written(self) -> list[dict[str, Any]]:
        """All that was said."""
        assert logs.flush(PATIENCE_S)
        return [json.loads(line) for line in self._path.read_text().splitlines()]


def test_lines_that_the_thread_puts_together_are_as_one_by_one_and_in_order(tmp_path: Path) -> None:
    learn_secret(SECRET)
    threaded = Threaded(tmp_path)
    plain, usual = PlainLogger("test"), structlog.get_logger("test")
    for number, values in enumerate(VALUES * 3):
        plain.info("event", place=number, **values)
        if number % 4 == 0:
            usual.warning("between", place=number)
    found = threaded.written()
    one_by_one: list[dict[str, Any]] = []
    for number, values in enumerate(VALUES * 3):
        one_by_one.append(json.loads(written(PlainLogger, {"place": number, **values})))
        if number % 4 == 0:
            one_by_one.append({"level": "warning", "event": "between", "place": number})
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts")) for line in found)
    assert found == [{name: value for name, value in line.items() if name != "ts"} for line in one_by_one]
    assert SECRET not in json.dumps(found)


def test_a_line_has_the_moment_it_was_said_at(tmp_path: Path) -> None:
    threaded = Threaded(tmp_path)
    at = 1_700_000_000_123
    assert PlainLogger.lines is not None
    lines = PlainLogger.lines.render(
        [LineFacts(at + 1000 * n, "event", {"subject": text}) for n, text in enumerate("aé")]
    )
    assert [json.loads(line)["ts"] for line in lines] == ["2023-11-14T22:13:20.123Z", "2023-11-14T22:13:21.123Z"]
    assert list(json.loads(lines[1])) == ["ts", "level", "event", "subject"]
    assert threaded.written() == []


def test_what_only_a_task_masks_is_masked_in_a_line_that_a_thread_writes(tmp_path: Path) -> None:
    threaded = Threaded(tmp_path)
    own = Redactor()
    own.learn("known-to-this-task-alone")
    with masked_within(own):
        PlainLogger("test").info("event", detail="known-to-this-task-alone")
    PlainLogger("test").info("event", detail="plain")
    assert [line["detail"] for line in threaded.written()] == [MASK, "plain"]


@pytest.mark.parametrize(("trouble", "lost"), [(MemoryError, 0), (ZeroDivisionError, 1)])
def test_a_line_that_cannot_be_put_together_is_put_together_later_or_counted(
    trouble: type[Exception], lost: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    threaded = Threaded(tmp_path)
    writer = logs._writers[-1]
    render, failed = writer.render, threading.Event()

    def fails_once(facts: Sequence[LineFacts]) -> list[bytes]:
        if failed.is_set():
            return render(facts)
        failed.set()
        raise trouble

    monkeypatch.setattr(writer, "render", fails_once)
    PlainLogger("test").info("event", number=1)
    assert failed.wait(PATIENCE_S)
    PlainLogger("test").info("event", number=2)
    found = threaded.written()
    assert writer.dropped == lost
    assert [line["number"] for line in found if line["event"] == "event"] == [1, 2][lost:]


class Unspeakable:
    def __str__(self) -> str:
        raise KeyError("no text")


def test_a_value_without_a_text_takes_no_other_line_with_it(tmp_path: Path) -> None:
    threaded = Threaded(tmp_path)
    assert PlainLogger.lines is not None
    each: list[dict[str, object]] = [{"number": 1}, {"number": 2, "odd": Unspeakable()}, {"number": 3}]
    assert PlainLogger.lines.put_all("event", each)
    found = threaded.written()
    assert [line.get("number") for line in found] == [1, None, 3]
    assert found[1]["unwritable"] == "KeyError"


def test_texts_that_wait_to_be_put_together_are_bounded_as_lines_are(tmp_path: Path) -> None:
    """Names that a stranger chose are long, and whoever reads the log does not."""
    reader, pipe = os.pipe()
    with os.fdopen(pipe, "w") as stream:
        logs.configure("info", "json", stream, threaded=True)
    writer = logs._writers[-1]
    assert isinstance(writer, LineWriter)
    for number in range(100):
        PlainLogger("test").say_all("event", [{"number": number, "subject": "x" * (BYTES_MAX // 20)}, {"number": -1}])
    waiting = [fact for fact in list(writer._waiting) if isinstance(fact, LineFacts)]
    assert sum(len(str(fact.values.get("subject", ""))) for fact in waiting) <= BYTES_MAX
    assert 0 < writer._bytes <= BYTES_MAX
    assert writer.dropped >= 200 - 2 * 21
    os.close(reader)
    assert logs.flush(PATIENCE_S)
    assert writer._bytes == 0
