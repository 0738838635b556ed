"""What two JSON documents say differently, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff

from gateway.text.escaping import visible_json


def json_difference(first: object, other: object, *, context: int) -> Iterator[tuple[str, str]]:
    """The mark of a line (`-` the first has it, `+` the other, a blank: both, `@`: some that are alike are left out here)
    and the line; so many that are alike stand around a difference."""
    before, after = (visible_json(document, indent=True).split("\n") for document in (first, other))
    lines = unified_diff(before, after, n=context, lineterm="")
    for number, line in enumerate(lines):
        if number >= 2:  # the first two name files
            yield line[:1], "" if line.startswith("@") else line[1:]
