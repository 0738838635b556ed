"""A command that only asks the store imports what reads it: not the grammar, not a loop, not a plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.encrypted_stores import NAME
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
NEEDED_BY_NONE = (
    "aiohttp", "asyncio", "cel", "cryptography", "gateway.config.grammar", "gateway.config.load", "gateway.plugin", "httpx", "jinja2",
    "gateway.store.admin.admin", "gateway.store.outbox", "gateway.store.verify", "importlib.metadata", "pluggy", "plugins", "pydantic",
    "rich", "ssl", "starlette", "structlog", "tenacity", "uvicorn", "uvloop",
)  # fmt: skip
RUNS = """
import contextlib, io, sys
sys.argv = ["gateway", *sys.argv[1:]]
from gateway.cli import main
answered = io.StringIO()
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(answered):
    main()
print(bool(answered.getvalue()), *sys.modules)
"""


NEEDED_BY_NO_GLANCE = (
    "aiohttp", "gateway.admin.acts", "gateway.admin.beside_store", "gateway.admin.requests", "gateway.app", "gateway.config.pydantic_errors",
    "gateway.config.refused_file", "gateway.dispatch", "gateway.intake", "gateway.store.admin.admin", "gateway.store.admin.commands",
    "gateway.store.verify", "httpx", "importlib.metadata", "jinja2", "rich", "starlette", "uvicorn", "uvloop",
)  # fmt: skip


OF_PLAIN_STORES = pytest.mark.skipif(NAME in os.environ, reason="what an encrypted store needs is more")


@OF_PLAIN_STORES
@pytest.mark.process
@pytest.mark.parametrize(
    "arguments",
    [
        "events list --type recording.failed",
        "events list --source live",
        "deliveries list --state dead",
        "deliveries list --sink screen",
        "events list --json",
        "events list --all --stream stream-*",
        "refused list",
    ],
)
def test_a_listing_imports_what_reads_the_store(stocked: list[str], folder: Path, arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUNS, *arguments.split()], env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=folder, capture_output=True, text=True, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    answered, *imported = done.stdout.split()
    assert (answered == "True") == ("refused" not in arguments)
    assert not [name for name in imported if name.startswith(NEEDED_BY_NONE)]


@OF_PLAIN_STORES
@pytest.mark.process
@pytest.mark.parametrize("arguments", ["status", "status --json", "top --times 1"])
def test_a_glance_imports_the_configuration_and_what_reads_the_store(
    stocked: list[str], folder: Path, arguments: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUNS, *arguments.split()], env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=folder, capture_output=True, text=True, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    answered, *imported = done.stdout.split()
    assert answered == "True"
    assert not [name for name in imported if name.startswith(NEEDED_BY_NO_GLANCE)]


def test_what_the_rest_of_the_configuration_gets_wrong_does_not_hide_what_came_in(
    cli: Cli, stocked: list[str], folder: Path
) -> None:
    configuration = folder / "gateway.yaml"
    configuration.write_text(configuration.read_text() + "\nsinkz: {}\n")
    assert cli("events", "list").stdout
    assert "sinkz" in cli("check", code=1).stderr + cli("check", code=1).stdout
    assert cli("events", "list", "--source", "live").stdout


def test_of_a_store_that_is_not_plain_the_whole_configuration_is_read(cli: Cli, configured: Path) -> None:
    configuration = configured / "gateway.yaml"
    plain = "store: sqlite:///gateway.db"
    text = configuration.read_text()
    assert plain in text
    configuration.write_text(text.replace(plain, "store: {encryption: {keys: []}}"))
    assert "store.encryption" in cli("events", "list", code=1).stderr
