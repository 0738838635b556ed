"""A source whose keys have times: each callback is compared with the keys that hold when it came, and with no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from gateway.errors import Untrusted
from gateway.events.times import format_time
from gateway.model import Verified
from gateway.text.signing_key import SigningKey, keys_of, signing_keys


class KeyedSource(Protocol):
    """What is asked of a source."""

    name: str
    options: Any


class Dated(Protocol):
    """What is asked of a callback."""

    @property
    def received_at(self) -> datetime: ...


Verify = Callable[[Any, Any], Verified]
SCHEDULED_SETS_MAX = 64  # of keys that hold together; of few keys there are few


class KeyTimes:
    """Beside one source. The source's own code knows nothing of times: it is made once for each set of keys."""

    def __init__(self, source: KeyedSource, option: str, keys: Mapping[str, SigningKey] | Sequence[SigningKey]) -> None:
        self._source = source
        self._make: Callable[[str, object], KeyedSource] = type(source)
        self._option = option
        self._named = dict(keys) if isinstance(keys, Mapping) else None
        self._keys = keys_of(source.options)
        self._by_set: dict[tuple[int, ...], KeyedSource] = {}

    @classmethod
    def of(cls, source: KeyedSource) -> KeyTimes | None:
        """None where every key holds always."""
        found = signing_keys(source.options)
        if found is None or not any(key.has_times for key in keys_of(source.options)):
            return None
        return cls(source, *found)

    def source_at(self, at: datetime) -> KeyedSource | None:
        """The source with the keys that hold then; None: none does."""
        places = self._holding(at)
        return self._with(places) if places else None

    def _holding(self, at: datetime) -> tuple[int, ...]:
        return tuple(place for place, key in enumerate(self._keys) if key.holds_at(at))

    def verify(self, callback: Dated, verify: Verify) -> Verified:
        """What the signature covers, by a key that holds; `key` is its place among all. Raises Untrusted as `verify` does."""
        holding = self._holding(callback.received_at)
        try:
            if not holding:
                said = f"no key holds now: {self._times(range(len(self._keys)))}"
                raise Untrusted("signature_mismatch", said, answer="the signature is not that of any configured key")
            verified = verify(self._with(holding), callback)
        except Untrusted as error:
            if error.code == "signature_mismatch":
                self._say_which(callback, verify, holding, error.answer or error.detail)
            raise
        return verified if verified.key is None else verified.replace(key=holding[verified.key])

    def _say_which(self, callback: Dated, verify: Verify, holding: tuple[int, ...], answer: str) -> None:
        """Raise with more to say where it fits a key that does not hold: to whoever runs the gateway, not to the sender."""
        others = tuple(place for place in range(len(self._keys)) if place not in holding)
        if not others:
            return
        try:
            fits = verify(self._with(others), callback).key
        except Untrusted:
            return
        which = others if fits is None else (others[fits],)
        said = f"it fits a key that does not hold now: {self._times(which)}"
        raise Untrusted("signature_mismatch", said, answer=answer)

    def _with(self, places: tuple[int, ...]) -> KeyedSource:
        source = self._by_set.get(places)
        if source is None:
            if len(self._by_set) >= SCHEDULED_SETS_MAX:
                self._by_set.clear()
            some = [self._keys[place] for place in places]
            names = None if self._named is None else list(self._named)
            kept = tuple(some) if names is None else {names[place]: self._keys[place] for place in places}
            options = self._source.options.model_copy(update={self._option: kept})
            source = self._by_set[places] = self._make(self._source.name, options)
        return source

    def _times(self, places: Sequence[int]) -> str:
        return ", ".join(f"{self._option}[{place}] {when(self._keys[place])}" for place in places)


def when(key: SigningKey) -> str:
    """A key's name and time in words."""
    parts = [f"({key.name})"] if key.name else []
    for word, at in (("from", key.valid_from), ("until", key.valid_until)):
        if isinstance(at, datetime):
            parts.append(f"{word} {format_time(at)}")
    return " ".join(parts) or "always"
