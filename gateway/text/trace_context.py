"""W3C Trace Context: which trace a request belongs to, read strictly, kept with its event, and sent on.

https://www.w3.org/TR/trace-context/ ; what breaks its grammar is as if it had not come.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Final, NamedTuple, Self

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
TRACEPARENT_CHARS: Final = 55  # characters of version 00; a later version may say more behind a `-`
TRACEPARENT_CHARS_MAX: Final = 256  # characters of a later version that are looked at
TRACESTATE_CHARS_MAX: Final = 512  # characters: as many as everybody has to pass on
TRACESTATE_MEMBERS_MAX: Final = 32
KNOWN_FLAGS: Final = 0x03  # sampled, and (level 2) random; what other bits mean is not known, so they are not passed on
SAMPLED: Final = 0x01

_PARENT: Final = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_KEY: Final = r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_VALUE: Final = r"[ -+\--<>-~]{0,255}[!-+\--<>-~]"  # printable ASCII without `,` and `=`, the last of them no space
_MEMBER: Final = re.compile(rf"({_KEY})={_VALUE}", re.ASCII)


class TraceContext(NamedTuple):
    """A place in a trace. `span_id` names the span that what follows is a child of; both ids are lower hex."""

    trace_id: str  # 32 digits
    span_id: str  # 16 digits
    flags: int = 0
    state: str = ""  # the vendors' own, as `tracestate` has it

    @property
    def sampled(self) -> bool:
        """Whether whoever began the trace records it."""
        return bool(self.flags & SAMPLED)

    @property
    def traceparent(self) -> str:
        """The header's value, in version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Put it among the headers (lower-case names) of a request, unless somebody has put one there."""
        if TRACEPARENT in headers:
            return
        headers[TRACEPARENT] = self.traceparent
        if self.state:
            headers[TRACESTATE] = self.state

    def stored(self) -> str:
        """One line of ASCII, for the store."""
        return f"{self.traceparent} {self.state}" if self.state else self.traceparent

    @classmethod
    def of_stored(cls, text: str | None) -> Self | None:
        """What `stored` gave; None for nothing, and for what somebody else wrote there."""
        if not text:
            return None
        parent, _, state = text.partition(" ")
        return cls.of_headers([parent], [state] if state else [])

    @classmethod
    def of_headers(cls, parents: Sequence[str], states: Sequence[str]) -> Self | None:
        """From the values of `traceparent` and `tracestate` as they came; None: there is none, or it is not valid.

        A `tracestate` that is not valid, or longer than 512 characters, is left out; the trace goes on without.
        """
        if len(parents) != 1 or not TRACEPARENT_CHARS <= len(parents[0]) <= TRACEPARENT_CHARS_MAX:
            return None
        parent = parents[0]
        match = _PARENT.match(parent)
        if match is None:
            return None
        version, trace_id, span_id, flags = match.groups()
        more = parent[TRACEPARENT_CHARS:]
        if more and (version == "00" or more[0] != "-"):
            return None
        return cls(trace_id, span_id, int(flags, 16) & KNOWN_FLAGS, _state(states))


def _state(values: Sequence[str]) -> str:
    """The members of all its headers in one line; empty where one of them breaks the grammar."""
    if sum(map(len, values)) > TRACESTATE_CHARS_MAX * 2:  # blanks between members are allowed, and taken out
        return ""
    members = [member for value in values for part in value.split(",") if (member := part.strip(" \t"))]
    matches = [_MEMBER.fullmatch(member) for member in members]
    keys = [match.group(1) for match in matches if match is not None]
    if len(keys) != len(members) or len(set(keys)) != len(keys) or len(keys) > TRACESTATE_MEMBERS_MAX:
        return ""
    state = ",".join(members)
    return state if len(state) <= TRACESTATE_CHARS_MAX else ""
