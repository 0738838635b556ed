"""Where `cryptography` is not installed, a key that needs it is refused with what to install."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from gateway.signing.ed25519 import PrivateKey, PublicKey


@pytest.mark.parametrize("blocked", [True, False], ids=["its place is taken", "it is not found"])
@pytest.mark.parametrize(("kind", "text"), [(PrivateKey, "whsk_" + "A" * 43), (PublicKey, "whpk_" + "A" * 43)])
def test_a_key_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, kind: type[PrivateKey] | type[PublicKey], text: str, blocked: bool
) -> None:
    kind(text)
    if blocked:
        monkeypatch.setitem(sys.modules, "cryptography", None)
    else:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="ed25519"):
        kind(text)
