"""How large a JSON document may be: the bounds, and the count of its values before it is decoded."""

from __future__ import annotations

from typing import Final

from gateway.errors import Malformed

DEPTH_MAX: Final = 16  # containers inside each other in the normal form, the outermost object included
READABLE_DEPTH_MAX: Final = 512  # deeper is no document that somebody wrote, and reading it would end the stack
NODES_MAX: Final = 50_000  # values of any kind in a body that is verified: a meeting of 2,000 files
UNVERIFIED_NODES_MAX: Final = (
    1_000  # in one that is not, because everybody can send it: docs/operations.md says the cost
)
KEY_CHARS_MAX: Final = 256  # characters
TEXT_BYTES_MAX: Final = 64 * 1024  # bytes of UTF-8
INTEGER_MAX: Final = 2**63 - 1  # in either direction: what a bigint holds, and its negative


def check_structure(body: bytes, most: int) -> None:
    """Refuse by its bytes alone what holds more than `most` values. Raises Malformed.

    A value costs a comma or an opening bracket, and at the most two of them. Those inside texts say nothing, and are
    taken out only where the plain count is not enough: that costs as much as there are texts, so these are bounded too.
    """
    if len(body) <= 2 * most or _structure(body) <= 2 * most:
        return
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 8 * most or _structure(b"".join(bare.split(b'"')[::2])) > 2 * most:
        raise too_many(most)


def _structure(body: bytes) -> int:
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def too_many(most: int) -> Malformed:
    """The refusal of a body with more than `most` values."""
    return Malformed(f"the body holds more than {most} values")
