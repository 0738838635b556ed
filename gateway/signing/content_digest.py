"""Content-Digest (RFC 9530): the header by which a signature covers a body."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from gateway.signing.structured_fields import FieldItem, parse_dictionary, written_dictionary

CONTENT_DIGEST: Final = "content-digest"  # the header of RFC 9530
_DIGESTS: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}  # the others of RFC 9530 are broken or unknown


def content_digest(body: bytes) -> str:
    """The header Content-Digest with SHA-256."""
    return written_dictionary({"sha-256": FieldItem(hashlib.sha256(body).digest())})


def digest_fits(header: str, body: bytes) -> bool:
    """Whether every digest in it that is known here is the body's, and one is."""
    try:
        members = parse_dictionary(header)
    except ValueError:
        return False
    known = [(name, member) for name, member in members.items() if name in _DIGESTS]
    fits = [
        isinstance(member.value, bytes) and hmac.compare_digest(member.value, _DIGESTS[name](body).digest())
        for name, member in known
        if isinstance(member, FieldItem)
    ]
    return len(fits) == len(known) > 0 and all(fits)
