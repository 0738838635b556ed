"""The type of options that name fields of an event by paths, such as `$.data.files[*].download_url`."""

from __future__ import annotations

from typing import Annotated

from gateway.events.field_path import PATH_CHARS_MAX, parse_path
from gateway.fields.texts import ONE_OR_MANY, NotEmpty, checked_text


def _path(text: str) -> str:
    parse_path(text)
    return text


EventPath = Annotated[str, checked_text(_path, {"pattern": r"^\$", "maxLength": PATH_CHARS_MAX})]
"""A path below `$.data`; it is checked, not changed."""

EventPaths = Annotated[
    tuple[EventPath, ...], NotEmpty("at least one path; leave the key out to redact nothing"), ONE_OR_MANY
]
"""One path or a list of them."""
