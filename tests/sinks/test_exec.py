"""The exec sink: an event on standard input, an exit code back, and nothing left running."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway import Refused, Retry, Trust, Unavailable, learn_secret, to_document
from gateway.testing import SinkPromises, cases, delivery, event, events
from plugins.sinks.exec import Exec, ExecOptions
from plugins.sinks.exec import child as child_module
from plugins.sinks.exec.options import OURS
from tests.patience import PATIENCE_S
from tests.sinks.programs import PYTHON, program_sink


class TestExecKeepsThePromises(SinkPromises):
    sink = Exec

    def options(self, url: str) -> Mapping[str, Any]:
        return {"command": [PYTHON, "-c", "pass"], "environment": {"GATEWAY_TOKEN": "exec-canary-token"}}


async def test_the_program_reads_the_event_and_its_words_are_the_receipt() -> None:
    one = event(stream='直播"; rm -rf / #')
    sink = program_sink("import json,sys; print(json.load(sys.stdin)['data']['stream'])")
    assert await sink.deliver(delivery(one)) == 'exit 0: 直播"; rm -rf / #'
    sink = program_sink("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())")
    for each in events():
        said = (await sink.deliver(delivery(each))).removeprefix("exit 0: ").removesuffix("…")
        assert json.dumps(to_document(each), ensure_ascii=False, separators=(",", ":")).startswith(said[:60])


async def test_hostile_text_reaches_only_standard_input() -> None:
    sink = program_sink("import os,sys; sys.stdin.read(); print(sys.argv[1:], sorted(os.environ))")
    harmless = await sink.deliver(delivery(event(stream="x")))
    for case in cases("stream"):
        assert await sink.deliver(delivery(event(stream=case.value))) == harmless, case.id


async def test_a_child_sees_the_listed_variables_and_descriptors_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", "canary")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("AWS_SECRET", "canary")
    opened, other = os.pipe()
    os.set_inheritable(opened, True)
    code = (
        "import json,os; fds=[fd for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/'+fd)];"
        "open('seen.json','w').write(json.dumps([dict(os.environ),fds,os.getcwd(),os.getsid(0)==os.getpid()]))"
    )
    sink = program_sink(code, cwd=str(tmp_path), environment={"GATEWAY_TOKEN": "mine"})
    try:
        await sink.deliver(delivery(event(), sink="job", attempt=3, replay=True))
    finally:
        os.close(opened)
        os.close(other)
    environ, descriptors, folder, leads = json.loads((tmp_path / "seen.json").read_text())
    environ.pop("LC_CTYPE", None)  # Python sets it for itself
    assert environ == {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "GATEWAY_EVENT_ID": event().id,
        "GATEWAY_EVENT_TYPE": "recording.file.completed",
        "GATEWAY_SOURCE": "live",
        "GATEWAY_TRUST": "fields",
        "GATEWAY_SINK": "job",
        "GATEWAY_ATTEMPT": "3",
        "GATEWAY_REPLAY": "true",
        "GATEWAY_TOKEN": "mine",
    }
    assert sorted(descriptors) == ["0", "1", "2"]
    assert folder == str(tmp_path)
    assert leads


async def test_other_content_under_a_known_id_is_no_repeat_to_the_program(tmp_path: Path) -> None:
    sink = program_sink("import os; open('seen','w').write(os.environ['GATEWAY_EVENT_ID'])", cwd=str(tmp_path))
    await sink.deliver(delivery(event(variant="0123abcd")))
    assert (tmp_path / "seen").read_text() == f"{event().id}~0123abcd"


@pytest.mark.parametrize(
    ("code", "options", "outcome"),
    [
        (75, {}, Retry),
        (1, {}, Refused),
        (69, {}, Refused),
        (69, {"unavailable": [69]}, Unavailable),
        (1, {"retry": [1, 2]}, Retry),
        (75, {"retry": []}, Refused),
        (0, {"delivered": [3]}, Refused),
    ],
)
async def test_an_exit_code_means_what_the_options_say(code: int, options: Any, outcome: type[Exception]) -> None:
    sink = program_sink(f"import sys; print('out'); print('why', file=sys.stderr); sys.exit({code})", **options)
    with pytest.raises(outcome, match=f"exit {code}: why") as failed:
        await sink.deliver(delivery())
    assert type(failed.value) is outcome


async def test_another_code_may_say_delivered() -> None:
    assert await program_sink("import sys; sys.exit(3)", delivered=[0, 3]).deliver(delivery()) == "exit 3"


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (15, "SIGTERM"), (40, "signal 40")])
async def test_a_program_that_was_ended_by_a_signal_is_tried_again(number: int, name: str) -> None:
    with pytest.raises(Retry, match=f"ended by {name}: no output") as failed:
        await program_sink(f"import os; os.kill(os.getpid(), {number})").deliver(delivery())
    assert not failed.value.service


@pytest.mark.parametrize("trust", [Trust.NONE, Trust.TIMESTAMP])
async def test_an_event_whose_signature_covered_too_little_runs_nothing(trust: Trust, tmp_path: Path) -> None:
    sink = program_sink("open('ran', 'w')", cwd=str(tmp_path))
    with pytest.raises(Refused, match=f"covers `{trust}` of this event.* only for `fields` or more"):
        await sink.deliver(delivery(event(trust=trust)))
    assert not (tmp_path / "ran").exists()
    assert sink.wanted_trust is Trust.FIELDS
    await program_sink("pass", min_trust="none").deliver(delivery(event(trust=trust)))
    await program_sink("pass").deliver(delivery(event(trust=Trust.BODY)))


async def test_a_flood_of_output_is_read_and_dropped() -> None:
    sink = program_sink("import sys\nfor _ in range(3000): sys.stdout.write('x'*4096); sys.stderr.write('y'*4096)")
    async with asyncio.timeout(PATIENCE_S):
        receipt = await sink.deliver(delivery())
    assert len(receipt) < 250


@pytest.mark.parametrize("code", ["import os; os.close(0)", "pass", "import sys; sys.stdin.read(10)"])
async def test_a_program_need_not_read_its_input(code: str) -> None:
    large = event(extra={"x": "y" * 500_000})
    async with asyncio.timeout(PATIENCE_S):
        assert await program_sink(code).deliver(delivery(large)) == "exit 0"


async def test_a_large_event_is_read_whole() -> None:
    large = event(extra={"x": "y" * 500_000})
    sink = program_sink("import json,sys; print(len(json.load(sys.stdin)['data']['extra']['x']))")
    assert await sink.deliver(delivery(large)) == "exit 0: 500000"


async def test_where_the_kernel_has_no_pidfd_it_works_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert await program_sink("print('here')").deliver(delivery()) == "exit 0: here"


async def test_a_secret_that_the_program_repeats_is_masked_and_its_words_are_one_line() -> None:
    learn_secret("exec-canary-secret")
    sink = program_sink("print('a\\x1b[31m\\nb', 'exec-canary-secret')")
    assert await sink.deliver(delivery()) == "exit 0: a\\x1b[31m b ********"


async def test_a_program_that_is_not_there_opens_the_circuit(tmp_path: Path) -> None:
    plain = tmp_path / "plain.sh"
    plain.write_text("#!/bin/sh\n")
    for command, cwd, words in [
        (["/nowhere/notify"], "/", "notify: no such file"),
        (["no-such-program-at-all"], "/", "no-such-program-at-all: no such file"),
        ([str(plain)], "/", "plain.sh: permission denied"),
        ([PYTHON], str(tmp_path / "gone"), "no such file"),
    ]:
        read = ExecOptions.model_validate({"command": command, "cwd": cwd})
        with pytest.raises(Unavailable, match=words):
            await Exec("job", read, http=None, log=None).deliver(delivery())  # type: ignore[arg-type]


async def test_that_there_is_something_to_run_is_seen_at_the_start(tmp_path: Path) -> None:
    plain = tmp_path / "plain.sh"
    plain.write_text("#!/bin/sh\n")
    for command, cwd, words in [
        ("/nowhere/notify", "/", "/nowhere/notify: there is no such program"),
        ("no-such-program-at-all", "/", "there is no such program"),
        (str(plain), "/", "not an executable file"),
        (PYTHON, str(tmp_path / "gone"), "gone is no folder"),
    ]:
        read = ExecOptions.model_validate({"command": [command], "cwd": cwd})
        with pytest.raises(Unavailable, match=words):
            await Exec("job", read, http=None, log=None).open()  # type: ignore[arg-type]
    await program_sink("pass").open()
    await Exec("job", ExecOptions.model_validate({"command": ("true",)}), http=None, log=None).open()  # type: ignore[arg-type]


async def test_without_exit_codes_nothing_is_run(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(Unavailable, match="SIGCHLD"):
            await program_sink("open('ran','w')", cwd=str(tmp_path)).deliver(delivery())
    finally:
        signal.signal(signal.SIGCHLD, before)


async def test_a_program_that_is_being_replaced_is_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "busy"
    shutil.copy("/bin/true", program)
    read = ExecOptions.model_validate({"command": [str(program)], "cwd": "/"})
    sink = Exec("job", read, http=None, log=None)  # type: ignore[arg-type]
    with program.open("ab"), pytest.raises(Retry, match="text file busy") as failed:
        await sink.deliver(delivery())
    assert failed.value.service
    assert await sink.deliver(delivery()) == "exit 0"


async def test_several_run_at_once(tmp_path: Path) -> None:
    code = (
        "import os,sys,time; open(str(os.getpid()),'w')\n"
        "for _ in range(1000):\n    if len(os.listdir()) == 4: sys.exit(0)\n    time.sleep(0.01)\nsys.exit(1)"
    )
    sink = program_sink(code, cwd=str(tmp_path))
    assert await asyncio.gather(*(sink.deliver(delivery()) for _ in range(4))) == ["exit 0"] * 4


def test_a_program_with_a_slash_lies_beside_the_configuration(tmp_path: Path) -> None:
    def program(text: str) -> str:
        read = ExecOptions.model_validate({"command": [text, "./data"]}, context={"base": tmp_path})
        assert read.command[1] == "./data"
        assert read.cwd == tmp_path
        return read.command[0]

    assert program("./notify.sh") == str(tmp_path / "notify.sh")
    assert program("/usr/bin/notify") == "/usr/bin/notify"
    assert program("notify") == "notify"


async def test_a_script_beside_the_configuration_runs(tmp_path: Path) -> None:
    script = tmp_path / "notify.sh"
    script.write_text('#!/bin/sh\nread -r event; printf "%s" "$1 $GATEWAY_EVENT_TYPE"; exit 0\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    read = ExecOptions.model_validate({"command": ["./notify.sh", "--loud"]}, context={"base": tmp_path})
    sink = Exec("job", read, http=None, log=None)  # type: ignore[arg-type]
    assert await sink.deliver(delivery()) == "exit 0: --loud recording.file.completed"


async def test_a_preview_shows_what_would_run_and_runs_nothing(tmp_path: Path) -> None:
    sink = program_sink("open('ran', 'w')", cwd=str(tmp_path))
    said = await sink.preview(delivery())
    assert f"command: '{PYTHON}' '-c'" in said
    assert f"cwd: {tmp_path}\n" in said
    assert f"GATEWAY_EVENT_ID={event().id}\n" in said
    assert json.loads(said.splitlines()[-1])["id"] == event().id
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("options", "where", "words"),
    [
        ({"command": []}, "command", "at least 1"),
        ({"command": "echo hello"}, "command", "tuple"),
        ({"command": [" "]}, "command", "a program as the first"),
        ({"command": ["echo", "a\0b"]}, "command.1", "without NUL"),
        ({"environment": {"PATH": "/x"}}, "environment.PATH.[key]", "begins with GATEWAY_"),
        ({"environment": {"GATEWAY_x": "x"}}, "environment.GATEWAY_x.[key]", "in capitals"),
        ({"environment": {"GATEWAY_EVENT_ID": "x"}}, "environment.GATEWAY_EVENT_ID.[key]", "sets itself"),
        ({"environment": {"GATEWAY_A=B": "x"}}, "environment.GATEWAY_A=B.[key]", "begins with"),
        ({"retry": [300]}, "retry.0", "less than or equal to 255"),
        ({"retry": [0]}, "", "each exit code once"),
        ({"min_trust": "much"}, "min_trust", "'none', 'timestamp', 'fields' or 'body'"),
    ],
)
def test_a_wrong_option_is_located_and_explained(options: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        ExecOptions.model_validate({"command": ["true"], **options})
    [problem] = wrong.value.errors(include_input=False)
    assert ".".join(map(str, problem["loc"])) == where
    assert words in problem["msg"]


def test_the_documents_name_every_variable() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "sinks.md").read_text().split("\n## exec\n")[1]
    assert re.findall(r"^\| `GATEWAY_(\w+)` \|", text.split("\n## ")[0], re.M) == list(OURS)


def test_of_what_a_program_writes_no_more_is_kept_than_a_bound_and_all_of_it_is_read() -> None:
    code = "import sys; sys.stdout.buffer.write(b'o' * 3_000_000); sys.stderr.buffer.write(b'e' * 3_000_000)"
    child = child_module.Child([PYTHON, "-c", code], cwd=Path("/"), environ={}, stdin=b"")
    assert child.run_to_end() == child_module.ChildEnd(
        0, b"o" * child_module.OUTPUT_BYTES_MAX, b"e" * child_module.OUTPUT_BYTES_MAX
    )
