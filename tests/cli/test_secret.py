"""`gateway secret` and `gateway init`."""

from __future__ import annotations

import base64
import re
import sys

import pytest

from gateway.signing.ed25519 import PrivateKey
from gateway.signing.standard_webhooks import sign_webhook, verify_webhook
from tests.cli.conftest import Cli


def test_a_key_has_256_bits_and_is_new_each_time(cli: Cli) -> None:
    first, second = cli("secret").stdout, cli("secret", "key").stdout
    assert re.fullmatch("[0-9a-f]{64}\n", first)
    assert first != second


def test_a_webhook_secret_has_the_form_of_standard_webhooks(cli: Cli) -> None:
    secret = cli("secret", "webhook").stdout.strip()
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret.startswith("whsec_")


def test_an_ed25519_key_is_printed_with_its_public_half(cli: Cli) -> None:
    private, public = cli("secret", "ed25519").stdout.split()
    assert PrivateKey(private).public == public
    signed = {
        "webhook-id": "a",
        "webhook-timestamp": "5",
        "webhook-signature": sign_webhook("a", 5, b"x", [PrivateKey(private)]),
    }
    assert verify_webhook(b"x", signed, public, now=5) == "a"


def test_an_ed25519_key_without_its_library_is_a_clear_no(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert "[ed25519]" in cli("secret", "ed25519", code=1).stderr


def test_an_unknown_kind_is_wrong_use(cli: Cli) -> None:
    assert "webhook" in cli("secret", "nothing", code=2).stderr
