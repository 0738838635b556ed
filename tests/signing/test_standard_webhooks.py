"""Standard Webhooks signatures agree with the standard's own library, and nothing changed passes."""

from __future__ import annotations

import base64
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gateway.signing.ed25519 import PrivateKey
from gateway.signing.shared_keys import InvalidSignature, signing_key
from gateway.signing.standard_webhooks import sender_key, sign_webhook, verify_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
BODY = b'{"test": 2432232314}'
KEY = signing_key(SECRET)
OTHER = "whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode()


def headers(id: str = ID, at: int = AT, body: bytes = BODY, keys: tuple[bytes, ...] = (KEY,)) -> dict[str, str]:
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": sign_webhook(id, at, body, keys)}


def test_the_standards_own_vector_comes_out() -> None:
    assert sign_webhook(ID, AT, BODY, [KEY]) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(
    st.binary(min_size=24, max_size=64),
    st.text("abcdef0123456789_", min_size=1, max_size=40),
    st.integers(0, 4102444800),
    st.text(max_size=200).filter(lambda text: text.isprintable()),
)
def test_the_standards_library_makes_the_same_signature(key: bytes, id: str, at: int, body: str) -> None:
    oracle = Webhook(key).sign(id, datetime.fromtimestamp(at, UTC), body)
    assert sign_webhook(id, at, body.encode(), [key]) == oracle


def test_the_standards_library_accepts_what_we_sign_now() -> None:
    now = int(datetime.now(UTC).timestamp())
    Webhook(SECRET).verify(BODY, headers(at=now))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", headers(at=now))


def test_what_the_standards_library_signs_verifies() -> None:
    # It takes the wall time of a datetime whatever its zone, so it must be handed UTC.
    made = Webhook(SECRET).sign(ID, datetime.fromtimestamp(AT, UTC), BODY.decode())
    signed = {"Webhook-Id": ID, "Webhook-Timestamp": str(AT), "Webhook-Signature": made}
    assert verify_webhook(BODY, signed, SECRET, now=AT) == ID


@given(st.binary(max_size=300), st.data())
def test_a_changed_byte_id_or_time_is_refused(body: bytes, data: st.DataObject) -> None:
    good = headers(body=body)
    assert verify_webhook(body, good, SECRET, now=AT) == ID
    at = data.draw(st.integers(0, len(body)))
    with pytest.raises(InvalidSignature, match="fits"):
        verify_webhook(body[:at] + b"x" + body[at:], good, SECRET, now=AT)
    with pytest.raises(InvalidSignature, match="fits"):
        verify_webhook(body, {**good, "webhook-id": ID + "x"}, SECRET, now=AT)
    with pytest.raises(InvalidSignature, match="fits"):
        verify_webhook(body, {**good, "webhook-timestamp": str(AT + 1)}, SECRET, now=AT)


def test_while_a_secret_is_changed_a_receiver_with_either_accepts() -> None:
    both = headers(keys=(KEY, signing_key(OTHER)))
    assert both["webhook-signature"].count("v1,") == 2
    for known in (SECRET, OTHER, [OTHER, SECRET], ("whsec_" + "A" * 32, OTHER)):
        assert verify_webhook(BODY, both, known, now=AT) == ID
    with pytest.raises(InvalidSignature):
        verify_webhook(BODY, headers(), OTHER, now=AT)


@pytest.mark.parametrize("away", [-301, 301])
def test_a_request_older_or_newer_than_the_tolerance_is_refused(away: int) -> None:
    with pytest.raises(InvalidSignature) as refused:
        verify_webhook(BODY, headers(), SECRET, now=AT + away)
    assert refused.value.code == "stale"
    assert verify_webhook(BODY, headers(), SECRET, now=AT + away, tolerance=301) == ID


def test_now_may_be_an_aware_time_of_any_zone() -> None:
    shanghai = timezone(timedelta(hours=8))
    assert verify_webhook(BODY, headers(), SECRET, now=datetime.fromtimestamp(AT, shanghai)) == ID


def test_without_now_the_machines_clock_decides() -> None:
    with pytest.raises(InvalidSignature, match="away from this clock"):
        verify_webhook(BODY, headers(), SECRET)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_empty_or_doubled_header_is_refused(name: str) -> None:
    good = headers()
    for bad in ({k: v for k, v in good.items() if k != name}, {**good, name: ""}, {**good, name.upper(): good[name]}):
        with pytest.raises(InvalidSignature) as refused:
            verify_webhook(BODY, bad, SECRET, now=AT)
        assert refused.value.code == "missing"


@pytest.mark.parametrize("stamp", ["soon", "-1", "1.5", "1_6", "\u0661", "9" * 13, " 1"])
def test_a_timestamp_that_is_not_plain_seconds_is_refused(stamp: str) -> None:
    with pytest.raises(InvalidSignature) as refused:
        verify_webhook(BODY, {**headers(), "webhook-timestamp": stamp}, SECRET, now=AT)
    assert refused.value.code == "stale"


@pytest.mark.parametrize("signature", ["v1", "v1,", "v1a,abc", "V1," + "A" * 44, "é", "v1,\udc80", ","])
def test_a_signature_of_another_kind_is_refused_and_never_breaks_the_receiver(signature: str) -> None:
    with pytest.raises(InvalidSignature) as refused:
        verify_webhook(BODY, {**headers(), "webhook-signature": signature}, SECRET, now=AT)
    assert refused.value.code == "mismatch"


