"""Sees that the only key in use of a source is to end: by what the store knows of every key's last use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from gateway.events.times import format_time
from gateway.model import KEY_EXPIRING
from gateway.plugin.key_state import ends_soon, key_states
from gateway.runtime.clock import Clock
from gateway.states import AlarmType
from gateway.store.admin import key_uses
from gateway.store.store import Store
from gateway.text.signing_key import SigningKey

LOOK_SECONDS: Final = 60.0


class KeySetup(Protocol):
    """The keys of each source, and how long before its end the alarm comes."""

    @property
    def keys(self) -> Mapping[str, Sequence[SigningKey]]: ...
    @property
    def key_ahead(self) -> timedelta: ...


class KeyWatch:
    """`see_endings` as often as one likes. `see` takes a condition: type, source, whether it holds, and words."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        setup: Callable[[], KeySetup],
        see: Callable[[AlarmType, str, bool, str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._setup = setup
        self._see = see
        self._known: set[str] = set()  # sources whose key was seen to end soon

    async def see_endings(self) -> None:
        """Raises StoreError."""
        setup = self._setup()
        ending = any(key.valid_until is not None for keys in setup.keys.values() for key in keys)
        uses = await self._store.ask(key_uses.all_uses) if ending else {}
        now = self._clock.now()
        for name in {*setup.keys, *self._known}:
            keys = setup.keys.get(name, ())
            used = {
                mark: datetime.fromtimestamp(at / 1000, UTC) for (source, mark), at in uses.items() if source == name
            }
            key = ends_soon(key_states(keys, used, now), now, setup.key_ahead)
            detail = ""
            if key is not None and key.valid_until is not None:
                self._known.add(name)
                called = f"keys[{key.place}]" + (f" ({key.name})" if key.name else "")
                detail = f"{called} is the only one in use and holds until {format_time(key.valid_until)}"
            self._see(KEY_EXPIRING, name, key is not None, detail)
