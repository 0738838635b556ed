"""Results with the same text in every field that a stranger, a vendor or a sink may write."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from gateway.admin import act_results, overview_results, recording_reads, results, sink_results
from gateway.admin.results import Page
from gateway.store.admin.dead_letters import DeadLetters

VERDICTS = (
    {"route": "@", "held": ["@"], "to": ["@"], "stop": True},
    {"route": "@", "held": ["@"], "clause": "@", "pattern": ["@"], "value": "@"},
    {"route": "@", "held": [], "clause": "where", "pattern": "@", "value": "@"},
    {"route": "@", "held": [], "clause": "where", "pattern": "@", "error": "@"},
    {"route": "@", "reached": False, "held": []},
    {"@": "@"},
)
EVENT = {
    "id": "@", "type": "@", "@": "@", "problems": ["@"],
    "data": {"stream": "@", "@": "@", "files": [{"name": "@", "url": "@"}, {"url": "https://@/"}, {"url": "javascript:@"}, "@", None]},
}  # fmt: skip


def filled(model: type[BaseModel], text: str, choice: int) -> Any:
    """A result. Of a closed set the `choice`th is taken, of an optional value the value."""
    values = {}
    for name, field in model.model_fields.items():
        values[name] = _value(name, field.annotation, text, choice)
    return model.model_construct(**values)


def _value(name: str, kind: Any, text: str, choice: int) -> Any:
    if name in ("routes",) and kind is not bool:
        return [_put(one, text) for one in VERDICTS]
    if name in ("event", "settings"):
        return _put(EVENT, text)
    origin, args = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        return _value(name, args[0], text, choice)
    if origin is Literal:
        return args[choice % len(args)]
    if origin in (typing.Union, types.UnionType):
        if name == "base64":
            return None
        return _value(name, next(one for one in args if one is not type(None)), text, choice)
    if origin is tuple:
        return tuple(_value(name, one, text, choice) for one in args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {text: _value(name, args[1], text, choice)}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return [_value(name, args[0], text, choice)]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return filled(kind, text, choice)
    return {str: text, int: 3, float: 1.5, bool: choice % 2 == 0}.get(kind, text)


def _put(value: Any, text: str) -> Any:
    if isinstance(value, str):
        return value.replace("@", text)
    if isinstance(value, dict):
        return {_put(key, text): _put(part, text) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_put(part, text) for part in value]
    return value


class Fixed:
    """Stands in the place of the admin service: whatever is asked is answered with such results."""

    def __init__(self, text: str, choice: int = 0) -> None:
        self._text, self._choice = text, choice

    def _one(self, model: type[BaseModel]) -> Any:
        return filled(model, self._text, self._choice)

    def _page(self, model: type[BaseModel]) -> Page[Any]:
        return Page.model_construct(items=[self._one(model)], next=self._text)

    async def overview(self, *_: Any, **__: Any) -> Any:
        seen = self._one(overview_results.Overview)
        return seen.model_copy(update={"plots": {"sinks": [self._one(overview_results.Series)], "sources": []}})

    async def events(self, *_: Any) -> Any:
        return self._page(results.EventItem)

    async def event(self, *_: Any, **__: Any) -> Any:
        return self._one(results.EventDetail)

    async def deliveries(self, *_: Any) -> Any:
        return self._page(results.DeliveryItem)

    async def dead_letters(self) -> Any:
        return [DeadLetters(self._text, self._text, 3, True)]  # type: ignore[arg-type]

    async def sinks(self, **_: Any) -> Any:
        return self._page(sink_results.SinkItem)

    async def sink(self, *_: Any) -> Any:
        return self._one(sink_results.SinkItem)

    async def sink_series(self, *_: Any) -> Any:
        return self._one(overview_results.Series)

    async def preview(self, *_: Any) -> Any:
        return self._one(sink_results.PreviewAnswer)

    async def sources(self, **_: Any) -> Any:
        return self._page(sink_results.SourceItem)

    async def source(self, *_: Any, **__: Any) -> Any:
        return self._one(sink_results.SourceItem)

    async def refused(self, *_: Any) -> Any:
        return self._page(sink_results.RefusedItem)

    async def refusal(self, *_: Any, **__: Any) -> Any:
        return self._one(sink_results.RefusedDetail)

    async def audit(self, *_: Any) -> Any:
        return self._page(overview_results.AuditItem)

    async def configuration(self) -> Any:
        return self._one(overview_results.Configuration)

    async def route(self, *_: Any) -> Any:
        return self._one(overview_results.RouteAnswer)

    async def bulk(self, *_: Any) -> Any:
        return act_results.BulkPreview(matched=3, upto=7)

    async def recordings(self, *_: Any) -> Any:
        return self._page(recording_reads.RecordingItem)

    async def recording(self, *_: Any) -> Any:
        return self._one(recording_reads.RecordingItem)

    async def jobs(self, *_: Any) -> Any:
        return self._page(act_results.JobItem)

    async def job(self, *_: Any) -> Any:
        return self._one(act_results.JobItem)

    async def close(self) -> None:
        pass