def test_signatures_of_versions_to_come_are_passed_over() -> None:
    good = headers()
    assert (
        verify_webhook(BODY, {**good, "webhook-signature": "v1a,zzz " + good["webhook-signature"]}, SECRET, now=AT)
        == ID
    )


def test_the_same_key_is_read_with_and_without_prefix_padding_and_demo_mark() -> None:
    key = bytes(range(25))
    text = base64.b64encode(key).decode()
    for spelling in (text, text.rstrip("="), f"whsec_{text}", f"demo-whsec_{text}", f" whsec_{text}\n"):
        assert signing_key(spelling) == key


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_!!!!", "whsk_AAAA", "é" * 40, "A"]
)
def test_a_weak_or_unreadable_secret_is_an_error_that_does_not_show_it(secret: str) -> None:
    with pytest.raises(ValueError) as refused:
        signing_key(secret)
    body = secret.removeprefix("whsec_")
    assert not body or body not in str(refused.value) or body == "A"


def test_no_secret_at_all_is_an_error_and_not_a_pass() -> None:
    with pytest.raises(ValueError, match="at least one"):
        verify_webhook(BODY, headers(), [], now=AT)


def test_a_received_id_with_a_dot_is_refused_before_anything_is_compared() -> None:
    with pytest.raises(InvalidSignature, match="dot"):
        verify_webhook(b"x", {**headers(), "webhook-id": "a.1"}, SECRET, now=AT)


@pytest.mark.parametrize("id", ["", "a.b", "a b", "a\nb"])
def test_an_id_that_makes_the_signed_text_ambiguous_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match="webhook id"):
        sign_webhook(id, AT, BODY, [KEY])


# -- v1a: Ed25519

# RFC 8032, 7.1, test 1: the seed and its public key.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
HALF = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
PRIVATE = "whsk_" + base64.b64encode(SEED).decode()
BOTH = "whsk_" + base64.b64encode(SEED + HALF).decode()
PUBLIC = "whpk_" + base64.b64encode(HALF).decode()


def test_a_private_key_has_the_public_half_of_the_rfc() -> None:
    assert PrivateKey(PRIVATE).public == PrivateKey(BOTH).public == PUBLIC
    assert PrivateKey(PRIVATE).text == BOTH
    assert PrivateKey(PRIVATE).sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065")


def test_the_public_key_checks_what_the_private_one_signed_and_nothing_else() -> None:
    for private in (PRIVATE, BOTH):
        made = {**headers(), "webhook-signature": sign_webhook(ID, AT, BODY, [sender_key(private)])}
        assert made["webhook-signature"].startswith("v1a,")
        assert verify_webhook(BODY, made, PUBLIC, now=AT) == ID
        with pytest.raises(InvalidSignature, match="no signature"):
            verify_webhook(BODY + b" ", made, PUBLIC, now=AT)
        with pytest.raises(InvalidSignature):
            verify_webhook(BODY, made, SECRET, now=AT)
        with pytest.raises(InvalidSignature):
            verify_webhook(BODY, made, "whpk_" + base64.b64encode(SEED).decode(), now=AT)


def test_both_kinds_sign_at_once_and_each_receiver_needs_one() -> None:
    made = {**headers(), "webhook-signature": sign_webhook(ID, AT, BODY, [KEY, sender_key(PRIVATE)])}
    assert [one.partition(",")[0] for one in made["webhook-signature"].split(" ")] == ["v1", "v1a"]
    for secret in (SECRET, PUBLIC, [OTHER, PUBLIC]):
        assert verify_webhook(BODY, made, secret, now=AT) == ID


@pytest.mark.parametrize("signature", ["v1a,", "v1a,!!!", "v1a,AAAA", "v1a", "v1,AAAA"])
def test_a_malformed_asymmetric_signature_is_a_mismatch(signature: str) -> None:
    with pytest.raises(InvalidSignature, match="no signature"):
        verify_webhook(BODY, {**headers(), "webhook-signature": signature}, PUBLIC, now=AT)


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("whsk_!CANARY", "base64"),
        ("whsk_" + "A" * 20, "32 or 64 bytes"),
        ("whsk_" + base64.b64encode(SEED + SEED).decode(), "belong together"),
        (PUBLIC, "private key"),
    ],
)
def test_a_wrong_private_key_is_explained_without_showing_it(secret: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as wrong:
        sender_key(secret)
    assert secret[5:20] not in str(wrong.value)


def test_a_receiver_is_told_what_it_needs() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 3"):
        verify_webhook(BODY, headers(), "whpk_AAAA", now=AT)
    with pytest.raises(ValueError, match="whsec_ secret"):
        verify_webhook(BODY, headers(), PRIVATE, now=AT)


def test_without_its_library_a_key_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ValueError, match=r"pip install '\.\[ed25519\]'"):
        sender_key(PRIVATE)


def test_keys_of_the_usual_kind_load_no_library() -> None:
    code = "import sys; from gateway.signing import standard_webhooks; standard_webhooks.sender_key(%r); assert 'cryptography' not in sys.modules"
    subprocess.run([sys.executable, "-c", code % SECRET], check=True)
