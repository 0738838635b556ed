"""`gateway check` and `gateway init`."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONFIG, KEY, Cli

CANARY = "canary-7f3a9b2c5d8e1f04a6b7c8d9"
FIELDS = ["severity", "file", "line", "column", "path", "found", "expected", "hint", "message"]


def _write(folder: Path, text: str) -> None:
    path = folder / "gateway.yaml"
    path.write_text(text)
    path.chmod(0o600)


def test_a_configuration_that_is_well_is_counted(configured: Path, cli: Cli) -> None:
    result = cli("check")
    assert result.stdout == "gateway.yaml: well. 1 source, 2 sinks, 2 routes, 1 test.\n"
    assert not (configured / "gateway.db").exists()


def test_every_mistake_is_said_at_once_with_its_place(configured: Path, cli: Cli) -> None:
    _write(
        configured,
        CONFIG.replace("type: console", "type: consol").replace("[screen, lines]\n  - name", "[screem]\n  - name"),
    )
    result = cli("check", code=1)
    assert result.stdout == ""
    assert "error: gateway.yaml:13:" in result.stderr
    assert "did you mean console?" in result.stderr
    assert "sinks.screen" in result.stderr
    assert "'screem'" in result.stderr


def test_a_route_test_that_fails_is_a_mistake_with_its_place(configured: Path, cli: Cli) -> None:
    _write(configured, CONFIG.replace("expect: [screen, lines]}", "expect: [screen]}"))
    result = cli("check", code=1)
    line = 1 + CONFIG.split("tests:")[0].count("\n") + 1
    assert f"gateway.yaml:{line}:" in result.stderr
    assert "lines" in result.stderr


def test_annotators_get_an_array_of_objects(configured: Path, cli: Cli) -> None:
    _write(configured, CONFIG.replace("type: console", "type: consol"))
    found: list[dict[str, Any]] = json.loads(cli("check", "--json", code=1).stdout)
    assert found
    assert all(sorted(one) == sorted(FIELDS) for one in found)
    [error] = [one for one in found if one["severity"] == "error"]
    assert (error["file"], error["line"], error["path"]) == ("gateway.yaml", 13, "sinks.screen.type")
    _write(configured, CONFIG)
    assert not [one for one in json.loads(cli("check", "--json").stdout) if one["severity"] == "error"]


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize(
    ("config", "environ"),
    [
        (CONFIG.replace(KEY, '""'), {}),
        (CONFIG.replace(f"[{KEY}]", '["${EMPTY_KEY}"]'), {"EMPTY_KEY": ""}),
        (CONFIG.replace(f"[{KEY}]", '["${file:key}"]'), {}),
        (CONFIG.replace(f"[{KEY}]", '["${UNSET_KEY}"]'), {}),
        (CONFIG.replace("{port: 8080}", "{host: 0.0.0.0, port: 8080}"), {}),
        (CONFIG.replace("{port: 9090}", "{host: 0.0.0.0, port: 9090}"), {}),
        (CONFIG, {"GATEWAY_SERVER_HOST": "0.0.0.0"}),
    ],
    ids=[
        "empty",
        "empty variable",
        "file of one newline",
        "unset",
        "demo on 0.0.0.0",
        "demo on admin",
        "demo by override",
    ],
)
def test_a_key_that_protects_nothing_is_exit_1(
    command: str,
    config: str,
    environ: dict[str, str],
    configured: Path,
    cli: Cli,
    inside: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _write(configured, config)
    (configured / "key").write_text("\n")
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    done = cli(command, code=1)
    assert "sources.live.keys" in done.stderr
    assert KEY not in done.output
    assert "Traceback" not in done.stderr
    assert inside in ([], ["hardened"])  # nothing was served
    assert not (configured / "gateway.db").exists()


def test_without_secrets_the_rest_is_checked(configured: Path, cli: Cli) -> None:
    _write(configured, CONFIG.replace(f"[{KEY}]", '["${UNSET_KEY}", "${file:/nowhere/key}"]'))
    assert "UNSET_KEY" in cli("check", code=1).stderr
    assert "well" in cli("check", "--no-secrets").stdout
    _write(configured, CONFIG.replace(f"[{KEY}]", '["${UNSET_KEY}"]').replace("type: console", "type: consol"))
    assert "UNSET_KEY" not in cli("check", "--no-secrets", code=1).stderr


@pytest.mark.wide
def test_no_secret_is_shown_wherever_it_stands(configured: Path, cli: Cli, inside: list[object]) -> None:
    for broken in (
        CONFIG.replace(f"keys: [{KEY}]", f"keys: {{nested: {CANARY}}}"),
        CONFIG.replace(f"keys: [{KEY}]", f"kyes: [{CANARY}]"),
        CONFIG.replace(KEY, CANARY[:9]),
        CONFIG.replace("{port: 9090}", f"{{port: 9090, token: {CANARY}}}"),
        CONFIG.replace("{port: 9090}", f"{{port: 9090, tokens: [{{name: a, token: [{CANARY}]}}]}}"),
    ):
        _write(configured, broken)
        for arguments in (["check"], ["check", "--json"], ["check", "--no-secrets"], ["events", "list"], ["serve"]):
            result = cli(*arguments, code=None)
            assert result.exit_code == 1, arguments
            assert CANARY[:9] not in result.output
            assert CANARY not in result.output


def test_connect_does_not_go_without_secrets(configured: Path, cli: Cli) -> None:
    assert "--no-secrets" in cli("check", "--connect", "--no-secrets", code=2).stderr


def test_what_init_writes_is_well_and_readable_by_its_owner_alone(folder: Path, cli: Cli) -> None:
    assert "gateway check" in cli("init").stderr
    path = folder / "gateway.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    result = cli("check")
    assert "well" in result.stdout
    assert "demo-" not in path.read_text()


def test_init_writes_over_nothing_unless_it_is_told_to(configured: Path, cli: Cli) -> None:
    assert "--force" in cli("init", code=1).stderr
    assert (configured / "gateway.yaml").read_text() == CONFIG
    (configured / "gateway.yaml").chmod(0o644)
    cli("init", "--force")
    assert (configured / "gateway.yaml").read_text() != CONFIG
    assert stat.S_IMODE((configured / "gateway.yaml").stat().st_mode) == 0o600


def test_two_configurations_have_no_secret_in_common(cli: Cli) -> None:
    first, second = (set(cli("init", "--print").stdout.split()) for _ in range(2))
    assert len(first - second) >= 1
    assert not [word for word in first & second if "whsec_" in word and len(word) > 20]


def test_init_writes_where_it_is_told(folder: Path, cli: Cli) -> None:
    cli("init", "one.yaml")
    cli("-c", "two.yaml", "init")
    assert (folder / "one.yaml").exists()
    assert (folder / "two.yaml").exists()
    assert "cannot write" in cli("init", "nowhere/gateway.yaml", code=1).stderr
    assert not os.path.exists("gateway.yaml")


SLOW = """
import asyncio
from gateway import Secret, Sink, Options

