"""The keys of RFC 9421, told by their own form; and signatures that another implementation makes and takes."""

from __future__ import annotations

import base64
import datetime
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, algorithms

from gateway.signing.http_messages import sign_message
from gateway.signing.message_keys import message_signer, message_verifier
from tests.signing.test_http_messages import (
    ALL,
    BODY,
    ED25519_PRIVATE,
    ED25519_PUBLIC,
    HEADERS,
    PAIRS,
    URL,
    check,
    request,
)

P384 = "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE\n-----END PUBLIC KEY-----"


def _pem(key: Any) -> str:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.decode()


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (message_signer, "short", "16 characters"),
        (message_signer, "whsec_AAAA", "24 bytes"),
        (message_signer, ED25519_PUBLIC, "private half"),
        (message_verifier, ED25519_PRIVATE, "public half"),
        (message_verifier, P384, "can be read"),
        (message_signer, "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----", "can be read"),
        (message_signer, "whpk_" + "A" * 43, "public one"),
        (message_signer, "whsk_" + "A" * 5, "base64"),
        (message_verifier, "whsk_" + "A" * 43, "private one"),
    ],
)
def test_a_key_that_is_none_is_refused_without_showing_it(read: Any, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        read(text)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "make", [lambda: ec.generate_private_key(ec.SECP384R1()), ed448.Ed448PrivateKey.generate], ids=["p384", "ed448"]
)
def test_a_key_of_another_kind_is_refused_by_what_it_should_be(make: Any) -> None:
    with pytest.raises(ValueError, match="of Ed25519 or on the curve P-256"):
        message_signer(_pem(make()))


def test_a_private_key_of_standard_webhooks_signs_as_the_one_in_pem_does() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    ours = message_signer("whsk_" + base64.b64encode(key.private_bytes_raw()).decode())
    assert ours.algorithm == "ed25519"
    key.public_key().verify(ours.sign(b"base"), b"base")


def test_without_the_library_a_key_in_pem_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    with pytest.raises(ValueError, match=r"'\.\[ed25519\]'") as refused:
        message_signer("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----")
    assert "canary" not in str(refused.value)


# -- another implementation


class _Keys:
    def __init__(self, private: str, public: str) -> None:
        self.private, self.public = private, public

    def resolve_private_key(self, key_id: str) -> Any:
        return _raw(self.private)

    def resolve_public_key(self, key_id: str) -> Any:
        return _raw(self.public)


def _raw(text: str) -> bytes:
    return base64.b64decode(text.removeprefix("whsec_")) if text.startswith("whsec_") else text.encode()


@pytest.mark.parametrize("algorithm", PAIRS)
def test_another_implementation_makes_and_takes_the_same_signatures(algorithm: str) -> None:
    theirs = {
        "hmac-sha256": algorithms.HMAC_SHA256,
        "ed25519": algorithms.ED25519,
        "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256,
    }[algorithm]
    private, public = PAIRS[algorithm]
    keys: Any = _Keys(private, public)
    message = _Message("POST", URL, dict(HEADERS))
    now = datetime.datetime.now(datetime.UTC)
    HTTPMessageSigner(signature_algorithm=theirs, key_resolver=keys).sign(
        message,
        key_id="k",
        created=now,
        expires=now + datetime.timedelta(minutes=5),
        nonce="n",
        label="theirs",
        covered_component_ids=ALL,
        body=BODY,
        use_existing_digest=True,
    )
    found = check(request(headers=list(message.headers.items())), public, now=now, required=ALL)
    assert (found.label, found.nonce) == ("theirs", "n")
    message = _Message("POST", URL, dict(HEADERS))
    message.headers |= sign_message(
        request(),
        message_signer(private),
        ALL,
        created=int(now.timestamp()),
        expires=int(now.timestamp()) + 300,
        keyid="k",
    )
    [result] = HTTPMessageVerifier(signature_algorithm=theirs, key_resolver=keys).verify(
        message, max_age=datetime.timedelta(minutes=5), body=BODY
    )
    assert result.parameters["keyid"] == "k"


class _Message:
    """A request in the shape that the library reads."""

    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method, self.url, self.headers = method, url, headers
