"""What a store notes of the keys it was encrypted with, so that one that is not given is missed at the start, by name."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.errors import StoreKeyMissing
from gateway.store.engine.session import Session, number_of

_PREFIX: Final = "cipher "  # of names in `meta`
_READ: Final = "SELECT name, value FROM meta WHERE name LIKE 'cipher %' ORDER BY name"
_NOTE: Final = """INSERT INTO meta (name, value) VALUES (:name, :value)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.value LIKE '% retired'"""
_RETIRE: Final = "UPDATE meta SET value = value || ' retired' WHERE name = :name AND value NOT LIKE '% retired'"

_KEEP: Final = "UPDATE meta SET value = replace(value, ' retired', '') WHERE name = :name AND value LIKE '% retired'"


class KnownKey(NamedTuple):
    """A key that encrypts or did. `since_at`: ms; `retired`: nothing was left under it when everything was looked through."""

    name: str
    check: str
    since_at: int
    retired: bool


def known(session: Session) -> list[KnownKey]:
    """The keys of a store, by name."""
    keys: list[KnownKey] = []
    for name, value in session.rows(_READ):
        check, since, *rest = value.split(" ")
        keys.append(KnownKey(name.removeprefix(_PREFIX), check, int(since), bool(rest)))
    return keys


def require(session: Session, shown: str) -> None:
    """Raises StoreKeyMissing where something is encrypted with a key that is not given, or is another than that of its name."""
    cipher = session.cipher
    checks = {} if cipher is None else cipher.checks
    lost = frozenset[str]() if cipher is None else cipher.lost
    keys = known(session)
    for key in keys:
        if key.name in checks and checks[key.name] != key.check:
            raise StoreKeyMissing(
                f"the store {shown} knows another key by the name {key.name!r}: give the one that it was encrypted with, "
                "and a new key a name of its own (store.encryption.keys)"
            )
    missing = [key.name for key in keys if not key.retired and key.name not in checks and key.name not in lost]
    if missing:
        names = ", ".join(map(repr, missing))
        raise StoreKeyMissing(
            f"the store {shown} is encrypted with {'the key' if len(missing) == 1 else 'the keys'} {names}, not among "
            "store.encryption.keys: add what is missing there; what nobody has any more is named under store.encryption.lost"
        )


def register(session: Session) -> None:
    """Note the key that encrypts from now on; one that was retired begins anew. Before anything is encrypted with it."""
    if session.cipher is not None:
        first = session.cipher.first
        now = number_of(session.rows("SELECT CAST(:now AS bigint)"))
        at = max([now, *(key.since_at + 1 for key in known(session))])  # the newest, wherever a clock was set to
        session.change(_NOTE, {"name": _PREFIX + first, "value": f"{session.cipher.checks[first]} {at}"})


def retire(session: Session, name: str) -> None:
    """Nothing is encrypted with this key any more."""
    session.change(_RETIRE, {"name": _PREFIX + name})


def keep(session: Session, name: str) -> None:
    """This key encrypts still, where another gateway's pass has retired it."""
    session.change(_KEEP, {"name": _PREFIX + name})


def newest(session: Session) -> str | None:
    """The key that encrypted last for the first time, of those in use: only its gateways encrypt anew what others encrypted."""
    used = [key for key in known(session) if not key.retired]
    return max(used, key=lambda key: (key.since_at, key.name)).name if used else None
