"""The templates of a request, in the sandbox of the cards: whatever they write is encoded for the place it stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache, partial
from typing import Final

from gateway import TEXT_BYTES_MAX, Event, encode_json, to_document
from gateway.where.names import shape_of_event
from plugins.sinks.cards.sandbox import Misnamed, compiled
from plugins.sinks.cards.template_data import FixedForm
from plugins.sinks.cards.text import Invalid
from plugins.sinks.forward.shape.body_grammars import scalar
from plugins.sinks.forward.shape.value_places import TextGrammar, place


class RequestTemplate:
    """One template of a forward: `what` names it in errors. Raises Invalid for one that cannot be used."""

    def __init__(self, what: str, text: str, grammar: TextGrammar) -> None:
        self._what = what
        self._grammar = grammar
        with _named(what):
            self._compiled = compiled(
                text,
                None,
                {name: (function, False) for name, function in FILTERS_OF_REQUESTS.items()},
                encoders=grammar.encoders,
                place=partial(place, grammar=grammar),
                text_chars_max=TEXT_BYTES_MAX,
            )

    def render(self, shown: Mapping[str, object]) -> str:
        """For what `shown_to_templates` makes of an event. Raises Invalid, which says where."""
        with _named(self._what):
            return self._grammar.check(self._compiled.render(shown, strict=True))


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except Invalid as error:
        kind = Misnamed if isinstance(error, Misnamed) else Invalid
        raise kind(f"{what}: {error}") from None


def shown_to_templates(event: Event, secrets: Mapping[str, str]) -> Mapping[str, object]:
    """`event`, its JSON, which knows what an event can have besides: that is nothing, and no mistake; and `secrets`."""
    return {"event": _known(to_document(event), _shape()), "secrets": FixedForm(secrets, ())}


@cache
def _shape() -> object:
    return shape_of_event()["event"]


def _known(value: object, shape: object) -> object:
    if isinstance(value, dict) and isinstance(shape, dict):
        return FixedForm({key: _known(part, shape.get(key)) for key, part in value.items()}, shape)
    if isinstance(value, list) and isinstance(shape, list):
        return [_known(part, shape[0]) for part in value]
    return value


def _seconds(value: object) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except ValueError:
        return None


def _epoch(value: object) -> int | None:
    return None if (seconds := _seconds(value)) is None else int(seconds)


def _epoch_ms(value: object) -> int | None:
    return None if (seconds := _seconds(value)) is None else round(seconds * 1000)


def _join(value: object, between: object = ", ") -> str:
    """Whole, as nobody wants half of an address: what is too much is refused with the body."""
    return str(between).join(map(scalar, value)) if isinstance(value, list | tuple) else ""


FILTERS_OF_REQUESTS: Final[Mapping[str, Callable[..., object]]] = {
    "epoch": _epoch,  # of a time: seconds since 1970
    "epoch_ms": _epoch_ms,
    "join": _join,
    "json": encode_json,  # a text of JSON, for a place that holds one as a text
}
