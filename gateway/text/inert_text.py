"""Text in which no program that shows it finds a link, a mention or a placeholder by itself."""

from __future__ import annotations

import re
from typing import Final

_GAP: Final = "\u200b"  # nothing to see, but no client takes what is on both sides of it for one address or one mention
_ADDRESS: Final = re.compile(r"(?<=:)(?=//)|(?<=@)(?!\u200b)|(?<=\bwww)(?=\.)|(?<=\{)(?=\{)|(?<=\$)(?=\{)", re.I)
_BARE: Final = re.compile(r"(?<=\w)(?=\.\w{2})")


def inert(text: str, *, names: bool = False) -> str:
    """The same letters, in which no client finds an address, a mention or a placeholder by itself.

    `names`: nor an address in `name.example`, for places where clients do without a scheme. It undoes no markup: what
    means something in the target's own language is to be escaped besides.
    """
    safe = _ADDRESS.sub(_GAP, text)
    return _BARE.sub(_GAP, safe) if names else safe


def without_gaps(text: str) -> str:
    """Undoes `inert`, for a text that is cleaned once more, or goes where nothing is found in it."""
    return text.replace(_GAP, "")
