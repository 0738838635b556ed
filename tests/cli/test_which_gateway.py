"""Which gateway a command asks, and with which token: what cannot be meant is told before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli import remote_client
from gateway.cli.remote_client import Remote, checked
from gateway.errors import GatewayError
from tests.cli.conftest import Cli
from tests.running import receiving

TOKEN = "t" * 40


@pytest.fixture
def token(folder: Path) -> str:
    (folder / "token").write_text(TOKEN)
    return "token"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--token-file", "token"], "--token-file goes with --url"),
        (["--url", "http://127.0.0.1:1", "--config", "gateway.yaml"], "exclude each other"),
        (["--url", "http://127.0.0.1:1"], "a token is needed"),
        (["--url", "http://127.0.0.1:1", "--token-file", "empty"], "a token is needed"),
        (["--url", "http://127.0.0.1:1", "--token-file", "no file"], "no file: No such file"),
        (["--url", "http://127.0.0.1:1", "--token-file", "chinese"], "it is no ASCII text"),
        (["--url", "http://127.0.0.1:1", "--token-file", "yaml"], "a token is one line of ASCII"),
        (["--url", "ftp://127.0.0.1", "--token-file", "token"], "expected http://host:port"),
        (["--url", "http://", "--token-file", "token"], "expected http://host:port"),
        (["--url", "https://me@host", "--token-file", "token"], "no credentials in a URL"),
        (["--url", "https://host/?token=x", "--token-file", "token"], "no credentials in a URL"),
    ],
)
def test_what_cannot_be_meant_is_told(cli: Cli, token: str, options: list[str], says: str) -> None:
    Path("empty").write_text("\n")
    Path("chinese").write_text("令牌")
    Path("yaml").write_text(f"version: 1\nadmin: {{token: {TOKEN}}}\n")
    said = cli(*options, "events", "list", code=2).stderr
    assert says in said
    assert TOKEN not in said


def test_a_token_over_plain_http_to_elsewhere_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert checked("http://192.0.2.1:9090/", TOKEN, chosen=True).url == "http://192.0.2.1:9090"
    assert "over plain HTTP" in capsys.readouterr().err
    for url in ("https://192.0.2.1:9090", "http://localhost:9090", "unix:///run/gateway.sock"):
        checked(url, TOKEN, chosen=True)
    assert capsys.readouterr().err == ""


def test_whatever_answers_there_that_is_no_gateway_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as other:  # 200 and no JSON
        remote = Remote(other.url, TOKEN)
        with pytest.raises(GatewayError, match=r"no answer from http://127\.0\.0\.1:\d+ .*private listener"):
            remote.post("/reload")
        with pytest.raises(GatewayError, match="no answer from"):
            remote.open_stream("/stream", {}, {}, 1.0)
    for url in ("https://127.0.0.1:1", "unix:///no/such/socket"):
        with pytest.raises(GatewayError, match="no answer from"):
            Remote(url, TOKEN).get("/events")


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        ({"code": "not_found", "detail": "there is no event x"}, 404, "there is no event x"),
        ({"code": "not_found", "detail": "there is nothing here"}, 404, "has no admin API"),
        ({}, 404, "has no admin API"),
        ([], 500, "HTTP 500"),
        ({"code": "ambiguous", "detail": "two begin with it"}, 409, "two begin with it"),
        (
            {
                "detail": "it is refused",
                "problems": [
                    {
                        "file": "g.yaml",
                        "line": 3,
                        "column": 5,
                        "path": "sinks",
                        "message": "no \x1b[31m",
                        "hint": "yes",
                    },
                    {"file": "g.yaml", "message": "it is empty"},
                ],
            },
            422,
            "it is refused\ng.yaml:3:5: sinks: no \\x1b[31m\n    hint: yes\ng.yaml: it is empty",
        ),
    ],
)
def test_a_refusal_is_told_as_the_command_would_say_it_here(answer: object, status: int, says: str) -> None:
    assert says in str(remote_client.error_of_refusal(answer, status, "http://there"))


def test_a_home_in_which_nothing_can_be_kept_is_told(
    cli: Cli, token: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "taken").symlink_to("nowhere")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "taken"))
    command = ("context", "add", "live", "--url", "http://127.0.0.1:1", "--token-file", token)
    assert "contexts.json cannot be written: File exists; XDG_CONFIG_HOME" in " ".join(
        cli(*command, code=1).stderr.split()
    )


def test_a_user_without_a_home_has_no_contexts(
    cli: Cli, token: str, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs as a number: Python then does not know the home folder."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cli("check").exit_code == 0
    assert "no contexts" in cli("context", "list").output
    command = ("context", "add", "live", "--url", "http://127.0.0.1:1", "--token-file", token)
    assert "this user has no home folder" in cli(*command, code=1).stderr
