"""No connection of ours writes its keys where SSLKEYLOGFILE says."""

from __future__ import annotations

import ast
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.egress.tls import client_context
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("own", [False, True], ids=["the system's authorities", "our own"])
def test_a_context_verifies_and_keeps_its_keys_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    import certifi

    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    context = client_context(certifi.where() if own else None)
    assert context.keylog_filename is None
    assert not (tmp_path / "keys").exists()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    monkeypatch.delenv("SSLKEYLOGFILE")
    assert context.verify_flags == ssl.create_default_context().verify_flags


def test_nothing_of_ours_makes_a_context_that_hears_the_variable() -> None:
    found = [
        str(path.relative_to(ROOT))
        for folder in ("gateway", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        if "_context" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and node.attr in ("create_default_context", "_create_unverified_context")
    ]
    assert found == []


def test_the_command_line_takes_the_variable_away_from_libraries_too(tmp_path: Path) -> None:
    code = """
import os, sys, gateway.cli
sys.argv = ["gateway", "--version"]
try:
    gateway.cli.main()
except SystemExit:
    print("SSLKEYLOGFILE" in os.environ)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"SSLKEYLOGFILE": str(tmp_path / "keys"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr


def test_the_command_line_waits_for_no_pipe_in_the_place_of_the_machines_authorities(tmp_path: Path) -> None:
    """aiohttp reads it while it is imported, in a thread that would never end."""
    os.mkfifo(tmp_path / "pipe.pem")
    done = subprocess.run(
        [sys.executable, "-c", "import gateway.cli; gateway.cli.main()", "check"],
        env={"SSL_CERT_FILE": str(tmp_path / "pipe.pem"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: SSL_CERT_FILE names a pipe: let it name a regular file, or unset it\n"
