"""`gateway secret` and `gateway init`."""

from __future__ import annotations

import base64
import re

from tests.cli.conftest import Cli


def test_a_key_has_256_bits_and_is_new_each_time(cli: Cli) -> None:
    first, second = cli("secret").stdout, cli("secret", "key").stdout
    assert re.fullmatch("[0-9a-f]{64}\n", first)
    assert first != second


def test_a_webhook_secret_has_the_form_of_standard_webhooks(cli: Cli) -> None:
    secret = cli("secret", "webhook").stdout.strip()
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret.startswith("whsec_")


def test_an_unknown_kind_is_wrong_use(cli: Cli) -> None:
    assert "webhook" in cli("secret", "nothing", code=2).stderr
