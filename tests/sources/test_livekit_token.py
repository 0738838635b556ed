"""A token of LiveKit is taken when it is LiveKit's, and of these bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from gateway import Trust
from tests.sources.played import AT, sent
from tests.sources.test_vendor_signatures import Code
from tests.sources.vendors import KEY, OLD_KEY, make


def token(claims: dict[str, Any], head: Any = None, key: str = KEY) -> str:
    def part(value: Any) -> str:
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    signed = f"{part({'alg': 'HS256'} if head is None else head)}.{part(claims)}"
    return f"{signed}.{part(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())}"


BODY = b'{"event":"egress_started"}'


GOOD: dict[str, Any] = {
    "iss": "APInew",
    "exp": AT + 300,
    "nbf": AT,
    "sha256": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
}


@pytest.mark.parametrize(
    ("claims", "head", "code"),
    [
        ({}, {"alg": "none"}, "signature_mismatch"),
        ({}, {"alg": "HS512"}, "signature_mismatch"),
        ({}, {"alg": "hs256"}, "signature_mismatch"),
        ({}, {"alg": "HS256", "crit": ["x"]}, "signature_mismatch"),
        ({}, b"not json", "signature_missing"),
        ({}, b'{"alg":"none","alg":"HS256"}', "signature_missing"),
        ({"iss": "APIold"}, None, "signature_mismatch"),
        ({"iss": None}, None, "signature_mismatch"),
        ({"sha256": None}, None, "signature_missing"),
        ({"sha256": ""}, None, "signature_missing"),
        ({"sha256": hashlib.sha256(BODY).hexdigest()}, None, "signature_mismatch"),
        ({"sha256": "é"}, None, "signature_mismatch"),
        ({"exp": None}, None, "signature_missing"),
        ({"exp": True}, None, "signature_missing"),
        ({"exp": "9999999999"}, None, "signature_missing"),
        ({"exp": 10**12}, None, "signature_missing"),
        ({"exp": AT - 61}, None, "signature_expired"),
        ({"nbf": AT + 61}, None, "validity_too_long"),
        ({"nbf": "soon"}, None, "signature_missing"),
    ],
    ids=str,
)
def test_a_token_that_is_not_livekits_is_refused(claims: Any, head: Any, code: str, refusal: Code) -> None:
    made = token({**GOOD, **claims}, head)
    assert refusal(lambda: make("livekit").verify(sent(BODY, {"authorization": made})))[0] == code


def test_a_token_is_good_to_the_second_and_with_either_key() -> None:
    source = make("livekit")
    cases: list[tuple[dict[str, Any], str, int]] = [
        ({"exp": AT - 60}, KEY, 0),
        ({"nbf": AT + 60}, KEY, 0),
        ({"nbf": None, "exp": AT + 0.5}, KEY, 0),
        ({"iss": "APIold"}, OLD_KEY, 1),
    ]
    for claims, key, position in cases:
        wanted = {name: value for name, value in {**GOOD, **claims}.items() if value is not None}
        verified = source.verify(sent(BODY, {"authorization": token(wanted, key=key)}))
        assert (verified.key, verified.trust, verified.scheme) == (position, Trust.BODY, "jwt-hs256")


def test_a_bearer_is_no_livekit(refusal: Code) -> None:
    for text in (f"Bearer {token(GOOD)}", token(GOOD) + ".x", token(GOOD)[:-1], "..", "a.b", token(GOOD) + "="):
        assert refusal(lambda text=text: make("livekit").verify(sent(BODY, {"authorization": text})))  # type: ignore[misc]
