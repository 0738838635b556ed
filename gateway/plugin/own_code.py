"""Calls of a plugin's own code: what it raises that is no Exception is one for whoever called it."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager


class PluginExit(Exception):
    """A plugin left by what ends a program or a task: SystemExit, or what a library written in Rust raises. Its cause is that."""


@contextmanager
def own_code() -> Iterator[None]:
    """Raises what the block raises, and PluginExit instead of what `except Exception` lets pass; Ctrl-C and a cancelled task pass."""
    try:
        yield
    except (Exception, KeyboardInterrupt, CancelledError, GeneratorExit):
        raise
    except BaseException as error:
        text = str(error)
        raise PluginExit(f"{type(error).__name__}: {text}" if text else type(error).__name__) from error
