"""Vendors whose JSON carries `sign`, the MD5 of a key and of `t`, when the signature expires: it covers nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from gateway import (
    ONE_OR_MANY,
    Callback,
    Duration,
    Options,
    Played,
    Scene,
    Seal,
    SigningKey,
    Trust,
    Untrusted,
    Verified,
    between,
    secret,
)
from plugins.sources.common.fields import kind_of
from plugins.sources.common.keyed import (
    KEY_CHARS_MIN,
    OF_A_KEY,
    Keyed,
    check_expiry,
    from_hex,
    mismatch,
    position,
    seconds_of,
    some,
)

_VALIDITY_SECONDS = 600  # seconds; what both vendors give a signature


class TokenOptions(Options):
    """The options of a vendor that signs an expiry and nothing else."""

    keys: Annotated[
        tuple[Annotated[SigningKey, secret(min_length=KEY_CHARS_MIN, advise=32)], ...],
        ONE_OR_MANY,
        AfterValidator(some),
    ] = Field(
        description="The callback key of the vendor's console; several while it is being changed. "
        "At least 6 characters, better the 32 that the vendor allows." + OF_A_KEY
    )
    clock_skew: Annotated[Duration, between("0", "1d")] = Field(
        default=timedelta(), description="How long after its expiry a signature is still accepted."
    )
    max_validity: Annotated[Duration, between("1s")] = Field(
        default=timedelta(hours=24), description="How far in the future a signature's expiry may lie."
    )
    max_bodies_per_signature: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="How many different callbacks may share one signature; one more is quarantined. 0: any number. "
        "Left out: those past 32 are delivered after everything else.",
    )


def token(key: bytes, expires: str) -> bytes:
    """MD5 of the key followed by the expiry's decimal digits: 16 bytes."""
    return hashlib.md5(key + expires.encode(), usedforsecurity=False).digest()


class Md5Token(Keyed):
    """The base of `tencent-css` and `volcengine-live`."""

    Options = TokenOptions
    scheme: ClassVar[str] = "md5"
    max_body: ClassVar[int | None] = 64 * 1024
    ages: ClassVar[bool] = True
    key_fields: ClassVar[Sequence[str]] = ("sign", "t")
    options: TokenOptions

    def advice(self) -> Sequence[str]:
        return (
            *super().advice(),
            "the vendor's signature covers only an expiry: whoever sees one callback can send any other until then; "
            "a `path` that cannot be guessed and `allow_from` are what else there is",
        )

    @property
    def most_trust(self) -> Trust:
        return Trust.TIMESTAMP

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted, or Malformed for a body that is no JSON object."""
        said = callback.json()
        presented, expires = _credentials(said)
        key = position(from_hex(presented, 16), [token(key, expires) for key in self._keys])
        if key is None:
            raise mismatch("sign", self._keys, "MD5(key + t)")
        options = self.options
        left = check_expiry(
            seconds_of(expires, "t"), callback.received_at, skew=options.clock_skew, longest=options.max_validity
        )
        digest = hashlib.sha256(f"{presented.lower()}\0{expires}".encode()).digest()[:16]
        return Verified(
            trust=Trust.TIMESTAMP,
            scheme=self.scheme,
            key=key,
            validity=left,
            seal=Seal(digest=digest, most=options.max_bodies_per_signature),
        )

    def _sent(self, scene: Scene) -> int:
        """Here the time of expiry."""
        at = int(scene.now.timestamp())
        if scene.expired:
            return at - int(self.options.clock_skew.total_seconds()) - 60
        return at + min(_VALIDITY_SECONDS, int(self.options.max_validity.total_seconds()))

    def _signed(self, said: Mapping[str, object], at: int, scene: Scene) -> Played:
        expires = said.get("t", at)
        signed = {"sign": token(self._keys[0], str(expires)).hex(), **said, "t": expires}
        if scene.tampered:
            signed["t"] = at + 1  # all that this formula covers
        return Played(body=self._written(signed), headers={"content-type": self.content_type})


def _credentials(said: Mapping[str, object]) -> tuple[str, str]:
    """`sign` and `t` as texts; their values are in no error."""
    presented, expires = said.get("sign"), said.get("t")
    if type(presented) is not str or not presented:
        raise Untrusted("signature_missing", f"sign is {kind_of(presented)}; 32 hexadecimal digits are expected")
    if type(expires) is not int and type(expires) is not str:
        raise Untrusted("signature_missing", f"t is {kind_of(expires)}; seconds since 1970 are expected")
    seconds_of(str(expires), "t")
    return presented, str(expires)
