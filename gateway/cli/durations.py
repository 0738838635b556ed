"""Durations as options of commands: `2s`, `500ms`, `1h`, within bounds."""

from __future__ import annotations

from datetime import timedelta

import click

from gateway.fields import format_duration, parse_duration


class DurationType(click.ParamType):  # type: ignore[type-arg]  # before click 8.3 it is not generic at run time
    """A duration between two others."""

    name = "duration"

    def __init__(self, least: timedelta, most: timedelta) -> None:
        self._least = least
        self._most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration. Fails in words."""
        if isinstance(value, timedelta):
            return value
        try:
            duration = parse_duration(str(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no duration; write such as 2s, 500ms or 1m", param, ctx)
        if not self._least <= duration <= self._most:
            least, most = format_duration(self._least), format_duration(self._most)
            self.fail(f"{value!r} is not between {least} and {most}", param, ctx)
        return duration
