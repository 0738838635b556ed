"""What vendors share whose one header holds the time and a signature of it and the body, such as `t=1700000000,v1=5f2e…`."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import ClassVar

from gateway import Callback, Verified
from plugins.sources.common.keyed import (
    Keyed,
    TimedOptions,
    any_position,
    check_sent,
    from_hex,
    header,
    mismatch,
    only,
    parts,
    seconds_of,
)


def mark(key: bytes, at: str, body: bytes) -> bytes:
    """HMAC-SHA256 over time, dot and body: 32 bytes."""
    return hmac.digest(key, at.encode() + b"." + body, "sha256")


class TimedHeader(Keyed):
    """A vendor's file says what its header and the two parts of it are called."""

    Options = TimedOptions
    scheme: ClassVar[str] = "hmac-sha256"
    ages: ClassVar[bool] = True
    header: ClassVar[str]
    time_part: ClassVar[str]  # seconds since 1970
    mark_part: ClassVar[str]  # hexadecimal digits

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted."""
        by_name = parts(header(callback, self.header))
        where = f"`{self.time_part}` of {self.header}"
        at = only(by_name.get(self.time_part, ()), where)
        sent = seconds_of(at, where)
        presented = [from_hex(one, 32) for one in by_name.get(self.mark_part, ())]
        key = any_position(presented, [mark(key, at, callback.body) for key in self._keys])
        if key is None:
            raise mismatch(f"`{self.mark_part}` of {self.header}", self._keys, "the HMAC-SHA256 of time and body")
        return self.verified(key, validity=check_sent(sent, callback.received_at, self.options.tolerance))

    def headers(self, body: bytes, at: int, key: bytes) -> Mapping[str, str]:
        return {self.header: f"{self.time_part}={at},{self.mark_part}={mark(key, str(at), body).hex()}"}
