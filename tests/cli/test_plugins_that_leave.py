"""A plugin that leaves by what is no Exception is named with its place, by every command, and none ends silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.store.admin.audit import Actor
from gateway.testing import running
from tests.cli.conftest import run

PLUGIN = '''
import os
from pydantic import field_validator
from gateway import *

class Panic(BaseException):
    pass

def leave(step):
    if os.environ.get("STEP") == step:
        raise SystemExit(3) if os.environ.get("EXITS") else Panic(step)

class Leaving(Source):
    """Leaves."""
    type = "leaving"
    scenes = ("a",)
    class Options(Options):
        word: str = "a"
        reconcile: Reconcile | None = None
        @field_validator("word")
        def look(cls, word):
            leave("validator")
            return word
    @property
    def reconcile(self):
        return self.options.reconcile
    def prepare(self):
        leave("prepare")
    def advice(self):
        leave("advice")
        return ()
    def verify(self, callback):
        return Verified(trust=Trust.BODY, scheme="leaving")
    def normalise(self, callback, verified):
        leave("normalise")
        return []
    def play(self, scene):
        leave("play")
        return Played(body=b"{}", headers={"a\\nb": "c"})
    async def list_recordings(self, http, span, next):
        leave("list")
        return ListedPage(events=[], next=None)
    def expected_configuration(self, url):
        leave("expected")
        return []
    async def read_configuration(self, http):
        leave("read")
        return []

class Gone(Sink):
    """Leaves."""
    type = "gone"
    async def open(self):
        leave("open")
    async def deliver(self, delivery):
        return "ok"
'''
CONFIG = """version: 1
plugins: [./leaving.py]
store: sqlite:///gateway.db
sources: {live: {type: leaving, word: b, reconcile: {every: 1h}}}
sinks: {app: {type: gone}}
routes: [{to: [app]}]
"""


@pytest.fixture
def leaving(folder: Path) -> Path:
    (folder / "leaving.py").write_text(PLUGIN)
    (folder / "gateway.yaml").write_text(CONFIG)
    (folder / "body.json").write_text("{}")
    assert run(["store", "migrate"], cwd=folder).returncode == 0
    return folder


@pytest.mark.parametrize("exits", ["", "1"], ids=["panic", "exit"])
@pytest.mark.parametrize(
    ("step", "command", "code", "said"),
    [
        ("validator", "check", 1, "gateway.yaml:4:11: sources.live: its options cannot be validated"),
        ("prepare", "check", 1, "gateway.yaml:4:11: sources.live: the leaving cannot be made"),
        ("prepare", "serve", 1, "the leaving cannot be made"),
        ("advice", "check", 0, "its advice failed"),
        ("open", "check --connect", 1, "sinks.app: does not open"),
        ("play", "send", 1, "failed in play"),
        ("", "send", 1, "play gave a header field that cannot be sent"),
        ("normalise", "route --callback body.json --source live", 1, "the source plugin leaving failed"),
        ("list", "reconcile --source live --dry-run", 1, "the source plugin leaving failed"),
        ("expected", "sources doctor live", 1, "the source plugin leaving failed"),
        ("read", "sources doctor live", 1, "the source plugin leaving failed"),
    ],
)
def test_it_is_named(leaving: Path, step: str, command: str, code: int, said: str, exits: str) -> None:
    done = run(command.split(), cwd=leaving, environ={"STEP": step, "EXITS": exits})
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


async def test_a_reload_that_it_leaves_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaving.py").write_text(PLUGIN)
    config = {
        "plugins": ["./leaving.py"],
        "sources": {"live": {"type": "leaving"}},
        "sinks": {"app": {"type": "file", "path": "out.jsonl"}},
    }
    async with running(config, folder=tmp_path) as gateway:
        monkeypatch.setenv("EXITS", "1")
        for step in ("validator", "prepare"):
            monkeypatch.setenv("STEP", step)
            path = gateway.gateway.loaded.path
            path.write_text(path.read_text().replace("leaving}", "leaving, word: c}"))
            with pytest.raises(GatewayError, match=r"leaving|options"):
                await gateway.gateway.reload(Actor("test", "here"))
        monkeypatch.setenv("STEP", "")
        await gateway.gateway.reload(Actor("test", "here"))
        assert (await gateway.post(b"{}")).status == 200
