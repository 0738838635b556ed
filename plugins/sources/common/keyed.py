"""What sources with keys share: one header, a digest read strictly, every key compared, the clock, and playing the vendor."""

from __future__ import annotations

import base64
import binascii
import builtins
import hashlib
import hmac
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    ONE_OR_MANY,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    Callback,
    Duration,
    Options,
    Played,
    Scene,
    Seal,
    Secret,
    SigningKey,
    Source,
    Trust,
    Untrusted,
    Verified,
    between,
    encode_json,
    secret,
)

HEADER_BYTES_MAX: Final = 4096  # bytes of a header that carries a signature
OF_A_KEY: Final = " Each is a text, or `{key, name, valid_from, valid_until}`."  # of whatever option holds keys
RECORDING_TYPES: Final = (  # what vendors say of recordings
    RECORDING_STARTED,
    FILE_STARTED,
    FILE_COMPLETED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_UNKNOWN,
)
KEY_CHARS_MIN: Final = 6  # because the redactor does not look for a shorter text, so it would show up in logs

_DIGITS: Final = re.compile("[0-9]{1,10}")
_BASE64: Final = re.compile("[A-Za-z0-9+/]+")
_BASE64URL: Final = re.compile("[A-Za-z0-9_-]+")
_SEPARATORS: Final = re.compile(r"[,;\s]+")
_HEX: Final = re.compile("[0-9a-fA-F]*")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def some(keys: tuple[SigningKey, ...]) -> tuple[SigningKey, ...]:
    if not keys:
        raise PydanticCustomError("keys", "at least one key, as the vendor has it")
    return keys


Key = Annotated[SigningKey, secret(min_length=KEY_CHARS_MIN, advise=16)]
SourceKeys = Annotated[tuple[Key, ...], ONE_OR_MANY, AfterValidator(some)]
Tolerance = Annotated[Duration, between("1s", "1d")]


class KeyedOptions(Options):
    """The options of a vendor that signs with a key."""

    keys: SourceKeys = Field(
        description="The secret that the vendor signs with; several while it is being changed. At least 6 characters."
        + OF_A_KEY
    )


class TimedOptions(KeyedOptions):
    """The options of a vendor that signs the time of sending as well."""

    tolerance: Tolerance = Field(
        default=timedelta(minutes=5),
        description="How far the signed time of sending may be from this clock, either way.",
    )


def keys_advice(keys: Sequence[Secret]) -> Iterator[str]:
    """Warnings about keys that are there twice or were pasted with white space. Short ones are told by their own type."""
    for (first, one), (second, other) in itertools.combinations(enumerate(keys), 2):
        if one == other:
            yield f"keys[{second}] is the same as keys[{first}]"
    for position, key in enumerate(keys):
        if key.reveal() != key.reveal().strip():
            yield f"keys[{position}] begins or ends with white space, which is part of the key"


# --- what came --------------------------------------------------------------------------------------------------------


def header(callback: Callback, name: str) -> str:
    """The one header of this name. Raises Untrusted where there is none, several, or one over 4 KiB."""
    values = callback.headers.getlist(name)
    if len(values) != 1 or not values[0]:
        how = "missing" if not values else "empty" if len(values) == 1 else f"there {len(values)} times"
        raise Untrusted("signature_missing", f"the header {name} is {how}; exactly one is expected")
    if len(values[0]) > HEADER_BYTES_MAX:
        raise Untrusted("signature_missing", f"the header {name} is longer than {HEADER_BYTES_MAX} bytes")
    return values[0]


def parts(text: str) -> Mapping[str, Sequence[str]]:
    """The parts of a header such as `t=1,v1=abc` or `ts=1;h1=abc`: every value of each name, in their order.

    A signature may be there twice, because vendors sign with the old and the new secret while one is being changed.
    """
    by_name: dict[str, list[str]] = {}
    for part in _SEPARATORS.split(text):
        name, equals, value = part.partition("=")
        if equals:
            by_name.setdefault(name, []).append(value.strip('"'))
    return by_name


