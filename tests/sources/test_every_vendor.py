"""The promises of every source, kept by each vendor's."""

from __future__ import annotations

import base64
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from gateway import Played, Source
from gateway.testing import SourcePromises
from tests.sources.vendors import KEY, NEEDED, OLD_KEY, WHSEC, make


class TestStandardWebhooks(SourcePromises):
    signed_fields = ("id", "source", "type", "specversion")
    credentials = ("webhook-id", "webhook-timestamp", "webhook-signature")
    secrets = (WHSEC, WHSEC.removeprefix("whsec_"))

    def make_source(self) -> Source:
        return make("standard-webhooks")

    def test_no_credential_is_in_an_event(self) -> None:
        """The id of a webhook is no secret: it is the event's own."""
        source = self.make_source()
        for type in source.scenes:
            played = self.play(source, type)
            (event,) = self.take(source, self.receive(played))[1]
            assert event.id == played.headers["webhook-id"]
            for text in (played.headers["webhook-signature"], *self.secrets):
                assert text not in repr(event)


class OfKeys(SourcePromises):
    kind: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    secrets = (KEY, OLD_KEY)

    def make_source(self) -> Source:
        return make(self.kind, **self.options)


class TestRfc9421(OfKeys):
    kind = "rfc9421"
    credentials = ("signature", "signature-input", "content-digest", "host")


class TestRfc9421WithWhatItsUrlSays(OfKeys):
    kind = "rfc9421"
    options: ClassVar[dict[str, Any]] = {
        "url": "https://hooks.example.com/in?tenant=a",
        "components": ["@method", "@target-uri", "@query", "content-digest", "x-id"],
        "id_header": "x-id",
        "label": "ours",
    }
    credentials = ("signature", "signature-input", "content-digest", "x-id")


class TestRfc9421WithoutTheBody(OfKeys):
    kind = "rfc9421"
    options: ClassVar[dict[str, Any]] = {"components": ["@method", "@path"]}
    credentials = ("signature", "signature-input")


class TestTencentCss(OfKeys):
    kind = "tencent-css"
    signed_fields = ("t",)
    credentials = ("sign", "t")


class TestVolcengineLive(OfKeys):
    kind = "volcengine-live"
    signed_fields = ("t",)
    credentials = ("sign", "t")


class TestAlibabaLive(OfKeys):
    kind = "alibaba-live"
    credentials = ("ali-live-signature", "ali-live-timestamp")


class TestMux(OfKeys):
    kind = "mux"
    signed_fields = ("type", "id", "created_at")
    credentials = ("mux-signature",)


class TestCloudflareStream(OfKeys):
    kind = "cloudflare-stream"
    signed_fields = ("uid", "size", "modified")
    credentials = ("webhook-signature",)


class TestLiveKit(OfKeys):
    kind = "livekit"
    signed_fields = ("event", "id", "createdAt")
    credentials = ("authorization",)


class TestAgora(OfKeys):
    kind = "agora"
    signed_fields = ("noticeId", "eventType", "notifyMs")
    credentials = ("agora-signature-v2",)
    expires = False


class TestAgoraByItsOlderSignature(TestAgora):
    options = {"sign_type": "hmac-sha1"}
    credentials = ("agora-signature",)


class TestZoom(OfKeys):
    kind = "zoom"
    signed_fields = ("event", "event_ts")
    credentials = ("x-zm-signature", "x-zm-request-timestamp")


class TestTwilio(OfKeys):
    kind = "twilio"
    credentials = ("x-twilio-signature",)
    expires = False

    def test_a_changed_signed_field_is_refused_or_loses_trust(self) -> None:
        source = self.make_source()
        for type in source.scenes:
            played = self.play(source, type)
            fields = parse_qsl(played.body.decode())
            for number, (name, value) in enumerate(fields):
                changed = [*fields[:number], (name, value + "x"), *fields[number + 1 :]]
                received = self.receive(Played(body=urlencode(changed).encode(), headers=played.headers))
                assert self.refusal(source, received) is not None, name
            self.check_captured(source, played)


class TestHmac(OfKeys):
    kind = "hmac"
    signed_fields = ("event", "id")
    credentials = ("x-signature", "x-timestamp")


class TestHmacOfPartsAndOfAnotherDress(OfKeys):
    kind = "hmac"
    options = {
        "keys": [base64.b64encode(KEY.encode()).decode(), base64.b64encode(OLD_KEY.encode()).decode()],
        "key_encoding": "base64",
        "header": "X-Signature",
        "part": "v1",
        "prefix": "b:",
        "algorithm": "sha512",
        "encoding": "base64url",
        "timestamp_header": None,
        "timestamp_part": "t",
        "id_header": "X-Id",
        "signed": "{id}.{timestamp}.{body}",
    }
    credentials = ("x-signature", "x-id")
    signed_fields = ("event", "id")


class TestHmacWithoutATime(OfKeys):
    kind = "hmac"
    options = {"signed": "{body}", "timestamp_header": None, "encoding": "base64"}
    credentials = ("x-signature",)
    signed_fields = ("event", "id")
    expires = False


class TestHmacOfATimeInTheBody(OfKeys):
    kind = "hmac"
    options = {"signed": "{timestamp}", "timestamp_header": None, "timestamp_field": "sent"}
    credentials = ("x-signature", "sent")
    signed_fields = ("sent",)


class TestHmacThatReadsAnUnsignedHeader(OfKeys):
    kind = "hmac"
    options = {"event": {"type": 'headers["X-Topic"]', "types": {"done": "recording.ended"}, "stream": "body.stream"}}
    credentials = ("x-signature", "x-timestamp")


class TestHmacWithNothingBetweenItsPieces(OfKeys):
    kind = "hmac"
    options = {"signed": "{id}{timestamp}{body}", "id_header": "X-Id"}
    credentials = ("x-signature", "x-timestamp", "x-id")


class TestHmacOfAnUnknownPayload(OfKeys):
    kind = "hmac"
    options = {"event": {}}
    credentials = ("x-signature", "x-timestamp")
    signed_fields = ("number",)


ELSEWHERE = {"huawei-live", "standard-webhooks"}  # tests/sources/test_promises.py, and the class above


def test_every_source_keeps_the_promises() -> None:
    classes = [value for value in globals().values() if isinstance(value, type) and issubclass(value, OfKeys)]
    kept = ELSEWHERE | {cls.kind for cls in classes if cls is not OfKeys}
    assert NEEDED.keys() - kept == set(), "give it a class here, as TestMux is"
