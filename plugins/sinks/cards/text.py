"""Text on its way into a chat: cut to a limit on a character boundary, and without power over what is around it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final

from gateway import inert, visible

Measure = Callable[[str], int]
Clean = Callable[[str, int], str]
"""What makes one line of a value from outside, at most so many characters long."""
Escape = Callable[[str], str] | None
"""What makes a value harmless inside a template's markup; None: there is no markup, values are only cleaned."""

ELLIPSIS: Final = "…"
BLANK: Final = "␣"

_LOOKALIKES: Final = str.maketrans(
    {
        "<": "＜",
        ">": "＞",
        "[": "［",
        "]": "］",
        "`": "ˋ",
        "*": "∗",
        "~": "～",
        "#": "＃",
        "|": "｜",
        "&": "＆",
        "\\": "＼",
    }
)
_LONE_UNDERSCORE: Final = re.compile(r"(?<![^\W_])_|_(?![^\W_])")  # one inside a word marks nothing up
_BLOCK: Final = re.compile(
    r"^(?:[-+=](?=[-=\s]|$)|\d{1,9}(?=[.)](?:\s|$)))"
)  # what begins a list or a rule on a line of its own
_WIDE_BLOCK: Final = str.maketrans({"-": "‐", "+": "＋", "=": "＝", ".": "．", ")": "）"})
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]()#~|<>!])")
_TAG: Final = re.compile(r"<[^<>]*>")
_ENTITY_AT_END: Final = re.compile(r"&#?\w{0,8}$", re.A)


class Invalid(ValueError):
    """A template that cannot be used; the text says where and why."""


def octets(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def units(text: str) -> int:
    """UTF-16 code units, which is what a service means that counts an emoji as two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, most: int, measure: Measure = len) -> str:
    """The text, or as much of its beginning as leaves room for an ellipsis in `most`; characters stay whole."""
    if measure(text) <= most:
        return text
    room = most - measure(ELLIPSIS)
    if room < 0:
        return ""
    low, high = 0, min(len(text), room)  # because no measure counts a character as less than one
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle]) <= room else (low, middle - 1)
    return text[:low] + ELLIPSIS


def plain(text: str, most: int = 1024) -> str:
    """One line from outside, without controls, unseen or direction-turning characters, and inert: fit for any element
    that reads no markup.

    White space of every kind is one space, and none at the ends, because Markdown makes line breaks and blocks of it;
    where there is nothing else it is shown as a mark.
    """
    spaced = " ".join(visible(text[: 4 * most]).split())
    return cut(inert(spaced or (BLANK if text else "")), most)


def unlinked(text: str, most: int) -> str:
    """`plain`, for titles, in which some clients take `name.example` for an address even without a scheme."""
    return cut(inert(plain(text, most), names=True), most)


def lookalike(text: str) -> str:
    """For markup without a documented escape: what would be markup becomes a letter that looks the same."""
    return _led(
        inert(_LONE_UNDERSCORE.sub("＿", text.translate(_LOOKALIKES))), lambda mark: mark.translate(_WIDE_BLOCK)
    )


def backslashed(text: str) -> str:
    """For Markdown that knows backslashes."""
    return _led(_MARKUP.sub(r"\\\1", inert(text)), lambda mark: "\\" + mark)


def _led(text: str, harmless: Callable[[str], str]) -> str:
    """The text where it may stand at a line's beginning: the mark there that would begin a block is made harmless."""
    found = _BLOCK.match(text)
    if found is None:
        return text
    at = found.end() if found[0].isdigit() else 0  # of a number it is the full stop that counts
    return text[:at] + harmless(text[at]) + text[at + 1 :]


def code(text: str) -> str:
    """Markdown's inline code, in which nothing else is markup."""
    return f"`{inert(text.replace('`', 'ˋ').replace(chr(92), '＼'))}`" if text else ""


def escaped(text: str) -> str:
    """For HTML and its subsets."""
    return html.escape(inert(text))


def cut_markup(text: str, most: int, measure: Measure = len) -> str:
    """Markdown cut so that no half escape is left."""
    short = cut(text, most, measure)
    if short == text:
        return text
    body = short.removesuffix(ELLIPSIS)
    return (body[:-1] if (len(body) - len(body.rstrip("\\"))) % 2 else body) + ELLIPSIS


def cut_tags(text: str, most: int, measure: Measure = len, *, escape: Callable[[str], str] = html.escape) -> str:
    """HTML cut by taking its tags out, because half a tag would be refused."""
    if measure(text) <= most:
        return text
    bare = html.unescape(_TAG.sub("", text))
    short = cut(escape(bare), most, measure)
    return _ENTITY_AT_END.sub("", short.removesuffix(ELLIPSIS)) + ELLIPSIS if short.endswith(ELLIPSIS) else short


def without_tags(text: str) -> str:
    """What a reader of this HTML sees."""
    return html.unescape(_TAG.sub("", text))
