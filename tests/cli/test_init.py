"""`gateway init`: every type of source, what it asks for, and that it never waits for an answer nobody can give."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway import Source
from gateway.config.load import load
from gateway.config.starter import source_type
from gateway.errors import PluginError
from gateway.model import Trust
from gateway.plugin import Scene
from gateway.plugin.registry import Registry
from gateway.testing.factories import NOW, callback
from tests.cli.conftest import Cli
from tests.patience import PATIENCE_S

TYPES = Registry().source_types()


def source(folder: Path) -> Any:
    settings = load(folder / "gateway.yaml", environ={}).settings.sources["live"]
    return Registry().source(settings.type)("live", settings.options)


@pytest.mark.parametrize("type", TYPES)
def test_init_begins_with_any_type_and_what_it_writes_is_well_and_takes_what_it_plays(
    folder: Path, cli: Cli, type: str
) -> None:
    written = cli("init", "--source", type, "--force")
    assert "wrote" in written.stderr
    assert "well" in cli("check").stdout
    made = source(folder)
    assert made.type == type
    for scene in made.scenes:
        received = callback(made.play(Scene(type=scene, number=1, now=NOW)))
        made.normalise(received, made.verify(received))


def test_init_does_not_begin_with_a_type_that_does_not_say_how() -> None:
    class Plain:
        def source(self, name: str) -> type[Source]:
            return Source

    with pytest.raises(PluginError, match="does not say how to begin"):
        source_type(Plain(), "mine")  # type: ignore[arg-type]


def test_what_init_writes_with_exact_names_earns_the_trust_of_fields(folder: Path, cli: Cli) -> None:
    cli("init", "--domain", "a.example.com", "--domain", "b.example.com", "--app", "it's: {live}")
    made = source(folder)
    assert made.options.domains == ("a.example.com", "b.example.com")
    received = callback(made.play(Scene(type="RECORD_START", number=1, now=NOW)))
    assert made.verify(received).trust is Trust.FIELDS


def test_without_the_names_it_says_what_that_costs_and_waits_for_nobody(folder: Path, cli: Cli) -> None:
    said = cli("init").stderr
    assert "--domain and --app not given" in said
    assert "trust timestamp" in said
    assert source(folder).most_trust is Trust.TIMESTAMP


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--domain", "*.example.com"], "exact name"),
        (["--app", "live?"], "exact name"),
        (["--app", ""], "1 to 256"),
        (["--source", "mux", "--app", "live"], "--app says nothing to a source of type mux"),
        (["--source", "twilio", "--host", "https://x/"], "host name"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused_and_nothing_is_written(
    folder: Path, cli: Cli, options: list[str], words: str
) -> None:
    assert words in cli("init", *options, code=2).stderr
    assert not (folder / "gateway.yaml").exists()


def test_a_type_that_is_not_there_is_told_with_those_that_are(cli: Cli) -> None:
    said = cli("init", "--source", "huawie-live", code=1).stderr
    assert "huawei-live" in said


def answered(folder: Path, keys: bytes, *options: str) -> tuple[int, str]:
    """What `gateway init` does and says at a terminal where somebody types this."""
    main, terminal = pty.openpty()
    try:
        running = subprocess.Popen(
            [sys.executable, "-m", "gateway", "init", *options],
            cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True,
        )  # fmt: skip
        os.write(main, keys)
        code = running.wait(timeout=PATIENCE_S)
        return code, os.read(main, 65536).decode()
    finally:
        os.close(main)
        os.close(terminal)


def test_at_a_terminal_it_asks_until_the_names_are_exact(tmp_path: Path) -> None:
    code, said = answered(tmp_path, b"*.example.com\npush.example.com, b.example.com\nlive\n")
    assert code == 0, said
    assert "ingest domains" in said
    assert "an exact name" in said
    made = source(tmp_path)
    assert made.options.domains == ("push.example.com", "b.example.com")
    assert made.options.apps == ("live",)


def test_at_a_terminal_enter_is_an_answer_too(tmp_path: Path) -> None:
    code, said = answered(tmp_path, b"\n\n")
    assert code == 0, said
    assert source(tmp_path).options.domains == ()


def test_the_admin_token_is_in_a_file_of_its_own_that_only_its_owner_reads(folder: Path, cli: Cli) -> None:
    said = cli("init")
    kept = folder / "gateway.token"
    token = kept.read_text().strip()
    assert len(token) >= 32
    assert [oct(path.stat().st_mode & 0o777) for path in (kept, folder / "gateway.yaml")] == ["0o600"] * 2
    assert token not in (folder / "gateway.yaml").read_text() + said.stdout + said.stderr
    assert "gateway.token" in said.stderr
    loaded = load(folder / "gateway.yaml", environ={})
    assert loaded.settings.admin.token is not None
    assert loaded.settings.admin.token.reveal() == token
    assert loaded.token_place.startswith("${file:gateway.token} of ")
    assert token not in cli("init", "--force").stderr
    assert kept.read_text().strip() != token


@pytest.mark.parametrize("there", ["gateway.yaml", "gateway.token"])
def test_what_is_there_is_not_written_over_and_then_nothing_is_written(folder: Path, cli: Cli, there: str) -> None:
    (folder / there).write_text("mine")
    assert f"{there} is there already" in cli("init", code=1).stderr
    assert [path.name for path in folder.iterdir()] == [there]
    assert (folder / there).read_text() == "mine"
