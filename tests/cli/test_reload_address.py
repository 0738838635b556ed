"""`gateway reload` finds the private listener however the configuration says where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.commands.reload import _url
from gateway.config.grammar.settings import AdminSettings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9"),
        ("0.0.0.0", "http://127.0.0.1:9"),
        ("::", "http://[::1]:9"),
        ("::1", "http://[::1]:9"),
        ("gateway.internal", "http://gateway.internal:9"),
    ],
)
def test_an_address_is_called_as_it_can_be_reached(host: str, url: str) -> None:
    assert _url(AdminSettings(host=host, port=9)) == url


def test_a_socket_is_called_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _url(AdminSettings(uds=Path("private.sock"))) == f"unix://{tmp_path}/private.sock"
