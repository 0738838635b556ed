"""`gateway route`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, Cli

pytestmark = pytest.mark.usefixtures("configured")


def test_every_route_says_why(cli: Cli) -> None:
    said = cli("route", "--type", "recording.failed", "--stream", "other").stdout
    assert said.splitlines()[0] == "recording.failed push.example.com/live/other from live"
    assert 'failures: stream is "other", wanted "vip-*" or "main"' in said
    assert "files: type is" in said
    assert said.splitlines()[-1].startswith("goes to: no sink")


def test_a_match_names_the_sinks(cli: Cli) -> None:
    said = cli("route", "--type", "recording.failed", "--stream", "vip-1").stdout
    assert said.splitlines()[-1] == "goes to: screen, lines"


def test_an_expectation_decides_the_exit_code(cli: Cli) -> None:
    cli("route", "--type", "recording.failed", "--stream", "main", "--expect", "lines,screen")
    assert (
        "expected" in cli("route", "--type", "recording.failed", "--stream", "main", "--expect", "lines", code=1).stderr
    )
    cli("route", "--type", "recording.ended", "--expect", "")


def test_programs_get_sinks_and_verdicts(cli: Cli) -> None:
    said = json.loads(cli("route", "--type", "recording.failed", "--stream", "main", "--json").stdout)
    assert said["sinks"] == ["screen", "lines"]
    assert [verdict["route"] for verdict in said["routes"]] == ["failures", "files"]
    assert said["event"]["type"] == "recording.failed"


def test_an_event_can_be_read_in_both_forms(cli: Cli, configured: Path) -> None:
    flat = {"type": "recording.file.completed", "files": [{"duration_seconds": 90}]}
    assert "goes to: lines" in cli("route", "--event", "-", input=json.dumps(flat)).stdout
    flat["files"] = [{"duration_seconds": 9}]
    (configured / "flat.json").write_text(json.dumps(flat))
    assert "goes to: no sink" in cli("route", "--event", "flat.json").stdout
    document = {
        "specversion": "1.0",
        "id": "0" * 32,
        "source": "/sources/live",
        "type": "recording.failed",
        "data": {"stream": "vip-9"},
    }
    assert "goes to: screen, lines" in cli("route", "--event", "-", input=json.dumps(document)).stdout


def test_a_vendors_body_can_be_read(cli: Cli, configured: Path) -> None:
    body = cli("send", "--print", "--type", "RECORD_FAILED", "--field", "stream=vip-3").stdout
    (configured / "body.json").write_text(body)
    said = cli("route", "--callback", "body.json", "--source", "live").stdout
    assert "recording.failed push.example.com/live/vip-3 from live" in said
    assert "goes to: screen, lines" in said


def test_a_body_that_cannot_be_read_is_the_answer_no(cli: Cli, configured: Path) -> None:
    (configured / "body.json").write_text('{"event_type": ')
    assert "Error" in cli("route", "--callback", "body.json", "--source", "live", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "describe one event"),
        (["--event", "-", "--type", "recording.failed"], "describe one event"),
        (["--callback", "x.json"], "--source"),
        (["--callback", "x.json", "--source", "life"], "did you mean 'live'"),
        (["--callback", "x.json", "--source", "live"], "cannot read x.json"),
        (["--event", "x.json"], "cannot read x.json"),
        (["--type", "recording.fail"], "did you mean 'recording.failed'"),
        (["--type", "recording.failed", "--trust", "full"], "trust"),
        (["--stream", "main"], "type"),
    ],
)
def test_wrong_use_says_what_to_do(arguments: list[str], says: str, cli: Cli) -> None:
    assert says in cli("route", *arguments, code=2).stderr


def test_an_event_that_is_no_event_says_so(cli: Cli) -> None:
    assert "not JSON" in cli("route", "--event", "-", input="{", code=2).stderr
    Path("bytes.json").write_bytes(b"\xff\xfe\x00")
    assert "no text in UTF-8" in cli("route", "--event", "bytes.json", code=2).stderr
    assert "more than 16 MiB" in cli("route", "--event", "/dev/zero", code=2).stderr
    assert "nested deeper" in cli("route", "--event", "-", input="[" * 100_000, code=2).stderr
    assert "mapping" in cli("route", "--event", "-", input="[]", code=2).stderr
    assert (
        "unknown key" in cli("route", "--event", "-", input='{"type": "recording.failed", "straem": 1}', code=2).stderr
    )


ODD = """
from gateway import Event, Source, Trust, Verified

class Odd(Source):
    \"\"\"Makes none, two, or fails.\"\"\"
    type = "odd"
    def verify(self, callback):
        return Verified(trust=Trust.BODY, scheme="odd")
    def normalise(self, callback, verified):
        said = callback.json()
        return [self._event(callback, one) for one in said["streams"]]
    def _event(self, callback, stream):
        return Event(id=stream, type="recording.failed", source=self.name, provider="odd", stream=stream,
                     received_at=callback.received_at)
"""


@pytest.fixture
def odd(configured: Path) -> Path:
    (configured / "odd.py").write_text(ODD)
    (configured / "odd.py").chmod(0o600)
    more = "sources:\n  odd: {type: odd}\n"
    (configured / "gateway.yaml").write_text("plugins: [./odd.py]\n" + CONFIG.replace("sources:\n", more))
    return configured


def test_a_callback_of_several_events_is_explained_event_by_event(odd: Path, cli: Cli) -> None:
    body = '{"streams": ["vip-1", "other"]}'
    arguments = ["route", "--callback", "-", "--source", "odd"]
    said = cli(*arguments, "--expect", "screen,lines", input=body).stdout
    assert said.count("failures") == 2
    assert [one["event"]["id"] for one in json.loads(cli(*arguments, "--json", input=body).stdout)] == [
        "vip-1",
        "other",
    ]
    assert "makes no event" in cli(*arguments, input='{"streams": []}').stdout


def test_a_source_that_fails_is_named(odd: Path, cli: Cli) -> None:
    result = cli("route", "--callback", "-", "--source", "odd", input="{}", code=1)
    assert "the source plugin odd failed: KeyError" in result.stderr


def test_an_event_is_of_the_only_source_or_of_the_one_it_names(odd: Path, cli: Cli) -> None:
    assert "from live" in cli("route", "--type", "recording.failed").stdout
    assert "from odd" in cli("route", "--type", "recording.failed", "--source", "odd").stdout
    assert "from odd" in cli("route", "--event", "-", "--source", "odd", input='{"type": "recording.failed"}').stdout


def test_a_source_that_is_not_configured_is_told(cli: Cli) -> None:
    assert "did you mean 'live'?" in cli("route", "--type", "recording.failed", "--source", "lief").stderr
    assert not cli("route", "--type", "recording.failed", "--source", "live").stderr
