"""What the rows of a store are encrypted with, counted, and how far a change of the key is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.store.engine import cipher_keys
from gateway.store.engine.cipher import key_of
from gateway.store.engine.session import Session
from gateway.store.outbox import key_change
from gateway.store.outbox.key_change import KeyChange

_WINDOW_ROWS: Final = 5000
_HEADS: Final = {
    "events": ("SELECT seq, substr(body, 1, 66) FROM events WHERE seq > :after ORDER BY seq LIMIT :most",),
    "verdicts": ("SELECT id, substr(routing, 1, 66) FROM verdicts WHERE id > :after ORDER BY id LIMIT :most",),
    "deliveries": (
        "SELECT id, substr(memo, 1, 66) FROM deliveries WHERE id > :after ORDER BY id LIMIT :most",
        "SELECT id, substr(progress, 1, 66) FROM deliveries WHERE id > :after ORDER BY id LIMIT :most",
    ),
    "refused": ("SELECT id, substr(headers, 1, 66) FROM refused WHERE id > :after ORDER BY id LIMIT :most",),
}
"""The beginnings of what may be encrypted, with the mark, a key's name and the mark."""


class CipherKey(NamedTuple):
    """A key, or `name` empty for what stands in plain. `given`: the configuration has it; `rows` by table."""

    name: str
    given: bool
    first: bool
    lost: bool
    used: bool  # the store holds it for in use
    rows: dict[str, int]

    @property
    def may_go(self) -> bool:
        """Whether nothing needs it."""
        return not self.first and not self.used and not any(self.rows.values())


class CipherReport(NamedTuple):
    """All keys that the configuration or a row names, and the pass that changes them."""

    keys: Sequence[CipherKey]
    pass_: KeyChange | None


def report(session: Session) -> CipherReport:
    """Looks at every row, in windows."""
    counts: dict[str, Counter[str]] = {}
    for table, statements in _HEADS.items():
        for statement in statements:
            _count(session, statement, table, counts)
    used = {key.name for key in cipher_keys.known(session) if not key.retired}
    cipher = session.cipher
    names = [
        *(() if cipher is None else cipher.checks),
        *(() if cipher is None else sorted(cipher.lost)),
        *sorted(used),
        *sorted(counts),
    ]
    keys = [
        CipherKey(
            name,
            given=cipher is not None and name in cipher.checks,
            first=cipher is not None and name == cipher.first,
            lost=cipher is not None and name in cipher.lost,
            used=name in used,
            rows=dict(counts.get(name, {})),
        )
        for name in dict.fromkeys(names)
    ]
    return CipherReport(keys, key_change.state(session))


def _count(session: Session, statement: str, table: str, counts: dict[str, Counter[str]]) -> None:
    after = 0
    while True:
        rows = session.rows(statement, {"after": after, "most": _WINDOW_ROWS})
        for _, head in rows:
            if head is not None:
                counts.setdefault(key_of(head), Counter())[table] += 1
        if len(rows) < _WINDOW_ROWS:
            return
        after = rows[-1][0]
