"""One line a thing that happened, and no secret in it."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from gateway.runtime import logs
from gateway.runtime.clock import FrozenClock
from gateway.text import redaction

# T04, T13, T15 of the hostile corpus, and a line break
HOSTILE = ["\x1b[2J\x1b]0;t\x07", "\u202egnp.exe", "a\u2028b", 'x\r\n{"event":"forged"}', "\x9b31m", "\ud800"]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    structlog.reset_defaults()
    root.setLevel(level)
    for handler in root.handlers[:]:
        if isinstance(handler, logs.LibraryHandler):
            root.removeHandler(handler)
    logging.captureWarnings(False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _configured(format: str, stream: Any = None, **more: Any) -> io.StringIO:
    stream = io.StringIO() if stream is None else stream
    logging.captureWarnings(False)  # because an earlier test may have left it on, and pytest put its own back
    logs.configure("debug", format, stream, **more)
    return stream


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("value", HOSTILE)
def test_whatever_comes_from_outside_stays_one_line_without_controls(format: str, value: str) -> None:
    stream = _configured(format)
    structlog.get_logger().info("event", stream=value, nested={"deep": [value]})
    logging.getLogger("library").error("bad %s", value)
    lines = stream.getvalue().split("\n")
    assert len(lines) == 3
    assert lines[2] == ""
    for line in lines:
        assert all(character.isprintable() for character in line)
        assert len(line.splitlines()) <= 1


@pytest.mark.parametrize("value", HOSTILE)
def test_keys_and_event_texts_are_escaped_too(value: str) -> None:
    for format in ("text", "json"):
        stream = _configured(format)
        structlog.get_logger().warning(value, **{value: 1})
        assert all(character.isprintable() for character in stream.getvalue().removesuffix("\n"))


def test_json_lines_are_objects_with_time_level_and_event_first() -> None:
    stream = _configured("json")
    structlog.get_logger().bind(sink="app").warning("attempt", seconds=0.25, ok=False, why=None, 中="文")
    entry = json.loads(stream.getvalue())
    assert list(entry) == ["ts", "level", "event", "sink", "seconds", "ok", "why", "中"]
    assert datetime.fromisoformat(entry.pop("ts")).tzinfo == UTC
    assert entry == {
        "level": "warning",
        "event": "attempt",
        "sink": "app",
        "seconds": 0.25,
        "ok": False,
        "why": None,
        "中": "文",
    }


def test_text_is_readable() -> None:
    stream = _configured("text")
    structlog.get_logger().info(
        "event", stream="two words", app="live", count=3, seconds=0.123456789, none=None, on=True
    )
    line = stream.getvalue()
    assert line.endswith('Z info     event  stream="two words" app=live count=3 seconds=0.123457 none=null on=true\n')
    assert "T" not in line.split(" info ")[0]


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    terminal = _configured("auto", Terminal())
    structlog.get_logger().error("event", a=1)
    assert "\x1b[31merror   \x1b[0m event  a=1" in terminal.getvalue()
    elsewhere = _configured("auto")
    structlog.get_logger().error("event", a=1)
    assert json.loads(elsewhere.getvalue())["a"] == 1


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    logs.configure("warning", "json", stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("library").info("quiet")
    structlog.get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


@pytest.mark.parametrize("format", ["text", "json"])
def test_an_exception_shows_its_traceback_but_no_local_variable(format: str) -> None:
    stream = _configured(format)

    def verify(body: bytes) -> None:
        canary_key = "canary-key-of-a-local-0123456789"
        raise ValueError(f"cannot read {len(canary_key)} of {len(body)} bytes")

    for log in (structlog.get_logger().exception, logging.getLogger("library").exception):
        try:
            verify(b"canary-body-0123456789")
        except ValueError:
            log("source_failed")
    structlog.get_logger().error("source_failed", exc_info=RuntimeError("given"))
    text = stream.getvalue()
    assert "canary-key-of-a-local-0123456789" not in text.replace('canary_key = "canary-key-of-a-local', "")
    assert "canary-body-0123456789" not in text.replace('verify(b"canary-body-0123456789")', "").replace(
        'verify(b\\"canary-body-0123456789\\")', ""
    )
    assert text.count("cannot read 32 of 22 bytes") == 2
    assert "RuntimeError: given" in text


def test_a_line_break_in_an_exception_cannot_pass_for_an_entry() -> None:
    stream = _configured("text")
    try:
        raise ValueError("first\n2026-01-01 00:00:00.000Z info     forged a=1\x1b[2J")
    except ValueError:
        structlog.get_logger().exception("failed")
    head, *rest = stream.getvalue().rstrip("\n").split("\n")
    assert head.endswith("error    failed")
    assert rest
    assert all(line.startswith("    | ") and "\x1b" not in line for line in rest)


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_known_secret_is_masked_wherever_it_stands(format: str) -> None:
    canary = "canary-secret-7f3a9b2c5d8e1f04"
    redaction.learn_secret(canary)
    stream = _configured(format)
    structlog.get_logger().info("event", url=f"https://x.example/?k={canary}", deep={"list": [canary]})
    logging.getLogger("library").error("said %s", canary)
    try:
        raise ValueError(canary)
    except ValueError:
        structlog.get_logger().exception("failed")
    assert canary not in stream.getvalue()
    assert redaction.MASK in stream.getvalue()


def test_libraries_speak_through_the_same_line() -> None:
    stream = _configured("json")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("asyncio").debug("Using selector")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["event"], first["logger"]) == ("warning", "library", "uvicorn.error")
    assert first["detail"] == "Invalid HTTP request received."
    assert second["logger"] == "py.warnings"


def test_configuring_again_replaces_what_was_there() -> None:
    first = _configured("json")
    second = _configured("json")
    logging.getLogger("library").error("once")
    structlog.get_logger().info("once")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 2


def test_a_stream_that_is_not_utf_8_gets_json_it_can_hold() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    logs.configure("info", "json", stream)
    structlog.get_logger().info("event", stream="直播\udcff")
    stream.flush()
    assert json.loads(raw.getvalue().decode("ascii"))["stream"] == "直播\udcff"


def test_a_terminal_that_lacks_a_letter_does_not_lose_the_line() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1")
    logs.configure("info", "text", stream)
    structlog.get_logger().info("event", stream="直播")
    stream.flush()
    assert b"stream=\\u76f4\\u64ad" in raw.getvalue()


def test_a_line_that_cannot_be_rendered_does_not_break_the_library(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = _configured("json")
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("library").error("wants %d", "text")
    assert stream.getvalue() == ""


def test_loggers_can_be_kept_for_speed() -> None:
    stream = _configured("json", lasting=True)
    log = structlog.get_logger()
    log.info("one")
    log.warn("two")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["info", "warning"]


def test_of_many_equal_lines_one_in_a_while_gets_through() -> None:
    clock = FrozenClock()
    once = logs.once_in(10, clock.monotonic)
    assert [once("live", "signature_mismatch") for _ in range(3)] == [0, None, None]
    assert once("live", "signature_missing") == 0
    clock.advance(9.9)
    assert once("live", "signature_mismatch") is None
    clock.advance(0.1)
    assert once("live", "signature_mismatch") == 3
    assert once("live", "signature_mismatch") is None


def test_keys_from_outside_cannot_fill_the_memory_of_the_gate() -> None:
    once = logs.OnceIn(1e9, FrozenClock().monotonic)
    for number in range(5000):
        once(number)
    assert len(once._seen) == 1024


def test_a_list_of_names_reads_as_a_person_would_write_it() -> None:
    entry: dict[str, object] = {
        "ts": "2026-01-01T00:00:00Z",
        "level": "info",
        "event": "event",
        "sinks": ["archive", "screen"],
        "odd": ["a,b"],
    }
    line = logs.TextRenderer()(entry)
    assert "sinks=archive,screen" in line
    assert 'odd="[\\"a,b\\"]"' in line
