"""For methods that only tell (a line, a figure, a hook): whatever fails in one undoes nothing of what it tells of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, ParamSpec

from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.logs import once_in

P = ParamSpec("P")

log = import_structlog().get_logger("gateway")
_once: Final = once_in(60.0)


def harmless(tell: Callable[P, None]) -> Callable[P, None]:
    """The same, except that what it raises becomes a line in the log, at most one a minute."""

    @functools.wraps(tell)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except BaseException:  # what a plugin raises need not be an Exception, and what is told of has happened
            if (quiet := _once(tell.__qualname__)) is not None:
                log.exception("telling_failed", what=tell.__qualname__, quiet=quiet)

    return told
