"""`gateway listen`: what a pull sink has reaches a program on this machine, as `forward` would send it, and is shown."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import verify_webhook
from gateway.cli.table import cell_width
from gateway.errors import GatewayError
from tests.cli.conftest import Cli
from tests.cli.listen_run import ListenRun, states, url_of
from tests.cli.terminal import Terminal
from tests.running import SECRET, Receiver, receiving
from tests.web.admin_api import READ, ask, post, serve, until
from tests.web.doors import Served
from tests.web.pull_api import PULL, PULLING, fetch, leave_nothing, newest_body, put, tell

STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("listen"), config=PULLING) as served:
        yield served
        served.ask()
        served.result()


@pytest.fixture(autouse=True)
def _empty(served: Served) -> Iterator[None]:
    yield
    leave_nothing(served)


@pytest.fixture
def local() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.mark.plain_rows
async def test_an_event_is_posted_as_forward_does_and_acknowledged(
    served: Served, local: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    put(served)
    running = ListenRun(served, f"{local.url}/recordings", body=True)
    await running.until(lambda: states(served)[0][0] == "delivered")
    await running.end()
    headers, body = local.requests[0]
    assert body == newest_body(served).encode()
    assert verify_webhook(body, headers, SECRET) == json.loads(body)["id"]
    assert headers["content-type"] == "application/cloudevents+json"
    shown = capsys.readouterr().out
    assert "recording.file.completed  push.example.com/live/" in shown
    assert "200 in " in shown
    assert "acknowledged" in shown
    assert '"specversion": "1.0"' in shown
    assert max(cell_width(line) for line in shown.splitlines() if not line.startswith("20")) <= 80  # but for the log


async def test_what_is_answered_badly_is_given_back_with_the_reason_and_comes_again(
    served: Served, local: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    put(served)
    local.answer = 422
    running = ListenRun(served, local.url)
    await running.until(lambda: local.requests)
    local.answer = 200
    await running.until(lambda: states(served)[0][0] == "delivered")
    await running.end()
    history = ask(served, f"/deliveries/{ask(served, '/deliveries?sink=q').json()['items'][0]['id']}").json()["history"]
    outcomes = {one["outcome"]: one["detail"] for one in history}
    assert outcomes["retry"].startswith("HTTP 422 from 127.0.0.1")
    shown = capsys.readouterr().out
    assert "422 in " in shown
    assert "given back" in shown
    assert "(attempt 2)" in shown


async def test_where_nothing_answers_it_says_so_and_goes_on(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    put(served)
    with receiving() as gone:
        url = gone.url
    running = ListenRun(served, url)
    await running.until(lambda: states(served)[0][1])
    await running.until(lambda: "is your program running?" in capsys.readouterr().err)
    await running.end()


async def test_what_is_on_its_way_when_it_ends_goes_back_untouched(
    served: Served, local: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    put(served)
    local.delay = 3.0
    running = ListenRun(served, local.url)
    await running.until(lambda: local.connections)
    await running.end()
    assert "handed back" in capsys.readouterr().err
    assert states(served)[0] == ("waiting", None)
    (item,) = fetch(served)["items"]
    assert item["attempt"] == 1
    tell(served, "ack", [item["receipt"]])


async def test_a_lease_that_was_lost_meanwhile_is_said_and_does_not_end_it(
    served: Served, local: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    put(served)
    local.delay = 0.5
    running = ListenRun(served, local.url)
    await running.until(lambda: local.connections)
    number = ask(served, "/deliveries?sink=q").json()["items"][0]["id"]
    assert post(served, f"/deliveries/{number}/cancel").status == 200
    await running.until(lambda: "its lease had ended" in capsys.readouterr().err)
    await running.end()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"token": READ}, "is no consumer's"),
        ({"token": "x" * 40}, "a token of `admin.tokens` is needed"),
        ({"sink": "p"}, "does not list this sink"),
    ],
)
async def test_a_gateway_that_refuses_for_good_ends_it(
    served: Served, local: Receiver, more: dict[str, str], said: str
) -> None:
    with pytest.raises(GatewayError, match=said):
        await ListenRun(served, local.url, **more).task  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "http://192.0.2.1:3000"], "is not this machine"),
        (["--to", "http://localhost.evil.example:3000"], "is not this machine"),
        (["--to", "localhost:3000"], "expected http://localhost:3000/path"),
        (["--to", "http://me:secret@localhost:3000"], "without user name and password"),
        (["--to", "http://localhost:99999"], "expected http://localhost:3000/path"),
        ([], "Missing option '--to'"),
    ],
)
def test_it_posts_to_this_machine_unless_it_is_told_otherwise(
    cli: Cli, configured: Path, arguments: list[str], said: str
) -> None:
    assert said in cli("listen", "lines", *arguments, code=2).stderr


def test_without_a_consumers_token_it_says_what_to_write(cli: Cli, configured: Path) -> None:
    said = cli("listen", "lines", "--to", "http://localhost:3000", "--not-loopback", code=1).stderr
    assert "no token of `admin.tokens` has the role pull and lists lines" in said


def test_a_secret_that_signs_nothing_is_refused_unseen(cli: Cli, configured: Path) -> None:
    (configured / "secret").write_text("whsec_tooshort")
    said = cli("listen", "lines", "--to", "http://[::1]:3000", "--secret-file", "secret", code=1).stderr
    assert "no token" in said
    path = configured / "gateway.yaml"
    token = f"{{name: w, token: {PULL}, role: pull, sinks: [q]}}"
    text = path.read_text().replace("admin: {port: 9090}", f"admin: {{port: 9090, tokens: [{token}]}}")
    path.write_text(text.replace("sinks:\n", "sinks:\n  q: {type: pull}\n", 1))
    said = cli("listen", "q", "--to", "http://[::1]:3000", "--secret-file", "secret", code=2).stderr
    assert "the secret of secret: expected whsec_" in said
    assert "tooshort" not in said


@pytest.mark.wide
def test_on_a_terminal_a_key_sends_the_last_one_again_and_ctrl_c_ends_it(served: Served, local: Receiver) -> None:
    folder = Path(served.behind.loaded.path).parent  # type: ignore[attr-defined]
    (folder / "token").write_text(PULL)
    put(served)
    running = Terminal(
        folder, ["listen", "q", "--to", local.url, "--url", url_of(served), "--token-file", "token"], columns=70
    )
    running.until(lambda text: "acknowledged" in text)
    running.press("r")
    running.until(lambda text: "(replay)" in text and "200 in" in text)
    assert local.ids[0] == local.ids[1]
    assert [headers.get("webhook-replay") for headers, _ in local.requests] == [None, "true"]
    assert {verify_webhook(body, headers, made(running.text)) for headers, body in local.requests} == {local.ids[0]}
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0
    assert "Traceback" not in running.text
    lines = [STYLE.sub("", line) for line in running.text.splitlines() if "→" in line or "←" in line or "POST" in line]
    assert max(map(cell_width, lines)) <= 70
    until(served, "/sinks/q", lambda sink: sink["waiting"] == sink["sending"] == 0)


@pytest.mark.wide
def test_with_a_secret_that_is_kept_nothing_is_made_and_sigterm_ends_it_as_such(
    served: Served, local: Receiver
) -> None:
    folder = Path(served.behind.loaded.path).parent  # type: ignore[attr-defined]
    (folder / "token").write_text(PULL)
    (folder / "secret").write_text(SECRET.removeprefix("demo-"))
    put(served)
    arguments = ["listen", "q", "--to", local.url, "--url", url_of(served), "--token-file", "token"]
    running = Terminal(folder, [*arguments, "--secret-file", "secret"])
    running.until(lambda text: "acknowledged" in text)
    [(headers, body)] = local.requests
    assert verify_webhook(body, headers, SECRET.removeprefix("demo-")) == local.ids[0]
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 128 + signal.SIGTERM
    assert "Traceback" not in running.text
    assert "made for this run" not in running.text


def made(text: str) -> str:
    """The secret that was made for this run."""
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", text)
    assert found
    return found[0]
