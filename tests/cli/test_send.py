"""`gateway send` against a listener that answers as a gateway does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from gateway.cli.commands.send import ACCEPTED, DUPLICATE, REFUSED
from gateway.cli.http_poster import PostAnswer
from tests.cli.conftest import CONFIG, Cli
from tests.cli.test_posting import Server, serving

pytestmark = pytest.mark.usefixtures("configured")
TYPES = ["RECORD_START", "RECORD_NEW_FILE_START", "RECORD_FILE_COMPLETE", "RECORD_OVER", "RECORD_FAILED"]


@pytest.fixture
def vendor() -> Iterator[Server]:
    with serving() as server:
        yield server


def _bodies(server: Server) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, body in server.seen]


def test_without_a_type_all_five_are_played_in_turn(vendor: Server, cli: Cli) -> None:
    result = cli("send", "--url", vendor.base)
    assert [body["event_type"] for body in _bodies(vendor)] == TYPES
    assert [path for path, _, _ in vendor.seen] == ["/hooks/live"] * 5
    assert [line.split()[:3] for line in result.stdout.splitlines()] == [[name, "200", "accepted"] for name in TYPES]
    assert len({body["stream"] for body in _bodies(vendor)}) == 1
    assert _bodies(vendor)[1]["job_id"] == _bodies(vendor)[2]["job_id"]


def test_the_configured_listener_is_the_default(vendor: Server, cli: Cli, configured: Path) -> None:
    (configured / "gateway.yaml").write_text(CONFIG.replace("{port: 8080}", f"{{port: {vendor.server_port}}}"))
    cli("send", "--source", "live", "--type", "RECORD_OVER")
    assert len(vendor.seen) == 1


def test_two_sends_play_different_events(vendor: Server, cli: Cli) -> None:
    cli("send", "--url", vendor.base, "--type", "RECORD_FILE_COMPLETE", "--count", "3")
    cli("send", "--url", vendor.base, "--type", "RECORD_FILE_COMPLETE", "--count", "3")
    assert len({body["job_id"] for body in _bodies(vendor)}) == 6


@pytest.mark.parametrize(("wanted", "played"), [("recording.failed", "RECORD_FAILED"), ("record_over", "RECORD_OVER")])
def test_our_own_names_and_any_case_are_taken(wanted: str, played: str, vendor: Server, cli: Cli) -> None:
    cli("send", "--url", vendor.base, "--type", wanted)
    assert [body["event_type"] for body in _bodies(vendor)] == [played]


def test_fields_are_replaced_by_json_or_text(vendor: Server, cli: Cli) -> None:
    cli("send", "--url", vendor.base, "--type", "RECORD_FAILED", "--field", "stream=vip-1", "--field", "width=5",
        "--field", 'extra={"a": 1}', "--field", "note=a=b", "--field", "rate=NaN", "--field", "size=1e400")  # fmt: skip
    [body] = _bodies(vendor)
    assert (body["stream"], body["width"], body["extra"], body["note"]) == ("vip-1", 5, {"a": 1}, "a=b")
    assert (body["rate"], body["size"]) == ("NaN", "1e400")  # which no JSON can say


def test_a_field_that_the_vendor_does_not_have_is_said(vendor: Server, cli: Cli) -> None:
    said = "--field {}: a callback of huawei-live as it is played has no such field; it is added"
    result = cli("send", "--url", vendor.base, "--type", "RECORD_START", "--field", "strem=x", "--field", "app=live")
    assert said.format("strem") + ". Did you mean 'stream'?" in result.stderr
    assert result.stderr.count("--field") == 1
    assert _bodies(vendor)[0]["strem"] == "x"
    other = cli(
        "send", "--url", vendor.base, "--type", "RECORD_START", "--field", "error_message=x", "--field", "of=us"
    )
    assert other.stderr.splitlines()[0] == said.format("of")  # that of another type is the vendor's
    assert "error_message" not in other.stderr


@pytest.mark.parametrize("flag", ["--tampered", "--expired"])
def test_a_bad_callback_is_well_when_it_is_refused(flag: str, vendor: Server, cli: Cli) -> None:
    vendor.answer = (401, b'{"code": "signature_mismatch", "detail": "no key fits"}')
    assert (
        "401 signature_mismatch (no key fits) as expected"
        in cli("send", "--url", vendor.base, flag, "--type", "RECORD_OVER").stdout
    )
    vendor.answer = (200, b'{"status": "accepted", "events": ["e"]}')
    result = cli("send", "--url", vendor.base, flag, "--type", "RECORD_OVER", code=1)
    assert "expected 401" in result.stdout
    assert "1 of 1 answers" in result.stderr


def test_a_duplicate_is_posted_twice_and_must_be_known_the_second_time(vendor: Server, cli: Cli) -> None:
    result = cli("send", "--url", vendor.base, "--duplicate", "--type", "RECORD_OVER", code=1)
    assert vendor.seen[0][2] == vendor.seen[1][2]
    assert "expected 200 duplicate" in result.stdout.splitlines()[1]


def test_a_refusal_of_a_good_callback_is_exit_1(vendor: Server, cli: Cli) -> None:
    vendor.answer = (503, b'{"code": "store_unavailable"}')
    assert "expected 200 accepted" in cli("send", "--url", vendor.base, "--type", "RECORD_OVER", code=1).stdout


def test_programs_get_an_object_for_each_answer(vendor: Server, cli: Cli) -> None:
    lines = cli("send", "--url", vendor.base, "--json").stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines] == TYPES
    assert json.loads(lines[0]) == {
        "type": "RECORD_START",
        "status": 200,
        "answer": "accepted",
        "events": ["e1", "e2"],
        "detail": None,
        "expected": True,
    }


def test_printing_sends_nothing_and_gives_bodies_that_can_be_piped(cli: Cli) -> None:
    result = cli("send", "--print", "--count", "2", "--url", "http://127.0.0.1:1")
    assert [json.loads(line)["event_type"] for line in result.stdout.splitlines()] == TYPES * 2
    assert "application/json" in result.stderr


def test_a_long_run_shows_a_bar_and_a_sum(vendor: Server, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = io.StringIO()
    monkeypatch.setattr(
        "gateway.cli.output.progress",
        lambda length, label: click.progressbar(length=length, label=label, file=drawn, hidden=False),
    )
    result = cli("send", "--url", vendor.base, "--count", "5")
    assert result.stdout == ""
    assert "25 sent to" in result.stderr
    assert "25 answered as expected" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--source", "life"], "did you mean 'live'"),
        (["--type", "RECORD_FAILD"], "did you mean 'RECORD_FAILED'"),
        (["--type", "recording.faild"], "did you mean 'recording.failed'"),
        (["--field", "stream"], "NAME=VALUE"),
        (["--field", "stream=\udcff"], "--field stream: what is to be sent is no UTF-8"),
        (["--duplicate", "--tampered"], "neither"),
        (["--url", "somewhere"], "--url"),
        (["--sign-type", "rot13", "--print"], "rot13"),
    ],
)
def test_wrong_use_says_what_to_do(arguments: list[str], says: str, cli: Cli) -> None:
    assert says in cli("send", *arguments, code=2).stderr


def test_which_source_must_be_said_where_there_are_several(cli: Cli, configured: Path) -> None:
    key = "demo-11111111111111111111111111111111"
    more = f"  other: {{type: huawei-live, keys: [{key}]}}\nsinks:"
    (configured / "gateway.yaml").write_text(CONFIG.replace("sinks:", more))
    assert "live, other" in cli("send", "--print", code=2).stderr
    cli("send", "--print", "--source", "other")
    (configured / "gateway.yaml").write_text("version: 1\n")
    assert "no source" in cli("send", "--print", code=1).stderr


def test_a_source_that_cannot_be_played_says_so(cli: Cli, configured: Path) -> None:
    (configured / "mute.py").write_text(
        'from gateway import Source\nclass Mute(Source):\n    """Mute."""\n    type = "mute"\n'
        "    def verify(self, callback): ...\n    def normalise(self, callback, verified): ...\n"
        "    def verify(self, callback): ...\n    def normalise(self, callback, verified): ...\n"
    )
    (configured / "mute.py").chmod(0o600)
    (configured / "gateway.yaml").write_text("version: 1\nplugins: [./mute.py]\nsources: {one: {type: mute}}\n")
    assert "cannot be played" in cli("send", code=1).stderr


def test_an_answer_in_a_vendors_own_words_is_judged_by_its_status() -> None:
    own = PostAnswer(200, "", "ok", ())
    assert ACCEPTED.met_by(own)
    assert DUPLICATE.met_by(own)
    assert not REFUSED.met_by(own)
    assert not ACCEPTED.met_by(PostAnswer(200, "duplicate", "", ("e",)))


@pytest.mark.parametrize(
    ("body", "said"),
    [("1 / 0", "failed in play: ZeroDivisionError"), ("return {}", "play gave a dict, not a gateway.Played")],
)
def test_a_source_whose_play_has_a_bug_is_named(cli: Cli, configured: Path, body: str, said: str) -> None:
    (configured / "odd.py").write_text(
        "from gateway import Source\nclass Odd(Source):\n    type = 'odd'\n    scenes = ('x',)\n"
        "    def verify(self, callback): ...\n    def normalise(self, callback, verified): ...\n"
        f"    def play(self, scene):\n        {body}\n"
    )
    (configured / "odd.py").chmod(0o600)
    (configured / "gateway.yaml").write_text("version: 1\nplugins: [./odd.py]\nsources: {one: {type: odd}}\n")
    error = cli("send", "--print", code=1).stderr
    assert said in error
    assert "odd.py" in error
