"""The rules of a rate that several gateways share: each holds a share of a sink's tokens, and all shares fit into one rate.

No token is asked for on the way of an event. Every few seconds each gateway says what it holds and needs, in one transaction
for all its sinks, and is told its share; one that is alone has all. A share that is not renewed ends by itself, and what
was spent of it counts for one window more, so that no window ever sees more than the rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from gateway.store.engine.batch import Bulk

HOLD_MS: Final = 10_000  # a share lasts so long without being renewed: a gateway that died holds its own back no longer
SPARE_MS: Final = 500  # a token that is spent while its share is taken away counts from then on
_LOCK: Final = "rates"

_ROWS: Final = "SELECT sink, owner, tokens, until_at > :now FROM rates"
_OLD: Final = "DELETE FROM rates WHERE free_at <= :now"
_KEEP: Final = """INSERT INTO rates (sink, owner, tokens, until_at, free_at)
  VALUES (:sink, :owner, :tokens, :now + :hold, :now + :hold + :window)
  ON CONFLICT (sink, owner) DO UPDATE SET tokens = excluded.tokens, until_at = excluded.until_at,
    free_at = excluded.free_at"""
_COOL: Final = """INSERT INTO rates (sink, owner, tokens, until_at, free_at)
  VALUES (:sink, :owner, :tokens, :now, :now + :window)
  ON CONFLICT (sink, owner) DO UPDATE SET tokens = rates.tokens + excluded.tokens, free_at = excluded.free_at"""
_LEAVE: Final = "DELETE FROM rates WHERE sink = :sink AND owner = :owner"


class RateUse(NamedTuple):
    """What a gateway says of one sink: `rate` tokens in any `window` ms are the sink's; of its share `spent` went in the last one."""

    sink: str
    rate: int
    window: int
    spent: int = 0


def share(session: Bulk, uses: Sequence[RateUse], owner: str) -> Mapping[str, int]:
    """The tokens of each sink that this gateway holds for HOLD_MS from now."""
    granted: dict[str, int] = {}
    with session.atomic():
        session.lock({_LOCK})
        session.change(_OLD)
        shares: dict[str, dict[str, tuple[int, bool]]] = {}
        for sink, whose, tokens, lives in session.rows(_ROWS):
            shares.setdefault(sink, {})[whose] = (tokens, bool(lives))
        for use in uses:
            granted[use.sink] = _grant(session, use, shares.get(use.sink, {}), owner)
    return granted


def leave(session: Bulk, uses: Sequence[RateUse], owner: str) -> None:
    """This gateway ends: its share is free, but for what it spent of it within the last window."""
    with session.atomic():
        session.lock({_LOCK})
        for use in uses:
            session.change(_LEAVE, {"sink": use.sink, "owner": owner})
            _cool(session, use, use.spent, owner)


def _grant(session: Bulk, use: RateUse, shares: Mapping[str, tuple[int, bool]], owner: str) -> int:
    others = {whose: state for whose, state in shares.items() if whose != owner}
    mine = shares.get(owner, (0, False))[0]
    rivals = sorted([*(whose for whose, (_, lives) in others.items() if lives), owner])
    fair = use.rate // len(rivals) + (rivals.index(owner) < use.rate % len(rivals))
    free = use.rate - sum(tokens for tokens, _ in others.values())
    tokens = max(min(fair, free), 0)
    if tokens < mine and use.spent > tokens:
        _cool(session, use, min(use.spent, mine) - tokens, owner)
    values = {"sink": use.sink, "owner": owner, "tokens": tokens, "hold": HOLD_MS, "window": use.window}
    session.change(_KEEP, values)
    return tokens


def _cool(session: Bulk, use: RateUse, tokens: int, owner: str) -> None:
    """Tokens that were spent lately and are no longer this gateway's are nobody's for one window."""
    if tokens > 0:
        values = {"sink": use.sink, "owner": f"{owner} spent", "tokens": tokens, "window": use.window + SPARE_MS}
        session.change(_COOL, values)
