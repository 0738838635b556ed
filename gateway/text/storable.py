"""What a text may hold so that every store, encoder and label takes it, and how one that does not is mended."""

from __future__ import annotations

import re
from typing import Final

from gateway.text.json_bounds import TEXT_BYTES_MAX

_UNKEEPABLE: Final = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"


def is_text(text: str, most: int | None = TEXT_BYTES_MAX) -> bool:
    """Whether it holds no NUL and no half of a surrogate pair, and no more than `most` bytes of UTF-8."""
    if "\0" in text or (most is not None and len(text) > most):
        return False
    if text.isascii():
        return True
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    return most is None or size <= most


def mended(text: str) -> str:
    """With U+FFFD in the place of NUL and of each half of a surrogate pair."""
    return _UNKEEPABLE.sub(_REPLACEMENT, text)


def escaped(text: str) -> str:
    """With NUL and halves of surrogate pairs as JSON escapes them: `\\u0000`, `\\ud800`."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\0", "\\u0000")


def cut(text: str, most: int = TEXT_BYTES_MAX) -> str:
    """The beginning of a mended text, as much as `most` bytes of UTF-8 hold in whole characters."""
    if len(text) <= most // 4:
        return text
    return text.encode("utf-8", "surrogatepass")[:most].decode("utf-8", "ignore")
