"""`gateway store keys` and `gateway store reencrypt`, and every command beside a store that is encrypted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, Cli, on_any_port
from tests.cli.stocked import accept, an_event, stock, wanted

ONE, TWO = "1" * 64, "2" * 64


def encrypt(folder: Path, *keys: str, lost: str = "") -> None:
    """Write a configuration with these `name=key`."""
    listed = "\n".join(f"      - {{name: {name}, key: {key}}}" for name, key in (one.split("=") for one in keys))
    store = f"store:\n  url: sqlite:///gateway.db\n  encryption:\n    keys:\n{listed}\n{lost}"
    path = folder / "gateway.yaml"
    path.write_text(CONFIG.replace("store: sqlite:///gateway.db\n", store if keys else "store: sqlite:///gateway.db\n"))


@pytest.fixture
def event(configured: Path) -> str:
    """An event that stands in plain."""
    made = an_event()
    stock(configured, lambda store: accept(store, wanted(made)))
    return made.id


@pytest.mark.plain_rows
def test_a_store_in_plain_is_sealed_and_read_and_its_key_changed(configured: Path, event: str, cli: Cli) -> None:
    assert b"canary" in (configured / "gateway.db").read_bytes()
    encrypt(configured, f"one={ONE}")
    assert "encrypted with one: 1 rows changed" in cli("store", "reencrypt").stdout
    assert event in cli("events", "show", event).stdout
    encrypt(configured, f"two={TWO}", f"one={ONE}")
    states = {line.split()[0]: line for line in cli("store", "keys").stdout.splitlines() if line}
    assert "may not go yet" in states["one"]
    assert "encrypted with two: 1 rows changed" in cli("store", "reencrypt").stdout
    report = json.loads(cli("store", "keys", "--json").stdout)
    assert [(key["name"], key["rows"], key["may_go"]) for key in report["keys"]] == [
        ("two", {"events": 1}, False),
        ("one", {}, True),
    ]
    assert report["pass"]["ended_at"] is not None
    assert "store reencrypt" in cli("audit", "list").stdout


@pytest.mark.plain_rows
def test_every_command_says_which_key_is_missing(configured: Path, event: str, cli: Cli) -> None:
    encrypt(configured, f"one={ONE}")
    cli("store", "reencrypt")
    encrypt(configured)
    on_any_port(configured)
    for command in (["events", "list"], ["events", "show", event], ["store", "status"], ["refused", "list"], ["serve"]):
        assert "encrypted with the key 'one'" in cli(*command, code=1).stderr, command
    encrypt(configured, f"two={TWO}", lost="    lost: [one]\n")
    assert event[:6] in cli("events", "list").stdout
    assert "store.encryption.lost says is lost" in cli("events", "show", event, code=1).stderr


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["one=short"], "64 hex digits"),
        ([f"one={ONE}", f"one={TWO}"], "names two keys"),
        ([f"one={ONE}", f"two={ONE}"], "is given twice"),
        ([f"One={ONE}"], "small letters"),
    ],
)
def test_a_key_that_is_none_or_stands_twice_is_refused(configured: Path, cli: Cli, keys: list[str], said: str) -> None:
    encrypt(configured, *keys)
    refused = cli("check", code=1)
    assert said in refused.output + refused.stderr
    assert "short" not in refused.output.replace("shorter", "")


@pytest.mark.plain_rows
def test_a_person_needs_the_stores_key_and_no_other_secret(
    configured: Path, event: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypt(configured, "one='${STORE_KEY}'")
    monkeypatch.setenv("STORE_KEY", ONE)
    cli("store", "reencrypt")
    text = (configured / "gateway.yaml").read_text()
    (configured / "gateway.yaml").write_text(
        text.replace("keys: [demo-0123456789abcdef0123456789abcdef]", "keys: ['${LIVE_KEY}']")
    )
    assert event[:6] in cli("events", "list").stdout
    monkeypatch.delenv("STORE_KEY")
    assert "STORE_KEY" in cli("events", "list", code=1).stderr


@pytest.mark.plain_rows
def test_what_stands_in_plain_and_with_a_key_that_is_lost_is_counted_beside_the_others(
    configured: Path, event: str, cli: Cli
) -> None:
    assert "no key is configured" in cli("store", "reencrypt", code=1).stderr
    encrypt(configured, f"one={ONE}")
    before = cli("store", "keys").stdout
    assert [line.split() for line in before.splitlines()][1:] == [
        ["one", "0", "0", "0", "0", "encrypts"],
        ["in", "plain", "1", "0", "0", "0"],
    ]
    cli("store", "reencrypt")
    encrypt(configured, f"two={TWO}", lost="    lost: [one]\n")
    states = {line.split()[0]: line.split()[1:] for line in cli("store", "keys").stdout.splitlines() if line}
    assert states["one"] == ["1", "0", "0", "0", "lost"]
    assert states["two"][-1] == "encrypts"
