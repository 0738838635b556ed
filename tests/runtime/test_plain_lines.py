"""The short way of a line: what comes out of it is what the usual way would have written, or it is not taken."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
import structlog

from gateway.model import EventId
from gateway.runtime import logs
from gateway.runtime.plain_lines import PlainLogger
from gateway.text.redaction import learn_secret

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
