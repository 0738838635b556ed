"""What a database's error means: again, never, or a broken target. Told by SQLSTATE, errno or SQLite's name.

The texts are made of the code and of names; a driver's own text holds the values of the row, and is shown only for the
kinds of error that are about the server or the table.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from gateway import DeliveryFailed, Refused, Retry, Unavailable, redact

_RETRY_AFTER: Final = timedelta(minutes=1)  # a full disk, a server that is read-only for now
_TEXT_CHARS_MAX: Final = 300  # characters of a server's own text

# PostgreSQL: the first two characters of SQLSTATE, or all five. What is in no list is tried again: it hurts only itself.
_STATES_SERVICE: Final = ("08", "53", "57P", "58", "25006", "XX")
_STATES_TO_RETRY: Final = ("53100", "25006")
_STATES_REFUSED: Final = ("21", "22", "23", "27", "2F", "38", "39", "40002", "44", "54", "P0")
_STATES_UNAVAILABLE: Final = ("0A", "0L", "0P", "28", "3D", "3F", "42")

# MySQL and MariaDB: numbers of errors.
_SERVICE: Final = frozenset(
    {1040, 1042, 1043, 1053, 1077, 1078, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1317, 1927, 1969}
    | {2002, 2003, 2005, 2006, 2013, 2014, 2027, 2045, 2055, 3024, 3168, 3169, 4031}
)
_SERVICE_TO_RETRY: Final = frozenset({1021, 1041, 1037, 1038, 1114, 1290, 1792, 1836, 3100})
_REFUSED: Final = frozenset(
    {1048, 1062, 1118, 1136, 1138, 1153, 1169, 1216, 1217, 1263, 1264, 1265, 1292, 1300, 1364, 1366, 1406, 1411, 1416}
    | {1451, 1452, 1525, 1526, 1557, 1586, 1644, 1690, 1761, 1762, 3140, 3141, 3156, 3819, 3854, 3988, 4025, 4078}
)
_UNAVAILABLE: Final = frozenset(
    {1044, 1045, 1046, 1049, 1054, 1064, 1109, 1115, 1129, 1130, 1142, 1143, 1146, 1227, 1235, 1251, 1273, 1286, 1305}
    | {1356, 1370, 1396, 1449, 1524, 1698, 1820, 1862, 2026, 2054, 2059, 2061, 3118, 3159, 4151}
)
_QUOTED: Final = re.compile(
    r"column '([^']*)'|column `[^`]*`\.`[^`]*`\.`([^`]*)`|CONSTRAINT `([^`]*)`|for key '([^']*)'"
)

# SQLite: the beginning of the name of the extended code.
_NAMES_TO_RETRY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_INTERRUPT", "SQLITE_SCHEMA", "SQLITE_ABORT")
_NAMES_SERVICE: Final = ("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_NOMEM", "SQLITE_PROTOCOL")
_NAMES_REFUSED: Final = ("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_RANGE")

# libpq gives no SQLSTATE for what a server says to a connection that it does not let in.
_NOT_LET_IN: Final = re.compile(
    r"authentication failed|no pg_hba\.conf entry|no password supplied|(?:role|database) \S+ does not exist"
    r"|permission denied for database|not permitted to log in|certificate verify failed|does not match host name"
    r"|server does not support SSL"
)


def judge(error: BaseException, where: str, columns: Collection[str] = ()) -> DeliveryFailed:
    """The outcome of an attempt that ended so. `where` names the database; `columns` are names that may be shown."""
    cause = getattr(error, "orig", None) or error
    if getattr(error, "connection_invalidated", False):
        return Retry(f"{where}: the connection broke ({_kind(cause)})", service=True)
    if (name := getattr(cause, "sqlite_errorname", None)) is not None:
        return _sqlite(str(name), cause, where)
    if _module(cause) == "psycopg":
        return _postgres(cause, where)
    if _module(cause) in {"pymysql", "aiomysql"}:
        return _mysql(cause, where, columns)
    if isinstance(cause, OverflowError | UnicodeError | ValueError):
        return Refused(f"{where}: the driver cannot send a value ({_kind(cause)})")
    if isinstance(cause, OSError | EOFError):  # TimeoutError is one
        return Retry(f"{where}: {getattr(cause, 'strerror', None) or _kind(cause)}", service=True)
    if "Timeout" in _kind(cause):
        return Retry(f"{where}: no free connection", service=True)
    return Retry(f"{where}: {_kind(cause)}")


def is_broken_connection(error: BaseException) -> bool:
    """Whether a connection of the pool had died before this statement: the next one is fresh."""
    return bool(getattr(error, "connection_invalidated", False))


def _postgres(cause: Any, where: str) -> DeliveryFailed:
    state = cause.sqlstate
    if state is None:
        said = _line(cause)
        if _NOT_LET_IN.search(said):
            return Unavailable(f"{where}: {said}")
        return Retry(f"{where}: {said}", service=True)
    names = [
        f"{what} {value}"
        for what in ("table", "column", "constraint")
        if (value := getattr(cause.diag, f"{what}_name", None))
    ]
    text = f"{where}: {state} {_kind(cause)}" + (f" ({', '.join(names)})" if names else "")
    if state.startswith(_STATES_REFUSED):
        return Refused(text)
    about = f"{text}: {_line(cause.diag.message_primary)}"
    if state.startswith(_STATES_SERVICE):
        return Retry(about, _RETRY_AFTER if state.startswith(_STATES_TO_RETRY) else None, service=True)
    return Unavailable(about) if state.startswith(_STATES_UNAVAILABLE) else Retry(text)


def _mysql(cause: Any, where: str, columns: Collection[str]) -> DeliveryFailed:
    number = cause.args[0] if cause.args and isinstance(cause.args[0], int) else 0
    message = str(cause.args[1]) if len(cause.args) > 1 else ""
    names = {name for found in _QUOTED.finditer(message) for name in found.groups() if name}
    shown = sorted(name for name in names if name in columns or name.isidentifier())
    text = f"{where}: {number} {_kind(cause)}" + (f" ({', '.join(shown)})" if shown else "")
    if number in _REFUSED:
        return Refused(text)
    about = f"{text}: {_line(message)}" + (f" ({_kind(cause.__cause__)})" if cause.__cause__ is not None else "")
    if number in _SERVICE_TO_RETRY:
        return Retry(about, _RETRY_AFTER, service=True)
    if number in _SERVICE:
        return Retry(about, service=True)
    if number in _UNAVAILABLE:
        return Unavailable(about)
    return Retry(text if number else f"{where}: {_kind(cause)}", service=not number)


def _sqlite(name: str, cause: BaseException, where: str) -> DeliveryFailed:
    text = f"{where}: {name}"
    if name.startswith(_NAMES_TO_RETRY):
        return Retry(text, service=name.startswith("SQLITE_BUSY"))
    if name.startswith(_NAMES_SERVICE):
        return Retry(text, _RETRY_AFTER, service=True)
    if name.startswith(_NAMES_REFUSED):
        # "UNIQUE constraint failed: recordings.url": names, no values
        return Refused(f"{text} ({_line(cause)})" if "constraint failed" in str(cause) else text)
    return Unavailable(f"{text}: {_line(cause)}")


def _line(said: object) -> str:
    """A server's own text on one line, without secrets."""
    return redact(" ".join(str(said or "").split()))[:_TEXT_CHARS_MAX]


def _kind(error: BaseException) -> str:
    return type(error).__name__


def _module(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
