"""Small promises of the command line: what it says where somebody was nearly right, and where nobody can hear it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.runtime.file_watch import identity_of
from gateway.testing import delivery, opened
from plugins.sinks.cards.template import zone
from plugins.sinks.email import Email
from tests import warm
from tests.cli.conftest import KEY, ROOT, Cli
from tests.config.configs import Configs
from tests.patience import PATIENCE_S


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        (["evnets"], "events"),
        (["events", "lst"], "list"),
        (["deliveries", "retyr", "1"], "retry"),
        (["deliveries", "list", "--state", "waitin"], "waiting"),
        (["secret", "webhok"], "webhook"),
        (["plugins", "show", "chat", "--kind", "sinks"], "sink"),
    ],
)
def test_a_command_or_a_choice_that_is_misspelt_is_answered_with_the_one_meant(
    configured: Path, cli: Cli, command: list[str], meant: str
) -> None:
    assert f"did you mean {meant!r}?" in cli(*command, code=2).stderr


def test_a_type_of_the_other_kind_is_named_as_that(cli: Cli) -> None:
    assert (
        "no type 'chat' of kind source: it is a sink type"
        in cli("plugins", "show", "chat", "--kind", "source", code=2).stderr
    )


def test_what_was_expected_of_a_route_is_compared_name_by_name(configured: Path, cli: Cli) -> None:
    event = ("route", "--type", "recording.failed", "--stream", "vip-7")
    cli(*event, "--expect", "screen,lines")
    said = cli(*event, "--expect", "screen", code=1).stderr
    assert "it goes to, too: lines" in said
    assert "it does not go to: lines" in cli("route", "--type", "recording.ended", "--expect", "lines", code=1).stderr
    assert "did you mean 'lines'?" in cli(*event, "--expect", "screen,line", code=2).stderr


@pytest.mark.parametrize(
    "command",
    [["--help"], ["schema"], ["secret"], ["check"], ["plugins", "list"], ["events", "list"], ["init", "--print"]],
)
def test_an_answer_that_cannot_be_written_is_an_error_and_no_traceback(configured: Path, command: list[str]) -> None:
    environ = {**os.environ, "PYTHONPATH": ROOT}
    with open("/dev/full", "wb") as full, open(configured / "error", "w+b") as error:
        written: dict[str, Any] = {"stdin": 0, "stdout": full.fileno(), "stderr": error.fileno()}
        ended: subprocess.Popen[bytes] | warm.Process
        if warm.fits(environ):
            ended = warm.start(command, cwd=configured, environ=environ, **written)
        else:
            ended = subprocess.Popen(
                [sys.executable, "-m", "gateway", *command], cwd=configured, env=environ, **written
            )
        code = ended.wait(PATIENCE_S)
    told = (configured / "error").read_text()
    assert code == 1
    assert "Traceback" not in told
    assert "Error: " in told


@pytest.mark.parametrize(
    "text",
    [
        "server:\n  host: 127.0.0.1\n    port: 8080\n",
        "server:\n  host: 127.0.0.1\n port: 8080\n",
        "sources:\n  live:\n    type: fake\n   keys: [x]\n",
        "routes:\n  - to: a\n   name: b\n",
    ],
)
def test_a_line_that_is_indented_wrongly_is_told_by_its_column(tmp_path: Path, text: str) -> None:
    problem = Configs(tmp_path).problem(text)
    assert "look at the indentation: this line begins in column" in problem.hint


def test_a_file_that_is_written_again_at_once_with_the_same_size_is_another(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("a: 1")
    at = path.stat().st_mtime_ns
    before = identity_of(path)
    path.write_text("a: 2")
    os.utime(path, ns=(at, at))
    assert identity_of(path) != before


def test_a_missing_time_zone_database_is_said_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zoneinfo

    from gateway.cli.output import Times

    def gone(name: str) -> zoneinfo.ZoneInfo:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", gone)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert "no time zone database" in Configs(tmp_path).problem("locale: {timezone: Asia/Shanghai}").expected
    assert Times("UTC")(0) == "1970-01-01 00:00:00"


async def test_without_a_time_zone_database_mails_and_cards_are_still_written_in_utc() -> None:
    import zoneinfo

    subject = "{{ event.time | time }}"
    mail = {"host": "127.0.0.1", "tls": "none", "from": "a@example.com", "to": "b@example.com"}
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        assert str(zone("UTC")) == "UTC"  # of every card
        for options in (mail, {**mail, "subject": subject}):
            async with opened(Email, options) as sink:
                assert "2026-01-01" in await sink.preview(delivery())
    finally:
        zoneinfo.reset_tzpath(before)


OF_A_STORE = [
    *(
        ["events", *words]
        for words in (["list"], ["show", "a" * 32], ["replay", "a" * 32], ["erase", "a" * 32, "--yes"])
    ),
    *(["deliveries", *words] for words in (["list"], ["show", "1"], ["retry", "1"], ["cancel", "1"])),
    *(["refused", *words] for words in (["list"], ["show", "1"], ["retry", "1"])),
    *(["sinks", *words] for words in (["list"], ["pause", "screen"], ["resume", "screen"])),
    *(["store", *words] for words in (["status"], ["migrate"])),
    ["sources", "list"],
    ["audit", "list"],
    ["check", "--connect"],
]


@pytest.mark.parametrize("command", OF_A_STORE, ids=" ".join)
def test_a_store_in_a_folder_that_is_not_there_names_the_folder(configured: Path, cli: Cli, command: list[str]) -> None:
    config = configured / "gateway.yaml"
    nowhere = configured / "no" / "such" / "folder"
    config.write_text(config.read_text().replace("sqlite:///gateway.db", f"sqlite:///{nowhere}/gateway.db"))
    stderr = cli(*command, code=1).stderr
    assert f"the folder {configured / 'no'} is not there" in stderr
    assert "make it, or name another place (store.url)" in stderr


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        (["init", "{nowhere}/gateway.yaml"], None),
        (["init", "gateway.yaml/gateway.yaml"], None),
        (["plugins", "new", "mine", "--folder", "gateway.yaml/below/mine"], None),
        (["check", "-c", "{nowhere}/gateway.yaml"], None),
        (["check"], KEY),
        (["check", "--connect"], "recordings.jsonl"),
        (["route", "--event", "{nowhere}/event.json"], None),
        (["route", "--source", "live", "--callback", "{nowhere}/body.json"], None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_any_file_in_a_folder_that_is_not_there_names_the_folder(
    configured: Path, cli: Cli, command: list[str], instead: str | None
) -> None:
    """`instead`: what a path in that folder stands for in the configuration."""
    nowhere = configured / "no" / "such"
    if instead is not None:
        config, named = configured / "gateway.yaml", nowhere / "x"
        config.write_text(config.read_text().replace(instead, f"'${{file:{named}}}'" if instead == KEY else str(named)))
    done = cli(*(word.replace("{nowhere}", str(nowhere)) for word in command), code=None)
    assert re.search(r"folder \S+ is not (there|a folder)", done.stderr), done.stderr
