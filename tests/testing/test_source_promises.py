"""The promises of a source hold for vendors that sign in a header, over any bytes, as well."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from gateway.errors import Malformed, Untrusted
from gateway.model import RECORDING_STARTED, Event, Trust, Verified, event_id
from gateway.plugin import Callback, Options, Played, Scene, Source
from gateway.testing.sources import SourcePromises

KEY = "a-key-of-a-vendor-that-signs-bodies"


class SignedOptions(Options):
    key: str = Field(KEY, description="The shared key.", repr=False)


class Signed(Source):
    type = "signed"
    Options = SignedOptions
    scenes = ("started",)
    options: SignedOptions

    def _sign(self, body: bytes) -> str:
        return hmac.new(self.options.key.encode(), body, hashlib.sha256).hexdigest()

    def verify(self, callback: Callback) -> Verified:
        presented = callback.headers.get("x-signature")
        if presented is None:
            raise Untrusted("signature_missing", "there is no X-Signature")
        if not hmac.compare_digest(presented.encode(), self._sign(callback.body).encode()):
            raise Untrusted("signature_mismatch", "X-Signature does not fit")
        return Verified(trust=Trust.BODY, scheme="hmac", key=0)

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        said = self._read(callback)
        if "id" not in said:
            raise Malformed("id is missing")
        id = event_id(self.name, RECORDING_STARTED, None, None, None, None, [said["id"]])
        return [
            Event(
                id=id,
                type=RECORDING_STARTED,
                source=self.name,
                provider="signed",
                received_at=callback.received_at,
                trust=verified.trust,
            )
        ]

    def _read(self, callback: Callback) -> dict[str, Any]:
        return callback.json()

    def _body(self, scene: Scene) -> bytes:
        return b'{"id":%d,"by":"x"}' % scene.number

    def play(self, scene: Scene) -> Played:
        body = self._body(scene)
        headers = {"X-Signature": self._sign(body), "X-Other": "1"}
        return Played(body=body + b" " if scene.tampered else body, headers=headers)


class TestSigned(SourcePromises):
    signed_fields: ClassVar[Sequence[str]] = ("id", "by")
    credentials = ("x-signature",)
    secrets = (KEY,)
    expires = False

    def make_source(self) -> Source:
        return Signed("live", SignedOptions.model_validate({}))


class SignedForm(Signed):
    """The same over a body that is no JSON."""

    def _read(self, callback: Callback) -> dict[str, Any]:
        name, _, value = callback.body.decode().partition("=")
        return {name: value}

    def _body(self, scene: Scene) -> bytes:
        return b"id=%d" % scene.number


class TestSignedForm(TestSigned):
    signed_fields: ClassVar[Sequence[str]] = ()

    def make_source(self) -> Source:
        return SignedForm("live", SignedOptions.model_validate({}))
