"""What a signature covered of a callback, and what it named."""

from __future__ import annotations

import enum

from gateway.model.value import Value


class Trust(enum.StrEnum):
    """How much of a callback the vendor's signature covered, from nothing to all of it."""

    rank: int
    """0 for none to 3 for body, for comparing."""

    NONE = "none"
    TIMESTAMP = "timestamp"  # only a time: any body would have passed
    FIELDS = "fields"  # named fields
    BODY = "body"  # every byte


for _rank, _trust in enumerate(Trust):
    _trust.rank = _rank  # an attribute, because a property would look it up for every callback


class Seal(Value, frozen=True, kw_only=True):
    """What a signature named, so that other content under the same signature can be noticed.

    `digest` is a hash over scheme, signature and time; `most` is how many different contents it may honestly carry:
    1 where the signed part names one finished file, 0 for any number, None for what the trust asks for: past 32 contents
    under a signature of trust `timestamp` an event is ranked behind all others, above that it is quarantined.
    """

    digest: bytes
    most: int | None = None


class _Covered(Value, frozen=True):
    trust: Trust
    scheme: str
    key: int | None = None


class Verified(_Covered, frozen=True, kw_only=True, eq=False):
    """What verification found: how much was covered, by which scheme, by which of the configured keys (from 0)."""

    seal: Seal | None = None
    validity: float | None = None  # seconds from arrival until the signature expires
    hint: str = ""  # what to configure so that more would be covered

    def _compared(self) -> tuple[object, ...]:
        return self.trust, self.scheme, self.key, self.seal

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verified) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())
