"""docs/sinks.md and docs/calls.md say what the code does: the status table, the headers, the examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import Answer, Refused, Retry, Unavailable, failure_of
from gateway.config.document.diagnostics import ConfigError
from gateway.config.load import load
from gateway.plugin.registry import Registry
from gateway.testing import NOW, ScriptedServer, delivery, event
from plugins.sinks.console import line
from tests.receivers.conftest import SECRET
from tests.sinks.test_forward import forwarding

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "sinks.md").read_text()
OUTCOMES = {"retry": Retry, "refused": Refused, "unavailable": Unavailable}


def rows(heading: str) -> list[list[str]]:
    part = TEXT.split(heading, 1)[1]
    table = re.search(r"(?:^\|.*\n)+", part, re.M)
    assert table
    return [[cell.strip() for cell in row.strip("|\n").split("|")] for row in table[0].splitlines()[2:]]


def documented(status: int) -> tuple[type[Exception], bool]:
    """What the table says of a status: its outcome, and whether it counts towards the circuit."""
    found, rest = None, None
    for answers, outcome, counts in rows("## What an HTTP answer means"):
        row = (OUTCOMES.get(re.split(r"\W", outcome)[0]), counts == "yes")
        if re.search(rf"\b{status}\b", answers):
            found = row
        elif f"every other {status // 100}xx" in answers or f"{status // 100}xx" == answers:
            rest = row
    kind, counts_too = found or rest or (None, False)
    assert kind, f"the table says nothing of {status}"
    return kind, counts_too


@pytest.mark.parametrize("status", range(300, 600))
def test_the_table_says_what_each_status_does(status: int) -> None:
    failure: Any = failure_of(Answer(status=status, headers=httpx.Headers(), body=b"", origin="x:1", now=NOW))
    kind, counts = documented(status)
    assert type(failure) is kind
    assert getattr(failure, "service", False) is counts


async def test_the_headers_named_are_the_headers_sent() -> None:
    named = {row[0].strip("`") for row in rows("### Headers")}
    sign = [{"secrets": [SECRET]}, {"scheme": "github", "secret": SECRET}, {"scheme": "rfc9421", "key": SECRET}]
    async with ScriptedServer() as server, forwarding(server.url, sign=sign) as sink:
        await sink.deliver(delivery(event(), replay=True))
        await sink.deliver_batch([delivery(event())])
    usual = {"host", "user-agent", "accept", "accept-encoding", "content-length"}
    assert {name for got in server.received for name, _ in got.headers} - usual == named


CALLS = (Path(__file__).resolve().parents[2] / "docs" / "calls.md").read_text()
CHINESE = (Path(__file__).resolve().parents[2] / "docs" / "sinks.zh-CN.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", TEXT + CALLS + CHINESE, re.M | re.S)
[OWNERS, _] = re.findall(r"^```text\n(owner,.*?)^```$", TEXT + CHINESE, re.M | re.S)
ENVIRON = {
    "APP_SECRET": SECRET,
    "NTFY_URL": "ntfys://ntfy.sh/a-topic-nobody-guesses",
    "GOTIFY_URL": "gotifys://gotify.example/AbCdEfGhIjKlMnO",
    "BARK_URL": "barks://api.day.app/AbCdEfGhIjKlMnOpQrStUv",
}


def test_every_type_has_an_example() -> None:
    lacking = [name for name in Registry().sink_types() if not re.search(rf"type: {name}\b", TEXT)]
    assert lacking == [], "docs/sinks.md has a section for each, with an example"


def test_every_type_keeps_the_promises() -> None:
    """All but `pull`, which the core never calls."""
    texts = [path.read_text() for path in Path(__file__).parent.rglob("*.py")]
    inherited = {name for text in texts for name in re.findall(r"^    sink = (\w+)$", text, re.MULTILINE)}
    registry = Registry()
    classes = {type: registry.sink(type).__name__ for type in registry.sink_types() if type != "pull"}
    lacking = [type for type, name in classes.items() if not inherited & {name, f"{name}Sink"}]
    assert lacking == [], "inherit SinkPromises or HttpSinkPromises in a file of tests/sinks, as test_console.py does"


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_loads(example: str, tmp_path: Path) -> None:
    named = {
        name: f"https://{name.lower()}.example/{'0' * 32}" if name.endswith("URL") else f"{name}:{'0' * 32}"
        for name in re.findall(r"\$\{(\w+)\}", example)
    }
    path = tmp_path / "gateway.yaml"
    path.write_text(example)
    path.chmod(0o600)
    (tmp_path / "owners.csv").write_text(OWNERS)
    loaded = load(path, environ=named | ENVIRON, placeholders="${file:" in example)
    assert loaded.settings.sinks


def test_the_consoles_line_looks_as_shown() -> None:
    [shown] = re.findall(r"^```text\n(.*)\n```$", TEXT, re.M)
    made = line(event())

    def shape(text: str) -> str:
        text = re.sub(r"https?://\S+", "URL", text)
        return re.sub(r"=\S+", "=", re.sub(r"[\d.]+", "0", text))

    assert re.sub(r"\S+/\S+/\S+", "SUBJECT", shape(shown), count=1) == re.sub(
        r"\S+/\S+/\S+", "SUBJECT", shape(made), count=1
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_can_be_checked_without_its_secrets(example: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(example if "version:" in example else f"version: 1\n{example}", "utf-8")
    path.chmod(0o600)
    (tmp_path / "owners.csv").write_text(OWNERS)
    found = load(path, environ={}, placeholders=True)
    stand_in = ("whole", "access_token", "host placeholder", "is the same as")
    assert not [one for one in found.warnings if any(word in one.found for word in stand_in)]


@pytest.mark.parametrize("service", ["feishu", "dingtalk", "wecom", "slack", "teams", "google-chat"])
def test_a_chat_url_that_is_not_here_gives_no_advice(service: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"version: 1\nsinks:\n  ops: {{type: chat, service: {service}, url: '${{URL}}'}}\n", "utf-8")
    path.chmod(0o600)
    assert not [one for one in load(path, environ={}, placeholders=True).warnings if " URL " in one.found]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{type: chat, service: feishu}", "`url` beside `service: feishu`"),
        (
            "{type: database, url: 'sqlite:///x.db', table: t, columns: {a: event.id}, key: [z]}",
            "`z` is not in `columns`",
        ),
        ("{type: exec, command: [/bin/true], delivered: [0, 75]}", "each exit code once"),
    ],
)
def test_options_that_do_not_go_together_are_called_that(options: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"version: 1\nsinks:\n  it: {options}\n")
    path.chmod(0o600)
    with pytest.raises(ConfigError) as wrong:
        load(path, environ={})
    [problem] = wrong.value.problems
    assert (problem.path, problem.found) == ("sinks.it", "options that do not go together")
    assert said in problem.expected
