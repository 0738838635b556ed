"""`gateway health` against real listeners."""

from __future__ import annotations

import http.server
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import health, main
from tests import threads
from tests.cli.conftest import Cli, run


class Answers(http.server.BaseHTTPRequestHandler):
    """200 to /healthz, 503 to everything else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path.startswith("/healthz") else 503)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}\n' if self.path == "/healthz" else b'{"status": "\x1b[31mstarting"}')

    def log_message(self, format: str, *args: Any) -> None: ...

    def address_string(self) -> str:
        return "peer"


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threads.start(server.serve_forever, poll_interval=0.01)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        threads.end(thread)


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    with _serving(server):
        yield server.server_port


@pytest.fixture
def unix(tmp_path: Path) -> Iterator[str]:
    class Server(socketserver.UnixStreamServer):
        def get_request(self) -> tuple[Any, Any]:
            return super().get_request()[0], ("unix", 0)

    path = str(tmp_path / "admin.sock")
    with _serving(Server(path, Answers)):
        yield path


def test_a_gateway_that_lives_is_exit_0(port: int, folder: Path) -> None:
    done = run(["health", "--url", f"http://127.0.0.1:{port}"], cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, '200 {"status": "ok"}\n', "")


def test_a_gateway_that_is_not_ready_is_exit_1(port: int, folder: Path) -> None:
    done = run(["health", "--ready", "--url", f"http://127.0.0.1:{port}/"], cwd=folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("503 ")
    assert "\x1b" not in done.stderr


def test_no_answer_is_exit_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert health.health_main(["--url", "http://127.0.0.1:1/healthz"]) == 1
    assert "Connection refused" in capsys.readouterr().err
    assert health.health_main(["--url", "unix:/nowhere.sock", "-q", "--timeout", "1"]) == 1
    assert "no answer" not in capsys.readouterr().err


def test_a_listener_that_speaks_no_http_is_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    class Junk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1000)
            self.request.sendall(b"SSH-2.0-nothing\r\n")

    server = socketserver.TCPServer(("127.0.0.1", 0), Junk)
    with _serving(server):
        assert health.health_main(["--url", f"http://127.0.0.1:{server.server_address[1]}"]) == 1
    assert "no answer" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "127.0.0.1:9090", "http://host:port/", "http://"])
def test_a_url_that_cannot_be_asked_is_wrong_use(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert health.health_main(["--url", url]) == 2
    assert url in capsys.readouterr().err


def test_wrong_options_are_wrong_use(folder: Path) -> None:
    for arguments in (["health", "--nothing"], ["health", "--timeout", "soon"], ["-c", "x", "health", "--nothing"]):
        assert run(arguments, cwd=folder).returncode == 2


def test_a_unix_socket_can_be_asked(unix: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert health.health_main(["--url", f"unix:{unix}"]) == 0
    assert health.health_main(["--url", f"unix:{unix}", "--ready"]) == 1
    assert health.health_main(["--url", f"unix:{unix}:/healthz?x"]) == 0


@pytest.mark.parametrize(
    ("url", "environ", "ready", "asked"),
    [
        (None, {}, False, "http://127.0.0.1:9090/healthz"),
        (None, {}, True, "http://127.0.0.1:9090/readyz"),
        (None, {"GATEWAY_ADMIN_HOST": "0.0.0.0"}, False, "http://127.0.0.1:9090/healthz"),
        (None, {"GATEWAY_ADMIN_HOST": "::"}, False, "http://[::1]:9090/healthz"),
        (None, {"GATEWAY_ADMIN_HOST": "10.0.0.7"}, True, "http://10.0.0.7:9090/readyz"),
        (None, {"GATEWAY_HEALTH_URL": "http://admin:81/x", "GATEWAY_ADMIN_HOST": "y"}, True, "http://admin:81/x"),
        ("http://h:1", {"GATEWAY_HEALTH_URL": "http://admin:81/x"}, False, "http://h:1/healthz"),
        ("unix:/a.sock", {}, True, "unix:/a.sock:/readyz"),
        ("unix:/a.sock:/metrics", {}, True, "unix:/a.sock:/metrics"),
    ],
)
def test_what_is_asked_comes_from_the_option_then_the_environment(
    url: str | None, environ: dict[str, str], ready: bool, asked: str
) -> None:
    assert health.address(url, environ, ready=ready) == asked


def test_through_click_it_is_the_same(port: int, cli: Cli) -> None:
    url = f"http://127.0.0.1:{port}"
    assert cli("health", "--url", url).output == '200 {"status": "ok"}\n'
    cli("health", "--url", url, "--ready", "--quiet", code=1)


def test_click_and_the_quick_way_have_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.cli.commands.health import command

    given = [opt for parameter in command.params for opt in parameter.opts]
    assert set(given) == {"--url", "--ready", "--timeout", "-q", "--quiet"}
    monkeypatch.setattr("sys.argv", ["gateway", "health", "--url", "x", "--ready", "--timeout", "1", "-q", "--quiet"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2  # the URL is wrong, the options are known