class Slow(Sink):
    \"\"\"Never opens, or not at all.\"\"\"
    type = "slow"
    class Options(Options):
        token: Secret
    async def open(self):
        if self.name == "broken":
            raise RuntimeError(f"no service takes {self.options.token.reveal()}")
        if self.name == "stuck":
            await asyncio.Event().wait()
    async def deliver(self, delivery):
        return None
"""


def test_connecting_opens_the_store_and_every_sink(configured: Path, cli: Cli) -> None:
    (configured / "slow.py").write_text(SLOW)
    (configured / "slow.py").chmod(0o600)
    more = "".join(
        f"  {name}: {{type: slow, token: {CANARY}, delivery: {{timeout: 50ms}}}}\n"
        for name in ("broken", "stuck", "fine")
    )
    _write(configured, "plugins: [./slow.py]\n" + CONFIG.replace("routes:\n", more + "routes:\n"))
    cli("store", "migrate")
    result = cli("check", "--connect", code=1)
    assert "error: sinks.broken: does not open: RuntimeError: no service takes ********" in result.stderr
    assert "error: sinks.stuck: does not open within 0.05 s" in result.stderr
    assert "sink fine: opens" in result.stderr
    assert "store: schema" in result.stderr
    found = [
        one for one in json.loads(cli("check", "--connect", "--json", code=1).stdout) if one["severity"] == "error"
    ]
    assert [(one["path"], one["line"] > 0) for one in found] == [("sinks.broken", True), ("sinks.stuck", True)]


def test_connecting_says_that_the_store_was_not_made(configured: Path, cli: Cli) -> None:
    assert "gateway store migrate" in cli("check", "--connect", code=1).stderr
    assert not (configured / "gateway.db").exists()


def test_connecting_really_connects_and_says_what_was_not_tried(
    configured: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    resolve = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:  # some resolvers take many seconds to know no such name
        if host == "nobody.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with socket.socket() as taken:  # bound and not yet listening: nobody answers there, and nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        sinks = f"""sinks:
  app: {{type: forward, url: "http://127.0.0.1:{port}/x"}}
  mail: {{type: email, host: 127.0.0.1, port: {port}, tls: none, from: a@example.com, to: b@example.com}}
  group: {{type: chat, service: slack, url: "https://nobody.invalid/services/x"}}
"""
        (configured / "gateway.yaml").write_text(CONFIG.replace("sinks:\n", sinks))
        said = cli("check", "--connect", code=1).stderr
        for name in ("app", "mail", "group"):
            assert f"error: sinks.{name}: cannot be reached" in said
        assert "sink screen: opens; its target was not tried" in said
        assert "gateway sinks test screen" in said
        taken.listen()  # mail would wait here for a greeting until its timeout
        alone = "".join(line for line in sinks.splitlines(keepends=True) if "type: email" not in line)
        (configured / "gateway.yaml").write_text(CONFIG.replace("sinks:\n", alone))
        assert f"sink app: 127.0.0.1:{port} answers" in cli("check", "--connect", code=1).stderr
