"""Reads a vendor's JSON fields into the normal form: what cannot be read is kept as it came, and named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway import Malformed, without_credentials

NUMBER_MAX: Final = 2**63 - 1  # what a bigint holds
PIXELS_MAX: Final = 2**31 - 1  # what an integer column holds
SECONDS_MAX: Final = 10**9  # some thirty years

_WHOLE: Final = re.compile(r"[0-9]{1,19}")
_DECIMAL: Final = re.compile(r"[0-9]{1,19}(\.[0-9]{1,19})?")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_KINDS: Final = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


def kind_of(value: object) -> str:
    """What a field holds, in a word for an error, since its value may be a credential."""
    if value is None:
        return "missing"
    if value == "":
        return "empty"
    return _KINDS.get(type(value), "an object")  # before repair also one of a class of its own, with a doubled key


def text_of(said: Mapping[str, object], name: str) -> str:
    """A field the event is named by. Raises Malformed where it is missing or no text."""
    value = said.get(name)
    if type(value) is not str:
        raise Malformed(f"{name} is {kind_of(value)}; text is expected, because the event is named by it")
    return value


def texts_of(said: Mapping[str, object], names: Sequence[str]) -> list[str]:
    """`text_of` of several."""
    get = said.get
    return [value if type(value := get(name)) is str else text_of(said, name) for name in names]


class Reading:
    """One callback's fields, taken one after the other. Each reader gives None for what is absent, null or unreadable.

    `problems` names what could not be read, by its dotted path; `extra()` is that, as it came, and whatever nobody
    asked for. `inside` and `entries` read what is nested, and share both.
    """

    __slots__ = ("_left", "_nested", "_path", "_unread", "problems")

    def __init__(self, said: Mapping[str, object], path: str = "", problems: list[str] | None = None) -> None:
        self._left = dict(said)
        self._unread: dict[str, object] = {}
        self._nested: dict[str, Reading | list[Reading]] = {}
        self._path = path
        self.problems: list[str] = [] if problems is None else problems

    def inside(self, name: str) -> Reading:
        """The fields of an object; of an empty one where there is none."""
        value = self._left.pop(name, None)
        if value is not None and type(value) is not dict:
            self.keep(name, value)
        if type(value) is not dict:
            return Reading({})
        self._nested[name] = inner = Reading(value, f"{self._path}{name}.", self.problems)
        return inner

    def entries(self, name: str) -> Sequence[Reading]:
        """The fields of each object in a list, the same when asked again; with anything else in it a list is unreadable."""
        value = self._left.pop(name, None)
        if value is None and isinstance(before := self._nested.get(name), list):
            return before
        if type(value) is list and all(type(one) is dict for one in value):
            found = [Reading(one, f"{self._path}{name}[{n}].", self.problems) for n, one in enumerate(value)]
            self._nested[name] = found
            return found
        if value is not None:
            self.keep(name, value)
        return ()

    def drop(self, *names: str) -> None:
        """Take fields that have no place anywhere, such as credentials."""
        pop = self._left.pop
        for name in names:
            pop(name, None)

    def text(self, name: str) -> str | None:
        """A text; an empty one is absent, because that is how vendors say so."""
        value = self._left.pop(name, None)
        if type(value) is str:
            return value or None
        if value is not None:
            self.keep(name, value)
        return None

    def texts(self, *names: str) -> list[str | None]:
        """`text` of several."""
        pop = self._left.pop
        texts: list[str | None] = []
        for name in names:
            value = pop(name, None)
            if type(value) is str:
                texts.append(value or None)
            else:
                texts.append(None)
                if value is not None:
                    self.keep(name, value)
        return texts

    def label(self, name: str) -> str | None:
        """A text, also written as an integer: what vendors number but nobody counts with."""
        value = self._left.get(name)
        if type(value) is int:
            del self._left[name]
            return str(value)
        return self.text(name)

    def flag(self, name: str) -> bool:
        """Whether this field is true; anything else is left where it is."""
        return self._left.get(name) is True

    def joined(self, name: str) -> str | None:
        """The texts of a list with spaces between them, or a text."""
        value = self._left.get(name)
        if type(value) is list and all(type(one) is str for one in value):
            del self._left[name]
            return " ".join(value) or None
        return self.text(name)

    def whole(self, name: str, most: int = NUMBER_MAX) -> int | None:
        """A number from 0 to `most` without a fraction, also as a text of decimal digits."""
        value = self._left.pop(name, None)
        if type(value) is int:
            number = value
        elif value is None or value == "":
            return None
        elif (type(value) is str and _WHOLE.fullmatch(value)) or (type(value) is float and value.is_integer()):
            number = int(value)
        else:
            number = -1
        if 0 <= number <= most:
            return number
        self.keep(name, value)
        return None

    def seconds(self, name: str, *, times: int = 1, over: int = 1) -> float | None:
        """A duration in seconds from 0 to SECONDS_MAX, also as a decimal text.

        `times` is how many seconds are in the vendor's unit, `over` how many of its units are in a second.
        """
        value = self._left.pop(name, None)
        if type(value) is int or type(value) is float:
            number = float(value)
        elif value is None or value == "":
            return None
        elif type(value) is str and _DECIMAL.fullmatch(value):
            number = float(value)
        else:
            number = -1.0
        number = number * times / over
        if 0 <= number <= SECONDS_MAX:
            return number
        self.keep(name, value)
        return None

    def time(self, name: str) -> datetime | None:
        """An RFC 3339 time with its zone, as aware UTC."""
        value = self._left.pop(name, None)
        if value is None or value == "":
            return None
        if type(value) is str and _TIME.fullmatch(value):
            try:
                at = datetime.fromisoformat(value.upper())
                return at if at.tzinfo is UTC else at.astimezone(UTC)
            except (ValueError, OverflowError):  # the 31st of June; the year 0 in another zone
                pass
        self.keep(name, value)
        return None

    def moment(self, name: str, *, over: int = 1) -> datetime | None:
        """A time since 1970 as aware UTC, to the microsecond; `over` is how many of its units are in a second.

        Also as a decimal text. 0 is absent, because that is how vendors say so.
        """
        value = self._left.pop(name, None)
        if value in (None, "", 0, "0") and type(value) is not bool:
            return None
        at = moment_of(value, over)
        if at is None:
            self.keep(name, value)
        return at

    def peek(self, name: str) -> object:
        """The value of a field that waits to be taken, as it came."""
        return self._left.get(name)

    def has(self, *names: str) -> bool:
        """Whether one of these fields still waits to be taken and says something."""
        return any(self._left.get(name) not in (None, "") for name in names)

    def extra(self) -> dict[str, object]:
        """What has no place in the normal form. What of it names a credential is left out, and a problem."""
        rest = self._rest()
        if not rest:
            return rest
        kept, left_out = without_credentials(rest, self._path)
        self.problems += left_out
        return kept

    def _rest(self) -> dict[str, object]:
        kept = self._left | self._unread
        for name, nested in self._nested.items():
            rest = nested._rest() if isinstance(nested, Reading) else [one._rest() for one in nested]
            if rest if isinstance(rest, dict) else any(rest):
                kept[name] = rest
        return kept

    def keep(self, name: str, value: object) -> None:
        """Say that this value of a field that was taken could not be read: it goes into `extra` as it came."""
        self._unread[name] = value
        self.problems.append(self._path + name)


def moment_of(value: object, over: int = 1) -> datetime | None:
    """A number of units since 1970 (`over` of them in a second), or its decimal text, as aware UTC; None: no such time."""
    if type(value) is str and _DECIMAL.fullmatch(value):
        value = float(value) if "." in value else int(value)
    if type(value) is not int and type(value) is not float:
        return None
    try:
        # whole numbers stay whole, because a float cannot hold nanoseconds of today
        since = value * 1_000_000 // over if type(value) is int else round(value * 1_000_000 / over)
        return _EPOCH + timedelta(microseconds=since) if since >= 0 else None
    except OverflowError:
        return None
