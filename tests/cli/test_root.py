"""Help, exit codes and what is imported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from gateway.cli.command_options import names
from gateway.cli.invocation import Invocation
from gateway.cli.root import COMMANDS, commands, gateway
from gateway.version import __version__
from tests import covered
from tests.cli.conftest import ROOT, Cli, run
from tests.cli.terminal import Terminal

EVERY = commands()
HEAVY = ("pydantic", "httpx", "aiohttp", "structlog", "rich", "uvicorn", "yaml", "pluggy", "psycopg", "cel", "sqlite3")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_root_says_of_a_command_what_the_command_says_itself(name: str) -> None:
    command = gateway.get_command(click.Context(gateway), name)
    assert command is not None
    assert command.short_help == COMMANDS[name]


@pytest.mark.parametrize("name", EVERY)
def test_every_command_explains_itself_and_each_of_its_options(name: str, cli: Cli) -> None:
    command = EVERY[name]
    shown = cli(*name.split(), "--help").output
    assert command.help
    assert command.help.split("\n")[0].rstrip(".") in " ".join(shown.split())
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"
            assert parameter.opts[-1] in shown


def test_every_listing_can_be_read_by_programs() -> None:
    for name, command in EVERY.items():
        if name.endswith(" list"):
            assert {"--json", "--limit", "--all"} <= {opt for p in command.params for opt in p.opts}, name


def test_the_version_is_shown(cli: Cli) -> None:
    assert cli("--version").output == f"Recording Gateway {__version__}\n"


def test_wrong_use_exits_2_on_standard_error(cli: Cli) -> None:
    for arguments in (
        ["nothing"],
        ["events", "nothing"],
        ["check", "--nothing"],
        ["events", "show"],
        ["send", "--count", "0"],
    ):
        result = cli(*arguments, code=2)
        assert result.stdout == ""
        assert result.stderr


@pytest.mark.parametrize("name", ["check", "serve", "events list", "send", "store status"])
def test_a_configuration_that_is_not_there_is_wrong_use_and_says_what_to_do(name: str, cli: Cli) -> None:
    for arguments, path in (
        (["-c", "other.yaml", *name.split()], "other.yaml"),
        ([*name.split(), "--config", "other.yaml"], "other.yaml"),
        (name.split(), "gateway.yaml"),
    ):
        result = cli(*arguments, code=2)
        assert f"there is no configuration at {path}" in result.stderr
        assert "gateway init" in result.stderr


def test_a_configuration_that_cannot_even_be_looked_for_is_wrong_use(cli: Cli) -> None:
    assert "cannot be read: File name too long" in cli("--config", "x" * 300, "events", "list", code=2).stderr


def test_the_environment_names_the_configuration(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_CONFIG", "from-environment.yaml")
    assert "from-environment.yaml" in cli("check", code=2).stderr
    assert "named.yaml" in cli("-c", "named.yaml", "check", code=2).stderr


def _imported_by(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.argv = ['gateway', *{statement!r}.split()]\n"
         "import contextlib, io\nfrom gateway.cli import main\n"
         "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
         "    main()\nprint(*{name.split('.')[0] for name in sys.modules})"],
        env={"PYTHONPATH": ROOT, "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


def test_health_imports_only_the_standard_library() -> None:
    found = _imported_by("health --url http://127.0.0.1:1/healthz")
    ours = {"gateway", "sitecustomize"}  # the second is a distribution's, such as Debian's
    assert found - set(sys.stdlib_module_names) <= ours | {name for name in found if name.startswith("_")}
    assert "click" not in found


def test_help_imports_nothing_heavy() -> None:
    for arguments in ("--help", "events list --help", "send --help"):
        assert not _imported_by(arguments) & set(HEAVY)


def test_help_is_quick(folder: Path) -> None:
    began = time.perf_counter()
    assert run(["--help"], cwd=folder).returncode == 0
    assert time.perf_counter() - began < 3  # 0.05 s where nothing else runs; the bound only catches heavy imports


def test_completion_knows_the_commands(folder: Path) -> None:
    script = run([], cwd=folder, environ={"_GATEWAY_COMPLETE": "bash_source"})
    assert "_GATEWAY_COMPLETE=bash_complete" in script.stdout
    asked = run(
        [],
        cwd=folder,
        environ={"_GATEWAY_COMPLETE": "bash_complete", "COMP_WORDS": "gateway events re", "COMP_CWORD": "2"},
    )
    assert "replay" in asked.stdout
    assert "release" in asked.stdout


def test_completion_knows_the_configured_names(configured: Path) -> None:
    def asked(words: str) -> list[str]:
        environ = {
            "_GATEWAY_COMPLETE": "bash_complete",
            "COMP_WORDS": f"gateway {words}",
            "COMP_CWORD": str(len(words.split())),
        }
        return re.findall("^plain,(.*)$", run([], cwd=configured, environ=environ).stdout, flags=re.M)

    complete = names("sinks")
    context = click.Context(gateway, obj=Invocation("gateway.yaml"))
    assert complete(context, click.Option(["--sink"]), "s") == ["screen"]
    assert complete(click.Context(gateway, obj=Invocation("nowhere.yaml")), click.Option(["--sink"]), "s") == []
    assert asked("sinks pause l") == ["lines"]
    assert asked("send --source l") == ["live"]
    assert asked("-c nowhere.yaml sinks pause l") == []
    (configured / "gateway.yaml").write_text("broken: [")
    assert asked("sinks pause l") == []


def test_a_terminal_that_lacks_a_letter_gets_the_rest(configured: Path) -> None:
    done = run(
        ["route", "--type", "recording.failed", "--stream", "直播"],
        cwd=configured,
        environ={"PYTHONIOENCODING": "latin-1"},
    )
    assert done.returncode == 0
    assert "\\u76f4\\u64ad" in done.stdout


@pytest.mark.parametrize("columns", [80, 50])
def test_a_mistake_is_folded_between_words_on_a_terminal_and_whole_in_a_pipe(configured: Path, columns: int) -> None:
    file = configured / "gateway.yaml"
    file.write_text(file.read_text().replace("domains:", "dommains:"))
    for arguments in (["check"], ["events", "list"]):
        whole = run(arguments, cwd=configured).stderr
        terminal = Terminal(configured, arguments, columns=columns)
        assert terminal.end() == 1
        lines = terminal.text.replace("\r", "").splitlines()
        assert max(map(len, lines)) <= columns < max(map(len, whole.splitlines()))
        assert "".join(lines).replace(" ", "") == whole.replace("\n", "").replace(" ", "")
        assert "did you mean domains?" in whole


def test_a_limit_of_more_rows_than_there_can_be_is_wrong_use(configured: Path) -> None:
    done = run(["events", "list", "--limit", "9" * 30], cwd=configured)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "1000000000" in done.stderr


@pytest.mark.parametrize("command", ["init", "store backup", "store export"])
@pytest.mark.parametrize("name", ["", ".", "/", ".."])
def test_what_names_no_file_is_wrong_use(configured: Path, command: str, name: str) -> None:
    done = run([*command.split(), name], cwd=configured)
    assert (done.returncode, "names no file" in done.stderr) == (2, True), done.stderr


def test_a_reader_that_goes_away_is_no_mistake(folder: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m gateway schema | head -c 10 >/dev/null"],
        cwd=folder, env={"PYTHONPATH": ROOT, "PATH": os.environ["PATH"], **covered.environ()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        ("status", ">&-"),
        ("status", "2>&-"),
        ("events list", "<&- >&- 2>&-"),
        ("schema", ">&-"),
        ("store verify", ">&-"),
    ],
)
def test_a_closed_standard_stream_is_no_mistake(configured: Path, command: str, closed: str) -> None:
    usual = run(command.split(), cwd=configured)
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m gateway {command} {closed}"],
        cwd=configured, env={"PYTHONPATH": ROOT, "PATH": os.environ["PATH"], **covered.environ()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == usual.returncode
    assert "Traceback" not in done.stdout + done.stderr


def test_the_console_script_is_this_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gateway.cli import main

    monkeypatch.setattr("sys.argv", ["gateway", "--version"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert capsys.readouterr().out == f"Recording Gateway {__version__}\n"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("help", "`gateway --help`"),
        ("start", "`gateway serve`"),
        ("replay", "`gateway events replay`"),
        ("retry", "`gateway deliveries retry` or `gateway refused retry`"),
    ],
)
def test_a_word_of_other_programs_or_of_a_group_is_answered_with_the_command(word: str, meant: str, cli: Cli) -> None:
    assert f"no command '{word}'; did you mean {meant}?" in " ".join(cli(word, code=2).stderr.split())
