"""The command line as people start it, and a small configuration to start it with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.store.store import Store
from tests import warm
from tests.cli.stocked import accept, an_event, settle, stock, wanted
from tests.patience import PATIENCE_S

KEY = "demo-0123456789abcdef0123456789abcdef"
CONFIG = f"""\
version: 1
server: {{port: 8080}}
admin: {{port: 9090}}
store: sqlite:///gateway.db
sources:
  live:
    type: huawei-live
    keys: [{KEY}]
    domains: [push.example.com]
    apps: [live]
sinks:
  lines: {{type: file, path: recordings.jsonl}}
  screen: {{type: console}}
routes:
  - name: failures
    match: {{type: recording.failed, stream: ["vip-*", main]}}
    to: [screen, lines]
  - name: files
    match: {{type: recording.file.*}}
    where: "event.data.files.exists(f, has(f.duration_seconds) && f.duration_seconds > 60.0)"
    to: [lines]
tests:
  - {{event: {{type: recording.failed, stream: vip-7}}, expect: [screen, lines]}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without the caller's GATEWAY_* variables."""
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def configured(folder: Path) -> Path:
    """A folder with a gateway.yaml."""
    path = folder / "gateway.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return folder


def on_any_port(folder: Path) -> None:
    """Let a gateway of this configuration, which is to fail for another reason, not meet somebody else's port."""
    path = folder / "gateway.yaml"
    path.write_text(path.read_text().replace("port: 8080", "port: 0").replace("port: 9090", "port: 0"))


class Cli:
    """Runs commands inside this process."""

    def __call__(self, *arguments: str, input: str | bytes | None = None, code: int | None = 0) -> Result:
        """The result, after looking at the exit code; an exception that is not an exit is raised."""
        from gateway.cli.root import gateway

        result = CliRunner().invoke(gateway, list(arguments), input=input, prog_name="gateway")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert code is None or result.exit_code == code, f"{arguments}: exit {result.exit_code}\n{result.output}"
        return result


@pytest.fixture
def cli(folder: Path) -> Cli:
    return Cli()


def run(
    arguments: Sequence[str], *, cwd: Path, environ: Mapping[str, str] | None = None, input: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")},
        "PYTHONPATH": ROOT,
        **(environ or {}),
    }
    if warm.fits(env):
        return warm.run(arguments, cwd=cwd, environ=env, input=input)
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=cwd,
        env=env,
        input=input,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """`serve` inside this process, without the listeners and without changing this process; what it was given."""
    import logging

    import structlog

    from gateway.web import listeners

    given: list[object] = []
    monkeypatch.setattr("gateway.cli.commands.serve.harden", lambda: given.append("hardened"))
    monkeypatch.setattr(listeners, "serve", lambda gateway, watch: given.append(gateway) or 3)
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield given
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    logging.captureWarnings(False)


ROOT = str(Path(__file__).resolve().parent.parent.parent)


@pytest.fixture
def stocked(configured: Path) -> list[str]:
    """Ids of: an event with one dead and one delivered delivery, one that waits, one that no route wanted."""

    async def work(store: Store) -> list[str]:
        made = await accept(
            store,
            wanted(an_event(number=1)),
            wanted(an_event(number=2)),
            wanted(an_event("recording.started", number=3)),
        )
        await settle(store, "screen", "delivered")
        await settle(store, "lines", "dead", reason="refused", detail="400 \x1b[31mno such thing")
        await settle(store, "screen", "waiting", detail="connection refused")
        return [one.id for one in made]

    return stock(configured, work)
