"""The words of the grammar that are no numbers: names, paths, and events as tests write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.config.document.nodes import Items, Scalar, Table, YamlNode, untyped

NAME: Final = r"[a-z0-9][a-z0-9_-]{0,63}"
NAME_TEXT: Final = "a name of 1 to 64 small letters, digits, - and _, beginning with a letter or digit"
_ROUTE_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_PATH: Final = r"[A-Za-z0-9._~-]{1,128}"


def is_name(text: str) -> bool:
    """Whether a source or sink may be called so."""
    return re.fullmatch(NAME, text) is not None


def _name(text: str) -> str:
    if not is_name(text):
        is_list = "," in text and all(is_name(one.strip()) for one in text.split(","))
        raise PydanticCustomError("name", "one name; several stand in brackets: [a, b]" if is_list else NAME_TEXT)
    return text


def _route_name(text: str) -> str:
    if not re.fullmatch(_ROUTE_NAME, text):
        raise PydanticCustomError(
            "name", "a name of 1 to 64 letters, digits, - _ and ., beginning with a letter or digit"
        )
    return text


def _path(text: str) -> str:
    if not re.fullmatch(_PATH, text) or text in {".", ".."}:
        raise PydanticCustomError(
            "path", "one path segment of 1 to 128 letters, digits and . _ ~ - (callbacks come to /hooks/<path>)"
        )
    return text


class _Unshown:
    """Errors do not quote this text, because it may be a key."""

    shown = False


ConfiguredName = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"})]
RouteName = Annotated[
    str, AfterValidator(_route_name), WithJsonSchema({"type": "string", "pattern": f"^{_ROUTE_NAME}$"})
]
PathSegment = Annotated[
    str, AfterValidator(_path), _Unshown(), WithJsonSchema({"type": "string", "pattern": f"^{_PATH}$"})
]

# -- events, as tests write them

_TEXTS: Final = frozenset(
    [
        "id",
        "type",
        "source",
        "provider",
        "vendor_type",
        "domain",
        "app",
        "stream",
        "format",
        "project_id",
        "job_id",
        "task_id",
        "trust",
        "subject",
        "time",
        "received_at",
        "download_url",
        "play_url",
        "asset_id",
        "started_at",
        "ended_at",
        "location",
        "bucket",
        "key",
        "code",
        "message",
        "scheme",
    ]
)


class _EventReader:
    """Gives texts where events have texts: a stream called 007 is no number."""

    def read_node(self, node: YamlNode) -> object:
        """The event, as `gateway.events.samples.event_of` takes it."""
        if isinstance(node, Table):
            return {
                key: untyped(entry) if key in {"extra", "verified"} else self._entry(key, entry)
                for key, entry in node.entries.items()
            }
        return [self.read_node(item) for item in node.items] if isinstance(node, Items) else untyped(node)

    def _entry(self, key: str, node: YamlNode) -> object:
        if isinstance(node, Scalar) and key in _TEXTS and not node.null:
            return node.text
        return self.read_node(node)


EventForm = Annotated[Mapping[str, Any], _EventReader()]
