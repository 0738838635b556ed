"""The source `huawei-live`: verifies Huawei Cloud Live's recording callbacks and puts them into the normal form."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, NamedTuple

from gateway import Callback, Event, Malformed, Played, Scene, Seal, Trust, Untrusted, Verified
from plugins.sources.common.fields import kind_of, text_of, texts_of
from plugins.sources.common.keyed import RECORDING_TYPES, check_expiry, from_hex, mismatch, position
from plugins.sources.huawei_live import options
from plugins.sources.huawei_live.normal import IDENTITY, TYPES, event_of
from plugins.sources.huawei_live.options import HuaweiLiveOptions
from plugins.sources.huawei_live.push import PUSH_TYPES, push_event_of
from plugins.sources.huawei_live.vendor_side import AskingSource, matcher
from plugins.vendors.huawei_live import signature

_NAMED_BY: Final = signature.NAMES[:4]
_URLS: Final = signature.NAMES[4:]
_TRUST_FIELDS: Final = Trust.FIELDS
_TRUST_TIMESTAMP: Final = Trust.TIMESTAMP
_HEX: Final = re.compile("[0-9a-fA-F]{32}|[0-9a-fA-F]{64}")  # of an MD5 or of an HMAC-SHA256


class HuaweiLive(AskingSource):
    """Recording callbacks of Huawei Cloud Live. docs/sources.md says what its signatures cover and where the traps are."""

    type: ClassVar[str] = "huawei-live"
    Options = HuaweiLiveOptions
    key_fields: ClassVar[Sequence[str]] = (
        *signature.NAMES,
        "auth_sign",
        "auth_timestamp",
        *IDENTITY,
        "event",
        "domain",
    )
    scenes: ClassVar[Sequence[str]] = tuple(TYPES)
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # the same key goes into the vendor's console
sign_type: hmac-sha256        # both HMAC formulas; hmac-sha256-fields is the one that covers the fields
# Only with exact names, all of yours, is there one way to read the signed text: then the trust is `fields`.
domains: @DOMAINS@
apps: @APPS@
"""
    first_choice: ClassVar[bool] = True
    options: HuaweiLiveOptions

    def prepare(self) -> None:
        self._schemes = self.options.sign_type
        self._keys = tuple(key.reveal().encode() for key in self.options.keys)
        self._domain_allowed = matcher(self.options.domains)
        self._app_allowed = matcher(self.options.apps)
        self._pairs = options.exact_names(self.options)
        # Kept here, because an attribute of a model is found in a few calls.
        self._is_unsigned = self.options.sign_type == (signature.NONE,)
        self._skew, self._longest = self.options.clock_skew, self.options.max_validity
        self._url_rules, self._bodies_max = self.options.url_rules, self.options.max_bodies_per_signature
        if self.options.stream_events:
            self.scenes = (*TYPES, *PUSH_TYPES)  # type: ignore[misc]  # here it is a choice

    @property
    def unsigned(self) -> bool:
        return self._is_unsigned

    @property
    def most_trust(self) -> Trust:
        most = max((signature.COVERS[scheme] for scheme in self.options.sign_type), key=lambda trust: trust.rank)
        return Trust.TIMESTAMP if most is Trust.FIELDS and self._pairs is None else most

    @property
    def always(self) -> Mapping[str, Sequence[str]]:
        allowed = {"domain": self.options.domains, "app": self.options.apps}
        types = (*RECORDING_TYPES, *(PUSH_TYPES.values() if self.options.stream_events else ()))
        return {"provider": (self.type,), "type": types, **{key: globs for key, globs in allowed.items() if globs}}

    def advice(self) -> Sequence[str]:
        return tuple(options.advice(self.options))

    # -- who sent it

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted with the codes of docs/http.md, or Malformed where a field it needs cannot be read."""
        document = callback.json()
        if _is_push(document):
            return self._verify_push(document, callback)
        if self._is_unsigned:
            self._check_allowed(text_of(document, "publish_domain"), text_of(document, "app"))
            return Verified(trust=Trust.NONE, scheme=signature.NONE)
        presented, timestamp = _credentials(document)
        signed = _signed(document)
        scheme, key = self._match(presented, timestamp, signed)
        validity = check_expiry(int(timestamp), callback.received_at, skew=self._skew, longest=self._longest)
        self._check_allowed(signed.domain, signed.app)
        trust = self._trust(scheme, signed)
        seal = self._seal(scheme, presented, timestamp, trust, signed)
        hint = self._hint(signed) if scheme == signature.FIELDS and trust is not _TRUST_FIELDS else ""
        return Verified(trust=trust, scheme=scheme, key=key, seal=seal, validity=validity, hint=hint)

    def _hint(self, signed: _SignedCallback) -> str:
        """What to write so that such a callback has the trust `fields`; empty where nothing in the file would help."""
        if self._pairs is None and (left := options.open_names(self.options)):
            lines = options.what_to_list(self.options, signed.domain, signed.app)
            return f"{left}, so bytes can be moved between the signed fields; {lines} under sources.{self.name}"
        if not self._is_cut_in_one_way(signed):
            return (
                "another of the listed pairs of domain and app begins like this one; rename an app, or use two sources"
            )
        return ""

    def _verify_push(self, document: Mapping[str, object], callback: Callback) -> Verified:
        """That a stream is pushed is no recording, but nobody may say it who does not belong: it has its own formula."""
        event, domain, app, stream = (text_of(document, name) for name in signature.PUSH_NAMES)
        if self._is_unsigned:
            self._check_allowed(domain, app, "domain")
            return Verified(trust=Trust.NONE, scheme=signature.NONE)
        presented, timestamp = _credentials(document)
        fields = "".join((event, domain, app, stream)).encode()
        expected = [signature.sign_push(key, fields, timestamp.encode()) for key in self._keys]
        key = position(from_hex(presented, 32), expected)
        if key is None:
            raise mismatch("auth_sign", self._keys, "the HMAC-SHA256 of a stream's push")
        validity = check_expiry(int(timestamp), callback.received_at, skew=self._skew, longest=self._longest)
        self._check_allowed(domain, app, "domain")
        # Only with exact names can no byte be moved between what is signed; the end of `stream` is a time of ten digits.
        cut_once = self._pairs is not None and sum(map((domain + app + stream).startswith, self._pairs)) == 1
        trust = _TRUST_FIELDS if cut_once and event in PUSH_TYPES else _TRUST_TIMESTAMP
        digest = hashlib.sha256(f"{signature.PUSH}\0{presented.lower()}\0{timestamp}".encode()).digest()[:16]
        seal = Seal(digest=digest, most=self._bodies_max)
        return Verified(trust=trust, scheme=signature.PUSH, key=key, seal=seal, validity=validity)

    def _match(self, presented: str, timestamp: str, signed: _SignedCallback) -> tuple[str, int]:
        """The scheme that covers most, among those that fit, and the position of its key."""
        schemes = self._schemes
        if signed.unreadable:  # then the formula of the fields has no value, but another may still fit
            schemes = tuple(scheme for scheme in schemes if scheme != signature.FIELDS)
        matches: Sequence[tuple[str, int]] = ()
        if _HEX.fullmatch(presented):
            matches = signature.matches(
                bytes.fromhex(presented),
                schemes=schemes,
                keys=self._keys,
                timestamp=timestamp.encode(),
                fields=signed.joined.encode("utf-8", "surrogatepass"),
            )
        if matches:
            return matches[0]
        if schemes != self._schemes:
            raise Malformed(f"{signed.unreadable}; text is expected, because the signature covers it")
        raise Untrusted("signature_mismatch", self._mismatch(presented))

    def _mismatch(self, presented: str) -> str:
        expected = f"{', '.join(self._schemes)} with {len(self._keys)} key{'s' if len(self._keys) > 1 else ''}"
        if not _HEX.fullmatch(presented):
            return f"auth_sign is not 32 or 64 hexadecimal digits; expected: {expected}"
        if len(presented) == 32 and signature.MD5 not in self._schemes:
            return f"auth_sign has the 32 digits of MD5, which sign_type does not accept; expected: {expected}"
        return f"auth_sign fits none of: {expected}; is the key the one of the vendor's console?"

    def _check_allowed(self, domain: str, app: str, name: str = "publish_domain") -> None:
        if not self._domain_allowed(domain):
            raise Untrusted("domain_not_allowed", f"{name} is none of this source's `domains`")
        if not self._app_allowed(app):
            raise Untrusted("domain_not_allowed", "app is none of this source's `apps`")

    def _trust(self, scheme: str, signed: _SignedCallback) -> Trust:
        """What the signature covers; less where its fields could be cut elsewhere."""
        if scheme != signature.FIELDS:
            return signature.COVERS[scheme]
        if self._pairs is None:
            return _TRUST_TIMESTAMP  # because whoever may name any domain or app may cut the text anywhere
        if signed.event_type not in TYPES:
            return _TRUST_TIMESTAMP  # because an unknown word may have begun in the field before or end in the next
        if self._url_rules and not signature.urls_keep_fields_apart(
            signed.event_type, signed.stream, signed.download_url, signed.play_url
        ):
            return _TRUST_TIMESTAMP
        return _TRUST_FIELDS if self._is_cut_in_one_way(signed) else _TRUST_TIMESTAMP

    def _is_cut_in_one_way(self, signed: _SignedCallback) -> bool:
        """Whether only one allowed pair of domain and app can stand at the front of the text behind the type."""
        text = signed.joined[len(signed.event_type) :]
        return self._pairs is not None and sum(map(text.startswith, self._pairs)) == 1

    def _seal(self, scheme: str, presented: str, timestamp: str, trust: Trust, signed: _SignedCallback) -> Seal:
        """A signature over one finished file may carry one content. The joined text is asked, since that stays the
        same however somebody re-cuts it into fields, and a re-cut callback must not pass for another file."""
        names_a_file = (trust is _TRUST_FIELDS and bool(signed.download_url)) or (
            scheme == signature.FIELDS and signed.joined.startswith(signature.FILE_COMPLETE) and "://" in signed.joined
        )
        digest = hashlib.sha256(f"{scheme}\0{presented.lower()}\0{timestamp}".encode()).digest()[:16]
        return Seal(digest=digest, most=1 if names_a_file else self._bodies_max)

    # -- what it says

    def vendor_type(self, callback: Callback) -> str | None:
        event = callback.json().get("event")
        return event if type(event) is str else None

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event; none for the push of a stream, told at the same address, but with `stream_events`. Raises Malformed
        without an identity."""
        if _is_push(callback.json()):
            if not self.options.stream_events:
                return ()
            event = push_event_of(self.name, callback, verified, signed=not self._is_unsigned)
            return () if event is None else (event,)
        return (event_of(self.name, callback, verified, signed=not self._is_unsigned),)

    # -- playing the vendor

    def play(self, scene: Scene) -> Played:
        """A callback as the vendor sends it. Raises ValueError for a type, scheme or trick that cannot be played."""
        from plugins.sources.huawei_live.play import play

        return play(self, scene)

    def example_names(self) -> tuple[str, str]:
        """A domain and an app that these options allow."""
        return (
            options.example_of(self.options.domains, "push.example.com", self._domain_allowed),
            options.example_of(self.options.apps, "live", self._app_allowed),
        )


