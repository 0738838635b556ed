"""One line a thing that happened: readable on a terminal, JSON elsewhere, never a secret in it, never two lines of it."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

from gateway.runtime.lean_imports import import_structlog
from gateway.text.escaping import quoted, to_json, visible
from gateway.text.redaction import redact_event

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

Entry = MutableMapping[str, Any]
_Raised = tuple[type[BaseException], BaseException, TracebackType | None]

_COLOURS: Final = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_RESET: Final = "\x1b[0m"
_KEYS_LIMIT: Final = 1024


def configure(
    level: str = "info", format: str = "auto", stream: TextIO | None = None, *, lasting: bool = False
) -> None:
    """Send structlog's and the standard library's logs to `stream` (standard error).

    `level` is a key of LEVELS, `format` is auto, text or json. `lasting` keeps loggers after their first use, which is
    faster, but they do not follow another `configure`: for `serve`.
    """
    structlog = import_structlog()
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty()
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:  # because a character that the terminal does not know must not lose the line
        reconfigure(errors="backslashreplace")
    render: Callable[[Entry], str]
    if format == "text" or (format == "auto" and terminal):
        render = TextRenderer(colours=terminal)
    else:
        encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "")
        render = JsonRenderer(ascii=encoding != "utf8")
    line = Line(render)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, line],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=lasting,
    )
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, LibraryHandler):
            root.removeHandler(handler)
    root.addHandler(LibraryHandler(line, stream))
    # because what libraries say below a warning repeats our own lines, and at debug they print heads and bodies
    root.setLevel(max(LEVELS[level], logging.WARNING))
    logging.captureWarnings(True)


class Line:
    """The last processor: completes an entry, hides what is secret, renders it as one line."""

    def __init__(self, render: Callable[[Entry], str]) -> None:
        self._render = render

    def __call__(self, logger: Any, method: str, entry: Entry) -> str:
        raised = _raised(entry.pop("exc_info", None))
        if raised is not None:
            # the standard library's own form: no local variables, because they hold keys and bodies
            entry["exception"] = "".join(traceback.format_exception(*raised)).rstrip("\n")
        level = "error" if method == "exception" else "warning" if method == "warn" else method
        ts = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        entry = {"ts": ts, "level": level, "event": entry.pop("event", ""), **entry}
        return self._render(redact_event(logger, method, entry))


class TextRenderer:
    """For people: time, level, event, then `key=value`; an exception follows in lines that begin with a bar."""

    def __init__(self, *, colours: bool = False) -> None:
        self._colours = colours

    def __call__(self, entry: Entry) -> str:
        ts = str(entry.pop("ts")).replace("T", " ")
        level = str(entry.pop("level"))
        event = visible(str(entry.pop("event")))
        exception = entry.pop("exception", None)
        values = "".join(f" {visible(str(key))}={_shown(value)}" for key, value in entry.items())
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

    def __call__(self, entry: Entry) -> str:
        return to_json(entry, ascii=self._ascii)


class LibraryHandler(logging.Handler):
    """Passes what libraries log (uvicorn, aiohttp, asyncio, warnings) through the same line."""

    def __init__(self, line: Line, stream: TextIO) -> None:
        super().__init__()
        self._line = line
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # the event's name is ours and constant; what a library says may hold anything
            entry: Entry = {"event": "library", "logger": record.name, "detail": record.getMessage()}
            if record.exc_info:
                entry["exc_info"] = record.exc_info
            text = self._line(None, record.levelname.lower(), entry)
            self._stream.write(text + "\n")
            self._stream.flush()
        except Exception:  # a log line that fails must not fail what it tells of
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
            if len(self._seen) > _KEYS_LIMIT:
                self._seen.popitem(last=False)
            return 0 if seen is None else seen[1]


def once_in(seconds: float, monotonic: Callable[[], float] = time.monotonic) -> OnceIn:
    """A gate for repeated lines, see OnceIn."""
    return OnceIn(seconds, monotonic)


def _raised(given: Any) -> _Raised | None:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if given is True:
        given = sys.exc_info()
    return given if isinstance(given, tuple) and given[0] is not None else None


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return str(value) if isinstance(value, int) else f"{value:.6g}"
    if isinstance(value, list | tuple) and all(type(one) is str and one.isascii() and "," not in one for one in value):
        return quoted(",".join(value))  # names, as a person would write them
    return quoted(to_json(value) if isinstance(value, dict | list | tuple) else str(value))
