"""What can be said of a source's keys now: which hold, when each was used last, which may go, and what ends soon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from gateway.text.signing_key import SigningKey

KeyTime = Literal["holds", "begins", "ended"]
SUPERSEDED_AFTER: Final = timedelta(days=1)
"""A key that another was used so long after is not in use any more: vendors change theirs at once, but not everywhere."""


class KeyState(NamedTuple):
    """One key of a source. `place`: in the list, from 0; `may_go`: another is used in its stead, or it ended."""

    place: int
    name: str | None
    time: KeyTime
    valid_from: datetime | None
    valid_until: datetime | None
    used_at: datetime | None
    may_go: bool


def key_states(keys: Sequence[SigningKey], used: Mapping[str, datetime], now: datetime) -> Sequence[KeyState]:
    """The keys in their order; `used` says by mark when each last verified a callback."""
    last = [used.get(key.mark) for key in keys]
    newest = max((at for at in last if at is not None), default=None)
    states = []
    for place, (key, at) in enumerate(zip(keys, last, strict=True)):
        time: KeyTime = "holds" if key.holds_at(now) else "ended" if _ended(key, now) else "begins"
        superseded = at is not None and newest is not None and newest - at >= SUPERSEDED_AFTER
        # one that was never used may be the next one, which the vendor does not sign with yet
        may_go = len(keys) > 1 and (time == "ended" or (time == "holds" and superseded))
        states.append(KeyState(place, key.name, time, key.valid_from, key.valid_until, at, may_go))
    return states


def ends_soon(states: Sequence[KeyState], now: datetime, ahead: timedelta) -> KeyState | None:
    """The key whose end leaves a source without one that is in use, within `ahead` or already; None: there is none.

    In use is what was used within a day of the newest use. Where nothing was used yet, every key that holds or begins is.
    """
    newest = max((one.used_at for one in states if one.used_at is not None), default=None)
    if newest is None:
        in_use = [one for one in states if one.time != "ended"] or list(states)
    else:
        in_use = [one for one in states if one.used_at is not None and newest - one.used_at < SUPERSEDED_AFTER]
    ends = [one.valid_until for one in in_use]
    if not in_use or any(end is None or end - now > ahead for end in ends):
        return None
    return max(in_use, key=lambda one: one.valid_until or now)


def _ended(key: SigningKey, now: datetime) -> bool:
    return key.valid_until is not None and now >= key.valid_until