def only(values: Sequence[str], what: str) -> str:
    """The one value of a part that may be there once. Raises Untrusted: of two times nobody can say which one counts."""
    if len(values) != 1 or not values[0]:
        how = "missing" if not values else "empty" if len(values) == 1 else f"there {len(values)} times"
        raise Untrusted("signature_missing", f"{what} is {how}; exactly one is expected")
    return values[0]


def any_position(presented: Iterable[bytes | None], expected: Sequence[bytes]) -> int | None:
    """Which of the expected is among the presented ones, of which one is enough. All are compared."""
    found = [at for one in presented if (at := position(one, expected)) is not None]
    return min(found, default=None)


def seconds_of(text: str, name: str) -> int:
    """Seconds since 1970 in 1 to 10 decimal digits. Raises Untrusted; `name` says where they should have been."""
    if not _DIGITS.fullmatch(text):
        raise Untrusted("signature_missing", f"{name} is not seconds since 1970 in 1 to 10 decimal digits")
    return int(text)


def from_hex(text: str, size: int) -> bytes | None:
    """Exactly `size` bytes from hexadecimal digits in either case, or None."""
    return bytes.fromhex(text) if len(text) == 2 * size and _HEX.fullmatch(text) else None


def from_base64(text: str, size: int | None = None, *, url: bool = False) -> bytes | None:
    """Exactly `size` bytes from base64, with or without its padding; `url`: in the alphabet of URLs. None: not that."""
    bare = text.rstrip("=")
    if not (_BASE64URL if url else _BASE64).fullmatch(bare):
        return None
    try:
        read = base64.b64decode(bare + "=" * (-len(bare) % 4), b"-_" if url else None)
    except binascii.Error:
        return None
    return read if size is None or len(read) == size else None


# --- whether it fits --------------------------------------------------------------------------------------------------


def position(presented: bytes | None, expected: Sequence[bytes]) -> int | None:
    """Which of these is the presented one. All are compared, so that the time says nothing about a key's position."""
    fits = [hmac.compare_digest(one, presented or b"") for one in expected]
    return fits.index(True) if True in fits else None


def mismatch(where: str, keys: Sequence[bytes], formula: str) -> Untrusted:
    """The refusal of a signature that fits no key; it never says which one would have."""
    count = f"{len(keys)} key{'s' if len(keys) > 1 else ''}"
    return Untrusted("signature_mismatch", f"{where} is not {formula} by any of {count}; is the key the vendor's?")


def seal_of(*parts: bytes | str, most: int | None) -> Seal:
    """The seal of what was signed: how many different contents it may carry."""
    named = b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)
    return Seal(digest=hashlib.sha256(named).digest()[:16], most=most)


def check_sent(at: int | datetime, received_at: datetime, tolerance: timedelta) -> float:
    """The seconds a signature of this time is still good for. Both edges are exact. Raises Untrusted.

    `at` is when the vendor says it sent the callback, in seconds since 1970 or as an aware time.
    """
    sent = (at - _EPOCH) // _MICROSECOND if isinstance(at, datetime) else at * 1_000_000
    late = (received_at - _EPOCH) // _MICROSECOND - sent
    most = tolerance // _MICROSECOND
    if late > most:
        raise Untrusted("signature_expired", f"it was signed {late / 1e6:.3f} s before it came (tolerance)")
    if late < -most:
        raise Untrusted("validity_too_long", f"it was signed for {-late / 1e6:.3f} s after it came (tolerance)")
    return (most - late) / 1e6


