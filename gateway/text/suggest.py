"""The word that was probably meant: one way to find it, and one sentence that names it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

LIKENESS_MIN: Final = 0.6  # of difflib's ratio; a word less like it is no near miss
PATH_LIKENESS_MIN: Final = (
    0.8  # the same of a callback's path, because strangers try many, and a vendor misses by a letter
)
WORD_CHARS_MAX: Final = 100  # characters that are compared, because that grows with the square


def nearest(word: str, known: Iterable[str], likeness: float = LIKENESS_MIN) -> str | None:
    """The known word that is most like this one, whatever its case and whether it has `_` or `-`; None: none is like it."""
    import difflib  # because it is wanted only where something is wrong

    folded = {_folded(name): name for name in known}
    close = difflib.get_close_matches(_folded(word[:WORD_CHARS_MAX]), folded, n=1, cutoff=likeness)
    return folded[close[0]] if close else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` or the whole list, to end a sentence about an unknown name."""
    names = list(known)
    near = nearest(word, names) or next((name for name in names if word and name.startswith(word)), None)
    if near is not None:
        return f"; did you mean {near!r}?"
    return f"; there are: {', '.join(names) or 'none'}"


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")
