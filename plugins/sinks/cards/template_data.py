"""What a template gets to see: mappings, lists, texts and numbers, and what is absent."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from jinja2.runtime import Undefined


class RawText(str):
    """A text that needs no escape any more, such as a cleaned address."""

    __slots__ = ()


class Open(dict[str, object]):
    """A mapping in which any key may be missing: the vendor's own fields."""


class FixedForm(dict[str, object]):
    """A mapping of a fixed form: `optional` are the keys that it may lack, which are then nothing."""

    def __init__(self, values: Mapping[str, object], optional: Collection[str]) -> None:
        super().__init__(values)
        self.optional = optional


class Nothing(Undefined):
    """What is absent in an event: written as nothing, and so is everything below it."""


def plain_data(value: object, text_chars_max: int, open: bool = False) -> object:
    """Mappings, lists, texts, numbers and nothing else, none of them anybody else's."""
    if isinstance(value, Mapping):
        made = {str(key): plain_data(inner, text_chars_max, open or key == "extra") for key, inner in value.items()}
        if isinstance(value, FixedForm):
            return FixedForm(made, value.optional)
        return Open(made) if open else made
    if isinstance(value, list | tuple):
        return [plain_data(inner, text_chars_max, open) for inner in value]
    return value if value is None or isinstance(value, int | float | bool) else str(value)[:text_chars_max]


def kind_of_data(value: object) -> str:
    if isinstance(value, Undefined):
        return "name that is not there"
    return "mapping" if isinstance(value, dict) else "list" if isinstance(value, list | tuple) else "text"