def check_expiry(expires: int, received_at: datetime, *, skew: timedelta, longest: timedelta) -> float:
    """The seconds a signature that expires then is still good for. Both edges are exact. Raises Untrusted."""
    left = expires * 1_000_000 - (received_at - _EPOCH) // _MICROSECOND
    if left < 0:
        if left < -(skew // _MICROSECOND):
            raise Untrusted(
                "signature_expired", f"the signature had expired {-left / 1e6:.3f} s before the callback came"
            )
    elif left > longest // _MICROSECOND:
        most = f"max_validity is {longest.total_seconds():.0f} s"
        raise Untrusted("validity_too_long", f"the signature would be good for {left / 1e6:.0f} s; {most}")
    return left / 1e6


# --- a source -----------------------------------------------------------------------------------------------------------


class Keyed(Source):
    """The base of sources whose vendor signs with a key: it reveals the keys once, warns about them, and plays.

    A vendor's file says where its signature is and what it is over (`verify`), what a callback means (`normalise`), and
    how one is made (`example_document`, `headers`).
    """

    Options: ClassVar[builtins.type[BaseModel]] = KeyedOptions
    scheme: ClassVar[str]
    ages: ClassVar[bool] = False  # whether a signature can be too old
    content_type: ClassVar[str] = "application/json"
    relays: ClassVar[bool] = False  # whether it takes events of other gateways, which have their vendor's provider
    lacks: ClassVar[Sequence[str]] = ()  # the keys of `match` that no event of this vendor has
    options: Any

    @property
    def always(self) -> Mapping[str, Sequence[str]]:
        own: Mapping[str, Sequence[str]] = {} if self.relays else {"provider": (self.type,), "type": RECORDING_TYPES}
        return {**own, **dict.fromkeys(self.lacks, ())}

    def prepare(self) -> None:
        self._keys: tuple[bytes, ...] = tuple(key.reveal().encode() for key in self.options.keys)

    def advice(self) -> Sequence[str]:
        return tuple(keys_advice(self.options.keys))

    def verified(self, key: int, *, trust: Trust = Trust.BODY, validity: float | None = None) -> Verified:
        return Verified(trust=trust, scheme=self.scheme, key=key, validity=validity)

    # -- playing the vendor

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        """The fields of a callback of this type; `unique` is 64 hexadecimal digits that no other scene has."""
        raise NotImplementedError

    def headers(self, body: bytes, at: int, key: bytes) -> Mapping[str, str]:
        """The headers that the vendor signs this body with, at this second since 1970."""
        raise NotImplementedError

    def play(self, scene: Scene) -> Played:
        """A callback as the vendor sends it. Raises ValueError for a type, scheme or trick that cannot be played."""
        self._check(scene)
        said = {**self.example_document(scene.type, scene, self._unique(scene)), **scene.fields}
        return self._signed(said, self._sent(scene), scene)

    def _check(self, scene: Scene) -> None:
        if scene.type not in self.scenes:
            raise ValueError(f"{self.type} has no callback {scene.type!r}; known: {', '.join(self.scenes)}")
        if scene.scheme not in (None, self.scheme):
            raise ValueError(f"{self.type} signs with {self.scheme}, not {scene.scheme}")
        if scene.expired and not self.ages:
            raise ValueError(f"the signature of {self.type} holds no time, so it cannot expire")

    def _unique(self, scene: Scene) -> str:
        return hashlib.sha256(f"{self.name}/{scene.number}/{scene.now.isoformat()}".encode()).hexdigest()

    def _sent(self, scene: Scene) -> int:
        at = int(scene.now.timestamp())
        return at - int(self.options.tolerance.total_seconds()) - 60 if scene.expired else at

    def _signed(self, said: Mapping[str, object], at: int, scene: Scene) -> Played:
        body = self._written(said)
        headers = {"content-type": self.content_type, **self.headers(body, at, self._keys[0])}
        return Played(body=self._spoilt(body) if scene.tampered else body, headers=headers)

    def _written(self, said: Mapping[str, object]) -> bytes:
        return encode_json(said).encode()

    def _spoilt(self, body: bytes) -> bytes:
        return body[:-1] + b',"tampered":true}'
