"""What a sink wants to be told at the next attempt: bounded, because it is a row, and JSON, because a restart must read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

MEMO_CHARS_MAX: Final = 64 * 1024  # of JSON


def checked_memo(given: object) -> Mapping[str, object]:
    """A copy of the memo, if it can be kept. Raises ValueError, whose text says why not."""
    if not isinstance(given, Mapping):
        raise ValueError(f"its memo is a {type(given).__name__}, not a mapping")
    try:
        text = json.dumps(dict(given), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"its memo is no JSON ({error})") from None
    if len(text) > MEMO_CHARS_MAX:
        raise ValueError(f"its memo has {len(text)} characters of JSON, more than {MEMO_CHARS_MAX}")
    copy: Mapping[str, object] = json.loads(text)
    return copy
