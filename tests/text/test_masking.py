"""What is shown of a refused callback."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.mask import is_secret, masked_body, masked_headers, masked_path
from gateway.text.redaction import MASK

CANARY = "4f97f46759acanary7ad21e9935dc175"


@pytest.mark.parametrize(
    "name",
    ["auth_sign", "sign", "X-Signature-256", "Authorization", "Authorisation", "cookie", "Set-Cookie", "access_token", "api-key",
     "key", "stream_key", "password", "client_secret", "hmac", "auth", "auth_timestamp", "Credential"],
)  # fmt: skip
def test_fields_and_headers_that_hold_credentials_are_known_by_their_name(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["event_type", "stream", "app", "publish_domain", "keyboard", "author", "content-type", "monkey"]
)
def test_what_a_person_needs_to_see_is_not_hidden(name: str) -> None:
    assert not is_secret(name)


def test_the_signature_of_a_refused_callback_is_not_shown() -> None:
    body = {"event_type": "RECORD_START", "auth_sign": CANARY, "deep": [{"token": {"inner": CANARY}}], "sign": None}
    shown = masked_body(json.dumps(body).encode())
    assert CANARY not in shown
    assert json.loads(shown) == {
        "event_type": "RECORD_START",
        "auth_sign": MASK,
        "deep": [{"token": MASK}],
        "sign": None,
    }


@pytest.mark.parametrize(
    "body",
    [
        f'{{"a": 1, "auth_sign": "{CANARY}"',
        f'{{"auth_sign" : "{CANARY}", "auth_sign": "x"}} trailing',
        f'"auth_sign":{CANARY},',
        f'{{"auth_sign": "{CANARY}',
        f'{{"auth_sign": "a\\"{CANARY}"',
        f'{{"a": NaN, "auth_sign": "{CANARY}", }}',
        f"{{'auth_sign': '{CANARY}'}}",
        f"{{auth_sign: {CANARY}}}",
        f'{{"auth_sign" "{CANARY}"}}',
        f'{{"auth_si\\u0067n": "{CANARY}"',
        f"stream=a&auth_sign={CANARY}&b=1",
        f"POST /x\r\nAuthorization: Bearer {CANARY}\r\n",
        f"<xml><sign>{CANARY}</sign></xml>",
        f'--b\r\nContent-Disposition: form-data; name="sign"\r\n\r\n{CANARY}\r\n--b--',
        json.dumps({"inner": json.dumps({"deep": json.dumps({"auth_sign": CANARY})})}),
        json.dumps({"inner": json.dumps({"auth_sign": CANARY})})[:-3],
        json.dumps({"inner": json.dumps({"auth_sign": CANARY})[:-3]}),
        json.dumps({"form": f"stream=a&auth_sign={CANARY}"}),
        json.dumps(f"auth_sign={CANARY}"),
    ],
)
def test_nor_is_that_of_a_body_in_another_spelling(body: str) -> None:
    assert CANARY not in masked_body(body.encode())


def test_words_of_a_vendor_stay_as_they_are() -> None:
    words = {"error": "token: not found", "stream": "a/key/b", "note": "the sign 'x' is wrong"}
    assert json.loads(masked_body(json.dumps(words).encode())) == words


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f'{{"sign": {text}'.encode("utf-8", "replace")))
def test_no_body_makes_it_fail(body: bytes) -> None:
    assert isinstance(masked_body(body), str)


def test_a_body_nested_without_end_does_not_make_it_fail() -> None:
    assert masked_body(b"[" * 100_000).startswith("[[")


def test_headers_keep_their_order_and_lose_their_credentials() -> None:
    headers = [("host", "x"), ("x-signature", CANARY), ("referer", f"https://x.example/?token={CANARY}")]
    shown = masked_headers(headers)
    assert [name for name, _ in shown] == ["host", "x-signature", "referer"]
    assert CANARY not in str(shown)
    assert shown[0] == ("host", "x")


def test_a_path_that_nobody_can_guess_is_not_shown() -> None:
    assert masked_path("/hooks/live", "live") == "/hooks/live"
    assert masked_path("/hooks/live-80cca4aacc0d0e51", "live") == "/hooks/********"
    assert masked_path("/hooks/lvie", "") == "/hooks/lvie"  # it led nowhere, and is what somebody looks for