def _is_push(said: Mapping[str, object]) -> bool:
    """Whether this is about the push of a stream: such a callback has `event` where one of a recording has its type."""
    return "event" in said and "event_type" not in said


def _credentials(document: Mapping[str, object]) -> tuple[str, str]:
    """auth_sign and auth_timestamp as texts; their values are in no error."""
    presented = document.get("auth_sign")
    if type(presented) is not str or not presented:
        raise Untrusted("signature_missing", f"auth_sign is {kind_of(presented)}; hexadecimal digits are expected")
    timestamp = signature.expiry_of(document.get("auth_timestamp"))
    if timestamp is None:
        raise Untrusted(
            "signature_missing",
            f"auth_timestamp is {kind_of(document.get('auth_timestamp'))}; "
            "seconds since 1970 are expected, as an integer or a text of 1 to 10 decimal digits",
        )
    return presented, timestamp


class _SignedCallback(NamedTuple):
    """The fields that the HMAC over fields joins. `unreadable` says which URL is no text; absent ones are empty."""

    event_type: str
    domain: str
    app: str
    stream: str
    download_url: str
    play_url: str
    joined: str
    unreadable: str | None


def _signed(document: Mapping[str, object]) -> _SignedCallback:
    named = texts_of(document, _NAMED_BY)
    unreadable = None
    urls = []
    for name in _URLS:
        url = document.get(name)
        if url is not None and type(url) is not str:
            unreadable, url = f"{name} is {kind_of(url)}", None
        urls.append(url or "")
    event_type, domain, app, stream = named
    download_url, play_url = urls
    joined = "".join(named + urls)
    return _SignedCallback(event_type, domain, app, stream, download_url, play_url, joined, unreadable)
