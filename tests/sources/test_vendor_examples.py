"""Published examples, and what the vendors' own libraries sign."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks

from gateway import Scene, Trust, Untrusted
from gateway.testing import NOW
from plugins.sources import alibaba_live, twilio
from plugins.sources.common.unseparated import joined
from tests.sources.played import AT, sent
from tests.sources.vendors import KEY, OLD_KEY, WHSEC, make

# --- vectors


def test_the_vendors_own_example_of_agora() -> None:
    body = (
        b'{"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f","notifyMs":1560408533119,'
        b'"payload":{"a":"1","b":2},"productId":1}'
    )
    v2 = "de96da5acf03b0021ac3b4fa2225e7ae6f3533a30d50bb02c08ea4fa748bda24"
    v1 = "5a3bb6a6d9fad2ea9ae3fb707a14c9d7f3136df1"
    for sign_type, header, value in (
        ("hmac-sha256", "Agora-Signature-V2", v2),
        ("hmac-sha1", "Agora-Signature", v1),
    ):
        source = make("agora", keys="secret", sign_type=sign_type)
        received = sent(body, {header: value})
        verified = source.verify(received)
        assert (verified.trust, verified.scheme, verified.key) == (Trust.BODY, sign_type, 0)
        assert source.normalise(received, verified) == ()  # of another product than recording
        with pytest.raises(Untrusted):
            source.verify(sent(body + b" ", {header: value}))


def test_the_vendors_own_example_of_alibaba() -> None:
    assert (
        alibaba_live.mark("learn.aliyundoc.com", "1519375990", b"yourkey").hex() == "9e226fc2c250be266e3657e156f68c12"
    )
    source = make("alibaba-live", keys="yourkey", callback_hosts="learn.aliyundoc.com")
    headers = {"ALI-LIVE-TIMESTAMP": "1519375990", "ALI-LIVE-SIGNATURE": "9e226fc2c250be266e3657e156f68c12"}
    at = datetime.fromtimestamp(1519375990, UTC)
    assert source.verify(sent(b"{}", headers, at)).trust is Trust.TIMESTAMP
    with pytest.raises(Untrusted) as caught:
        source.verify(sent(b"{}", {**headers, "host": "learn.aliyundoc.com"}, at + timedelta(minutes=6)))
    assert caught.value.code == "signature_expired"
    with pytest.raises(Untrusted) as caught:  # the sender's Host says nothing
        make("alibaba-live", keys="yourkey").verify(sent(b"{}", {**headers, "host": "learn.aliyundoc.com"}, at))
    assert caught.value.code == "signature_mismatch"


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        ("https://mycompany.com/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com/myapp.php?foo=1&bar=2#rc=3", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("https://mycompany.com:8443/a", "7XmF5GwA/HrR57rQXols16p66VM="),
    ],
)
def test_what_twilios_own_library_signs(url: str, signature: str) -> None:
    fields = [
        ("To", "+18005551212"),
        ("From", "+14158675309"),
        ("Digits", "1234"),
        ("Caller", "+14158675309"),
        ("CallSid", "CA1234567890ABCDE"),
    ]
    made = [
        base64.b64encode(twilio.mark(b"12345", one + joined([*fields, fields[0]]))).decode()
        for one in twilio.spellings(url)
    ]
    assert signature in made


def test_twilios_texts_are_signed_as_they_read_not_as_they_travel() -> None:
    fields = [("RecordingSid", "RE1"), ("Name", "żółw & co"), ("Empty", "")]
    made = twilio.mark(b"12345", "https://hooks.example.com/hooks/live" + joined(fields))
    assert base64.b64encode(made) == b"ShLPQhNejOvVHWVY0bOnDes+HSU="


def test_the_spelling_of_twilios_host_is_kept() -> None:
    assert twilio.spellings("https://Hooks.Example.com:443/A") == (
        "https://Hooks.Example.com/A",
        "https://Hooks.Example.com:443/A",
    )
    assert twilio.spellings("http://[::1]/A") == ("http://[::1]/A", "http://[::1]:80/A")


def test_a_token_of_livekits_own_library() -> None:
    token = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaGEyNTYiOiI5NHpWN2VkNGRsdVVwTWRGUkJOUGJ3ZVEyblZmN0dvcnJRSzcvRklDTXJv"
        "PSIsInN1YiI6IiIsImlzcyI6IkFQSWtleSIsIm5iZiI6MTc5NTQ5NDU0MCwiZXhwIjoxNzk1NTE2MTQwfQ.BxfgowVTS14zZDElI90Uk9At1l4"
        "w5k1_CDjGiMB-AHA"
    )
    source = make("livekit", keys={"APIkey": KEY})
    body = b'{"event":"egress_ended","id":"EV_1"}'
    at = datetime.fromtimestamp(1795494540, UTC)
    assert source.verify(sent(body, {"authorization": token}, at)).trust is Trust.BODY
    for other, key in ((body + b" ", KEY), (body, OLD_KEY)):
        with pytest.raises(Untrusted) as caught:
            make("livekit", keys={"APIkey": key}).verify(sent(other, {"authorization": token}, at))
        assert caught.value.code == "signature_mismatch"
    with pytest.raises(Untrusted):  # the key of another name
        make("livekit", keys={"APIother": KEY}).verify(sent(body, {"authorization": token}, at))


def test_standard_webhooks_own_library_signs_what_we_take_and_takes_what_we_play() -> None:
    theirs = standardwebhooks.Webhook(WHSEC)
    source = make("standard-webhooks")
    body = '{"type": "video.ready", "timestamp": "2026-01-01T00:00:00Z", "data": {"a": "ü"}}'
    headers = {
        "webhook-id": "msg_2Lh9",
        "webhook-timestamp": str(AT),
        "webhook-signature": theirs.sign("msg_2Lh9", NOW, body),
    }
    verified = source.verify(sent(body.encode(), headers))
    assert (verified.trust, verified.key) == (Trust.BODY, 0)
    now = datetime.now(UTC)
    ours = source.play(Scene(type="recording.failed", number=1, now=now))
    theirs.verify(ours.body, dict(ours.headers))
