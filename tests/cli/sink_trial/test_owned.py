"""`gateway sinks preview` and `test` of a sink with a directory: to whom, and nobody else's secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import KEY, Cli
from tests.running import Receiver

from .conftest import SECRET


@pytest.fixture
def owned(folder: Path, receiver: Receiver) -> Path:
    (folder / "owners.csv").write_text(
        f"owner,url,secret\nfirst,{receiver.url}/first?token=first-canary-token,{SECRET}\n"
        f"anna,{receiver.url}/anna?token=anna-canary-token,{SECRET}\n"
    )
    (folder / "owners.csv").chmod(0o600)
    (folder / "gateway.yaml").write_text(f"""\
store: sqlite:///gateway.db
sources:
  live: {{type: huawei-live, keys: [{KEY}], sign_type: hmac-sha256-fields}}
sinks:
  people: {{type: forward, directory: {{file: owners.csv, key: event.data.stream}}}}
  all: {{type: forward, url: {receiver.url}/all, directory: {{file: owners.csv, key: event.data.stream, missing: fallback}}}}
  plain: {{type: forward, url: {receiver.url}/plain}}
routes: [{{to: [people, all, plain]}}]
""")
    return folder


def test_the_preview_says_to_whom_and_shows_his_request(owned: Path, cli: Cli, receiver: Receiver) -> None:
    (owned / "event.json").write_text(json.dumps({"type": "recording.failed", "stream": "anna"}))
    result = cli("sinks", "preview", "people", "--event", "event.json")
    assert result.stdout.startswith(f"to anna\n\nPOST {receiver.url}/anna?token=********\n")
    assert "webhook-signature: ********" in result.stdout
    assert "canary" not in result.output
    by_name = cli("sinks", "preview", "people", "--owner", "first")
    assert by_name.stdout.startswith(f"to first\n\nPOST {receiver.url}/first?token=********\n")
    assert cli("sinks", "preview", "all").stdout.startswith(f"POST {receiver.url}/all\n")
    assert receiver.connections == 0


def test_whom_nobody_owns_is_said_and_how_to_name_one(owned: Path, cli: Cli, receiver: Receiver) -> None:
    assert (
        "no owner: 'test-message' is not in owners.csv; --owner names one"
        in cli("sinks", "test", "people", code=1).stderr
    )
    assert "did you mean 'anna'?" in cli("sinks", "test", "people", "--owner", "ana", code=2).stderr
    assert "the sink plain has no directory" in cli("sinks", "preview", "plain", "--owner", "anna", code=2).stderr
    assert receiver.connections == 0


def test_a_test_message_goes_to_one_owner(owned: Path, cli: Cli, receiver: Receiver) -> None:
    assert "people: delivered in " in (said := cli("sinks", "test", "people", "--owner", "anna").stdout)
    assert ": to anna: HTTP 200" in said
    assert len(receiver.requests) == 1


def test_check_reads_the_table(owned: Path, cli: Cli) -> None:
    cli("check")
    (owned / "owners.csv").write_text("owner,url\nanna,nowhere\n")
    assert "owners.csv:2:6" in cli("check", code=1).output
