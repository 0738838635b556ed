"""One line a thing that happened: readable on a terminal, JSON elsewhere, never a secret in it, never two lines of it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, TextIO, TypeVar

from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.line_writer import FLUSH_SECONDS, LineOutput, LineWriter, StreamWriter
from gateway.runtime.plain_lines import PlainLines, use
from gateway.runtime.standard_streams import LineStream, LostStream, take_over
from gateway.runtime.traces import current, log_fields
from gateway.text.escaping import quoted, visible, visible_json
from gateway.text.redaction import redact, redact_event, redact_start

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

LogEntry = MutableMapping[str, object]
_Raised = tuple[type[BaseException], BaseException, TracebackType | None]

_COLOURS: Final = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_RESET: Final = "\x1b[0m"
_KEYS_MAX: Final = 1024
EXCEPTION_CHARS_MAX: Final = 20_000  # characters of a traceback

_W = TypeVar("_W", bound=LineOutput)
_writers: Final[
    list[LineOutput]
] = []  # all that this process made: few, and each may still be spoken to by a kept logger


def configure(
    level: str = "info",
    format: str = "auto",
    stream: TextIO | None = None,
    *,
    threaded: bool = False,
    lasting: bool = False,
) -> None:
    """Send structlog's and the standard library's logs to `stream` (standard error). Saying something never raises.

    `level` is a key of LEVELS, `format` is auto, text or json. For `serve`: `threaded` lets a thread write, so that
    nobody waits for whoever reads; `lasting` keeps loggers after their first use, which is faster, but they do not follow
    another `configure`.
    """
    structlog = import_structlog()
    given = sys.stderr if stream is None else stream
    terminal = given is not None and given.isatty()
    reconfigure = getattr(given, "reconfigure", None)
    if reconfigure is not None:  # because a character that the terminal does not know must not lose the line
        reconfigure(errors="backslashreplace")
    encoding = (getattr(given, "encoding", None) or "utf-8").lower().replace("-", "")
    render: Callable[[LogEntry], str]
    if format == "text" or (format == "auto" and terminal):
        render = TextRenderer(colours=terminal)
    else:
        render = JsonRenderer(ascii=encoding != "utf8")
    line = LineRenderer(render)
    writer = _writer(given, line, encoding, threaded=threaded)
    processors: list[object] = [structlog.contextvars.merge_contextvars, line]
    plain = isinstance(render, JsonRenderer) and encoding == "utf8" and LEVELS[level] <= LEVELS["info"]
    use(PlainLines(writer, processors, line) if plain else None)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: LineLogger(writer),
        cache_logger_on_first_use=lasting,
    )
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, LibraryHandler):
            root.removeHandler(handler)
    root.addHandler(LibraryHandler(line, writer))
    # because what libraries say below a warning repeats our own lines, and at debug they print heads and bodies
    root.setLevel(max(LEVELS[level], logging.WARNING))
    logging.captureWarnings(True)
    if isinstance(writer, LineWriter):
        writer.notice = functools.partial(_notice, line)
    if threaded and stream is None:
        atexit.register(flush)
        take_over(lambda descriptor: _line_writer(descriptor, line, "utf-8"), writer)
        _hear_what_nobody_caught()


def flush(seconds: float = FLUSH_SECONDS) -> bool:
    """Wait until what was said is written, for `seconds` at most; False: a reader does not read."""
    until = time.monotonic() + seconds
    done = [writer.flush(max(until - time.monotonic(), 0.0)) for writer in _writers]
    return all(done)


def lines_dropped() -> int:
    """How many lines of this process were not written: a full disk, a reader that is gone or does not read."""
    return sum(writer.dropped for writer in _writers)


def _writer(stream: TextIO | None, line: LineRenderer, encoding: str, *, threaded: bool) -> LineOutput:
    taken: object = stream
    if isinstance(taken, LineStream):  # by an earlier `configure`
        return taken.writer
    if isinstance(taken, LostStream):
        return _kept(StreamWriter(None))
    try:
        if threaded and stream is not None:
            stream.flush()
            return _line_writer(stream.fileno(), line, encoding)
    except (OSError, ValueError):  # something in memory, or closed
        pass
    return _kept(StreamWriter(stream))


def _line_writer(descriptor: int, line: LineRenderer, encoding: str) -> LineWriter:
    return _kept(LineWriter(descriptor, functools.partial(_notice, line), encoding=encoding))


def _notice(line: LineRenderer, lines: int) -> str:
    return line(None, "warning", {"event": "log_lines_dropped", "lines": lines})


def _kept(writer: _W) -> _W:
    _writers.append(writer)
    return writer


def _hear_what_nobody_caught() -> None:
    """Tracebacks that Python prints by itself become lines like others: bounded, masked, and written by the thread."""

    def thread(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_type is not SystemExit and failed.exc_value is not None:
            raised = (failed.exc_type, failed.exc_value, failed.exc_traceback)
            logging.getLogger("threading").error(
                "an exception ended the thread %s", failed.thread and failed.thread.name, exc_info=raised
            )

    def unraisable(failed: sys.UnraisableHookArgs) -> None:
        raised = None if failed.exc_value is None else (failed.exc_type, failed.exc_value, failed.exc_traceback)
        logging.getLogger("python").error(
            "%s: %s", failed.err_msg or "ignored in", type(failed.object).__name__, exc_info=raised
        )

    threading.excepthook = thread
    sys.unraisablehook = unraisable


class LineRenderer:
    """The last processor: completes an entry, hides what is secret, renders it as one line."""

    def __init__(self, render: Callable[[LogEntry], str]) -> None:
        self._render = render

    def __call__(self, logger: object, method: str, entry: LogEntry) -> str:
        """The line. Never raises: of what cannot be written out, at least the event is said."""
        event = entry.pop("event", "")
        level = "error" if method == "exception" else "warning" if method == "warn" else method
        ts = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        head = {"ts": ts, "level": level, "event": event}
        try:
            raised = _raised(entry.pop("exc_info", None))
            if raised is not None:
                entry["exception"] = _traceback(raised)
            if (underway := current.get()) is not None and "trace_id" not in entry:
                entry.update(log_fields(underway.context))  # what a sink says while it works on an attempt
            return self._render(redact_event(logger, method, {**head, **entry}))
        except Exception as error:  # a value whose `__str__` fails, or that holds itself
            return self._render({**head, "event": redact(str(event)), "unwritable": type(error).__name__})


class LineLogger:
    """What structlog gives its lines to. Every level is the same here."""

    def __init__(self, writer: LineOutput) -> None:
        self.msg = self.log = self.debug = self.info = self.warn = self.warning = writer.write_line
        self.error = self.err = self.exception = self.critical = self.fatal = self.failure = writer.write_line


class TextRenderer:
    """For people: time, level, event, then `key=value`; an exception follows in lines that begin with a bar."""

    def __init__(self, *, colours: bool = False) -> None:
        self._colours = colours

    def __call__(self, entry: LogEntry) -> str:
        ts = str(entry.pop("ts")).replace("T", " ")
        level = str(entry.pop("level"))
        event = visible(str(entry.pop("event")))
        exception = entry.pop("exception", None)
        values = "".join(f" {visible(str(key))}={_logged_value(value)}" for key, value in entry.items())
        colour = _COLOURS.get(level) if self._colours else None
        head = f"{colour}{level:<8}{_RESET}" if colour else f"{level:<8}"
        line = f"{ts} {head} {event}" + (f" {values}" if values else "")
        if exception is None:
            return line
        # every line is marked, because the text of an exception may hold line breaks and would pass for entries
        return line + "".join(f"\n    | {visible(part)}" for part in str(exception).split("\n"))


class JsonRenderer:
    """For machines: one object a line; `ts`, `level` and `event` come first."""

    def __init__(self, *, ascii: bool = False) -> None:
        # because a stream that is not UTF-8 would write escapes that JSON does not know
        self._ascii = ascii

    def __call__(self, entry: LogEntry) -> str:
        return visible_json(entry, ascii=self._ascii)


class LibraryHandler(logging.Handler):
    """Passes what libraries log (uvicorn, aiohttp, asyncio, warnings) through the same line."""

    def __init__(self, line: LineRenderer, writer: LineOutput) -> None:
        super().__init__()
        self._line = line
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # the event's name is ours and constant; what a library says may hold anything
            entry: LogEntry = {"event": "library", "logger": record.name, "detail": record.getMessage()}
            if record.exc_info:
                entry["exc_info"] = record.exc_info
            self._writer.write_line(self._line(None, record.levelname.lower(), entry))
        except Exception:  # a log line that fails must not fail what it tells of
            with contextlib.suppress(Exception):
                self.handleError(record)


class OnceIn:
    """Lets one of many equal lines through in a while: `if (quiet := once(code)) is not None: log.warning(…, quiet=quiet)`.

    Remembers up to 1,024 keys, because keys may come from outside. May be called by several threads.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *key: Hashable) -> int | None:
        """How many of this key were kept quiet since its last line; None: keep quiet."""
        now = self._monotonic()
        with self._lock:
            seen = self._seen.get(key)
            if seen is not None and now - seen[0] < self._seconds:
                self._seen[key] = (seen[0], seen[1] + 1)
                return None
            self._seen[key] = (now, 0)
            self._seen.move_to_end(key)
            if len(self._seen) > _KEYS_MAX:
                self._seen.popitem(last=False)
            return 0 if seen is None else seen[1]


def once_in(seconds: float, monotonic: Callable[[], float] = time.monotonic) -> OnceIn:
    """A gate for repeated lines, see OnceIn."""
    return OnceIn(seconds, monotonic)


def _raised(given: object) -> _Raised | None:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if given is True:
        given = sys.exc_info()
    return given if isinstance(given, tuple) and given[0] is not None else None


def _traceback(raised: _Raised) -> str:
    """The standard library's own form: no local variables, because they hold keys and bodies. Bounded before anything else."""
    text = "".join(traceback.format_exception(*raised)).rstrip("\n")
    return text if len(text) <= EXCEPTION_CHARS_MAX else redact_start(text, EXCEPTION_CHARS_MAX) + "…"


def _logged_value(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return str(value) if isinstance(value, int) else f"{value:.6g}"
    if isinstance(value, list | tuple) and all(type(one) is str and one.isascii() and "," not in one for one in value):
        return quoted(",".join(value))  # names, as a person would write them
    return quoted(visible_json(value) if isinstance(value, dict | list | tuple) else str(value))
