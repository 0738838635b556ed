"""Makes data fit for an assistant: what strangers wrote is bounded, carries no credential, and has no letter that nobody sees."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.text.escaping import visible
from gateway.text.mask import is_secret
from gateway.text.redaction import MASK, redact

TEXT_CHARS_MAX: Final = 400  # of one field
KEY_CHARS_MAX: Final = 80
ITEMS_MAX: Final = 50  # of one list or object
DEPTH_MAX: Final = 8
TOTAL_CHARS_MAX: Final = 40_000  # of all texts of one answer together
# Letters that a model reads and a person does not see: variation selectors carry whole sentences, fillers look empty.
_UNSEEN: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def bounded(value: object) -> object:
    """A value of JSON, within the bounds. What is cut says how much there was."""
    return _AnswerBounds().fit(value, 0)


class _AnswerBounds:
    def __init__(self) -> None:
        self._left = TOTAL_CHARS_MAX

    def fit(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self._bounded_text(value, TEXT_CHARS_MAX)
        if depth >= DEPTH_MAX:
            return "… (too deep)"
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, Sequence):
            items = [self.fit(item, depth + 1) for item in value[:ITEMS_MAX]]
            return items if len(value) <= ITEMS_MAX else [*items, f"… ({len(value) - ITEMS_MAX} more)"]
        return self._bounded_text(str(value), TEXT_CHARS_MAX)

    def _mapping(self, value: Mapping[object, object], depth: int) -> dict[str, object]:
        fitted: dict[str, object] = {}
        for number, (name, inner) in enumerate(value.items()):
            if number == ITEMS_MAX:
                fitted["…"] = f"({len(value) - ITEMS_MAX} more)"
                break
            secret = isinstance(inner, str) and bool(inner) and is_secret(str(name)) and inner != MASK
            fitted[self._bounded_text(str(name), KEY_CHARS_MAX)] = MASK if secret else self.fit(inner, depth + 1)
        return fitted

    def _bounded_text(self, text: str, most: int) -> str:
        most = min(most, max(self._left, 0))
        shown = _UNSEEN.sub(_escaped, visible(redact(text[: 4 * TEXT_CHARS_MAX])))
        if len(shown) > most or len(text) > 4 * TEXT_CHARS_MAX:
            shown = f"{shown[:most]}… ({len(text):,} characters)"
        self._left -= len(shown)
        return shown


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
